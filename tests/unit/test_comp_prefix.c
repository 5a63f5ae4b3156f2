/* A prefix before the keys of a command: before each of them and nothing else, before patterns so that it stands for itself, and which
 * commands cannot have one; where replies name keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/prefix.h"
#include "tests/unit/unit.h"

static void words(struct comp_argv *out, const char *line)
{
    for (const char *word = line; word;) {
        size_t n = strcspn(word, " ");
        comp_argv_add(out, word, n);
        word = word[n] ? word + n + 1 : NULL;
    }
}

static bool add(struct comp_argv *command, const char *line, const char *prefix, struct comp_refusal *why)
{
    struct comp_command_use use;
    words(command, line);
    CU_ASSERT_FATAL(comp_command_check(command, false, &use, why));
    return comp_prefix_add(command, &use, prefix, why);
}

static void becomes(const char *line, const char *prefix, const char *expected)
{
    struct comp_argv command = {0};
    struct comp_refusal why;
    struct buf said = {0};
    CU_ASSERT(add(&command, line, prefix, &why));
    for (size_t i = 0; i < command.n; i++)
        buf_printf(&said, "%s%.*s", i ? " " : "", (int)comp_argv_at(&command, i).len, (const char *)comp_argv_at(&command, i).at);
    if (strcmp(buf_cstr(&said), expected))
        fprintf(stderr, "%s -> %s, not %s\n", line, buf_cstr(&said), expected);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&said), expected);
    buf_fini(&said);
    comp_argv_fini(&command);
}

static void test_keys_and_nothing_else(void)
{
    becomes("GET k", "p:", "GET p:k");
    becomes("SET k k", "p:", "SET p:k k");
    becomes("MSET a a b b", "p:", "MSET p:a a p:b b");
    becomes("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "p:", "ZUNIONSTORE p:d 2 p:a p:b WEIGHTS 1 2");
    becomes("XREAD COUNT 1 STREAMS x y 0 0", "p:", "XREAD COUNT 1 STREAMS p:x p:y 0 0");
    becomes("EVAL text 1 k k", "p:", "EVAL text 1 p:k k");
    becomes("PING k", "p:", "PING k");
    becomes("GET k", "{shop}:", "GET {shop}:k");
}

static void test_patterns(void)
{
    becomes("KEYS k*", "p?[^\\]:", "KEYS p\\?\\[\\^\\\\\\]:k*");
    becomes("SCAN 0", "p:", "SCAN 0 MATCH p:*");
    becomes("SCAN 0 COUNT 5", "p?", "SCAN 0 COUNT 5 MATCH p\\?*");
    becomes("SCAN 0 MATCH k* COUNT 5", "p:", "SCAN 0 MATCH p:k* COUNT 5");
    becomes("SORT l BY w_* GET v_* GET #", "p?", "SORT p?l BY p?w_* GET p?v_* GET #");
    becomes("SORT l BY nosort STORE d", "p:", "SORT p:l BY nosort STORE p:d");
}

static void test_what_is_about_others(void)
{
    static const char *const lines[] = {"DBSIZE", "RANDOMKEY"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct comp_argv command = {0};
        struct comp_refusal why = {0};
        CU_ASSERT_FALSE(add(&command, lines[i], "p:", &why));
        CU_ASSERT(why.code == 1235 && strstr(why.text, lines[i]));
        CU_ASSERT(command.n == 1); /* as it was */
        comp_argv_fini(&command);
    }
}

static void test_replies(void)
{
    static const struct {
        const char *name;
        enum comp_names where;
    } rows[] = {{"GET", COMP_NAMES_NONE}, {"KEYS", COMP_NAMES_ALL}, {"BLPOP", COMP_NAMES_FIRST}, {"ZMPOP", COMP_NAMES_FIRST},
                {"SCAN", COMP_NAMES_PAGE}, {"HSCAN", COMP_NAMES_NONE}, {"XREADGROUP", COMP_NAMES_HEADS}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct comp_argv command = {0};
        words(&command, rows[i].name);
        const struct comp_command *row = comp_command_find(comp_argv_at(&command, 0), (struct slice){0});
        CU_ASSERT_PTR_NOT_NULL_FATAL(row);
        CU_ASSERT_EQUAL(comp_prefix_names(row), rows[i].where);
        comp_argv_fini(&command);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"before each key, and before nothing else", test_keys_and_nothing_else},
        {"before patterns, where it stands for itself", test_patterns},
        {"what is about other keys is refused", test_what_is_about_others},
        {"where replies name keys", test_replies},
        {0},
    };
    return unit_main("comp prefix", tests);
}
