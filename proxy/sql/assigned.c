/* @a := 1, INTO @a, and the statements in which any variable may be a target. */
#include "proxy/sql/assigned.h"

void sql_assigned_begin(struct sql_assigned *it, struct slice text, const struct sql_context *ctx)
{
    static const char *const any[] = {"CALL", "LOAD", "GET", "BEGIN", "IF", "CASE", "LOOP", "FOR", "WHILE", "REPEAT", "DECLARE",
                                      "EXECUTE"};
    *it = (struct sql_assigned){0};
    sql_tokens_init(&it->in, text, &ctx->dialect);
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        it->any |= sql_is_word(&it->in.ahead, any[i]);
}

static bool is_assignment(const struct sql_token *t)
{
    return t->kind == SQL_PUNCT && t->text.len == 2;
}

bool sql_assigned_next(struct sql_assigned *it, char name[SQL_NAME_SIZE])
{
    while (it->in.ahead.kind != SQL_END) {
        struct sql_token t = sql_take(&it->in);
        if (t.kind != SQL_VARIABLE) {
            it->into = sql_is_word(&t, "INTO") || (it->into && sql_is_punct(&t, ','));
            continue;
        }
        bool target = it->any || it->into || is_assignment(&it->in.ahead);
        if (target && !t.unfinished && sql_token_name(&it->in.lexer, &t, name))
            return true;
    }
    return false;
}
