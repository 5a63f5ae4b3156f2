/* Arguments in two steps: what the proxy can read itself, what only a server can. */
#include "proxy/session/redis_args.h"

#include <stdio.h>
#include <strings.h>

#include "proxy/wire/packet.h"

static uint16_t is_null(unsigned i, char *why, size_t why_size)
{
    snprintf(why, why_size, "Argument %u of the Redis command cannot be null", i);
    return 1048;
}

static void leave_open(struct redis_args *a, struct slice expression, bool variable)
{
    buf_text(&a->select, a->n_open ? ", " : "SELECT ");
    if (variable)
        buf_text(&a->select, "@`");
    for (size_t i = 0; i < expression.len; i++) {
        if (variable && expression.at[i] == '`')
            buf_u8(&a->select, '`');
        buf_u8(&a->select, expression.at[i]);
    }
    if (variable)
        buf_u8(&a->select, '`');
    a->open[a->n_open++] = (uint16_t)a->command.n;
    comp_argv_add(&a->command, "", 0);
}

uint16_t redis_args_read(struct redis_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                         char *why, size_t why_size)
{
    unsigned used = 0;
    if (strcasecmp(call->name, "CMD"))
        comp_argv_text(&a->command, call->name);
    for (unsigned i = 0; i < call->n; i++) {
        const struct sql_argument *it = &call->argument[i];
        struct slice text = {buf_at(&call->bytes) + it->offset, it->len};
        bool parameter = it->kind == SQL_ARG_PARAMETER;
        if (parameter && used == n_params) {
            snprintf(why, why_size, "a placeholder needs a prepared statement");
            return 1064;
        }
        if (it->kind == SQL_ARG_NULL || (parameter && params[used].class == WIRE_PARAM_NULL))
            return is_null(i + 1, why, why_size);
        if (parameter)
            comp_argv_add(&a->command, params[used].text.at, params[used].text.len), used++;
        else if (it->kind == SQL_ARG_BYTES)
            comp_argv_add(&a->command, text.at, text.len);
        else
            leave_open(a, text, it->kind == SQL_ARG_VARIABLE);
    }
    if (a->command.n)
        return 0;
    snprintf(why, why_size, "CMD needs the name of a Redis command as its first argument");
    return 1318;
}

void redis_args_take_row(struct redis_args *a, struct slice row)
{
    a->has_row = true;
    buf_clear(&a->row);
    buf_append(&a->row, row.at, row.len);
}

uint16_t redis_args_complete(struct redis_args *a, char *why, size_t why_size)
{
    struct comp_argv full = {0};
    struct cursor c = cursor_make(buf_at(&a->row), buf_len(&a->row));
    unsigned next = 0;
    uint16_t code = 0;
    for (size_t i = 0; i < a->command.n && !code; i++) {
        struct slice value = comp_argv_at(&a->command, i);
        bool null = false;
        if (next < a->n_open && a->open[next] == i) {
            value = wire_lenenc_str(&c, &null);
            next++;
        }
        if (null)
            code = is_null((unsigned)i, why, why_size);
        else
            comp_argv_add(&full, value.at, value.len);
    }
    if (!code && (!a->has_row || c.bad)) {
        snprintf(why, why_size, "the arguments of the Redis CALL could not be evaluated, or are longer than 64 KiB");
        code = 1235;
    }
    comp_argv_fini(&a->command);
    a->command = full;
    return code;
}

void redis_args_fini(struct redis_args *a)
{
    comp_argv_fini(&a->command);
    buf_fini(&a->select);
    buf_fini(&a->row);
}
