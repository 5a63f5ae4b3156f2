/* XA RECOVER's answer cut into names, sorted for looking up. */
#include "proxy/resolver/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_of(struct slice s)
{
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)s.len, s.at ? (const char *)s.at : "");
    return strtoull(text, NULL, 10);
}

static struct slice copy_of(struct slice s)
{
    return (struct slice){(const uint8_t *)slice_dup(s), s.len};
}

/* formatID, gtrid_length, bqual_length, data */
static void on_row(void *arg, const struct slice *value, unsigned n)
{
    struct rows *rows = arg;
    if (n < 4 || !value[3].at)
        return;
    struct cursor data = cursor_make(value[3].at, value[3].len);
    struct slice gtrid = cursor_bytes(&data, number_of(value[1])), bqual = cursor_bytes(&data, number_of(value[2]));
    if (!cursor_done(&data)) {
        rows->odd = true;
        return;
    }
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? 2 * rows->cap : 16;
        rows->at = realloc(rows->at, rows->cap * sizeof *rows->at);
        CHECK(rows->at);
    }
    rows->at[rows->n++] = (struct row){number_of(value[0]), copy_of(gtrid), copy_of(bqual)};
}

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = compare(x->gtrid, y->gtrid);
    return order ? order : compare(x->bqual, y->bqual);
}

bool rows_list(struct rows *out, struct server *server)
{
    if (server_ask(server, "XA RECOVER", on_row, out) || out->odd)
        return false;
    if (out->n)
        qsort(out->at, out->n, sizeof *out->at, compare_rows);
    return true;
}

bool rows_have(const struct rows *rows, struct slice gtrid, struct slice bqual)
{
    struct row key = {.gtrid = gtrid, .bqual = bqual};
    return rows->n && bsearch(&key, rows->at, rows->n, sizeof *rows->at, compare_rows);
}

void rows_fini(struct rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        free((void *)(uintptr_t)rows->at[i].gtrid.at);
        free((void *)(uintptr_t)rows->at[i].bqual.at);
    }
    free(rows->at);
    *rows = (struct rows){0};
}
