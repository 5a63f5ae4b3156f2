/* EXECUTE and FETCH of prepared statements: on the connection where the statement is, or where it is prepared again first. Leaves
 * the table and PREPARE to prepared.c, what the proxy runs itself to own.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/own.h"
#include "proxy/session/phases.h"
#include "proxy/session/prepared.h"
#include "proxy/session/tx.h"

#define EXECUTE_HEAD 10 /* bytes before the parameters: command, id, flags, a count */

/* --- the proxy's own -------------------------------------------------------------------------------------------------------- */

static void answer_arguments(struct session *s)
{
    session_answer_error(s, 1210, "HY000", "Incorrect arguments to mysqld_stmt_execute");
}

static bool is_for_mariadb(const struct session *s, const struct session_statement *ps)
{
    int backend = ps && ps->backend >= 0 ? ps->backend : statement_home(s);
    return s->world->backends.at[backend].mariadb;
}

static void answer_malformed(struct session *s, const struct session_statement *ps)
{
    session_answer_error(s, 1835, "HY000", "Malformed communication packet%s", is_for_mariadb(s, ps) ? "" : ".");
}

static void run_own(struct session *s, const struct session_statement *ps, const struct wire_param *params, struct slice types)
{
    if (ps->parsed.kind != SQL_REDIS_CALL && ps->n_params)
        own_start_with_values(s, ps->parsed.text, params, ps->n_params, types);
    else if (ps->parsed.kind != SQL_REDIS_CALL)
        statement_start_prepared(s);
    else if (statement_may_begin(s))
        redis_call_begin(s, params, ps->n_params);
}

static void execute_own(struct session *s, struct session_statement *ps, const struct wire_execute *e)
{
    struct wire_param *params = calloc(ps->n_params + 1, sizeof *params);
    struct slice *given = calloc(ps->n_params + 1, sizeof *given);
    struct buf scratch = {0};
    CHECK(params && given);
    long_data_given(ps, given);
    struct buf none = {0};
    for (unsigned i = 0; !buf_len(&ps->types) && i < ps->n_params; i++) /* all are NULL */
        buf_append(&none, (const uint8_t[]){WIRE_TYPE_NULL, 0}, 2);
    struct slice types = buf_len(&ps->types) ? (struct slice){buf_at(&ps->types), buf_len(&ps->types)}
                                             : (struct slice){buf_at(&none), buf_len(&none)};
    bool ours = ps->parsed.kind == SQL_REDIS_CALL;
    if (wire_params_read(e, types, given, ps->n_params, params, &scratch) &&
        (ours || own_takes_types(s, params, ps->n_params, types)))
        run_own(s, ps, params, types);
    else
        answer_arguments(s);
    buf_fini(&none);
    long_data_forget(s, ps);
    free(params);
    free(given);
    buf_fini(&scratch);
}

/* --- EXECUTE ---------------------------------------------------------------------------------------------------------------- */

static bool is_bulk(const struct session *s)
{
    return *buf_at(&s->command) == WIRE_COM_STMT_BULK_EXECUTE;
}

static struct slice command_of(const struct session *s)
{
    return (struct slice){buf_at(&s->command), buf_len(&s->command)};
}

static bool take_types(struct session_statement *ps, bool sent, struct slice types)
{
    if (sent) {
        buf_clear(&ps->types);
        buf_append(&ps->types, types.at, types.len);
    }
    return buf_len(&ps->types) == 2 * (size_t)ps->n_params;
}

/* Of what is NULL no server wants to know the type. */
static bool nothing_but_nulls(const struct session_statement *ps, const struct wire_execute *e)
{
    for (unsigned i = 0; i < ps->n_params; i++)
        if (!(e->nulls.at[i / 8] >> (i % 8) & 1))
            return false;
    return !buf_len(&ps->types) && !e->values.len;
}

static bool take_execute(struct session *s, struct session_statement *ps, struct wire_execute *e)
{
    struct wire_bulk b;
    if (is_bulk(s))
        return wire_bulk_read(command_of(s), ps->n_params, &b) && take_types(ps, b.types_sent, b.types);
    return wire_execute_read(command_of(s), ps->n_params, e) &&
           (!ps->n_params || take_types(ps, e->types_sent, e->types) || nothing_but_nulls(ps, e));
}

/* Servers tell a packet that ends too early from types that were never sent; where it ends before the types, MariaDB does not,
 * unless it has to read it once more behind a PREPARE that was sent with it. */
static void answer_unreadable(struct session *s, const struct session_statement *ps, uint32_t id)
{
    size_t len = buf_len(&s->command), types_sent = EXECUTE_HEAD + (ps->n_params + 7u) / 8;
    if (is_bulk(s) || (len > types_sent && !buf_at(&s->command)[types_sent]))
        answer_arguments(s);
    else if (len >= EXECUTE_HEAD && len <= types_sent && is_for_mariadb(s, ps) && id != PREPARED_LAST)
        answer_arguments(s);
    else
        answer_malformed(s, ps);
}

void prepared_execute(struct session *s)
{
    uint32_t id;
    struct session_statement *ps = prepared_of_command(s, &id);
    struct wire_execute e;
    if (!ps && buf_len(&s->command) < EXECUTE_HEAD) {
        answer_malformed(s, NULL);
        return;
    }
    if (!ps) {
        prepared_no_such(s, id, "mysqld_stmt_execute");
        return;
    }
    if (!take_execute(s, ps, &e)) {
        long_data_forget(s, ps);
        answer_unreadable(s, ps, id);
        return;
    }
    if (long_data_answer(s, ps))
        return;
    s->binary = true;
    *s->statement = ps->parsed;
    if (ps->backend < 0 && is_bulk(s)) {
        session_answer_error(s, 1295, "HY000", "This command is not supported in the prepared statement protocol yet: in bulk, "
                                               "that is; execute it for each row");
        return;
    }
    if (ps->backend < 0) {
        execute_own(s, ps, &e);
        return;
    }
    s->executing = ps;
    statement_start_prepared(s);
}

int prepared_backend(const struct session *s)
{
    return s->executing->anywhere ? statement_anywhere(s) : s->executing->backend;
}

/* With a cursor the rows stay at the server: its connection with them. */
static void on_executed(struct session *s, const struct backend_outcome *outcome)
{
    struct session_statement *ps = s->executing;
    bool rows_left = (outcome->status & (WIRE_STATUS_CURSOR | WIRE_STATUS_LAST_ROW)) == WIRE_STATUS_CURSOR;
    if (ps->conn)
        prepared_set_cursor(s, ps, s->cursor_asked && !outcome->error && rows_left);
    s->execute_done(s, outcome);
}

static void put_id(struct buf *payload, uint32_t id)
{
    uint8_t *at = buf_at(payload) + 1;
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(id >> (8 * i));
}

/* The command with the server's id, and with the types where that does not have them yet. */
static void put_execute(struct session *s, struct session_statement *ps, struct buf *payload)
{
    struct slice types = {buf_at(&ps->types), buf_len(&ps->types)};
    struct wire_execute e = {0};
    struct wire_bulk b = {0};
    bool bulk = is_bulk(s);
    CHECK(bulk ? wire_bulk_read(command_of(s), ps->n_params, &b) : wire_execute_read(command_of(s), ps->n_params, &e));
    bool complete = !types.len || ps->types_there || e.types_sent || b.types_sent;
    if (complete)
        buf_append(payload, buf_at(&s->command), buf_len(&s->command));
    else if (bulk)
        wire_bulk_write(payload, &b, ps->backend_id, types);
    else
        wire_execute_write(payload, &e, ps->backend_id, types);
    put_id(payload, ps->backend_id);
    ps->types_there = types.len;
    ps->cursor_used |= e.flags;
    s->cursor_asked = e.flags;
}

static void send_execute(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct buf payload = {0};
    put_execute(s, ps, &payload);
    prepared_used(s, ps);
    bool first = s->target_in_tx && s->servers[s->target].branch < 0;
    target_begin(s);
    insert_id_bring(s);
    conditions_bring(s);
    long_data_send(ps);
    relay_send(s, s->cursor_asked ? WIRE_RESPONSE_CURSOR : WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), on_executed);
    relay_sent(s, first);
    buf_fini(&payload);
}

/* --- prepared again ------------------------------------------------------------------------------------------------- */

/* Its server will not repeat in EXECUTE what it says in PREPARE, but the client heard another: a table may have changed. */
static void keep_definition(struct session_statement *ps, struct slice part, uint32_t offset, uint32_t frame_len)
{
    if (ps->params_left) {
        ps->params_left -= offset + part.len == frame_len;
        return;
    }
    if (!offset) {
        buf_u24le(&ps->columns, frame_len);
        buf_u8(&ps->columns, 0);
    }
    buf_append(&ps->columns, part.at, part.len);
}

bool prepared_tells_columns(struct session *s, const struct wire_count *count)
{
    struct session_statement *ps = s->executing;
    if (!ps || !buf_len(&ps->columns))
        return false;
    if (!count->follows) {
        size_t at = wire_packet_begin(&s->net->out);
        wire_count_write(&s->net->out, s->caps, &(struct wire_count){count->n, true});
        wire_packet_end(&s->net->out, at, &s->seq);
        for (struct cursor c = cursor_make(buf_at(&ps->columns), buf_len(&ps->columns)); cursor_left(&c);) {
            uint32_t len = cursor_u24le(&c);
            cursor_skip(&c, 1);
            wire_packet_write(&s->net->out, &s->seq, cursor_bytes(&c, len).at, len);
        }
    }
    buf_fini(&ps->columns);
    return !count->follows;
}

void prepared_executed(struct session *s, struct session_statement *ps)
{
    long_data_forget(s, ps); /* it was for this EXECUTE */
    if (buf_len(&ps->columns)) /* not told: the next one prepares it anew */
        prepared_leave(s, ps);
    buf_fini(&ps->columns);
}

/* The answer on another connection: of interest are its id, where it is the same statement still, and its columns. */
static void on_again_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct wire_prepare_ok ok;
    if (kind == WIRE_PACKET_COLUMN && s->executing && (s->caps & WIRE_CAP_CACHE_METADATA))
        keep_definition(s->executing, part, offset, frame_len);
    if (kind == WIRE_PACKET_PREPARE_OK && s->executing && wire_prepare_ok_read(part, &ok)) {
        prepared_arrived(s, s->executing, ok.statement_id);
        buf_clear(&s->executing->columns);
        s->executing->params_left = ok.n_params;
        if (ok.n_params != s->executing->n_params) /* by another sql_mode */
            prepared_leave(s, s->executing);
    }
}

static void on_again_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else if (s->killed)
        kill_answer(s);
    else if (!s->executing->conn)
        session_answer_error(s, 1615, "HY000", "Prepared statement needs to be re-prepared");
    else
        send_execute(s);
}

static const struct backend_sink again_sink = {.frame = on_again_frame, .done = on_again_done, .lost = link_on_lost};

/* Its names are bound as they were, whatever the default schema is now; the next statement finds the schema changed. */
static void send_again(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct backend_conn *conn = target_conn(s);
    struct buf payload = {0};
    if (*ps->schema && strcmp(ps->schema, conn->schema) && !ps->anywhere)
        target_send_schema(s, ps->schema);
    prepared_payload(s, ps, true, &payload);
    backend_send(conn, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), &again_sink, s);
    buf_fini(&payload);
}

/* MySQL (9.7) ends the rows of a statement that once ran with a cursor, and now does not, with a packet that nobody can tell from
 * a row: prepared afresh it does not. */
static bool ends_wrongly(const struct session *s, const struct session_statement *ps)
{
    return ps->cursor_used && !ps->conn->mariadb && buf_at(&s->command)[5] == 0;
}

void prepared_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome))
{
    struct session_statement *ps = s->executing;
    s->execute_done = on_done;
    if (prepared_is_there(ps, target_conn(s)) && (ends_wrongly(s, ps) || !prepared_is_current(s, ps)))
        prepared_leave(s, ps);
    if (prepared_is_there(s->executing, target_conn(s)))
        send_execute(s);
    else
        send_again(s);
}

/* --- FETCH ---------------------------------------------------------------------------------------------------------- */

void prepared_relay(struct session *s, struct session_statement *ps, enum wire_response_kind kind,
                    void (*on_done)(struct session *s, const struct backend_outcome *outcome))
{
    struct buf payload = {0};
    s->target = ps->backend;
    sharing_take_back(&s->servers[ps->backend]);
    s->target_in_tx = s->servers[ps->backend].branch >= 0;
    s->start_failed = false;
    buf_append(&payload, buf_at(&s->command), buf_len(&s->command));
    put_id(&payload, ps->backend_id);
    relay_send(s, kind, buf_at(&payload), buf_len(&payload), on_done);
    buf_fini(&payload);
}

static void on_fetched(struct session *s, const struct backend_outcome *outcome)
{
    uint32_t id;
    if (outcome->error || outcome->status & WIRE_STATUS_LAST_ROW)
        prepared_set_cursor(s, prepared_of_command(s, &id), false);
    if (tx_note(s, outcome, false))
        session_next(s);
}

void prepared_fetch(struct session *s)
{
    uint32_t id;
    struct session_statement *ps = prepared_of_command(s, &id);
    if (!ps)
        prepared_no_such(s, id, "mysqld_stmt_fetch");
    else if (!ps->cursor_open)
        session_answer_error(s, 1421, "HY000", "The statement (%u) has no open cursor%s", id, is_for_mariadb(s, ps) ? "" : ".");
    else if (buf_len(&s->command) < 9)
        answer_malformed(s, ps);
    else
        prepared_relay(s, ps, WIRE_RESPONSE_FETCH, on_fetched);
}
