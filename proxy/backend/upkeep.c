/* What a pool does when nobody asks: keeps some connections warm, closes those that are idle for long, and asks silent ones
 * whether they still live. Leaves lending to pool.c. */
#include "proxy/backend/pool_impl.h"

#define LEAST_PAUSE_MS 50
#define MOST_PAUSE_MS 5000

static const struct config_backend *config_of(const struct backend_pool *pool)
{
    return pool->backend->config;
}

/* --- idle for long --- */

static void close_unused(struct backend_pool *pool)
{
    while (!list_empty(&pool->idle) && pool->alive > (unsigned)config_of(pool)->min_connections) {
        struct backend_conn *oldest = pool_conn_at(pool->idle.prev);
        if (pool_now(pool) - oldest->impl->idle_since_ms < config_of(pool)->pool_idle_timeout_ms)
            return;
        backend_conn_close(oldest, "idle");
    }
}

/* --- silent for long --- */

static void on_pong(void *arg, const struct backend_outcome *outcome)
{
    struct backend_conn *c = arg;
    (void)outcome;
    c->impl->pinging = false;
    if (!c->impl->resetting)
        net_timer_stop(&c->impl->deadline);
}

static const struct backend_sink pong_sink = {.done = on_pong};

/* A path that swallows packets shows itself by nothing else; a dead connection is told to its borrower, who has lost nothing
 * but the connection. */
static void ping(struct backend_pool *pool, struct backend_conn *c)
{
    static const uint8_t command = WIRE_COM_PING;
    pool->count.pinged++;
    c->pinged = c->impl->pinging = true;
    c->impl->heard_ms = pool_now(pool);
    backend_conn_start_deadline(c);
    if (!c->owner)
        c->schemas_seen--; /* it may have been altered by whom we do not see: the next borrower enters it again */
    backend_send(c, WIRE_RESPONSE_SIMPLE, &command, 1, &pong_sink, c);
}

static void ping_silent(struct backend_pool *pool, struct list *conns)
{
    LIST_FOR(it, conns) {
        struct backend_conn_impl *in = pool_conn_at(it)->impl;
        int64_t heard_ms = in->heard_ms > in->idle_since_ms ? in->heard_ms : in->idle_since_ms;
        if (!in->pinging && pool_now(pool) - heard_ms >= config_of(pool)->ping_interval_ms)
            ping(pool, pool_conn_at(it));
    }
}

/* --- warmth --- */

static void open_missing(struct backend_pool *pool)
{
    while (pool->alive < (unsigned)config_of(pool)->min_connections && backend_pool_may_open(pool))
        backend_pool_open_one(pool, pool->warm_key, (struct slice){NULL, 0});
}

/* --- the round --- */

static int64_t pause_ms(const struct backend_pool *pool)
{
    int64_t ms = config_of(pool)->pool_idle_timeout_ms / 4, ping_ms = config_of(pool)->ping_interval_ms / 4;
    if (ping_ms && ping_ms < ms)
        ms = ping_ms;
    return ms < LEAST_PAUSE_MS ? LEAST_PAUSE_MS : ms > MOST_PAUSE_MS ? MOST_PAUSE_MS : ms;
}

static void on_round(void *arg)
{
    struct backend_pool *pool = arg;
    close_unused(pool);
    if (config_of(pool)->ping_interval_ms) {
        ping_silent(pool, &pool->idle);
        ping_silent(pool, &pool->parked);
    }
    open_missing(pool);
    pool->kept = pool->alive || config_of(pool)->min_connections;
    if (pool->kept)
        net_timer_start(&pool->upkeep, pause_ms(pool));
}

void backend_upkeep_wanted(struct backend_pool *pool, uint64_t key)
{
    if (pool->kept)
        return;
    pool->kept = true;
    pool->warm_key = key;
    net_timer_start(&pool->upkeep, config_of(pool)->min_connections ? 0 : pause_ms(pool));
}

void backend_upkeep_init(struct backend_pool *pool)
{
    net_timer_init(&pool->upkeep, pool->set->loop, on_round, pool);
}

void backend_upkeep_fini(struct backend_pool *pool)
{
    net_timer_fini(&pool->upkeep);
}
