/* Column counts and definitions, rows of our own result sets; of servers' only the type of a column, since their rows are
 * relayed undecoded. Leaves packets and their order to resultset.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/reply.h"

static void text_write(struct buf *payload, const char *text)
{
    wire_lenenc_str_write(payload, text, strlen(text));
}

bool wire_count_read(struct slice payload, uint64_t caps, struct wire_count *out)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    uint64_t n = wire_lenenc(&c, NULL);
    *out = (struct wire_count){(uint32_t)n, !(caps & WIRE_CAP_CACHE_METADATA) || cursor_u8(&c)};
    return cursor_done(&c) && n >= 1 && n <= WIRE_COLUMNS_MAX;
}

void wire_count_write(struct buf *payload, uint64_t caps, const struct wire_count *count)
{
    wire_lenenc_write(payload, count->n);
    if (caps & WIRE_CAP_CACHE_METADATA)
        buf_u8(payload, count->follows);
}

void wire_column_write(struct buf *payload, uint64_t caps, const struct wire_column *column)
{
    text_write(payload, "def");
    text_write(payload, ""); /* schema */
    text_write(payload, ""); /* table, then its name before aliasing */
    text_write(payload, "");
    text_write(payload, column->name);
    text_write(payload, "");
    if (caps & WIRE_CAP_EXTENDED_METADATA)
        text_write(payload, "");
    buf_u8(payload, 0x0c); /* bytes of what follows */
    buf_u16le(payload, column->charset);
    buf_u32le(payload, column->length);
    buf_u8(payload, (uint8_t)column->type);
    buf_u16le(payload, column->flags);
    buf_u8(payload, column->decimals);
    buf_zeros(payload, 2);
}

struct wire_column wire_column_read(struct slice payload, uint64_t caps)
{
    struct wire_column column = {.type = WIRE_TYPE_NULL};
    struct cursor c = cursor_make(payload.at, payload.len);
    int texts = caps & WIRE_CAP_EXTENDED_METADATA ? 7 : 6; /* catalog, schema, table and column, both twice */
    for (int i = 0; i < texts; i++)
        wire_lenenc_str(&c, NULL);
    cursor_skip(&c, 1); /* length of the rest */
    column.charset = cursor_u16le(&c);
    column.length = cursor_u32le(&c);
    enum wire_type type = cursor_u8(&c);
    column.flags = cursor_u16le(&c);
    column.decimals = cursor_u8(&c);
    if (!c.bad)
        column.type = type;
    return column;
}

void wire_row_text(struct buf *payload, const struct slice *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (values[i].at)
            wire_lenenc_str_write(payload, values[i].at, values[i].len);
        else
            buf_u8(payload, 0xFB);
    }
}

static uint64_t integer_of(struct slice text)
{
    char *copy = slice_dup(text), *end;
    errno = 0;
    uint64_t v = copy[0] == '-' ? (uint64_t)strtoll(copy, &end, 10) : strtoull(copy, &end, 10);
    CHECK(!errno && text.len && !*end);
    free(copy);
    return v;
}

static uint64_t double_bits_of(struct slice text)
{
    char *copy = slice_dup(text), *end;
    double v = strtod(copy, &end);
    CHECK(text.len && !*end);
    free(copy);
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void binary_value(struct buf *payload, enum wire_type type, struct slice value)
{
    switch (type) {
    case WIRE_TYPE_LONGLONG:
        buf_u64le(payload, integer_of(value));
        return;
    case WIRE_TYPE_LONG:
        buf_u32le(payload, (uint32_t)integer_of(value));
        return;
    case WIRE_TYPE_DOUBLE:
        buf_u64le(payload, double_bits_of(value));
        return;
    case WIRE_TYPE_VAR_STRING:
    case WIRE_TYPE_STRING:
    case WIRE_TYPE_BLOB:
    case WIRE_TYPE_JSON:
    case WIRE_TYPE_NEWDECIMAL:
        wire_lenenc_str_write(payload, value.at, value.len);
        return;
    default:
        CHECK(!"a type that our result sets do not use");
    }
}

void wire_row_binary(struct buf *payload, const struct wire_column *columns, const struct slice *values, unsigned n)
{
    buf_u8(payload, 0x00);
    size_t bitmap = buf_len(payload);
    buf_zeros(payload, (n + 2 + 7) / 8); /* the first two bits are not used */
    for (unsigned i = 0; i < n; i++) {
        if (values[i].at)
            binary_value(payload, columns[i].type, values[i]);
        else
            buf_at(payload)[bitmap + (i + 2) / 8] |= (uint8_t)(1u << (i + 2) % 8);
    }
}
