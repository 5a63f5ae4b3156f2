/* Answers on their way from the socket to the sink of the command they belong to: frames are found, large rows cut into
 * parts as they come, the outcome gathered. Bytes pass, headers are watched. Leaves their order within an answer to
 * wire/response. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include "proxy/backend/impl.h"

/* An OK, ERR, EOF or count of more is no honest server's: they are small, but for session-state blocks and messages. */
#define SMALL_PACKET_MAX (1u << 20)

static struct backend_command *head(struct backend_conn_impl *in)
{
    struct list *first = list_first(&in->commands);
    return first ? CONTAINER_OF(first, struct backend_command, link) : NULL;
}

static void begin_answer(struct backend_conn *c, const struct backend_command *command)
{
    struct backend_conn_impl *in = c->impl;
    wire_response_begin(&in->response, command->kind, c->caps);
    in->response.file = command->file;
    in->outcome = (struct backend_outcome){.sqlstate = "00000"};
    in->next_seq = command->reply_seq;
    in->begun = in->first = true;
}

/* --- the outcome --- */

const char *backend_tracked_name(enum backend_tracked which)
{
    static const char *const names[] = {
#define X(name) #name,
        BACKEND_TRACKED(X)
#undef X
    };
    CHECK((size_t)which < sizeof names / sizeof *names);
    return names[which];
}

static bool has_word(struct slice text, const char *word)
{
    return text.at && memmem(text.at, text.len, word, strlen(word));
}

static void note_variable(struct backend_conn *c, struct slice name, struct slice value)
{
    for (unsigned i = 0; i < BACKEND_N_TRACKED; i++)
        if (slice_is_word(name, backend_tracked_name(i)))
            c->impl->outcome.changed |= 1u << i;
    if (slice_is_word(name, "character_set_client"))
        snprintf(c->client_charset, sizeof c->client_charset, "%.*s", (int)value.len, value.at ? (const char *)value.at : "");
    if (slice_is_word(name, "autocommit"))
        c->impl->autocommit_said = slice_is_word(value, "ON");
    if (!slice_is_word(name, "sql_mode"))
        return;
    c->ansi_quotes = has_word(value, "ANSI_QUOTES");
    c->no_backslash_escapes = has_word(value, "NO_BACKSLASH_ESCAPES");
}

static bool note_trackers(struct backend_conn *c, struct slice session)
{
    struct backend_outcome *o = &c->impl->outcome;
    struct wire_tracked tracked = {0};
    if (!session.len)
        return true;
    if (!wire_tracked_read(session, &tracked))
        return false;
    if (tracked.has_transaction) {
        o->has_tracker = true;
        memcpy(o->tracker, tracked.transaction, sizeof o->tracker);
        o->saw_write |= strpbrk(o->tracker, "wW") != NULL;
        c->touched = strpbrk(o->tracker, c->mariadb ? "rRwW" : "RW") != NULL; /* MySQL's SHOW STATUS reads a table: r */
    }
    if (tracked.schema.at && tracked.schema.len < sizeof c->schema) { /* DROP DATABASE of the default one leaves none */
        o->schema_changed = true;
        memcpy(c->schema, tracked.schema.at, tracked.schema.len);
        c->schema[tracked.schema.len] = '\0';
    }
    for (unsigned i = 0; i + 1 < tracked.n_variables; i += 2)
        note_variable(c, tracked.variables[i], tracked.variables[i + 1]);
    o->state_changed |= tracked.state_changed || tracked.variables_lost; /* which of them is not known */
    return true;
}

static bool note_ok(struct backend_conn *c, const struct wire_ok *ok)
{
    struct backend_outcome *o = &c->impl->outcome;
    o->status = ok->status;
    o->warnings = ok->warnings;
    o->affected_rows = ok->affected_rows;
    o->last_insert_id = ok->last_insert_id;
    c->impl->status = ok->status;
    return note_trackers(c, ok->session);
}

static bool note_err(struct backend_conn *c, struct slice payload)
{
    struct backend_outcome *o = &c->impl->outcome;
    struct wire_err err;
    if (!wire_err_read(payload, c->caps, &err) || !err.code)
        return false;
    o->error = err.code;
    memcpy(o->sqlstate, err.sqlstate, sizeof o->sqlstate);
    snprintf(o->message, sizeof o->message, "%.*s", (int)(err.message.len < 255 ? err.message.len : 255),
             (const char *)err.message.at);
    return true;
}

/* Only packets that came whole say something. false: not what the protocol allows. */
static bool note(struct backend_conn *c, enum wire_packet_kind kind, struct slice payload)
{
    struct wire_ok ok = {0};
    switch (kind) {
    case WIRE_PACKET_OK:
    case WIRE_PACKET_ROWS_END:
        return wire_end_read(payload, c->caps, &ok) && note_ok(c, &ok);
    case WIRE_PACKET_ERR:
        return note_err(c, payload);
    case WIRE_PACKET_COUNT:
        c->impl->outcome.had_rows = true;
        return true;
    case WIRE_PACKET_INFILE:
        return head(c->impl)->file;
    case WIRE_PACKET_BAD:
        return false;
    default:
        return true;
    }
}

static void finish(struct backend_conn *c)
{
    struct backend_conn_impl *in = c->impl;
    struct backend_command *command = head(in);
    struct backend_outcome outcome = in->outcome;
    const struct backend_sink *sink = command->sink;
    void *arg = command->arg;
    list_remove(&command->link);
    in->n_commands--;
    in->begun = false;
    free(command);
    if (sink->done)
        sink->done(arg, &outcome);
}

/* --- frames --- */

/* A server that says something unasked is saying why it hangs up: 4031 after wait_timeout, 1053 at shutdown, 1927 when
 * killed. */
static void died_of_words(struct backend_conn *c, struct slice payload, const char *otherwise)
{
    struct wire_err err;
    if (payload.len && payload.at[0] == 0xFF && wire_err_read(payload, c->caps, &err))
        backend_conn_died(c, "server says %u %.*s", err.code, (int)(err.message.len < 128 ? err.message.len : 128),
                          (const char *)err.message.at);
    else
        backend_conn_died(c, "%s", otherwise);
}

/* Gives `part` to the sink and consumes it; ends the answer with its last frame. */
static void hand_on(struct backend_conn *c, enum wire_packet_kind kind, struct slice part, uint32_t offset,
                    uint32_t len)
{
    struct backend_conn_impl *in = c->impl;
    const struct backend_command *command = head(in);
    in->frame.open = offset + part.len < len;
    in->frame.kind = kind;
    in->frame.len = len;
    in->frame.offset = offset + (uint32_t)part.len;
    if (command->sink->frame)
        command->sink->frame(command->arg, kind, part, offset, len);
    if (!backend_conn_alive(c))
        return;
    buf_consume(&c->net->in, part.len);
    if (!in->frame.open && in->response.done)
        finish(c);
}

static bool next_part(struct backend_conn *c)
{
    struct backend_conn_impl *in = c->impl;
    size_t left = in->frame.len - in->frame.offset, there = buf_len(&c->net->in);
    if (!there)
        return false;
    struct slice part = {buf_at(&c->net->in), there < left ? there : left};
    hand_on(c, in->frame.kind, part, in->frame.offset, in->frame.len);
    return true;
}

/* Sequence numbers tell an answer from words said before the command was read. An ERR about a command too big to be
 * read whole comes early in its sequence, so of that only zero is strange. */
static bool sequence_fits(const struct backend_conn_impl *in, uint8_t seq, struct slice payload)
{
    return seq == in->next_seq || (in->first && seq && payload.len && payload.at[0] == 0xFF);
}

/* A frame's header was read; `part` is what is there of its `len` bytes, at least one of them. false: wait for more, or
 * dead. */
static bool begin_frame(struct backend_conn *c, struct slice part, uint32_t len, uint8_t seq)
{
    struct backend_conn_impl *in = c->impl;
    if (in->file_open || !sequence_fits(in, seq, part)) { /* what is left of a file would be commands to it */
        died_of_words(c, part, in->file_open ? "an answer before the end of the file" : "packet out of sequence");
        return false;
    }
    bool small = wire_response_need_whole(&in->response, len ? part.at[0] : 0, len);
    if (small && len > SMALL_PACKET_MAX) {
        backend_conn_died(c, "answer of absurd size, %u bytes", len);
        return false;
    }
    if ((small || len <= BACKEND_WHOLE) && part.len < len)
        return false;
    enum wire_packet_kind kind = wire_response_frame(&in->response, part, len);
    if (!note(c, kind, part)) {
        backend_conn_died(c, kind == WIRE_PACKET_INFILE ? "server asks for a file" : "not a MySQL answer");
        return false;
    }
    in->next_seq = (uint8_t)(seq + 1);
    in->first = false;
    in->file_open = kind == WIRE_PACKET_INFILE;
    buf_consume(&c->net->in, WIRE_HEADER);
    hand_on(c, kind, part, 0, len);
    return true;
}

static bool next_frame(struct backend_conn *c)
{
    struct cursor cursor = cursor_make(buf_at(&c->net->in), buf_len(&c->net->in));
    uint32_t len = cursor_u24le(&cursor);
    uint8_t seq = cursor_u8(&cursor);
    if (cursor.bad || (len && !cursor_left(&cursor)))
        return false;
    struct slice part = cursor_bytes(&cursor, cursor_left(&cursor) < len ? cursor_left(&cursor) : len);
    const struct backend_command *command = head(c->impl);
    if (!command) {
        died_of_words(c, part, "server spoke without being asked");
        return false;
    }
    if (!c->impl->begun)
        begin_answer(c, command);
    return begin_frame(c, part, len, seq);
}

void backend_replies_read(struct backend_conn *c)
{
    while (backend_conn_alive(c) && !c->impl->paused && buf_len(&c->net->in))
        if (!(c->impl->frame.open ? next_part(c) : next_frame(c)))
            break;
}
