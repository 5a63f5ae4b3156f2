/* Statements of users on a blocking connection: a text, or a prepared statement with arguments. Their results are read and
 * dropped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/resolver/server_impl.h"

static uint16_t fail(struct server *s, unsigned code, const char *text)
{
    s->own_code = code;
    snprintf(s->own_error, sizeof s->own_error, "%s", text);
    s->lost = s->lost || IS_CLIENT_ERROR(code);
    return (uint16_t)code;
}

/* --- a text ---------------------------------------------------------------------------------------------------------- */

static uint16_t drop_results(struct server *s)
{
    for (int more = 0; !more; more = mysql_next_result(s->mysql)) {
        MYSQL_RES *result = mysql_store_result(s->mysql);
        if (result)
            mysql_free_result(result);
        else if (mysql_errno(s->mysql))
            break;
    }
    return mysql_errno(s->mysql) ? fail(s, mysql_errno(s->mysql), mysql_error(s->mysql)) : 0;
}

static uint16_t run_text(struct server *s, struct slice text)
{
    if (mysql_real_query(s->mysql, (const char *)text.at, (unsigned long)text.len))
        return fail(s, mysql_errno(s->mysql), mysql_error(s->mysql));
    return drop_results(s);
}

/* --- a statement with arguments ---------------------------------------------------------------------------------------- */

static void bind_value(MYSQL_BIND *b, const struct action_value *v, long long *number, unsigned long *length)
{
    memset(b, 0, sizeof *b);
    *length = v->kind == ACTION_BYTES ? (unsigned long)v->bytes.len : 0;
    *number = v->i; /* the bits of any of the three */
    b->buffer = v->kind == ACTION_BYTES ? (void *)v->bytes.at : (void *)number;
    b->buffer_length = *length;
    b->length = length;
    b->is_unsigned = v->kind == ACTION_UINT;
    b->buffer_type = v->kind == ACTION_NULL     ? MYSQL_TYPE_NULL
                     : v->kind == ACTION_BYTES  ? MYSQL_TYPE_STRING
                     : v->kind == ACTION_DOUBLE ? MYSQL_TYPE_DOUBLE
                                                : MYSQL_TYPE_LONGLONG;
}

static uint16_t drop_statement_results(struct server *s, MYSQL_STMT *stmt)
{
    int more = 0;
    while (!more && !mysql_stmt_errno(stmt)) {
        if (mysql_stmt_field_count(stmt) && mysql_stmt_store_result(stmt))
            break;
        mysql_stmt_free_result(stmt);
        more = mysql_stmt_next_result(stmt);
    }
    return mysql_stmt_errno(stmt) ? fail(s, mysql_stmt_errno(stmt), mysql_stmt_error(stmt)) : 0;
}

static uint16_t execute(struct server *s, MYSQL_STMT *stmt, const struct action_value *args, uint32_t n)
{
    MYSQL_BIND *binds = calloc(n, sizeof *binds);
    long long *numbers = calloc(n, sizeof *numbers);
    unsigned long *lengths = calloc(n, sizeof *lengths);
    uint16_t code = 0;
    CHECK(binds && numbers && lengths);
    for (uint32_t i = 0; i < n; i++)
        bind_value(&binds[i], &args[i], &numbers[i], &lengths[i]);
    if (mysql_stmt_bind_param(stmt, binds) || mysql_stmt_execute(stmt))
        code = fail(s, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
    else
        code = drop_statement_results(s, stmt);
    free(binds);
    free(numbers);
    free(lengths);
    return code;
}

static uint16_t run_prepared(struct server *s, struct slice text, const struct action_value *args, uint32_t n)
{
    MYSQL_STMT *stmt = mysql_stmt_init(s->mysql);
    uint16_t code;
    CHECK(stmt);
    if (mysql_stmt_prepare(stmt, (const char *)text.at, (unsigned long)text.len))
        code = fail(s, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
    else if (mysql_stmt_param_count(stmt) != n)
        code = fail(s, 1210, "the number of arguments is not that of its question marks");
    else
        code = execute(s, stmt, args, n);
    mysql_stmt_close(stmt);
    return code;
}

uint16_t server_execute(struct server *s, struct slice text, const struct action_value *args, uint32_t n)
{
    s->own_code = 0;
    return n ? run_prepared(s, text, args, n) : run_text(s, text);
}

uint64_t server_affected(const struct server *s)
{
    return mysql_affected_rows(s->mysql);
}
