/* COM_STMT_EXECUTE taken apart, its values turned into text, and put together again. Leaves quoting to whoever builds
 * SQL. */
#include "proxy/wire/params.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"

#define BULK_TYPES_SENT 128 /* a flag */
#define MADE_MAX 48 /* bytes: more than the longest text made here, a time of "-103079215335:59:59.999999" */

static size_t bitmap_size(unsigned n)
{
    return (n + 7) / 8;
}

bool wire_execute_read(struct slice payload, unsigned n, struct wire_execute *out)
{
    *out = (struct wire_execute){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t command = cursor_u8(&c);
    out->statement_id = cursor_u32le(&c);
    out->flags = cursor_u8(&c);
    out->iterations = cursor_u32le(&c);
    if (n) {
        out->nulls = cursor_bytes(&c, bitmap_size(n));
        uint8_t sent = cursor_u8(&c);
        out->types_sent = sent == 1;
        c.bad |= sent > 1;
        if (out->types_sent)
            out->types = cursor_bytes(&c, 2 * (size_t)n);
        out->values = cursor_rest(&c);
    }
    return !c.bad && command == WIRE_COM_STMT_EXECUTE;
}

void wire_execute_write(struct buf *payload, const struct wire_execute *e, uint32_t statement_id, struct slice types)
{
    if (e->types_sent)
        types = e->types;
    buf_u8(payload, WIRE_COM_STMT_EXECUTE);
    buf_u32le(payload, statement_id);
    buf_u8(payload, e->flags);
    buf_u32le(payload, e->iterations);
    if (!e->nulls.len)
        return;
    CHECK(bitmap_size((unsigned)(types.len / 2)) == e->nulls.len);
    buf_append(payload, e->nulls.at, e->nulls.len);
    buf_u8(payload, 1);
    buf_append(payload, types.at, types.len);
    buf_append(payload, e->values.at, e->values.len);
}

bool wire_bulk_read(struct slice payload, unsigned n, struct wire_bulk *out)
{
    *out = (struct wire_bulk){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t command = cursor_u8(&c);
    out->statement_id = cursor_u32le(&c);
    out->flags = cursor_u16le(&c);
    out->types_sent = out->flags & BULK_TYPES_SENT;
    if (out->types_sent)
        out->types = cursor_bytes(&c, 2 * (size_t)n);
    out->rows = cursor_rest(&c);
    return !c.bad && command == WIRE_COM_STMT_BULK_EXECUTE;
}

void wire_bulk_write(struct buf *payload, const struct wire_bulk *b, uint32_t statement_id, struct slice types)
{
    if (b->types_sent)
        types = b->types;
    buf_u8(payload, WIRE_COM_STMT_BULK_EXECUTE);
    buf_u32le(payload, statement_id);
    buf_u16le(payload, b->flags | BULK_TYPES_SENT);
    buf_append(payload, types.at, types.len);
    buf_append(payload, b->rows.at, b->rows.len);
}

bool wire_long_data_read(struct slice payload, struct wire_long_data *out)
{
    *out = (struct wire_long_data){0};
    if (!payload.len)
        return false;
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t command = cursor_u8(&c);
    out->statement_id = cursor_u32le(&c);
    out->param = cursor_u16le(&c);
    out->data = cursor_rest(&c);
    return !c.bad && command == WIRE_COM_STMT_SEND_LONG_DATA;
}

/* Text made here goes to the back of `scratch`, which wire_params_read has made large enough never to move. */
static struct slice made(struct buf *scratch, size_t n)
{
    struct slice text = {scratch->data + scratch->end, n};
    CHECK(n < MADE_MAX);
    buf_added(scratch, n);
    return text;
}

static char *room(struct buf *scratch)
{
    return (char *)scratch->data + scratch->end;
}

static struct slice integer_text(struct buf *scratch, uint64_t bits, unsigned width, bool is_unsigned)
{
    unsigned unused = 64 - width;
    int64_t extended = (int64_t)(bits << unused) >> unused;
    char *out = room(scratch);
    int n = is_unsigned ? snprintf(out, MADE_MAX, "%" PRIu64, bits) : snprintf(out, MADE_MAX, "%" PRId64, extended);
    return made(scratch, (size_t)n);
}

/* The fewest digits, from those always exact, that read back as the same number; SQL has no infinity and no NaN. */
static bool float_text(struct buf *scratch, double v, int digits, int digits_max, struct slice *text)
{
    if (!isfinite(v))
        return false;
    int n;
    bool same;
    do {
        n = snprintf(room(scratch), MADE_MAX, "%.*g", digits, v);
        double back = strtod(room(scratch), NULL);
        same = digits_max == 9 ? (float)back == (float)v : back == v;
    } while (!same && digits++ < digits_max);
    *text = made(scratch, (size_t)n);
    return true;
}

static bool float_read(struct cursor *c, struct buf *scratch, struct slice *text)
{
    uint32_t bits = cursor_u32le(c);
    float v;
    memcpy(&v, &bits, sizeof v);
    return float_text(scratch, (double)v, 6, 9, text);
}

static bool double_read(struct cursor *c, struct buf *scratch, struct slice *text)
{
    uint64_t bits = cursor_u64le(c);
    double v;
    memcpy(&v, &bits, sizeof v);
    return float_text(scratch, v, 15, 17, text);
}

static bool clock_ok(unsigned minute, unsigned second, uint32_t micro)
{
    return minute < 60 && second < 60 && micro < 1000000;
}

/* Zero, four, seven or eleven bytes: what is left out at the end is zero. */
static bool date_read(struct cursor *c, struct buf *scratch, bool with_time, struct slice *text)
{
    uint8_t len = cursor_u8(c);
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    uint32_t micro = 0;
    if (len != 0 && len != 4 && len != 7 && len != 11)
        return false;
    if (len >= 4)
        year = cursor_u16le(c), month = cursor_u8(c), day = cursor_u8(c);
    if (len >= 7)
        hour = cursor_u8(c), minute = cursor_u8(c), second = cursor_u8(c);
    if (len == 11)
        micro = cursor_u32le(c);
    if (year > 9999 || month > 12 || day > 31 || hour > 23 || !clock_ok(minute, second, micro))
        return false;
    char *out = room(scratch);
    int n = snprintf(out, MADE_MAX, "%04u-%02u-%02u", year, month, day);
    if (with_time)
        n += snprintf(out + n, MADE_MAX - (size_t)n, " %02u:%02u:%02u", hour, minute, second);
    if (with_time && micro)
        n += snprintf(out + n, MADE_MAX - (size_t)n, ".%06" PRIu32, micro);
    *text = made(scratch, (size_t)n);
    return true;
}

/* Zero, eight or twelve bytes: sign, days, hours, minutes, seconds, microseconds. */
static bool time_read(struct cursor *c, struct buf *scratch, struct slice *text)
{
    uint8_t len = cursor_u8(c);
    bool negative = false;
    uint64_t hours = 0;
    unsigned minute = 0, second = 0;
    uint32_t micro = 0;
    if (len != 0 && len != 8 && len != 12)
        return false;
    if (len >= 8) {
        negative = cursor_u8(c);
        hours = (uint64_t)cursor_u32le(c) * 24;
        hours += cursor_u8(c);
        minute = cursor_u8(c), second = cursor_u8(c);
    }
    if (len == 12)
        micro = cursor_u32le(c);
    if (!clock_ok(minute, second, micro))
        return false;
    char *out = room(scratch);
    int n = snprintf(out, MADE_MAX, "%s%02" PRIu64 ":%02u:%02u", negative ? "-" : "", hours, minute, second);
    if (micro)
        n += snprintf(out + n, MADE_MAX - (size_t)n, ".%06" PRIu32, micro);
    *text = made(scratch, (size_t)n);
    return true;
}

static size_t digits_at(struct slice text, size_t from)
{
    size_t n = 0;
    while (from + n < text.len && text.at[from + n] >= '0' && text.at[from + n] <= '9')
        n++;
    return n;
}

/* A decimal comes as text of the client's choice: only what is a number may stand in SQL without quotes. */
static bool is_number(struct slice text)
{
    size_t at = text.len && (text.at[0] == '-' || text.at[0] == '+');
    size_t whole = digits_at(text, at), fraction = 0;
    at += whole;
    if (at < text.len && text.at[at] == '.') {
        fraction = digits_at(text, at + 1);
        at += 1 + fraction;
    }
    return whole + fraction && at == text.len;
}

static bool string_read(struct cursor *c, bool decimal, struct wire_param *out)
{
    out->text = wire_lenenc_str(c, NULL);
    out->class = decimal && is_number(out->text) ? WIRE_PARAM_NUMBER : WIRE_PARAM_TEXT;
    return !c->bad;
}

static uint64_t bits_read(struct cursor *c, unsigned width)
{
    switch (width) {
    case 8:
        return cursor_u8(c);
    case 16:
        return cursor_u16le(c);
    case 32:
        return cursor_u32le(c);
    default:
        return cursor_u64le(c);
    }
}

static bool integer_read(struct cursor *c, struct buf *scratch, unsigned width, bool is_unsigned, struct slice *text)
{
    *text = integer_text(scratch, bits_read(c, width), width, is_unsigned);
    return true;
}

static bool value_read(struct cursor *c, const uint8_t type[2], struct buf *scratch, struct wire_param *out)
{
    bool is_unsigned = type[1] & 0x80;
    out->class = WIRE_PARAM_NUMBER;
    switch (type[0]) {
    case WIRE_TYPE_TINY:
        return integer_read(c, scratch, 8, is_unsigned, &out->text);
    case WIRE_TYPE_SHORT:
    case WIRE_TYPE_YEAR:
        return integer_read(c, scratch, 16, is_unsigned, &out->text);
    case WIRE_TYPE_LONG:
    case WIRE_TYPE_INT24:
        return integer_read(c, scratch, 32, is_unsigned, &out->text);
    case WIRE_TYPE_LONGLONG:
        return integer_read(c, scratch, 64, is_unsigned, &out->text);
    case WIRE_TYPE_FLOAT:
        return float_read(c, scratch, &out->text);
    case WIRE_TYPE_DOUBLE:
        return double_read(c, scratch, &out->text);
    case WIRE_TYPE_DATE:
    case WIRE_TYPE_DATETIME:
    case WIRE_TYPE_TIMESTAMP:
        out->class = WIRE_PARAM_TEXT;
        return date_read(c, scratch, type[0] != WIRE_TYPE_DATE, &out->text);
    case WIRE_TYPE_TIME:
        out->class = WIRE_PARAM_TEXT;
        return time_read(c, scratch, &out->text);
    case WIRE_TYPE_NULL:
        out->class = WIRE_PARAM_NULL;
        return true;
    case WIRE_TYPE_DECIMAL:
    case WIRE_TYPE_NEWDECIMAL:
        return string_read(c, true, out);
    case WIRE_TYPE_VARCHAR:
    case WIRE_TYPE_BIT:
        return string_read(c, false, out);
    default:
        return (type[0] == WIRE_TYPE_VECTOR || type[0] >= WIRE_TYPE_JSON) && string_read(c, false, out);
    }
}

bool wire_params_read(const struct wire_execute *e, struct slice types, const struct slice *long_data, unsigned n,
                      struct wire_param *out, struct buf *scratch)
{
    if (e->types_sent)
        types = e->types;
    if (!n)
        return true;
    if (types.len != 2 * (size_t)n || e->nulls.len != bitmap_size(n))
        return false;
    buf_reserve(scratch, (size_t)n * MADE_MAX);
    struct cursor c = cursor_make(e->values.at, e->values.len);
    for (unsigned i = 0; i < n; i++) {
        out[i] = (struct wire_param){.class = WIRE_PARAM_NULL};
        if (long_data && long_data[i].at) /* even where the bit says NULL: as servers do */
            out[i] = (struct wire_param){WIRE_PARAM_TEXT, long_data[i]};
        else if (!(e->nulls.at[i / 8] >> (i % 8) & 1) && !value_read(&c, types.at + 2 * (size_t)i, scratch, &out[i]))
            return false;
    }
    return cursor_done(&c);
}
