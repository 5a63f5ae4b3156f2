/* One packet's body through zlib or zstd, either way. Leaves frames to compression.c. */
#ifndef PROXY_NET_DECODER_H
#define PROXY_NET_DECODER_H

#include <stddef.h>

#include "base/buf.h"
#include "proxy/net/compression.h"

/* Appends `n` bytes at `from`, compressed, to `out`. False, with nothing appended, where that would not be shorter. */
bool net_encode(enum net_compression_method method, int level, const void *from, size_t n, struct buf *out);

void *net_decoder_new(enum net_compression_method method);
void net_decoder_free(enum net_compression_method method, void *decoder); /* NULL is nothing */

enum net_decoded {
    NET_DECODED_MORE, /* went on: it wants more bytes, or more room */
    NET_DECODED_END,  /* the body is whole */
    NET_DECODED_BAD,
};
struct net_decoder_step {
    const void *from;
    size_t from_len, used;
    void *to;
    size_t room, made;
};
/* Sets used and made. */
enum net_decoded net_decoder_step(enum net_compression_method method, void *decoder, struct net_decoder_step *step);

#endif
