/* The EOF between columns and rows, for clients that want one: servers are spoken to without it, since MariaDB tells who wrote
 * only then. What it must say (warnings, parameters that are OUT) is known when the result ends, so the first rows wait for that:
 * to the end of the turn, by which a small result is whole; those of a prepared CALL, which may be OUT parameters, as long as
 * they are few. */
#include "proxy/session/phases.h"

#define HELD_MAX 65536

static bool wanted(const struct session *s)
{
    return !(s->caps & WIRE_CAP_DEPRECATE_EOF);
}

static void put_eof(struct session *s, uint8_t *seq, uint16_t status, uint16_t warnings)
{
    size_t at = wire_packet_begin(&s->net->out);
    wire_eof_write(&s->net->out, warnings, status & (uint16_t)~WIRE_STATUS_LAST_ROW);
    wire_packet_end(&s->net->out, at, seq);
}

static void let_go(struct session *s, uint16_t status, uint16_t warnings)
{
    struct buf *held = &s->relay.held;
    put_eof(s, &s->relay.held_seq, status, warnings);
    buf_append(&s->net->out, buf_at(held), buf_len(held));
    buf_fini(held);
    s->relay.holding = false;
    list_remove(&s->relay.turn.link);
}

/* What a server says before it has run on: behind each result of a procedure comes at least its OK. Some clients take
 * MORE_RESULTS from here only (libmariadb, with servers that are not MariaDB's). */
static uint16_t early_status(const struct session *s)
{
    return session_status(s) | (statement_is_call(s) ? WIRE_STATUS_MORE_RESULTS : 0);
}

void columns_on_turn(struct net_deferred *d)
{
    struct session *s = CONTAINER_OF(d, struct session, relay.turn);
    if (!s->relay.holding || !s->net)
        return;
    let_go(s, early_status(s), 0);
    net_conn_flush(s->net);
}

void columns_first_row(struct session *s)
{
    if (!s->relay.columns_open)
        return;
    s->relay.columns_open = false;
    if (!wanted(s))
        return;
    s->relay.holding = true;
    s->relay.held_seq = s->seq++;
    if (!s->binary || !statement_is_call(s))
        net_defer(s->worker->loop, &s->relay.turn);
}

struct buf *columns_out(struct session *s)
{
    if (s->relay.holding && buf_len(&s->relay.held) > HELD_MAX)
        let_go(s, early_status(s), 0);
    return s->relay.holding ? &s->relay.held : &s->net->out;
}

void columns_end(struct session *s, uint16_t status, uint16_t warnings)
{
    if (s->relay.holding)
        let_go(s, status, warnings);
    else if (s->relay.columns_open && wanted(s))
        put_eof(s, &s->seq, status, warnings);
    s->relay.columns_open = false;
}

void columns_break(struct session *s)
{
    columns_end(s, early_status(s), 0);
}

void columns_forget(struct session *s)
{
    s->relay.holding = s->relay.columns_open = false;
    buf_fini(&s->relay.held);
    list_remove(&s->relay.turn.link);
}
