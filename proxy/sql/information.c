/* A walk over the tokens that copies them, knows where columns of a select list begin and end, and exchanges what is asked of the
 * session. */
#include "proxy/sql/information.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/sql/quote.h"

#define LEVELS_MAX 64 /* of parentheses; deeper down columns may lose their names */

/* A select list on one level of parentheses. */
struct list_level {
    bool open;             /* its columns are being read */
    bool exchanged;        /* in the present column something was */
    const uint8_t *column; /* where that begins; NULL: at the next token */
};

struct exchange {
    struct sql_tokens in;
    sql_information_value *value;
    void *arg;
    struct buf *out;
    const uint8_t *copied; /* up to here */
    bool any;
    unsigned depth;
    struct list_level level[LEVELS_MAX];
    struct sql_token last[2]; /* the two before, the nearer one first */
};

static struct list_level *level_of(struct exchange *e)
{
    return e->depth < LEVELS_MAX ? &e->level[e->depth] : NULL;
}

static void copy_to(struct exchange *e, const uint8_t *end)
{
    buf_append(e->out, e->copied, (size_t)(end - e->copied));
    e->copied = end;
}

static bool is_word_of(const struct sql_token *t, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sql_is_word(t, words[i]))
            return true;
    return false;
}

/* --- columns ---------------------------------------------------------------------------------------------------------------- */

/* The last two tokens of a column: AS x, or x behind what ends an expression. */
static bool has_alias(const struct exchange *e)
{
    const struct sql_token *last = &e->last[0], *before = &e->last[1];
    if (sql_is_word(before, "AS"))
        return true;
    if (!(sql_is_name(last) || last->kind == SQL_STRING) || sql_is_word(last, "END"))
        return false;
    return sql_is_punct(before, ')') || before->kind == SQL_NUMBER || before->kind == SQL_STRING ||
           before->kind == SQL_QUOTED_NAME || before->kind == SQL_SYSTEM_VARIABLE || before->kind == SQL_VARIABLE;
}

static void put_alias(struct exchange *e, const struct list_level *level)
{
    const uint8_t *end = e->last[0].text.at + e->last[0].text.len;
    char *name = slice_dup((struct slice){level->column, (size_t)(end - level->column)});
    copy_to(e, end);
    buf_text(e->out, " AS ");
    sql_quote_name(e->out, name, &e->in.lexer.dialect);
    free(name);
}

static void end_column(struct exchange *e)
{
    struct list_level *level = level_of(e);
    if (level && level->open && level->exchanged && !has_alias(e))
        put_alias(e, level);
    if (level)
        level->exchanged = false, level->column = NULL;
}

static void end_list(struct exchange *e)
{
    end_column(e);
    if (level_of(e))
        level_of(e)->open = false;
}

static bool is_select_option(const struct sql_token *t)
{
    static const char *const words[] = {"ALL", "DISTINCT", "DISTINCTROW", "HIGH_PRIORITY", "STRAIGHT_JOIN", "SQL_SMALL_RESULT",
                                        "SQL_BIG_RESULT", "SQL_BUFFER_RESULT", "SQL_CACHE", "SQL_NO_CACHE",
                                        "SQL_CALC_FOUND_ROWS"};
    return is_word_of(t, words, sizeof words / sizeof *words);
}

static bool ends_list(const struct sql_token *t)
{
    static const char *const words[] = {"FROM", "INTO", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT",
                                        "INTERSECT", "FOR", "LOCK", "PROCEDURE", "WINDOW", "ON", "RETURNING"};
    return is_word_of(t, words, sizeof words / sizeof *words);
}

/* What `t`, which is about to be taken, does to the lists. */
static void see(struct exchange *e, const struct sql_token *t)
{
    struct list_level *level = level_of(e);
    if (sql_is_punct(t, ')')) {
        end_list(e);
        e->depth -= e->depth > 0;
    } else if (level && sql_is_word(t, "SELECT")) {
        *level = (struct list_level){.open = true};
    } else if (level && level->open && sql_is_punct(t, ',')) {
        end_column(e);
    } else if (level && level->open && ends_list(t)) {
        end_list(e);
    } else if (level && level->open && !level->column && !is_select_option(t)) {
        level->column = t->text.at;
    }
    if (sql_is_punct(t, '(') && ++e->depth < LEVELS_MAX)
        e->level[e->depth] = (struct list_level){0};
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static const char *const names[] = {
#define X(name, text) [SQL_INFORMATION_##name] = text,
    SQL_INFORMATION_FUNCTIONS(X) SQL_INFORMATION_VARIABLES(X)
#undef X
};

/* Index from `from` to `to`, or SQL_N_INFORMATION. */
static enum sql_information named(struct slice name, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (slice_is_word(name, names[i]))
            return (enum sql_information)i;
    return SQL_N_INFORMATION;
}

/* NAME(), ahead in `in`: moves behind it. */
static enum sql_information take_function(struct exchange *e, struct sql_tokens *in)
{
    if (in->ahead.kind != SQL_WORD || sql_is_punct(&e->last[0], '.'))
        return SQL_N_INFORMATION;
    struct slice name = sql_take(in).text;
    return sql_accept_punct(in, '(') && sql_is_punct(&in->ahead, ')') ? named(name, 0, SQL_N_INFORMATION_FUNCTIONS)
                                                                      : SQL_N_INFORMATION;
}

/* @@x, @@session.x */
static enum sql_information take_variable(struct sql_tokens *in)
{
    char name[SQL_NAME_SIZE];
    struct sql_token t = in->ahead;
    if (t.kind != SQL_SYSTEM_VARIABLE || !sql_token_name(&in->lexer, &t, name))
        return SQL_N_INFORMATION;
    struct slice word = {(const uint8_t *)name, strlen(name)};
    if (slice_is_word(word, "session") || slice_is_word(word, "local")) {
        sql_take(in);
        if (!sql_accept_punct(in, '.') || !sql_is_name(&in->ahead) || !sql_token_name(&in->lexer, &in->ahead, name))
            return SQL_N_INFORMATION;
        word.len = strlen(name);
    }
    return named(word, SQL_N_INFORMATION_FUNCTIONS, SQL_N_INFORMATION);
}

/* No server knows it, or the literal has the very type: with IF() MariaDB's would be wider. */
static bool stands_alone(enum sql_information which)
{
    return which == SQL_INFORMATION_XA_MODE || which == SQL_INFORMATION_XA_TIMEOUT || which == SQL_INFORMATION_AUTOCOMMIT ||
           (which >= SQL_INFORMATION_TRACK_SCHEMA && which <= SQL_INFORMATION_TRACK_VARIABLES);
}

static void put_answer(struct exchange *e, enum sql_information which, struct buf *literal, const uint8_t *end)
{
    bool whole = stands_alone(which);
    buf_printf(e->out, whole ? "%s" : "IF(1,%s,", buf_cstr(literal)); /* so its column has the type that it would have had */
    if (whole)
        e->copied = end;
    copy_to(e, end);
    if (!whole)
        buf_u8(e->out, ')');
}

/* In place of what is ahead; false: it is nothing of the kind, or the server's to answer. */
static bool exchange_ahead(struct exchange *e)
{
    struct sql_tokens in = e->in;
    bool function = in.ahead.kind == SQL_WORD;
    enum sql_information which = function ? take_function(e, &in) : take_variable(&in);
    struct buf literal = {0};
    bool known = which != SQL_N_INFORMATION && e->value(e->arg, which, &literal);
    if (known) {
        see(e, &e->in.ahead);
        copy_to(e, e->in.ahead.text.at);
        put_answer(e, which, &literal, in.ahead.text.at + in.ahead.text.len);
        e->last[1] = e->last[0];
        e->last[0] = in.ahead; /* what follows the variable, or the function's ), is an alias */
        if (!function)
            e->last[0].kind = SQL_SYSTEM_VARIABLE; /* also a name behind @@session. */
        e->in = in;
        sql_take(&e->in);
        e->any = true;
        if (level_of(e))
            for (unsigned i = 0; i <= e->depth; i++) /* also of the columns that it is a part of */
                e->level[i].exchanged = true;
    }
    buf_fini(&literal);
    return known;
}

bool sql_is_information(struct slice function)
{
    return named(function, 0, SQL_N_INFORMATION_FUNCTIONS) != SQL_N_INFORMATION;
}

bool sql_put_information(struct slice text, const struct sql_dialect *dialect, sql_information_value *value, void *arg,
                         struct buf *out)
{
    struct exchange e = {.value = value, .arg = arg, .out = out, .copied = text.at};
    size_t before = buf_len(out);
    sql_tokens_init(&e.in, text, dialect);
    while (e.in.ahead.kind != SQL_END) {
        bool candidate = e.in.ahead.kind == SQL_WORD || e.in.ahead.kind == SQL_SYSTEM_VARIABLE;
        if (candidate && exchange_ahead(&e))
            continue;
        see(&e, &e.in.ahead);
        e.last[1] = e.last[0];
        e.last[0] = sql_take(&e.in);
    }
    end_list(&e);
    copy_to(&e, text.at + text.len);
    if (!e.any)
        buf_truncate(out, before);
    return e.any;
}
