/* Compressed packets of a peer, in pieces of any size. Input: method, piece size, portion asked for, then the stream; and
 * whatever it is, packed by us it comes back. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/net/compression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(struct net_compression *c, struct buf *to, size_t most, bool *fine)
{
    char why[100] = "";
    do {
        size_t had = buf_len(to);
        *fine = net_compression_unpack(c, to, most, why, sizeof why);
        CHECK(buf_len(to) - had <= most && *fine == !*why);
    } while (*fine && c->pending);
}

static void take(enum net_compression_method method, size_t piece, size_t most, const uint8_t *data, size_t size)
{
    struct net_compression *c = net_compression_new(method, 1);
    struct buf got = {0};
    bool fine = true;
    while (fine && size) {
        size_t n = size < piece ? size : piece;
        buf_append(&c->in, data, n);
        data += n;
        size -= n;
        unpack(c, &got, most, &fine);
        buf_clear(&got);
    }
    net_compression_free(c);
    buf_fini(&got);
}

static void round_trip(enum net_compression_method method, const uint8_t *data, size_t size)
{
    struct net_compression *from = net_compression_new(method, 1), *to = net_compression_new(method, 1);
    struct buf plain = {0}, got = {0};
    bool fine = true;
    buf_append(&plain, data, size);
    while (buf_len(&plain))
        net_compression_pack(from, &plain);
    buf_append(&to->in, buf_at(&from->out), buf_len(&from->out));
    unpack(to, &got, 1 << 20, &fine);
    CHECK(fine && buf_len(&got) == size && (!size || !memcmp(buf_at(&got), data, size)));
    net_compression_free(from);
    net_compression_free(to);
    buf_fini(&plain);
    buf_fini(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    enum net_compression_method method = data[0] & 1 ? NET_COMPRESSION_ZSTD : NET_COMPRESSION_ZLIB;
    take(method, data[1] + 1u, 1u + data[2] * 64u, data + 3, size - 3);
    round_trip(method, data + 3, size - 3);
    return 0;
}
