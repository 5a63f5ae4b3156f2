/* What stands in one packet becomes the statements that servers make of it: bodies of routines stay whole. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/classify.h"
#include "tests/unit/sql_side.h"

static const struct sql_context plain_context = {.is_resource = is_cache};

/* Statements in brackets, as they were cut. */
static void split(const char *sql, struct buf *out)
{
    struct slice rest = text_of(sql);
    struct sql_statement s;
    while (sql_next_statement(&rest, &plain_context, &s))
        buf_printf(out, "[%.*s]%s", (int)s.text.len, s.text.at, s.kind == SQL_EMPTY ? "0" : "");
    CU_ASSERT_EQUAL(rest.len, 0);
}

static void statements_are_cut_where_servers_cut_them(void)
{
    static const struct {
        const char *sql, *parts;
    } rows[] = {
        {"", ""},
        {"  -- nothing", ""},
        {"/* nothing */ # at all", ""},
        {"SELECT 1", "[SELECT 1]"},
        {"SELECT 1;", "[SELECT 1]"},
        {"SELECT 1 ; -- done\n /* really */ ", "[SELECT 1 ]"},
        {"SELECT 1; SELECT 2", "[SELECT 1][ SELECT 2]"},
        {";", "[]0"},
        {"SELECT 1;;SELECT 2", "[SELECT 1][]0[SELECT 2]"},
        {"SELECT ';' ; SELECT \";\"; SELECT `;`", "[SELECT ';' ][ SELECT \";\"][ SELECT `;`]"},
        {"SELECT 1 /* ; */; SELECT 2 -- ;\n", "[SELECT 1 /* ; */][ SELECT 2 -- ;\n]"},
        {"SELECT '; SELECT 2", "[SELECT '; SELECT 2]"},
        {"/*! SELECT 1 */; SELECT 2", "[/*! SELECT 1 */][ SELECT 2]"},
        {"/*! SELECT 1; */ SELECT 2; SELECT 3", "[/*! SELECT 1; */ SELECT 2; SELECT 3]"},
        {"SELECT 1; /*!99999 '*/ ; */ SELECT 3", "[SELECT 1][ /*!99999 '*/ ; */ SELECT 3]"},
        {"BEGIN; COMMIT", "[BEGIN][ COMMIT]"},
        {"BEGIN NOT ATOMIC a; b; END; SELECT 1", "[BEGIN NOT ATOMIC a; b; END][ SELECT 1]"},
        {"CREATE PROCEDURE p() BEGIN a; b; END; SELECT 1", "[CREATE PROCEDURE p() BEGIN a; b; END][ SELECT 1]"},
        {"CREATE PROCEDURE p() SELECT 1; SELECT 2", "[CREATE PROCEDURE p() SELECT 1][ SELECT 2]"},
        {"CREATE DEFINER=`u`@`h` PROCEDURE IF NOT EXISTS p() SELECT 1; x",
         "[CREATE DEFINER=`u`@`h` PROCEDURE IF NOT EXISTS p() SELECT 1][ x]"},
        {"CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.a=1; x",
         "[CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.a=1][ x]"},
        {"CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW IF 1 THEN a; END IF; x",
         "[CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW IF 1 THEN a; END IF][ x]"},
        {"CREATE FUNCTION f() RETURNS INT IF (1) THEN RETURN 1; END IF",
         "[CREATE FUNCTION f() RETURNS INT IF (1) THEN RETURN 1; END IF]"},
        {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN a; b; END",
         "[CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN a; b; END]"},
        {"ALTER EVENT e DO BEGIN a; b; END", "[ALTER EVENT e DO BEGIN a; b; END]"},
        {"CREATE PACKAGE k AS a; END", "[CREATE PACKAGE k AS a; END]"},
        {"CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ a; $$",
         "[CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ a; $$]"},
        {"CREATE PROCEDURE p() SELECT CASE 1 WHEN 1 THEN IF(1,2,3) END AS x; x",
         "[CREATE PROCEDURE p() SELECT CASE 1 WHEN 1 THEN IF(1,2,3) END AS x][ x]"},
        {"CREATE FUNCTION f() RETURNS SET('a') RETURN REPEAT('a', 2); x", "[CREATE FUNCTION f() RETURNS SET('a') RETURN REPEAT('a', 2)][ x]"},
        {"IF 1 THEN a; END IF; l: LOOP LEAVE l; END LOOP; x", "[IF 1 THEN a; END IF][ l: LOOP LEAVE l; END LOOP][ x]"},
        {"l: END; x", "[l: END; x]"},
        {"CREATE TABLE begin (a INT); x", "[CREATE TABLE begin (a INT)][ x]"},
        {"l: BEGIN NOT ATOMIC a; END", "[l: BEGIN NOT ATOMIC a; END]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        split(rows[i].sql, &out);
        if (strcmp(buf_cstr(&out), rows[i].parts) != 0)
            printf("\n%s\n  expected %s\n  got      %s", rows[i].sql, rows[i].parts, buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), rows[i].parts);
        buf_fini(&out);
    }
}

/* What ends where, each followed by one more statement; what no server takes, or only some do, stays one. */
static void bodies_end_where_servers_end_them(void)
{
    static const char *const bodies[] = {
        "BEGIN END",
        "BEGIN END l",
        "l: BEGIN a; END l",
        "BEGIN BEGIN a; END; BEGIN END; END",
        "BEGIN IF IF(1,2,3) THEN a; ELSEIF b THEN c; ELSE BEGIN END; END IF; END",
        "BEGIN CASE x WHEN 1 THEN a; ELSE b; END CASE; END",
        "BEGIN SET x = CASE WHEN 1 THEN IF(1,2,3) ELSE IF(4,5,6) END; END",
        "BEGIN SELECT CASE CASE 1 WHEN 1 THEN 2 END WHEN 2 THEN 3 END FOR UPDATE; END",
        "CASE WHEN CASE 1 WHEN 1 THEN 1 END THEN a; END CASE",
        "IF CASE 1 WHEN 1 THEN 1 END THEN a; END IF",
        "BEGIN l: LOOP ITERATE l; LEAVE l; END LOOP l; END",
        "BEGIN WHILE IF(1,2,3) DO a; END WHILE; DO SLEEP(1); END",
        "BEGIN REPEAT a; IF 1 THEN b; END IF; UNTIL REPEAT('a', 2) END REPEAT; END",
        "REPEAT a; UNTIL x END REPEAT",
        "BEGIN FOR i IN 1..3 DO a; END FOR; FOR r IN (SELECT 1) DO a; END FOR; SELECT 1 FOR UPDATE; END",
        "BEGIN DECLARE x INT DEFAULT IF(1, 2, 3); DECLARE c CURSOR FOR SELECT 1; a; END",
        "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; a; END",
        "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET x = IF(1, 2, 3); a; END",
        "BEGIN DECLARE CONTINUE HANDLER FOR SQLSTATE VALUE '23000', 1062, my_condition, SQLWARNING IF 1 THEN a; END IF; END",
        "BEGIN SELECT end, t.end, t.begin FROM t; SELECT `end`; END",
        "BEGIN SELECT 1 AS `if`; SELECT 'END'; -- END\n SELECT 2 /* END; END */; END",
        "BEGIN INSERT INTO t VALUES (1, 2), (3, 4); END",
    };
    static const char *const whole[] = {
        "BEGIN a; END b c", "BEGIN IF 1 THEN a; END; END", "BEGIN LOOP a; END", "BEGIN WHILE 1 LOOP a; END LOOP; END",
        "BEGIN <<l>> LOOP a; END LOOP; END", "DECLARE x INT DEFAULT CASE 1 WHEN 1 THEN 2 END; END", "BEGIN CASE 1 WHEN 1 THEN a; END; END",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies + sizeof whole / sizeof *whole; i++) {
        bool ends = i < sizeof bodies / sizeof *bodies;
        struct buf text = {0}, out = {0}, expected = {0};
        buf_printf(&text, "CREATE PROCEDURE p() %s; SELECT 5", ends ? bodies[i] : whole[i - sizeof bodies / sizeof *bodies]);
        buf_printf(&expected, ends ? "[%.*s][ SELECT 5]" : "[%.*s; SELECT 5]", (int)buf_len(&text) - 10, buf_cstr(&text));
        split(buf_cstr(&text), &out);
        if (strcmp(buf_cstr(&out), buf_cstr(&expected)) != 0)
            printf("\n  expected %s\n  got      %s", buf_cstr(&expected), buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), buf_cstr(&expected));
        buf_fini(&text);
        buf_fini(&out);
        buf_fini(&expected);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"statements are cut where servers cut them", statements_are_cut_where_servers_cut_them},
        {"bodies end where servers end them", bodies_end_where_servers_end_them},
        {NULL, NULL},
    };
    return unit_main("sql/cut", tests);
}
