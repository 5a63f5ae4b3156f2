/* The growable buffer: doubling, sliding down when the front is free. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

uint8_t *buf_try_reserve(struct buf *b, size_t n)
{
    if (b->cap - b->end >= n && b->data)
        return b->data + b->end;
    size_t len = buf_len(b), cap = b->cap ? b->cap : 256;
    bool fits = b->start && b->cap >= len + n && b->start >= len;
    if (b->start)
        memmove(b->data, b->data + b->start, len);
    b->start = 0;
    b->end = len;
    while (cap < len + n)
        cap *= 2;
    uint8_t *data = fits ? b->data : realloc(b->data, cap); /* large ones move without being copied, and are never there twice */
    if (!data)
        return NULL;
    b->data = data;
    b->cap = cap;
    return data + len;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    uint8_t *at = buf_try_reserve(b, n);
    CHECK(at);
    return at;
}

void buf_added(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->end);
    b->end += n;
}

void buf_append(struct buf *b, const void *bytes, size_t n)
{
    if (!n)
        return;
    memcpy(buf_reserve(b, n), bytes, n);
    b->end += n;
}

void buf_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(n >= 0);
    va_start(args, fmt);
    vsnprintf((char *)buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, args);
    va_end(args);
    b->end += (size_t)n;
}

static void append_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *p = buf_reserve(b, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
    b->end += n;
}

void buf_u8(struct buf *b, uint8_t v) { append_le(b, v, 1); }
void buf_u16le(struct buf *b, uint16_t v) { append_le(b, v, 2); }
void buf_u24le(struct buf *b, uint32_t v) { append_le(b, v, 3); }
void buf_u32le(struct buf *b, uint32_t v) { append_le(b, v, 4); }
void buf_u64le(struct buf *b, uint64_t v) { append_le(b, v, 8); }

void buf_zeros(struct buf *b, size_t n)
{
    if (!n)
        return;
    memset(buf_reserve(b, n), 0, n);
    b->end += n;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= buf_len(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buf_truncate(struct buf *b, size_t n)
{
    CHECK(n <= buf_len(b));
    b->end = b->start + n;
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

void buf_shrink(struct buf *b)
{
    if (!buf_len(b))
        buf_fini(b);
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = 0;
    return (const char *)buf_at(b);
}
