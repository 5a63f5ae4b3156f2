/* The watcher: one function a state, each given the frame's first byte and length. Leaves the meaning of what passes to
 * reply.c. */
#include "proxy/wire/response.h"

#include "base/check.h"
#include "proxy/wire/packet.h"

enum state {
    STATE_FIRST,       /* of a result: OK, ERR or a column count */
    STATE_PREPARE,     /* PREPARE's OK */
    STATE_PARAMS,      /* definitions of PREPARE */
    STATE_PARAMS_EOF,
    STATE_COLUMNS,     /* as many as were counted */
    STATE_COLUMNS_EOF,
    STATE_FIELDS,      /* definitions up to an end packet */
    STATE_ROWS,        /* rows up to an end packet */
    STATE_SIMPLE,
    STATE_TEXT,
    STATE_OVER,        /* after the end, or after nonsense */
};

static const enum state first_states[] = {
    [WIRE_RESPONSE_NONE] = STATE_OVER,
    [WIRE_RESPONSE_QUERY] = STATE_FIRST,
    [WIRE_RESPONSE_CURSOR] = STATE_FIRST,
    [WIRE_RESPONSE_PREPARE] = STATE_PREPARE,
    [WIRE_RESPONSE_FIELDS] = STATE_FIELDS,
    [WIRE_RESPONSE_FETCH] = STATE_ROWS,
    [WIRE_RESPONSE_STATISTICS] = STATE_TEXT,
    [WIRE_RESPONSE_SIMPLE] = STATE_SIMPLE,
};

void wire_response_begin(struct wire_response *r, enum wire_response_kind kind, uint64_t caps)
{
    *r = (struct wire_response){.kind = kind, .caps = caps, .state = first_states[kind]};
    r->done = kind == WIRE_RESPONSE_NONE;
}

static bool deprecate_eof(const struct wire_response *r)
{
    return r->caps & WIRE_CAP_DEPRECATE_EOF;
}

/* A row may begin with 0xFE too, when its first value is of 16 MiB or more: then its frame is a full one, and no EOF
 * is. */
static bool ends_rows(const struct wire_response *r, uint8_t first_byte, uint32_t len)
{
    return first_byte == 0xFE && len < (deprecate_eof(r) ? WIRE_PACKET_MAX : 9);
}

bool wire_response_need_whole(const struct wire_response *r, uint8_t first_byte, uint32_t len)
{
    if (r->continues || !len)
        return false;
    switch ((enum state)r->state) {
    case STATE_TEXT:
    case STATE_OVER:
        return false;
    case STATE_PARAMS:
    case STATE_COLUMNS:
        return first_byte == 0xFF;
    case STATE_FIELDS:
    case STATE_ROWS:
        return first_byte == 0xFF || ends_rows(r, first_byte, len);
    default:
        return true;
    }
}

static void finish(struct wire_response *r)
{
    r->state = STATE_OVER;
    r->done = true;
}

/* It looks like an error of a code that there is not. */
static bool is_progress(const struct wire_response *r, struct slice payload)
{
    return (r->caps & WIRE_CAP_PROGRESS) && payload.len > 3 && payload.at[1] == 0xFF && payload.at[2] == 0xFF;
}

static enum wire_packet_kind on_err(struct wire_response *r, struct slice payload)
{
    struct wire_err err;
    if (is_progress(r, payload))
        return WIRE_PACKET_PROGRESS;
    if (!wire_err_read(payload, r->caps, &err))
        return WIRE_PACKET_BAD;
    finish(r);
    return WIRE_PACKET_ERR;
}

/* An OK or EOF that ends a result; another one may follow it. */
static enum wire_packet_kind on_end(struct wire_response *r, struct slice payload, enum wire_packet_kind kind)
{
    struct wire_ok ok;
    if (!wire_end_read(payload, r->caps, &ok))
        return WIRE_PACKET_BAD;
    r->status = ok.status;
    bool results = r->kind == WIRE_RESPONSE_QUERY || r->kind == WIRE_RESPONSE_CURSOR;
    if (results && (ok.status & WIRE_STATUS_MORE_RESULTS))
        r->state = STATE_FIRST;
    else
        finish(r);
    return kind;
}

static enum wire_packet_kind on_count(struct wire_response *r, struct slice payload)
{
    struct wire_count count;
    if (!wire_count_read(payload, r->caps, &count))
        return WIRE_PACKET_BAD;
    r->columns_left = count.n;
    r->state = count.follows ? STATE_COLUMNS : deprecate_eof(r) ? STATE_ROWS : STATE_COLUMNS_EOF;
    return WIRE_PACKET_COUNT;
}

static enum wire_packet_kind on_first(struct wire_response *r, struct slice payload)
{
    switch (payload.at[0]) {
    case 0x00:
        return on_end(r, payload, WIRE_PACKET_OK);
    case 0xFF:
        return on_err(r, payload);
    case 0xFB:
        return WIRE_PACKET_INFILE;
    default:
        return on_count(r, payload);
    }
}

/* Definitions of PREPARE come in two groups, either of which may be empty. */
static void enter_prepared(struct wire_response *r)
{
    if (r->params_left)
        r->state = STATE_PARAMS;
    else if (r->columns_left)
        r->state = STATE_COLUMNS;
    else
        finish(r);
}

static enum wire_packet_kind on_prepare(struct wire_response *r, struct slice payload)
{
    struct wire_prepare_ok ok;
    if (payload.at[0] == 0xFF)
        return on_err(r, payload);
    if (!wire_prepare_ok_read(payload, &ok))
        return WIRE_PACKET_BAD;
    r->params_left = ok.n_params;
    r->columns_left = ok.n_columns;
    enter_prepared(r);
    return WIRE_PACKET_PREPARE_OK;
}

/* What follows the last definition of a group, its EOF where there is one included. */
static void after_definitions(struct wire_response *r)
{
    if (r->kind == WIRE_RESPONSE_PREPARE)
        enter_prepared(r);
    else
        r->state = STATE_ROWS;
}

static enum wire_packet_kind on_definition(struct wire_response *r, struct slice head, uint32_t *left, enum state eof)
{
    if (head.at[0] == 0xFF)
        return on_err(r, head);
    if (head.at[0] >= 0xFB) /* a definition begins with the length of "def" */
        return WIRE_PACKET_BAD;
    if (--*left)
        return WIRE_PACKET_COLUMN;
    if (deprecate_eof(r))
        after_definitions(r);
    else
        r->state = eof;
    return WIRE_PACKET_COLUMN;
}

static enum wire_packet_kind on_definitions_eof(struct wire_response *r, struct slice payload)
{
    uint16_t warnings;
    if (payload.at[0] == 0xFF)
        return on_err(r, payload);
    if (!wire_eof_read(payload, &warnings, &r->status))
        return WIRE_PACKET_BAD;
    /* With a cursor the rows stay at the server and this EOF ends the result. The bit alone says nothing: a procedure
     * that opened a cursor of its own leaves it set in the results of its CALL, which are always followed by more. */
    bool cursor = (r->status & (WIRE_STATUS_CURSOR | WIRE_STATUS_MORE_RESULTS)) == WIRE_STATUS_CURSOR;
    if (r->kind == WIRE_RESPONSE_CURSOR && cursor)
        return on_end(r, payload, WIRE_PACKET_ROWS_END);
    after_definitions(r);
    return WIRE_PACKET_COLUMNS_EOF;
}

static enum wire_packet_kind on_listed(struct wire_response *r, struct slice head, uint32_t len)
{
    if (head.at[0] == 0xFF)
        return on_err(r, head);
    if (ends_rows(r, head.at[0], len))
        return on_end(r, head, WIRE_PACKET_ROWS_END);
    return r->state == STATE_ROWS ? WIRE_PACKET_ROW : WIRE_PACKET_COLUMN;
}

static enum wire_packet_kind on_simple(struct wire_response *r, struct slice payload)
{
    return payload.at[0] == 0xFF ? on_err(r, payload) : on_end(r, payload, WIRE_PACKET_OK);
}

static enum wire_packet_kind on_frame(struct wire_response *r, struct slice head, uint32_t len)
{
    switch ((enum state)r->state) {
    case STATE_FIRST:
        return on_first(r, head);
    case STATE_PREPARE:
        return on_prepare(r, head);
    case STATE_PARAMS:
        return on_definition(r, head, &r->params_left, STATE_PARAMS_EOF);
    case STATE_COLUMNS:
        return on_definition(r, head, &r->columns_left, STATE_COLUMNS_EOF);
    case STATE_PARAMS_EOF:
    case STATE_COLUMNS_EOF:
        return on_definitions_eof(r, head);
    case STATE_FIELDS:
    case STATE_ROWS:
        return on_listed(r, head, len);
    case STATE_SIMPLE:
        return on_simple(r, head);
    case STATE_TEXT:
        finish(r);
        return WIRE_PACKET_TEXT;
    case STATE_OVER:
        break;
    }
    return WIRE_PACKET_BAD;
}

enum wire_packet_kind wire_response_frame(struct wire_response *r, struct slice head, uint32_t len)
{
    CHECK(!r->done && head.len <= len && (head.len || !len || r->continues));
    CHECK(!head.len || !wire_response_need_whole(r, head.at[0], len) || head.len == len);
    bool continued = r->continues;
    r->continues = len == WIRE_PACKET_MAX;
    if (continued)
        return WIRE_PACKET_CONTINUED;
    /* Only rows are ever split. */
    bool sane = len && (len < WIRE_PACKET_MAX || r->state == STATE_ROWS);
    enum wire_packet_kind kind = sane ? on_frame(r, head, len) : WIRE_PACKET_BAD;
    if (kind == WIRE_PACKET_BAD || (kind == WIRE_PACKET_INFILE && !r->file))
        r->state = STATE_OVER;
    if (kind == WIRE_PACKET_INFILE)
        r->file = false;
    return kind;
}
