/* What every session of ours on a server is set to, after log-in and again after each reset, in one packet. Leaves what
 * clients set to session/. */
#include <stdio.h>

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

static const struct backend_sink settings_sink = {.done = on_settings}, reset_sink = {.done = on_reset}, schema_sink = {0};

/* MySQL's reset keeps the schema and forgets its character set, by which LOAD DATA reads. Where the schema is gone nothing is
 * lost. */
static void enter_schema_again(struct backend_conn *c)
{
    struct buf payload = {0};
    if (c->mariadb || !*c->schema)
        return;
    buf_u8(&payload, WIRE_COM_INIT_DB);
    buf_text(&payload, c->schema);
    backend_send(c, WIRE_RESPONSE_SIMPLE, buf_at(&payload), buf_len(&payload), &schema_sink, NULL);
    buf_fini(&payload);
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
        enter_schema_again(c);
    }
    struct buf payload = {0};
    c->impl->autocommit_said = -1;
    write_settings(&payload, c);
    backend_send(c, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), &settings_sink, c);
    buf_fini(&payload);
}
