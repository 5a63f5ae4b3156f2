/* A session's connections: taken from the pool, lost, given back, closed. Leaves what is said on them to target.c and setup.c. */
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

struct backend_conn *link_forget(struct session_server *server)
{
    struct session *s = server->session;
    struct backend_conn *conn = server->conn;
    prepared_server_gone(server);
    server->conn = NULL;
    server->settings_seen = 0;
    holds_forget(server);
    readback_server_gone(s, (int)(server - s->servers));
    diagnostics_server_forgotten(s, (int)(server - s->servers));
    kill_answered(server);
    server->parked = false;
    client_xa_server_gone(s, server);
    return conn;
}

void link_drop(struct session_server *server, const char *why)
{
    struct backend_conn *conn = link_forget(server);
    if (conn)
        backend_conn_close(conn, why);
}

void link_on_lost(void *arg, const char *why)
{
    struct session *s = arg;
    (void)why;
    s->target_lost = true;
}

/* The statement had not been sent, so that it may run on another connection: on one, lest what kills a connection kills
 * them all. */
static bool may_set_up_again(const struct session *s, const struct session_server *server)
{
    return s->setup_pending && !s->set_up_again && !s->relay.active && server == &s->servers[s->target] &&
           !tx_is_on(s, s->target) && !server->holds;
}

static void set_up_again(struct session *s)
{
    s->set_up_again = true;
    s->setup_pending = 0;
    s->mode_sent = false;
    target_go_on(s);
}

static void on_conn_gone(struct backend_conn *conn, const char *why)
{
    struct session_server *server = conn->owner;
    struct session *s = server->session;
    bool was_asked = s->target_lost && s->phase == SESSION_RUNNING, again = was_asked && may_set_up_again(s, server);
    s->target_lost = false;
    sharing_note_lost(server, server->holds);
    link_forget(server);
    tx_server_gone(s, server, why);
    if (again)
        set_up_again(s);
    else if (was_asked)
        relay_on_gone(s, why);
    else if (s->xa_lost && s->phase == SESSION_IDLE)
        client_xa_end_lost(s);
    else
        kill_resume(s);
}

static void on_ready(struct backend_request *r, struct backend_conn *conn)
{
    struct session_server *server = CONTAINER_OF(r, struct session_server, request);
    server->acquiring = false;
    server->conn = conn;
    server->settings_seen = 0;
    server->fresh = true;
    conn->owner = server;
    conn->on_gone = on_conn_gone;
    conn->on_drained = load_on_drained;
    conn->dirty = true;
    target_go_on(server->session);
}

static void on_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    struct session_server *server = CONTAINER_OF(r, struct session_server, request);
    server->acquiring = false;
    session_answer_error(server->session, code, sqlstate, "%s", text);
}

void link_acquire(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    const char *backend = session_backend_name(s, s->target);
    const struct config_account *account = config_account(s->world->config, s->user->name, backend);
    if (!account) {
        session_answer_error(s, 1044, "42000",
                             "User '%s' has no account on backend '%s': add a section [account %s@%s] to the configuration",
                             s->user->name, backend, s->user->name, backend);
        return;
    }
    server->request.account = account;
    server->request.backend = (unsigned)s->target;
    server->request.client_caps = s->caps & ~(load_allowed(s) ? 0 : (uint64_t)WIRE_CAP_LOCAL_FILES);
    server->request.attributes = (struct slice){buf_at(&s->attributes), buf_len(&s->attributes)};
    server->request.bare = !*s->schema;
    server->request.deadline_ms = 0;
    server->request.on_ready = on_ready;
    server->request.on_failed = on_failed;
    server->acquiring = true;
    backend_acquire(s->worker->backends, &server->request);
}

/* What must not be reset and given to others: its state goes with it. NULL: nothing. */
static const char *why_not_shared(const struct session_server *server)
{
    return server->holds & (SESSION_HOLD_TABLE_LOCKS | SESSION_HOLD_READ_LOCK) ? "held table locks"
           : server->holds & SESSION_HOLD_CLIENT_XA ? "an XA transaction of the client's own"
           : server->killing                        ? "a KILL is on its way"
                                                    : NULL;
}

void link_release_all(struct session *s)
{
    client_xa_forget(s);
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (server->acquiring)
            backend_cancel(&server->request);
        server->acquiring = false;
        const char *why = why_not_shared(server);
        struct backend_conn *conn = link_forget(server);
        if (conn && why)
            backend_conn_close(conn, why);
        else if (conn)
            backend_release(s->worker->backends, conn);
    }
}

static void stop_statement(struct session *s, struct session_server *server, const char *why)
{
    s->world->resolver->kill_connection(s->world->resolver_arg, (unsigned)(server - s->servers), server->conn->connection_id,
                                        server->conn->opened_ms);
    struct backend_conn *conn = link_forget(server);
    tx_server_gone(s, server, why);
    backend_conn_close(conn, why);
}

void link_give_up(struct session *s, const char *why)
{
    s->setup_pending = 0;
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (!server->conn || server->parked || (!server->killing && backend_conn_idle(server->conn)))
            continue;
        sharing_note_lost(server, server->holds);
        stop_statement(s, server, why);
    }
}

/* The client is gone: what runs for it on a server is stopped with its connection, or left to its end. */
void link_cancel(struct session *s)
{
    target_idle(s);
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (server->acquiring)
            backend_cancel(&server->request);
        server->acquiring = false;
        if (!server->conn || server->parked || backend_conn_idle(server->conn) || tx_ends_on(s, server))
            continue;
        if (abandoned_fits(s, server))
            abandoned_take(s, server, !why_not_shared(server));
        else
            stop_statement(s, server, "the client went away while a statement ran");
    }
}
