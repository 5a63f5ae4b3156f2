/* The connections to one node: idle ones first, new ones up to the limit, deadlines for who waits, a pause after failures. Leaves
 * the connections themselves to conn.c, and which node it is to redis.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/redis/impl.h"

#define BACK_OFF_MIN_MS 50
#define BACK_OFF_MAX_MS 1000

static struct redis_conn *conn_at(struct list *link)
{
    return CONTAINER_OF(link, struct redis_conn, link);
}

static struct redis_request *request_at(struct list *link)
{
    return CONTAINER_OF(link, struct redis_request, link);
}

static int64_t now(const struct redis_pool *pool)
{
    return net_loop_now_ms(pool->site->loop);
}

unsigned redis_list_count(const struct list *l)
{
    unsigned n = 0;
    LIST_FOR(it, l)
        n++;
    return n;
}

/* --- serving --- */

static void move(struct redis_conn *c, struct list *to)
{
    list_remove(&c->link);
    list_push_front(to, &c->link);
}

static void run_on(struct redis_pool *pool, struct redis_request *r, struct redis_conn *c)
{
    move(c, &pool->busy);
    c->used = true;
    pool->failures = 0;
    redis_conn_run(c, r);
}

static void run_on_idle(struct redis_pool *pool)
{
    while (!list_empty(&pool->waiting) && !list_empty(&pool->idle)) {
        struct redis_request *r = request_at(list_first(&pool->waiting));
        list_remove(&r->link);
        run_on(pool, r, conn_at(list_first(&pool->idle)));
    }
}

static void open_for_waiting(struct redis_pool *pool)
{
    const struct redis_site *site = pool->site;
    unsigned waiting = redis_list_count(&pool->waiting), opening = redis_list_count(&pool->opening);
    unsigned limit = (unsigned)pool->site->resource->config->max_connections;
    for (; opening < waiting && pool->alive < limit && now(pool) >= pool->retry_ms; opening++) {
        struct redis_conn *c = redis_conn_open(pool, site->loop, site->resource, &pool->node, site->options);
        if (c->dead)
            continue;
        pool->alive++;
        list_push_front(&pool->opening, &c->link);
    }
}

/* A single server is waited for by those who ask; where a master may come up elsewhere, it is looked for. */
static void refuse(struct redis_pool *pool, struct redis_request *r, const char *why)
{
    if (r->only || pool->site->resource->config->mode == CONFIG_REDIS_STANDALONE)
        redis_request_answer(r, REDIS_NOT_SENT, NULL, why);
    else
        redis_request_park(r, why);
}

/* All that wait now; who comes back from inside the callback is not among them. */
static void refuse_waiting(struct redis_pool *pool)
{
    struct list refused;
    char why[sizeof pool->why];
    memcpy(why, pool->why, sizeof why);
    list_init(&refused);
    while (!list_empty(&pool->waiting)) {
        struct list *first = list_first(&pool->waiting);
        list_remove(first);
        list_push_back(&refused, first);
    }
    while (!list_empty(&refused))
        refuse(pool, request_at(list_first(&refused)), why);
}

static void close_idle(struct redis_pool *pool)
{
    while (!list_empty(&pool->idle)) {
        redis_conn_destroy(conn_at(list_first(&pool->idle)));
        pool->alive--;
    }
}

static void serve(struct redis_pool *pool)
{
    run_on_idle(pool);
    if (pool->retired)
        close_idle(pool);
    open_for_waiting(pool);
    if (list_empty(&pool->waiting) || now(pool) >= pool->retry_ms)
        return;
    if (pool->alive)
        net_timer_start(&pool->retry, pool->retry_ms - now(pool));
    else
        refuse_waiting(pool);
}

static void serve_deferred(struct net_deferred *d)
{
    serve(CONTAINER_OF(d, struct redis_pool, serving));
}

void redis_pool_serve_later(struct redis_pool *pool)
{
    net_defer(pool->site->loop, &pool->serving);
}

static void on_retry(void *arg)
{
    serve(arg);
}

/* --- what connections say --- */

void redis_pool_opened(struct redis_pool *pool)
{
    pool->opened++;
}

void redis_pool_ready(struct redis_pool *pool, struct redis_conn *c)
{
    move(c, &pool->idle);
    redis_pool_serve_later(pool);
}

void redis_pool_kept(struct redis_pool *pool, struct redis_conn *c)
{
    move(c, &pool->kept);
}

void redis_pool_loaded(struct redis_pool *pool)
{
    pool->loaded++;
}

/* Those that were under way together fail together, as one. */
static void note_failure(struct redis_pool *pool, const struct redis_conn *c)
{
    pool->failed++;
    snprintf(pool->why, sizeof pool->why, "%s", c->why);
    if (pool->failures && now(pool) < pool->retry_ms)
        return;
    int64_t back_off = pool->failures < 5 ? BACK_OFF_MIN_MS << pool->failures : BACK_OFF_MAX_MS;
    pool->failures++;
    pool->retry_ms = now(pool) + (back_off < BACK_OFF_MAX_MS ? back_off : BACK_OFF_MAX_MS);
}

void redis_pool_died(struct redis_pool *pool, struct redis_conn *c)
{
    if (!c->used) /* one that logged in and died before its first call is no better: or we would open without end */
        note_failure(pool, c);
    if (c->request && !c->loading)
        pool->lost++;
    if (!list_empty(&c->link))
        pool->alive--; /* else it died while it was born and was never counted */
    move(c, &pool->dying);
    redis_pool_serve_later(pool);
}

/* --- deadlines of those who wait --- */

static void watch_deadline(struct redis_pool *pool, int64_t deadline_ms)
{
    if (pool->deadline_ms && pool->deadline_ms <= deadline_ms)
        return;
    pool->deadline_ms = deadline_ms;
    int64_t left = deadline_ms - now(pool);
    net_timer_start(&pool->deadline, left > 0 ? left : 0);
}

static struct redis_request *first_expired(struct redis_pool *pool)
{
    LIST_FOR(it, &pool->waiting)
        if (request_at(it)->deadline_ms <= now(pool))
            return request_at(it);
    return NULL;
}

/* Whoever waits waits for the first one, which a silent or a wrong port never grants. */
static bool none_is_open(const struct redis_pool *pool)
{
    return list_empty(&pool->idle) && list_empty(&pool->busy) && list_empty(&pool->kept);
}

static void on_wait_deadline(void *arg)
{
    struct redis_pool *pool = arg;
    struct redis_request *r;
    while ((r = first_expired(pool)))
        redis_request_answer(r, REDIS_NOT_SENT, NULL, none_is_open(pool) ? "no answer to a new connection in time"
                                                                         : "no connection became free in time");
    pool->deadline_ms = 0;
    LIST_FOR(it, &pool->waiting)
        watch_deadline(pool, request_at(it)->deadline_ms);
}

/* --- requests --- */

void redis_pool_take(struct redis_pool *pool, struct redis_request *r)
{
    list_push_back(&pool->waiting, &r->link);
    run_on_idle(pool);
    if (r->conn)
        return;
    watch_deadline(pool, r->deadline_ms);
    redis_pool_serve_later(pool);
}

void redis_pool_take_kept(struct redis_pool *pool, struct redis_request *r, struct redis_conn *c)
{
    run_on(pool, r, c);
}

/* --- life --- */

struct redis_pool *redis_pool_new(struct redis_site *site, const struct redis_node *node)
{
    struct redis_pool *pool = calloc(1, sizeof *pool);
    CHECK(pool);
    struct list *const lists[] = {&pool->link, &pool->opening, &pool->idle, &pool->busy, &pool->kept, &pool->dying, &pool->waiting};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    list_init(&pool->serving.link);
    pool->serving.run = serve_deferred;
    pool->site = site;
    pool->node = *node;
    net_timer_init(&pool->deadline, site->loop, on_wait_deadline, pool);
    net_timer_init(&pool->retry, site->loop, on_retry, pool);
    return pool;
}

void redis_pool_free(struct redis_pool *pool)
{
    struct list *const lists[] = {&pool->opening, &pool->idle, &pool->busy, &pool->kept, &pool->dying};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (!list_empty(lists[i]))
            redis_conn_destroy(conn_at(list_first(lists[i])));
    while (!list_empty(&pool->waiting))
        redis_request_free(request_at(list_first(&pool->waiting)));
    list_remove(&pool->serving.link);
    list_remove(&pool->link);
    net_timer_fini(&pool->deadline);
    net_timer_fini(&pool->retry);
    free(pool);
}
