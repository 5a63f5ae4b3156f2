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
    X(SET, "SET of variables, NAMES, CHARACTER SET, ROLE") \
    X(SET_TRANSACTION, "SET [SESSION] TRANSACTION ...; with GLOBAL it is a SET") \
    X(USE, "USE schema") \
    X(IMPLICIT_COMMIT, "DDL and its like: commits first") \
    X(LOCK_TABLES, "LOCK TABLES: commits first, holds state") \
    X(UNLOCK_TABLES, "UNLOCK TABLES") \
    X(XA, "an XA statement of the client") \
    X(REDIS_CALL, "CALL resource.COMMAND(...), also DO and lone SELECT of it: `schema` names a configured resource") \
    X(XA_CALL, "CALL xa.something(...)") \
    X(XA_TABLE, "a SELECT, SHOW or the like of something in xa, which the proxy has itself") \
    X(PREPARE_TEXT, "PREPARE, EXECUTE, DEALLOCATE, EXECUTE IMMEDIATE as text") \
    X(KILL, "KILL [HARD|SOFT] [QUERY|CONNECTION] id, KILL USER") \
    X(SHOW_PROCESSLIST, "SHOW [FULL] PROCESSLIST") \
    X(LOAD_LOCAL, "LOAD DATA LOCAL INFILE") \
    X(TEMPORARY_TABLE, "CREATE or DROP TEMPORARY TABLE") \
    X(COMPOUND, "a statement with ; inside (BEGIN NOT ATOMIC, IF, ...), or whose end depends on the server")
enum sql_kind {
#define X(name, text) SQL_##name,
    SQL_KINDS(X)
#undef X
};
const char *sql_kind_text(enum sql_kind kind);

/* What a statement may leave behind in the server's session, which no other connection has then; bits. */
enum sql_leaves {
    SQL_LEAVES_LOCK = 1 << 0,    /* GET_LOCK */
    SQL_FREES_LOCKS = 1 << 1,    /* RELEASE_ALL_LOCKS */
    SQL_LEAVES_HANDLER = 1 << 2, /* HANDLER ... OPEN */
    SQL_LEAVES_UNKNOWN = 1 << 3  /* CALL, a stored or unknown function, a block: whatever it likes */
};

#define SQL_MAX_SCHEMAS 8
struct sql_statement {
    struct slice text; /* this one statement, without its ; */
    enum sql_kind kind;
    /* Schemas named by tables, routines and three-part columns (quotes off), in order, without doubles, without the
     * servers' own (information_schema, performance_schema, mysql, sys). More than fit, or too long: overflow. */
    char schema[SQL_MAX_SCHEMAS][SQL_NAME_SIZE];
    unsigned n_schemas;
    bool schemas_overflow;
    bool unqualified_table;   /* a table or CALLed procedure without schema: the default schema counts too */
    bool own_schema;          /* one of the servers' own is named */
    bool unqualified_routine; /* a function that is not built in: the default schema counts where no other is named */
    bool resource_inside;     /* a Redis resource is named within a larger statement, which no server can run */
    bool reads;               /* by its first words a question: SELECT, SHOW, DO and their like; what it calls may write */
    bool compound;            /* ; stands inside, or may: then, where no end can be told, the rest of the text was taken. Any kind may say so */
    char hint_backend[33];    /* from a comment  xaproxy:backend=NAME  ; empty: none */
    char name[SQL_NAME_SIZE]; /* SAVEPOINT name, USE schema, XA_CALL procedure, REDIS_CALL resource, KILL USER; else empty */
    bool chain, release;      /* COMMIT / ROLLBACK; "NO" forms are false */
    bool no_chain, no_release; /* the "NO" forms, which overrule completion_type */
    bool read_only, read_write, consistent_snapshot; /* START TRANSACTION, SET TRANSACTION */
    bool kill_query;
    bool kill_by_id, kill_by_user; /* neither: an expression, or the id of a query */
    bool kill_in_words;     /* HARD, SOFT, USER, QUERY ID, which MySQL takes for names of columns */
    bool kill_of_nobody;    /* it ends where the id should stand */
    uint64_t kill_id;       /* 0: not a plain number (KILL USER, an expression) */
    struct slice kill_expression; /* that tells the id; empty: none */
    bool says_call;         /* a XA_CALL or REDIS_CALL that is no SELECT or DO */
    bool full;              /* SHOW FULL PROCESSLIST */
    unsigned leaves;        /* enum sql_leaves */
    bool user_locks;        /* GET_LOCK, IS_FREE_LOCK and their like are called */
    bool gives_insert_id;   /* LAST_INSERT_ID(n) */
    bool changes_schema;    /* CREATE, ALTER, DROP DATABASE */
    bool asks_session;      /* system variables, or what information.h knows, are named */
};

/* Tables are named, or what may be some. */
static inline bool sql_names_tables(const struct sql_statement *s)
{
    return s->unqualified_table || s->n_schemas || s->own_schema || s->schemas_overflow;
}

struct sql_context {
    struct sql_dialect dialect;
    /* Is this schema name a configured Redis resource? NULL: there are none. */
    bool (*is_resource)(void *arg, const char *name);
    void *arg;
};

/* Cuts the next statement off a text of one or more; false at the end, also where only space and comments are left: a
 * text of which the first call says false is an empty query (1065). EMPTY is one between two ; (1064 on servers).
 * *rest is moved on. What is malformed among the kinds that the proxy acts on itself (COMMIT nonsense) is PLAIN, for a
 * server to complain about. */
bool sql_next_statement(struct slice *rest, const struct sql_context *ctx, struct sql_statement *out);

/* One assignment of a SET. Values stay text. */
enum sql_set_scope {
    SQL_SET_SESSION,
    SQL_SET_GLOBAL,
    SQL_SET_PERSIST,
    SQL_SET_PERSIST_ONLY,
    SQL_SET_USER,
    SQL_SET_ONE_SHOT /* @@x, TRANSACTION without scope: isolation, access mode of the next transaction; else session */
};
static inline bool sql_set_is_global(enum sql_set_scope scope)
{
    return scope == SQL_SET_GLOBAL || scope == SQL_SET_PERSIST || scope == SQL_SET_PERSIST_ONLY;
}
struct sql_set {
    enum sql_set_scope scope;
    char name[SQL_NAME_SIZE]; /* lower case; "names", "character set", "transaction", "role" for these forms */
    struct slice value;       /* expression text; of the forms: all that follows their words */
    bool literal;             /* number, string, hex, or one word (ON, DEFAULT, utf8mb4): safe to replay */
};
/* Walks the assignments of a SET or SET_TRANSACTION statement. */
struct sql_set_reader {
    struct sql_tokens in;
    enum sql_set_scope scope; /* that the last keyword set for those that follow */
    bool bad;                 /* after the last: not well-formed, for a server to complain about */
};
void sql_set_begin(struct sql_set_reader *r, const struct sql_statement *s, const struct sql_context *ctx);
bool sql_set_next(struct sql_set_reader *r, struct sql_set *out); /* false at the end */
/* A literal boolean as servers read it: 1, ON, TRUE, '1', 'on' -> 1; 0, OFF, FALSE -> 0; else -1. */
int sql_bool_value(struct slice value);

/* Arguments of a REDIS_CALL or XA_CALL: name(...) after CALL, DO or a lone SELECT. */
enum sql_argument_kind { SQL_ARG_BYTES, SQL_ARG_NULL, SQL_ARG_PARAMETER, SQL_ARG_VARIABLE, SQL_ARG_EXPRESSION };
struct sql_argument {
    enum sql_argument_kind kind;
    bool number;        /* BYTES: written as a number or a truth value */
    size_t offset, len; /* into `bytes` of sql_call. BYTES: the value; VARIABLE: its name; EXPRESSION: its SQL text */
};
#define SQL_MAX_ARGUMENTS 1024
enum sql_call_form { SQL_CALL_CALL, SQL_CALL_SELECT, SQL_CALL_DO };
struct sql_call {
    enum sql_call_form form;
    char schema[SQL_NAME_SIZE], name[SQL_NAME_SIZE]; /* name as written */
    char alias[SQL_NAME_SIZE];                       /* SELECT ... AS alias; empty: none */
    unsigned n;
    struct sql_argument argument[SQL_MAX_ARGUMENTS];
    struct buf bytes; /* the caller's sql_call_fini frees it */
};
/* False: not well-formed (or too many arguments); `why` says so. Initializes `out`; sql_call_fini it in either case. */
bool sql_call_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_call *out, char *why,
                   size_t why_size) MUST_USE;
void sql_call_fini(struct sql_call *call);

#endif
