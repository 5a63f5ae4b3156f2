/* A growable byte buffer, consumed at the front and appended at the back. Leaves limits to whoever fills it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct buf {
    uint8_t *data; /* heap, or NULL while nothing was ever stored */
    size_t start;  /* first byte not yet consumed */
    size_t end;    /* one past the last byte */
    size_t cap;
};

/* All-zero is a valid empty buffer. Out of memory aborts (CHECK): the amounts are bounded by configured limits. */
void buf_fini(struct buf *b);
static inline size_t buf_len(const struct buf *b) { return b->end - b->start; }
static inline uint8_t *buf_at(const struct buf *b) { return b->data ? b->data + b->start : NULL; }

/* Makes room for `n` more bytes at the back and returns where they go; buf_added(b, m <= n) then counts them in.
 * Pointers into the buffer are invalid afterwards. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* The same where a peer has the say over how much it is: NULL where there is no memory, and what was in it still is. */
uint8_t *buf_try_reserve(struct buf *b, size_t n) MUST_USE;
void buf_added(struct buf *b, size_t n);

void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_text(struct buf *b, const char *text); /* without the NUL */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16le(struct buf *b, uint16_t v);
void buf_u24le(struct buf *b, uint32_t v);
void buf_u32le(struct buf *b, uint32_t v);
void buf_u64le(struct buf *b, uint64_t v);
void buf_zeros(struct buf *b, size_t n);

void buf_consume(struct buf *b, size_t n);  /* n <= buf_len; memory is kept */
void buf_truncate(struct buf *b, size_t n); /* keep only the first n bytes that are not consumed */
void buf_clear(struct buf *b);              /* memory is kept */
void buf_shrink(struct buf *b);             /* gives memory back where the buffer is empty */

/* NUL-terminated view; the NUL does not count in buf_len. Valid until the buffer changes. */
const char *buf_cstr(struct buf *b);

#endif
