/* What the proxy runs itself, prepared: which kinds these are, and their values put into the text. */
#include "proxy/session/own.h"

#include "proxy/sql/prepare.h"
#include "proxy/sql/quote.h"

bool own_is(enum sql_kind kind)
{
    switch (kind) {
    case SQL_PLAIN:
    case SQL_READ:
    case SQL_IMPLICIT_COMMIT:
    case SQL_LOAD_LOCAL:
    case SQL_TEMPORARY_TABLE:
    case SQL_COMPOUND:
        return false;
    default:
        return true;
    }
}

bool own_refuses(struct session *s, const struct sql_statement *parsed, struct slice rest)
{
    struct sql_context ctx;
    static _Thread_local struct sql_statement second;
    statement_context(s, &ctx);
    if (parsed->kind == SQL_PREPARE_TEXT || parsed->resource_inside)
        session_answer_error(s, 1295, "HY000", "This command is not supported in the prepared statement protocol yet");
    else if (own_is(parsed->kind) && rest.len && sql_next_statement(&rest, &ctx, &second))
        session_answer_error(s, 1064, "42000",
                             "You have an error in your SQL syntax: more than one statement is prepared at once, near '%.*s'",
                             (int)(second.text.len < 80 ? second.text.len : 80), (const char *)second.text.at);
    else
        return false;
    return true;
}

/* --- values ------------------------------------------------------------------------------------------------------------- */

struct values {
    const struct wire_param *param; /* or NULL: those of the list */
    struct slice types;
    struct slice list;
    unsigned used;
};

static bool is_blob(struct slice types, unsigned i)
{
    uint8_t type = types.at[2 * (size_t)i];
    return type >= WIRE_TYPE_TINY_BLOB && type <= WIRE_TYPE_BLOB;
}

static void put_value(struct session *s, const struct sql_context *ctx, struct values *v)
{
    struct buf *out = &s->made;
    unsigned i = v->used++;
    struct slice expression;
    if (!v->param && sql_next_expression(&v->list, ctx, &expression))
        buf_append(out, expression.at, expression.len);
    else if (!v->param || v->param[i].class == WIRE_PARAM_NULL)
        buf_text(out, "NULL");
    else if (v->param[i].class == WIRE_PARAM_NUMBER)
        buf_append(out, v->param[i].text.at, v->param[i].text.len);
    else if (is_blob(v->types, i))
        sql_quote_bytes(out, v->param[i].text);
    else
        sql_quote_text(out, v->param[i].text, &ctx->dialect);
}

static void start(struct session *s, struct slice text, struct values *v)
{
    struct sql_context ctx;
    struct sql_lexer l;
    const uint8_t *from = text.at;
    statement_context(s, &ctx);
    sql_lexer_init(&l, text, &ctx.dialect);
    buf_clear(&s->made);
    for (struct sql_token t = sql_next(&l);; t = sql_next(&l)) {
        if (t.kind != SQL_PARAMETER && t.kind != SQL_END)
            continue;
        buf_append(&s->made, from, (size_t)(t.text.at - from));
        from = t.text.at + t.text.len;
        if (t.kind == SQL_END)
            break;
        put_value(s, &ctx, v);
    }
    struct slice rest = {(const uint8_t *)buf_cstr(&s->made), buf_len(&s->made)};
    (void)sql_next_statement(&rest, &ctx, s->statement);
    statement_start_prepared(s);
}

void own_start_with_values(struct session *s, struct slice text, const struct wire_param *values, unsigned n, struct slice types)
{
    CHECK(types.len == 2 * (size_t)n);
    struct values v = {.param = values, .types = types};
    start(s, text, &v);
}

void own_start_with_list(struct session *s, struct slice text, struct slice list)
{
    struct values v = {.list = list};
    start(s, text, &v);
}
