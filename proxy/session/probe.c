/* Can a server read the statement at all? Servers parse first and commit what is open only then, so a text that nobody can read
 * must not end the transaction. It is asked by a PREPARE; what a server cannot prepare it may still run. Leaves the commit to
 * ending.c. */
#include "proxy/session/phases.h"

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct wire_prepare_ok ok;
    (void)offset;
    (void)frame_len;
    if (kind == WIRE_PACKET_PREPARE_OK && wire_prepare_ok_read(part, &ok))
        s->probe_id = ok.statement_id;
}

static void close_probe(struct session *s)
{
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_STMT_CLOSE);
    buf_u32le(&payload, s->probe_id);
    backend_send_silent(target_conn(s), buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    enum { ER_PARSE_ERROR = 1064 };
    struct session *s = arg;
    if (outcome->error == ER_PARSE_ERROR) {
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
        return;
    }
    if (!outcome->error)
        close_probe(s);
    if (s->killed) /* before anything was done for it */
        kill_answer(s);
    else
        s->probed(s);
}

static const struct backend_sink sink = {.frame = on_frame, .done = on_done, .lost = link_on_lost};

static void send(struct session *s)
{
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_STMT_PREPARE);
    buf_append(&payload, s->statement->text.at, s->statement->text.len);
    backend_send(target_conn(s), WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), &sink, s);
    buf_fini(&payload);
}

void probe_statement(struct session *s, void (*then)(struct session *s))
{
    int backend = statement_route(s);
    s->probed = then;
    if (backend >= 0)
        target_prepare(s, backend, false, send);
}
