/* Rows of text, gathered and sent. */
#include "proxy/session/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/session.h"

#define NULL_CELL 0xFFFFFFFFu

void session_table_init(struct session_table *t, const char *const *columns)
{
    *t = (struct session_table){.columns = columns};
    while (columns[t->n_columns])
        t->n_columns++;
    CHECK(t->n_columns && t->n_columns <= SESSION_TABLE_MAX);
}

void session_cell(struct session_table *t, const char *text)
{
    session_cell_bytes(t, (struct slice){(const uint8_t *)text, text ? strlen(text) : 0});
}

void session_cell_bytes(struct session_table *t, struct slice bytes)
{
    t->n_cells++;
    buf_u32le(&t->cells, bytes.at ? (uint32_t)bytes.len : NULL_CELL);
    buf_append(&t->cells, bytes.at, bytes.len);
}

void session_cell_number(struct session_table *t, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    session_cell(t, text);
}

void session_cell_printf(struct session_table *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    session_cell(t, text);
}

static struct wire_column column_of(const struct session_table *t, unsigned i)
{
    if (t->numbers & 1u << i)
        return (struct wire_column){.name = t->columns[i],
                                    .type = WIRE_TYPE_LONGLONG,
                                    .charset = WIRE_CHARSET_BINARY,
                                    .length = 21,
                                    .flags = WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY};
    return (struct wire_column){
        .name = t->columns[i], .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_UTF8MB4, .length = 4096};
}

static struct slice next_cell(struct cursor *c)
{
    uint32_t len = cursor_u32le(c);
    return len == NULL_CELL ? (struct slice){NULL, 0} : cursor_bytes(c, len);
}

struct slice *session_table_cells(const struct session_table *t)
{
    struct slice *cells = calloc(t->n_cells + 1, sizeof *cells);
    struct cursor c = cursor_make(buf_at(&t->cells), buf_len(&t->cells));
    CHECK(cells);
    for (unsigned i = 0; i < t->n_cells; i++)
        cells[i] = next_cell(&c);
    return cells;
}

void session_table_answer(struct session *s, struct session_table *t)
{
    struct wire_column columns[SESSION_TABLE_MAX];
    struct slice row[SESSION_TABLE_MAX];
    struct wire_resultset rs;
    struct cursor c = cursor_make(buf_at(&t->cells), buf_len(&t->cells));
    CHECK(t->n_cells % t->n_columns == 0);
    for (unsigned i = 0; i < t->n_columns; i++)
        columns[i] = column_of(t, i);
    session_answer_rows(s, &rs, columns, t->n_columns);
    for (unsigned cell = 0; cell < t->n_cells; cell++) {
        row[cell % t->n_columns] = next_cell(&c);
        if (cell % t->n_columns == t->n_columns - 1)
            wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
    buf_fini(&t->cells);
}
