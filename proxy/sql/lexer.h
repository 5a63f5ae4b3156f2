/* Words of MySQL's SQL, as both families read it: strings, quoted names, numbers, comments (also the executable kinds), operators.
 * Pure, allocation-free; never fails: what is unfinished ends at the end of the text and says so. */
#ifndef PROXY_SQL_LEXER_H
#define PROXY_SQL_LEXER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"

enum sql_token_kind {
    SQL_END, SQL_WORD, /* keyword or name */ SQL_QUOTED_NAME, /* `...`, or "..." under ANSI_QUOTES */ SQL_STRING,
    SQL_NUMBER, SQL_HEX, /* X'..' or 0x.. */ SQL_BITS, SQL_VARIABLE, /* @x, @`x`, @'x' */ SQL_SYSTEM_VARIABLE, /* @@... */
    SQL_PARAMETER, /* ? */ SQL_PUNCT /* one operator character, or := */
};
struct sql_token {
    enum sql_token_kind kind;
    struct slice text; /* with its quotes */
    bool unfinished;
};
struct sql_lexer {
    struct cursor in;
    bool ansi_quotes, no_backslash_escapes;
    bool mariadb;        /* executable comments: M! for MariaDB */
    unsigned executable; /* depth of open executable comments */
    struct slice hint;   /* content of the first plain comment that begins with "xaproxy:" ; at == NULL: none */
};
void sql_lexer_init(struct sql_lexer *l, struct slice text, bool ansi_quotes, bool no_backslash_escapes);
struct sql_token sql_next(struct sql_lexer *l);

/* The bytes that a token stands for: quotes taken off, escapes resolved, hex decoded. Appends to `out`. */
void sql_token_value(const struct sql_lexer *l, const struct sql_token *t, struct buf *out);

#endif
