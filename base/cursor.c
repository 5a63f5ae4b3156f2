/* The checked reader. */
#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->bad || n > cursor_left(c)) {
        c->bad = true;
        c->at = c->end;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += n;
    return p;
}

static uint64_t take_le(struct cursor *c, size_t n)
{
    const uint8_t *p = take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t cursor_peek(const struct cursor *c) { return c->at < c->end ? *c->at : 0; }
uint8_t cursor_u8(struct cursor *c) { return (uint8_t)take_le(c, 1); }
uint16_t cursor_u16le(struct cursor *c) { return (uint16_t)take_le(c, 2); }
uint32_t cursor_u24le(struct cursor *c) { return (uint32_t)take_le(c, 3); }
uint32_t cursor_u32le(struct cursor *c) { return (uint32_t)take_le(c, 4); }
uint64_t cursor_u64le(struct cursor *c) { return take_le(c, 8); }

struct slice cursor_bytes(struct cursor *c, size_t n)
{
    const uint8_t *p = take(c, n);
    return (struct slice){p, p ? n : 0};
}

struct slice cursor_rest(struct cursor *c)
{
    return cursor_bytes(c, cursor_left(c));
}

struct slice cursor_until_nul(struct cursor *c)
{
    const uint8_t *nul = cursor_left(c) ? memchr(c->at, 0, cursor_left(c)) : NULL;
    if (!nul) {
        c->bad = true;
        c->at = c->end;
        return (struct slice){NULL, 0};
    }
    struct slice s = {c->at, (size_t)(nul - c->at)};
    c->at = nul + 1;
    return s;
}

void cursor_skip(struct cursor *c, size_t n)
{
    take(c, n);
}

void cursor_text(struct cursor *c, size_t n, char *out, size_t size)
{
    struct slice s = cursor_bytes(c, n);
    memset(out, 0, size);
    if (s.len >= size || (s.len && memchr(s.at, 0, s.len)))
        c->bad = true;
    else if (s.len)
        memcpy(out, s.at, s.len);
}

bool slice_is(struct slice s, const char *text)
{
    return strlen(text) == s.len && (!s.len || !memcmp(s.at, text, s.len));
}

bool slice_is_word(struct slice s, const char *text)
{
    return strlen(text) == s.len && (!s.len || !strncasecmp((const char *)s.at, text, s.len));
}

char *slice_dup(struct slice s)
{
    char *copy = malloc(s.len + 1);
    CHECK(copy);
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}
