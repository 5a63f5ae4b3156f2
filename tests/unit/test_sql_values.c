/* SET's assignments and the arguments of calls come out one by one, with the values that a server would see. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/sql/assigned.h"
#include "tests/unit/sql_side.h"

static const struct sql_context plain_context = {.is_resource = is_cache};

static struct sql_statement one(const char *sql)
{
    struct slice rest = text_of(sql);
    struct sql_statement s = {.kind = SQL_EMPTY};
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &plain_context, &s));
    return s;
}

struct row {
    const char *sql, *expected;
};

static void compare(const struct row *row, struct buf *out)
{
    if (strcmp(buf_cstr(out), row->expected) != 0)
        printf("\n%s\n  expected %s\n  got      %s", row->sql, row->expected, buf_cstr(out));
    CU_ASSERT_STRING_EQUAL(buf_cstr(out), row->expected);
    buf_fini(out);
}

/* scope letter, name, = value, ~ when it is no literal; BAD when malformed. */
static void print_set(const char *sql, struct buf *out)
{
    static const char scopes[] = "sgpou1";
    struct sql_statement s = one(sql);
    struct sql_set_reader r;
    struct sql_set set;
    for (sql_set_begin(&r, &s, &plain_context); sql_set_next(&r, &set);)
        buf_printf(out, "%s%c:%s=%.*s%s", buf_len(out) ? " | " : "", scopes[set.scope], set.name, (int)set.value.len,
                   set.value.at, set.literal ? "" : "~");
    if (r.bad)
        buf_text(out, " BAD");
}

static void set_is_read_assignment_by_assignment(void)
{
    static const struct row rows[] = {
        {"SET autocommit=0", "s:autocommit=0"},
        {"set AutoCommit := OFF;", "s:autocommit=OFF"},
        {"SET @@autocommit=1", "1:autocommit=1"},
        {"SET @@session.autocommit = 1", "s:autocommit=1"},
        {"SET @@SESSION . `autocommit` = 1", "s:autocommit=1"},
        {"SET @@local.a=1, @@global.b=2, @@persist.c=3", "s:a=1 | g:b=2 | p:c=3"},
        {"SET SESSION a=1, b=2", "s:a=1 | s:b=2"},
        {"SET GLOBAL a=1, b=2, SESSION c=3, d=4", "g:a=1 | g:b=2 | s:c=3 | s:d=4"},
        {"SET PERSIST a=1, PERSIST_ONLY b=DEFAULT", "p:a=1 | o:b=DEFAULT"},
        {"SET LOCAL a=1", "s:a=1"},
        {"SET hot.key_buffer_size=1, @@global.hot.x=2", "s:hot.key_buffer_size=1 | g:hot.x=2"},
        {"SET `a`=1", "s:a=1"},
        {"SET @a=1, @B := 'x,y', @`c d`=NULL, @'e'=0x41", "u:a=1 | u:B='x,y' | u:c d=NULL | u:e=0x41"},
        {"SET @_cache.HSET_0='k'", "u:_cache.HSET_0='k'"},
        {"SET @a=(SELECT max(b, c) FROM t), @d=1", "u:a=(SELECT max(b, c) FROM t)~ | u:d=1"},
        {"SET a=CONCAT(@@sql_mode, ',x'), b=1+1", "s:a=CONCAT(@@sql_mode, ',x')~ | s:b=1+1~"},
        {"SET a=@@b, c=@d, e=?", "s:a=@@b~ | s:c=@d~ | s:e=?~"},
        {"SET a=-1, b=+.5, c=- 1e3", "s:a=-1 | s:b=+.5 | s:c=- 1e3"},
        {"SET a=-b-c", "s:a=-b-c~"},
        {"SET a='x' /* c */ , b=2 -- d", "s:a='x' | s:b=2"},
        {"SET a='x' 'y'", "s:a='x' 'y'~"},
        {"SET NAMES utf8mb4", "s:names=utf8mb4"},
        {"SET NAMES 'utf8mb4' COLLATE utf8mb4_bin, a=1", "s:names='utf8mb4' COLLATE utf8mb4_bin~ | s:a=1"},
        {"SET NAMES DEFAULT", "s:names=DEFAULT"},
        {"SET CHARACTER SET latin1", "s:character set=latin1"},
        {"SET CHARSET 'latin1'", "s:character set='latin1'"},
        {"SET names=1", " BAD"},
        {"SET @@names='utf8'", " BAD"},
        {"SET role='r'", " BAD"},
        {"SET SESSION NAMES utf8", " BAD"},
        {"SET GLOBAL ROLE r", " BAD"},
        {"SET SESSION @a=1", " BAD"},
        {"SET SESSION a=1, GLOBAL @b=2", "s:a=1 BAD"},
        {"SET character_set_results=NULL", "s:character_set_results=NULL"},
        {"SET TRANSACTION READ ONLY", "1:transaction=READ ONLY~"},
        {"SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
         "1:transaction=ISOLATION LEVEL READ COMMITTED, READ WRITE~"},
        {"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "s:transaction=ISOLATION LEVEL SERIALIZABLE~"},
        {"SET GLOBAL TRANSACTION READ ONLY", "g:transaction=READ ONLY~"},
        {"SET ROLE r", "s:role=r"},
        {"SET ROLE ALL EXCEPT a, b", "s:role=ALL EXCEPT a, b~"},
        {"/*!40101 SET NAMES utf8 */", "s:names=utf8"},
        {"/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */", "u:OLD_TIME_ZONE=@@TIME_ZONE~"},
        {"SET", " BAD"},
        {"SET a", " BAD"},
        {"SET a=", " BAD"},
        {"SET a=1,", " BAD"},
        {"SET a=1, b", "s:a=1 BAD"},
        {"SET =1", " BAD"},
        {"SET a=(1", " BAD"},
        {"SET @=1", "u:=1"},
        {"SET @@=1", " BAD"},
        {"SET @@global.=1", " BAD"},
        {"SET NAMES", " BAD"},
        {"SET 'a'=1", " BAD"},
        {NULL, NULL},
    };
    for (const struct row *row = rows; row->sql; row++) {
        struct buf out = {0};
        print_set(row->sql, &out);
        compare(row, &out);
    }
}

static void booleans_as_servers_read_them(void)
{
    static const struct {
        const char *value;
        int expected;
    } rows[] = {
        {"1", 1},   {"0", 0},    {"ON", 1},      {"off", 0},  {"TRUE", 1},    {"False", 0}, {"'1'", 1}, {"'on'", 1},
        {"\"OFF\"", 0}, {" 1 ", 1}, {"DEFAULT", -1}, {"2", -1}, {"'x'", -1}, {"1+0", -1}, {"", -1}, {"'1", -1},
        {"N'1'", -1}, {"@a", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(sql_bool_value(text_of(rows[i].value)), rows[i].expected);
}

/* form, schema.name, then the arguments: kind letter and value in brackets. */
static void print_call(const char *sql, struct buf *out)
{
    static const char kinds[] = "BNPVE", forms[] = "CSD";
    struct sql_statement s = one(sql);
    struct sql_call *call = malloc(sizeof *call);
    char why[200];
    if (!sql_call_read(&s, &plain_context, call, why, sizeof why)) {
        buf_printf(out, "BAD %s", why);
    } else {
        buf_printf(out, "%c %s.%s", forms[call->form], call->schema, call->name);
        for (unsigned i = 0; i < call->n; i++) {
            const struct sql_argument *a = &call->argument[i];
            const char *value = a->len ? (const char *)buf_at(&call->bytes) + a->offset : "";
            buf_printf(out, " %c[%.*s]", kinds[a->kind], (int)a->len, value);
        }
        if (call->alias[0])
            buf_printf(out, " as %s", call->alias);
    }
    sql_call_fini(call);
    free(call);
}

static void calls_give_their_arguments(void)
{
    static const struct row rows[] = {
        {"CALL cache.HSET('a', \"b\")", "C cache.HSET B[a] B[b]"},
        {"call Cache.hset('a')", "C Cache.hset B[a]"},
        {"CALL `cache`.`JSON.SET`('a')", "C cache.JSON.SET B[a]"},
        {"CALL cache.CMD('HSET', 'k')", "C cache.CMD B[HSET] B[k]"},
        {"CALL cache.PING", "C cache.PING"},
        {"CALL cache.PING()", "C cache.PING"},
        {"SELECT cache.GET('k')", "S cache.GET B[k]"},
        {"SELECT cache.GET('k') AS v", "S cache.GET B[k] as v"},
        {"SELECT cache.GET('k') `a b`", "S cache.GET B[k] as a b"},
        {"SELECT cache.GET('k') AS 'c'", "S cache.GET B[k] as c"},
        {"DO cache.INCR('n')", "D cache.INCR B[n]"},
        {"CALL cache.X('it''s', 'a\\nb', '\\%', '')", "C cache.X B[it's] B[a\nb] B[\\%] B[]"},
        {"CALL cache.X('a' 'b'\n\"c\")", "C cache.X B[abc]"},
        {"CALL cache.X(X'41', 0x4142, b'01000001', 0b1000001)", "C cache.X B[A] B[AB] B[A] B[A]"},
        {"CALL cache.X(_binary'a', _utf8mb4 'b', N'c', _latin1 X'64')", "C cache.X B[a] B[b] B[c] B[d]"},
        {"CALL cache.X(1, -1, - 2, +3, 0, 1.50, -0.5, 10)",
         "C cache.X B[1] B[-1] B[-2] B[3] B[0] B[1.50] B[-0.5] B[10]"},
        {"CALL cache.X(007, .5, 1., 00.5, 1e999)", "C cache.X E[007] E[.5] E[1.] E[00.5] E[1e999]"},
        {"CALL cache.X(1e3, -1.5E+2, 1e-1, .1e1)", "C cache.X B[1000] B[-150] B[0.1] B[1]"},
        {"CALL cache.X(TRUE, false, NULL, \\N)", "C cache.X B[1] B[0] N[] N[]"},
        {"CALL cache.X(?, @a, @`b c`, @_cache.X_0)", "C cache.X P[] V[a] V[b c] V[_cache.X_0]"},
        {"CALL cache.X(1+1, f(a, 'x)'), (SELECT 1), NOW(), @@x, - -1, -@a)",
         "C cache.X E[1+1] E[f(a, 'x)')] E[(SELECT 1)] E[NOW()] E[@@x] E[- -1] E[-@a]"},
        {"CALL cache.X('a' COLLATE utf8mb4_bin, DATE '2020-01-01', -'1', `a`, b)",
         "C cache.X E['a' COLLATE utf8mb4_bin] E[DATE '2020-01-01'] E[-'1'] E[`a`] E[b]"},
        {"CALL cache.X /* c */ ( 'a' /* d */ , 'b' ) -- e", "C cache.X B[a] B[b]"},
        {"CALL xa.on_commit('cache', 'DEL', ?)", "C xa.on_commit B[cache] B[DEL] P[]"},
        {"CALL cache.X('a',)", "BAD argument 2 is missing"},
        {"CALL cache.X(,'a')", "BAD argument 1 is missing"},
        {"CALL cache.JSON.SET('a')",
         "BAD a command with a dot in its name goes into backquotes: cache.`JSON.SET`(...)"},
        {"CALL cache.X('a'", "BAD the closing quote or parenthesis is missing"},
        {"CALL cache.X('a') b", "BAD nothing may stand behind the call"},
        {"SELECT cache.X('a') AS", "BAD expected an alias behind AS"},
        {"SELECT 1", "BAD expected CALL resource.COMMAND(arguments)"},
        {"CALL cache.X('a)", "BAD the closing quote or parenthesis is missing"},
        {NULL, NULL},
    };
    for (const struct row *row = rows; row->sql; row++) {
        struct buf out = {0};
        print_call(row->sql, &out);
        compare(row, &out);
    }
}

static void arguments_have_a_limit(void)
{
    for (unsigned n = SQL_MAX_ARGUMENTS; n <= SQL_MAX_ARGUMENTS + 1; n++) {
        struct buf sql = {0}, out = {0};
        buf_text(&sql, "CALL cache.DEL(1");
        for (unsigned i = 1; i < n; i++)
            buf_text(&sql, ",1");
        buf_text(&sql, ")");
        print_call(buf_cstr(&sql), &out);
        CU_ASSERT_EQUAL(strncmp(buf_cstr(&out), "BAD more than 1024", 18) == 0, n > SQL_MAX_ARGUMENTS);
        buf_fini(&sql);
        buf_fini(&out);
    }
}

static void arguments_are_binary_safe(void)
{
    static const char sql[] = "CALL cache.SET('a\0b', '\xff\xfe;', '\\0')";
    struct slice rest = {(const uint8_t *)sql, sizeof sql - 1};
    struct sql_statement s;
    struct sql_call *call = malloc(sizeof *call);
    char why[100];
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &plain_context, &s));
    CU_ASSERT_TRUE_FATAL(sql_call_read(&s, &plain_context, call, why, sizeof why));
    CU_ASSERT_EQUAL_FATAL(call->n, 3);
    CU_ASSERT_EQUAL(buf_len(&call->bytes), 7);
    CU_ASSERT_EQUAL(memcmp(buf_at(&call->bytes), "a\0b\xff\xfe;\0", 7), 0);
    CU_ASSERT_EQUAL(call->argument[1].offset, 3);
    CU_ASSERT_EQUAL(call->argument[2].len, 1);
    sql_call_fini(call);
    free(call);
}

static void variables_that_a_statement_assigns(void)
{
    static const struct row rows[] = {
        {"SELECT @a := 1, @b + 1, @`c d` := @b", "a,c d,"},
        {"SELECT x, y INTO @x, @'y' FROM t WHERE z = @z", "x,y,"},
        {"SELECT x FROM t WHERE z = @z INTO @x", "x,"},
        {"INSERT INTO t VALUES (@a, @b)", ""},
        {"INSERT INTO t SELECT @n := @n + 1 FROM u", "n,"},
        {"CALL p(@in, @out)", "in,out,"},
        {"LOAD DATA INFILE 'f' INTO TABLE t (a, @b)", "b,"},
        {"GET DIAGNOSTICS @n = NUMBER", "n,"},
        {"SELECT '@a := 1', @@b", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_assigned it;
        struct buf out = {0};
        char name[SQL_NAME_SIZE];
        sql_assigned_begin(&it, text_of(rows[i].sql), &plain_context);
        while (sql_assigned_next(&it, name))
            buf_printf(&out, "%s,", name);
        compare(&rows[i], &out);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"SET is read assignment by assignment", set_is_read_assignment_by_assignment},
        {"variables that a statement assigns", variables_that_a_statement_assigns},
        {"booleans as servers read them", booleans_as_servers_read_them},
        {"calls give their arguments", calls_give_their_arguments},
        {"arguments have a limit", arguments_have_a_limit},
        {"arguments are binary-safe", arguments_are_binary_safe},
        {NULL, NULL},
    };
    return unit_main("sql/values", tests);
}
