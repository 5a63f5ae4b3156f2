/* The table of statements: first words -> kind and shape. Leaves everything after the first words to the survey. */
#ifndef PROXY_SQL_KEYWORDS_H
#define PROXY_SQL_KEYWORDS_H

#include "proxy/sql/classify.h"

/* What the survey may expect behind the first words; bits. */
enum sql_shape {
    SQL_SHAPE_TABLE = 1 << 0,    /* a table or routine follows at once */
    SQL_SHAPE_LIST = 1 << 1,     /* TABLE introduces a list of them */
    SQL_SHAPE_SCHEMA = 1 << 2,   /* a schema follows at once */
    SQL_SHAPE_OBJECT = 1 << 3,   /* VIEW, PROCEDURE, DATABASE, ... introduce a name */
    SQL_SHAPE_ON = 1 << 4,       /* ON introduces a table, and no other word does */
    SQL_SHAPE_RENAME = 1 << 5,   /* TO introduces a table */
    SQL_SHAPE_SHOW = 1 << 6,     /* FROM and IN as SHOW has them */
    SQL_SHAPE_EXPLAIN = 1 << 7,  /* a table or a statement follows */
    SQL_SHAPE_ALONE = 1 << 8,    /* with anything behind it, it is COMPOUND */
    SQL_SHAPE_FLUSH = 1 << 9,    /* LOCK_TABLES when it keeps a lock */
    SQL_SHAPE_ROUTINE = 1 << 10, /* may define a routine, whose body may hold ; */
    SQL_SHAPE_INNER = 1 << 11    /* the statement proper follows a FOR */
};

#define SQL_MAX_KEYWORDS 5
struct sql_keyword {
    const char *words; /* upper case, one space between */
    enum sql_kind kind;
    unsigned shape; /* of enum sql_shape */
};
extern const struct sql_keyword sql_keywords[];
extern const unsigned sql_n_keywords;

/* The first row whose words are all there; else one of kind PLAIN without shape. `n_used`: how many words that took. */
const struct sql_keyword *sql_keyword_find(const struct slice *words, unsigned n, unsigned *n_used);

#endif
