/* Puts the packets of our own answers in order. Leaves their contents to reply.c and row.c. */
#include "proxy/wire/resultset.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"

static void eof_packet(struct buf *out, uint8_t *seq, uint64_t caps, uint16_t status)
{
    if (caps & WIRE_CAP_DEPRECATE_EOF)
        return;
    size_t begin = wire_packet_begin(out);
    wire_eof_write(out, 0, status);
    wire_packet_end(out, begin, seq);
}

static void column_packet(struct buf *out, uint8_t *seq, uint64_t caps, const struct wire_column *column)
{
    size_t begin = wire_packet_begin(out);
    wire_column_write(out, caps, column);
    wire_packet_end(out, begin, seq);
}

void wire_resultset_begin(const struct wire_resultset *rs, uint16_t status)
{
    CHECK(rs->n_columns >= 1 && rs->n_columns <= 65535);
    size_t begin = wire_packet_begin(rs->out);
    wire_count_write(rs->out, rs->caps, &(struct wire_count){rs->n_columns, true});
    wire_packet_end(rs->out, begin, rs->seq);
    for (unsigned i = 0; i < rs->n_columns; i++)
        column_packet(rs->out, rs->seq, rs->caps, &rs->columns[i]);
    eof_packet(rs->out, rs->seq, rs->caps, status);
}

void wire_resultset_row(const struct wire_resultset *rs, const struct slice *values)
{
    size_t begin = wire_packet_begin(rs->out);
    if (rs->binary)
        wire_row_binary(rs->out, rs->columns, values, rs->n_columns);
    else
        wire_row_text(rs->out, values, rs->n_columns);
    wire_packet_end(rs->out, begin, rs->seq);
}

void wire_resultset_end(const struct wire_resultset *rs, uint16_t status, uint16_t warnings)
{
    size_t begin = wire_packet_begin(rs->out);
    wire_end_write(rs->out, rs->caps, &(struct wire_ok){.status = status, .warnings = warnings});
    wire_packet_end(rs->out, begin, rs->seq);
}

void wire_prepare_write(struct buf *out, uint8_t *seq, uint64_t caps, const struct wire_prepare_ok *prepared,
                        const struct wire_column *columns, uint16_t status)
{
    static const struct wire_column param = {.name = "?", .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_BINARY,
                                             .flags = WIRE_COLUMN_BINARY};
    size_t begin = wire_packet_begin(out);
    wire_prepare_ok_write(out, prepared);
    wire_packet_end(out, begin, seq);
    for (unsigned i = 0; i < prepared->n_params; i++)
        column_packet(out, seq, caps, &param);
    if (prepared->n_params)
        eof_packet(out, seq, caps, status);
    for (unsigned i = 0; i < prepared->n_columns; i++)
        column_packet(out, seq, caps, &columns[i]);
    if (prepared->n_columns)
        eof_packet(out, seq, caps, status);
}

void wire_ok_packet(struct buf *out, uint8_t *seq, uint64_t caps, const struct wire_ok *ok)
{
    size_t begin = wire_packet_begin(out);
    wire_ok_write(out, caps, 0x00, ok);
    wire_packet_end(out, begin, seq);
}

void wire_err_packet(struct buf *out, uint8_t *seq, uint64_t caps, uint16_t code, const char *sqlstate,
                     const char *fmt, ...)
{
    char message[512]; /* as long as servers' own get */
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    size_t begin = wire_packet_begin(out);
    wire_err_write(out, caps, code, sqlstate, message, strlen(message));
    wire_packet_end(out, begin, seq);
}
