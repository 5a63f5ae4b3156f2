/* Reads what came from a wire or a disk: every length is checked, the first error latches, and the caller asks once at
 * the end (after knot's wire_ctx). No pointer arithmetic on foreign bytes happens anywhere else. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* something was read that is not there; all later reads answer zero */
};

/* A stretch of foreign bytes; not NUL-terminated. `at` is NULL only for "absent". */
struct slice {
    const uint8_t *at;
    size_t len;
};

static inline struct cursor cursor_make(const void *bytes, size_t n)
{
    const uint8_t *at = bytes ? bytes : (const uint8_t *)""; /* of "absent": even NULL + 0 is not C */
    return (struct cursor){at, at + n, false};
}
static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->at); }
static inline bool cursor_done(const struct cursor *c) { return !c->bad && c->at == c->end; }

uint8_t cursor_peek(const struct cursor *c); /* next byte, 0 at the end; no error */
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16le(struct cursor *c);
uint32_t cursor_u24le(struct cursor *c);
uint32_t cursor_u32le(struct cursor *c);
uint64_t cursor_u64le(struct cursor *c);
struct slice cursor_bytes(struct cursor *c, size_t n);
struct slice cursor_rest(struct cursor *c);
struct slice cursor_until_nul(struct cursor *c); /* without the NUL, which is consumed; bad when there is none */
void cursor_skip(struct cursor *c, size_t n);
/* The next n bytes as a text with a NUL, the rest of out[size] zero; bad where it does not fit or holds a NUL itself. */
void cursor_text(struct cursor *c, size_t n, char *out, size_t size);

bool slice_is(struct slice s, const char *text);      /* byte for byte */
bool slice_is_word(struct slice s, const char *text); /* ASCII letters without case */
char *slice_dup(struct slice s);                      /* heap copy with a NUL; caller frees */

#endif
