/* zlib's and zstd's door. What they need to work is taken for one packet and given back: a client that is quiet holds none of
 * it. */
#include "proxy/net/decoder.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

/* A worker has other clients to serve meanwhile: what saves most for its time. */
enum { ZLIB_LEVEL = 1, ZSTD_LEVEL_MOST = 6 };
/* Packets are of 16 MiB at most, so an honest window is too. */
enum { ZSTD_WINDOW_LOG_MOST = 24 };

/* --- packing --- */

static size_t encode_zlib(const void *from, size_t n, void *to, size_t room)
{
    uLongf made = room;
    return compress2(to, &made, from, n, ZLIB_LEVEL) == Z_OK ? made : 0;
}

static size_t encode_zstd(int level, const void *from, size_t n, void *to, size_t room)
{
    size_t made = ZSTD_compress(to, room, from, n, level < ZSTD_LEVEL_MOST ? level : ZSTD_LEVEL_MOST);
    return ZSTD_isError(made) ? 0 : made;
}

bool net_encode(enum net_compression_method method, int level, const void *from, size_t n, struct buf *out)
{
    uint8_t *to = buf_reserve(out, n);
    size_t made = method == NET_COMPRESSION_ZLIB ? encode_zlib(from, n, to, n) : encode_zstd(level, from, n, to, n);
    bool shorter = made && made < n;
    buf_added(out, shorter ? made : 0);
    return shorter;
}

/* --- unpacking --- */

static void *zlib_new(void)
{
    z_stream *z = calloc(1, sizeof *z);
    CHECK(z && inflateInit(z) == Z_OK);
    return z;
}

static enum net_decoded step_zlib(z_stream *z, struct net_decoder_step *s)
{
    z->next_in = s->from;
    z->avail_in = (uInt)s->from_len;
    z->next_out = s->to;
    z->avail_out = (uInt)s->room;
    int got = inflate(z, Z_NO_FLUSH);
    s->used = s->from_len - z->avail_in;
    s->made = s->room - z->avail_out;
    return got == Z_STREAM_END ? NET_DECODED_END : got == Z_OK || got == Z_BUF_ERROR ? NET_DECODED_MORE : NET_DECODED_BAD;
}

static void *zstd_new(void)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    CHECK(d && !ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MOST)));
    return d;
}

static enum net_decoded step_zstd(ZSTD_DCtx *d, struct net_decoder_step *s)
{
    ZSTD_inBuffer in = {s->from, s->from_len, 0};
    ZSTD_outBuffer out = {s->to, s->room, 0};
    size_t left = ZSTD_decompressStream(d, &out, &in);
    s->used = in.pos;
    s->made = out.pos;
    return ZSTD_isError(left) ? NET_DECODED_BAD : left ? NET_DECODED_MORE : NET_DECODED_END;
}

void *net_decoder_new(enum net_compression_method method)
{
    return method == NET_COMPRESSION_ZLIB ? zlib_new() : zstd_new();
}

void net_decoder_free(enum net_compression_method method, void *decoder)
{
    if (decoder && method == NET_COMPRESSION_ZLIB) {
        inflateEnd(decoder);
        free(decoder);
    } else {
        ZSTD_freeDCtx(decoder);
    }
}

enum net_decoded net_decoder_step(enum net_compression_method method, void *decoder, struct net_decoder_step *step)
{
    return method == NET_COMPRESSION_ZLIB ? step_zlib(decoder, step) : step_zstd(decoder, step);
}
