/* What is asked of a table of xa: a SELECT over rows that were gathered, and which tables and columns there are. Leaves what
 * stands in them to xa_tables.c. */
#ifndef PROXY_SESSION_XA_SELECT_H
#define PROXY_SESSION_XA_SELECT_H

#include "proxy/session/table.h"
#include "proxy/sql/select.h"

struct session;

const struct sql_select_table *xa_table(size_t i); /* xa_tables.c; NULL behind the last */

/* The statement under way, as a question about this table. NULL: it was answered with an error. */
struct sql_select *xa_select_read(struct session *s, const struct sql_select_table *table);
void xa_select_free(struct sql_select *q); /* NULL is allowed */
/* Answers with what the question leaves of `all`, whose columns are the table's. Frees both. */
void xa_select_answer(struct session *s, struct sql_select *q, struct session_table *all);

/* SHOW TABLES FROM xa, DESCRIBE xa.table, SHOW COLUMNS FROM xa.table. False: the statement is none of these. */
bool xa_describe(struct session *s);

#endif
