/* Where a body of statements ends: BEGIN ... END, IF, CASE, LOOP, WHILE, REPEAT, FOR and what is nested in them, a token at a
 * time. What does not fit the grammar is never said to end, so that its text stays whole. Internal to the folder. */
#ifndef PROXY_SQL_BLOCK_H
#define PROXY_SQL_BLOCK_H

#include "proxy/sql/lexer.h"

#define SQL_BLOCK_DEPTH 128

enum sql_block_state {
    SQL_BLOCK_NONE,
    SQL_BLOCK_OPEN,
    SQL_BLOCK_CLOSED, /* a ; ahead ends the statement */
    SQL_BLOCK_WHOLE   /* nobody can tell: the text is one statement */
};
struct sql_block {
    enum sql_block_state state;
    bool start;   /* the next token may begin a statement */
    bool label;   /* the token before was one */
    bool skip;    /* the next token belongs to the END before */
    bool named;   /* the END had its label */
    enum { SQL_HANDLER_NONE, SQL_HANDLER_DECLARE, SQL_HANDLER_FOR, SQL_HANDLER_CONDITION } handler;
    unsigned depth;
    unsigned char open[SQL_BLOCK_DEPTH]; /* what each level is */
};

void sql_block_begin(struct sql_block *b); /* the next token is the body's first */
void sql_block_token(struct sql_block *b, const struct sql_token *before, const struct sql_token *t,
                     const struct sql_token *ahead);

#endif
