/* Statements about statements: their few words read in order. Leaves the inner text to whoever prepares it. */
#include "proxy/sql/prepare.h"

static bool at_end(const struct sql_tokens *in)
{
    return in->ahead.kind == SQL_END || sql_is_punct(&in->ahead, ';');
}

static bool take_name(struct sql_tokens *in, struct sql_prepare *out)
{
    struct sql_token name = sql_take(in);
    return sql_is_name(&name) && !name.unfinished && sql_token_name(&in->lexer, &name, out->name) && out->name[0];
}

/* An expression up to the word (NULL: none), a comma of this level, or the end. */
static struct slice take_expression(struct sql_tokens *in, const char *word, bool to_comma, unsigned *n_tokens)
{
    struct slice text = {in->ahead.text.at, 0};
    unsigned depth = 0;
    *n_tokens = 0;
    while (!at_end(in) && (depth || !((word && sql_is_word(&in->ahead, word)) || (to_comma && sql_is_punct(&in->ahead, ','))))) {
        struct sql_token t = sql_take(in);
        depth += sql_is_punct(&t, '(');
        depth -= depth && sql_is_punct(&t, ')');
        text.len = (size_t)(t.text.at + t.text.len - text.at);
        ++*n_tokens;
    }
    return text;
}

static bool take_source(struct sql_tokens *in, const char *until, struct sql_prepare *out)
{
    unsigned n;
    bool string = in->ahead.kind == SQL_STRING && !in->ahead.unfinished;
    out->source = take_expression(in, until, false, &n);
    out->literal = string && n == 1;
    return n > 0;
}

static bool take_using(struct sql_tokens *in, struct sql_prepare *out)
{
    unsigned n;
    if (!sql_accept_word(in, "USING"))
        return at_end(in);
    out->using = take_expression(in, NULL, false, &n);
    return n && at_end(in);
}

bool sql_prepare_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_prepare *out)
{
    struct sql_tokens in;
    *out = (struct sql_prepare){.verb = SQL_PREPARE_NAMED};
    sql_tokens_init(&in, s->text, &ctx->dialect);
    if (sql_accept_word(&in, "PREPARE"))
        return take_name(&in, out) && sql_accept_word(&in, "FROM") && take_source(&in, NULL, out) && at_end(&in);
    if (sql_accept_word(&in, "EXECUTE")) {
        struct sql_tokens behind = in;
        if (sql_accept_word(&behind, "IMMEDIATE") && !at_end(&behind) && !sql_is_word(&behind.ahead, "USING")) {
            out->verb = SQL_EXECUTE_IMMEDIATE;
            return take_source(&behind, "USING", out) && take_using(&behind, out);
        }
        out->verb = SQL_EXECUTE_NAMED;
        return take_name(&in, out) && take_using(&in, out);
    }
    out->verb = SQL_DEALLOCATE;
    return (sql_accept_word(&in, "DEALLOCATE") || sql_accept_word(&in, "DROP")) && sql_accept_word(&in, "PREPARE") &&
           take_name(&in, out) && at_end(&in);
}

void sql_prepare_literal(const struct sql_prepare *p, const struct sql_context *ctx, struct buf *out)
{
    struct sql_lexer l;
    sql_lexer_init(&l, p->source, &ctx->dialect);
    struct sql_token t = sql_next(&l);
    sql_token_value(&l, &t, out);
}

unsigned sql_count_parameters(struct slice text, const struct sql_context *ctx)
{
    struct sql_lexer l;
    unsigned n = 0;
    sql_lexer_init(&l, text, &ctx->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        n += t.kind == SQL_PARAMETER;
    return n;
}

bool sql_next_expression(struct slice *list, const struct sql_context *ctx, struct slice *out)
{
    struct sql_tokens in;
    unsigned n;
    if (!list->len)
        return false;
    sql_tokens_init(&in, *list, &ctx->dialect);
    *out = take_expression(&in, NULL, true, &n);
    struct cursor rest = cursor_make(list->at, list->len);
    cursor_skip(&rest, (size_t)(in.ahead.text.at - list->at) + in.ahead.text.len);
    *list = cursor_rest(&rest);
    return n;
}
