/* What is asked of the session becomes a literal, columns keep their names, and nothing else changes. */
#include "proxy/sql/information.h"

#include "tests/unit/unit.h"
#include "tests/unit/sql_side.h"

static bool value(void *arg, enum sql_information which, struct buf *literal)
{
    (void)arg;
    if (which == SQL_INFORMATION_FOUND_ROWS)
        return false;
    buf_printf(literal, which == SQL_INFORMATION_DATABASE || which == SQL_INFORMATION_SCHEMA ? "'s'" : "%d", 7 + (int)which);
    return true;
}

struct exchanged {
    const char *sql, *expected; /* NULL: as it was */
};

static void check(const struct exchanged *rows)
{
    for (; rows->sql; rows++) {
        struct buf out = {0};
        bool any = sql_put_information(text_of(rows->sql), &(struct sql_dialect){0}, value, NULL, &out);
        CU_ASSERT_EQUAL(any, rows->expected != NULL);
        if (strcmp(buf_cstr(&out), rows->expected ? rows->expected : "") != 0)
            printf("\n%s\n  expected %s\n  got      %s", rows->sql, rows->expected, buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), rows->expected ? rows->expected : "");
        buf_fini(&out);
    }
}

static void functions_and_variables_are_exchanged(void)
{
    static const struct exchanged rows[] = {
        {"select connection_id()", "select 7 AS `connection_id()`"},
        {"SELECT CONNECTION_ID ( ) ", "SELECT 7 AS `CONNECTION_ID ( )` "},
        {"insert into t values (ROW_COUNT(), DATABASE())", "insert into t values (8, 's')"},
        {"KILL QUERY CONNECTION_ID()", "KILL QUERY 7"},
        {"DO schema()", "DO 's'"},
        {"select @@autocommit, @@session.autocommit", "select 12 AS `@@autocommit`, 12 AS `@@session.autocommit`"},
        {"SELECT @@LOCAL.`error_count`", "SELECT 15 AS `@@LOCAL.``error_count```"},
        {"update t set a = @@warning_count where b = row_count()", "update t set a = 14 where b = 8"},
        {NULL, NULL}};
    check(rows);
}

static void columns_keep_their_names(void)
{
    static const struct exchanged rows[] = {
        {"SELECT 1 + ROW_COUNT(), a FROM t", "SELECT 1 + 8 AS `1 + ROW_COUNT()`, a FROM t"},
        {"SELECT DISTINCT CONNECTION_ID() AS id, ROW_COUNT() n", "SELECT DISTINCT 7 AS id, 8 n"},
        {"SELECT CONNECTION_ID() = x", "SELECT 7 = x AS `CONNECTION_ID() = x`"},
        {"SELECT CONNECTION_ID() IS NULL", "SELECT 7 IS NULL AS `CONNECTION_ID() IS NULL`"},
        {"SELECT CONCAT(DATABASE(), ',') x", "SELECT CONCAT('s', ',') x"},
        {"SELECT IF(CONNECTION_ID(), 1, 2)", "SELECT IF(7, 1, 2) AS `IF(CONNECTION_ID(), 1, 2)`"},
        {"SELECT * FROM (SELECT CONNECTION_ID()) x", "SELECT * FROM (SELECT 7 AS `CONNECTION_ID()`) x"},
        {"SELECT (SELECT CONNECTION_ID()), 1", "SELECT (SELECT 7 AS `CONNECTION_ID()`) AS `(SELECT CONNECTION_ID())`, 1"},
        {"SELECT CONNECTION_ID() UNION SELECT 1", "SELECT 7 AS `CONNECTION_ID()` UNION SELECT 1"},
        {"SELECT CONNECTION_ID() INTO @a", "SELECT 7 AS `CONNECTION_ID()` INTO @a"},
        {NULL, NULL}};
    check(rows);
}

static void what_only_looks_like_it_stays(void)
{
    static const struct exchanged rows[] = {
        {"SELECT 'CONNECTION_ID()', connection_id, t.connection_id FROM t", NULL},
        {"SELECT s.row_count(), row_count(1), found_rows()", NULL},
        {"SELECT @@global.autocommit, @@sql_mode, @autocommit", NULL},
        {"SELECT a FROM t ORDER BY CONNECTION_ID()", NULL}, /* a number would be a column */
        {"SELECT a FROM t GROUP BY a HAVING a = ROW_COUNT() ORDER BY 1", "SELECT a FROM t GROUP BY a HAVING a = 8 ORDER BY 1"},
        {"", NULL},
        {NULL, NULL}};
    check(rows);
}

static void any_depth_comes_to_an_end(void)
{
    struct buf sql = {0}, out = {0};
    buf_text(&sql, "SELECT ");
    for (int i = 0; i < 200; i++)
        buf_text(&sql, "(SELECT ");
    buf_text(&sql, "ROW_COUNT()");
    for (int i = 0; i < 300; i++)
        buf_u8(&sql, ')');
    CU_ASSERT_TRUE(sql_put_information(text_of(buf_cstr(&sql)), &(struct sql_dialect){0}, value, NULL, &out));
    CU_ASSERT_PTR_NULL(strstr(buf_cstr(&out), "SELECT ROW_COUNT()) "));
    buf_fini(&sql);
    buf_fini(&out);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"functions and variables are exchanged", functions_and_variables_are_exchanged},
        {"columns keep their names", columns_keep_their_names},
        {"what only looks like it stays", what_only_looks_like_it_stays},
        {"any depth comes to an end", any_depth_comes_to_an_end},
        {NULL, NULL},
    };
    return unit_main("sql/information", tests);
}
