/* OK, ERR, EOF, PREPARE's OK and the session-state block: reader and writer of each side by side. Leaves their order
 * within an answer to response.c. */
#include "proxy/wire/reply.h"

#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"

/* Servers write the text length-encoded even to receivers without SESSION_TRACK, where the manual says "up to the end";
 * whatever does not fit that is taken as the manual says. */
static struct slice info_read(struct cursor *c)
{
    struct cursor encoded = *c;
    struct slice info = wire_lenenc_str(&encoded, NULL);
    return cursor_done(&encoded) ? info : cursor_rest(c);
}

bool wire_ok_read(struct slice payload, uint64_t caps, struct wire_ok *out)
{
    *out = (struct wire_ok){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t header = cursor_u8(&c);
    out->affected_rows = wire_lenenc(&c, NULL);
    out->last_insert_id = wire_lenenc(&c, NULL);
    out->status = cursor_u16le(&c);
    out->warnings = cursor_u16le(&c);
    if (cursor_left(&c) && !(caps & WIRE_CAP_SESSION_TRACK)) {
        out->info = info_read(&c);
    } else if (cursor_left(&c)) {
        out->info = wire_lenenc_str(&c, NULL);
        if (out->status & WIRE_STATUS_SESSION_CHANGED)
            out->session = wire_lenenc_str(&c, NULL);
    }
    return !c.bad && (header == 0x00 || header == 0xFE);
}

void wire_ok_write(struct buf *payload, uint64_t caps, uint8_t header, const struct wire_ok *ok)
{
    bool session = (caps & WIRE_CAP_SESSION_TRACK) && ok->session.len;
    uint16_t status = (uint16_t)(ok->status & ~WIRE_STATUS_SESSION_CHANGED);
    buf_u8(payload, header);
    wire_lenenc_write(payload, ok->affected_rows);
    wire_lenenc_write(payload, ok->last_insert_id);
    buf_u16le(payload, session ? status | WIRE_STATUS_SESSION_CHANGED : status);
    buf_u16le(payload, ok->warnings);
    if (ok->info.len || session)
        wire_lenenc_str_write(payload, ok->info.at, ok->info.len);
    if (session)
        wire_lenenc_str_write(payload, ok->session.at, ok->session.len);
}

bool wire_end_read(struct slice payload, uint64_t caps, struct wire_ok *out)
{
    if (!payload.len || payload.at[0] != 0xFE || (caps & WIRE_CAP_DEPRECATE_EOF))
        return wire_ok_read(payload, caps, out);
    *out = (struct wire_ok){0};
    return wire_eof_read(payload, &out->warnings, &out->status);
}

void wire_end_write(struct buf *payload, uint64_t caps, const struct wire_ok *ok)
{
    if (caps & WIRE_CAP_DEPRECATE_EOF)
        wire_ok_write(payload, caps, 0xFE, ok);
    else /* no room for a session block */
        wire_eof_write(payload, ok->warnings, (uint16_t)(ok->status & ~WIRE_STATUS_SESSION_CHANGED));
}

/* MySQL sends one entry a variable, MariaDB may put several into one. */
static void variables_read(struct cursor *c, struct wire_tracked *out)
{
    while (!c->bad && cursor_left(c)) {
        bool null; /* a variable may be NULL: character_set_results */
        struct slice name = wire_lenenc_str(c, NULL), value = wire_lenenc_str(c, &null);
        if (out->n_variables + 2 > WIRE_TRACKED_MAX) {
            out->variables_lost = true;
            continue;
        }
        out->variables[out->n_variables++] = name;
        out->variables[out->n_variables++] = value;
    }
}

static void transaction_read(struct cursor *c, struct wire_tracked *out)
{
    struct slice text = wire_lenenc_str(c, NULL);
    if (text.len != sizeof out->transaction - 1) {
        c->bad = true;
        return;
    }
    memcpy(out->transaction, text.at, text.len);
    out->has_transaction = true;
}

static bool tracked_entry_read(uint8_t type, struct slice data, struct wire_tracked *out)
{
    struct cursor c = cursor_make(data.at, data.len);
    switch (type) {
    case 0:
        variables_read(&c, out);
        break;
    case 1:
        out->schema = wire_lenenc_str(&c, NULL);
        break;
    case 2:
        out->state_changed = slice_is(data, "1"); /* no length of its own, unlike the others */
        break;
    case 3:
        cursor_skip(&c, 1); /* encoding of what follows; text is the only one */
        out->gtids = wire_lenenc_str(&c, NULL);
        break;
    case 4:
        out->characteristics = wire_lenenc_str(&c, NULL);
        break;
    case 5:
        transaction_read(&c, out);
        break;
    default:
        return true;
    }
    return !c.bad;
}

bool wire_tracked_read(struct slice session, struct wire_tracked *out)
{
    *out = (struct wire_tracked){0};
    if (!session.len)
        return true;
    struct cursor c = cursor_make(session.at, session.len);
    while (cursor_left(&c)) {
        uint8_t type = cursor_u8(&c);
        struct slice data = wire_lenenc_str(&c, NULL);
        if (c.bad || !tracked_entry_read(type, data, out))
            return false;
    }
    return true;
}

bool wire_err_read(struct slice payload, uint64_t caps, struct wire_err *out)
{
    *out = (struct wire_err){.sqlstate = "HY000"};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t header = cursor_u8(&c);
    out->code = cursor_u16le(&c);
    /* Before log-in ("too many connections") a server knows no capabilities and leaves the state out. */
    if ((caps & WIRE_CAP_PROTOCOL_41) && cursor_peek(&c) == '#') {
        cursor_skip(&c, 1);
        struct slice state = cursor_bytes(&c, 5);
        if (state.len && !memchr(state.at, '\0', state.len)) /* else nobody's: it is to be five characters wherever it goes */
            memcpy(out->sqlstate, state.at, state.len);
    }
    out->message = cursor_rest(&c);
    return !c.bad && header == 0xFF;
}

void wire_err_write(struct buf *payload, uint64_t caps, uint16_t code, const char *sqlstate, const char *message,
                    size_t len)
{
    CHECK(strlen(sqlstate) == 5);
    buf_u8(payload, 0xFF);
    buf_u16le(payload, code);
    if (caps & WIRE_CAP_PROTOCOL_41) {
        buf_u8(payload, '#');
        buf_append(payload, sqlstate, 5);
    }
    buf_append(payload, message, len);
}

bool wire_eof_read(struct slice payload, uint16_t *warnings, uint16_t *status)
{
    if (payload.len != 5)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t header = cursor_u8(&c);
    *warnings = cursor_u16le(&c);
    *status = cursor_u16le(&c);
    return header == 0xFE;
}

void wire_eof_write(struct buf *payload, uint16_t warnings, uint16_t status)
{
    buf_u8(payload, 0xFE);
    buf_u16le(payload, warnings);
    buf_u16le(payload, status);
}

bool wire_prepare_ok_read(struct slice payload, struct wire_prepare_ok *out)
{
    *out = (struct wire_prepare_ok){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t header = cursor_u8(&c);
    out->statement_id = cursor_u32le(&c);
    out->n_columns = cursor_u16le(&c);
    out->n_params = cursor_u16le(&c);
    cursor_skip(&c, 1);
    out->warnings = cursor_u16le(&c);
    return !c.bad && header == 0x00;
}

void wire_prepare_ok_write(struct buf *payload, const struct wire_prepare_ok *p)
{
    buf_u8(payload, 0x00);
    buf_u32le(payload, p->statement_id);
    buf_u16le(payload, p->n_columns);
    buf_u16le(payload, p->n_params);
    buf_u8(payload, 0);
    buf_u16le(payload, p->warnings);
}
