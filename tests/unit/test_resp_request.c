/* What a Redis client sends: arrays and lines in pieces of every size, by Redis' rules; limits and errors in Redis' words. */
#include "proxy/resp/request.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static const struct resp_limits wide = {.args = 100, .bulk = 1000, .line = 64, .total = 2000};

/* The commands in these bytes, fed in steps: "a|b;c|d", behind them "!error" or "+" where more is awaited. */
static const char *commands(const void *bytes, size_t n, size_t step, const struct resp_limits *limits)
{
    static char out[4096];
    struct resp_request r = {0};
    struct buf in = {0};
    const char *why = "";
    enum resp_parsed parsed = RESP_PARTIAL;
    size_t fed = 0, len = 0;
    out[0] = '\0';
    while (parsed != RESP_BROKEN) {
        parsed = resp_request_read(&r, &in, limits, &why);
        if (parsed == RESP_PARTIAL && fed == n)
            break;
        if (parsed == RESP_PARTIAL) {
            size_t more = n - fed < step ? n - fed : step;
            buf_append(&in, (const char *)bytes + fed, more);
            fed += more;
        }
        for (size_t i = 0; parsed == RESP_COMMAND && i < r.argv.n; i++) {
            struct slice s = comp_argv_at(&r.argv, i);
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*s%s", (int)s.len, (const char *)s.at,
                                    i + 1 < r.argv.n ? "|" : ";");
        }
    }
    if (parsed == RESP_BROKEN)
        snprintf(out + len, sizeof out - len, "!%s", why);
    else if (r.argv.n && !r.complete)
        snprintf(out + len, sizeof out - len, "+");
    resp_request_fini(&r);
    buf_fini(&in);
    return out;
}

static void all_are(const void *bytes, size_t n, const struct resp_limits *limits, const char *expected)
{
    for (size_t step = 1; step <= n; step++) {
        const char *got = commands(bytes, n, step, limits);
        if (strcmp(got, expected))
            fprintf(stderr, "\n%.*s\nin steps of %zu: %s\nexpected: %s\n", (int)n, (const char *)bytes, step, got, expected);
        CU_ASSERT_STRING_EQUAL(got, expected);
    }
}
#define ARE(text, expected) all_are(text, sizeof(text) - 1, &wide, expected)

static void arrays_come_in_pieces_of_every_size(void)
{
    ARE("*1\r\n$4\r\nPING\r\n", "PING;");
    ARE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "SET|k|a\r\nb\n;GET|;");
    ARE("*2\r\n$3\r\nGET\r\n$4\r\nab", "+");
}

static void empty_arrays_and_lines_are_passed_over(void)
{
    ARE("*0\r\n\r\n*-1\r\n  \r\n\n*1\r\n$4\r\nPING\r\n*-2\r\n", "PING;");
}

static void lines_are_split_as_redis_splits_them(void)
{
    ARE("PING\r\nset k v\n", "PING;set|k|v;");
    ARE("  SET\tk   \"a b\\n\\x41\\\"\\q\" \r\n", "SET|k|a b\nA\"q;");
    ARE("SET 'it\\'s' '\\n' \"\" pre\"fix\"\n", "SET|it's|\\n||prefix;");
    ARE("SET \"\\x4\" \"\\xzz\"\n", "SET|x4|xzz;");
    ARE("GET a\0b\n", "GET|a;");
}

static void what_is_wrong_is_said_as_redis_says_it(void)
{
    ARE("*x\r\n", "!ERR Protocol error: invalid multibulk length");
    ARE("*01\r\n", "!ERR Protocol error: invalid multibulk length");
    ARE("*3000000000\r\n", "!ERR Protocol error: invalid multibulk length");
    ARE("*99999999999999999999\r\n", "!ERR Protocol error: invalid multibulk length");
    ARE("*101\r\n", "!ERR Protocol error: invalid multibulk length");
    ARE("*1\r\n:5\r\n", "!ERR Protocol error: expected '$', got ':'");
    ARE("*1\r\n\001", "!ERR Protocol error: expected '$', got ' '");
    ARE("*1\r\n$-1\r\n", "!ERR Protocol error: invalid bulk length");
    ARE("*1\r\n$1001\r\n", "!ERR Protocol error: invalid bulk length");
    ARE("*1\r\n$1x\r\n", "!ERR Protocol error: invalid bulk length");
    ARE("*1\r\n$\r\n", "!ERR Protocol error: invalid bulk length");
    ARE("PING\r\nSET \"a\r\n", "PING;!ERR Protocol error: unbalanced quotes in request");
    ARE("SET \"a\"b\r\n", "!ERR Protocol error: unbalanced quotes in request");
}

static void limits_hold_before_anything_is_kept(void)
{
    static char endless[200];
    memset(endless, '1', sizeof endless);
    all_are(endless, 66, &wide, "!ERR Protocol error: too big inline request");
    endless[0] = '*';
    all_are(endless, 66, &wide, "!ERR Protocol error: too big mbulk count string");
    memcpy(endless, "*1\r\n$", 5);
    all_are(endless, 75, &wide, "!ERR Protocol error: too big bulk count string");
    struct resp_limits narrow = {.args = 5, .bulk = 6, .line = 64, .total = 9};
    all_are("*2\r\n$6\r\nabcdef\r\n$4\r\n", 20, &narrow, "!ERR Protocol error: too big command");
}

static void strangers_may_say_little(void)
{
    struct resp_limits strange = {.args = 10, .bulk = 20, .line = 64, .total = 100, .strange = true};
    all_are("*11\r\n", 5, &strange, "!ERR Protocol error: unauthenticated multibulk length");
    all_are("*1\r\n$21\r\n", 9, &strange, "!ERR Protocol error: unauthenticated bulk length");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"arrays come in pieces of every size", arrays_come_in_pieces_of_every_size},
        {"empty arrays and lines are passed over", empty_arrays_and_lines_are_passed_over},
        {"lines are split as Redis splits them", lines_are_split_as_redis_splits_them},
        {"what is wrong is said as Redis says it", what_is_wrong_is_said_as_redis_says_it},
        {"limits hold before anything is kept", limits_hold_before_anything_is_kept},
        {"strangers may say little", strangers_may_say_little},
        {NULL, NULL},
    };
    return unit_main("resp request", tests);
}
