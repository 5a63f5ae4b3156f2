/* Arguments in two steps: what the proxy can read itself, what only a server can. */
#include "proxy/session/call_args.h"

#include <stdio.h>

#include "proxy/wire/packet.h"

static struct call_value *value_at(const struct call_args *a, unsigned i)
{
    CHECK(i < a->n);
    return (struct call_value *)(void *)buf_at(&a->values) + i;
}

static struct call_value *add(struct call_args *a, struct slice bytes, bool number)
{
    struct call_value v = {.number = number, .offset = buf_len(&a->bytes), .len = bytes.len};
    buf_append(&a->bytes, bytes.at, bytes.len);
    buf_append(&a->values, &v, sizeof v);
    return value_at(a, a->n++);
}

static void leave_open(struct call_args *a, struct slice expression, bool variable)
{
    buf_text(&a->select, a->n_open++ ? ", " : "SELECT ");
    if (variable)
        buf_text(&a->select, "@`");
    for (size_t i = 0; i < expression.len; i++) {
        if (variable && expression.at[i] == '`')
            buf_u8(&a->select, '`');
        buf_u8(&a->select, expression.at[i]);
    }
    if (variable)
        buf_u8(&a->select, '`');
    add(a, (struct slice){NULL, 0}, false)->open = true;
}

static void add_parameter(struct call_args *a, const struct wire_param *p)
{
    add(a, p->text, p->class == WIRE_PARAM_NUMBER)->null = p->class == WIRE_PARAM_NULL;
}

uint16_t call_args_read(struct call_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                        char *why, size_t why_size)
{
    unsigned used = 0;
    for (unsigned i = 0; i < call->n; i++) {
        const struct sql_argument *it = &call->argument[i];
        struct slice text = {buf_at(&call->bytes) + it->offset, it->len};
        if (it->kind == SQL_ARG_PARAMETER && used == n_params) {
            snprintf(why, why_size, "a placeholder needs a prepared statement");
            return 1064;
        }
        if (it->kind == SQL_ARG_PARAMETER)
            add_parameter(a, &params[used++]);
        else if (it->kind == SQL_ARG_NULL)
            add(a, (struct slice){NULL, 0}, false)->null = true;
        else if (it->kind == SQL_ARG_BYTES)
            add(a, text, it->number);
        else
            leave_open(a, text, it->kind == SQL_ARG_VARIABLE);
    }
    return 0;
}

/* --- the server's answer -------------------------------------------------------------------------------------------------- */

void call_args_take_type(struct call_args *a, uint8_t type)
{
    buf_u8(&a->types, type);
}

void call_args_take_row(struct call_args *a, struct slice row)
{
    a->has_row = true;
    buf_clear(&a->row);
    buf_append(&a->row, row.at, row.len);
}

static bool is_number(const struct call_args *a, unsigned column)
{
    static const uint8_t types[] = {WIRE_TYPE_TINY, WIRE_TYPE_SHORT, WIRE_TYPE_LONG, WIRE_TYPE_LONGLONG, WIRE_TYPE_INT24,
                                    WIRE_TYPE_YEAR, WIRE_TYPE_FLOAT, WIRE_TYPE_DOUBLE, WIRE_TYPE_NEWDECIMAL};
    for (size_t i = 0; column < buf_len(&a->types) && i < sizeof types; i++)
        if (buf_at(&a->types)[column] == types[i])
            return true;
    return false;
}

uint16_t call_args_complete(struct call_args *a, char *why, size_t why_size)
{
    struct cursor c = cursor_make(buf_at(&a->row), buf_len(&a->row));
    unsigned column = 0;
    for (unsigned i = 0; i < a->n; i++) {
        struct call_value *v = value_at(a, i);
        if (!v->open)
            continue;
        struct slice s = wire_lenenc_str(&c, &v->null);
        v->offset = s.at ? (size_t)(s.at - buf_at(&a->row)) : 0;
        v->len = s.len;
        v->number = is_number(a, column++);
    }
    if (a->has_row && !c.bad)
        return 0;
    snprintf(why, why_size, "the arguments of the CALL could not be evaluated, or are longer than 64 KiB");
    return 1235;
}

/* --- what came of it -------------------------------------------------------------------------------------------------------- */

const struct call_value *call_args_value(const struct call_args *a, unsigned i)
{
    return value_at(a, i);
}

struct slice call_args_at(const struct call_args *a, unsigned i)
{
    const struct call_value *v = value_at(a, i);
    if (v->null || (v->open && !a->has_row))
        return (struct slice){NULL, 0};
    static const uint8_t nothing[1];
    const struct buf *in = v->open ? &a->row : &a->bytes;
    return (struct slice){buf_len(in) ? buf_at(in) + v->offset : nothing, v->len};
}

void call_args_fini(struct call_args *a)
{
    buf_fini(&a->values);
    buf_fini(&a->bytes);
    buf_fini(&a->select);
    buf_fini(&a->types);
    buf_fini(&a->row);
}
