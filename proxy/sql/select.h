/* A SELECT of one table whose rows the proxy has itself: columns, COUNT(*), DISTINCT, WHERE, GROUP BY, ORDER BY, LIMIT. Pure;
 * leaves which tables there are and what stands in them to the caller. */
#ifndef PROXY_SQL_SELECT_H
#define PROXY_SQL_SELECT_H

#include "base/check.h"
#include "proxy/sql/lexer.h"

#define SQL_SELECT_MAX 32 /* items of the list, columns in GROUP BY and in ORDER BY */
#define SQL_SELECT_NODES 200
#define SQL_SELECT_COUNT (-1) /* instead of a column */

struct sql_select_error { /* as a server would say it */
    uint16_t code;
    char sqlstate[6];
    char text[256];
};

struct sql_select_table {
    const char *name;
    const char *const *columns; /* NULL-terminated */
    unsigned numbers;           /* bits: which of them are numbers */
};

struct sql_select_item {
    int column;
    char name[SQL_NAME_SIZE]; /* its own, or the alias */
};
struct sql_select_key {
    int column;
    bool descending;
};
struct sql_select_operand {
    int column;         /* negative: a literal */
    bool null, number;  /* of the literal */
    double value;       /* of a number */
    size_t offset, len; /* of a text: in `bytes` */
};
enum sql_select_op { SQL_SELECT_AND, SQL_SELECT_OR, SQL_SELECT_NOT, SQL_SELECT_IS_NULL, SQL_SELECT_LIKE, SQL_SELECT_COMPARE };
struct sql_select_node {
    enum sql_select_op op;
    int left, right;               /* nodes, of AND, OR, NOT */
    struct sql_select_operand a, b;
    bool less, equal, greater;     /* which of these COMPARE wants; unequal is less or greater */
    bool null_safe;                /* <=> */
};

struct sql_select {
    const struct sql_select_table *table;
    struct sql_select_item item[SQL_SELECT_MAX];
    unsigned n_items;
    bool grouped;                  /* equal rows of `group` are one; without any, all are */
    struct sql_select_key group[SQL_SELECT_MAX], order[SQL_SELECT_MAX];
    unsigned n_group, n_order;
    struct sql_select_node node[SQL_SELECT_NODES];
    unsigned n_nodes;
    int where;                     /* a node; negative: all rows */
    uint64_t offset, limit;
    struct buf bytes;              /* the caller's sql_select_fini frees it */
};

/* The table of a SELECT ... FROM schema.table ..., without looking at the rest. False: it is none of one table. */
bool sql_select_from(struct slice text, const struct sql_dialect *dialect, char schema[SQL_NAME_SIZE], char table[SQL_NAME_SIZE]);
/* All of it. False: `error` says why. Initializes `out`; sql_select_fini it in either case. */
bool sql_select_read(struct slice text, const struct sql_dialect *dialect, const struct sql_select_table *table,
                     struct sql_select *out, struct sql_select_error *error) MUST_USE;
void sql_select_fini(struct sql_select *q);

/* Its rows, one after another, each of n_items cells that live until `each` returns. cells: n_rows times as many as the table has
 * columns; at NULL = NULL. */
void sql_select_run(const struct sql_select *q, const struct slice *cells, size_t n_rows,
                    void (*each)(void *arg, const struct slice *row), void *arg);

#endif
