/* Effect and undo record share every fate: whatever tail of its append-only file a Redis loses in the midst of transactions,
 * what is left of them can be taken back whole. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/comp_lines.h"
#include "tests/unit/comp_server.h"

#define N_TRANSACTIONS 5

static size_t read_log(char **bytes)
{
    FILE *f = fopen(server_log_path(), "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL_FATAL(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    rewind(f);
    *bytes = malloc((size_t)n);
    CU_ASSERT_EQUAL_FATAL(fread(*bytes, 1, (size_t)n, f), (size_t)n);
    fclose(f);
    return (size_t)n;
}

static void write_log(const char *bytes, size_t n)
{
    FILE *f = fopen(server_log_path(), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL_FATAL(fwrite(bytes, 1, n, f), n);
    CU_ASSERT_EQUAL_FATAL(fclose(f), 0);
}

/* Interleaved; what another one holds is refused. Two of them restore a savepoint. */
static void write_at_random(struct dice *dice)
{
    uint32_t last[N_TRANSACTIONS] = {0};
    char gtrid[8], line[256];
    size_t n_lines = 0;
    while (comp_lines()[n_lines])
        n_lines++;
    for (int i = 0; i < 150; i++) {
        unsigned who = dice_roll(dice, N_TRANSACTIONS);
        snprintf(gtrid, sizeof gtrid, "g%u", who);
        comp_line_fill(line, sizeof line, comp_lines()[dice_roll(dice, (unsigned)n_lines)], dice);
        freeReplyObject(tx_do(gtrid, ++last[who], line));
    }
    for (unsigned who = 0; who < 2; who++) {
        snprintf(gtrid, sizeof gtrid, "g%u", who);
        freeReplyObject(tx_end(gtrid, COMP_END_PARTIAL, last[who] / 2, last[who]));
        freeReplyObject(tx_do(gtrid, last[who] + 1, "INCR mine"));
    }
}

/* As recovery does: lists what is open and ends it. How many records there were. */
static long long roll_back_all(void)
{
    struct comp_argv scan = {0};
    comp_call_scan(&scan, 0);
    redisReply *rows = server_call(&scan);
    long long records = 0;
    for (size_t i = 0; i < rows->elements; i++) {
        redisReply **row = rows->element[i]->element;
        struct comp_end end = {.mode = COMP_END_ROLLBACK, .all_locks = true, .first = 1, .last = (uint32_t)row[2]->integer};
        redisReply *r = tx_end_with(row[0]->str, &end);
        CU_ASSERT_EQUAL(r->element[3]->integer, 0);
        freeReplyObject(r);
        records += row[3]->integer;
    }
    freeReplyObject(rows);
    comp_argv_fini(&scan);
    return records;
}

static void whatever_tail_is_lost_the_rest_is_taken_back(void)
{
    struct dice dice = {getenv("COMP_SEED") ? strtoull(getenv("COMP_SEED"), NULL, 10) : 11};
    int cuts = getenv("AOF_CUTS") ? atoi(getenv("AOF_CUTS")) : 24;
    char *log = NULL, *before_log = NULL;
    long long records = 0;
    server_seed();
    size_t seeded = read_log(&before_log);
    server_crash();
    server_again();
    char *before = server_fingerprint(); /* what reading the file makes of it: Redis 7.0 forgets how much a group has read */
    write_at_random(&dice);
    server_crash();
    size_t length = read_log(&log);
    CU_ASSERT_FATAL(length > seeded + 2000);
    for (int i = 0; i < cuts; i++) {
        size_t cut = i ? seeded + dice_roll(&dice, (unsigned)(length - seeded)) : length;
        write_log(log, cut);
        server_again();
        records += roll_back_all();
        char *after = server_fingerprint();
        if (strcmp(after, before))
            fprintf(stderr, "\ncut at %zu of %zu\n--- expected\n%s\n--- found\n%s\n", cut, length, before, after);
        CU_ASSERT_STRING_EQUAL(after, before);
        CU_ASSERT_EQUAL(server_leftovers(), 0);
        free(after);
        server_crash();
    }
    CU_ASSERT(records > cuts * 10); /* there was something to take back */
    free(before);
    free(before_log);
    free(log);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"whatever tail is lost, the rest is taken back", whatever_tail_is_lost_the_rest_is_taken_back},
        {NULL, NULL},
    };
    server_start_durable();
    int status = unit_main("comp tail", tests);
    server_stop();
    return status;
}
