/* The schemas that a statement names are those of its tables and routines, wherever these may stand; columns, aliases
 * and common table expressions are taken for none. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/classify.h"
#include "tests/unit/sql_side.h"

/* Schemas in order; then * when the default schema counts, f when an unknown function may be in it, + for an overflow.
 * */
struct naming {
    const char *sql, *names;
};

static void check_namings(const struct naming *rows)
{
    static const struct sql_context ctx = {.is_resource = is_cache};
    for (; rows->sql; rows++) {
        struct slice rest = text_of(rows->sql);
        struct sql_statement s;
        struct buf out = {0};
        CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &ctx, &s));
        for (unsigned i = 0; i < s.n_schemas; i++)
            buf_printf(&out, "%s%s", i ? " " : "", s.schema[i]);
        buf_printf(&out, "%s%s%s", s.unqualified_table ? "*" : "", s.unqualified_routine ? "f" : "",
                   s.schemas_overflow ? "+" : "");
        if (strcmp(buf_cstr(&out), rows->names) != 0)
            printf("\n%s\n  expected %s\n  got      %s", rows->sql, rows->names, buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), rows->names);
        buf_fini(&out);
    }
}

static void tables_of_queries(void)
{
    static const struct naming rows[] = {
        {"SELECT 1", ""},
        {"SELECT 1 FROM DUAL", ""},
        {"SELECT * FROM t", "*"},
        {"SELECT * FROM d.t", "d"},
        {"SELECT * FROM `d`.`t`", "d"},
        {"SELECT * FROM `a b`.t", "a b"},
        {"SELECT * FROM d . t", "d"},
        {"SELECT * FROM d./* c */t", "d"},
        {"SELECT * FROM d.select", "d"},
        {"SELECT * FROM d.t, e.u", "d e"},
        {"SELECT * FROM d.t a, e.u AS b, v", "d e*"},
        {"SELECT * FROM d.t a JOIN e.u b ON a.x = b.x", "d e"},
        {"SELECT * FROM d.t a LEFT OUTER JOIN e.u b USING (x, y), f.v", "d e f"},
        {"SELECT * FROM d.t a JOIN e.u b ON a.x = b.x AND f(a.y, b.y), g.v c", "d e gf"},
        {"SELECT * FROM d.t STRAIGHT_JOIN e.u", "d e"},
        {"SELECT STRAIGHT_JOIN a, b FROM d.t", "d"},
        {"SELECT * FROM (d.t, e.u)", "d e"},
        {"SELECT * FROM (d.t JOIN (e.u, v) ON 1), f.w", "d e f*"},
        {"SELECT * FROM (SELECT * FROM d.t) x, e.u", "d e"},
        {"SELECT * FROM LATERAL (SELECT a, b FROM d.t) x", "d"},
        {"SELECT * FROM {OJ d.t LEFT JOIN e.u ON 1}", "d e"},
        {"SELECT * FROM d.t PARTITION (p0, p1), e.u", "d e"},
        {"SELECT * FROM d.t USE INDEX (i, j) IGNORE INDEX FOR JOIN (k), e.u", "d e"},
        {"SELECT * FROM d.t FOR SYSTEM_TIME AS OF NOW(), e.u", "d e"},
        {"SELECT * FROM d.t WHERE a IN (SELECT b FROM e.u)", "d e"},
        {"SELECT (SELECT a FROM d.t LIMIT 1), b FROM e.u", "d e"},
        {"SELECT * FROM d.t ORDER BY a, b LIMIT 1, 2", "d"},
        {"SELECT * FROM d.t GROUP BY a, b WITH ROLLUP HAVING c, e", "d"},
        {"SELECT * FROM d.t WINDOW w AS (ORDER BY a), w2 AS (w)", "d"},
        {"SELECT * FROM d.t window, e.u", "d e"},
        {"SELECT * FROM d.t FOR UPDATE OF t, u", "d"},
        {"SELECT * FROM d.t LOCK IN SHARE MODE", "d"},
        {"SELECT * FROM d.t UNION SELECT * FROM e.u", "d e"},
        {"(SELECT * FROM d.t) UNION (SELECT * FROM u)", "d*"},
        {"SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) j, d.t", "d"},
        {"TABLE d.t", "d"},
        {"(TABLE d.t)", "d"},
        {"VALUES ROW(1, 2)", ""},
        {"SELECT * FROM d.a, d.b, e.c, d.d", "d e"},
        {"SELECT * FROM information_schema.tables, d.t", "d"},
        {"SELECT * FROM mysql.user", ""},
        {"SELECT * FROM Performance_Schema.threads, sys.version", ""},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void columns_and_functions(void)
{
    static const struct naming rows[] = {
        {"SELECT t.a, u.b FROM d.t, d.u", "d"},
        {"SELECT t.* FROM d.t", "d"},
        {"SELECT e.t.a FROM d.t", "e d"},
        {"SELECT `e`.`t`.`a`", "e"},
        {"SELECT e.t.* FROM t", "e*"},
        {"SELECT 1 FROM d.t WHERE e.u.a = 1 ORDER BY f.v.b", "d e f"},
        {"SELECT f(1)", "f"},
        {"SELECT `concat`(1)", "f"},
        {"SELECT concat(1), count(*)", ""},
        {"SELECT d.f(1)", "d"},
        {"SELECT d . f (1)", "d"},
        {"SELECT d.concat(1)", "d"},
        {"SELECT * FROM d.t WHERE e.f(a) > g(b)", "d ef"},
        {"SELECT EXTRACT(YEAR FROM t.a), TRIM(LEADING 'x' FROM b), SUBSTRING(c FROM 2 FOR 3) FROM d.t", "d"},
        {"SELECT NEXTVAL(d.s), NEXT VALUE FOR e.s, f.s.nextval", "d e f"},
        {"SELECT NEXTVAL(s)", "*"},
        {"SELECT @@global.key_buffer_size, @@d.x.y, @a.b.c", ""},
        {"SELECT 1.5, .5, 1.e, 'a.b.c', \"a.b.c\"", ""},
        {"SELECT NOW() + INTERVAL (1) DAY", ""},
        {"SELECT a FROM d.t WHERE b IN (1) AND c BETWEEN (1) AND (2) OR NOT (x) XOR (y)", "d"},
        {"DO d.f(1)", "d"},
        {"SET @a = (SELECT b FROM d.t)", "d"},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void common_table_expressions(void)
{
    static const struct naming rows[] = {
        {"WITH c AS (SELECT * FROM d.t) SELECT * FROM c", "d"},
        {"WITH c (a, b) AS (SELECT 1, 2), e AS (SELECT * FROM c) SELECT * FROM e JOIN c", ""},
        {"WITH RECURSIVE c AS (SELECT 1 UNION SELECT * FROM c) SELECT * FROM c", ""},
        {"WITH recursive AS (SELECT 1) SELECT * FROM recursive", ""},
        {"WITH `c` AS (SELECT 1) SELECT * FROM c", ""},
        {"WITH c AS (SELECT * FROM c) SELECT * FROM c", "*"},
        {"WITH c AS (SELECT 1) SELECT * FROM d.c", "d"},
        {"WITH c AS (SELECT 1) SELECT * FROM c, t", "*"},
        {"SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) x, c", "*"},
        {"SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) x, d.t", "d"},
        {"INSERT INTO c WITH c AS (SELECT 1) SELECT * FROM c", "*"},
        {"INSERT INTO d.t WITH c AS (SELECT 1) SELECT * FROM c", "d"},
        {"WITH a AS (SELECT 1), b AS (SELECT 1), c AS (SELECT 1), d AS (SELECT 1), e AS (SELECT 1), f AS (SELECT 1), "
         "g AS (SELECT 1), h AS (SELECT 1), i AS (SELECT 1) SELECT * FROM i",
         "*"},
        {"SELECT a FROM d.t GROUP BY a WITH ROLLUP", "d"},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void tables_that_are_written(void)
{
    static const struct naming rows[] = {
        {"INSERT INTO t VALUES (1)", "*"},
        {"INSERT INTO d.t VALUES (1), (2)", "d"},
        {"INSERT d.t (a, b) VALUES (1, e.f(2))", "d e"},
        {"INSERT LOW_PRIORITY IGNORE INTO d.t SET a = 1, b = 2", "d"},
        {"INSERT INTO d.t () VALUES ()", "d"},
        {"INSERT INTO d.t SELECT * FROM e.u, v", "d e*"},
        {"INSERT INTO d.t (SELECT * FROM e.u)", "d e"},
        {"INSERT INTO d.t (a) SELECT a FROM d.u ON DUPLICATE KEY UPDATE b = 1, c = 2", "d"},
        {"INSERT INTO d.t VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (SELECT 1 FROM e.u)", "d e"},
        {"INSERT INTO d.t VALUES (1) RETURNING a, b", "d"},
        {"REPLACE INTO d.t VALUES (1)", "d"},
        {"REPLACE DELAYED d.t SELECT * FROM t", "d*"},
        {"UPDATE d.t SET a = 1, b = 2 WHERE c = 3", "d"},
        {"UPDATE LOW_PRIORITY IGNORE d.t, e.u SET t.a = u.b", "d e"},
        {"UPDATE d.t JOIN u ON t.a = u.a SET t.b = 1", "d*"},
        {"UPDATE (d.t, e.u) SET a = 1", "d e"},
        {"UPDATE d.t a SET a.b = (SELECT max(x) FROM e.u)", "d e"},
        {"DELETE FROM d.t WHERE a = 1", "d"},
        {"DELETE QUICK FROM d.t ORDER BY a, b LIMIT 1", "d"},
        {"DELETE t, u FROM d.t JOIN e.u", "d e"},
        {"DELETE a.*, d.t FROM d.t JOIN d.u AS a", "d"},
        {"DELETE FROM d.t USING d.t JOIN e.u", "d e"},
        {"DELETE FROM d.t USING d.t, e.u", "d e"},
        {"LOAD DATA INFILE 'x' INTO TABLE d.t (a, b)", "d"},
        {"LOAD DATA INFILE 'x' REPLACE INTO TABLE d.t FIELDS TERMINATED BY ','", "d"},
        {"LOAD DATA LOCAL INFILE 'x' IGNORE INTO TABLE t", "*"},
        {"HANDLER d.t READ FIRST", "d"},
        {"CALL p(1)", "*"},
        {"CALL d.p(1, e.f(2))", "d e"},
        {"CALL d.p", "d"},
        {"CALL cache.GET('k')", ""},
        {"XA START 'a.b.c'", ""},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void tables_that_are_defined(void)
{
    static const struct naming rows[] = {
        {"CREATE TABLE d.t (a INT, b VARCHAR(10), INDEX (a, b))", "d"},
        {"CREATE TABLE d.t (a INT, INDEX i (a))", "df"}, /* looks like a call; does no harm, since a table is named */
        {"CREATE TABLE IF NOT EXISTS d.t LIKE e.u", "d e"},
        {"CREATE TABLE d.t (LIKE e.u)", "d e"},
        {"CREATE TABLE d.t (a INT REFERENCES e.u (x), FOREIGN KEY (b) REFERENCES f.v (y) ON DELETE CASCADE)", "d e f"},
        {"CREATE TABLE d.t (a INT CHECK (a LIKE 'x')) ENGINE=InnoDB, COMMENT='x'", "d"},
        {"CREATE TABLE d.t AS SELECT * FROM e.u, f.v", "d e f"},
        {"CREATE OR REPLACE TABLE d.t (a INT)", "d"},
        {"CREATE TABLE d.t (a INT) ENGINE=MERGE UNION=(e.u, f.v) INSERT_METHOD=LAST", "d e f"},
        {"CREATE TABLE d.t (SELECT 1) UNION (SELECT * FROM e.u)", "d e"},
        {"CREATE VIEW d.v AS (SELECT a FROM e.t) UNION ALL (SELECT b FROM f.u)", "d e f"},
        {"CREATE VIEW d.v AS (SELECT a FROM e.t) UNION (TABLE f.u)", "d e f"},
        {"CREATE TEMPORARY TABLE d.t (a INT)", "d"},
        {"DROP TEMPORARY TABLE IF EXISTS d.t, e.u", "d e"},
        {"CREATE VIEW d.v AS SELECT * FROM e.t JOIN e.u ON t.a = u.a", "d e"},
        {"CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`u`@`h` SQL SECURITY INVOKER VIEW d.v AS SELECT 1", "d"},
        {"CREATE UNIQUE INDEX i ON d.t (a)", "d"},
        {"CREATE INDEX IF NOT EXISTS i ON d.t (a)", "d"},
        {"DROP INDEX i ON d.t", "d"},
        {"CREATE TRIGGER d.g BEFORE INSERT ON d.t FOR EACH ROW INSERT INTO e.u VALUES (NEW.a)", "d e"},
        {"CREATE PROCEDURE d.p(a INT) SELECT * FROM e.t", "d e"},
        {"CREATE PROCEDURE d.p() BEGIN INSERT INTO e.t VALUES (1); UPDATE f.u SET a = 1; CALL g.q(); END", "d e f g"},
        {"CREATE FUNCTION d.f() RETURNS INT RETURN (SELECT max(a) FROM e.t)", "d e"},
        {"CREATE EVENT d.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM e.t", "d e"},
        {"CREATE SEQUENCE d.s START WITH 1", "d"},
        {"CREATE DATABASE IF NOT EXISTS d CHARACTER SET utf8mb4", "d"},
        {"CREATE SCHEMA d", "d"},
        {"DROP DATABASE d", "d"},
        {"ALTER DATABASE d COLLATE utf8mb4_bin", "d"},
        {"ALTER DATABASE CHARSET utf8mb4", ""},
        {"DROP TABLE IF EXISTS d.t, e.u, v", "d e*"},
        {"DROP VIEW d.v, e.w", "d e"},
        {"DROP PROCEDURE IF EXISTS d.p", "d"},
        {"DROP TRIGGER d.g", "d"},
        {"ALTER TABLE d.t ADD COLUMN sequence INT, ADD COLUMN event INT, ADD INDEX (a)", "d"},
        {"ALTER TABLE d.t UNION (e.u)", "d e"},
        {"ALTER TABLE d.t COMMENT = 'x', UNION = (`u`, `e`.v)", "d e*"},
        {"ALTER TABLE d.t RENAME TO e.u", "d e"},
        {"ALTER TABLE d.t RENAME e.u", "d e"},
        {"ALTER TABLE d.t RENAME COLUMN a TO b, RENAME INDEX i TO j", "d"},
        {"ALTER TABLE d.t EXCHANGE PARTITION p WITH TABLE e.u", "d e"},
        {"ALTER TABLE d.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES e.u (b)", "d e"},
        {"RENAME TABLE d.t TO e.u, f.v TO w", "d e f*"},
        {"TRUNCATE d.t", "d"},
        {"TRUNCATE TABLE d.t", "d"},
        {"ANALYZE TABLE d.t, e.u", "d e"},
        {"OPTIMIZE NO_WRITE_TO_BINLOG TABLE d.t, e.u", "d e"},
        {"CHECK TABLE d.t QUICK", "d"},
        {"REPAIR TABLE d.t", "d"},
        {"CHECKSUM TABLE d.t, e.u EXTENDED", "d e"},
        {"CACHE INDEX d.t, e.u IN hot", "d e"},
        {"LOAD INDEX INTO CACHE d.t", "d"},
        {"LOCK TABLES d.t READ, e.u AS x WRITE", "d e"},
        {"FLUSH TABLES d.t, e.u WITH READ LOCK", "d e"},
        {"FLUSH TABLES WITH READ LOCK", ""},
        {"GRANT SELECT (a, b), INSERT, UPDATE ON d.t TO u@h", "d"},
        {"GRANT ALL ON d.* TO 'u'@'h' IDENTIFIED BY 'x'", "d"},
        {"GRANT EXECUTE ON PROCEDURE d.p TO u", "d"},
        {"GRANT SELECT ON *.* TO u", ""},
        {"REVOKE SELECT ON TABLE d.t FROM u", "d"},
        {"CREATE USER u IDENTIFIED WITH mysql_native_password AS 'x'", ""},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void what_is_shown(void)
{
    static const struct naming rows[] = {
        {"SHOW DATABASES", ""},
        {"SHOW TABLES", "*"},
        {"SHOW FULL TABLES FROM d LIKE 'x'", "d"},
        {"SHOW TABLES IN `d`", "d"},
        {"SHOW OPEN TABLES FROM d", "d"},
        {"SHOW TABLE STATUS", "*"},
        {"SHOW TABLE STATUS FROM d", "d"},
        {"SHOW TRIGGERS", "*"},
        {"SHOW EVENTS FROM d", "d"},
        {"SHOW COLUMNS FROM t", "*"},
        {"SHOW FULL COLUMNS FROM t FROM d", "d"},
        {"SHOW FIELDS IN d.t", "d"},
        {"SHOW INDEX FROM t IN d WHERE Key_name IN ('a', b)", "d"},
        {"SHOW KEYS FROM d.t", "d"},
        {"SHOW CREATE TABLE d.t", "d"},
        {"SHOW CREATE VIEW v", "*"},
        {"SHOW CREATE PROCEDURE d.p", "d"},
        {"SHOW CREATE PROCEDURE code", "*"},
        {"SHOW PROCEDURE CODE d.p", "d"},
        {"SHOW FUNCTION CODE f", "*"},
        {"SHOW CREATE DATABASE d", "d"},
        {"SHOW GRANTS FOR u", ""},
        {"SHOW VARIABLES WHERE Variable_name IN ('a', 'b')", ""},
        {"SHOW WARNINGS", ""},
        {"DESCRIBE t", "*"},
        {"DESC d.t a", "d"},
        {"EXPLAIN d.t", "d"},
        {"EXPLAIN SELECT * FROM d.t", "d"},
        {"EXPLAIN EXTENDED SELECT * FROM d.t", "d"},
        {"EXPLAIN FORMAT=JSON UPDATE d.t SET a = 1", "d"},
        {"EXPLAIN (SELECT * FROM d.t)", "d"},
        {"EXPLAIN FOR SCHEMA d SELECT 1", "d"},
        {"EXPLAIN FOR CONNECTION 5", ""},
        {"ANALYZE FORMAT=JSON SELECT * FROM d.t", "d"},
        {"USE d", "d"},
        {"HELP 'x'", ""},
        {NULL, NULL},
    };
    check_namings(rows);
}

static void more_than_fits_says_so(void)
{
    static const struct naming rows[] = {
        {"SELECT * FROM a.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t", "a b c d e f g h"},
        {"SELECT * FROM a.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t, a.u", "a b c d e f g h"},
        {"SELECT * FROM a.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t, i.t", "a b c d e f g h+"},
        {NULL, NULL},
    };
    check_namings(rows);
    char sql[600];
    for (unsigned depth = 254; depth <= 257; depth++) {
        struct naming deep[] = {{sql, depth < 256 ? "" : "+"}, {NULL, NULL}};
        memset(sql, '(', depth);
        memset(sql + depth, ')', depth);
        sql[2 * depth] = '\0';
        check_namings(deep);
    }
    memset(sql, 'x', sizeof sql);
    memcpy(sql, "SELECT * FROM ", 14);
    memcpy(sql + 14 + SQL_NAME_SIZE, ".t", 3);
    struct naming longest[] = {{sql, "+"}, {NULL, NULL}};
    check_namings(longest);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"tables of queries", tables_of_queries},
        {"columns and functions", columns_and_functions},
        {"common table expressions", common_table_expressions},
        {"tables that are written", tables_that_are_written},
        {"tables that are defined", tables_that_are_defined},
        {"what is shown", what_is_shown},
        {"more than fits says so", more_than_fits_says_so},
        {NULL, NULL},
    };
    return unit_main("sql/schemas", tests);
}
