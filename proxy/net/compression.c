/* Frames of compressed packets. A packet is unpacked as it comes, in parts, so that neither its length nor the length it
 * announces costs memory: whoever owns the connection stops reading when it has enough. Leaves zlib and zstd to decoder.c. */
#include "proxy/net/compression.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "proxy/net/decoder.h"

enum {
    HEADER = 7,
    AS_IS_BELOW = 50,       /* servers do not compress less either */
    PACK_MOST = 64 * 1024,  /* bytes in a packet of ours: time and memory for one are small */
    UNPACK_STEP = 64 * 1024,
};

struct net_compression *net_compression_new(enum net_compression_method method, int level)
{
    struct net_compression *c = calloc(1, sizeof *c);
    CHECK(c && (method == NET_COMPRESSION_ZLIB || (level >= 1 && level <= NET_COMPRESSION_LEVEL_MAX)));
    c->method = method;
    c->level = level;
    return c;
}

void net_compression_free(struct net_compression *c)
{
    if (!c)
        return;
    net_decoder_free(c->method, c->decoder);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

/* --- from the peer --- */

/* A packet goes on with its peer's numbers, or with ours where we asked for it, or begins a command. */
static bool number_fits(const struct net_compression *c, uint8_t number)
{
    return number == c->next_in || number == c->next_out || !number;
}

static bool begin_packet(struct net_compression *c, char *why, size_t why_size)
{
    struct cursor cursor = cursor_make(buf_at(&c->in), HEADER);
    c->body_left = cursor_u24le(&cursor);
    uint8_t number = cursor_u8(&cursor);
    size_t plain = cursor_u24le(&cursor);
    if (!number_fits(c, number)) {
        snprintf(why, why_size, "compressed packets out of order: %u instead of %u", number, c->next_in);
        return false;
    }
    buf_consume(&c->in, HEADER);
    c->next_in = (uint8_t)(number + 1);
    c->plain_left = plain ? plain : c->body_left;
    c->decoder = plain ? net_decoder_new(c->method) : NULL;
    c->inside = c->body_left || plain;
    return true;
}

static void end_packet(struct net_compression *c)
{
    net_decoder_free(c->method, c->decoder);
    c->decoder = NULL;
    c->inside = false;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool pass_as_is(struct net_compression *c, struct buf *to, size_t most)
{
    size_t n = least(least(buf_len(&c->in), c->body_left), most);
    buf_append(to, buf_at(&c->in), n);
    buf_consume(&c->in, n);
    c->body_left -= n;
    if (!c->body_left)
        end_packet(c);
    return n;
}

/* True: it went on. False: it waits for bytes, or *bad. A body must end where its header says, and make what it says. */
static bool decode(struct net_compression *c, struct buf *to, size_t most, bool *bad)
{
    size_t room = least(least(c->plain_left, most), UNPACK_STEP);
    /* With all made, the end mark may still be to come: then not a byte may follow, and one of room shows it. */
    struct net_decoder_step s = {.from = buf_at(&c->in),
                                 .from_len = least(buf_len(&c->in), c->body_left),
                                 .to = buf_reserve(to, room + 1),
                                 .room = room + !c->plain_left};
    enum net_decoded got = net_decoder_step(c->method, c->decoder, &s);
    *bad = got == NET_DECODED_BAD || s.made > c->plain_left;
    if (*bad)
        return false;
    buf_added(to, s.made);
    buf_consume(&c->in, s.used);
    c->body_left -= s.used;
    c->plain_left -= s.made;
    if (got == NET_DECODED_END) {
        *bad = c->body_left || c->plain_left;
        end_packet(c);
        return !*bad;
    }
    bool stuck = !s.used && !s.made;
    *bad = stuck && !c->body_left;
    return !stuck;
}

bool net_compression_unpack(struct net_compression *c, struct buf *to, size_t most, char *why, size_t why_size)
{
    size_t enough = buf_len(to) + most;
    bool went_on = true, bad = false;
    while (went_on && buf_len(to) < enough) {
        if (!c->inside) {
            went_on = buf_len(&c->in) >= HEADER;
            if (went_on && !begin_packet(c, why, why_size))
                return false;
        } else if (c->decoder) {
            went_on = decode(c, to, enough - buf_len(to), &bad);
        } else {
            went_on = pass_as_is(c, to, enough - buf_len(to));
        }
    }
    if (bad)
        snprintf(why, why_size, "a compressed packet is damaged");
    c->pending = went_on;
    return !bad;
}

/* --- to the peer --- */

static void header_put(struct buf *out, size_t at, size_t body, uint8_t number, size_t plain)
{
    uint8_t *h = buf_at(out) + at;
    for (int i = 0; i < 3; i++) {
        h[i] = (uint8_t)(body >> (8 * i));
        h[4 + i] = (uint8_t)(plain >> (8 * i));
    }
    h[3] = number;
}

void net_compression_pack(struct net_compression *c, struct buf *from)
{
    size_t n = least(buf_len(from), PACK_MOST), at = buf_len(&c->out);
    if (!n)
        return;
    buf_zeros(&c->out, HEADER);
    bool packed = n >= AS_IS_BELOW && net_encode(c->method, c->level, buf_at(from), n, &c->out);
    if (!packed)
        buf_append(&c->out, buf_at(from), n);
    header_put(&c->out, at, buf_len(&c->out) - at - HEADER, c->next_out++, packed ? n : 0);
    buf_consume(from, n);
}

void net_compression_answer(struct net_compression *c)
{
    c->next_out = c->next_in;
}
