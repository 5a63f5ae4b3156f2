/* Calls on their way to connections: a queue a resource, idle connections first, new ones up to the limit, deadlines
 * for who waits, a pause after failures. Leaves the connections themselves to conn.c. */
#include "proxy/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/redis/impl.h"

#define BACK_OFF_MIN_MS 50
#define BACK_OFF_MAX_MS 1000

struct redis_pool {
    struct redis_pools *set;
    struct redis_resource *resource;
    struct list opening, idle, busy, dying;
    struct list waiting;         /* requests, oldest first */
    unsigned alive;              /* opening, idle, busy */
    unsigned failures;           /* in a row */
    int64_t retry_ms;            /* not before */
    char why[192];               /* of the last failure */
    struct net_timer deadline, retry;
    int64_t deadline_ms;         /* what the timer stands for; 0 = stopped */
    struct net_deferred serving;
    uint64_t opened, failed, lost, loaded;
};

struct redis_pools {
    struct net_loop *loop;
    const struct redis_options *options;
    struct redis_pool *pool;     /* one a resource */
    size_t n;
};

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
    return net_loop_now_ms(pool->set->loop);
}

static unsigned count(const struct list *l)
{
    unsigned n = 0;
    LIST_FOR(it, l)
        n++;
    return n;
}

/* --- requests --- */

void redis_request_free(struct redis_request *r)
{
    list_remove(&r->link);
    if (r->call)
        r->call->request = NULL;
    if (r->first)
        freeReplyObject(r->first);
    buf_fini(&r->bytes);
    free(r);
}

void redis_request_answer(struct redis_request *r, enum redis_result result, const redisReply *reply, const char *why)
{
    struct redis_call *call = r->call;
    redisReply *first = r->first;
    r->call = NULL;
    r->first = NULL;
    redis_request_free(r);
    if (call) {
        call->request = NULL;
        call->first = result == REDIS_REPLIED ? first : NULL;
        call->on_reply(call, result, reply, why);
    }
    if (first)
        freeReplyObject(first);
}

/* --- serving --- */

static void move(struct redis_conn *c, struct list *to)
{
    list_remove(&c->link);
    list_push_front(to, &c->link);
}

static void run_on_idle(struct redis_pool *pool)
{
    while (!list_empty(&pool->waiting) && !list_empty(&pool->idle)) {
        struct redis_request *r = request_at(list_first(&pool->waiting));
        struct redis_conn *c = conn_at(list_first(&pool->idle));
        list_remove(&r->link);
        move(c, &pool->busy);
        c->used = true;
        pool->failures = 0;
        redis_conn_run(c, r);
    }
}

static void open_for_waiting(struct redis_pool *pool)
{
    unsigned waiting = count(&pool->waiting), opening = count(&pool->opening);
    unsigned limit = (unsigned)pool->resource->config->max_connections;
    for (; opening < waiting && pool->alive < limit && now(pool) >= pool->retry_ms; opening++) {
        struct redis_conn *c = redis_conn_open(pool, pool->set->loop, pool->resource, pool->set->options);
        if (c->dead)
            continue;
        pool->alive++;
        list_push_front(&pool->opening, &c->link);
    }
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
        redis_request_answer(request_at(list_first(&refused)), REDIS_NOT_SENT, NULL, why);
}

static void serve(struct redis_pool *pool)
{
    run_on_idle(pool);
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

static void serve_later(struct redis_pool *pool)
{
    net_defer(pool->set->loop, &pool->serving);
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
    serve_later(pool);
}

void redis_pool_loaded(struct redis_pool *pool)
{
    pool->loaded++;
}

static void note_failure(struct redis_pool *pool, const struct redis_conn *c)
{
    int64_t back_off = pool->failures < 5 ? BACK_OFF_MIN_MS << pool->failures : BACK_OFF_MAX_MS;
    pool->failed++;
    pool->failures++;
    pool->retry_ms = now(pool) + (back_off < BACK_OFF_MAX_MS ? back_off : BACK_OFF_MAX_MS);
    snprintf(pool->why, sizeof pool->why, "%s", c->why);
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
    serve_later(pool);
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

static void on_wait_deadline(void *arg)
{
    struct redis_pool *pool = arg;
    struct redis_request *r;
    while ((r = first_expired(pool)))
        redis_request_answer(r, REDIS_NOT_SENT, NULL, "no connection became free in time");
    pool->deadline_ms = 0;
    LIST_FOR(it, &pool->waiting)
        watch_deadline(pool, request_at(it)->deadline_ms);
}

/* --- callers --- */

static void send_call(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv,
                      const struct comp_argv *then)
{
    CHECK(call->resource < p->n && !call->request);
    struct redis_pool *pool = &p->pool[call->resource];
    struct redis_request *r = calloc(1, sizeof *r);
    CHECK(r);
    list_init(&r->link);
    r->call = call;
    r->deadline_ms = call->deadline_ms ? call->deadline_ms : now(pool) + pool->resource->config->timeout_ms;
    redis_format(&r->bytes, argv);
    if (then)
        redis_format(&r->bytes, then);
    r->pair = then;
    call->request = r;
    call->first = NULL;
    list_push_back(&pool->waiting, &r->link);
    run_on_idle(pool);
    if (r->conn)
        return;
    watch_deadline(pool, r->deadline_ms);
    serve_later(pool);
}

void redis_send(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv)
{
    send_call(p, call, argv, NULL);
}

void redis_send_pair(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv,
                     const struct comp_argv *then)
{
    send_call(p, call, argv, then);
}

void redis_cancel(struct redis_call *call)
{
    struct redis_request *r = call->request;
    if (!r)
        return;
    call->request = NULL;
    r->call = NULL;
    if (!r->conn)
        redis_request_free(r);
}

void redis_flush_now(struct redis_call *call)
{
    if (call->request && call->request->conn && call->request->conn->net)
        (void)net_conn_flush_now(call->request->conn->net); /* a death comes as on_closed */
}

/* --- the set --- */

static void pool_init(struct redis_pools *p, struct redis_pool *pool, struct redis_resource *resource)
{
    struct list *const lists[] = {&pool->opening, &pool->idle, &pool->busy, &pool->dying, &pool->waiting};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    list_init(&pool->serving.link);
    pool->serving.run = serve_deferred;
    pool->set = p;
    pool->resource = resource;
    net_timer_init(&pool->deadline, p->loop, on_wait_deadline, pool);
    net_timer_init(&pool->retry, p->loop, on_retry, pool);
}

struct redis_pools *redis_pools_new(struct net_loop *loop, struct redis_resources *resources,
                                    const struct redis_options *options)
{
    struct redis_pools *p = calloc(1, sizeof *p);
    CHECK(p);
    *p = (struct redis_pools){.loop = loop, .options = options, .n = resources->n};
    p->pool = calloc(p->n + 1, sizeof *p->pool);
    CHECK(p->pool);
    for (size_t i = 0; i < p->n; i++)
        pool_init(p, &p->pool[i], &resources->at[i]);
    return p;
}

static void pool_fini(struct redis_pool *pool)
{
    struct list *const lists[] = {&pool->opening, &pool->idle, &pool->busy, &pool->dying};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (!list_empty(lists[i]))
            redis_conn_destroy(conn_at(list_first(lists[i])));
    while (!list_empty(&pool->waiting))
        redis_request_free(request_at(list_first(&pool->waiting)));
    list_remove(&pool->serving.link);
    net_timer_fini(&pool->deadline);
    net_timer_fini(&pool->retry);
}

void redis_pools_free(struct redis_pools *p)
{
    for (size_t i = 0; i < p->n; i++)
        pool_fini(&p->pool[i]);
    free(p->pool);
    free(p);
}

void redis_pool_stats(const struct redis_pools *p, unsigned resource, struct redis_pool_stats *out)
{
    CHECK(resource < p->n);
    const struct redis_pool *pool = &p->pool[resource];
    *out = (struct redis_pool_stats){
        .busy = count(&pool->busy),
        .idle = count(&pool->idle),
        .opening = count(&pool->opening),
        .waiting = count(&pool->waiting),
        .opened = pool->opened,
        .failed = pool->failed,
        .lost = pool->lost,
        .loaded = pool->loaded,
    };
}
