/* One walk over a statement: where it ends, which schemas it names, what keeps it from being a plain read. Leaves the
 * first words to keywords.h, and what follows from all this to classify.c. Internal to the folder. */
#ifndef PROXY_SQL_SURVEY_H
#define PROXY_SQL_SURVEY_H

#include "proxy/sql/block.h"
#include "proxy/sql/classify.h"
#include "proxy/sql/keywords.h"

/* What would be next, on one level of parentheses. */
enum sql_where {
    SQL_NOWHERE,    /* expressions, options: a bare name says nothing about tables */
    SQL_ONE,        /* a table (view, routine, ...) name */
    SQL_LIST,       /* the same, and a comma brings the next */
    SQL_AFTER_LIST, /* behind such a name: alias, ON condition, comma, JOIN */
    SQL_SCHEMA,     /* a schema name */
    SQL_TARGETS     /* DELETE's targets before FROM, which names them again */
};
enum sql_cte { SQL_CTE_NONE, SQL_CTE_NAME, SQL_CTE_AS, SQL_CTE_BODY, SQL_CTE_DONE };
struct sql_level {
    enum sql_where where;
    bool query; /* SELECT or DELETE was seen on this level, so FROM brings tables; in EXTRACT(DAY FROM x) it does not */
    enum sql_cte cte;
    bool recursive;
    struct sql_token cte_name; /* of the one that is being defined */
    unsigned n_ctes;           /* known outside of this level */
};

/* Bits: why a statement that begins as a read is none. */
enum sql_seen {
    SQL_SEEN_WRITE = 1 << 0,
    SQL_SEEN_LOCKING = 1 << 1,
    SQL_SEEN_INTO = 1 << 2,
    SQL_SEEN_ASSIGNMENT = 1 << 3,
    SQL_SEEN_FUNCTION = 1 << 4, /* one that is not known to be harmless */
    SQL_SEEN_SEQUENCE = 1 << 5,
    SQL_SEEN_UNFINISHED = 1 << 6,
    SQL_SEEN_EXECUTABLE = 1 << 7,
    SQL_SEEN_KEPT_LOCK = 1 << 8 /* FLUSH ... WITH READ LOCK, FOR EXPORT */
};

#define SQL_MAX_LEVELS 256
#define SQL_MAX_CTES 8
struct sql_survey {
    struct sql_tokens *in;
    struct sql_token before, token; /* then in->ahead */
    const struct sql_context *ctx;
    struct sql_statement *out;
    unsigned shape;     /* of the first words; enum sql_shape */
    unsigned seen;      /* enum sql_seen */
    bool routine;       /* the statement defines one */
    bool plain_body;    /* whose body is a single statement */
    bool object_seen;   /* TABLE, VIEW, PROCEDURE, ...: the first one counts */
    bool on_table;      /* the next ON brings a table (CREATE INDEX, TRIGGER) */
    bool show_columns;  /* the next FROM brings a table, the one after a schema */
    bool sequence_call; /* the parenthesis ahead holds a sequence's name */
    struct sql_block block; /* a body with ; inside */
    unsigned depth;
    unsigned too_deep; /* open parentheses beyond the last level */
    unsigned n_ctes;
    char cte[SQL_MAX_CTES][SQL_NAME_SIZE];
    struct sql_level level[SQL_MAX_LEVELS]; /* last: only what is in use is ever written */
};

static inline struct sql_level *sql_level(struct sql_survey *v) { return &v->level[v->depth]; }

/* Walks from in->ahead to the ; or end, which is left ahead; `row` and how many of its words are there say how it
 * begins. Fills the schemas, flags and `compound` of `out`. Returns bits of enum sql_seen. */
unsigned sql_survey(struct sql_tokens *in, const struct sql_context *ctx, const struct sql_keyword *row,
                    unsigned n_words, struct sql_statement *out);

/* positions.c: what v->token, a word that is no name, says about what follows. */
void sql_position_word(struct sql_survey *v);
/* Words before a name that change nothing (INSERT IGNORE INTO t), and those that mean that none follows. */
bool sql_position_noise(const struct sql_survey *v);
bool sql_position_leaves(struct sql_survey *v);

#endif
