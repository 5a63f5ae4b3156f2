/* Three writers over one result. */
#include "tools/rows_text.h"

#include <stdlib.h>
#include <string.h>

/* A heap copy of its own; never NULL, which means NULL. */
static struct slice copy(const void *bytes, size_t len)
{
    uint8_t *p = malloc(len + 1);
    CHECK(p);
    if (len)
        memcpy(p, bytes, len);
    return (struct slice){p, len};
}

void rows_add_column(struct rows *r, const char *name, bool number)
{
    CHECK(!r->n_cells);
    r->column = realloc(r->column, (r->n_columns + 1) * sizeof *r->column);
    CHECK(r->column);
    r->column[r->n_columns++] = (struct rows_column){copy(name, strlen(name)), number};
}

void rows_add_cell(struct rows *r, const void *bytes, size_t len)
{
    if (r->n_cells == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->cell = realloc(r->cell, r->cap * sizeof *r->cell);
        CHECK(r->cell);
    }
    r->cell[r->n_cells++] = bytes ? copy(bytes, len) : (struct slice){NULL, 0};
}

void rows_fini(struct rows *r)
{
    for (size_t i = 0; i < r->n_columns; i++)
        free((void *)r->column[i].name.at);
    for (size_t i = 0; i < r->n_cells; i++)
        free((void *)r->cell[i].at);
    free(r->column);
    free(r->cell);
    *r = (struct rows){0};
}

size_t rows_count(const struct rows *r)
{
    return r->n_columns ? r->n_cells / r->n_columns : 0;
}

/* Bytes of the UTF-8 character at `at`; 0: it is none (cut, overlong, surrogate). */
static size_t utf8_length(struct slice s, size_t at)
{
    uint8_t c = s.at[at];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n > s.len - at)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.at[at + i] & 0xc0) != 0x80)
            return 0;
    uint8_t next = n > 1 ? s.at[at + 1] : 0;
    bool bad = (c == 0xe0 && next < 0xa0) || (c == 0xed && next >= 0xa0) || (c == 0xf0 && next < 0x90) ||
               (c == 0xf4 && next >= 0x90);
    return bad ? 0 : n;
}


/* Appends what stands for a character that may not stand as it is; false: it may. */
static bool escape_terminal(struct buf *out, uint8_t c)
{
    if (c >= 0x20 && c != 0x7f)
        return false;
    buf_printf(out, "\\x%02x", c);
    return true;
}

static bool escape_tsv(struct buf *out, uint8_t c)
{
    const char *text = c == '\t' ? "\\t" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\\' ? "\\\\" : NULL;
    if (!text)
        return escape_terminal(out, c);
    buf_text(out, text);
    return true;
}

static bool escape_json(struct buf *out, uint8_t c)
{
    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", c);
    else
        return false;
    return true;
}

/* U+0080 to U+009F: to a terminal they are controls as ESC and a letter are, and JSON lets them pass. */
static bool escape_c1(struct buf *out, struct slice s, size_t at, bool (*escape)(struct buf *, uint8_t))
{
    if (s.at[at] != 0xc2 || s.at[at + 1] >= 0xa0)
        return false;
    buf_printf(out, escape == escape_json ? "\\u%04x" : "\\x%02x", s.at[at + 1]);
    return true;
}

/* Returns how many columns of a terminal it takes, one a character. */
static size_t append_text(struct buf *out, struct slice s, bool (*escape)(struct buf *, uint8_t))
{
    size_t width = 0;
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_length(s, i), before = buf_len(out);
        bool escaped = n > 1 ? escape_c1(out, s, i, escape) : n && escape(out, s.at[i]);
        if (!n)
            buf_text(out, "\xef\xbf\xbd"); /* the replacement character */
        else if (!escaped)
            buf_append(out, s.at + i, n);
        width += escaped ? buf_len(out) - before : 1;
        i += n ? n : 1;
    }
    return width;
}

static const struct slice null_text = {(const uint8_t *)"-", 1};

static void pad(struct buf *out, size_t n)
{
    while (n--)
        buf_u8(out, ' ');
}

static size_t width_of(struct slice s)
{
    struct buf scratch = {0};
    size_t width = append_text(&scratch, s.at ? s : null_text, escape_terminal);
    buf_fini(&scratch);
    return width;
}

/* The last column is not padded: lines end where their text ends. */
static void append_aligned(struct buf *out, struct slice s, size_t width, bool right, bool last)
{
    struct slice text = s.at ? s : null_text;
    size_t own = width_of(text);
    if (right)
        pad(out, width - own);
    append_text(out, text, escape_terminal);
    if (!right && !last)
        pad(out, width - own);
    buf_text(out, last ? "\n" : "  ");
}

static void print_table(const struct rows *r, struct buf *out)
{
    size_t *width = calloc(r->n_columns + 1, sizeof *width);
    CHECK(width);
    for (size_t i = 0; i < r->n_columns + r->n_cells; i++) {
        size_t column = i % r->n_columns;
        size_t w = width_of(i < r->n_columns ? r->column[i].name : r->cell[i - r->n_columns]);
        width[column] = w > width[column] ? w : width[column];
    }
    for (size_t i = 0; i < r->n_columns + r->n_cells; i++) {
        size_t column = i % r->n_columns;
        struct slice text = i < r->n_columns ? r->column[i].name : r->cell[i - r->n_columns];
        append_aligned(out, text, width[column], r->column[column].number, column + 1 == r->n_columns);
    }
    free(width);
}

static void print_tsv(const struct rows *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_columns + r->n_cells; i++) {
        struct slice text = i < r->n_columns ? r->column[i].name : r->cell[i - r->n_columns];
        if (text.at)
            append_text(out, text, escape_tsv);
        else
            buf_text(out, "\\N");
        buf_text(out, (i + 1) % r->n_columns ? "\t" : "\n");
    }
}

static void append_json_string(struct buf *out, struct slice s)
{
    buf_u8(out, '"');
    append_text(out, s, escape_json);
    buf_u8(out, '"');
}

/* Servers write numbers that JSON knows, but for ZEROFILL and the like. */
static bool is_json_number(struct slice s)
{
    size_t i = s.len && s.at[0] == '-', digits = 0, points = 0;
    bool leading_zero = s.len > i + 1 && s.at[i] == '0' && s.at[i + 1] != '.';
    for (; i < s.len; i++) {
        bool digit = s.at[i] >= '0' && s.at[i] <= '9';
        bool point = s.at[i] == '.' && digits && !points && i + 1 < s.len;
        if (!digit && !point)
            return false;
        digits += digit;
        points += point;
    }
    return digits && !leading_zero;
}

static void print_json(const struct rows *r, struct buf *out)
{
    buf_text(out, "[");
    for (size_t i = 0; i < r->n_cells; i++) {
        size_t column = i % r->n_columns;
        buf_text(out, column ? ", " : i ? ",\n {" : "\n {");
        append_json_string(out, r->column[column].name);
        buf_text(out, ": ");
        if (!r->cell[i].at)
            buf_text(out, "null");
        else if (r->column[column].number && is_json_number(r->cell[i]))
            buf_append(out, r->cell[i].at, r->cell[i].len);
        else
            append_json_string(out, r->cell[i]);
        if (column + 1 == r->n_columns)
            buf_u8(out, '}');
    }
    buf_text(out, r->n_cells ? "\n]\n" : "]\n");
}

void rows_print(const struct rows *r, enum rows_format format, struct buf *out)
{
    CHECK(!r->n_columns || r->n_cells % r->n_columns == 0);
    if (format == ROWS_JSON)
        print_json(r, out);
    else if (r->n_columns && format == ROWS_TSV)
        print_tsv(r, out);
    else if (r->n_columns)
        print_table(r, out);
}
