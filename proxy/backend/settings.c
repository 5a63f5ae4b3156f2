/* What every session of ours on a server is set to, after log-in and again after each reset, in one packet. Leaves what
 * clients set to session/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/backend/impl.h"

/* The trackers say who wrote and what a statement changed behind the lexer's back. The lock wait is the only end of a
 * deadlock that spans servers. Names stand on both families: MySQL and MariaDB call the isolation level differently, so
 * it is not there. xa_detach_on_prepare of MySQL keeps its default, on: the resolver may then finish what a lost
 * connection left. */
static void write_settings(struct buf *payload, const struct backend_conn *c)
{
    buf_u8(payload, WIRE_COM_QUERY);
    buf_printf(payload,
               "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, session_track_transaction_info='STATE', "
               "session_track_schema=ON, session_track_state_change=ON, innodb_lock_wait_timeout=%d, "
               "session_track_system_variables='",
               c->backend->config->lock_wait_s);
    for (unsigned i = 0; i < BACKEND_N_TRACKED; i++)
        buf_printf(payload, "%s%s", i ? "," : "", backend_tracked_name(i));
    /* autocommit is assigned so that it is reported, since MySQL's status says that it is on where the global one is off;
     * sql_mode because how statements are read depends on it. The capability only sets IGNORE_SPACE at log-in; a reset forgets
     * it. */
    buf_text(payload, "', autocommit=@@GLOBAL.autocommit, sql_mode=");
    buf_text(payload, c->impl->client_caps & WIRE_CAP_IGNORE_SPACE ? "CONCAT(@@sql_mode,',IGNORE_SPACE')" : "@@sql_mode");
}

static void on_settings(void *arg, const struct backend_outcome *outcome)
{
    struct backend_conn *c = arg;
    if (outcome->error) {
        backend_conn_died(c, "refuses our session settings: %u %s", outcome->error, outcome->message);
        return;
    }
    c->autocommit = c->impl->autocommit_said < 0 ? (outcome->status & WIRE_STATUS_AUTOCOMMIT) != 0 : c->impl->autocommit_said;
    c->transaction_said = false;
    c->charset = WIRE_CHARSET_UTF8MB4;
    snprintf(c->client_charset, sizeof c->client_charset, "utf8mb4");
    c->dirty = false;
    atomic_store(&c->backend->no_autocommit, !c->autocommit);
    c->impl->resetting = false;
    atomic_store(&c->backend->ansi_quotes, c->ansi_quotes);
    atomic_store(&c->backend->no_backslash_escapes, c->no_backslash_escapes);
    backend_conn_ready(c);
}

static void on_reset(void *arg, const struct backend_outcome *outcome)
{
    if (outcome->error)
        backend_conn_died(arg, "refuses a reset: %u %s", outcome->error, outcome->message);
}

/* --- the role, which no reset takes back ------------------------------------------------------------------------------ */

static void on_role_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct backend_conn_impl *in = ((struct backend_conn *)arg)->impl;
    struct cursor cursor = cursor_make(part.at, part.len);
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    struct slice value = wire_lenenc_str(&cursor, NULL);
    free(in->role_said);
    in->role_said = value.at ? slice_dup(value) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* A server that knows no roles says so. */
static void on_role(void *arg, const struct backend_outcome *outcome)
{
    struct backend_conn *c = arg;
    (void)outcome;
    if (!c->impl->opened) {
        c->impl->role = c->impl->role_said;
        c->impl->role_said = NULL;
    } else if (!same(c->impl->role, c->impl->role_said)) {
        backend_conn_died(c, "a routine has changed its role");
    }
    c->role_in_doubt = false;
}

static void ask_role(struct backend_conn *c)
{
    static const char text[] = "SELECT CURRENT_ROLE()";
    static const struct backend_sink sink = {.frame = on_role_frame, .done = on_role};
    free(c->impl->role_said);
    c->impl->role_said = NULL;
    backend_send_query(c, text, sizeof text - 1, &sink, c);
}

/* --- sending ---------------------------------------------------------------------------------------------------------- */

static const struct backend_sink settings_sink = {.done = on_settings}, reset_sink = {.done = on_reset}, nobody = {0};

static void send_schema(struct backend_conn *c, const char *schema, const struct backend_sink *sink, void *arg)
{
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_INIT_DB);
    buf_text(&payload, schema);
    backend_send(c, WIRE_RESPONSE_SIMPLE, buf_at(&payload), buf_len(&payload), sink, arg);
    buf_fini(&payload);
}

/* MariaDB looks at a schema's character set, by which it makes tables and reads files, only when it comes from another one. */
void backend_enter_schema(struct backend_conn *c, const char *schema, const struct backend_sink *sink, void *arg)
{
    if (c->mariadb && !strcmp(schema, c->schema))
        send_schema(c, "information_schema", &nobody, NULL);
    send_schema(c, schema, sink, arg);
    if (schema != c->schema)
        snprintf(c->schema, sizeof c->schema, "%s", schema);
    c->schemas_seen = atomic_load(&c->backend->schemas_changed);
}

bool backend_schema_old(const struct backend_conn *c)
{
    return *c->schema && c->schemas_seen != atomic_load(&c->backend->schemas_changed);
}


void backend_settings_send(struct backend_conn *c, bool reset)
{
    if (reset) {
        static const uint8_t command = WIRE_COM_RESET_CONNECTION;
        CHECK(c->xa == BACKEND_XA_NONE); /* MariaDB would lose a prepared branch and say OK */
        c->impl->resetting = true;
        backend_conn_start_deadline(c);
        backend_send(c, WIRE_RESPONSE_SIMPLE, &command, 1, &reset_sink, c);
        c->statement_generation++;
        if (*c->schema) /* of which MySQL's reset forgets half; where it is gone the server says so of itself */
            backend_enter_schema(c, c->schema, &nobody, NULL);
    }
    if (!reset || c->role_in_doubt)
        ask_role(c);
    struct buf payload = {0};
    c->globals_seen = atomic_load(&c->backend->globals_changed);
    c->impl->autocommit_said = -1;
    write_settings(&payload, c);
    backend_send(c, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), &settings_sink, c);
    buf_fini(&payload);
}
