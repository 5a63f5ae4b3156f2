/* Calls of Redis resources and of xa: is it one, and what are its arguments? Leaves evaluating expressions and
 * variables to the session. */
#include "proxy/sql/call.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/sql/bytes.h"

struct target {
    enum sql_call_form form;
    char schema[SQL_NAME_SIZE], name[SQL_NAME_SIZE];
    unsigned parts;
};

static bool at_end(const struct sql_tokens *in)
{
    return in->ahead.kind == SQL_END || sql_is_punct(&in->ahead, ';');
}

static bool take_name(struct sql_tokens *in, char out[SQL_NAME_SIZE])
{
    struct sql_token name = sql_take(in);
    return sql_is_name(&name) && !name.unfinished && sql_token_name(&in->lexer, &name, out);
}

/* CALL a.b, DO a.b, SELECT a.b; further parts are counted only. */
static bool read_target(struct sql_tokens *in, struct target *t)
{
    char further[SQL_NAME_SIZE];
    if (sql_accept_word(in, "CALL"))
        t->form = SQL_CALL_CALL;
    else if (sql_accept_word(in, "SELECT"))
        t->form = SQL_CALL_SELECT;
    else if (sql_accept_word(in, "DO"))
        t->form = SQL_CALL_DO;
    else
        return false;
    if (!take_name(in, t->schema) || !sql_accept_punct(in, '.') || !take_name(in, t->name))
        return false;
    for (t->parts = 2; sql_accept_punct(in, '.'); t->parts++)
        if (!take_name(in, further))
            return false;
    return true;
}

/* From behind ( to behind its ); false when it does not come. */
static bool skip_arguments(struct sql_tokens *in)
{
    for (unsigned depth = 1; depth; sql_take(in)) {
        if (at_end(in))
            return false;
        depth += sql_is_punct(&in->ahead, '(');
        depth -= sql_is_punct(&in->ahead, ')');
    }
    return true;
}

/* Behind a SELECT's call: nothing, or [AS] alias. */
static bool read_alias(struct sql_tokens *in, char alias[SQL_NAME_SIZE])
{
    bool as = sql_accept_word(in, "AS");
    bool there = sql_is_name(&in->ahead) || in->ahead.kind == SQL_STRING;
    if (!there)
        return !as;
    struct sql_token t = sql_take(in);
    return !t.unfinished && sql_token_name(&in->lexer, &t, alias);
}

/* False when it is no call or something stands behind it. */
static bool skip_call(struct sql_tokens *in, struct target *t)
{
    char alias[SQL_NAME_SIZE];
    if (!read_target(in, t))
        return false;
    if (!sql_accept_punct(in, '('))
        return t->form == SQL_CALL_CALL && at_end(in); /* CALL p: no arguments */
    return skip_arguments(in) && (t->form != SQL_CALL_SELECT || read_alias(in, alias)) && at_end(in);
}

static bool names_xa(const struct sql_statement *s)
{
    for (unsigned i = 0; i < s->n_schemas; i++)
        if (!strcasecmp(s->schema[i], "xa"))
            return true;
    return false;
}

/* Its procedures are called, but that which tells something can be selected as well. */
static bool is_of_xa(const struct target *t)
{
    return !strcasecmp(t->schema, "xa") &&
           (t->form == SQL_CALL_CALL || (t->form == SQL_CALL_SELECT && !strcasecmp(t->name, "token")));
}

void sql_call_recognize(const struct sql_tokens *begin, const struct sql_context *ctx, struct sql_statement *out)
{
    struct sql_tokens in = *begin;
    struct target t;
    if (!out->resource_inside && !names_xa(out) && !sql_is_word(&in.ahead, "CALL"))
        return;
    if (!skip_call(&in, &t))
        return;
    bool xa = is_of_xa(&t);
    if (!xa && !(ctx->is_resource && ctx->is_resource(ctx->arg, t.schema)))
        return;
    out->kind = xa ? SQL_XA_CALL : SQL_REDIS_CALL;
    out->resource_inside = false;
    out->n_schemas = 0;
    out->says_call = t.form == SQL_CALL_CALL;
    strcpy(out->name, xa ? t.name : t.schema);
}

/* The tokens of one argument. */
struct piece {
    struct sql_token token[3]; /* the first few */
    unsigned n;                /* all */
    bool only_strings;         /* 'a' 'b' is one string */
    struct slice text;
};

static struct piece read_piece(struct sql_tokens *in)
{
    struct piece p = {.only_strings = true, .text = {in->ahead.text.at, 0}};
    unsigned depth = 0;
    while (!at_end(in) && (depth || !(sql_is_punct(&in->ahead, ',') || sql_is_punct(&in->ahead, ')')))) {
        struct sql_token t = sql_take(in);
        depth += sql_is_punct(&t, '(');
        depth -= sql_is_punct(&t, ')');
        p.only_strings &= t.kind == SQL_STRING;
        if (p.n < 3)
            p.token[p.n] = t;
        p.n++;
        p.text.len = (size_t)(t.text.at + t.text.len - p.text.at);
    }
    return p;
}

/* As a server would print it: no leading zeros, a digit before the point. Others it evaluates itself. */
static bool is_canonical_number(struct slice s)
{
    bool whole = s.len == 1 || (s.len && (s.at[0] != '0' || s.at[1] == '.'));
    bool point = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!byte_is_digit(s.at[i]) && (s.at[i] != '.' || point || i == 0 || i + 1 == s.len))
            return false;
        point |= s.at[i] == '.';
    }
    return whole;
}

static bool has_exponent(struct slice s)
{
    return s.len < 64 && (memchr(s.at, 'e', s.len) || memchr(s.at, 'E', s.len));
}

/* A number with an exponent is a DOUBLE: the shortest text that reads back the same, as drivers and servers print it.
 * False where it is out of range, for a server to refuse. */
static bool append_double(struct slice s, bool minus, struct buf *bytes)
{
    char text[64], shortest[40];
    snprintf(text, sizeof text, "%.*s", (int)s.len, (const char *)s.at);
    double d = strtod(text, NULL);
    if (!isfinite(d))
        return false;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(shortest, sizeof shortest, "%.*g", precision, d);
        if (strtod(shortest, NULL) == d)
            break;
    }
    buf_printf(bytes, "%s%s", minus ? "-" : "", shortest);
    return true;
}

static bool append_number(const struct piece *p, struct buf *bytes)
{
    bool minus = sql_is_punct(&p->token[0], '-');
    bool sign = minus || sql_is_punct(&p->token[0], '+');
    const struct sql_token *number = &p->token[sign];
    if (p->n != 1u + sign || number->kind != SQL_NUMBER)
        return false;
    if (has_exponent(number->text))
        return append_double(number->text, minus, bytes);
    if (!is_canonical_number(number->text))
        return false;
    buf_printf(bytes, "%s%.*s", minus ? "-" : "", (int)number->text.len, (const char *)number->text.at);
    return true;
}

/* 'a' 'b', and X'..', 0x.., b'..', each also behind a character set introducer, which leaves the bytes as they are. */
static bool append_literal(struct sql_tokens *in, const struct piece *p, struct buf *bytes)
{
    unsigned first = p->n == 2 && p->token[0].kind == SQL_WORD && p->token[0].text.at[0] == '_';
    const struct sql_token *t = &p->token[first];
    if (p->n != first + 1 || (t->kind != SQL_STRING && t->kind != SQL_HEX && t->kind != SQL_BITS))
        return false;
    sql_token_value(&in->lexer, t, bytes);
    return true;
}

static void append_strings(struct sql_tokens *in, const struct piece *p, struct buf *bytes)
{
    struct sql_lexer l = in->lexer;
    l.in = cursor_make(p->text.at, p->text.len);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        sql_token_value(&l, &t, bytes);
}

static bool append_word(const struct piece *p, struct buf *bytes)
{
    bool is_true = p->n == 1 && sql_is_word(&p->token[0], "TRUE");
    if (!is_true && !(p->n == 1 && sql_is_word(&p->token[0], "FALSE")))
        return false;
    buf_u8(bytes, is_true ? '1' : '0');
    return true;
}

static bool is_null(const struct piece *p)
{
    bool escape = p->n == 2 && sql_is_punct(&p->token[0], '\\') && slice_is(p->text, "\\N");
    return escape || (p->n == 1 && sql_is_word(&p->token[0], "NULL"));
}

static enum sql_argument_kind append_argument(struct sql_tokens *in, const struct piece *p, struct buf *bytes)
{
    if (is_null(p))
        return SQL_ARG_NULL;
    if (p->n == 1 && p->token[0].kind == SQL_PARAMETER)
        return SQL_ARG_PARAMETER;
    if (p->n == 1 && p->token[0].kind == SQL_VARIABLE) {
        sql_token_value(&in->lexer, &p->token[0], bytes);
        return SQL_ARG_VARIABLE;
    }
    if (append_literal(in, p, bytes))
        return SQL_ARG_BYTES;
    if (p->only_strings) {
        append_strings(in, p, bytes);
        return SQL_ARG_BYTES;
    }
    buf_append(bytes, p->text.at, p->text.len);
    return SQL_ARG_EXPRESSION;
}

/* From behind ( on. */
static bool read_arguments(struct sql_tokens *in, struct sql_call *out, char *why, size_t why_size)
{
    if (sql_accept_punct(in, ')'))
        return true;
    do {
        struct piece p = read_piece(in);
        if (!p.n) {
            snprintf(why, why_size, "argument %u is missing", out->n + 1);
            return false;
        }
        if (out->n == SQL_MAX_ARGUMENTS) {
            snprintf(why, why_size, "more than %d arguments; send several calls, one transaction keeps them together",
                     SQL_MAX_ARGUMENTS);
            return false;
        }
        struct sql_argument *argument = &out->argument[out->n++];
        argument->offset = buf_len(&out->bytes);
        argument->number = append_number(&p, &out->bytes) || append_word(&p, &out->bytes);
        argument->kind = argument->number ? SQL_ARG_BYTES : append_argument(in, &p, &out->bytes);
        argument->len = buf_len(&out->bytes) - argument->offset;
    } while (sql_accept_punct(in, ','));
    if (!sql_accept_punct(in, ')'))
        snprintf(why, why_size, "the closing quote or parenthesis is missing");
    return !*why;
}

static bool read_call(struct sql_tokens *in, struct sql_call *out, char *why, size_t why_size)
{
    struct target t;
    if (!read_target(in, &t)) {
        snprintf(why, why_size, "expected CALL resource.COMMAND(arguments)");
        return false;
    }
    if (t.parts > 2) {
        snprintf(why, why_size, "a command with a dot in its name goes into backquotes: %.64s.`JSON.SET`(...)",
                 t.schema);
        return false;
    }
    out->form = t.form;
    strcpy(out->schema, t.schema);
    strcpy(out->name, t.name);
    if (sql_accept_punct(in, '(') && !read_arguments(in, out, why, why_size))
        return false;
    if (t.form == SQL_CALL_SELECT && !read_alias(in, out->alias))
        snprintf(why, why_size, "expected an alias behind AS");
    else if (!at_end(in))
        snprintf(why, why_size, "nothing may stand behind the call");
    return !*why;
}

bool sql_call_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_call *out, char *why,
                   size_t why_size)
{
    struct sql_tokens in;
    CHECK(why_size);
    *why = '\0';
    out->n = 0;
    out->alias[0] = out->schema[0] = out->name[0] = '\0';
    out->bytes = (struct buf){0};
    sql_tokens_init(&in, s->text, &ctx->dialect);
    return read_call(&in, out, why, why_size);
}

void sql_call_fini(struct sql_call *call)
{
    buf_fini(&call->bytes);
}
