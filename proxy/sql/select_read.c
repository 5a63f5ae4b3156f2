/* A SELECT of a table of the proxy's own, from text to struct sql_select. Leaves its condition to select_where.c, its rows to
 * select_run.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proxy/sql/select_impl.h"

void select_fail(struct select_reader *r, uint16_t code, const char *sqlstate, const char *fmt, ...)
{
    va_list args;
    if (r->error->code)
        return;
    va_start(args, fmt);
    r->error->code = code;
    snprintf(r->error->sqlstate, sizeof r->error->sqlstate, "%s", sqlstate);
    vsnprintf(r->error->text, sizeof r->error->text, fmt, args);
    va_end(args);
}

void select_fail_here(struct select_reader *r)
{
    struct slice at = r->in.ahead.text;
    if (r->in.ahead.kind == SQL_END)
        select_fail(r, 1064, "42000", "You have an error in your SQL syntax: it ends too early");
    else
        select_fail(r, 1235, "42000",
                    "of xa.%s there is SELECT [DISTINCT] columns or COUNT(*) with WHERE (comparisons, IN, BETWEEN, LIKE, IS"
                    " NULL), GROUP BY, ORDER BY and LIMIT, but not '%.*s'",
                    r->q->table->name, (int)(at.len < 40 ? at.len : 40), (const char *)at.at);
}

void select_expect_word(struct select_reader *r, const char *word)
{
    if (!sql_accept_word(&r->in, word))
        select_fail_here(r);
}

void select_expect_punct(struct select_reader *r, char c)
{
    if (!sql_accept_punct(&r->in, c))
        select_fail_here(r);
}

static bool is_any_word(const struct sql_token *t, const char *const *words)
{
    for (; *words; words++)
        if (sql_is_word(t, *words))
            return true;
    return false;
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

static void take_name(struct select_reader *r, char out[SQL_NAME_SIZE])
{
    struct sql_token t = r->in.ahead;
    out[0] = '\0';
    if (!sql_is_name(&t) || !sql_token_name(&r->in.lexer, &t, out))
        select_fail_here(r);
    else
        sql_take(&r->in);
}

/* An alias, with or without AS, which may be a string; nothing where a word of the grammar follows. */
static void take_alias(struct select_reader *r, char out[SQL_NAME_SIZE])
{
    static const char *const words[] = {"FROM",  "WHERE", "GROUP", "ORDER",   "LIMIT",         "HAVING", "FOR",       "LOCK", "JOIN",
                                        "INNER", "LEFT",  "RIGHT", "CROSS",   "NATURAL",       "UNION",  "PROCEDURE", "INTO", "OFFSET",
                                        "STRAIGHT_JOIN", NULL};
    bool said = sql_accept_word(&r->in, "AS");
    struct sql_token t = r->in.ahead;
    if (said && t.kind == SQL_STRING && sql_token_name(&r->in.lexer, &t, out))
        sql_take(&r->in);
    else if (said || (sql_is_name(&t) && !is_any_word(&t, words)))
        take_name(r, out);
}

/* Of a qualified name the part in front: the table or what it is called here. */
static void check_table(struct select_reader *r, const char *name)
{
    if (strcasecmp(name, *r->alias ? r->alias : r->q->table->name))
        select_fail(r, 1054, "42S22", "Unknown table '%.100s'", name);
}

static int find_column(struct select_reader *r, const char *name)
{
    for (int i = 0; r->q->table->columns[i]; i++)
        if (!strcasecmp(r->q->table->columns[i], name))
            return i;
    select_fail(r, 1054, "42S22", "Unknown column '%.100s' in xa.%s", name, r->q->table->name);
    return 0;
}

/* Behind the first of its names. */
static void take_further_names(struct select_reader *r, char name[SQL_NAME_SIZE])
{
    for (int parts = 1; parts < 3 && sql_accept_punct(&r->in, '.'); parts++) {
        bool star = sql_is_punct(&r->in.ahead, '*');
        if (parts == 2 || star || strcasecmp(name, "xa"))
            check_table(r, name);
        if (star)
            return;
        take_name(r, name);
    }
    if (sql_is_punct(&r->in.ahead, '(')) /* a function */
        select_fail_here(r);
}

int select_column(struct select_reader *r)
{
    char name[SQL_NAME_SIZE];
    take_name(r, name);
    take_further_names(r, name);
    return select_failed(r) ? 0 : find_column(r, name);
}

/* --- the list ------------------------------------------------------------------------------------------------------------- */

static struct sql_select_item *add_item(struct select_reader *r, int column, const char *name)
{
    struct sql_select *q = r->q;
    if (q->n_items == SQL_SELECT_MAX)
        select_fail(r, 1117, "HY000", "Too many columns");
    if (select_failed(r))
        return &r->nowhere;
    struct sql_select_item *item = &q->item[q->n_items++];
    item->column = column;
    snprintf(item->name, sizeof item->name, "%s", name);
    return item;
}

static void add_all(struct select_reader *r)
{
    for (int i = 0; r->q->table->columns[i]; i++)
        add_item(r, i, r->q->table->columns[i]);
}

/* COUNT(*), COUNT(1) */
static bool accept_count(struct select_reader *r)
{
    struct sql_tokens ahead = r->in;
    if (!sql_accept_word(&ahead, "COUNT") || !sql_accept_punct(&ahead, '('))
        return false;
    if (!sql_accept_punct(&ahead, '*') && ahead.ahead.kind == SQL_NUMBER)
        sql_take(&ahead);
    if (!sql_accept_punct(&ahead, ')'))
        return false;
    r->in = ahead;
    return true;
}

static void read_item(struct select_reader *r)
{
    char name[SQL_NAME_SIZE];
    if (sql_accept_punct(&r->in, '*')) {
        add_all(r);
        return;
    }
    if (accept_count(r)) {
        take_alias(r, add_item(r, SQL_SELECT_COUNT, "COUNT(*)")->name);
        return;
    }
    take_name(r, name);
    take_further_names(r, name);
    if (select_failed(r))
        return;
    if (sql_accept_punct(&r->in, '*'))
        add_all(r);
    else
        take_alias(r, add_item(r, find_column(r, name), name)->name);
}

/* --- GROUP BY, ORDER BY, LIMIT -------------------------------------------------------------------------------------------- */

static int item_named(const struct sql_select *q, const char *name)
{
    for (unsigned i = 0; i < q->n_items; i++)
        if (!strcasecmp(q->item[i].name, name))
            return (int)i;
    return -1;
}

/* A position in the list, an alias, COUNT(*) or a column. */
static int take_key_column(struct select_reader *r)
{
    char name[SQL_NAME_SIZE];
    if (r->in.ahead.kind == SQL_NUMBER) {
        double position = select_number(r, 1).value;
        if (position >= 1 && position <= r->q->n_items)
            return r->q->item[(unsigned)position - 1].column;
        select_fail(r, 1054, "42S22", "Unknown column '%.0f' in ORDER BY or GROUP BY", position);
        return 0;
    }
    if (accept_count(r))
        return SQL_SELECT_COUNT;
    take_name(r, name);
    int item = item_named(r->q, name);
    if (item >= 0 && !sql_is_punct(&r->in.ahead, '.'))
        return r->q->item[item].column;
    take_further_names(r, name);
    return select_failed(r) ? 0 : find_column(r, name);
}

static unsigned read_keys(struct select_reader *r, struct sql_select_key keys[SQL_SELECT_MAX])
{
    unsigned n = 0;
    select_expect_word(r, "BY");
    do {
        if (n == SQL_SELECT_MAX)
            select_fail(r, 1117, "HY000", "Too many columns");
        if (select_failed(r))
            return n;
        keys[n].column = take_key_column(r);
        keys[n].descending = sql_accept_word(&r->in, "DESC");
        if (!keys[n++].descending)
            (void)sql_accept_word(&r->in, "ASC");
    } while (sql_accept_punct(&r->in, ','));
    return n;
}

static uint64_t take_rows(struct select_reader *r)
{
    double n = select_number(r, 1).value;
    return n < 1e18 ? (uint64_t)n : UINT64_MAX;
}

static void read_limit(struct select_reader *r)
{
    r->q->limit = take_rows(r);
    if (sql_accept_punct(&r->in, ',')) {
        r->q->offset = r->q->limit;
        r->q->limit = take_rows(r);
    } else if (sql_accept_word(&r->in, "OFFSET"))
        r->q->offset = take_rows(r);
}

/* Of rows that are one, only what is the same in all of them can be shown. */
static void check_group(struct select_reader *r, int column)
{
    bool found = column == SQL_SELECT_COUNT;
    for (unsigned i = 0; i < r->q->n_group; i++)
        found = found || r->q->group[i].column == column;
    if (r->q->grouped && !found)
        select_fail(r, 1055, "42000", "'%s' isn't in GROUP BY", r->q->table->columns[column]);
}

static void settle_groups(struct select_reader *r, bool distinct)
{
    struct sql_select *q = r->q;
    for (unsigned i = 0; i < q->n_items && !q->grouped; i++)
        q->grouped = q->item[i].column == SQL_SELECT_COUNT;
    if (distinct && q->grouped)
        select_fail(r, 1235, "42000", "of xa.%s there is no DISTINCT with COUNT(*) or GROUP BY", q->table->name);
    for (unsigned i = 0; distinct && i < q->n_items; i++)
        q->group[q->n_group++].column = q->item[i].column;
    q->grouped = q->grouped || distinct;
    for (unsigned i = 0; i < q->n_items && !select_failed(r); i++)
        check_group(r, q->item[i].column);
    for (unsigned i = 0; i < q->n_order && !select_failed(r); i++)
        check_group(r, q->order[i].column);
    for (unsigned i = 0; i < q->n_group; i++)
        if (q->group[i].column == SQL_SELECT_COUNT)
            select_fail(r, 1111, "HY000", "Invalid use of group function");
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

/* Moves to what follows FROM; what is within parentheses is a query of its own. */
static bool skip_to_from(struct sql_tokens *in)
{
    int depth = 0;
    if (!sql_accept_word(in, "SELECT"))
        return false;
    for (; in->ahead.kind != SQL_END; sql_take(in)) {
        depth += sql_is_punct(&in->ahead, '(') - sql_is_punct(&in->ahead, ')');
        if (!depth && sql_accept_word(in, "FROM"))
            return true;
    }
    return false;
}

static bool take_table(struct sql_tokens *in, char schema[SQL_NAME_SIZE], char table[SQL_NAME_SIZE])
{
    struct sql_token s = sql_take(in);
    bool dot = sql_accept_punct(in, '.');
    struct sql_token t = sql_take(in);
    return dot && sql_is_name(&s) && sql_is_name(&t) && sql_token_name(&in->lexer, &s, schema) &&
           sql_token_name(&in->lexer, &t, table);
}

bool sql_select_from(struct slice text, const struct sql_dialect *dialect, char schema[SQL_NAME_SIZE], char table[SQL_NAME_SIZE])
{
    struct sql_tokens in;
    sql_tokens_init(&in, text, dialect);
    return skip_to_from(&in) && take_table(&in, schema, table);
}

/* Its alias counts in the list, too. */
static void find_alias(struct select_reader *r, struct slice text, const struct sql_dialect *dialect)
{
    struct sql_tokens begin = r->in;
    char schema[SQL_NAME_SIZE], table[SQL_NAME_SIZE];
    sql_tokens_init(&r->in, text, dialect);
    if (skip_to_from(&r->in) && take_table(&r->in, schema, table))
        take_alias(r, r->alias);
    else
        select_fail_here(r);
    r->in = begin;
}

static void read_list(struct select_reader *r)
{
    do
        read_item(r);
    while (!select_failed(r) && sql_accept_punct(&r->in, ','));
}

static void read_rest(struct select_reader *r)
{
    char schema[SQL_NAME_SIZE], table[SQL_NAME_SIZE];
    select_expect_word(r, "FROM");
    if (select_failed(r) || !take_table(&r->in, schema, table))
        return;
    take_alias(r, r->alias);
    if (sql_accept_word(&r->in, "WHERE"))
        r->q->where = select_where(r);
    if (!select_failed(r) && sql_accept_word(&r->in, "GROUP")) {
        r->q->n_group = read_keys(r, r->q->group);
        r->q->grouped = true;
    }
    if (!select_failed(r) && sql_accept_word(&r->in, "ORDER"))
        r->q->n_order = read_keys(r, r->q->order);
    if (!select_failed(r) && sql_accept_word(&r->in, "LIMIT"))
        read_limit(r);
    if (r->in.ahead.kind != SQL_END)
        select_fail_here(r);
}

bool sql_select_read(struct slice text, const struct sql_dialect *dialect, const struct sql_select_table *table,
                     struct sql_select *out, struct sql_select_error *error)
{
    struct select_reader r = {.q = out, .error = error};
    *out = (struct sql_select){.table = table, .where = -1, .limit = UINT64_MAX};
    *error = (struct sql_select_error){0};
    sql_tokens_init(&r.in, text, dialect);
    find_alias(&r, text, dialect);
    select_expect_word(&r, "SELECT");
    bool distinct = sql_accept_word(&r.in, "DISTINCT");
    if (!distinct)
        (void)sql_accept_word(&r.in, "ALL");
    if (!select_failed(&r))
        read_list(&r);
    if (!select_failed(&r))
        read_rest(&r);
    if (!select_failed(&r))
        settle_groups(&r, distinct);
    return !select_failed(&r);
}

void sql_select_fini(struct sql_select *q)
{
    buf_fini(&q->bytes);
}
