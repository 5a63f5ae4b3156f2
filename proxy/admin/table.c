/* Rows of text, gathered and sent. */
#include "proxy/admin/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/session/session.h"

#define NULL_CELL 0xFFFFFFFFu

void admin_table_init(struct admin_table *t, const char *const *columns)
{
    *t = (struct admin_table){.columns = columns};
    while (columns[t->n_columns])
        t->n_columns++;
    CHECK(t->n_columns && t->n_columns <= ADMIN_MAX_COLUMNS);
}

void admin_cell(struct admin_table *t, const char *text)
{
    t->n_cells++;
    buf_u32le(&t->cells, text ? (uint32_t)strlen(text) : NULL_CELL);
    if (text)
        buf_text(&t->cells, text);
}

void admin_cell_number(struct admin_table *t, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    admin_cell(t, text);
}

void admin_cell_printf(struct admin_table *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    admin_cell(t, text);
}

void admin_table_answer(struct session *s, struct admin_table *t)
{
    struct wire_column columns[ADMIN_MAX_COLUMNS];
    struct slice row[ADMIN_MAX_COLUMNS];
    struct wire_resultset rs;
    struct cursor c = cursor_make(buf_at(&t->cells), buf_len(&t->cells));
    CHECK(t->n_cells % t->n_columns == 0);
    for (unsigned i = 0; i < t->n_columns; i++)
        columns[i] = (struct wire_column){
            .name = t->columns[i], .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_UTF8MB4, .length = 4096};
    session_answer_rows(s, &rs, columns, t->n_columns);
    for (unsigned cell = 0; cell < t->n_cells; cell++) {
        uint32_t len = cursor_u32le(&c);
        row[cell % t->n_columns] = len == NULL_CELL ? (struct slice){NULL, 0} : cursor_bytes(&c, len);
        if (cell % t->n_columns == t->n_columns - 1)
            wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
    buf_fini(&t->cells);
}
