/* What asks for autocommit alone is answered here: inside a branch a server would say 0. Leaves it within larger statements to
 * diagnostics.c. */
#include <stdio.h>
#include <string.h>

#include "proxy/session/session.h"

static bool is_select(const struct session *s)
{
    static const char *const forms[] = {"select @@autocommit", "select @@session.autocommit", "select @@local.autocommit"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (slice_is_word(s->statement->text, forms[i]))
            return true;
    return false;
}

static void answer_select(struct session *s)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)s->statement->text.len - 7, (const char *)s->statement->text.at + 7);
    struct wire_column column = {
        .name = name, .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY, .length = 1, .flags = WIRE_COLUMN_BINARY};
    struct slice value = {(const uint8_t *)(s->autocommit ? "1" : "0"), 1};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    session_answer_rows_end(s, &rs);
}

/* SHOW [SESSION] VARIABLES LIKE 'autocommit' */
static bool is_show(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SHOW"))
        return false;
    if (!sql_accept_word(&in, "SESSION"))
        sql_accept_word(&in, "LOCAL");
    if (!sql_accept_word(&in, "VARIABLES") || !sql_accept_word(&in, "LIKE"))
        return false;
    char name[SQL_NAME_SIZE];
    struct sql_token pattern = sql_take(&in);
    return pattern.kind == SQL_STRING && in.ahead.kind == SQL_END && sql_token_name(&in.lexer, &pattern, name) &&
           slice_is_word((struct slice){(const uint8_t *)name, strlen(name)}, "autocommit");
}

static void answer_show(struct session *s)
{
    static const char *const values[] = {"OFF", "ON"};
    const char *value = values[s->autocommit];
    const struct wire_column columns[] = {
        {.name = "Variable_name", .type = WIRE_TYPE_VAR_STRING, .charset = s->charset, .length = 256,
         .flags = WIRE_COLUMN_NOT_NULL},
        {.name = "Value", .type = WIRE_TYPE_VAR_STRING, .charset = s->charset, .length = 8192}};
    struct slice row[] = {{(const uint8_t *)"autocommit", 10}, {(const uint8_t *)value, strlen(value)}};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, columns, 2);
    wire_resultset_row(&rs, row);
    session_answer_rows_end(s, &rs);
}

bool autocommit_answer(struct session *s)
{
    if (is_select(s))
        answer_select(s);
    else if (s->statement->kind == SQL_READ && is_show(s))
        answer_show(s);
    else
        return false;
    return true;
}
