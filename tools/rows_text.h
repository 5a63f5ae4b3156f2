/* A result as text for people and programs: aligned table, JSON, tab-separated values. Pure; leaves fetching to its
 * caller. */
#ifndef TOOLS_ROWS_TEXT_H
#define TOOLS_ROWS_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"

enum rows_format { ROWS_TABLE, ROWS_JSON, ROWS_TSV };

/* All-zero is an empty result. First the columns, then cells, row after row. */
struct rows {
    struct rows_column {
        struct slice name;
        bool number; /* right-aligned; bare in JSON */
    } *column;
    struct slice *cell; /* at == NULL: NULL */
    size_t n_columns, n_cells, cap;
};
void rows_add_column(struct rows *r, const char *name, bool number);
void rows_add_cell(struct rows *r, const void *bytes, size_t len); /* bytes NULL: NULL */
void rows_fini(struct rows *r);
size_t rows_count(const struct rows *r);

/* Appends the text. What is no UTF-8, and control characters, come out harmless: a table goes to a terminal. */
void rows_print(const struct rows *r, enum rows_format format, struct buf *out);

#endif
