/* On a real server: every write of the table is taken back without a trace and committed without a trace, alone and in random
 * company, with random savepoints. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/command.h"
#include "tests/unit/comp_lines.h"
#include "tests/unit/comp_server.h"

#define MAX_ROWS 500


static size_t row_of_line(const char *line)
{
    struct comp_argv argv = {0};
    argv_of_line(&argv, line);
    const struct comp_command *row =
        comp_command_find(comp_argv_at(&argv, 0), argv.n > 1 ? comp_argv_at(&argv, 1) : (struct slice){NULL, 0});
    comp_argv_fini(&argv);
    for (size_t i = 0; comp_command_row(i); i++)
        if (comp_command_row(i) == row)
            return i;
    CU_FAIL_FATAL("a sample line of no command");
    return 0;
}

static bool expect_state(const char *expected, const char *when, const char *line)
{
    char *now = server_fingerprint();
    bool same = !strcmp(now, expected);
    if (!same)
        fprintf(stderr, "\n%s: %s\n--- expected\n%s\n--- found\n%s\n", when, line, expected, now);
    free(now);
    CU_ASSERT_TRUE_FATAL(same);
    return same;
}

static void expect_nothing_left(const char *line)
{
    long long left = server_leftovers();
    if (left)
        fprintf(stderr, "\n%lld keys left by %s\n", left, line);
    CU_ASSERT_EQUAL_FATAL(left, 0);
}

/* Whether it changed anything. */
static bool one_write(const char *line, bool commit)
{
    server_seed();
    char *before = server_fingerprint();
    redisReply *r = tx_do("g", 1, line);
    bool failed = r->type == REDIS_REPLY_ERROR;
    freeReplyObject(r);
    if (failed)
        expect_state(before, "after an error", line);
    char *after = server_fingerprint();
    bool changed = strcmp(before, after) != 0;
    freeReplyObject(tx_end("g", commit ? COMP_END_COMMIT : COMP_END_ROLLBACK, 1, 1));
    expect_state(commit ? after : before, commit ? "after commit" : "after rollback", line);
    expect_nothing_left(line);
    free(before);
    free(after);
    return changed;
}

static bool known_here(const struct comp_command *row)
{
    char line[80];
    snprintf(line, sizeof line, "COMMAND INFO %.*s", (int)strcspn(row->name, " "), row->name);
    redisReply *r = server_line(line);
    bool known = r->elements == 1 && r->element[0]->type == REDIS_REPLY_ARRAY;
    freeReplyObject(r);
    return known;
}

/* What cannot be seen from outside has a test of its own in test_comp_redis.c; scripts that are only named become an EVAL before
 * they come here, and have theirs in test_redis_commands.py. */
static bool shown_elsewhere(const struct comp_command *row)
{
    static const char *const names[] = {"RESTORE", "XSETID", "EVALSHA", "FCALL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return false;
}

static void every_write_is_taken_back_and_committed_without_a_trace(void)
{
    static bool changed[MAX_ROWS];
    struct dice dice = {42};
    for (size_t i = 0; comp_lines()[i]; i++) {
        size_t row = row_of_line(comp_lines()[i]);
        for (int round = 0; round < 10; round++) {
            char line[256];
            comp_line_fill(line, sizeof line, comp_lines()[i], &dice);
            changed[row] |= one_write(line, round % 3 == 2);
        }
    }
    for (size_t i = 0; comp_command_row(i); i++) {
        const struct comp_command *row = comp_command_row(i);
        if (row->class != COMP_CLASS_WRITE)
            continue;
        bool shown = changed[i] || shown_elsewhere(row) || !known_here(row);
        if (!shown)
            fprintf(stderr, "\nno sample line that does anything: %s\n", row->name);
        CU_ASSERT_TRUE(shown);
    }
}

struct story {
    uint32_t last;
    char *at_mark;
    uint32_t mark;
    char lines[2048];
};

static void write_some(struct story *s, struct dice *dice)
{
    size_t n_lines = 0;
    while (comp_lines()[n_lines])
        n_lines++;
    for (unsigned n = 1 + dice_roll(dice, 8); n; n--) {
        char line[256];
        comp_line_fill(line, sizeof line, comp_lines()[dice_roll(dice, (unsigned)n_lines)], dice);
        snprintf(s->lines + strlen(s->lines), sizeof s->lines - strlen(s->lines), "%s; ", line);
        freeReplyObject(tx_do("g", ++s->last, line));
    }
}

static void random_transaction(struct dice *dice)
{
    struct story s = {0};
    char *before = server_fingerprint();
    write_some(&s, dice);
    if (dice_roll(dice, 3) == 0) {
        s.mark = s.last;
        s.at_mark = server_fingerprint();
        write_some(&s, dice);
        freeReplyObject(tx_end("g", COMP_END_PARTIAL, s.mark + 1, s.last));
        expect_state(s.at_mark, "after a savepoint was restored", s.lines);
        free(s.at_mark);
        if (dice_roll(dice, 2))
            write_some(&s, dice);
    }
    char *after = server_fingerprint();
    bool commit = dice_roll(dice, 4) == 0;
    redisReply *r = tx_end("g", commit ? COMP_END_COMMIT : COMP_END_ROLLBACK, 1, s.last);
    CU_ASSERT_EQUAL(r->elements == 4 ? r->element[3]->integer : -1, 0);
    freeReplyObject(r);
    expect_state(commit ? after : before, commit ? "after commit" : "after rollback", s.lines);
    expect_nothing_left(s.lines);
    free(before);
    free(after);
}

static void random_transactions_are_taken_back_whole(void)
{
    struct dice dice = {getenv("COMP_SEED") ? strtoull(getenv("COMP_SEED"), NULL, 10) : 7};
    int n = getenv("COMP_ROUNDS") ? atoi(getenv("COMP_ROUNDS")) : 2000;
    for (int i = 0; i < n; i++) {
        if (i % 8 == 0)
            server_seed();
        random_transaction(&dice);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every write is taken back and committed without a trace", every_write_is_taken_back_and_committed_without_a_trace},
        {"random transactions are taken back whole", random_transactions_are_taken_back_whole},
        {NULL, NULL},
    };
    server_start();
    int status = unit_main("comp commands", tests);
    server_stop();
    return status;
}
