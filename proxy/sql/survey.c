/* The walk: levels of parentheses, dotted names, calls, common table expressions. Leaves keywords to positions.c. */
#include "proxy/sql/survey.h"

#include <string.h>
#include <strings.h>

#include "proxy/sql/functions.h"
#include "proxy/sql/information.h"

struct dotted {
    struct sql_token first, last;
    unsigned n; /* parts, a final * included */
};

static void advance(struct sql_survey *v)
{
    v->before = v->token;
    v->token = sql_take(v->in);
    if (v->block.state != SQL_BLOCK_NONE)
        sql_block_token(&v->block, &v->before, &v->token, &v->in->ahead);
    if (v->token.unfinished)
        v->seen |= SQL_SEEN_UNFINISHED;
}

static bool expecting(const struct sql_level *level)
{
    return level->where == SQL_ONE || level->where == SQL_LIST || level->where == SQL_SCHEMA;
}

static bool is_servers_own(const char *schema)
{
    static const char *const own[] = {"information_schema", "performance_schema", "mysql", "sys"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcasecmp(schema, own[i]))
            return true;
    return false;
}

static void add_schema(struct sql_survey *v, const struct sql_token *t)
{
    struct sql_statement *out = v->out;
    char name[SQL_NAME_SIZE];
    if (!sql_token_name(&v->in->lexer, t, name)) {
        out->schemas_overflow = true;
        return;
    }
    if (is_servers_own(name)) {
        out->own_schema = true;
        return;
    }
    if (v->ctx->is_resource && v->ctx->is_resource(v->ctx->arg, name)) {
        out->resource_inside = true;
        return;
    }
    for (unsigned i = 0; i < out->n_schemas; i++)
        if (!strcmp(out->schema[i], name))
            return;
    if (out->n_schemas == SQL_MAX_SCHEMAS)
        out->schemas_overflow = true;
    else
        strcpy(out->schema[out->n_schemas++], name);
}

/* One that does not fit is forgotten: its uses then count as tables, which is the safe side. */
static void add_cte(struct sql_survey *v, const struct sql_token *name)
{
    if (v->n_ctes < SQL_MAX_CTES && sql_token_name(&v->in->lexer, name, v->cte[v->n_ctes]))
        v->n_ctes++;
}

static bool is_cte(const struct sql_survey *v, const struct sql_token *t)
{
    char name[SQL_NAME_SIZE];
    if (!v->n_ctes || !sql_token_name(&v->in->lexer, t, name))
        return false;
    for (unsigned i = 0; i < v->n_ctes; i++)
        if (!strcmp(v->cte[i], name))
            return true;
    return false;
}

static void see_table(struct sql_survey *v, const struct dotted *name)
{
    struct sql_level *level = sql_level(v);
    bool table_function = level->where == SQL_LIST && name->n == 1 && sql_is_punct(&v->in->ahead, '(');
    if (name->n >= 2)
        add_schema(v, &name->first);
    else if (!table_function && !is_cte(v, &name->first))
        v->out->unqualified_table = true;
    level->where = level->where == SQL_LIST ? SQL_AFTER_LIST : SQL_NOWHERE;
}

static void note_locks(struct sql_survey *v, struct slice function)
{
    static const char *const words[] = {"GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "IS_FREE_LOCK", "IS_USED_LOCK"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        v->out->user_locks |= slice_is_word(function, words[i]);
    if (slice_is_word(function, "GET_LOCK"))
        v->out->leaves |= SQL_LEAVES_LOCK;
    if (slice_is_word(function, "RELEASE_ALL_LOCKS"))
        v->out->leaves |= SQL_FREES_LOCKS;
}

static void see_call(struct sql_survey *v, const struct dotted *name)
{
    enum sql_callable callable = SQL_CALLABLE_UNKNOWN;
    if (name->n >= 2)
        add_schema(v, &name->first);
    else if (name->first.kind == SQL_WORD)
        callable = sql_callable(name->first.text);
    if (name->n == 1 && callable == SQL_CALLABLE_UNKNOWN)
        v->out->unqualified_routine = true;
    if (callable == SQL_CALLABLE_UNKNOWN)
        v->out->leaves |= SQL_LEAVES_UNKNOWN;
    note_locks(v, name->first.text);
    v->sequence_call = slice_is_word(name->first.text, "NEXTVAL") || slice_is_word(name->first.text, "LASTVAL") ||
                       slice_is_word(name->first.text, "SETVAL");
    if (callable == SQL_CALLABLE_UNKNOWN || callable == SQL_CALLABLE_EFFECT)
        v->seen |= SQL_SEEN_FUNCTION;
}

/* a.b.c is schema.table.column; a.b may be table.column and says nothing. */
static void see_operand(struct sql_survey *v, const struct dotted *name)
{
    if (sql_is_punct(&v->in->ahead, '('))
        see_call(v, name);
    else if (name->n >= 3)
        add_schema(v, &name->first);
    if (name->n >= 2 && (sql_is_word(&name->last, "NEXTVAL") || sql_is_word(&name->last, "CURRVAL")))
        v->seen |= SQL_SEEN_SEQUENCE;
}

static struct dotted read_dotted(struct sql_survey *v)
{
    struct dotted name = {v->token, v->token, 1};
    while (sql_is_punct(&v->in->ahead, '.')) {
        advance(v);
        if (!sql_is_name(&v->in->ahead) && !sql_is_punct(&v->in->ahead, '*'))
            break;
        advance(v);
        name.last = v->token;
        name.n++;
    }
    return name;
}

static void see_cte_name(struct sql_survey *v)
{
    struct sql_level *level = sql_level(v);
    bool is_modifier = sql_is_word(&v->token, "RECURSIVE") && sql_is_name(&v->in->ahead);
    if (is_modifier && !sql_is_word(&v->in->ahead, "AS")) {
        level->recursive = true;
        return;
    }
    level->cte_name = v->token;
    level->cte = SQL_CTE_AS;
    if (level->recursive)
        add_cte(v, &v->token);
}

static void see_name(struct sql_survey *v)
{
    struct sql_level *level = sql_level(v);
    if (level->cte == SQL_CTE_NAME) {
        see_cte_name(v);
        return;
    }
    struct dotted name = read_dotted(v);
    if (level->where == SQL_SCHEMA) {
        add_schema(v, &name.first);
        level->where = SQL_NOWHERE;
    } else if (expecting(level)) {
        see_table(v, &name);
    } else if (level->where != SQL_TARGETS) {
        see_operand(v, &name);
    }
}

static bool is_one_of(const struct sql_token *t, const char *const *words)
{
    while (*words && !sql_is_word(t, *words))
        words++;
    return *words;
}

/* A routine's body that may hold ; begins with a block. */
static bool begins_block(struct sql_survey *v)
{
    static const char *const words[] = {"BEGIN", "CASE", "LOOP", "WHILE", "REPEAT", NULL};
    const struct sql_token *t = &v->token;
    if (is_one_of(t, words))
        return true;
    if (sql_is_word(t, "FOR"))
        return !sql_is_word(&v->in->ahead, "EACH");
    if (sql_is_word(t, "IF")) /* not that of CREATE EVENT IF NOT EXISTS */
        return sql_level(v)->where != SQL_ONE;
    return false;
}

/* Or (sql_mode=ORACLE, JavaScript) it follows AS or IS, in a grammar of its own. */
static bool begins_foreign_body(const struct sql_survey *v)
{
    static const char *const words[] = {"AS", "IS", "PACKAGE", NULL};
    return is_one_of(&v->token, words) || v->token.text.at[0] == '$';
}

/* Or it is one statement; of a trigger's events, a type and a clause of its own these words tell, too. */
static bool begins_plain_body(const struct sql_survey *v)
{
    static const char *const words[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "CALL", "RETURN", "SET", NULL};
    static const char *const other[] = {"BEFORE", "AFTER", "OR", "CHARACTER", NULL};
    return !v->depth && is_one_of(&v->token, words) && !is_one_of(&v->before, other) &&
           !(sql_is_word(&v->token, "SET") && sql_is_punct(&v->in->ahead, '('));
}

static void look_for_body(struct sql_survey *v)
{
    if (begins_foreign_body(v)) {
        v->out->compound = true;
    } else if (begins_block(v)) {
        v->out->compound = true;
        sql_block_begin(&v->block);
        sql_block_token(&v->block, &v->before, &v->token, &v->in->ahead);
    } else {
        v->plain_body = begins_plain_body(v);
    }
}

/* LAST_INSERT_ID( is ahead of more than its ). */
static bool gives_insert_id(const struct sql_survey *v)
{
    struct sql_tokens in = *v->in;
    if (!sql_is_word(&v->token, "LAST_INSERT_ID"))
        return false;
    sql_take(&in);
    return !sql_is_punct(&in.ahead, ')');
}

static void see_word(struct sql_survey *v)
{
    struct sql_level *level = sql_level(v);
    bool call = sql_is_punct(&v->in->ahead, '(') && sql_callable(v->token.text) != SQL_CALLABLE_NONE;
    if (call && sql_is_information(v->token.text)) {
        v->out->asks_session = true;
        v->out->gives_insert_id |= gives_insert_id(v);
    }
    if (v->routine && !v->plain_body && !v->out->compound)
        look_for_body(v);
    if (level->cte == SQL_CTE_NAME || sql_is_punct(&v->in->ahead, '.')) {
        see_name(v);
    } else if (expecting(level) && sql_position_noise(v)) {
        return;
    } else if (expecting(level) && !sql_position_leaves(v)) {
        see_name(v);
    } else if (call) {
        see_name(v);
    } else {
        if (expecting(level))
            level->where = SQL_NOWHERE;
        sql_position_word(v);
    }
}

static void open_level(struct sql_survey *v)
{
    struct sql_level *outer = sql_level(v);
    bool tables = outer->where == SQL_LIST;
    if (outer->cte == SQL_CTE_AS && sql_is_word(&v->before, "AS"))
        outer->cte = SQL_CTE_BODY;
    if (tables)
        outer->where = SQL_AFTER_LIST;
    else if (expecting(outer))
        outer->where = SQL_NOWHERE;
    if (v->depth + 1 == SQL_MAX_LEVELS) {
        v->too_deep++;
        v->out->schemas_overflow = true;
        return;
    }
    v->depth++;
    enum sql_where where = tables ? SQL_LIST : v->sequence_call ? SQL_ONE : SQL_NOWHERE;
    *sql_level(v) = (struct sql_level){.where = where, .n_ctes = v->n_ctes};
    v->sequence_call = false;
}

static void close_level(struct sql_survey *v)
{
    if (v->too_deep) {
        v->too_deep--;
        return;
    }
    if (!v->depth)
        return;
    v->n_ctes = sql_level(v)->n_ctes;
    v->depth--;
    struct sql_level *level = sql_level(v);
    if (level->cte != SQL_CTE_BODY)
        return;
    level->cte = SQL_CTE_DONE;
    if (!level->recursive)
        add_cte(v, &level->cte_name);
}

/* FROM {OJ t ...}, UNION=(t, u) */
static bool goes_on(const struct sql_survey *v)
{
    return sql_is_punct(&v->token, '{') || (sql_is_punct(&v->token, '=') && sql_is_word(&v->before, "UNION"));
}

/* Behind a ; within a compound statement all begins anew. */
static void begin_inner_statement(struct sql_survey *v)
{
    v->depth = v->too_deep = v->n_ctes = 0;
    v->level[0] = (struct sql_level){.where = SQL_NOWHERE};
    v->shape &= SQL_SHAPE_ROUTINE;
}

static void see_punct(struct sql_survey *v)
{
    struct sql_level *level = sql_level(v);
    if (sql_is_punct(&v->token, '(')) {
        open_level(v);
    } else if (sql_is_punct(&v->token, ')')) {
        close_level(v);
    } else if (sql_is_punct(&v->token, ',') && level->where == SQL_AFTER_LIST) {
        level->where = SQL_LIST;
    } else if (sql_is_punct(&v->token, ';')) {
        begin_inner_statement(v);
    } else if (v->token.text.len == 2) {
        v->seen |= SQL_SEEN_ASSIGNMENT;
    } else if (expecting(level) && !goes_on(v)) {
        level->where = SQL_NOWHERE;
    }
}

static void see_token(struct sql_survey *v)
{
    struct sql_level *level = sql_level(v);
    if (level->cte == SQL_CTE_DONE) {
        bool more = sql_is_punct(&v->token, ',');
        level->cte = more ? SQL_CTE_NAME : SQL_CTE_NONE;
        if (more)
            return;
    }
    if (v->token.kind == SQL_SYSTEM_VARIABLE)
        v->out->asks_session = true;
    if (v->token.kind == SQL_WORD)
        see_word(v);
    else if (v->token.kind == SQL_QUOTED_NAME)
        see_name(v);
    else if (v->token.kind == SQL_PUNCT)
        see_punct(v);
    else if (expecting(level))
        level->where = SQL_NOWHERE;
}

/* Where literals and commas say nothing, they may be as many as they like. */
static void skip_values(struct sql_survey *v)
{
    const struct sql_level *level = sql_level(v);
    bool between = v->token.kind == SQL_PUNCT || v->token.kind == SQL_NUMBER || v->token.kind == SQL_STRING;
    bool silent = !expecting(level) && level->where != SQL_AFTER_LIST && level->cte == SQL_CTE_NONE;
    if (between && silent && v->block.state == SQL_BLOCK_NONE && v->depth + 1 < SQL_MAX_LEVELS)
        sql_skip_values(v->in);
}

/* EXPLAIN t and EXPLAIN statement differ in the first word only. */
static bool explains_statement(const struct sql_token *t)
{
    static const char *const words[] = {"SELECT", "WITH", "TABLE", "VALUES", "INSERT", "UPDATE", "DELETE", "REPLACE",
                                        "EXTENDED", "PARTITIONS", "FORMAT", "FOR", "INTO"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sql_is_word(t, words[i]))
            return true;
    return !sql_is_name(t);
}

/* Rows that say what follows them are walked over as a whole; the words of others take effect one by one. */
static void see_first_words(struct sql_survey *v, unsigned n_words)
{
    const unsigned follows = SQL_SHAPE_TABLE | SQL_SHAPE_SCHEMA | SQL_SHAPE_EXPLAIN;
    if (!(v->shape & follows))
        return;
    while (n_words) {
        advance(v);
        if (v->token.kind == SQL_PUNCT)
            see_punct(v);
        else
            n_words--;
    }
    struct sql_level *level = sql_level(v);
    if (v->shape & SQL_SHAPE_SCHEMA)
        level->where = SQL_SCHEMA;
    else if (v->shape & SQL_SHAPE_TABLE)
        level->where = v->shape & SQL_SHAPE_LIST ? SQL_LIST : SQL_ONE;
    else if (!explains_statement(&v->in->ahead))
        level->where = SQL_ONE;
}

/* A ; within an executable comment ends the statement on some servers only. */
static bool at_end(struct sql_survey *v)
{
    const struct sql_lexer *l = &v->in->lexer;
    if (l->ambiguous || (l->executable && sql_is_punct(&v->in->ahead, ';'))) {
        v->out->compound = true;
        v->block.state = SQL_BLOCK_WHOLE;
    }
    bool whole = v->out->compound && v->block.state != SQL_BLOCK_CLOSED;
    return v->in->ahead.kind == SQL_END || (!whole && sql_is_punct(&v->in->ahead, ';'));
}

/* Variables that it assigns are found elsewhere (assigned.h). */
static void note_leavings(struct sql_survey *v, const struct sql_keyword *row)
{
    if (!strcmp(row->words, "HANDLER"))
        v->out->leaves |= SQL_LEAVES_HANDLER;
    if (!strcmp(row->words, "CALL") || v->out->compound)
        v->out->leaves |= SQL_LEAVES_UNKNOWN;
    if (v->routine)
        v->out->leaves = 0; /* its body is kept, not run */
}

unsigned sql_survey(struct sql_tokens *in, const struct sql_context *ctx, const struct sql_keyword *row,
                    unsigned n_words, struct sql_statement *out)
{
    struct sql_survey v;
    memset(&v, 0, offsetof(struct sql_survey, cte));
    v.level[0] = (struct sql_level){.where = SQL_NOWHERE};
    v.in = in;
    v.ctx = ctx;
    v.out = out;
    v.shape = row->shape;
    if (out->compound)
        sql_block_begin(&v.block);
    see_first_words(&v, n_words);
    while (!at_end(&v)) {
        advance(&v);
        see_token(&v);
        skip_values(&v);
    }
    if (in->lexer.unfinished_comment || in->lexer.executable)
        v.seen |= SQL_SEEN_UNFINISHED;
    if (in->lexer.saw_executable)
        v.seen |= SQL_SEEN_EXECUTABLE;
    note_leavings(&v, row);
    return v.seen;
}
