/* Every statement gets the kind that its effect on the transaction asks for, and those that the proxy acts on itself are read to
 * their last word. Where they end is test_sql_cut.c's. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/classify.h"
#include "proxy/sql/keywords.h"
#include "tests/unit/sql_side.h"

static const struct sql_context plain_context = {.is_resource = is_cache};

static struct sql_statement one(const char *sql)
{
    struct slice rest = text_of(sql);
    struct sql_statement s = {.kind = SQL_EMPTY};
    if (!sql_next_statement(&rest, &plain_context, &s))
        s.kind = SQL_EMPTY;
    return s;
}

struct kind_row {
    const char *sql;
    enum sql_kind kind;
};

static void check_kinds(const struct kind_row *rows)
{
    for (; rows->sql; rows++) {
        struct sql_statement s = one(rows->sql);
        if (s.kind != rows->kind)
            printf("\n%s\n  expected %s\n  got      %s", rows->sql, sql_kind_text(rows->kind), sql_kind_text(s.kind));
        CU_ASSERT_EQUAL(s.kind, rows->kind);
    }
}

static void what_provably_only_reads(void)
{
    static const struct kind_row rows[] = {
        {"SELECT 1", SQL_READ},
        {"select * from t where a = 1 order by b limit 3", SQL_READ},
        {"(SELECT 1) UNION (SELECT 2)", SQL_READ},
        {"((SELECT 1))", SQL_READ},
        {"SELECT COUNT(*), MAX(a), CONCAT('a', b) FROM t", SQL_READ},
        {"SELECT a FROM t WHERE b IN (1, 2) AND (c OR d) AND EXISTS (SELECT 1 FROM u)", SQL_READ},
        {"SELECT CAST(a AS CHAR(10)), CONVERT(b, DECIMAL(10,2)) FROM t", SQL_READ},
        {"SELECT CASE WHEN (a) THEN (b) ELSE (c) END FROM t", SQL_READ},
        {"SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t", SQL_READ},
        {"SELECT @a, @@autocommit, @@session.sql_mode", SQL_READ},
        {"SELECT replace(a, 'x', 'y'), insert(a, 1, 2, 'x') FROM t", SQL_READ},
        {"SELECT DATABASE(), USER(), VERSION(), NOW(), UUID()", SQL_READ},
        {"SELECT JSON_EXTRACT(a, '$.b'), a->'$.b' FROM t", SQL_READ},
        {"SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) j", SQL_READ},
        {"WITH c AS (SELECT 1) SELECT * FROM c", SQL_READ},
        {"VALUES ROW(1,2), ROW(3,4)", SQL_READ},
        {"VALUES (1,2)", SQL_READ},
        {"TABLE t", SQL_READ},
        {"SHOW PROCESSLIST", SQL_SHOW_PROCESSLIST},
        {"show /* all */ full processlist;", SQL_SHOW_PROCESSLIST},
        {"SHOW PROCESSLIST WHERE 1", SQL_PLAIN},
        {"SHOW TABLES", SQL_READ},
        {"SHOW CREATE TABLE t", SQL_READ},
        {"SHOW VARIABLES LIKE 'a%'", SQL_READ},
        {"SHOW COUNT(*) WARNINGS", SQL_READ},
        {"DESCRIBE t", SQL_READ},
        {"DESC t a", SQL_READ},
        {"EXPLAIN SELECT 1", SQL_READ},
        {"EXPLAIN FORMAT=JSON SELECT 1", SQL_READ},
        {"EXPLAIN t", SQL_READ},
        {"HELP 'select'", SQL_READ},
        {"/* c */ -- d\n SELECT /*+ hint */ 1", SQL_READ},
        {NULL, 0},
    };
    check_kinds(rows);
}

static void what_may_write_lock_or_wait_is_no_read(void)
{
    static const struct kind_row rows[] = {
        {"SELECT * FROM t FOR UPDATE", SQL_PLAIN},
        {"SELECT * FROM t FOR SHARE", SQL_PLAIN},
        {"SELECT * FROM t LOCK IN SHARE MODE", SQL_PLAIN},
        {"SELECT * FROM (SELECT * FROM t FOR UPDATE) x", SQL_PLAIN},
        {"SELECT a INTO @x FROM t", SQL_PLAIN},
        {"SELECT a FROM t INTO OUTFILE 'f'", SQL_PLAIN},
        {"SELECT @a := 1", SQL_PLAIN},
        {"SELECT f(1)", SQL_PLAIN},
        {"SELECT db.f(1)", SQL_PLAIN},
        {"SELECT db.concat('a')", SQL_PLAIN},
        {"SELECT `concat`('a')", SQL_PLAIN},
        {"SELECT GET_LOCK('a', 1)", SQL_PLAIN},
        {"SELECT RELEASE_LOCK('a')", SQL_PLAIN},
        {"SELECT SLEEP(1)", SQL_PLAIN},
        {"SELECT BENCHMARK(1, 1)", SQL_PLAIN},
        {"SELECT LAST_INSERT_ID(5)", SQL_PLAIN},
        {"SELECT NEXTVAL(s)", SQL_PLAIN},
        {"SELECT NEXT VALUE FOR s", SQL_PLAIN},
        {"SELECT PREVIOUS VALUE FOR s", SQL_PLAIN},
        {"SELECT s.nextval", SQL_PLAIN},
        {"SELECT LOAD_FILE('x')", SQL_PLAIN},
        {"SELECT 1 /*! FOR UPDATE */", SQL_PLAIN},
        {"SELECT 1 /*!99999 */", SQL_PLAIN},
        {"SELECT 'abc", SQL_PLAIN},
        {"SELECT 1 /* abc", SQL_PLAIN},
        {"WITH c AS (SELECT 1) UPDATE t SET a = 1", SQL_PLAIN},
        {"WITH c AS (SELECT 1) DELETE FROM t", SQL_PLAIN},
        {"EXPLAIN ANALYZE SELECT 1", SQL_PLAIN},
        {"DESCRIBE ANALYZE SELECT 1", SQL_PLAIN},
        {"EXPLAIN UPDATE t SET a = 1", SQL_PLAIN},
        {"EXPLAIN SELECT f(1)", SQL_PLAIN},
        {"EXPLAIN INTO @x SELECT 1", SQL_PLAIN},
        {"ANALYZE SELECT 1", SQL_PLAIN},
        {"ANALYZE FORMAT=JSON SELECT 1", SQL_PLAIN},
        {"INSERT INTO t VALUES (1)", SQL_PLAIN},
        {"UPDATE t SET a = 1", SQL_PLAIN},
        {"DELETE FROM t", SQL_PLAIN},
        {"REPLACE INTO t VALUES (1)", SQL_PLAIN},
        {"CALL p(1)", SQL_PLAIN},
        {"DO f(1)", SQL_PLAIN},
        {"HANDLER t OPEN", SQL_PLAIN},
        {"LOAD DATA INFILE 'x' INTO TABLE t", SQL_PLAIN},
        {"SIGNAL SQLSTATE '45000'", SQL_PLAIN},
        {"CHECKSUM TABLE t", SQL_PLAIN},
        {"nonsense", SQL_PLAIN},
        {"'string'", SQL_PLAIN},
        {"(1)", SQL_PLAIN},
        {")", SQL_PLAIN},
        {NULL, 0},
    };
    check_kinds(rows);
}

static void what_governs_transactions(void)
{
    static const struct kind_row rows[] = {
        {"BEGIN", SQL_BEGIN},
        {"begin work", SQL_BEGIN},
        {"START TRANSACTION", SQL_BEGIN},
        {"start transaction with consistent snapshot, read only", SQL_BEGIN},
        {"/*! START TRANSACTION */", SQL_BEGIN},
        {"/*!50100 BEGIN */", SQL_BEGIN},
        {"BEGIN WORK READ ONLY", SQL_PLAIN},
        {"START TRANSACTION READ", SQL_PLAIN},
        {"START TRANSACTION READ ONLY, READ WRITE", SQL_PLAIN},
        {"START TRANSACTION WITH SNAPSHOT", SQL_PLAIN},
        {"START TRANSACTION READ ONLY,", SQL_PLAIN},
        {"COMMIT", SQL_COMMIT},
        {"COMMIT WORK AND NO CHAIN NO RELEASE", SQL_COMMIT},
        {"COMMIT foo", SQL_PLAIN},
        {"COMMIT AND", SQL_PLAIN},
        {"COMMIT NO", SQL_PLAIN},
        {"COMMIT AND CHAIN RELEASE", SQL_PLAIN},
        {"COMMIT 'abc", SQL_PLAIN},
        {"ROLLBACK", SQL_ROLLBACK},
        {"ROLLBACK WORK RELEASE", SQL_ROLLBACK},
        {"ROLLBACK TO a", SQL_ROLLBACK_TO},
        {"ROLLBACK WORK TO SAVEPOINT a", SQL_ROLLBACK_TO},
        {"ROLLBACK TO", SQL_PLAIN},
        {"ROLLBACK TO a b", SQL_PLAIN},
        {"SAVEPOINT a", SQL_SAVEPOINT},
        {"SAVEPOINT", SQL_PLAIN},
        {"SAVEPOINT 'a'", SQL_PLAIN},
        {"SAVEPOINT ``", SQL_PLAIN},
        {"SAVEPOINT `a", SQL_PLAIN},
        {"RELEASE SAVEPOINT a", SQL_RELEASE_SAVEPOINT},
        {"RELEASE SAVEPOINT", SQL_PLAIN},
        {"SET TRANSACTION READ ONLY", SQL_SET_TRANSACTION},
        {"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", SQL_SET_TRANSACTION},
        {"SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE", SQL_SET_TRANSACTION},
        {"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", SQL_SET_TRANSACTION},
        {"SET TRANSACTION ISOLATION LEVEL SNAPSHOT", SQL_PLAIN},
        {"SET TRANSACTION", SQL_PLAIN},
        {"SET GLOBAL TRANSACTION READ ONLY", SQL_SET},
        {"XA START 'x'", SQL_XA},
        {"xa recover", SQL_XA},
        {"SET STATEMENT max_statement_time=1 FOR COMMIT", SQL_COMMIT},
        {"SET STATEMENT max_statement_time=1 FOR SELECT 1", SQL_PLAIN},
        {"SET STATEMENT a=1, b=2 FOR DROP TABLE t", SQL_IMPLICIT_COMMIT},
        {"SET STATEMENT a=1", SQL_PLAIN},
        {NULL, 0},
    };
    check_kinds(rows);
}

static void what_commits_implicitly(void)
{
    static const struct kind_row rows[] = {
        {"CREATE TABLE t (a INT)", SQL_IMPLICIT_COMMIT},
        {"CREATE OR REPLACE TABLE t (a INT)", SQL_IMPLICIT_COMMIT},
        {"CREATE TABLE t SELECT 1", SQL_IMPLICIT_COMMIT},
        {"CREATE INDEX i ON t (a)", SQL_IMPLICIT_COMMIT},
        {"CREATE VIEW v AS SELECT 1", SQL_IMPLICIT_COMMIT},
        {"CREATE USER u", SQL_IMPLICIT_COMMIT},
        {"CREATE DATABASE d", SQL_IMPLICIT_COMMIT},
        {"CREATE SEQUENCE s", SQL_IMPLICIT_COMMIT},
        {"ALTER TABLE t ADD a INT", SQL_IMPLICIT_COMMIT},
        {"ALTER INSTANCE ROTATE INNODB MASTER KEY", SQL_IMPLICIT_COMMIT},
        {"DROP TABLE t", SQL_IMPLICIT_COMMIT},
        {"DROP INDEX i ON t", SQL_IMPLICIT_COMMIT},
        {"RENAME TABLE a TO b", SQL_IMPLICIT_COMMIT},
        {"RENAME USER a TO b", SQL_IMPLICIT_COMMIT},
        {"TRUNCATE t", SQL_IMPLICIT_COMMIT},
        {"TRUNCATE TABLE t", SQL_IMPLICIT_COMMIT},
        {"GRANT SELECT ON *.* TO u", SQL_IMPLICIT_COMMIT},
        {"REVOKE SELECT ON *.* FROM u", SQL_IMPLICIT_COMMIT},
        {"SET PASSWORD = 'x'", SQL_IMPLICIT_COMMIT},
        {"SET DEFAULT ROLE r TO u", SQL_IMPLICIT_COMMIT},
        {"ANALYZE TABLE t", SQL_IMPLICIT_COMMIT},
        {"ANALYZE LOCAL TABLE t", SQL_IMPLICIT_COMMIT},
        {"ANALYZE NO_WRITE_TO_BINLOG TABLE t", SQL_IMPLICIT_COMMIT},
        {"CHECK TABLE t", SQL_IMPLICIT_COMMIT},
        {"OPTIMIZE LOCAL TABLE t", SQL_IMPLICIT_COMMIT},
        {"REPAIR TABLE t", SQL_IMPLICIT_COMMIT},
        {"CACHE INDEX t IN c", SQL_IMPLICIT_COMMIT},
        {"LOAD INDEX INTO CACHE t", SQL_IMPLICIT_COMMIT},
        {"FLUSH STATUS", SQL_IMPLICIT_COMMIT},
        {"FLUSH TABLES", SQL_IMPLICIT_COMMIT},
        {"RESET QUERY CACHE", SQL_IMPLICIT_COMMIT},
        {"RESET MASTER", SQL_IMPLICIT_COMMIT},
        {"INSTALL PLUGIN p SONAME 'x'", SQL_IMPLICIT_COMMIT},
        {"UNINSTALL PLUGIN p", SQL_IMPLICIT_COMMIT},
        {"START REPLICA", SQL_IMPLICIT_COMMIT},
        {"STOP SLAVE", SQL_IMPLICIT_COMMIT},
        {"CHANGE MASTER TO MASTER_HOST='x'", SQL_IMPLICIT_COMMIT},
        {"CHANGE REPLICATION SOURCE TO SOURCE_HOST='x'", SQL_IMPLICIT_COMMIT},
        {"BACKUP STAGE START", SQL_IMPLICIT_COMMIT},
        {"IMPORT TABLE FROM 'x'", SQL_IMPLICIT_COMMIT},
        {"CLONE LOCAL DATA DIRECTORY '/x'", SQL_IMPLICIT_COMMIT},
        {"/*!40000 ALTER TABLE `t` DISABLE KEYS */", SQL_IMPLICIT_COMMIT},
        {"LOCK TABLES t READ", SQL_LOCK_TABLES},
        {"LOCK TABLE t WRITE", SQL_LOCK_TABLES},
        {"FLUSH TABLES WITH READ LOCK", SQL_LOCK_TABLES},
        {"FLUSH LOCAL TABLES t WITH READ LOCK", SQL_LOCK_TABLES},
        {"FLUSH TABLES t FOR EXPORT", SQL_LOCK_TABLES},
        {"UNLOCK TABLES", SQL_UNLOCK_TABLES},
        {"UNLOCK TABLES foo", SQL_PLAIN},
        {"RESET PERSIST", SQL_PLAIN},
        {"CREATE TEMPORARY TABLE t (a INT)", SQL_TEMPORARY_TABLE},
        {"CREATE OR REPLACE TEMPORARY TABLE t (a INT)", SQL_TEMPORARY_TABLE},
        {"DROP TEMPORARY TABLE t", SQL_TEMPORARY_TABLE},
        {"CREATE TEMPORARY SEQUENCE s", SQL_IMPLICIT_COMMIT},
        {"DROP TEMPORARY SEQUENCE s", SQL_TEMPORARY_TABLE},
        {"ALTER TABLE t ENGINE=InnoDB", SQL_IMPLICIT_COMMIT},
        {NULL, 0},
    };
    check_kinds(rows);
}

static void the_other_kinds(void)
{
    static const struct kind_row rows[] = {
        {"SET a = 1", SQL_SET},
        {"SET NAMES utf8mb4", SQL_SET},
        {"SET @a = 1", SQL_SET},
        {"SET ROLE r", SQL_SET},
        {"SET RESOURCE GROUP g", SQL_PLAIN},
        {"USE d", SQL_USE},
        {"USE", SQL_PLAIN},
        {"USE a b", SQL_PLAIN},
        {"PREPARE s FROM 'SELECT 1'", SQL_PREPARE_TEXT},
        {"EXECUTE s USING @a", SQL_PREPARE_TEXT},
        {"EXECUTE IMMEDIATE 'COMMIT'", SQL_PREPARE_TEXT},
        {"DEALLOCATE PREPARE s", SQL_PREPARE_TEXT},
        {"DROP PREPARE s", SQL_PREPARE_TEXT},
        {"KILL 5", SQL_KILL},
        {"LOAD DATA LOCAL INFILE 'x' INTO TABLE t", SQL_LOAD_LOCAL},
        {"LOAD DATA CONCURRENT LOCAL INFILE 'x' INTO TABLE t", SQL_LOAD_LOCAL},
        {"LOAD XML LOW_PRIORITY LOCAL INFILE 'x' INTO TABLE t", SQL_LOAD_LOCAL},
        {"BEGIN NOT ATOMIC SELECT 1; END", SQL_COMPOUND},
        {"BEGIN SELECT 1; END", SQL_COMPOUND},
        {"IF 1 THEN SELECT 1; END IF", SQL_COMPOUND},
        {"l: LOOP LEAVE l; END LOOP", SQL_COMPOUND},
        {"FOR i IN 1..3 DO SELECT 1; END FOR", SQL_COMPOUND},
        {"WHILE 0 DO SELECT 1; END WHILE", SQL_COMPOUND},
        {"CALL cache.GET('k')", SQL_REDIS_CALL},
        {"CALL `Cache`.`JSON.SET`('k', '$', '1')", SQL_REDIS_CALL},
        {"CALL `other cache`.GET('k')", SQL_REDIS_CALL},
        {"CALL cache.JSON.SET('k')", SQL_REDIS_CALL},
        {"CALL cache.PING", SQL_REDIS_CALL},
        {"CALL cache . GET ( 'k' )", SQL_REDIS_CALL},
        {"SELECT cache.GET('k')", SQL_REDIS_CALL},
        {"SELECT cache.GET('k') AS v", SQL_REDIS_CALL},
        {"SELECT cache.GET(f(a, (b))) 'v'", SQL_REDIS_CALL},
        {"DO cache.INCR('n')", SQL_REDIS_CALL},
        {"SELECT cache.GET('k'), 1", SQL_PLAIN},
        {"SELECT cache.GET('k') FROM t", SQL_PLAIN},
        {"SELECT cache.GET('k' ", SQL_PLAIN},
        {"DO cache.INCR('n'), 1", SQL_PLAIN},
        {"DO cache.INCR", SQL_PLAIN},
        {"CALL cache.GET('k') 1", SQL_PLAIN},
        {"CALL db.p('k')", SQL_PLAIN},
        {"CALL cache('k')", SQL_PLAIN},
        {"CALL xa.on_commit('a')", SQL_XA_CALL},
        {"CALL `XA`.on_rollback('a')", SQL_XA_CALL},
        {"SELECT xa.token()", SQL_XA_CALL},
        {"select XA.`Token`( ) AS t", SQL_XA_CALL},
        {"SELECT xa.token(), 1", SQL_XA_TABLE},
        {"SELECT xa.token() FROM t", SQL_XA_TABLE},
        {"SELECT xa.step('a')", SQL_XA_TABLE},
        {"DO xa.token()", SQL_XA_TABLE},
        {NULL, 0},
    };
    check_kinds(rows);
}

static void only_a_lone_call_frees_a_resource(void)
{
    CU_ASSERT_FALSE(one("SELECT cache.GET('k')").resource_inside);
    CU_ASSERT_TRUE(one("SELECT cache.GET('k'), 1").resource_inside);
    CU_ASSERT_TRUE(one("INSERT INTO t SELECT cache.GET('k')").resource_inside);
    CU_ASSERT_TRUE(one("SELECT * FROM cache.t").resource_inside);
    CU_ASSERT_TRUE(one("CALL cache.GET('k') 1").resource_inside);
    CU_ASSERT_STRING_EQUAL(one("CALL `other cache`.GET('k')").name, "other cache");
    CU_ASSERT_STRING_EQUAL(one("CALL xa.On_Commit('k')").name, "On_Commit");
}

static void a_routine_with_a_body_commits_and_is_compound(void)
{
    struct sql_statement s = one("CREATE PROCEDURE p() BEGIN a; b; END");
    CU_ASSERT_EQUAL(s.kind, SQL_IMPLICIT_COMMIT);
    CU_ASSERT_TRUE(s.compound);
    CU_ASSERT_FALSE(one("CREATE PROCEDURE p() SELECT 1").compound);
    s = one("/*!99999 ; */ DROP TABLE t");
    CU_ASSERT_EQUAL(s.kind, SQL_COMPOUND);
    CU_ASSERT_TRUE(s.compound);
}

static void a_hint_belongs_to_its_statement(void)
{
    struct slice rest = text_of("SELECT 1; /* xaproxy:backend=s2 */ SELECT 2; SELECT 3");
    static const char *const hints[] = {"", "s2", ""};
    struct sql_statement s;
    for (unsigned i = 0; sql_next_statement(&rest, &plain_context, &s); i++)
        CU_ASSERT_STRING_EQUAL(s.hint_backend, hints[i]);
    CU_ASSERT_STRING_EQUAL(one("SELECT 1 /* xaproxy:other=s2 */").hint_backend, "");
    CU_ASSERT_STRING_EQUAL(one("SELECT 1 /* xaproxy: */").hint_backend, "");
    CU_ASSERT_STRING_EQUAL(one("SELECT 1 /* xaproxy:backend=a-b_c.d */").hint_backend, "a-b_c");
    const char *longer = "SELECT 1 /* xaproxy:backend=0123456789012345678901234567890123456789 */";
    CU_ASSERT_EQUAL(strlen(one(longer).hint_backend), 32);
}

static void modifiers_of_transactions(void)
{
    struct sql_statement s = one("COMMIT AND CHAIN");
    CU_ASSERT_TRUE(s.chain && !s.no_chain && !s.release && !s.no_release);
    s = one("ROLLBACK WORK AND NO CHAIN RELEASE");
    CU_ASSERT_TRUE(!s.chain && s.no_chain && s.release && !s.no_release);
    s = one("COMMIT NO RELEASE");
    CU_ASSERT_TRUE(!s.chain && !s.no_chain && !s.release && s.no_release);
    s = one("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT");
    CU_ASSERT_TRUE(s.read_only && !s.read_write && s.consistent_snapshot);
    s = one("START TRANSACTION READ WRITE");
    CU_ASSERT_TRUE(!s.read_only && s.read_write && !s.consistent_snapshot);
    s = one("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY");
    CU_ASSERT_TRUE(s.read_only && !s.read_write);
}

static bool changes_schema(const char *text)
{
    struct sql_statement st;
    struct slice rest = {(const uint8_t *)text, strlen(text)};
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &plain_context, &st));
    return st.changes_schema;
}

static void what_makes_alters_or_drops_a_schema(void)
{
    CU_ASSERT_TRUE(changes_schema("CREATE DATABASE d"));
    CU_ASSERT_TRUE(changes_schema("create or replace /* x */ schema if not exists d"));
    CU_ASSERT_TRUE(changes_schema("ALTER SCHEMA d CHARACTER SET latin1"));
    CU_ASSERT_TRUE(changes_schema("ALTER DATABASE CHARACTER SET latin1"));
    CU_ASSERT_TRUE(changes_schema("DROP DATABASE d"));
    CU_ASSERT_FALSE(changes_schema("SHOW CREATE DATABASE d"));
    CU_ASSERT_FALSE(changes_schema("CREATE TABLE `database` (i INT)"));
    CU_ASSERT_FALSE(changes_schema("GRANT ALL ON d.* TO u"));
    CU_ASSERT_FALSE(changes_schema("CREATE OR REPLACE VIEW v AS SELECT 1"));
}

static void names_of_savepoints_and_schemas(void)
{
    static const struct {
        const char *sql, *name;
    } rows[] = {
        {"SAVEPOINT a", "a"},
        {"SAVEPOINT `a``b c`", "a`b c"},
        {"ROLLBACK TO a", "a"},
        {"ROLLBACK TO SAVEPOINT a", "a"},
        {"ROLLBACK TO savepoint", "savepoint"},
        {"ROLLBACK WORK TO SAVEPOINT savepoint", "savepoint"},
        {"RELEASE SAVEPOINT x1", "x1"},
        {"USE `my db`", "my db"},
        {"USE d;", "d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_STRING_EQUAL(one(rows[i].sql).name, rows[i].name);
}

static void kill_ids(void)
{
    static const struct {
        const char *sql;
        bool query, by_id;
        uint64_t id;
        const char *user, *expression;
    } rows[] = {
        {"KILL 5", false, true, 5, "", ""},
        {"KILL 5;", false, true, 5, "", ""},
        {"KILL CONNECTION 7", false, true, 7, "", ""},
        {"KILL QUERY 18446744073709551000", true, true, 18446744073709551000u, "", ""},
        {"KILL QUERY 99999999999999999999999", true, true, 0, "", ""},
        {"KILL QUERY 0", true, true, 0, "", ""},
        {"KILL HARD QUERY 1", true, true, 1, "", ""},
        {"KILL SOFT 1", false, true, 1, "", ""},
        {"KILL USER u", false, false, 0, "u", ""},
        {"KILL QUERY USER 'some user'@'%'", true, false, 0, "some user", ""},
        {"KILL SOFT CONNECTION USER `a``b`;", false, false, 0, "a`b", ""},
        {"KILL USER CURRENT_USER()", false, false, 0, "CURRENT_USER", ""},
        {"KILL USER", false, false, 0, "", ""},
        {"KILL USER 'x", false, false, 0, "", ""},
        {"KILL USER ''", false, false, 0, "", ""},
        {"KILL USER 5", false, false, 0, "", ""},
        {"KILL QUERY ID 5", true, false, 0, "", ""},
        {"KILL 1+1", false, false, 0, "", "1+1"},
        {"KILL 1.5 ;", false, false, 0, "", "1.5"},
        {"KILL 0x5 -- so", false, false, 0, "", "0x5"},
        {"KILL ?", false, false, 0, "", "?"},
        {"KILL QUERY CONNECTION_ID() ", true, false, 0, "", "CONNECTION_ID()"},
        {"KILL CONNECTION (SELECT `id` FROM t)", false, false, 0, "", "(SELECT `id` FROM t)"},
        {"KILL QUERY @a", true, false, 0, "", "@a"},
        {"KILL QUERY ID", true, false, 0, "", ""},
        {"KILL", false, false, 0, "", ""},
        {"KILL user()", false, false, 0, "", ""}, /* a function's */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_statement s = one(rows[i].sql);
        CU_ASSERT_EQUAL(s.kill_query, rows[i].query);
        CU_ASSERT_EQUAL(s.kill_by_id, rows[i].by_id);
        CU_ASSERT_EQUAL(s.kill_id, rows[i].id);
        CU_ASSERT_EQUAL(s.kill_by_user, *rows[i].user != '\0');
        CU_ASSERT_EQUAL(s.kill_in_words, strstr(rows[i].sql, "USER") || strstr(rows[i].sql, "HARD") || strstr(rows[i].sql, "SOFT") ||
                                             strstr(rows[i].sql, " ID"));
        CU_ASSERT_EQUAL(s.kill_of_nobody, !strcmp(rows[i].sql, "KILL") || !strcmp(rows[i].sql, "KILL USER"));
        CU_ASSERT_STRING_EQUAL(s.name, rows[i].user);
        CU_ASSERT_EQUAL(s.kill_expression.len, strlen(rows[i].expression));
        CU_ASSERT(!s.kill_expression.len || !memcmp(s.kill_expression.at, rows[i].expression, s.kill_expression.len));
    }
}

static void every_row_of_the_keyword_table_is_reached(void)
{
    for (unsigned i = 0; i < sql_n_keywords; i++) {
        struct slice words[SQL_MAX_KEYWORDS];
        unsigned n = 0, used;
        for (const char *at = sql_keywords[i].words; *at; n++) {
            CU_ASSERT_FATAL(n < SQL_MAX_KEYWORDS);
            size_t len = strcspn(at, " ");
            words[n] = (struct slice){(const uint8_t *)at, len};
            at += len + (at[len] == ' ');
        }
        CU_ASSERT_PTR_EQUAL(sql_keyword_find(words, n, &used), &sql_keywords[i]);
        CU_ASSERT_EQUAL(used, n);
    }
}

/* No statement becomes another kind by comments, spaces and letters' case. */
static void comments_and_case_change_nothing(void)
{
    static const char *const texts[] = {
        "SELECT 1",
        "INSERT INTO t VALUES (1)",
        "START TRANSACTION READ ONLY",
        "COMMIT WORK",
        "ROLLBACK TO SAVEPOINT a",
        "SET SESSION TRANSACTION READ ONLY",
        "DROP TABLE t",
        "LOCK TABLES t READ",
        "CALL cache.GET('k')",
        "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
        "BEGIN NOT ATOMIC SELECT 1; END",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf noisy = {0};
        buf_text(&noisy, " # a ; b\n");
        for (const char *c = texts[i]; *c; c++) {
            if (*c == ' ')
                buf_text(&noisy, "\t/* a ; 'b */ -- c\n");
            else
                buf_u8(&noisy, (uint8_t)(*c ^ (*c >= 'A' && *c <= 'Z' && (c - texts[i]) % 2 ? 0x20 : 0)));
        }
        struct sql_statement s = one(buf_cstr(&noisy));
        CU_ASSERT_EQUAL(s.kind, one(texts[i]).kind);
        CU_ASSERT_EQUAL(s.text.len, buf_len(&noisy));
        buf_fini(&noisy);
    }
}

static uint32_t dice(uint32_t n)
{
    static uint32_t x = 20261122;
    x = x * 1664525 + 1013904223;
    return (x >> 8) % n;
}

static bool same_statement(const struct sql_statement *a, const struct sql_statement *b)
{
    return a->kind == b->kind && a->n_schemas == b->n_schemas && a->unqualified_table == b->unqualified_table &&
           a->unqualified_routine == b->unqualified_routine && a->schemas_overflow == b->schemas_overflow &&
           a->resource_inside == b->resource_inside && a->compound == b->compound && a->leaves == b->leaves &&
           !memcmp(a->schema, b->schema, a->n_schemas * sizeof *a->schema);
}

/* Comments make every word be looked at; without them values are passed over. Any soup of words must come out the same. */
static void values_that_are_passed_over_hide_nothing(void)
{
    static const char *const heads[] = {"INSERT INTO a.t VALUES ", "SELECT ", "SELECT 1 FROM a.t WHERE x IN (",
                                        "UPDATE t, b.u SET x=",
                                        "WITH c AS (", "CALL p(", "DELETE FROM a.t WHERE ", "SET @a=",
                                        "CREATE TABLE a.t (i INT) SELECT "};
    static const char *const words[] = {"1", ",", "(", ")", "'a'", "'it''s'", "'b\\'('", "NULL", "null", "-5", "1.5", "12", "f(",
                                        "x",
                                        "FROM", "b.t", ", c.u", ";", "1e5", "0x1F", "\"s\"", "-", "@v", ":=", "AS", "SELECT",
                                        "JOIN",
                                        "(1,2,'x')", ",(NULL,-3.5,'y')", "g.h(1)", "?", "FOR UPDATE", "`q`", ".", "nullx", "--1",
                                        "cache.GET(1)"};
    for (int round = 0; round < 50000; round++) {
        struct buf close = {0}, apart = {0};
        const char *head = heads[dice(sizeof heads / sizeof *heads)];
        buf_text(&close, head);
        buf_text(&apart, head);
        for (uint32_t n = dice(14); n; n--) {
            const char *word = words[dice(sizeof words / sizeof *words)];
            buf_printf(&close, "%s ", word);
            buf_printf(&apart, "%s /**/", word);
        }
        struct slice rest_close = {buf_at(&close), buf_len(&close)}, rest_apart = {buf_at(&apart), buf_len(&apart)};
        struct sql_statement a, b;
        bool more;
        do {
            more = sql_next_statement(&rest_close, &plain_context, &a);
            CU_ASSERT_EQUAL(more, sql_next_statement(&rest_apart, &plain_context, &b));
            CU_ASSERT(!more || same_statement(&a, &b));
        } while (more);
        buf_fini(&close);
        buf_fini(&apart);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"values that are passed over hide nothing", values_that_are_passed_over_hide_nothing},
        {"what provably only reads", what_provably_only_reads},
        {"what may write, lock or wait is no read", what_may_write_lock_or_wait_is_no_read},
        {"what governs transactions", what_governs_transactions},
        {"what commits implicitly", what_commits_implicitly},
        {"the other kinds", the_other_kinds},
        {"only a lone call frees a resource", only_a_lone_call_frees_a_resource},
        {"a routine with a body commits and is compound", a_routine_with_a_body_commits_and_is_compound},
        {"a hint belongs to its statement", a_hint_belongs_to_its_statement},
        {"modifiers of transactions", modifiers_of_transactions},
        {"what makes, alters or drops a schema", what_makes_alters_or_drops_a_schema},
        {"names of savepoints and schemas", names_of_savepoints_and_schemas},
        {"KILL's ids", kill_ids},
        {"every row of the keyword table is reached", every_row_of_the_keyword_table_is_reached},
        {"comments and case change nothing", comments_and_case_change_nothing},
        {NULL, NULL},
    };
    return unit_main("sql/classify", tests);
}
