/* PREPARE, EXECUTE, EXECUTE IMMEDIATE and DEALLOCATE as text, taken apart. Pure. */
#ifndef PROXY_SQL_PREPARE_H
#define PROXY_SQL_PREPARE_H

#include "proxy/sql/classify.h"

enum sql_prepare_verb { SQL_PREPARE_NAMED, SQL_EXECUTE_NAMED, SQL_EXECUTE_IMMEDIATE, SQL_DEALLOCATE };
struct sql_prepare {
    enum sql_prepare_verb verb;
    char name[SQL_NAME_SIZE]; /* empty: IMMEDIATE */
    struct slice source;      /* PREPARE, IMMEDIATE: the expression whose value is the text */
    bool literal;             /* which is one string */
    struct slice using;       /* the expressions behind USING; at == NULL: none */
};
/* Of a statement of kind PREPARE_TEXT; slices point into its text. false: not well-formed, for a server to complain about. */
bool sql_prepare_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_prepare *out);
/* The bytes of a source that is a literal. */
void sql_prepare_literal(const struct sql_prepare *p, const struct sql_context *ctx, struct buf *out);

/* How many placeholders a text has. */
unsigned sql_count_parameters(struct slice text, const struct sql_context *ctx);
/* The next expression of a list with commas between; false at its end. */
bool sql_next_expression(struct slice *list, const struct sql_context *ctx, struct slice *out);

#endif
