/* Arguments of a CALL: what is known at once, what a server must evaluate, and what its row makes of them. */
#include <string.h>

#include "base/buf.h"
#include "proxy/session/redis_args.h"
#include "proxy/wire/packet.h"
#include "tests/unit/unit.h"

static bool any_resource(void *arg, const char *name)
{
    (void)arg;
    return !strcmp(name, "cache");
}

static struct sql_context context = {.is_resource = any_resource};
static char why[256];

/* The whole road from a statement's text. Returns the code of redis_args_read. */
static uint16_t read_call(struct redis_args *a, const char *text, const struct wire_param *params, unsigned n_params)
{
    static struct sql_statement statement;
    static struct sql_call call;
    struct slice rest = {(const uint8_t *)text, strlen(text)};
    memset(a, 0, sizeof *a);
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &context, &statement));
    CU_ASSERT_EQUAL_FATAL(statement.kind, SQL_REDIS_CALL);
    CU_ASSERT_TRUE_FATAL(sql_call_read(&statement, &context, &call, why, sizeof why));
    uint16_t code = redis_args_read(a, &call, params, n_params, why, sizeof why);
    sql_call_fini(&call);
    return code;
}

/* As behind the SELECT. */
static uint16_t complete(struct redis_args *a)
{
    uint16_t code = call_args_complete(&a->args, why, sizeof why);
    return code ? code : redis_args_complete(a, why, sizeof why);
}

static void is(const struct redis_args *a, size_t i, const char *text)
{
    struct slice s = comp_argv_at(&a->command, i);
    CU_ASSERT(s.len == strlen(text) && !memcmp(s.at, text, s.len));
}

static void literals_are_known_at_once(void)
{
    struct redis_args a;
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.HSET('k', 'it''s', 12)", NULL, 0), 0);
    CU_ASSERT(a.command.n == 4 && !buf_len(&a.args.select));
    is(&a, 0, "HSET");
    is(&a, 2, "it's");
    is(&a, 3, "12");
    redis_args_fini(&a);
}

static void cmd_names_the_command_by_its_first_argument(void)
{
    struct redis_args a;
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.CMD('GET', 'k')", NULL, 0), 0);
    CU_ASSERT_EQUAL(a.command.n, 2);
    is(&a, 0, "GET");
    redis_args_fini(&a);
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.CMD()", NULL, 0), 1318);
    redis_args_fini(&a);
}

static void parameters_are_bytes(void)
{
    struct redis_args a;
    struct wire_param params[2] = {{.class = WIRE_PARAM_TEXT, .text = {(const uint8_t *)"a\0b", 3}},
                                   {.class = WIRE_PARAM_NULL, .text = {NULL, 0}}};
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.GET(?)", params, 1), 0);
    struct slice s = comp_argv_at(&a.command, 1);
    CU_ASSERT(s.len == 3 && !memcmp(s.at, "a\0b", 3));
    redis_args_fini(&a);
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(?, ?)", params, 2), 1048);
    redis_args_fini(&a);
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(?, ?)", params, 1), 1064);
    redis_args_fini(&a);
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.GET(NULL)", NULL, 0), 1048);
    redis_args_fini(&a);
}

static void what_a_server_must_evaluate_is_asked_in_one_select(void)
{
    struct redis_args a;
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET('k', CONCAT('a', 1), @`x``y`)", NULL, 0), 0);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&a.args.select), "SELECT CONCAT('a', 1), @`x``y`");
    struct buf row = {0};
    wire_lenenc_str_write(&row, "a1", 2);
    wire_lenenc_str_write(&row, "", 0);
    call_args_take_row(&a.args, (struct slice){buf_at(&row), buf_len(&row)});
    CU_ASSERT_EQUAL(complete(&a), 0);
    CU_ASSERT_EQUAL(a.command.n, 4);
    is(&a, 1, "k");
    is(&a, 2, "a1");
    is(&a, 3, "");
    buf_fini(&row);
    redis_args_fini(&a);
}

/* Those that are numbers, a digit each: n is one, . is none, 0 is NULL. */
static void numbers(const struct redis_args *a, const char *expected)
{
    CU_ASSERT_EQUAL_FATAL(a->args.n, strlen(expected));
    for (unsigned i = 0; i < a->args.n; i++) {
        const struct call_value *v = call_args_value(&a->args, i);
        CU_ASSERT_EQUAL(v->null ? '0' : v->number ? 'n' : '.', expected[i]);
    }
}

static void numbers_are_known_as_such(void)
{
    struct redis_args a;
    struct wire_param params[2] = {{.class = WIRE_PARAM_NUMBER, .text = {(const uint8_t *)"7", 1}},
                                   {.class = WIRE_PARAM_TEXT, .text = {(const uint8_t *)"7", 1}}};
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(1, -2.5, 1e3, TRUE, '1', X'31', ?, ?)", params, 2), 0);
    numbers(&a, "nnnn..n.");
    redis_args_fini(&a);
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(@a, 'x', @b, @c)", NULL, 0), 0);
    call_args_take_type(&a.args, WIRE_TYPE_LONGLONG);
    call_args_take_type(&a.args, WIRE_TYPE_VAR_STRING);
    call_args_take_type(&a.args, WIRE_TYPE_LONGLONG);
    call_args_take_row(&a.args, (struct slice){(const uint8_t *)"\x01" "7" "\x01" "8" "\xFB", 5});
    CU_ASSERT_EQUAL(complete(&a), 1048);
    numbers(&a, "n..0");
    redis_args_fini(&a);
}

/* NULL, no row, and a row cut at every byte: refused, never a wrong value. */
static void a_row_that_does_not_say_it_all_is_refused(void)
{
    struct redis_args a;
    struct buf row = {0};
    wire_lenenc_str_write(&row, "abc", 3);
    buf_u8(&row, 0xFB);
    for (size_t n = 0; n <= buf_len(&row); n++) {
        CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(@a, @b)", NULL, 0), 0);
        call_args_take_row(&a.args, (struct slice){buf_at(&row), n});
        CU_ASSERT_EQUAL(complete(&a), n == buf_len(&row) ? 1048 : 1235);
        redis_args_fini(&a);
    }
    CU_ASSERT_EQUAL(read_call(&a, "CALL cache.SET(@a, @b)", NULL, 0), 0);
    CU_ASSERT_EQUAL(complete(&a), 1235);
    redis_args_fini(&a);
    buf_fini(&row);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"literals are known at once", literals_are_known_at_once},
        {"CMD names the command by its first argument", cmd_names_the_command_by_its_first_argument},
        {"parameters are bytes", parameters_are_bytes},
        {"numbers are known as such", numbers_are_known_as_such},
        {"what a server must evaluate is asked in one SELECT", what_a_server_must_evaluate_is_asked_in_one_select},
        {"a row that does not say it all is refused", a_row_that_does_not_say_it_all_is_refused},
        {NULL, NULL},
    };
    return unit_main("redis_args", tests);
}
