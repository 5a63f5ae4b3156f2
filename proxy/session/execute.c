/* EXECUTE and FETCH of prepared statements: on the connection where the statement is, or where it is prepared again first. Leaves the
 * table and PREPARE to prepared.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/prepared.h"
#include "proxy/session/tx.h"

/* --- EXECUTE ------------------------------------------------------------------------------------------------------------- */

static void execute_own(struct session *s, struct session_statement *ps, const struct wire_execute *e)
{
    if (ps->parsed.kind != SQL_REDIS_CALL) {
        statement_start_prepared(s);
        return;
    }
    if (ps->long_lost) {
        session_answer_error(s, 1153, "08S01", "Got a packet bigger than 'max_packet' bytes: the long data of this statement together");
        return;
    }
    struct wire_param *params = calloc(ps->n_params + 1, sizeof *params);
    struct slice *given = calloc(ps->n_params + 1, sizeof *given);
    struct buf scratch = {0};
    CHECK(params && given);
    for (unsigned i = 0; i < ps->n_params; i++)
        if (ps->long_given[i])
            given[i] = (struct slice){(const uint8_t *)buf_cstr(&ps->long_data[i]), buf_len(&ps->long_data[i])};
    struct slice types = {buf_at(&ps->types), buf_len(&ps->types)};
    if (tx_refuses(s))
        ;
    else if (wire_params_read(e, types, given, ps->n_params, params, &scratch))
        redis_call_begin(s, params, ps->n_params);
    else
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to EXECUTE");
    prepared_forget_long_data(ps); /* as servers do: it was for this EXECUTE */
    free(params);
    free(given);
    buf_fini(&scratch);
}

static bool take_types(struct session_statement *ps, const struct wire_execute *e)
{
    if (e->types_sent) {
        buf_clear(&ps->types);
        buf_append(&ps->types, e->types.at, e->types.len);
    }
    return buf_len(&ps->types) == 2 * (size_t)ps->n_params;
}

void prepared_execute(struct session *s)
{
    struct slice payload = {buf_at(&s->command), buf_len(&s->command)};
    struct cursor c = cursor_make(payload.at, payload.len);
    cursor_skip(&c, 1);
    uint32_t id = cursor_u32le(&c);
    struct session_statement *ps = prepared_find(s, id);
    struct wire_execute e;
    if (!ps) {
        prepared_no_such(s, id, "mysqld_stmt_execute");
        return;
    }
    if (!wire_execute_read(payload, ps->n_params, &e) || (ps->n_params && !take_types(ps, &e))) {
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to EXECUTE");
        return;
    }
    s->binary = true;
    s->statement = ps->parsed;
    if (ps->backend < 0) {
        execute_own(s, ps, &e);
        return;
    }
    s->executing = ps;
    statement_start_prepared(s);
}

int prepared_backend(const struct session *s)
{
    return s->executing->backend;
}

static void send_execute(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct slice command = {buf_at(&s->command), buf_len(&s->command)};
    struct wire_execute e;
    struct buf payload = {0};
    enum wire_response_kind kind = WIRE_RESPONSE_QUERY;
    CHECK(wire_execute_read(command, ps->n_params, &e));
    if (e.flags)
        kind = WIRE_RESPONSE_CURSOR;
    if (ps->n_params && !e.types_sent && !ps->types_there) {
        wire_execute_write(&payload, &e, ps->backend_id, (struct slice){buf_at(&ps->types), buf_len(&ps->types)});
    } else {
        buf_append(&payload, command.at, command.len);
        uint8_t *id = buf_at(&payload) + 1;
        for (int i = 0; i < 4; i++)
            id[i] = (uint8_t)(ps->backend_id >> (8 * i));
    }
    ps->types_there = true;
    ps->cursor_there = e.flags;
    bool first = s->target_in_tx && s->servers[s->target].branch < 0;
    target_begin(s);
    relay_send(s, kind, buf_at(&payload), buf_len(&payload), s->execute_done);
    relay_sent(s, first);
    buf_fini(&payload);
}

/* The answer to preparing it again on another connection: only its id is of interest. */
static void on_again_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct wire_prepare_ok ok;
    (void)offset;
    (void)frame_len;
    if (kind == WIRE_PACKET_PREPARE_OK && s->executing && wire_prepare_ok_read(part, &ok)) {
        s->executing->backend_id = ok.statement_id;
        s->executing->conn = target_conn(s);
        s->executing->generation = target_conn(s)->statement_generation;
        s->executing->types_there = false;
    }
}

static void on_again_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else
        send_execute(s);
}

static const struct backend_sink again_sink = {.frame = on_again_frame, .done = on_again_done, .lost = target_on_lost};

/* Its names are bound as they were, whatever the default schema is now; the next statement finds the schema changed. */
static void send_again(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct backend_conn *conn = target_conn(s);
    struct buf payload = {0};
    if (*ps->schema && strcmp(ps->schema, conn->schema))
        target_send_schema(s, ps->schema);
    prepared_payload(ps, &payload);
    backend_send(conn, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), &again_sink, s);
    buf_fini(&payload);
}

void prepared_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome))
{
    struct session_statement *ps = s->executing;
    bool there = prepared_is_there(ps, target_conn(s)), incomplete = ps->long_lost || (ps->long_sent && !there);
    s->execute_done = on_done;
    ps->long_sent = ps->long_lost = false;
    if (incomplete) /* the values that are missing in the command would be taken from those behind them */
        session_answer_error(s, 2013, "HY000", "Lost connection to the server that had the long data of this statement: send them again");
    else if (there)
        send_execute(s);
    else
        send_again(s);
}

/* --- what the server is asked as the client asked it -------------------------------------------------------------------------- */

static void on_plain_done(struct session *s, const struct backend_outcome *outcome)
{
    if (tx_note(s, outcome, false))
        session_next(s);
}

void prepared_relay(struct session *s, struct session_statement *ps, enum wire_response_kind kind)
{
    struct buf payload = {0};
    s->target = ps->backend;
    s->target_in_tx = s->servers[ps->backend].branch >= 0;
    s->start_failed = false;
    prepared_patch(s, ps, &payload);
    relay_send(s, kind, buf_at(&payload), buf_len(&payload), on_plain_done);
    buf_fini(&payload);
}

void prepared_fetch(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = prepared_of_command(s, &id, &short_command);
    if (!ps)
        prepared_no_such(s, id, "mysqld_stmt_fetch");
    else if (!prepared_on_its_server(s, ps) || !ps->cursor_there)
        session_answer_error(s, 1421, "HY000", "The statement (%u) has no open cursor.", id);
    else
        prepared_relay(s, ps, WIRE_RESPONSE_FETCH);
}
