/* Words of MySQL's SQL, as both families read it: strings, quoted names, numbers, comments (also the executable kinds),
 * operators. Pure, allocation-free; never fails: what is unfinished ends at the end of the text and says so. Bytes are
 * read as ASCII with letters from 0x80 up; where the character set hides quotes and backslashes inside characters, these
 * are read whole. */
#ifndef PROXY_SQL_LEXER_H
#define PROXY_SQL_LEXER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "proxy/sql/charset.h"

/* How a session's statements are to be read. */
struct sql_dialect {
    bool ansi_quotes, no_backslash_escapes; /* of its sql_mode */
    enum sql_charset charset;               /* of its client */
    /* Of executable comments only those are code that a server of this version runs, as 80034 of 8.0.34; 0: all are. */
    unsigned version;
    bool mariadb;
};

enum sql_token_kind {
    SQL_END,
    SQL_WORD,            /* keyword or name; also what follows a dot */
    SQL_QUOTED_NAME,     /* `...`, or "..." under ANSI_QUOTES */
    SQL_STRING,          /* '...', N'...', "..." without ANSI_QUOTES */
    SQL_NUMBER,          /* without a sign */
    SQL_HEX,             /* X'..' or 0x.. */
    SQL_BITS,            /* b'..' or 0b.. */
    SQL_VARIABLE,        /* @x, @`x`, @'x', @"x" */
    SQL_SYSTEM_VARIABLE, /* @@x, @@`x`: the first part only; .y follows as tokens of their own */
    SQL_PARAMETER,       /* ? */
    SQL_PUNCT            /* one operator character, or := */
};
struct sql_token {
    enum sql_token_kind kind;
    struct slice text; /* with its quotes; of SQL_END: the empty stretch at the end */
    bool unfinished;   /* the closing quote is missing */
};
struct sql_lexer {
    struct cursor in;
    struct sql_dialect dialect;
    const uint8_t *name_end; /* where the last name ended: a dot just there is no decimal point */
    bool after_dot;          /* the next word is a name, whatever it looks like */
    unsigned executable;     /* depth of open executable comments, whose content is read as code */
    bool saw_executable;     /* at least one was opened */
    bool ambiguous;          /* where such a comment ends depends on whether the server executes or skips it */
    bool unfinished_comment;
    struct slice hint; /* content of the first plain comment that begins with "xaproxy:"; at == NULL: none */
};
void sql_lexer_init(struct sql_lexer *l, struct slice text, const struct sql_dialect *dialect);
struct sql_token sql_next(struct sql_lexer *l);

/* A lexer that has read one token ahead. */
struct sql_tokens {
    struct sql_lexer lexer;
    struct sql_token ahead;
};
void sql_tokens_init(struct sql_tokens *in, struct slice text, const struct sql_dialect *dialect);
struct sql_token sql_take(struct sql_tokens *in); /* what was ahead */
bool sql_accept_word(struct sql_tokens *in, const char *word); /* takes it if it is ahead */
bool sql_accept_punct(struct sql_tokens *in, char c);

/* values.c: moves over literals, commas and parentheses around nothing else, as far as they go: for who does not care
 * about them. */
void sql_skip_values(struct sql_tokens *in);

bool sql_is_name(const struct sql_token *t); /* WORD or QUOTED_NAME */
bool sql_is_word(const struct sql_token *t, const char *word); /* an unquoted word, letters without case */
bool sql_is_punct(const struct sql_token *t, char c);

/* The bytes that a token stands for: quotes and @ taken off, escapes resolved, hex and bits decoded; others as they
 * are. Appends to `out`. */
void sql_token_value(const struct sql_lexer *l, const struct sql_token *t, struct buf *out);

#define SQL_NAME_SIZE 193 /* 64 characters of 3 bytes, as servers allow for names, and a NUL */
/* A name (WORD, QUOTED_NAME, VARIABLE, SYSTEM_VARIABLE, STRING) as text; false, and `out` empty, when it is too long or
 * holds a NUL: no server has such a name. */
bool sql_token_name(const struct sql_lexer *l, const struct sql_token *t, char out[SQL_NAME_SIZE]);

#endif
