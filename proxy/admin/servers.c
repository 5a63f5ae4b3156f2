/* The servers and Redis resources: what is known of each, connections to them, certificates. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/admin/impl.h"
#include "proxy/session/table.h"
#include "proxy/session/worker.h"

void servers_show_backends(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name",    "address",  "state", "reachable", "version",
                                          "identity", "restarts", "schemas", "verdict", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < admin->world->backends.n; i++) {
        struct backend *b = &admin->world->backends.at[i];
        struct backend_texts texts;
        struct buf schemas = {0};
        backend_texts(b, &texts);
        for (char **schema = b->config->schemas; schema && *schema; schema++)
            buf_printf(&schemas, "%s%s", buf_len(&schemas) ? " " : "", *schema);
        session_cell(&t, b->config->name);
        if (b->config->address[0] == '/')
            session_cell(&t, b->config->address);
        else
            session_cell_printf(&t, "%s:%d", b->config->address, b->config->port);
        session_cell(&t, backend_safety_name((enum backend_safety)b->safety));
        session_cell(&t, b->reachable ? "yes" : "no");
        session_cell(&t, texts.version);
        session_cell(&t, texts.identity);
        session_cell_number(&t, (int64_t)b->restarts);
        session_cell(&t, buf_cstr(&schemas));
        session_cell(&t, texts.verdict);
        buf_fini(&schemas);
    }
    session_table_answer(s, &t);
}

static void add_pools(void *arg, struct worker *w)
{
    struct backend_pool_stats *stats = arg;
    for (size_t i = 0; i < w->world->config->n_accounts; i++)
        backend_pool_add_stats(w->backends, i, &stats[i]);
}

void servers_show_pools(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {
        "backend", "account",
#define X(name) #name,
        BACKEND_POOL_GAUGES(X) BACKEND_POOL_COUNTERS(X)
#undef X
        NULL};
    const struct config *config = admin->world->config;
    struct backend_pool_stats *stats = calloc(config->n_accounts + 1, sizeof *stats);
    struct session_table t;
    (void)st;
    CHECK(stats);
    session_table_init(&t, columns);
    workers_each(admin->world, add_pools, stats, 1000);
    for (size_t i = 0; i < config->n_accounts; i++) {
        session_cell(&t, config->accounts[i].backend);
        session_cell(&t, config->accounts[i].user);
#define X(name) session_cell_number(&t, (int64_t)stats[i].name);
        BACKEND_POOL_GAUGES(X)
        BACKEND_POOL_COUNTERS(X)
#undef X
    }
    free(stats);
    session_table_answer(s, &t);
}

/* Where its masters are, as far as is known. */
static void add_address(struct session_table *t, struct redis_resource *r)
{
    struct redis_topology map = {0};
    struct buf text = {0};
    char node[REDIS_NODE_TEXT];
    (void)redis_resource_map(r, &map);
    for (size_t i = 0; i < map.n; i++)
        buf_printf(&text, "%s%s", i ? " " : "", redis_node_text(&map.node[i], node));
    session_cell(t, map.n ? buf_cstr(&text) : "");
    buf_fini(&text);
    redis_topology_fini(&map);
}

void servers_show_redis(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name", "address", "usable", "reachable", "version", "verdict", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < admin->world->redis.n; i++) {
        struct redis_resource *r = &admin->world->redis.at[i];
        struct redis_resource_texts texts;
        redis_resource_texts(r, &texts);
        session_cell(&t, r->config->name);
        add_address(&t, r);
        session_cell(&t, r->usable > 0 ? "yes" : r->usable < 0 ? "no" : "not checked yet");
        session_cell(&t, r->reachable ? "yes" : "no");
        session_cell(&t, texts.version);
        session_cell(&t, texts.verdict);
    }
    session_table_answer(s, &t);
}

static void add_tls(struct session_table *t, const char *kind, const char *name, const struct net_tls_state *state)
{
    session_cell_printf(t, "%s %s", kind, name);
    session_cell(t, state->subject);
    session_cell(t, state->not_after);
    session_cell_number(t, (clock_wall_ms() - state->loaded_ms) / 1000);
    session_cell(t, state->error);
    session_cell_number(t, (int64_t)state->handshakes);
    session_cell_number(t, (int64_t)state->resumed);
}

static void add_listener_tls(struct session_table *t, const struct config_listener *listener, struct net_tls *tls)
{
    struct net_tls_state state;
    if (!tls)
        return;
    net_tls_state(tls, &state);
    add_tls(t, "listener", listener->name, &state);
}

static void add_redis_tls(struct session_table *t, const struct redis_resource *resource)
{
    struct net_tls_state state;
    if (!resource->tls)
        return;
    net_tls_state(resource->tls, &state);
    if (state.handshakes)
        add_tls(t, "redis", resource->config->name, &state);
}

/* Each worker has its own, of the same files. */
static void add_backend_tls(struct session_table *t, const struct world *world, unsigned backend)
{
    struct net_tls_state state, all = {0};
    unsigned found = 0;
    for (unsigned i = 0; i < world->n_workers; i++) {
        struct net_tls *tls = backend_pools_tls(world->workers[i].backends, backend);
        if (!tls)
            continue;
        net_tls_state(tls, &state);
        state.handshakes += all.handshakes;
        state.resumed += all.resumed;
        all = state;
        found++;
    }
    if (found)
        add_tls(t, "backend", world->config->backends[backend].name, &all);
}

void servers_show_tls(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"where", "subject", "not_after", "loaded_s", "error", "handshakes", "resumed", NULL};
    const struct config *c = admin->world->config;
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < c->n_listeners; i++)
        add_listener_tls(&t, &c->listeners[i], admin->world->listener_tls[i]);
    for (unsigned i = 0; i < c->n_backends; i++)
        add_backend_tls(&t, admin->world, i);
    for (size_t i = 0; i < admin->world->redis.n; i++)
        add_redis_tls(&t, &admin->world->redis.at[i]);
    session_table_answer(s, &t);
}
