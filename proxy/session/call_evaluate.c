/* Arguments of a CALL that only a server can evaluate: one SELECT of them, beside the transaction. Leaves reading them to
 * call_args.c. */
#include "proxy/session/call_args.h"
#include "proxy/session/phases.h"

static void on_evaluated(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct call_args *a = s->evaluating;
    char why[256];
    if (!a || s->phase != SESSION_RUNNING || !tx_note_question(s, outcome))
        return;
    s->evaluating = NULL;
    uint16_t code = call_args_complete(a, why, sizeof why);
    if (code)
        session_answer_error(s, code, "42000", "%s", why);
    else
        s->evaluated(s);
}

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    if (!s->evaluating || offset || part.len != frame_len)
        return;
    if (kind == WIRE_PACKET_COLUMN)
        call_args_take_type(s->evaluating, (uint8_t)wire_column_read(part, target_conn(s)->caps).type);
    else if (kind == WIRE_PACKET_ROW)
        call_args_take_row(s->evaluating, part);
}

static const struct backend_sink sink = {.frame = on_frame, .done = on_evaluated, .lost = link_on_lost};

static void evaluate(struct session *s)
{
    struct buf *text = &s->evaluating->select;
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(text), buf_len(text), &sink, s);
}

/* What the arguments read is read like any SELECT. False: answered. */
static bool may_evaluate(struct session *s, const struct call_args *a)
{
    static _Thread_local struct sql_statement select;
    struct sql_context ctx;
    struct slice rest = {buf_at(&a->select), buf_len(&a->select)};
    statement_context(s, &ctx);
    return !sql_next_statement(&rest, &ctx, &select) || !rights_refuse_statement(s, &select);
}

void call_evaluate(struct session *s, struct call_args *a, void (*then)(struct session *s))
{
    if (!a->n_open) {
        then(s);
        return;
    }
    if (!may_evaluate(s, a))
        return;
    s->evaluating = a;
    s->evaluated = then;
    target_prepare(s, statement_home(s), false, evaluate);
}

void call_evaluate_abandon(struct session *s)
{
    s->evaluating = NULL;
}
