/* What the proxy runs itself, prepared: which kinds these are, and their values put into the text. */
#include "proxy/session/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/sql/prepare.h"
#include "proxy/sql/quote.h"

static bool is_mariadb(const struct session *s)
{
    return s->world->backends.at[statement_home(s)].mariadb;
}

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

static bool is_flush(const struct session *s, const struct sql_statement *parsed)
{
    struct sql_tokens in;
    sql_tokens_init(&in, parsed->text, &s->dialect);
    return sql_accept_word(&in, "FLUSH");
}

/* MariaDB prepares them all. */
static bool mysql_refuses(const struct session *s, const struct sql_statement *parsed)
{
    if (is_mariadb(s))
        return false;
    switch (parsed->kind) {
    case SQL_BEGIN:
    case SQL_SAVEPOINT:
    case SQL_ROLLBACK_TO:
    case SQL_RELEASE_SAVEPOINT:
    case SQL_USE:
    case SQL_UNLOCK_TABLES:
    case SQL_XA:
        return true;
    case SQL_LOCK_TABLES:
        return !is_flush(s, parsed);
    default:
        return false;
    }
}

bool own_refuses(struct session *s, const struct sql_statement *parsed, struct slice rest)
{
    struct sql_context ctx;
    static _Thread_local struct sql_statement second;
    statement_context(s, &ctx);
    if (parsed->kind == SQL_PREPARE_TEXT || parsed->resource_inside || mysql_refuses(s, parsed))
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

static bool mysql_takes(uint8_t type)
{
    return type <= WIRE_TYPE_DATETIME || type == WIRE_TYPE_VARCHAR || type == WIRE_TYPE_VECTOR || type == WIRE_TYPE_JSON ||
           type == WIRE_TYPE_NEWDECIMAL || (type >= WIRE_TYPE_TINY_BLOB && type <= WIRE_TYPE_STRING);
}

static bool mariadb_takes(uint8_t type)
{
    return type <= WIRE_TYPE_BIT || type >= WIRE_TYPE_NEWDECIMAL;
}

bool own_takes_types(const struct session *s, struct wire_param *values, unsigned n, struct slice types)
{
    bool mariadb = is_mariadb(s);
    for (unsigned i = 0; i < n; i++) {
        uint8_t type = types.at[2 * (size_t)i];
        bool odd = type == WIRE_TYPE_INT24 || type == WIRE_TYPE_YEAR || type == WIRE_TYPE_BIT || type == WIRE_TYPE_GEOMETRY;
        if (!(mariadb ? mariadb_takes(type) : mysql_takes(type)))
            return false;
        if (odd && !mariadb && values[i].class != WIRE_PARAM_NULL)
            return false;
        if (odd)
            values[i] = (struct wire_param){.class = WIRE_PARAM_NULL};
    }
    return true;
}

static uint8_t type_of(const struct values *v, unsigned i)
{
    return v->types.at[2 * (size_t)i];
}

static bool is_blob(uint8_t type)
{
    return type >= WIRE_TYPE_TINY_BLOB && type <= WIRE_TYPE_BLOB;
}

static bool sets_user_variable(const struct session *s)
{
    return s->statement->kind == SQL_SET && memchr(s->statement->text.at, '@', s->statement->text.len);
}

/* A variable takes a date over as bytes. To MySQL a parameter's time has microseconds, be it none. */
static void put_text(struct session *s, const struct sql_context *ctx, uint8_t type, struct slice text)
{
    struct buf value = {0};
    bool time = type == WIRE_TYPE_DATETIME || type == WIRE_TYPE_TIMESTAMP || type == WIRE_TYPE_TIME;
    buf_append(&value, text.at, text.len);
    if (time && text.len && !memchr(text.at, '.', text.len) && !is_mariadb(s))
        buf_text(&value, ".000000");
    struct slice whole = {buf_at(&value), buf_len(&value)};
    if ((time || type == WIRE_TYPE_DATE) && sets_user_variable(s))
        sql_quote_bytes(&s->made, whole);
    else
        sql_quote_text(&s->made, whole, &ctx->dialect);
    buf_fini(&value);
}

/* MySQL's parameter is a text even then, which a variable shows; a plain NULL leaves it of the type that it had. */
static void put_null(struct session *s)
{
    buf_text(&s->made, sets_user_variable(s) && !is_mariadb(s) ? "NULLIF('','')" : "NULL");
}

/* As a literal of the same type, which a variable takes over. */
static void put_number(struct session *s, const struct values *v, unsigned i)
{
    struct slice text = v->param[i].text;
    uint8_t type = type_of(v, i);
    bool is_unsigned = v->types.at[2 * (size_t)i + 1] & 0x80, whole = type < WIRE_TYPE_FLOAT || type == WIRE_TYPE_LONGLONG;
    if (type == WIRE_TYPE_FLOAT || type == WIRE_TYPE_DOUBLE) {
        char copy[64];
        snprintf(copy, sizeof copy, "%.*s", (int)text.len, (const char *)text.at);
        snprintf(copy, sizeof copy, "%.17g", type == WIRE_TYPE_FLOAT ? (double)strtof(copy, NULL) : strtod(copy, NULL));
        buf_printf(&s->made, "%s%s", copy, strchr(copy, 'e') ? "" : "e0");
    } else if (is_unsigned && whole && sets_user_variable(s)) {
        buf_printf(&s->made, "CAST(%.*s AS UNSIGNED)", (int)text.len, (const char *)text.at);
    } else {
        bool decimal = type == WIRE_TYPE_NEWDECIMAL && !memchr(text.at, '.', text.len); /* else it would be an integer */
        buf_printf(&s->made, "%.*s%s", (int)text.len, (const char *)text.at, decimal ? "." : "");
    }
}

static void put_of_list(struct session *s, struct slice expression)
{
    buf_u32le(&s->made_of_list, (uint32_t)buf_len(&s->made));
    buf_u32le(&s->made_of_list, (uint32_t)expression.len);
    buf_append(&s->made, expression.at, expression.len);
}

bool own_is_of_list(const struct session *s, struct slice part)
{
    struct cursor places = cursor_make(buf_at(&s->made_of_list), buf_len(&s->made_of_list));
    while (cursor_left(&places)) {
        uint32_t from = cursor_u32le(&places), len = cursor_u32le(&places);
        if (part.at == buf_at(&s->made) + from && part.len == len)
            return true;
    }
    return false;
}

static void put_value(struct session *s, const struct sql_context *ctx, struct values *v)
{
    struct buf *out = &s->made;
    unsigned i = v->used++;
    struct slice expression;
    if (!v->param && sql_next_expression(&v->list, ctx, &expression))
        put_of_list(s, expression);
    else if (!v->param || v->param[i].class == WIRE_PARAM_NULL)
        put_null(s);
    else if (v->param[i].class == WIRE_PARAM_NUMBER)
        put_number(s, v, i);
    else if (is_blob(type_of(v, i)))
        sql_quote_bytes(out, v->param[i].text);
    else
        put_text(s, ctx, type_of(v, i), v->param[i].text);
}

static void start(struct session *s, struct slice text, struct values *v)
{
    struct sql_context ctx;
    struct sql_lexer l;
    const uint8_t *from = text.at;
    statement_context(s, &ctx);
    sql_lexer_init(&l, text, &ctx.dialect);
    buf_clear(&s->made);
    buf_clear(&s->made_of_list);
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
    struct sql_context ctx;
    CHECK(types.len == 2 * (size_t)n);
    statement_context(s, &ctx);
    if (sql_count_parameters(text, &ctx) != n) { /* another sql_mode reads it otherwise, as does who skips a versioned comment */
        session_answer_error(s, 1615, "HY000", "Prepared statement needs to be re-prepared: its text has other parameters now");
        return;
    }
    struct values v = {.param = values, .types = types};
    start(s, text, &v);
}

void own_start_with_list(struct session *s, struct slice text, struct slice list)
{
    struct values v = {.list = list};
    start(s, text, &v);
}
