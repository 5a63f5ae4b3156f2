/* A result of the admin listener: columns of text, rows gathered first, since they may come from other threads. Leaves sending to the
 * session's own answers. */
#ifndef PROXY_ADMIN_TABLE_H
#define PROXY_ADMIN_TABLE_H

#include <stdint.h>

#include "base/buf.h"

struct session;

#define ADMIN_MAX_COLUMNS 12
struct admin_table {
    const char *const *columns;
    unsigned n_columns;
    unsigned n_cells;  /* of all rows so far */
    struct buf cells;  /* each: 32-bit length, bytes; length 0xFFFFFFFF = NULL */
};

/* columns: NULL-terminated, static. */
void admin_table_init(struct admin_table *t, const char *const *columns);
/* The next cell of the current row; rows follow each other without a mark. NULL text = NULL. */
void admin_cell(struct admin_table *t, const char *text);
void admin_cell_number(struct admin_table *t, int64_t v);
void admin_cell_printf(struct admin_table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Answers with it, and frees it. The last row must be whole. */
void admin_table_answer(struct session *s, struct admin_table *t);

#endif
