/* The assignments of SET, one by one; values stay text. Leaves which variables matter to the session. */
#include <string.h>

#include "proxy/sql/bytes.h"
#include "proxy/sql/classify.h"

static bool at_end(const struct sql_set_reader *r)
{
    return r->in.ahead.kind == SQL_END || sql_is_punct(&r->in.ahead, ';');
}

void sql_set_begin(struct sql_set_reader *r, const struct sql_statement *s, const struct sql_context *ctx)
{
    sql_tokens_init(&r->in, s->text, &ctx->dialect);
    r->scope = SQL_SET_SESSION;
    r->bad = !sql_accept_word(&r->in, "SET") || at_end(r);
}

/* Text up to the next comma of this level, or the end when `to_end`. */
static void read_value(struct sql_set_reader *r, bool to_end, struct sql_set *out)
{
    unsigned n = 0, depth = 0;
    out->value = (struct slice){r->in.ahead.text.at, 0};
    out->literal = true;
    while (!at_end(r) && (to_end || depth || !sql_is_punct(&r->in.ahead, ','))) {
        bool sign = !n && (sql_is_punct(&r->in.ahead, '-') || sql_is_punct(&r->in.ahead, '+'));
        struct sql_token t = sql_take(&r->in);
        depth += sql_is_punct(&t, '(');
        depth -= depth && sql_is_punct(&t, ')');
        n += !sign;
        out->literal &= !t.unfinished && n <= 1 && (sign || (t.kind != SQL_PUNCT && t.kind != SQL_VARIABLE &&
                                                             t.kind != SQL_SYSTEM_VARIABLE && t.kind != SQL_PARAMETER));
        out->value.len = (size_t)(t.text.at + t.text.len - out->value.at);
    }
    out->literal &= n == 1;
    r->bad |= !out->value.len || depth;
}

static void name_form(struct sql_set *out, const char *name, enum sql_set_scope scope)
{
    strcpy(out->name, name);
    out->scope = scope;
}

static bool is_scope_word(struct slice word, enum sql_set_scope *scope)
{
    static const struct {
        const char *word;
        enum sql_set_scope scope;
    } words[] = {{"global", SQL_SET_GLOBAL},   {"persist", SQL_SET_PERSIST}, {"persist_only", SQL_SET_PERSIST_ONLY},
                 {"session", SQL_SET_SESSION}, {"local", SQL_SET_SESSION}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_is_word(word, words[i].word)) {
            *scope = words[i].scope;
            return true;
        }
    return false;
}

static bool accept_scope(struct sql_tokens *in, enum sql_set_scope *scope)
{
    if (in->ahead.kind != SQL_WORD || !is_scope_word(in->ahead.text, scope))
        return false;
    sql_take(in);
    return true;
}

static bool is_assignment(const struct sql_token *t)
{
    return sql_is_punct(t, '=') || (t->kind == SQL_PUNCT && t->text.len == 2);
}

/* NAMES, CHARACTER SET, CHARSET, ROLE, TRANSACTION: words of their own without an = behind them. */
static bool accept_form(struct sql_set_reader *r, bool scoped, struct sql_set *out)
{
    struct sql_tokens look = r->in;
    struct sql_token word = sql_take(&look);
    if (is_assignment(&look.ahead) || sql_is_punct(&look.ahead, '.'))
        return false;
    if (sql_is_word(&word, "TRANSACTION"))
        name_form(out, "transaction", scoped ? r->scope : SQL_SET_ONE_SHOT);
    else if (sql_is_word(&word, "NAMES"))
        name_form(out, "names", SQL_SET_SESSION);
    else if (sql_is_word(&word, "CHARSET") || (sql_is_word(&word, "CHARACTER") && sql_accept_word(&look, "SET")))
        name_form(out, "character set", SQL_SET_SESSION);
    else if (sql_is_word(&word, "ROLE"))
        name_form(out, "role", SQL_SET_SESSION);
    else
        return false;
    r->bad |= scoped && strcmp(out->name, "transaction") != 0;
    r->in = look;
    read_value(r, !strcmp(out->name, "transaction") || !strcmp(out->name, "role"), out);
    out->literal &= out->scope != SQL_SET_ONE_SHOT;
    return true;
}

/* Appends a further part of a dotted name; false: it is none, or too long. */
static bool append_part(struct sql_tokens *in, char *name)
{
    char part[SQL_NAME_SIZE];
    struct sql_token t = sql_take(in);
    size_t len = strlen(name);
    if (!sql_is_name(&t) || !sql_token_name(&in->lexer, &t, part) || len + strlen(part) + 2 > SQL_NAME_SIZE)
        return false;
    if (len)
        name[len++] = '.';
    strcpy(name + len, part);
    return true;
}

/* No variable is called so, but in a sql_set. */
static bool is_form_name(const char *name)
{
    return !strcmp(name, "names") || !strcmp(name, "role");
}

/* @@x, @@session.x, @@global.cache.x, x, cache.x */
static bool read_system_name(struct sql_set_reader *r, struct sql_set *out)
{
    bool at_signs = r->in.ahead.kind == SQL_SYSTEM_VARIABLE;
    out->scope = at_signs ? SQL_SET_ONE_SHOT : r->scope;
    if (at_signs) {
        struct sql_token t = sql_take(&r->in);
        if (!sql_token_name(&r->in.lexer, &t, out->name))
            return false;
        if (sql_is_punct(&r->in.ahead, '.') &&
            is_scope_word((struct slice){(const uint8_t *)out->name, strlen(out->name)}, &out->scope))
            out->name[0] = '\0';
    } else if (!append_part(&r->in, out->name)) {
        return false;
    }
    while (sql_accept_punct(&r->in, '.'))
        if (!append_part(&r->in, out->name))
            return false;
    for (char *c = out->name; *c; c++)
        *c = (char)byte_lower((uint8_t)*c);
    return out->name[0] && !is_form_name(out->name);
}

static bool read_user_name(struct sql_set_reader *r, struct sql_set *out)
{
    struct sql_token t = sql_take(&r->in);
    out->scope = SQL_SET_USER;
    return !t.unfinished && sql_token_name(&r->in.lexer, &t, out->name);
}

static bool read_assignment(struct sql_set_reader *r, bool scoped, struct sql_set *out)
{
    bool user = r->in.ahead.kind == SQL_VARIABLE;
    if (user && scoped)
        return false;
    if (!(user ? read_user_name(r, out) : read_system_name(r, out)) || !is_assignment(&r->in.ahead))
        return false;
    sql_take(&r->in);
    read_value(r, false, out);
    return true;
}

bool sql_set_next(struct sql_set_reader *r, struct sql_set *out)
{
    if (r->bad || at_end(r))
        return false;
    *out = (struct sql_set){.scope = SQL_SET_SESSION};
    bool scoped = accept_scope(&r->in, &r->scope);
    if (!accept_form(r, scoped, out) && !read_assignment(r, scoped, out))
        r->bad = true;
    if (sql_accept_punct(&r->in, ','))
        r->bad |= at_end(r);
    else
        r->bad |= !at_end(r);
    return !r->bad;
}

int sql_bool_value(struct slice value)
{
    static const struct {
        const char *text;
        int value;
    } words[] = {{"1", 1}, {"on", 1}, {"true", 1}, {"0", 0}, {"off", 0}, {"false", 0}};
    struct sql_lexer l;
    sql_lexer_init(&l, value, &(struct sql_dialect){0});
    struct sql_token t = sql_next(&l), end = sql_next(&l);
    bool quoted = t.kind == SQL_STRING && !t.unfinished && t.text.len >= 2 && byte_lower(t.text.at[0]) != 'n';
    struct slice text = quoted ? (struct slice){t.text.at + 1, t.text.len - 2} : t.text;
    for (size_t i = 0; end.kind == SQL_END && i < sizeof words / sizeof *words; i++)
        if (slice_is_word(text, words[i].text))
            return words[i].value;
    return -1;
}
