/* SELECT, SHOW and DESCRIBE over what xa_tables.c has. */
#include "proxy/session/xa_select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/session/session.h"

/* --- SELECT --------------------------------------------------------------------------------------------------------------- */

struct sql_select *xa_select_read(struct session *s, const struct sql_select_table *table)
{
    struct sql_select *q = malloc(sizeof *q);
    struct sql_select_error error;
    CHECK(q);
    if (sql_select_read(s->statement->text, &s->dialect, table, q, &error))
        return q;
    session_answer_error(s, error.code, error.sqlstate, "%s", error.text);
    xa_select_free(q);
    return NULL;
}

void xa_select_free(struct sql_select *q)
{
    if (!q)
        return;
    sql_select_fini(q);
    free(q);
}

struct selection {
    struct session_table table;
    unsigned n_items;
};

static void add_row(void *arg, const struct slice *row)
{
    struct selection *out = arg;
    for (unsigned i = 0; i < out->n_items; i++)
        session_cell_bytes(&out->table, row[i]);
}

static bool is_number(const struct sql_select *q, unsigned item)
{
    int column = q->item[item].column;
    return column == SQL_SELECT_COUNT || q->table->numbers & 1u << column;
}

void xa_select_answer(struct session *s, struct sql_select *q, struct session_table *all)
{
    const char *names[SQL_SELECT_MAX + 1] = {NULL};
    struct selection out = {.n_items = q->n_items};
    struct slice *cells = session_table_cells(all);
    _Static_assert(SQL_SELECT_MAX <= SESSION_TABLE_MAX, "what can be asked can be answered");
    for (unsigned i = 0; i < q->n_items; i++)
        names[i] = q->item[i].name;
    session_table_init(&out.table, names);
    for (unsigned i = 0; i < q->n_items; i++)
        out.table.numbers |= (unsigned)is_number(q, i) << i;
    sql_select_run(q, cells, all->n_cells / all->n_columns, add_row, &out);
    session_table_answer(s, &out.table);
    free(cells);
    buf_fini(&all->cells);
    xa_select_free(q);
}

/* --- SHOW and DESCRIBE ------------------------------------------------------------------------------------------------------ */

static bool accept_from(struct sql_tokens *in)
{
    return sql_accept_word(in, "FROM") || sql_accept_word(in, "IN");
}

static bool accept_name(struct sql_tokens *in, char name[SQL_NAME_SIZE])
{
    struct sql_token t = in->ahead;
    if (!sql_is_name(&t) || !sql_token_name(&in->lexer, &t, name))
        return false;
    sql_take(in);
    return true;
}

static void show_tables(struct session *s)
{
    static const char *const columns[] = {"Tables_in_xa", NULL};
    struct session_table t;
    session_table_init(&t, columns);
    for (size_t i = 0; xa_table(i); i++)
        session_cell(&t, xa_table(i)->name);
    session_table_answer(s, &t);
}

static void show_columns(struct session *s, const struct sql_select_table *table)
{
    static const char *const columns[] = {"Field", "Type", "Null", "Key", "Default", "Extra", NULL};
    struct session_table t;
    session_table_init(&t, columns);
    for (unsigned i = 0; table->columns[i]; i++) {
        session_cell(&t, table->columns[i]);
        session_cell(&t, table->numbers & 1u << i ? "bigint unsigned" : "varchar(1024)");
        session_cell(&t, "YES");
        session_cell(&t, "");
        session_cell(&t, NULL);
        session_cell(&t, "");
    }
    session_table_answer(s, &t);
}

/* [xa.]table [FROM xa], where a name alone was found in xa by what follows. */
static bool read_table(struct sql_tokens *in, char name[SQL_NAME_SIZE])
{
    char other[SQL_NAME_SIZE];
    if (!accept_name(in, name))
        return false;
    if (sql_accept_punct(in, '.'))
        return accept_name(in, name);
    return accept_from(in) && accept_name(in, other);
}

static bool describe(struct session *s, struct sql_tokens *in)
{
    char name[SQL_NAME_SIZE];
    if (!read_table(in, name) || in->ahead.kind != SQL_END)
        return false;
    for (size_t i = 0; xa_table(i); i++)
        if (!strcasecmp(xa_table(i)->name, name)) {
            show_columns(s, xa_table(i));
            return true;
        }
    return false;
}

bool xa_describe(struct session *s)
{
    char name[SQL_NAME_SIZE];
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (sql_accept_word(&in, "DESCRIBE") || sql_accept_word(&in, "DESC"))
        return describe(s, &in);
    if (!sql_accept_word(&in, "SHOW"))
        return false;
    if (sql_accept_word(&in, "COLUMNS") || sql_accept_word(&in, "FIELDS"))
        return accept_from(&in) && describe(s, &in);
    if (!sql_accept_word(&in, "TABLES") || !accept_from(&in) || !accept_name(&in, name) || in.ahead.kind != SQL_END)
        return false;
    show_tables(s);
    return true;
}
