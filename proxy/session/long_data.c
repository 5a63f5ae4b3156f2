/* SEND_LONG_DATA: kept with the session until the EXECUTE that uses it, so that it goes to whichever connection that runs on, and
 * a server that stands still costs no more than the limit of a client. Leaves EXECUTE to execute.c. */
#include <stdlib.h>

#include "proxy/session/phases.h"
#include "proxy/session/prepared.h"

#define PIECE (1u << 20) /* of a value, a command: below every server's max_allowed_packet */

static const struct {
    uint16_t code;
    const char *text;
} errors[] = {{1105, "Parameter of prepared statement which is set through mysql_send_long_data() is longer than 'max_packet' "
                     "bytes, or all of this client's together than 'max_prepared_bytes'"},
              {1210, "Incorrect arguments to mysqld_stmt_send_long_data"}};

static void keep(struct session *s, struct session_statement *ps, const struct wire_long_data *d)
{
    if (!ps->long_data)
        ps->long_data = calloc(ps->n_params, sizeof *ps->long_data);
    CHECK(ps->long_data);
    struct prepared_long *to = &ps->long_data[d->param];
    if (buf_len(&to->data) + d->data.len > (size_t)s->world->config->max_packet || !prepared_has_bytes(s, d->data.len)) {
        ps->long_error = 1105;
        return;
    }
    buf_append(&to->data, d->data.at, d->data.len);
    to->given = true;
    ps->long_bytes += d->data.len;
    s->prepared_bytes += d->data.len;
}

/* No answer comes, whatever happens: what is wrong shows at EXECUTE. */
void prepared_long_data(struct session *s)
{
    uint32_t id;
    struct session_statement *ps = prepared_of_command(s, &id);
    struct wire_long_data d;
    if (ps && !wire_long_data_read((struct slice){buf_at(&s->command), buf_len(&s->command)}, &d))
        ps->long_error = 1210;
    else if (ps && d.param >= ps->n_params)
        ps->long_error = 1210;
    else if (ps && !ps->long_error)
        keep(s, ps, &d);
    session_next(s);
}

bool long_data_answer(struct session *s, struct session_statement *ps)
{
    uint16_t code = ps->long_error;
    if (!code)
        return false;
    long_data_forget(s, ps);
    session_answer_error(s, code, "HY000", "%s", errors[code != errors[0].code].text);
    return true;
}

static void send_piece(const struct session_statement *ps, unsigned param, struct slice bytes)
{
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_STMT_SEND_LONG_DATA);
    buf_u32le(&payload, ps->backend_id);
    buf_u16le(&payload, (uint16_t)param);
    buf_append(&payload, bytes.at, bytes.len);
    backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

void long_data_send(const struct session_statement *ps)
{
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++) {
        if (!ps->long_data[i].given)
            continue;
        struct cursor c = cursor_make(buf_cstr(&ps->long_data[i].data), buf_len(&ps->long_data[i].data));
        do
            send_piece(ps, i, cursor_bytes(&c, cursor_left(&c) < PIECE ? cursor_left(&c) : PIECE));
        while (cursor_left(&c));
    }
}

void long_data_given(const struct session_statement *ps, struct slice *given)
{
    for (unsigned i = 0; i < ps->n_params; i++) {
        struct prepared_long *it = ps->long_data ? &ps->long_data[i] : NULL;
        given[i] = (struct slice){NULL, 0};
        if (it && it->given)
            given[i] = (struct slice){(const uint8_t *)buf_cstr(&it->data), buf_len(&it->data)};
    }
}

void long_data_forget(struct session *s, struct session_statement *ps)
{
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++)
        buf_fini(&ps->long_data[i].data);
    free(ps->long_data);
    ps->long_data = NULL;
    s->prepared_bytes -= ps->long_bytes;
    ps->long_bytes = 0;
    ps->long_error = 0;
}
