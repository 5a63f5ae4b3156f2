/* A command as a list of byte strings: what goes to Redis, built without knowing any connection. */
#ifndef COMPENSATE_ARGV_H
#define COMPENSATE_ARGV_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

struct comp_argv {
    struct buf bytes;            /* all arguments, end to end */
    struct { size_t offset, len; } *arg;
    size_t n, cap;
};
void comp_argv_add(struct comp_argv *a, const void *bytes, size_t n);
/* More bytes at the end of the last argument. */
void comp_argv_extend(struct comp_argv *a, const void *bytes, size_t n);
void comp_argv_text(struct comp_argv *a, const char *text);
void comp_argv_number(struct comp_argv *a, int64_t v);
struct slice comp_argv_at(const struct comp_argv *a, size_t i); /* valid until the next add */
void comp_argv_clear(struct comp_argv *a);
void comp_argv_fini(struct comp_argv *a);

#endif
