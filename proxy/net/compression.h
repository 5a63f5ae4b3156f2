/* MySQL's compressed packets over a connection, both ways: frames, their numbers, zlib and zstd. Pure: bytes in, bytes out.
 * Leaves sockets and turns to conn_io, and what the bytes mean to the owner.
 *
 *   3 bytes length of the body | 1 byte number | 3 bytes length before compression, 0: the body is as it is | body
 */
#ifndef PROXY_NET_COMPRESSION_H
#define PROXY_NET_COMPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum net_compression_method { NET_COMPRESSION_ZLIB, NET_COMPRESSION_ZSTD };
#define NET_COMPRESSION_LEVEL_MAX 22 /* of zstd; 1 is the least */

/* `in` takes what comes from the peer, `out` holds what goes to it. A peer that is quiet costs this struct and nothing more: what
 * the libraries need lives no longer than a packet. */
struct net_compression {
    struct buf in, out;
    enum net_compression_method method;
    int level;             /* of zstd */
    uint8_t next_in;       /* number that the next packet has, where it does not begin a command */
    uint8_t next_out;
    bool inside;           /* of a packet, whose header was read */
    size_t body_left;      /* its bytes still to come */
    size_t plain_left;     /* what they still unpack to */
    bool pending;          /* unpacking stopped because enough was made, not for want of bytes */
    void *decoder;         /* of the packet under way; NULL: its body is as it is */
};

/* level: zstd's, 1 .. NET_COMPRESSION_LEVEL_MAX; of no meaning for zlib. Never NULL. */
struct net_compression *net_compression_new(enum net_compression_method method, int level);
void net_compression_free(struct net_compression *c); /* NULL is nothing */

/* Unpacks `in` into `to`, at most some `most` bytes; c->pending says whether more can be had by calling again. What a header
 * announces is never reserved ahead. False: not what the protocol allows, `why` (of why_size) says what; of no more use. */
bool net_compression_unpack(struct net_compression *c, struct buf *to, size_t most, char *why, size_t why_size) MUST_USE;
/* Packs the first bytes of `from`, as many as one packet of ours takes, into `out`. */
void net_compression_pack(struct net_compression *c, struct buf *from);
/* The packets from now on answer what was unpacked last: they are numbered behind it. */
void net_compression_answer(struct net_compression *c);

#endif
