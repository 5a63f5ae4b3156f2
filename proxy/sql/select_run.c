/* The rows of a SELECT, of those that the table has: which are wanted, which of them are one, in which order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/sql/bytes.h"
#include "proxy/sql/select.h"

struct run {
    const struct sql_select *q;
    const struct slice *cells;
    unsigned n_columns;
};

struct found { /* a row, or several that are one */
    size_t row;
    uint64_t count;
};

/* Of SQL: what is asked about NULL is neither. */
enum truth { NO, UNKNOWN, YES };

/* --- values --------------------------------------------------------------------------------------------------------------- */

struct value {
    bool null, is_number;
    double number;
    struct slice text;
};

static double number_of(struct slice s)
{
    char text[64];
    size_t n = s.len < sizeof text - 1 ? s.len : sizeof text - 1;
    memcpy(text, s.at, n);
    text[n] = '\0';
    return strtod(text, NULL);
}

static struct value cell(const struct run *r, size_t row, int column)
{
    struct slice s = r->cells[row * r->n_columns + (unsigned)column];
    bool is_number = r->q->table->numbers & 1u << column;
    return (struct value){.null = !s.at, .is_number = is_number, .number = is_number && s.at ? number_of(s) : 0, .text = s};
}

static struct value value_of(const struct run *r, size_t row, const struct sql_select_operand *o)
{
    if (o->column >= 0)
        return cell(r, row, o->column);
    struct slice text = {buf_at(&r->q->bytes) + o->offset, o->len};
    return (struct value){.null = o->null, .is_number = o->number, .number = o->value, .text = text};
}

static int compare_texts(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++)
        if (byte_lower(a.at[i]) != byte_lower(b.at[i]))
            return byte_lower(a.at[i]) < byte_lower(b.at[i]) ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* As numbers where one is a number; texts without regard to case. Neither is NULL. */
static int compare_values(const struct value *a, const struct value *b)
{
    if (!a->is_number && !b->is_number)
        return compare_texts(a->text, b->text);
    double x = a->is_number ? a->number : number_of(a->text), y = b->is_number ? b->number : number_of(b->text);
    return x < y ? -1 : x > y;
}

/* --- WHERE ---------------------------------------------------------------------------------------------------------------- */

/* % any number of bytes, _ one, behind a backslash either is itself. What a % stands for grows where the rest does not fit. */
static bool is_like(struct slice text, struct slice pattern)
{
    size_t t = 0, p = 0, star = SIZE_MAX, from = 0;
    while (t < text.len) {
        bool escaped = p + 1 < pattern.len && pattern.at[p] == '\\';
        uint8_t wanted = p < pattern.len ? pattern.at[p + escaped] : 0;
        if (p < pattern.len && !escaped && wanted == '%') {
            star = ++p;
            from = t;
        } else if (p < pattern.len && ((!escaped && wanted == '_') || byte_lower(wanted) == byte_lower(text.at[t]))) {
            p += 1u + escaped;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++from;
        } else
            return false;
    }
    while (p < pattern.len && pattern.at[p] == '%')
        p++;
    return p == pattern.len;
}

static enum truth truth_of(bool yes)
{
    return yes ? YES : NO;
}

static enum truth compare(const struct sql_select_node *n, const struct value *a, const struct value *b)
{
    if (n->null_safe && (a->null || b->null))
        return truth_of(a->null && b->null);
    if (a->null || b->null)
        return UNKNOWN;
    int order = compare_values(a, b);
    return truth_of(order < 0 ? n->less : order > 0 ? n->greater : n->equal);
}

static struct slice text_of(const struct value *v, char scratch[32])
{
    if (v->text.at && v->text.len)
        return v->text;
    if (!v->is_number)
        return (struct slice){(const uint8_t *)"", 0};
    return (struct slice){(const uint8_t *)scratch, (size_t)snprintf(scratch, 32, "%.17g", v->number)};
}

static enum truth holds(const struct run *r, size_t row, int node)
{
    const struct sql_select_node *n = &r->q->node[node];
    char s[32], t[32];
    enum truth left, right;
    struct value a, b;
    switch (n->op) {
    case SQL_SELECT_AND:
        left = holds(r, row, n->left);
        right = left == NO ? NO : holds(r, row, n->right);
        return left < right ? left : right;
    case SQL_SELECT_OR:
        left = holds(r, row, n->left);
        right = left == YES ? YES : holds(r, row, n->right);
        return left > right ? left : right;
    case SQL_SELECT_NOT:
        return (enum truth)(YES - holds(r, row, n->left));
    default:
        a = value_of(r, row, &n->a);
        b = value_of(r, row, &n->b);
    }
    if (n->op == SQL_SELECT_IS_NULL)
        return truth_of(a.null);
    if (n->op == SQL_SELECT_COMPARE)
        return compare(n, &a, &b);
    return a.null || b.null ? UNKNOWN : truth_of(is_like(text_of(&a, s), text_of(&b, t)));
}

/* --- order ---------------------------------------------------------------------------------------------------------------- */

struct ordering {
    const struct run *run;
    const struct sql_select_key *keys;
    unsigned n;
};

static int by_count(const struct found *a, const struct found *b)
{
    return a->count < b->count ? -1 : a->count > b->count;
}

/* NULL comes first. */
static int by_column(const struct run *r, const struct found *a, const struct found *b, int column)
{
    struct value x = cell(r, a->row, column), y = cell(r, b->row, column);
    return x.null || y.null ? y.null - x.null : compare_values(&x, &y);
}

static int by_keys(const struct ordering *o, const struct found *a, const struct found *b)
{
    for (unsigned i = 0; i < o->n; i++) {
        int column = o->keys[i].column;
        int order = column == SQL_SELECT_COUNT ? by_count(a, b) : by_column(o->run, a, b, column);
        if (order)
            return o->keys[i].descending ? -order : order;
    }
    return 0;
}

/* Those that are equal stay as they came. */
static int by_keys_then_row(const void *a, const void *b, void *ordering)
{
    const struct found *x = a, *y = b;
    int order = by_keys(ordering, x, y);
    return order ? order : x->row < y->row ? -1 : x->row > y->row;
}

static size_t merge_equal(struct run *r, struct found *found, size_t n)
{
    struct ordering o = {r, r->q->group, r->q->n_group};
    size_t groups = 0;
    qsort_r(found, n, sizeof *found, by_keys_then_row, &o);
    for (size_t i = 0; i < n; i++) {
        if (groups && !by_keys(&o, &found[groups - 1], &found[i]))
            found[groups - 1].count += found[i].count;
        else
            found[groups++] = found[i];
    }
    return groups;
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

static size_t find(const struct run *r, size_t n_rows, struct found *found)
{
    size_t n = 0;
    for (size_t row = 0; row < n_rows; row++)
        if (r->q->where < 0 || holds(r, row, r->q->where) == YES)
            found[n++] = (struct found){row, 1};
    return n;
}

static void tell(const struct run *r, const struct found *f, void (*each)(void *arg, const struct slice *row), void *arg)
{
    struct slice row[SQL_SELECT_MAX];
    char count[24];
    int len = snprintf(count, sizeof count, "%llu", (unsigned long long)f->count);
    for (unsigned i = 0; i < r->q->n_items; i++) {
        int column = r->q->item[i].column;
        bool counts = column == SQL_SELECT_COUNT;
        row[i] = counts ? (struct slice){(const uint8_t *)count, (size_t)len}
                        : r->cells[f->row * r->n_columns + (unsigned)column];
    }
    each(arg, row);
}

void sql_select_run(const struct sql_select *q, const struct slice *cells, size_t n_rows,
                    void (*each)(void *arg, const struct slice *row), void *arg)
{
    struct run r = {q, cells, 0};
    struct ordering o = {&r, q->order, q->n_order};
    struct found *found = calloc(n_rows + 1, sizeof *found);
    CHECK(found);
    while (q->table->columns[r.n_columns])
        r.n_columns++;
    size_t n = find(&r, n_rows, found);
    if (q->grouped)
        n = merge_equal(&r, found, n);
    if (q->grouped && !q->n_group && !n)
        found[n++] = (struct found){0, 0}; /* COUNT(*) of nothing is a row, too */
    if (q->n_order)
        qsort_r(found, n, sizeof *found, by_keys_then_row, &o);
    for (size_t i = q->offset; i < n && i - q->offset < q->limit; i++)
        tell(&r, &found[i], each, arg);
    free(found);
}
