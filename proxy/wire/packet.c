/* Framing, gathering and length-encoded numbers. Leaves sockets to net/ and payloads to the other files of this folder.
 * */
#include "proxy/wire/packet.h"

#include <string.h>

#include "base/check.h"

#define WORTH_MOVING 65536

static void header_put(uint8_t *at, size_t len, uint8_t seq)
{
    at[0] = (uint8_t)len;
    at[1] = (uint8_t)(len >> 8);
    at[2] = (uint8_t)(len >> 16);
    at[3] = seq;
}

void wire_packet_write(struct buf *out, uint8_t *seq, const void *payload, size_t len)
{
    size_t begin = wire_packet_begin(out);
    buf_append(out, payload, len);
    wire_packet_end(out, begin, seq);
}

size_t wire_packet_begin(struct buf *out)
{
    size_t begin = buf_len(out);
    buf_zeros(out, WIRE_HEADER);
    return begin;
}

void wire_packet_end(struct buf *out, size_t begin, uint8_t *seq)
{
    CHECK(begin + WIRE_HEADER <= buf_len(out));
    size_t len = buf_len(out) - begin - WIRE_HEADER;
    size_t extra = len / WIRE_PACKET_MAX; /* further headers; the last frame is never full, possibly empty */
    buf_zeros(out, extra * WIRE_HEADER);
    uint8_t *base = buf_at(out) + begin;
    for (size_t i = extra + 1; i-- > 0;) { /* from the back, since every frame moves up over the one behind it */
        uint8_t *frame = base + i * (WIRE_HEADER + WIRE_PACKET_MAX);
        size_t n = i == extra ? len % WIRE_PACKET_MAX : WIRE_PACKET_MAX;
        if (i)
            memmove(frame + WIRE_HEADER, base + WIRE_HEADER + i * WIRE_PACKET_MAX, n);
        header_put(frame, n, (uint8_t)(*seq + i));
    }
    *seq = (uint8_t)(*seq + extra + 1);
}

/* Takes one frame that is whole; true when it was the payload's last. */
static bool frame_take(struct wire_gatherer *g, struct buf *in, size_t len, struct slice *payload)
{
    g->next_seq++;
    bool last = len < WIRE_PACKET_MAX;
    if (last && !buf_len(&g->joined)) { /* the usual case: nothing is copied */
        g->in_place = WIRE_HEADER + len;
        *payload = (struct slice){buf_at(in) + WIRE_HEADER, len};
        return true;
    }
    buf_append(&g->joined, buf_at(in) + WIRE_HEADER, len);
    buf_consume(in, WIRE_HEADER + len);
    if (last)
        *payload = (struct slice){buf_at(&g->joined), buf_len(&g->joined)};
    return last;
}

enum wire_gather wire_gather(struct wire_gatherer *g, struct buf *in, size_t max, struct slice *payload)
{
    CHECK(!g->in_place);
    while (buf_len(in) >= WIRE_HEADER) {
        struct cursor c = cursor_make(buf_at(in), WIRE_HEADER);
        size_t len = cursor_u24le(&c);
        uint8_t seq = cursor_u8(&c);
        if (seq != g->next_seq && !g->any_seq)
            return WIRE_BAD_SEQUENCE;
        if (buf_len(&g->joined) + len > max)
            return WIRE_TOO_BIG;
        if (buf_len(in) < WIRE_HEADER + len)
            return WIRE_MORE;
        bool joins = len == WIRE_PACKET_MAX || buf_len(&g->joined);
        if (joins && !buf_try_reserve(&g->joined, len))
            return WIRE_NO_MEMORY;
        if (frame_take(g, in, len, payload))
            return WIRE_GATHERED;
    }
    return WIRE_MORE;
}

void wire_gather_done(struct wire_gatherer *g, struct buf *in)
{
    buf_consume(in, g->in_place);
    g->in_place = 0;
    buf_fini(&g->joined); /* at least 16 MiB where it was used: not kept */
}

static void move(struct buf *from, struct buf *to)
{
    buf_fini(to);
    *to = *from;
    *from = (struct buf){0};
}

void wire_gather_take(struct wire_gatherer *g, struct buf *in, struct buf *out)
{
    if (!g->in_place) {
        move(&g->joined, out);
    } else if (g->in_place == buf_len(in) && g->in_place > WORTH_MOVING) {
        move(in, out);
        buf_consume(out, WIRE_HEADER);
        g->in_place = 0;
    } else {
        buf_clear(out);
        buf_append(out, buf_at(in) + WIRE_HEADER, g->in_place - WIRE_HEADER);
        wire_gather_done(g, in);
    }
}

void wire_gather_fini(struct wire_gatherer *g)
{
    buf_fini(&g->joined);
    *g = (struct wire_gatherer){0};
}

uint64_t wire_lenenc(struct cursor *c, bool *is_null)
{
    uint8_t first = cursor_u8(c);
    if (is_null)
        *is_null = first == 0xFB;
    switch (first) {
    case 0xFC:
        return cursor_u16le(c);
    case 0xFD:
        return cursor_u24le(c);
    case 0xFE:
        return cursor_u64le(c);
    case 0xFB:
        if (is_null)
            return 0;
        break;
    case 0xFF:
        break;
    default:
        return first;
    }
    cursor_skip(c, SIZE_MAX); /* latches the error */
    return 0;
}

struct slice wire_lenenc_str(struct cursor *c, bool *is_null)
{
    bool null = false;
    uint64_t len = wire_lenenc(c, is_null ? &null : NULL);
    if (is_null)
        *is_null = null;
    if (null || c->bad)
        return (struct slice){NULL, 0};
    return cursor_bytes(c, len);
}

void wire_lenenc_write(struct buf *out, uint64_t v)
{
    if (v < 0xFB) {
        buf_u8(out, (uint8_t)v);
    } else if (v <= 0xFFFF) {
        buf_u8(out, 0xFC);
        buf_u16le(out, (uint16_t)v);
    } else if (v <= 0xFFFFFF) {
        buf_u8(out, 0xFD);
        buf_u24le(out, (uint32_t)v);
    } else {
        buf_u8(out, 0xFE);
        buf_u64le(out, v);
    }
}

void wire_lenenc_str_write(struct buf *out, const void *bytes, size_t n)
{
    wire_lenenc_write(out, n);
    buf_append(out, bytes, n);
}
