/* Prepared statements of the client: ids of its own, prepared on a server's connection when they are first used there, again when the
 * connection has changed. What the proxy does itself (COMMIT, SET, a Redis CALL) is prepared here and nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/prepared.h"

#define PREPARED_MAX 16382 /* as max_prepared_stmt_count of servers */

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static void free_statement(struct session_statement *ps)
{
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++)
        buf_fini(&ps->long_data[i]);
    free(ps->long_data);
    free(ps->long_given);
    buf_fini(&ps->types);
    free(ps->text);
    free(ps);
}

struct session_statement *prepared_find(const struct session *s, uint32_t id)
{
    return id && id <= s->n_prepared ? s->prepared[id - 1] : NULL;
}

static bool has_room(const struct session *s)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (!s->prepared[i])
            return true;
    return s->n_prepared < PREPARED_MAX;
}

static void answer_no_room(struct session *s)
{
    session_answer_error(s, 1461, "42000", "Can't create more than %d prepared statements", PREPARED_MAX);
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
    ps->id = i + 1;
}

void prepared_free_all(struct session *s)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (s->prepared[i])
            free_statement(s->prepared[i]);
    free(s->prepared);
    s->prepared = NULL;
    s->n_prepared = 0;
    s->executing = NULL;
}

void prepared_server_gone(struct session *s, const struct backend_conn *conn)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (s->prepared[i] && s->prepared[i]->conn == conn)
            s->prepared[i]->conn = NULL;
}

/* --- PREPARE -------------------------------------------------------------------------------------------------------------- */

static unsigned count_parameters(const struct session *s, struct slice text)
{
    struct sql_lexer l;
    unsigned n = 0;
    sql_lexer_init(&l, text, s->ansi_quotes, s->no_backslash_escapes);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        n += t.kind == SQL_PARAMETER;
    return n;
}

static bool is_own(enum sql_kind k)
{
    return k == SQL_BEGIN || k == SQL_COMMIT || k == SQL_ROLLBACK || k == SQL_SAVEPOINT || k == SQL_ROLLBACK_TO ||
           k == SQL_RELEASE_SAVEPOINT || k == SQL_SET || k == SQL_SET_TRANSACTION || k == SQL_USE || k == SQL_REDIS_CALL;
}

static bool is_unpreparable(enum sql_kind k)
{
    return k == SQL_XA || k == SQL_XA_CALL || k == SQL_PREPARE_TEXT || k == SQL_KILL || k == SQL_LOCK_TABLES ||
           k == SQL_UNLOCK_TABLES || k == SQL_LOAD_LOCAL || k == SQL_COMPOUND;
}

static void answer_own(struct session *s, struct session_statement *ps)
{
    ps->n_params = count_parameters(s, ps->parsed.text);
    if (ps->n_params && ps->parsed.kind != SQL_REDIS_CALL) {
        free_statement(ps);
        session_answer_error(s, 1295, "HY000", "Parameters are not supported in this statement by the proxy: send it as text");
        return;
    }
    if (ps->n_params > UINT16_MAX) {
        free_statement(ps);
        session_answer_error(s, 1390, "HY000", "Prepared statement contains too many placeholders");
        return;
    }
    if (!has_room(s)) {
        free_statement(ps);
        answer_no_room(s);
        return;
    }
    enter(s, ps);
    ps->long_data = calloc(ps->n_params + 1, sizeof *ps->long_data);
    ps->long_given = calloc(ps->n_params + 1, sizeof *ps->long_given);
    CHECK(ps->long_data && ps->long_given);
    struct wire_prepare_ok ok = {.statement_id = ps->id, .n_params = (uint16_t)ps->n_params};
    wire_prepare_write(&s->net->out, &s->seq, s->caps, &ok, NULL, session_status(s));
    session_next(s);
}

uint32_t prepared_answered(struct session *s, const struct wire_prepare_ok *ok)
{
    struct session_statement *ps = s->preparing;
    s->preparing = NULL;
    enter(s, ps);
    ps->conn = target_conn(s);
    snprintf(ps->schema, sizeof ps->schema, "%s", ps->conn->schema);
    ps->generation = ps->conn->statement_generation;
    ps->backend_id = ok->statement_id;
    ps->n_params = ok->n_params;
    ps->n_columns = ok->n_columns;
    return ps->id;
}

static void on_prepared(struct session *s, const struct backend_outcome *outcome)
{
    (void)outcome;
    session_next(s);
}

void prepared_payload(const struct session_statement *ps, struct buf *payload)
{
    buf_u8(payload, WIRE_COM_STMT_PREPARE);
    buf_append(payload, ps->parsed.text.at, ps->parsed.text.len);
}

static void send_prepare(struct session *s)
{
    struct buf payload = {0};
    if (!has_room(s)) {
        answer_no_room(s);
        return;
    }
    prepared_payload(s->preparing, &payload);
    relay_send(s, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), on_prepared);
    buf_fini(&payload);
}

void prepared_drop_unfinished(struct session *s)
{
    if (s->preparing)
        free_statement(s->preparing);
    s->preparing = NULL;
}

void prepared_prepare(struct session *s, struct slice text)
{
    struct sql_context ctx;
    struct session_statement *ps = calloc(1, sizeof *ps);
    CHECK(ps);
    ps->text = slice_dup(text);
    ps->backend = -1;
    struct slice rest = {(const uint8_t *)ps->text, text.len};
    statement_context(s, &ctx);
    if (!sql_next_statement(&rest, &ctx, &ps->parsed)) {
        free_statement(ps);
        session_answer_error(s, 1065, "42000", "Query was empty");
        return;
    }
    s->statement = ps->parsed;
    if (is_unpreparable(ps->parsed.kind) || ps->parsed.resource_inside) {
        free_statement(ps);
        session_answer_error(s, 1295, "HY000", "This command is not supported in the prepared statement protocol yet");
        return;
    }
    if (rights_refuse_statement(s, &s->statement)) {
        free_statement(ps);
        return;
    }
    if (is_own(ps->parsed.kind)) {
        answer_own(s, ps);
        return;
    }
    int backend = statement_route(s);
    if (backend < 0) {
        free_statement(ps);
        return;
    }
    /* all of the text: a second statement in it is the server's to complain about */
    ps->parsed.text = (struct slice){(const uint8_t *)ps->text, text.len};
    ps->backend = backend;
    s->preparing = ps;
    target_prepare(s, backend, false, send_prepare);
}

/* --- what other commands say of a statement --------------------------------------------------------------------------------- */

void prepared_no_such(struct session *s, uint32_t id, const char *what)
{
    session_answer_error(s, 1243, "HY000", "Unknown prepared statement handler (%u) given to %s", id, what);
}

bool prepared_is_there(const struct session_statement *ps, const struct backend_conn *conn)
{
    return ps->conn == conn && ps->generation == conn->statement_generation;
}

bool prepared_on_its_server(const struct session *s, const struct session_statement *ps)
{
    return ps->backend >= 0 && s->servers[ps->backend].conn && prepared_is_there(ps, s->servers[ps->backend].conn);
}

/* The command as the client sent it, with the server's id in the place of ours. */
void prepared_patch(struct session *s, const struct session_statement *ps, struct buf *payload)
{
    buf_append(payload, buf_at(&s->command), buf_len(&s->command));
    uint8_t *id = buf_at(payload) + 1;
    for (int i = 0; i < 4; i++)
        id[i] = (uint8_t)(ps->backend_id >> (8 * i));
}

struct session_statement *prepared_of_command(struct session *s, uint32_t *id, bool *short_command)
{
    struct cursor c = cursor_make(buf_at(&s->command), buf_len(&s->command));
    cursor_skip(&c, 1);
    *id = cursor_u32le(&c);
    *short_command = c.bad;
    return c.bad ? NULL : prepared_find(s, *id);
}

/* All parameters together are one command's, which has its limit. */
static size_t long_data_bytes(const struct session_statement *ps)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < ps->n_params; i++)
        bytes += buf_len(&ps->long_data[i]);
    return bytes;
}

static void keep_long_data(struct session *s, struct session_statement *ps)
{
    struct wire_long_data d;
    if (!wire_long_data_read((struct slice){buf_at(&s->command), buf_len(&s->command)}, &d) || d.param >= ps->n_params)
        return;
    if (long_data_bytes(ps) + d.data.len > (size_t)s->world->config->max_packet) {
        ps->long_lost = true;
        return;
    }
    buf_append(&ps->long_data[d.param], d.data.at, d.data.len);
    ps->long_given[d.param] = true;
}

/* No answer comes, whatever happens: what is wrong shows at EXECUTE. */
void prepared_long_data(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = prepared_of_command(s, &id, &short_command);
    if (ps && ps->backend < 0)
        keep_long_data(s, ps);
    else if (ps && prepared_on_its_server(s, ps)) {
        struct buf payload = {0};
        prepared_patch(s, ps, &payload);
        backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
        buf_fini(&payload);
        ps->long_sent = true;
    } else if (ps) {
        ps->long_lost = true;
    }
    session_next(s);
}

void prepared_close(struct session *s, uint32_t id)
{
    struct session_statement *ps = prepared_find(s, id);
    if (ps) {
        if (prepared_on_its_server(s, ps)) {
            struct buf payload = {0};
            prepared_patch(s, ps, &payload);
            backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
            buf_fini(&payload);
        }
        s->prepared[id - 1] = NULL;
        free_statement(ps);
    }
    session_next(s);
}

void prepared_forget_long_data(struct session_statement *ps)
{
    ps->long_sent = ps->long_lost = false;
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++) {
        buf_clear(&ps->long_data[i]);
        ps->long_given[i] = false;
    }
}

void prepared_reset(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = prepared_of_command(s, &id, &short_command);
    if (!ps)
        prepared_no_such(s, id, "mysqld_stmt_reset");
    else {
        prepared_forget_long_data(ps);
        if (prepared_on_its_server(s, ps))
            prepared_relay(s, ps, WIRE_RESPONSE_SIMPLE);
        else
            session_answer_ok(s);
    }
}
