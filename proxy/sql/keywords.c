/* The rows. What commits implicitly follows the lists in both families' manuals, checked against servers. */
#include "proxy/sql/keywords.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TABLE SQL_SHAPE_TABLE
#define LIST SQL_SHAPE_LIST
#define OBJECT SQL_SHAPE_OBJECT
#define ROUTINE SQL_SHAPE_ROUTINE
#define DDL SQL_IMPLICIT_COMMIT

/* The first row that fits counts: longer ones stand before shorter ones with the same beginning. */
const struct sql_keyword sql_keywords[] = {
    {"SELECT", SQL_READ, 0},
    {"INSERT", SQL_PLAIN, 0},
    {"UPDATE", SQL_PLAIN, 0},
    {"DELETE", SQL_PLAIN, 0},
    {"REPLACE", SQL_PLAIN, 0},
    {"BEGIN NOT ATOMIC", SQL_COMPOUND, 0},
    {"BEGIN WORK", SQL_BEGIN, 0},
    {"BEGIN", SQL_BEGIN, SQL_SHAPE_ALONE}, /* BEGIN ... END; under sql_mode=ORACLE */
    {"START TRANSACTION", SQL_BEGIN, 0},
    {"COMMIT", SQL_COMMIT, 0},
    {"ROLLBACK TO", SQL_ROLLBACK_TO, 0},
    {"ROLLBACK WORK TO", SQL_ROLLBACK_TO, 0},
    {"ROLLBACK", SQL_ROLLBACK, 0},
    {"SAVEPOINT", SQL_SAVEPOINT, 0},
    {"RELEASE SAVEPOINT", SQL_RELEASE_SAVEPOINT, 0},
    {"SET PASSWORD", DDL, 0},
    {"SET DEFAULT ROLE", DDL, 0},
    {"SET RESOURCE GROUP", SQL_PLAIN, 0},
    {"SET TRANSACTION", SQL_SET_TRANSACTION, 0},
    {"SET SESSION TRANSACTION", SQL_SET_TRANSACTION, 0},
    {"SET LOCAL TRANSACTION", SQL_SET_TRANSACTION, 0},
    {"SET STATEMENT", SQL_PLAIN, SQL_SHAPE_INNER},
    {"SET", SQL_SET, 0},
    {"USE", SQL_USE, SQL_SHAPE_SCHEMA},
    {"CALL", SQL_PLAIN, TABLE},
    {"DO", SQL_PLAIN, 0},
    {"WITH", SQL_READ, 0},
    {"VALUES", SQL_READ, 0},
    {"TABLE", SQL_READ, TABLE},
    {"SHOW PROCESSLIST", SQL_SHOW_PROCESSLIST, 0},
    {"SHOW FULL PROCESSLIST", SQL_SHOW_PROCESSLIST, 0},
    {"SHOW", SQL_READ, SQL_SHAPE_SHOW | OBJECT},
    {"HELP", SQL_READ, 0},
    {"EXPLAIN ANALYZE", SQL_PLAIN, 0},
    {"DESCRIBE ANALYZE", SQL_PLAIN, 0},
    {"DESC ANALYZE", SQL_PLAIN, 0},
    {"EXPLAIN", SQL_READ, SQL_SHAPE_EXPLAIN},
    {"DESCRIBE", SQL_READ, SQL_SHAPE_EXPLAIN},
    {"DESC", SQL_READ, SQL_SHAPE_EXPLAIN},
    {"XA", SQL_XA, 0},
    {"PREPARE", SQL_PREPARE_TEXT, 0},
    {"EXECUTE", SQL_PREPARE_TEXT, 0},
    {"DEALLOCATE", SQL_PREPARE_TEXT, 0},
    {"DROP PREPARE", SQL_PREPARE_TEXT, 0},
    {"KILL", SQL_KILL, 0},
    {"HANDLER", SQL_PLAIN, TABLE},
    {"LOAD DATA LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD DATA FROM LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD DATA LOW_PRIORITY LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD DATA LOW_PRIORITY FROM LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD DATA CONCURRENT LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD DATA CONCURRENT FROM LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD XML LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD XML LOW_PRIORITY LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD XML CONCURRENT LOCAL", SQL_LOAD_LOCAL, 0},
    {"LOAD INDEX INTO CACHE", DDL, TABLE | LIST},
    {"LOCK TABLES", SQL_LOCK_TABLES, TABLE | LIST},
    {"LOCK TABLE", SQL_LOCK_TABLES, TABLE | LIST},
    {"UNLOCK TABLES", SQL_UNLOCK_TABLES, 0},
    {"UNLOCK TABLE", SQL_UNLOCK_TABLES, 0},
    {"CREATE TEMPORARY SEQUENCE", DDL, OBJECT}, /* commits all the same, its DROP does not */
    {"CREATE OR REPLACE TEMPORARY SEQUENCE", DDL, OBJECT},
    {"CREATE TEMPORARY", SQL_TEMPORARY_TABLE, OBJECT},
    {"CREATE OR REPLACE TEMPORARY", SQL_TEMPORARY_TABLE, OBJECT},
    {"DROP TEMPORARY", SQL_TEMPORARY_TABLE, OBJECT | LIST},
    {"CREATE", DDL, OBJECT | ROUTINE},
    {"ALTER", DDL, OBJECT | ROUTINE},
    {"DROP", DDL, OBJECT | LIST},
    {"TRUNCATE TABLE", DDL, TABLE},
    {"TRUNCATE", DDL, TABLE},
    {"RENAME TABLE", DDL, TABLE | LIST | SQL_SHAPE_RENAME},
    {"RENAME TABLES", DDL, TABLE | LIST | SQL_SHAPE_RENAME},
    {"RENAME", DDL, 0},
    {"GRANT", DDL, SQL_SHAPE_ON},
    {"REVOKE", DDL, SQL_SHAPE_ON},
    {"ANALYZE TABLE", DDL, TABLE | LIST},
    {"ANALYZE TABLES", DDL, TABLE | LIST},
    {"ANALYZE LOCAL", DDL, LIST},
    {"ANALYZE NO_WRITE_TO_BINLOG", DDL, LIST},
    {"CHECK", DDL, OBJECT | LIST},
    {"CHECKSUM", SQL_PLAIN, LIST},
    {"OPTIMIZE", DDL, LIST},
    {"REPAIR", DDL, OBJECT | LIST},
    {"CACHE INDEX", DDL, TABLE | LIST},
    {"FLUSH", DDL, LIST | SQL_SHAPE_FLUSH},
    {"RESET PERSIST", SQL_PLAIN, 0},
    {"RESET", DDL, 0},
    {"INSTALL", DDL, 0},
    {"UNINSTALL", DDL, 0},
    {"IMPORT", DDL, 0},
    {"CLONE", DDL, 0},
    {"BACKUP", DDL, 0},
    {"START", DDL, 0}, /* REPLICA and its like */
    {"STOP", DDL, 0},
    {"CHANGE", DDL, 0},
    {"IF", SQL_COMPOUND, 0},
    {"LOOP", SQL_COMPOUND, 0},
    {"FOR", SQL_COMPOUND, 0},
    {"CASE", SQL_COMPOUND, 0},
    {"WHILE", SQL_COMPOUND, 0},
    {"REPEAT", SQL_COMPOUND, 0},
    {"DECLARE", SQL_COMPOUND, 0},
};
const unsigned sql_n_keywords = sizeof sql_keywords / sizeof *sql_keywords;

/* How many words of the row; 0 when not all are there. */
static unsigned match(const struct sql_keyword *row, const struct slice *words, unsigned n)
{
    unsigned used = 0;
    for (const char *at = row->words; *at; used++) {
        size_t len = strcspn(at, " ");
        if (used == n || words[used].len != len || strncasecmp(at, (const char *)words[used].at, len) != 0)
            return 0;
        at += len + (at[len] == ' ');
    }
    return used;
}

const struct sql_keyword *sql_keyword_find(const struct slice *words, unsigned n, unsigned *n_used)
{
    static const struct sql_keyword other = {"", SQL_PLAIN, 0};
    for (unsigned i = 0; n && i < sql_n_keywords; i++)
        if (sql_keywords[i].words[0] == toupper(words[0].at[0]) && (*n_used = match(&sql_keywords[i], words, n)))
            return &sql_keywords[i];
    return &other;
}
