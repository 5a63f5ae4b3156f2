/* What the files that read a SELECT share: a reader that stops at its first error. */
#ifndef PROXY_SQL_SELECT_IMPL_H
#define PROXY_SQL_SELECT_IMPL_H

#include "proxy/sql/select.h"

struct select_reader {
    struct sql_tokens in;
    struct sql_select *q;
    char alias[SQL_NAME_SIZE];
    struct sql_select_error *error; /* its code is set at the first one */
    struct sql_select_item nowhere; /* where an item goes that has no place */
    unsigned depth;
};

/* --- select_read.c --- */
void select_fail(struct select_reader *r, uint16_t code, const char *sqlstate, const char *fmt, ...) PRINTF_LIKE(4, 5);
void select_fail_here(struct select_reader *r); /* what is ahead is not understood */
static inline bool select_failed(const struct select_reader *r) { return r->error->code; }
void select_expect_word(struct select_reader *r, const char *word);
void select_expect_punct(struct select_reader *r, char c);
int select_column(struct select_reader *r); /* a name that is ahead, as the table's column */

/* --- select_where.c --- */
struct sql_select_operand select_number(struct select_reader *r, double sign); /* a number that is ahead */
int select_where(struct select_reader *r);                                     /* a condition; its node */

#endif
