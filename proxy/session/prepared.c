/* Prepared statements of the client: ids of its own, prepared on a server's connection when they are first used there, again when
 * the connection has changed. What the proxy does itself (COMMIT, SET, a Redis CALL) is prepared here and nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/own.h"
#include "proxy/session/phases.h"
#include "proxy/session/prepared.h"
#include "proxy/session/tx.h"
#include "proxy/sql/prepare.h"

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static void forget_place(struct session_server *server, struct session_statement *ps)
{
    list_remove(&ps->use);
    server->n_prepared--;
    ps->conn = NULL;
    ps->cursor_open = false;
}

static void free_statement(struct session *s, struct session_statement *ps)
{
    if (ps->conn)
        forget_place(&s->servers[ps->backend], ps);
    long_data_forget(s, ps);
    s->prepared_bytes -= ps->len;
    s->prepared_count--;
    buf_fini(&ps->types);
    buf_fini(&ps->answers);
    buf_fini(&ps->columns);
    free(ps->text);
    free(ps);
}

/* NULL: none. */
static struct session_statement *prepared_find(const struct session *s, uint32_t id)
{
    if (id == PREPARED_LAST)
        id = s->last_prepared;
    return id && id <= s->n_prepared ? s->prepared[id - 1] : NULL;
}

bool prepared_has_bytes(const struct session *s, size_t more)
{
    return s->prepared_bytes + more <= (size_t)s->world->config->max_prepared_bytes;
}

/* The one that asks counts already. */
bool prepared_refuses_more(struct session *s)
{
    if (s->prepared_count <= (unsigned)s->world->config->max_prepared_statements && prepared_has_bytes(s, 0))
        return false;
    session_answer_error(s, 1461, "42000",
                         "Can't create more than max_prepared_statements statements, or longer ones than max_prepared_bytes "
                         "(current values: %d, %d)",
                         s->world->config->max_prepared_statements, s->world->config->max_prepared_bytes);
    return true;
}

static void enter(struct session *s, struct session_statement *ps)
{
    unsigned i = 0;
    while (i < s->n_prepared && s->prepared[i])
        i++;
    if (i == s->n_prepared) {
        void *grown = realloc(s->prepared, (i + 16) * sizeof *s->prepared);
        CHECK(grown);
        s->prepared = grown;
        memset(s->prepared + i, 0, 16 * sizeof *s->prepared);
        s->n_prepared = i + 16;
    }
    s->prepared[i] = ps;
    s->last_prepared = ps->id = i + 1;
}

void prepared_free_all(struct session *s)
{
    text_free_all(s);
    prepared_command_over(s);
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (s->prepared[i])
            free_statement(s, s->prepared[i]);
    free(s->prepared);
    s->prepared = NULL;
    s->n_prepared = 0;
    s->last_prepared = 0;
    s->executing = NULL;
}

/* --- on a server ---------------------------------------------------------------------------------------------------------- */

bool prepared_is_there(const struct session_statement *ps, const struct backend_conn *conn)
{
    return ps->conn && ps->conn == conn && ps->generation == conn->statement_generation;
}

static struct session_statement *statement_at(struct list *use)
{
    return CONTAINER_OF(use, struct session_statement, use);
}

void prepared_set_cursor(struct session *s, struct session_statement *ps, bool open)
{
    struct session_server *server = &s->servers[ps->backend];
    ps->cursor_open = open;
    server->holds &= ~SESSION_HOLD_CURSOR;
    LIST_FOR(it, &server->prepared)
        if (statement_at(it)->cursor_open)
            server->holds |= SESSION_HOLD_CURSOR;
}

void prepared_server_gone(struct session_server *server)
{
    while (!list_empty(&server->prepared))
        forget_place(server, statement_at(list_first(&server->prepared)));
    text_server_gone(server);
}

void prepared_leave(struct session *s, struct session_statement *ps)
{
    if (!ps->conn)
        return;
    if (prepared_is_there(ps, ps->conn)) {
        struct buf payload = {0};
        buf_u8(&payload, WIRE_COM_STMT_CLOSE);
        buf_u32le(&payload, ps->backend_id);
        backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
        buf_fini(&payload);
    }
    prepared_set_cursor(s, ps, false);
    forget_place(&s->servers[ps->backend], ps);
}

/* Servers have a limit for all their connections together (max_prepared_stmt_count). */
static void make_room(struct session *s, struct session_server *server)
{
    unsigned limit = (unsigned)s->world->config->backends[server - s->servers].max_prepared;
    LIST_FOR_SAFE(it, &server->prepared)
        if (server->n_prepared >= limit && !statement_at(it)->cursor_open)
            prepared_leave(s, statement_at(it));
}

void prepared_used(struct session *s, struct session_statement *ps)
{
    list_remove(&ps->use);
    list_push_back(&s->servers[s->target].prepared, &ps->use);
}

void prepared_arrived(struct session *s, struct session_statement *ps, uint32_t backend_id)
{
    prepared_leave(s, ps);
    make_room(s, &s->servers[s->target]);
    ps->backend = s->target;
    ps->conn = target_conn(s);
    ps->generation = ps->conn->statement_generation;
    ps->backend_id = backend_id;
    ps->types_there = ps->cursor_used = false;
    s->servers[s->target].n_prepared++;
    prepared_used(s, ps);
}

static struct information_text information_of(const struct session_statement *ps)
{
    return (struct information_text){&ps->parsed, ps->parsed.text, ps->prepared_in};
}

void prepared_payload(struct session *s, struct session_statement *ps, bool again, struct buf *payload)
{
    struct information_text t = information_of(ps);
    buf_u8(payload, WIRE_COM_STMT_PREPARE);
    if (!information_put_prepared(s, &t, again, payload))
        buf_append(payload, ps->parsed.text.at, ps->parsed.text.len);
    information_answers(s, &t, again, &ps->answers);
}

bool prepared_is_current(struct session *s, const struct session_statement *ps)
{
    struct information_text t = information_of(ps);
    return information_is_as_prepared(s, &t, &ps->answers);
}

/* --- PREPARE -------------------------------------------------------------------------------------------------------------- */

void prepared_command_over(struct session *s)
{
    if (s->preparing)
        free_statement(s, s->preparing);
    s->preparing = NULL;
    if (s->executing)
        prepared_executed(s, s->executing);
    text_command_over(s);
}

static void answer_own(struct session *s, struct session_statement *ps)
{
    struct sql_context ctx;
    statement_context(s, &ctx);
    unsigned n = sql_count_parameters(ps->parsed.text, &ctx);
    if (n > UINT16_MAX) {
        session_answer_error(s, 1390, "HY000", "Prepared statement contains too many placeholders");
        return;
    }
    ps->n_params = n;
    s->preparing = NULL;
    enter(s, ps);
    struct wire_prepare_ok ok = {.statement_id = ps->id, .n_params = (uint16_t)ps->n_params};
    diagnostics_prepared(s);
    wire_prepare_write(&s->net->out, &s->seq, s->caps, &ok, NULL, session_status(s));
    session_next(s);
}

uint32_t prepared_answered(struct session *s, const struct wire_prepare_ok *ok)
{
    struct session_statement *ps = s->preparing;
    s->preparing = NULL;
    enter(s, ps);
    prepared_arrived(s, ps, ok->statement_id);
    snprintf(ps->schema, sizeof ps->schema, "%s", ps->conn->schema);
    ps->n_params = ok->n_params;
    ps->n_columns = ok->n_columns;
    return ps->id;
}

static void on_prepared(struct session *s, const struct backend_outcome *outcome)
{
    if (tx_note(s, outcome, false))
        session_next(s);
}

/* A SET is run by the proxy; of which type its parameters are is the server's to tell. */
static void on_set_prepared(struct session *s, const struct backend_outcome *outcome)
{
    struct session_statement *ps = prepared_find(s, s->last_prepared);
    if (!outcome->error && ps) {
        prepared_leave(s, ps);
        ps->backend = -1;
    }
    on_prepared(s, outcome);
}

static void send_set(struct session *s)
{
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_STMT_PREPARE);
    buf_append(&payload, s->preparing->parsed.text.at, s->preparing->parsed.text.len);
    relay_send(s, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), on_set_prepared);
    buf_fini(&payload);
}

static void send_prepare(struct session *s)
{
    struct buf payload = {0};
    prepared_payload(s, s->preparing, false, &payload);
    target_begin_aside(s); /* it looks at tables, and must not leave a transaction behind */
    relay_send(s, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), on_prepared);
    buf_fini(&payload);
}

static struct session_statement *new_statement(struct session *s, struct slice text)
{
    struct session_statement *ps = calloc(1, sizeof *ps);
    CHECK(ps);
    list_init(&ps->use);
    ps->text = slice_dup(text);
    ps->len = text.len;
    ps->backend = -1;
    s->prepared_bytes += ps->len;
    s->prepared_count++;
    return ps;
}

void prepared_prepare(struct session *s, struct slice text)
{
    struct session_statement *ps = s->preparing = new_statement(s, text);
    struct slice all = {(const uint8_t *)ps->text, text.len}, rest = all;
    s->last_prepared = 0;
    if (prepared_refuses_more(s))
        return;
    if (!statement_to_prepare(s, &rest, &ps->parsed))
        return;
    *s->statement = ps->parsed;
    if (client_xa_is_recover(s)) { /* its rows are looked at, and that as text only: drivers say it so, then */
        session_answer_error(s, 1295, "HY000", "This command is not supported in the prepared statement protocol yet");
        return;
    }
    if (own_refuses(s, &ps->parsed, rest))
        return;
    if (rights_refuse_statement(s, s->statement))
        return;
    if (own_is(ps->parsed.kind) && ps->parsed.kind != SQL_SET) {
        answer_own(s, ps);
        return;
    }
    int backend = statement_route(s);
    if (backend < 0)
        return;
    if (ps->parsed.kind == SQL_SET) {
        target_prepare(s, backend, false, send_set);
        return;
    }
    /* all of the text: a second statement in it is the server's to complain about */
    ps->parsed.text = all;
    ps->backend = backend;
    ps->anywhere = statement_is_anywhere(s);
    snprintf(ps->prepared_in, sizeof ps->prepared_in, "%s", s->schema);
    target_prepare(s, backend, false, send_prepare);
}

/* --- CLOSE, RESET ----------------------------------------------------------------------------------------------------------- */

void prepared_no_such(struct session *s, uint32_t id, const char *what)
{
    session_answer_error(s, 1243, "HY000", "Unknown prepared statement handler (%u) given to %s", id, what);
}

struct session_statement *prepared_of_command(struct session *s, uint32_t *id)
{
    struct cursor c = cursor_make(buf_at(&s->command), buf_len(&s->command));
    cursor_skip(&c, 1);
    *id = cursor_u32le(&c);
    return c.bad ? NULL : prepared_find(s, *id);
}

void prepared_close(struct session *s)
{
    uint32_t id;
    struct session_statement *ps = prepared_of_command(s, &id);
    if (ps) {
        prepared_leave(s, ps);
        s->prepared[ps->id - 1] = NULL;
        free_statement(s, ps);
    }
    session_next(s);
}

static void on_reset(struct session *s, const struct backend_outcome *outcome)
{
    uint32_t id;
    prepared_set_cursor(s, prepared_of_command(s, &id), false);
    if (tx_note(s, outcome, false))
        session_next(s);
}

void prepared_reset(struct session *s)
{
    uint32_t id;
    struct session_statement *ps = prepared_of_command(s, &id);
    if (!ps) {
        prepared_no_such(s, id, "mysqld_stmt_reset");
        return;
    }
    if (prepared_is_there(ps, ps->conn)) { /* it may hold a cursor, and the server's logs and counters tell of it */
        sharing_take_back(&s->servers[ps->backend]);
        long_data_send(ps);
        long_data_forget(s, ps);
        prepared_relay(s, ps, WIRE_RESPONSE_SIMPLE, on_reset);
    } else {
        long_data_forget(s, ps);
        session_answer_ok(s);
    }
}
