/* A result of the proxy's own making: rows gathered first, since they may come from other threads. Leaves sending to the
 * session's own answers. */
#ifndef PROXY_SESSION_TABLE_H
#define PROXY_SESSION_TABLE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

struct session;

#define SESSION_TABLE_MAX 32 /* columns */
struct session_table {
    const char *const *columns;
    unsigned n_columns;
    unsigned numbers;  /* bits: columns of unsigned integers; the others are text */
    unsigned n_cells;  /* of all rows so far */
    struct buf cells;  /* each: 32-bit length, bytes; length 0xFFFFFFFF = NULL */
};

/* columns: NULL-terminated, static. */
void session_table_init(struct session_table *t, const char *const *columns);
/* The next cell of the current row; rows follow each other without a mark. NULL text = NULL. */
void session_cell(struct session_table *t, const char *text);
void session_cell_bytes(struct session_table *t, struct slice bytes); /* at NULL = NULL */
void session_cell_number(struct session_table *t, int64_t v);
void session_cell_printf(struct session_table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* All its cells, one after another, valid as long as it gets no more. The caller frees the array. */
struct slice *session_table_cells(const struct session_table *t);
/* Answers with it, and frees it. The last row must be whole. */
void session_table_answer(struct session *s, struct session_table *t);

#endif
