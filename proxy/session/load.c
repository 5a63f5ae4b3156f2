/* LOAD DATA LOCAL: a server asks the client for a file, whose frames pass on as they come, no faster than the server takes
 * them. Never a file of this machine, and only the one that the client's own statement names. Leaves the answer behind the file
 * to relay.c. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

bool load_allowed(const struct session *s)
{
    return (s->caps & WIRE_CAP_LOCAL_FILES) && s->user->local_infile;
}

bool load_expected(const struct session *s)
{
    return load_allowed(s) && s->statement->kind == SQL_LOAD_LOCAL;
}

/* --- what the server asks for --------------------------------------------------------------------------------------------- */

static bool is_ascii(const struct buf *b)
{
    for (size_t i = 0; i < buf_len(b); i++)
        if (buf_at(b)[i] >= 0x80)
            return false;
    return true;
}

/* The name behind INFILE. Of one that is not ASCII the server says its own spelling, which need not be the client's. */
static bool names_it(const struct session *s, struct slice name)
{
    struct sql_lexer l;
    struct buf named = {0};
    struct sql_token t;
    sql_lexer_init(&l, s->statement->text, &s->dialect);
    do
        t = sql_next(&l);
    while (t.kind != SQL_END && !sql_is_word(&t, "INFILE"));
    t = sql_next(&l);
    if (t.kind == SQL_STRING)
        sql_token_value(&l, &t, &named);
    bool same = t.kind == SQL_STRING && (!is_ascii(&named) || slice_is(name, buf_cstr(&named)));
    buf_fini(&named);
    return same;
}

/* A server that asks for what nobody offered is after the client's files: it gets an empty one, and the client an error. */
static void refuse(struct session *s, struct slice name)
{
    char quoted[256];
    const char *backend = session_backend_name(s, s->target);
    struct backend_outcome error = {.error = 1148, .sqlstate = "42000"};
    snprintf(error.message, sizeof error.message, "backend '%s' asked for another file than the statement names: refused",
             backend);
    log_warn("file_refused", "session=%llu backend=%s name=%s", (unsigned long long)s->id, backend,
             log_quote(quoted, sizeof quoted, name.at, name.len));
    target_note_start_failed(s, &error);
    backend_file_head(target_conn(s), 0);
}

void load_begin(struct session *s, struct slice request)
{
    struct slice name = {request.at + 1, request.len - 1};
    if (!names_it(s, name)) {
        refuse(s, name);
        return;
    }
    memset(&s->load, 0, sizeof s->load);
    s->load.open = true;
    s->load.taken = s->net->bytes_in;
    wire_packet_write(&s->net->out, &s->seq, request.at, request.len);
    session_flush(s);
    s->gatherer.next_seq = s->seq;
    net_conn_resume(s->net);
    load_on_read(s);
}

/* --- the file --------------------------------------------------------------------------------------------------------------- */

static void end(struct session *s)
{
    s->load.open = false;
    s->seq = s->gatherer.next_seq;
    net_conn_answer(s->net);
    if (!*s->load.lost_why)
        return;
    if (s->killed)
        kill_answer(s);
    else
        relay_on_gone(s, s->load.lost_why);
}

static bool pass_bytes(struct session *s)
{
    struct buf *in = &s->net->in;
    size_t n = buf_len(in) < s->load.left ? buf_len(in) : s->load.left;
    if (!n)
        return false;
    if (!s->load.nowhere)
        backend_file_bytes(target_conn(s), buf_at(in), n);
    buf_consume(in, n);
    s->load.left -= (uint32_t)n;
    return true;
}

static bool pass_head(struct session *s)
{
    struct cursor c = cursor_make(buf_at(&s->net->in), buf_len(&s->net->in));
    uint32_t len = cursor_u24le(&c);
    uint8_t seq = cursor_u8(&c);
    if (c.bad)
        return false;
    if (seq != s->gatherer.next_seq && !s->gatherer.any_seq) {
        session_close(s, "packets out of order in a file");
        return false;
    }
    bool last = !len && !s->load.continues;
    buf_consume(&s->net->in, WIRE_HEADER);
    s->gatherer.next_seq = (uint8_t)(seq + 1);
    if (!s->load.nowhere)
        backend_file_head(target_conn(s), len);
    s->load.continues = len == WIRE_PACKET_MAX;
    s->load.left = len;
    if (last)
        end(s);
    return !last;
}

/* A server that is slow makes the client wait. */
static bool must_wait(struct session *s)
{
    if (s->load.nowhere || !backend_file_full(target_conn(s)))
        return false;
    net_conn_pause(s->net);
    return true;
}

void load_on_read(struct session *s)
{
    while (!must_wait(s) && (s->load.left ? pass_bytes(s) : pass_head(s)))
        continue;
}

void load_on_drained(struct backend_conn *conn)
{
    struct session *s = ((struct session_server *)conn->owner)->session;
    if (!s->load.open || !s->net || target_conn(s) != conn)
        return;
    net_conn_resume(s->net);
    load_on_read(s);
}

/* --- its early ends ------------------------------------------------------------------------------------------------------- */

/* The client hears of it when it listens again: behind its file. */
bool load_server_gone(struct session *s, const char *why)
{
    if (!s->load.open)
        return false;
    s->load.nowhere = true;
    snprintf(s->load.lost_why, sizeof s->load.lost_why, "%s", *why ? why : "lost");
    net_conn_resume(s->net);
    load_on_read(s);
    return true;
}

bool load_is_stuck(struct session *s)
{
    if (!s->load.open || !s->net || net_conn_paused(s->net))
        return false;
    bool stuck = s->net->bytes_in == s->load.taken;
    s->load.taken = s->net->bytes_in;
    return stuck;
}
