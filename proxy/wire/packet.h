/* Frames of the MySQL protocol: 3 bytes length, 1 byte sequence, payload; a length of 0xFFFFFF means "goes on in the
 * next", so a payload of exactly that size is followed by an empty frame. Leaves the payload's meaning to the other
 * files of this folder. Source: MySQL internals manual, "MySQL Packets". */
#ifndef PROXY_WIRE_PACKET_H
#define PROXY_WIRE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define WIRE_HEADER 4
#define WIRE_PACKET_MAX 0xFFFFFFu

/* Appends one logical payload as one or more packets; *seq is the next sequence number and is moved on. */
void wire_packet_write(struct buf *out, uint8_t *seq, const void *payload, size_t len);
/* For building in place: wire_packet_begin leaves room for the header and says where (as a distance from the first byte
 * not consumed: nothing may be consumed in between); wire_packet_end fills it in and splits if needed. */
size_t wire_packet_begin(struct buf *out);
void wire_packet_end(struct buf *out, size_t begin, uint8_t *seq);

/* Gathers one whole logical payload (continued frames joined) from `in`. Used for client commands and log-in, never for
 * rows. */
enum wire_gather {
    WIRE_GATHERED,
    WIRE_MORE,        /* not all there yet */
    WIRE_TOO_BIG,     /* what the headers announce is more than max: said before the bytes are there */
    WIRE_BAD_SEQUENCE,
    WIRE_NO_MEMORY,
};
struct wire_gatherer {
    struct buf joined; /* used only when a payload spans frames */
    size_t in_place;   /* bytes of `in` that the payload handed out still occupies, its header included */
    bool any_seq;      /* inside compressed packets, whose own numbers count, clients are not exact about these */
    uint8_t next_seq;  /* expected: 0 before each command, set by the caller; after WIRE_GATHERED the reply's first */
};
/* On WIRE_GATHERED *payload is valid until `in` grows or wire_gather_done, which must be called before the next
 * wire_gather. */
enum wire_gather wire_gather(struct wire_gatherer *g, struct buf *in, size_t max, struct slice *payload);
void wire_gather_done(struct wire_gatherer *g, struct buf *in);
/* Instead of wire_gather_done: the payload becomes `out`, whose content goes. What is large is moved, not copied. */
void wire_gather_take(struct wire_gatherer *g, struct buf *in, struct buf *out);
/* Frames of a payload have come, and its last one has not. */
static inline bool wire_gather_is_open(const struct wire_gatherer *g) { return buf_len(&g->joined); }
void wire_gather_fini(struct wire_gatherer *g); /* all-zero is a valid gatherer; this gives its memory back */

/* Length-encoded integers and strings over the cursor; NULL (0xFB) sets *is_null where given, else is an error. The
 * string's `at` is NULL only for NULL and after an error. */
uint64_t wire_lenenc(struct cursor *c, bool *is_null);
struct slice wire_lenenc_str(struct cursor *c, bool *is_null);
void wire_lenenc_write(struct buf *out, uint64_t v);
void wire_lenenc_str_write(struct buf *out, const void *bytes, size_t n);

#endif
