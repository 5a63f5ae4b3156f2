/* Packets in tests are written as hex, as a capture shows them; blanks are for the eye. Heap copies of the exact size,
 * so that a sanitizer sees any read past the end. */
#ifndef TESTS_UNIT_WIRE_HEX_H
#define TESTS_UNIT_WIRE_HEX_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"

/* The caller frees .at. */
static inline struct slice slice_copy(const void *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, bytes, n);
    return (struct slice){copy, n};
}

static inline void slice_free(struct slice s)
{
    free((void *)(uintptr_t)s.at);
}

static inline struct slice from_hex(const char *hex)
{
    struct buf b = {0};
    unsigned byte;
    for (int used; sscanf(hex, " %2x%n", &byte, &used) == 1; hex += used)
        buf_u8(&b, (uint8_t)byte);
    struct slice s = slice_copy(buf_len(&b) ? buf_at(&b) : NULL, buf_len(&b));
    buf_fini(&b);
    return s;
}

static inline bool buf_is_hex(const struct buf *b, const char *hex)
{
    struct slice s = from_hex(hex);
    bool same = s.len == buf_len(b) && (!s.len || !memcmp(s.at, buf_at(b), s.len));
    if (!same) {
        printf("\n  is  ");
        for (size_t i = 0; i < buf_len(b); i++)
            printf("%02x", buf_at(b)[i]);
        printf("\n  not %s\n", hex);
    }
    slice_free(s);
    return same;
}

static inline bool slices_same(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static inline struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

#endif
