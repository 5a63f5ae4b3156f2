/* The schema that a log-in names: the server that has it is asked to enter it, since only that one knows whether it is there and
 * whether the account may use it. Leaves to login what becomes of the answer. */
#include "proxy/session/entering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"

#define PATIENCE_MS 1000

/* --- what log-ins have found -------------------------------------------------------------------------------------------- */

#define FOUND 64

struct entered {
    struct {
        const struct config_account *account; /* NULL: a free place */
        char schema[SQL_NAME_SIZE];
        unsigned changed; /* the backend's schemas_changed */
        int64_t at_ms;
    } found[FOUND];
};

struct entered *entered_new(void)
{
    struct entered *e = calloc(1, sizeof *e);
    CHECK(e);
    return e;
}

void entered_free(struct entered *e)
{
    free(e);
}

/* One place each: what shares it is asked for again. */
static unsigned place_of(const struct config_account *account, const char *schema)
{
    uint64_t hash = (uintptr_t)account;
    for (; *schema; schema++)
        hash = hash * 31 + (unsigned char)*schema;
    return (unsigned)(hash % FOUND);
}

/* Like a connection that has rested, it is believed for so long. */
static bool is_known(const struct entered *e, const struct config_account *account, const struct backend *b, const char *schema,
                     int64_t now_ms)
{
    unsigned at = place_of(account, schema);
    return e->found[at].account == account && !strcmp(e->found[at].schema, schema) &&
           e->found[at].changed == atomic_load(&b->schemas_changed) &&
           now_ms - e->found[at].at_ms < b->config->ping_interval_ms;
}

static void learn(struct entered *e, const struct backend_conn *conn, const char *schema, int64_t now_ms)
{
    unsigned at = place_of(conn->account, schema);
    e->found[at].account = conn->account;
    e->found[at].changed = conn->schemas_seen;
    e->found[at].at_ms = now_ms;
    snprintf(e->found[at].schema, sizeof e->found[at].schema, "%s", schema);
}

/* --- asking ------------------------------------------------------------------------------------------------------------- */

struct entering {
    struct session *session;
    struct backend_request request;
    struct backend_conn *conn; /* NULL: not yet */
    char schema[SQL_NAME_SIZE], before[SQL_NAME_SIZE];
    struct net_timer patience;
    void (*then)(struct session *s, const struct backend_outcome *refused);
};

/* `then` frees e. */
static void tell(struct entering *e, const struct backend_outcome *refused)
{
    e->then(e->session, refused);
}

static void let_go(struct entering *e)
{
    struct backend_conn *conn = e->conn;
    e->conn = NULL;
    backend_release(e->session->worker->backends, conn);
}

static void on_entered(void *arg, const struct backend_outcome *outcome)
{
    struct entering *e = arg;
    struct worker *w = e->session->worker;
    if (!outcome->error)
        learn(w->entered, e->conn, e->schema, net_loop_now_ms(w->loop));
    else if (!strcmp(e->conn->schema, e->schema)) /* as was thought, since a server that refuses says nothing of it */
        snprintf(e->conn->schema, sizeof e->conn->schema, "%s", e->before);
    let_go(e);
    tell(e, outcome->error ? outcome : NULL);
}

static void on_gone(struct backend_conn *conn, const char *why)
{
    struct entering *e = conn->owner;
    (void)why;
    e->conn = NULL;
    tell(e, NULL);
}

static void on_ready(struct backend_request *r, struct backend_conn *conn)
{
    static const struct backend_sink sink = {.done = on_entered};
    struct entering *e = CONTAINER_OF(r, struct entering, request);
    e->conn = conn;
    conn->owner = e;
    conn->on_gone = on_gone;
    snprintf(e->before, sizeof e->before, "%s", conn->schema);
    backend_enter_schema(conn, e->schema, &sink, e);
}

static void on_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    (void)code;
    (void)sqlstate;
    (void)text;
    tell(CONTAINER_OF(r, struct entering, request), NULL);
}

static void on_late(void *arg)
{
    tell(arg, NULL);
}

void entering_free(struct entering *e)
{
    if (!e)
        return;
    backend_cancel(&e->request);
    if (e->conn)
        backend_conn_close(e->conn, "a log-in did not wait for its schema");
    net_timer_fini(&e->patience);
    free(e);
}

bool entering_is_due(const struct session *s, int backend, const char *schema)
{
    const struct backend *b = &s->world->backends.at[backend];
    const struct config_account *account = config_account(s->world->config, s->user->name, b->config->name);
    return account && b->safety != BACKEND_REFUSED &&
           !is_known(s->worker->entered, account, b, schema, net_loop_now_ms(s->worker->loop));
}

struct entering *entering_new(struct session *s, int backend, const char *schema,
                              void (*then)(struct session *s, const struct backend_outcome *refused))
{
    struct entering *e = calloc(1, sizeof *e);
    CHECK(e);
    e->session = s;
    e->then = then;
    snprintf(e->schema, sizeof e->schema, "%s", schema);
    list_init(&e->request.link);
    e->request.account = config_account(s->world->config, s->user->name, session_backend_name(s, backend));
    e->request.backend = (unsigned)backend;
    e->request.client_caps = s->caps & ~(load_allowed(s) ? 0 : (uint64_t)WIRE_CAP_LOCAL_FILES);
    e->request.attributes = (struct slice){buf_at(&s->attributes), buf_len(&s->attributes)};
    e->request.on_ready = on_ready;
    e->request.on_failed = on_failed;
    net_timer_init(&e->patience, s->worker->loop, on_late, e);
    return e;
}

void entering_ask(struct entering *e)
{
    net_timer_start(&e->patience, PATIENCE_MS);
    backend_acquire(e->session->worker->backends, &e->request);
}
