/* KILL of an expression, as KILL CONNECTION_ID() and KILL @id: a server evaluates it, beside the transaction. Leaves killing to
 * kill.c. */
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"

static void put_select(const struct session *s, struct buf *text)
{
    struct slice expression = s->statement->kill_expression;
    buf_text(text, "SELECT CAST((");
    buf_append(text, expression.at, expression.len);
    buf_text(text, ") AS UNSIGNED)");
}

/* False: nothing of one SELECT. */
static bool read_select(struct session *s, const struct buf *text, struct sql_statement *select)
{
    struct sql_context ctx;
    struct slice rest = {buf_at(text), buf_len(text)};
    statement_context(s, &ctx);
    return sql_next_statement(&rest, &ctx, select) && !rest.len && (select->kind == SQL_READ || select->kind == SQL_PLAIN);
}

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct cursor cursor = cursor_make(part.at, part.len);
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    struct slice number = wire_lenenc_str(&cursor, NULL);
    s->kill_asked.id = 0;
    for (size_t i = 0; i < number.len; i++)
        s->kill_asked.id = s->kill_asked.id * 10 + (uint64_t)(number.at[i] - '0');
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (s->phase == SESSION_RUNNING && tx_note_question(s, outcome))
        s->kill_asked.then(s, s->kill_asked.id);
}

static const struct backend_sink sink = {.frame = on_frame, .done = on_done, .lost = link_on_lost};

static void send(struct session *s)
{
    static _Thread_local struct sql_statement select;
    struct buf text = {0}, put = {0};
    put_select(s, &text);
    bool changed = read_select(s, &text, &select) &&
                   information_put(s, &select, (struct slice){buf_at(&text), buf_len(&text)}, &put);
    const struct buf *said = changed ? &put : &text;
    s->kill_asked.id = 0;
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(said), buf_len(said), &sink, s);
    buf_fini(&text);
    buf_fini(&put);
}

void kill_evaluate(struct session *s, void (*then)(struct session *s, uint64_t id))
{
    static _Thread_local struct sql_statement select;
    struct buf text = {0};
    put_select(s, &text);
    bool reads = read_select(s, &text, &select);
    buf_fini(&text);
    s->kill_asked.then = then;
    if (!reads)
        session_answer_error(s, 1064, "42000", "You have an error in your SQL syntax: KILL takes the id of a connection");
    else if (select.leaves)
        session_answer_error(s, 1235, "42000", "KILL takes an expression that calls no routine and takes no lock");
    else if (!rights_refuse_statement(s, &select))
        target_prepare(s, statement_home(s), false, send);
}
