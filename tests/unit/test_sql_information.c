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
        {"select connection_id()", "select IF(1,7,connection_id()) AS `connection_id()`"},
        {"SELECT CONNECTION_ID ( ) ", "SELECT IF(1,7,CONNECTION_ID ( )) AS `CONNECTION_ID ( )` "},
        {"insert into t values (ROW_COUNT(), DATABASE())", "insert into t values (IF(1,8,ROW_COUNT()), IF(1,'s',DATABASE()))"},
        {"KILL QUERY CONNECTION_ID()", "KILL QUERY IF(1,7,CONNECTION_ID())"},
        {"DO schema()", "DO IF(1,'s',schema())"},
        {"select @@autocommit, @@session.autocommit",
         "select 13 AS `@@autocommit`, 13 AS `@@session.autocommit`"},
        {"SELECT @@LOCAL.`error_count`", "SELECT IF(1,16,@@LOCAL.`error_count`) AS `@@LOCAL.``error_count```"},
        {"update t set a = @@warning_count where b = row_count()",
         "update t set a = IF(1,15,@@warning_count) where b = IF(1,8,row_count())"},
        {NULL, NULL}};
    check(rows);
}

static void columns_keep_their_names(void)
{
    static const struct exchanged rows[] = {
        {"SELECT 1 + ROW_COUNT(), a FROM t", "SELECT 1 + IF(1,8,ROW_COUNT()) AS `1 + ROW_COUNT()`, a FROM t"},
        {"SELECT DISTINCT CONNECTION_ID() AS id, ROW_COUNT() n",
         "SELECT DISTINCT IF(1,7,CONNECTION_ID()) AS id, IF(1,8,ROW_COUNT()) n"},
        {"SELECT @@autocommit a, @@identity AS b", "SELECT 13 a, IF(1,19,@@identity) AS b"},
        {"SELECT @@xa_mode, @@session.xa_timeout t", "SELECT 24 AS `@@xa_mode`, 25 t"}, /* no server knows them */
        {"SELECT @@session_track_schema, @@session.session_track_system_variables v", "SELECT 20 AS `@@session_track_schema`, 23 v"},
        {"SELECT CONNECTION_ID() = x", "SELECT IF(1,7,CONNECTION_ID()) = x AS `CONNECTION_ID() = x`"},
        {"SELECT CONNECTION_ID() IS NULL", "SELECT IF(1,7,CONNECTION_ID()) IS NULL AS `CONNECTION_ID() IS NULL`"},
        {"SELECT CONCAT(DATABASE(), ',') x", "SELECT CONCAT(IF(1,'s',DATABASE()), ',') x"},
        {"SELECT IF(CONNECTION_ID(), 1, 2)", "SELECT IF(IF(1,7,CONNECTION_ID()), 1, 2) AS `IF(CONNECTION_ID(), 1, 2)`"},
        {"SELECT * FROM (SELECT CONNECTION_ID()) x", "SELECT * FROM (SELECT IF(1,7,CONNECTION_ID()) AS `CONNECTION_ID()`) x"},
        {"SELECT (SELECT CONNECTION_ID()), 1",
         "SELECT (SELECT IF(1,7,CONNECTION_ID()) AS `CONNECTION_ID()`) AS `(SELECT CONNECTION_ID())`, 1"},
        {"SELECT CONNECTION_ID() UNION SELECT 1", "SELECT IF(1,7,CONNECTION_ID()) AS `CONNECTION_ID()` UNION SELECT 1"},
        {"SELECT CONNECTION_ID() INTO @a", "SELECT IF(1,7,CONNECTION_ID()) AS `CONNECTION_ID()` INTO @a"},
        {NULL, NULL}};
    check(rows);
}

static void what_only_looks_like_it_stays(void)
{
    static const struct exchanged rows[] = {
        {"SELECT 'CONNECTION_ID()', connection_id, t.connection_id FROM t", NULL},
        {"SELECT s.row_count(), row_count(1), found_rows()", NULL},
        {"SELECT @@global.autocommit, @@sql_mode, @autocommit", NULL},
        {"SELECT a FROM t ORDER BY CONNECTION_ID()", "SELECT a FROM t ORDER BY IF(1,7,CONNECTION_ID())"},
        {"SELECT a FROM t GROUP BY a HAVING a = ROW_COUNT() ORDER BY 1",
         "SELECT a FROM t GROUP BY a HAVING a = IF(1,8,ROW_COUNT()) ORDER BY 1"},
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
