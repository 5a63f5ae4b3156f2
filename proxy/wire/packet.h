/* Frames of the MySQL protocol: 3 bytes length, 1 byte sequence, payload; 0xFFFFFF means "goes on in the next".
 * Source: MySQL internals manual, "MySQL Packets". */
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
/* For building in place: wire_packet_begin remembers where the header goes; wire_packet_end fills it in (splits if needed). */
size_t wire_packet_begin(struct buf *out);
void wire_packet_end(struct buf *out, size_t begin, uint8_t *seq);

/* Gathers one whole logical payload (continued packets joined) from `in`. Used for client commands and log-in, never for rows.
 * WIRE_MORE: not all there yet. The limit is checked on the announced sum before anything is kept. */
enum wire_gather { WIRE_GATHERED, WIRE_MORE, WIRE_TOO_BIG, WIRE_BAD_SEQUENCE };
struct wire_gatherer {
    struct buf joined; /* used only when a payload spans packets */
    uint8_t next_seq;  /* expected; the caller sets it to 0 before each command */
};
/* On WIRE_GATHERED *payload is valid until `in` is consumed by wire_gather_done. */
enum wire_gather wire_gather(struct wire_gatherer *g, struct buf *in, size_t max, struct slice *payload);
void wire_gather_done(struct wire_gatherer *g, struct buf *in);

/* Length-encoded integers and strings over the cursor; NULL (0xFB) sets *is_null where given, else is an error. */
uint64_t wire_lenenc(struct cursor *c, bool *is_null);
struct slice wire_lenenc_str(struct cursor *c, bool *is_null);
void wire_lenenc_write(struct buf *out, uint64_t v);
void wire_lenenc_str_write(struct buf *out, const void *bytes, size_t n);

#endif
