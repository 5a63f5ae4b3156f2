/* What kind of statement is this, where must it run, and what does it do to the transaction? Pure. */
#ifndef PROXY_SQL_CLASSIFY_H
#define PROXY_SQL_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "proxy/sql/lexer.h"

/* X(name, text) */
#define SQL_KINDS(X) \
    X(EMPTY, "nothing but comments") \
    X(PLAIN, "a statement for a server: DML, SELECT, CALL, ...") \
    X(READ, "a plain SELECT, SHOW, DESCRIBE without FOR UPDATE, INTO, or user functions that the lexer cannot know") \
    X(BEGIN, "BEGIN, START TRANSACTION") \
    X(COMMIT, "COMMIT [WORK] [AND [NO] CHAIN] [[NO] RELEASE]") \
    X(ROLLBACK, "ROLLBACK, likewise") \
    X(SAVEPOINT, "SAVEPOINT name") \
    X(ROLLBACK_TO, "ROLLBACK TO [SAVEPOINT] name") \
    X(RELEASE_SAVEPOINT, "RELEASE SAVEPOINT name") \
    X(SET, "SET of session variables or user variables") \
    X(SET_TRANSACTION, "SET [SESSION] TRANSACTION ...") \
    X(USE, "USE schema") \
    X(IMPLICIT_COMMIT, "DDL and its like: commits first") \
    X(LOCK_TABLES, "LOCK TABLES: commits first, holds state") \
    X(UNLOCK_TABLES, "UNLOCK TABLES") \
    X(XA, "an XA statement of the client") \
    X(REDIS_CALL, "CALL resource.COMMAND(...), also DO and lone SELECT of it: `schema` names a configured resource") \
    X(XA_CALL, "CALL xa.something(...)") \
    X(PREPARE_TEXT, "PREPARE, EXECUTE, DEALLOCATE, EXECUTE IMMEDIATE as text") \
    X(KILL, "KILL [QUERY|CONNECTION] id") \
    X(LOAD_LOCAL, "LOAD DATA LOCAL INFILE") \
    X(TEMPORARY_TABLE, "CREATE or DROP TEMPORARY TABLE") \
    X(COMPOUND, "a statement with ; inside (procedure body, BEGIN NOT ATOMIC): not split")
enum sql_kind {
#define X(name, text) SQL_##name,
    SQL_KINDS(X)
#undef X
};
const char *sql_kind_text(enum sql_kind kind);

#define SQL_MAX_SCHEMAS 8
struct sql_statement {
    struct slice text; /* this one statement, without its ; */
    enum sql_kind kind;
    /* Qualified names seen (schema part, quotes off), in order, without doubles; more than fit: schemas_overflow. */
    char schema[SQL_MAX_SCHEMAS][65];
    unsigned n_schemas;
    bool schemas_overflow;
    bool unqualified_table; /* a table name without schema was (or may have been) used: the default schema counts too */
    char hint_backend[33];  /* from a comment  xaproxy:backend=NAME  ; empty: none */
    char name[65];          /* SAVEPOINT name, USE schema, XA_CALL procedure, KILL ... */
    bool chain, release;        /* COMMIT / ROLLBACK */
    bool read_only, read_write, consistent_snapshot; /* START TRANSACTION */
    bool kill_query; uint64_t kill_id;
    bool select_for_update; /* FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE */
};

struct sql_context {
    bool ansi_quotes, no_backslash_escapes;
    /* Is this schema name a configured Redis resource? */
    bool (*is_resource)(void *arg, const char *name);
    void *arg;
};

/* Cuts the next statement off a text of one or more; false at the end. *rest is moved on. A text that begins a COMPOUND is
 * taken whole. `out` describes it. */
bool sql_next_statement(struct slice *rest, const struct sql_context *ctx, struct sql_statement *out);

/* One assignment of a SET. Values stay text. */
enum sql_set_scope { SQL_SET_SESSION, SQL_SET_GLOBAL, SQL_SET_USER, SQL_SET_ONE_SHOT /* @@x or TRANSACTION without scope */ };
struct sql_set {
    enum sql_set_scope scope;
    char name[65];      /* lower case for system variables; "names" and "character set" for these forms; "transaction" */
    struct slice value; /* expression text */
    bool literal;       /* number, string, ON/OFF/DEFAULT word: safe to replay */
};
/* Walks SET's assignments: call with *at = 0 first. False at the end. */
bool sql_set_next(const struct sql_statement *s, const struct sql_context *ctx, size_t *at, struct sql_set *out);
/* A literal boolean as servers read it: 1, ON, TRUE, '1', 'on' -> 1; 0, OFF, FALSE -> 0; else -1. */
int sql_bool_value(struct slice value);

/* Arguments of CALL name(...): appends one sql_argument each. */
enum sql_argument_kind { SQL_ARG_BYTES, SQL_ARG_NULL, SQL_ARG_PARAMETER, SQL_ARG_VARIABLE, SQL_ARG_EXPRESSION };
struct sql_argument {
    enum sql_argument_kind kind;
    size_t offset, len;   /* BYTES: into `bytes` of sql_call_read; VARIABLE, EXPRESSION: the text, there too */
};
#define SQL_MAX_ARGUMENTS 1024
struct sql_call {
    char schema[65], name[65]; /* name as written */
    unsigned n;
    struct sql_argument argument[SQL_MAX_ARGUMENTS];
    struct buf bytes;
    enum { SQL_CALL_CALL, SQL_CALL_SELECT, SQL_CALL_DO } form;
};
/* False: not well-formed (or too many arguments); `why` says so. */
bool sql_call_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_call *out, char *why, size_t why_size);

#endif
