/* Lists of byte strings. */
#include "compensate/argv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void comp_argv_add(struct comp_argv *a, const void *bytes, size_t n)
{
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 16;
        void *grown = realloc(a->arg, cap * sizeof *a->arg);
        CHECK(grown);
        a->arg = grown;
        a->cap = cap;
    }
    a->arg[a->n].offset = buf_len(&a->bytes);
    a->arg[a->n].len = n;
    a->n++;
    buf_append(&a->bytes, bytes, n);
}

void comp_argv_extend(struct comp_argv *a, const void *bytes, size_t n)
{
    CHECK(a->n > 0);
    a->arg[a->n - 1].len += n;
    buf_append(&a->bytes, bytes, n);
}

void comp_argv_text(struct comp_argv *a, const char *text)
{
    comp_argv_add(a, text, strlen(text));
}

void comp_argv_number(struct comp_argv *a, int64_t v)
{
    char text[24];
    comp_argv_add(a, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v));
}

struct slice comp_argv_at(const struct comp_argv *a, size_t i)
{
    CHECK(i < a->n);
    static const uint8_t nothing[1];
    if (!a->arg[i].len)
        return (struct slice){nothing, 0};
    return (struct slice){buf_at(&a->bytes) + a->arg[i].offset, a->arg[i].len};
}

void comp_argv_clear(struct comp_argv *a)
{
    a->n = 0;
    buf_clear(&a->bytes);
}

void comp_argv_fini(struct comp_argv *a)
{
    buf_fini(&a->bytes);
    free(a->arg);
    *a = (struct comp_argv){0};
}
