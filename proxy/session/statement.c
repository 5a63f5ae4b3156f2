/* Text statements: cut, classified, sent to whoever does their kind. Leaves transaction control to transaction.c, SET to
 * variables.c, CALLs of Redis to redis.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/route.h"

/* --- routing ---------------------------------------------------------------------------------------------------- */

bool statement_is_call(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    return sql_accept_word(&in, "CALL");
}

static bool is_resource(void *arg, const char *name)
{
    const struct session *s = arg;
    return config_redis(s->world->config, name) >= 0;
}

void statement_context(struct session *s, struct sql_context *ctx)
{
    *ctx = (struct sql_context){.dialect = s->dialect,
                                .is_resource = is_resource,
                                .arg = s};
}

static int backend_of_schema(void *arg, const char *schema)
{
    return config_backend_of_schema(((struct session *)arg)->world->config, schema);
}
static int backend_of_name(void *arg, const char *name)
{
    return config_backend(((struct session *)arg)->world->config, name);
}
static const char *name_of_backend(void *arg, int backend)
{
    return session_backend_name(arg, backend);
}

bool statement_is_system_schema(const char *name)
{
    return !strcasecmp(name, "information_schema") || !strcasecmp(name, "performance_schema") || !strcasecmp(name, "mysql") ||
           !strcasecmp(name, "sys");
}

int statement_backend_of_schema(const struct session *s, const char *name)
{
    const struct config *c = s->world->config;
    return statement_is_system_schema(name) ? config_default_backend(c) : config_backend_of_schema(c, name);
}

int statement_home(const struct session *s)
{
    int by_schema = *s->schema ? statement_backend_of_schema(s, s->schema) : -1;
    return by_schema >= 0 ? by_schema : config_default_backend(s->world->config);
}

/* A statement that names no table: where the session was last, for SHOW WARNINGS and LAST_INSERT_ID() look there, unless its
 * transaction is one server's own and can go nowhere else. SHOW WARNINGS is of no transaction. */
int statement_anywhere(const struct session *s)
{
    if (s->tx && s->tx->local && s->tx->local_server >= 0 && !s->diag.asked_counts)
        return s->tx->local_server;
    if (s->last_server >= 0 && (s->servers[s->last_server].conn || s->servers[s->last_server].memory.valid))
        return s->last_server;
    return statement_home(s);
}

bool statement_is_anywhere(const struct session *s)
{
    const struct sql_statement *it = s->statement;
    bool routine = it->unqualified_routine && *s->schema;
    return !it->n_schemas && !it->own_schema && !it->unqualified_table && !routine && !*it->hint_backend && !it->user_locks;
}

/* A statement that names no table. What information_schema tells is expected of the default schema; a lock excludes nobody unless
 * all sessions take it on the same server. */
static int route_tableless(const struct session *s)
{
    if (s->statement->own_schema)
        return statement_home(s);
    return s->statement->user_locks ? config_default_backend(s->world->config) : statement_anywhere(s);
}

int statement_route(struct session *s)
{
    if (s->executing)
        return prepared_backend(s);
    if (s->executing_text)
        return text_backend(s);
    if (s->statement->unqualified_table && !*s->schema && !*s->statement->hint_backend) {
        session_answer_error(s, 1046, "3D000", "No database selected");
        return -1;
    }
    char why[512];
    struct sql_routes routes = {backend_of_schema, backend_of_name, name_of_backend, s, s->world->backends.n == 1};
    const char *schema = statement_is_system_schema(s->schema) ? NULL : s->schema;
    int backend = sql_route(s->statement, schema, &routes, why, sizeof why);
    if (backend == SQL_ROUTE_ANY)
        backend = route_tableless(s);
    if (backend >= 0)
        return backend;
    if (backend == SQL_ROUTE_SPANS)
        session_answer_error(s, 1235, "42000", "%s", why);
    else
        session_answer_error(s, 1049, "42000", "%s", why);
    return -1;
}

/* --- statements for a server ------------------------------------------------------------------------------------- */

static void on_statement_done(struct session *s, const struct backend_outcome *outcome)
{
    readback_note(s, outcome);
    tx_statement_done(s, outcome);
}

static void send_text(struct session *s)
{
    struct buf text = {0};
    insert_id_bring(s);
    conditions_bring(s);
    if (diagnostics_put_get(s, &text) || information_put(s, s->statement, s->statement->text, &text))
        relay_query(s, (struct slice){buf_at(&text), buf_len(&text)}, on_statement_done);
    else
        relay_query(s, s->statement->text, on_statement_done);
    buf_fini(&text);
}

static void send_statement(struct session *s)
{
    if (s->executing)
        prepared_send(s, on_statement_done);
    else if (s->executing_text)
        text_send(s, on_statement_done);
    else if (*buf_at(&s->command) == WIRE_COM_REFRESH)
        relay_send(s, WIRE_RESPONSE_SIMPLE, buf_at(&s->command), buf_len(&s->command), on_statement_done);
    else
        send_text(s);
}

/* Others read dictionaries that are tables on some servers. */
static bool shows_only_the_session(struct sql_tokens *in)
{
    static const char *const words[] = {"VARIABLES", "STATUS", "WARNINGS", "ERRORS", "COUNT"};
    (void)(sql_accept_word(in, "SESSION") || sql_accept_word(in, "GLOBAL") || sql_accept_word(in, "LOCAL"));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sql_accept_word(in, words[i]))
            return true;
    return false;
}

/* With autocommit off the first table begins a transaction on servers, not SELECT 1: what surely touches none leaves the
 * connection free for others. Nor is it the next transaction, of which SET TRANSACTION speaks. */
bool statement_touches_nothing(struct session *s)
{
    const struct sql_statement *st = s->statement;
    struct sql_tokens in;
    if ((st->kind != SQL_READ && st->kind != SQL_PLAIN) || sql_names_tables(st) || st->unqualified_routine ||
        st->leaves & SQL_LEAVES_UNKNOWN)
        return false;
    sql_tokens_init(&in, st->text, &s->dialect);
    if (sql_accept_word(&in, "SHOW"))
        return shows_only_the_session(&in);
    bool nothing = in.ahead.kind == SQL_END;
    return nothing || sql_accept_word(&in, "SELECT") || sql_accept_word(&in, "DO") || sql_accept_word(&in, "GET");
}

bool statement_in_tx(struct session *s)
{
    int locks_at = config_default_backend(s->world->config);
    if (s->statement->user_locks && statement_touches_nothing(s) && !tx_is_on(s, locks_at)) /* a lock is of no transaction */
        return false;
    if (s->diag.asked_counts && s->last_server >= 0 && !tx_is_on(s, s->last_server)) /* SHOW WARNINGS begins nothing there */
        return false;
    return !s->xa && (s->tx || (!s->autocommit && !statement_touches_nothing(s)));
}

bool statement_begins_nothing(struct session *s)
{
    return !s->autocommit && !s->xa && !s->tx && statement_touches_nothing(s);
}

static void run_on_server(struct session *s)
{
    int backend = statement_route(s);
    if (backend >= 0)
        target_prepare(s, backend, statement_in_tx(s), send_statement);
}

static void run_use(struct session *s)
{
    char name[SQL_NAME_SIZE];
    memcpy(name, s->statement->name, sizeof name);
    command_use(s, (struct slice){(const uint8_t *)name, strlen(name)});
}

static void run_outside_tx(struct session *s)
{
    int backend = statement_route(s);
    s->locks_began = false;
    if (backend >= 0)
        target_prepare(s, backend, false, send_statement);
}

/* BEGIN, DDL, LOCK TABLES, UNLOCK TABLES of such commit first, then run as if nothing had been open. So does a SET where a
 * server would have begun no transaction yet: it may be about the next one. */
static bool commits_first(const struct session *s)
{
    enum sql_kind k = s->statement->kind;
    return s->tx && (k == SQL_BEGIN || k == SQL_IMPLICIT_COMMIT || k == SQL_LOCK_TABLES ||
                     (k == SQL_UNLOCK_TABLES && locks_held(s, -1)) ||
                     ((k == SQL_SET || k == SQL_SET_TRANSACTION) && !tx_visible(s)));
}

static void run_transaction_control(struct session *s)
{
    const struct sql_statement *st = s->statement;
    enum session_after after = st->release ? SESSION_AFTER_RELEASE : st->chain ? SESSION_AFTER_CHAIN : SESSION_AFTER_OK;
    s->locks_began = false;
    if (st->kind == SQL_BEGIN)
        tx_begin(s, st);
    else if (st->kind == SQL_COMMIT)
        tx_commit(s, after);
    else
        tx_rollback(s, after);
}

/* In an XA transaction of the client they are its server's. */
static void run_savepoint(struct session *s)
{
    if (s->xa)
        run_on_server(s);
    else if (s->statement->kind == SQL_SAVEPOINT)
        tx_savepoint(s);
    else if (s->statement->kind == SQL_ROLLBACK_TO)
        tx_rollback_to(s);
    else
        tx_release_savepoint(s);
}

void statement_run(struct session *s)
{
    switch (s->statement->kind) {
    case SQL_EMPTY:
        session_answer_error(s, 1065, "42000", "Query was empty");
        break;
    case SQL_BEGIN:
    case SQL_COMMIT:
    case SQL_ROLLBACK:
        run_transaction_control(s);
        break;
    case SQL_SAVEPOINT:
    case SQL_ROLLBACK_TO:
    case SQL_RELEASE_SAVEPOINT:
        run_savepoint(s);
        break;
    case SQL_XA:
        client_xa_run(s);
        break;
    case SQL_SET:
        variables_set(s);
        break;
    case SQL_SET_TRANSACTION:
        characteristics_set(s);
        break;
    case SQL_USE:
        run_use(s);
        break;
    case SQL_PREPARE_TEXT:
        text_run(s);
        break;
    case SQL_REDIS_CALL:
        redis_call_begin(s, NULL, 0);
        break;
    case SQL_XA_CALL:
        xa_call_begin(s);
        break;
    case SQL_XA_TABLE:
        xa_tables_answer(s);
        break;
    case SQL_KILL:
        kill_statement(s);
        break;
    case SQL_SHOW_PROCESSLIST:
        processlist_show(s, s->statement->full);
        break;
    case SQL_UNLOCK_TABLES:
        locks_unlock(s);
        break;
    case SQL_LOCK_TABLES:
        locks_lock(s);
        break;
    case SQL_IMPLICIT_COMMIT:
        run_outside_tx(s);
        break;
    case SQL_PLAIN:
    case SQL_READ:
    case SQL_LOAD_LOCAL:
    case SQL_TEMPORARY_TABLE:
    case SQL_COMPOUND:
        if (!own_variable_answer(s) && !show_warnings_answer(s))
            run_on_server(s);
        break;
    }
}

static bool is_set(const struct session *s)
{
    return s->statement->kind == SQL_SET || s->statement->kind == SQL_SET_TRANSACTION;
}

static void commit_first(struct session *s)
{
    if (!tx_visible(s)) /* to the client it has not begun: what it was to be is for the next one */
        s->one_shot = s->tx->characteristics;
    else if (s->statement->kind == SQL_BEGIN && !s->world->backends.at[statement_home(s)].mariadb) {
        s->one_shot = s->tx->characteristics; /* MySQL's BEGIN within a transaction makes another one like it */
        characteristics_set_access(&s->one_shot, s->tx->read_only);
    }
    if (is_set(s))
        tx_move_savepoints(&s->tx->savepoints, &s->early_savepoints);
    tx_commit(s, SESSION_AFTER_STATEMENT);
}

bool statement_may_begin(struct session *s)
{
    enum sql_kind k = s->statement->kind;
    s->diag.asked_counts = false;
    if (s->statement->resource_inside) {
        session_answer_error(s, 1235, "42000", "a Redis resource can be used in a CALL, a DO or a SELECT of its own only");
        return false;
    }
    if (guests_tell_lost(s))
        return false;
    if (k != SQL_ROLLBACK && k != SQL_COMMIT && k != SQL_PREPARE_TEXT && tx_refuses(s))
        return false;
    if (rights_refuse_statement(s, s->statement) || client_xa_refuses(s))
        return false;
    if (!list_empty(&s->early_savepoints) && !is_set(s))
        tx_open(s); /* which has them */
    return true;
}

static void start(struct session *s)
{
    enum sql_kind k = s->statement->kind;
    if (!statement_may_begin(s))
        return;
    if (!commits_first(s))
        statement_run(s);
    else if (k == SQL_BEGIN || k == SQL_UNLOCK_TABLES || is_set(s) || s->executing)
        commit_first(s);
    else
        probe_statement(s, commit_first);
}

/* --- cutting ----------------------------------------------------------------------------------------------------- */

static bool cut(struct session *s)
{
    struct sql_context ctx;
    statement_context(s, &ctx);
    return sql_next_statement(&s->rest, &ctx, s->statement);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice without_leading_space(struct slice text)
{
    while (text.len && is_space(*text.at)) {
        text.at++;
        text.len--;
    }
    return text;
}

/* As servers do before they look at a text. */
static struct slice without_end(struct slice text)
{
    while (text.len && (is_space(text.at[text.len - 1]) || text.at[text.len - 1] == ';'))
        text.len--;
    return text;
}

bool statement_to_prepare(struct session *s, struct slice *rest, struct sql_statement *out)
{
    struct sql_context ctx;
    struct slice all = *rest;
    statement_context(s, &ctx);
    if (sql_next_statement(rest, &ctx, out) && out->kind != SQL_EMPTY)
        return true;
    *rest = (struct slice){all.at + all.len, 0};
    *out = (struct sql_statement){.kind = SQL_PLAIN, .text = all};
    if (without_leading_space(without_end(all)).len)
        return true;
    session_answer_error(s, 1065, "42000", "Query was empty");
    return false;
}

/* In the words of a server, to which the second statement is an error of the first one's syntax. */
static void answer_not_asked_for(struct session *s, struct slice text)
{
    size_t before = (size_t)(s->rest.at - text.at), line = 1;
    for (size_t i = 0; i < before; i++)
        line += text.at[i] == '\n';
    session_answer_error(s, 1064, "42000",
                         "You have an error in your SQL syntax; check the manual that corresponds to your %s server version for "
                         "the right syntax to use near '%.*s' at line %zu",
                         s->world->backends.at[statement_home(s)].mariadb ? "MariaDB" : "MySQL",
                         (int)(s->rest.len < 80 ? s->rest.len : 80), (const char *)s->rest.at, line);
}

/* Whatever follows the statement under way is one more, with its own answer, be it only a comment. MORE_RESULTS is said before it
 * is run. */
void statement_next(struct session *s)
{
    if (s->killed) { /* while it answered the one before */
        kill_answer(s);
        return;
    }
    kill_statement_begins(s);
    if (!s->rest.len) {
        s->more = false;
        session_answer_error(s, 1065, "42000", "Query was empty");
        return;
    }
    struct slice text = s->rest;
    bool found = cut(s);
    s->rest = without_leading_space(s->rest);
    s->more = found && s->rest.len;
    if (s->more && !(s->caps & WIRE_CAP_MULTI_STATEMENTS))
        answer_not_asked_for(s, text);
    else if (!found)
        session_answer_ok(s);
    else if (s->statement->kind == SQL_EMPTY)
        session_answer_error(s, 1064, "42000", "You have an error in your SQL syntax; nothing stands before the ';' near '%.*s'",
                             (int)(text.len < 80 ? text.len : 80), (const char *)text.at);
    else
        start(s);
}

void statement_begin_text(struct session *s, struct slice text)
{
    s->rest = without_leading_space(without_end(text));
    statement_next(s);
}

void statement_start_refresh(struct session *s)
{
    *s->statement = (struct sql_statement){.kind = SQL_IMPLICIT_COMMIT};
    start(s);
}

void statement_start_prepared(struct session *s)
{
    start(s);
}
