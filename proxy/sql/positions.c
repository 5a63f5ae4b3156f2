/* Which words bring a table, a schema or a list of them, and which end it. One table of words; leaves names themselves,
 * parentheses and the end of the statement to survey.c. */
#include "proxy/sql/survey.h"

#include <stdlib.h>

#include "proxy/sql/bytes.h"

static bool before_is(const struct sql_survey *v, const char *word)
{
    return sql_is_word(&v->before, word);
}

static void expect(struct sql_survey *v, enum sql_where where)
{
    sql_level(v)->where = where;
}

static enum sql_where one_or_list(const struct sql_survey *v)
{
    return v->shape & SQL_SHAPE_LIST ? SQL_LIST : SQL_ONE;
}

static bool first_object(const struct sql_survey *v)
{
    return v->shape & SQL_SHAPE_OBJECT && !v->depth && !v->object_seen;
}

/* ON DELETE CASCADE, BEFORE INSERT ON t, INSERT OR UPDATE ON t, CREATE OR REPLACE, ON DUPLICATE KEY UPDATE. */
static bool names_an_event(const struct sql_survey *v)
{
    return before_is(v, "ON") || before_is(v, "BEFORE") || before_is(v, "AFTER") || before_is(v, "OR") ||
           before_is(v, "KEY");
}

static void see_select(struct sql_survey *v)
{
    sql_level(v)->query = true;
    expect(v, SQL_NOWHERE);
}

static void see_insert(struct sql_survey *v)
{
    if (names_an_event(v))
        return;
    v->seen |= SQL_SEEN_WRITE;
    sql_level(v)->query = false;
    expect(v, SQL_ONE);
}

static void see_delete(struct sql_survey *v)
{
    if (names_an_event(v))
        return;
    v->seen |= SQL_SEEN_WRITE;
    sql_level(v)->query = true;
    expect(v, SQL_TARGETS);
}

static void see_locking(struct sql_survey *v)
{
    v->seen |= SQL_SEEN_LOCKING;
    expect(v, SQL_NOWHERE);
}

static void see_update(struct sql_survey *v)
{
    if (before_is(v, "FOR")) {
        see_locking(v);
    } else if (!names_an_event(v)) {
        v->seen |= SQL_SEEN_WRITE;
        expect(v, SQL_LIST);
    }
}

static void see_share(struct sql_survey *v)
{
    if (before_is(v, "FOR") || before_is(v, "IN"))
        see_locking(v);
}

static void see_show_from(struct sql_survey *v)
{
    if (v->show_columns) {
        v->show_columns = false;
        expect(v, SQL_ONE);
    } else {
        v->out->unqualified_table = false;
        expect(v, SQL_SCHEMA);
    }
}

static void see_from(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_SHOW)
        see_show_from(v);
    else if (sql_level(v)->query)
        expect(v, SQL_LIST);
}

static void see_in(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_SHOW && sql_is_name(&v->in->ahead))
        see_show_from(v);
}

static void see_join(struct sql_survey *v)
{
    if (!before_is(v, "FOR")) /* USE INDEX FOR JOIN */
        expect(v, SQL_LIST);
}

/* Also a modifier: SELECT STRAIGHT_JOIN a FROM t. */
static void see_straight_join(struct sql_survey *v)
{
    if (sql_level(v)->where == SQL_AFTER_LIST)
        expect(v, SQL_LIST);
}

/* DELETE FROM t USING t, u; elsewhere a parenthesis follows. */
static void see_using(struct sql_survey *v)
{
    if (sql_level(v)->where == SQL_AFTER_LIST && !sql_is_punct(&v->in->ahead, '('))
        expect(v, SQL_LIST);
}

static void see_into(struct sql_survey *v)
{
    v->seen |= SQL_SEEN_INTO;
    expect(v, SQL_NOWHERE);
}

static void see_table(struct sql_survey *v)
{
    v->object_seen = true;
    expect(v, one_or_list(v));
}

static void see_tables(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_SHOW)
        v->out->unqualified_table = true;
    else if (v->shape & SQL_SHAPE_LIST)
        expect(v, SQL_LIST);
}

static void see_one(struct sql_survey *v)
{
    expect(v, SQL_ONE);
}

static void see_object(struct sql_survey *v)
{
    if (!first_object(v))
        return;
    v->object_seen = true;
    expect(v, one_or_list(v));
}

static void see_routine(struct sql_survey *v)
{
    if (first_object(v) && v->shape & SQL_SHAPE_ROUTINE)
        v->routine = true;
    see_object(v);
}

static void see_package(struct sql_survey *v)
{
    if (first_object(v) && v->shape & SQL_SHAPE_ROUTINE)
        v->out->compound = true;
    see_object(v);
}

static void see_trigger(struct sql_survey *v)
{
    v->on_table |= first_object(v);
    see_routine(v);
}

static void see_index(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_SHOW) {
        v->show_columns = true;
    } else if (first_object(v)) {
        v->object_seen = true;
        v->on_table = true;
    }
}

static void see_columns(struct sql_survey *v)
{
    v->show_columns |= (v->shape & SQL_SHAPE_SHOW) != 0;
}

static void see_database(struct sql_survey *v)
{
    if (!first_object(v) && !(v->shape & SQL_SHAPE_EXPLAIN && before_is(v, "FOR")))
        return;
    v->object_seen = true;
    expect(v, SQL_SCHEMA);
}

static void see_on(struct sql_survey *v)
{
    if (!(v->on_table || v->shape & SQL_SHAPE_ON) || v->depth)
        return;
    v->on_table = false;
    expect(v, SQL_ONE);
}

static void see_to(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_RENAME)
        expect(v, SQL_LIST);
}

static void see_rename(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_OBJECT && !v->depth)
        expect(v, SQL_ONE);
}

/* CREATE TABLE t LIKE u. */
static void see_like(struct sql_survey *v)
{
    bool creates = v->shape & SQL_SHAPE_OBJECT && !(v->shape & SQL_SHAPE_SHOW) && !v->routine;
    if (creates && !sql_level(v)->query)
        expect(v, SQL_ONE);
}

/* WITH c AS (, WITH c (x) AS (; but not WITH ROLLUP, WITH READ LOCK, IDENTIFIED WITH plugin AS '...'. */
static void see_with(struct sql_survey *v)
{
    struct sql_tokens look = *v->in;
    sql_accept_word(&look, "RECURSIVE");
    if (!sql_is_name(&look.ahead))
        return;
    if (!sql_is_word(&look.ahead, "AS"))
        sql_take(&look);
    sql_accept_word(&look, "AS");
    if (sql_is_punct(&look.ahead, '('))
        sql_level(v)->cte = SQL_CTE_NAME;
}

static void see_clause(struct sql_survey *v)
{
    expect(v, SQL_NOWHERE);
    if (!v->depth)
        v->shape &= ~(unsigned)SQL_SHAPE_SHOW; /* SHOW ... WHERE x IN (...) */
}

/* Of a MERGE table: UNION=(t, u), where the equals sign may be left out; what is in parentheses may also be a query. */
static void see_union(struct sql_survey *v)
{
    bool lists = sql_is_punct(&v->in->ahead, '=') || sql_is_punct(&v->in->ahead, '(');
    see_clause(v);
    if (v->shape & SQL_SHAPE_OBJECT && lists && !sql_level(v)->query)
        expect(v, SQL_LIST);
}

/* Names in one of the families: FROM t window, u. */
static void see_weak_clause(struct sql_survey *v)
{
    if (!sql_is_punct(&v->in->ahead, ','))
        see_clause(v);
}

static void see_duplicate(struct sql_survey *v)
{
    if (before_is(v, "ON"))
        expect(v, SQL_NOWHERE);
}

static void see_for(struct sql_survey *v)
{
    if (before_is(v, "VALUE")) /* NEXT VALUE FOR sequence */
        expect(v, SQL_ONE);
}

static void see_next(struct sql_survey *v)
{
    if (sql_is_word(&v->in->ahead, "VALUE"))
        v->seen |= SQL_SEEN_SEQUENCE;
}

static void see_lock(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_FLUSH && before_is(v, "READ"))
        v->seen |= SQL_SEEN_KEPT_LOCK;
    expect(v, SQL_NOWHERE);
}

static void see_export(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_FLUSH && before_is(v, "FOR"))
        v->seen |= SQL_SEEN_KEPT_LOCK;
}

struct position {
    const char *word;
    void (*apply)(struct sql_survey *v);
};
/* Sorted, lower case. */
static const struct position positions[] = {
    {"call", see_one},
    {"columns", see_columns},
    {"database", see_database},
    {"delete", see_delete},
    {"duplicate", see_duplicate},
    {"event", see_routine},
    {"events", see_tables},
    {"except", see_clause},
    {"export", see_export},
    {"fields", see_columns},
    {"for", see_for},
    {"from", see_from},
    {"function", see_routine},
    {"group", see_clause},
    {"having", see_clause},
    {"in", see_in},
    {"index", see_index},
    {"indexes", see_columns},
    {"insert", see_insert},
    {"intersect", see_clause},
    {"into", see_into},
    {"join", see_join},
    {"keys", see_columns},
    {"library", see_routine},
    {"like", see_like},
    {"limit", see_clause},
    {"lock", see_lock},
    {"next", see_next},
    {"on", see_on},
    {"order", see_clause},
    {"package", see_package},
    {"previous", see_next},
    {"procedure", see_routine},
    {"references", see_one},
    {"rename", see_rename},
    {"replace", see_insert},
    {"returning", see_weak_clause},
    {"schema", see_database},
    {"select", see_select},
    {"sequence", see_object},
    {"set", see_clause},
    {"share", see_share},
    {"straight_join", see_straight_join},
    {"table", see_table},
    {"tables", see_tables},
    {"to", see_to},
    {"trigger", see_trigger},
    {"triggers", see_tables},
    {"union", see_union},
    {"update", see_update},
    {"using", see_using},
    {"values", see_clause},
    {"view", see_object},
    {"where", see_clause},
    {"window", see_weak_clause},
    {"with", see_with},
};

static int compare(const void *key, const void *row)
{
    return bytes_compare_word(*(const struct slice *)key, ((const struct position *)row)->word);
}

void sql_position_word(struct sql_survey *v)
{
    if (v->shape & SQL_SHAPE_ON) { /* GRANT SELECT, INSERT ON t: none of them does here what it does elsewhere */
        if (sql_is_word(&v->token, "ON"))
            see_on(v);
        return;
    }
    const struct position *row =
        bsearch(&v->token.text, positions, sizeof positions / sizeof *positions, sizeof *positions, compare);
    if (row)
        row->apply(v);
}

static bool is_one_of(const struct sql_token *t, const char *const *words)
{
    for (; *words; words++)
        if (sql_is_word(t, *words))
            return true;
    return false;
}

/* All of these are reserved in both families, so none is a table; the others are noise only where they stand. */
bool sql_position_noise(const struct sql_survey *v)
{
    static const char *const reserved[] = {"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "INTO", "IF", "NOT",
                                           "EXISTS", "TABLE", "LATERAL", "TO", "AS", NULL};
    static const char *const granted[] = {"FUNCTION", "PROCEDURE", "PACKAGE", NULL};
    const struct sql_token *t = &v->token;
    return is_one_of(t, reserved) || sql_is_punct(&v->before, '{') ||
           (sql_is_word(t, "BODY") && before_is(v, "PACKAGE")) ||
           (sql_is_word(t, "CODE") && v->shape & SQL_SHAPE_SHOW && sql_is_name(&v->in->ahead)) || /* SHOW PROCEDURE CODE p */
           (v->shape & SQL_SHAPE_ON && is_one_of(t, granted) && sql_is_name(&v->in->ahead));
}

bool sql_position_leaves(struct sql_survey *v)
{
    static const char *const reserved[] = {"SELECT", "WITH",    "VALUES",    "SET",     "WHERE", "LIKE",
                                           "ON",     "USING",   "FOR",       "FROM",    "READ",  "COLUMN",
                                           "INDEX",  "KEY",     "CHARACTER", "COLLATE", "DUAL",  "DEFAULT", NULL};
    static const char *const schema_options[] = {"CHARSET", "COMMENT", "ENCRYPTION", NULL};
    return is_one_of(&v->token, reserved) ||
           (sql_level(v)->where == SQL_SCHEMA && is_one_of(&v->token, schema_options));
}
