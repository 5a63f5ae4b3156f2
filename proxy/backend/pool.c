/* One account's connections: idle ones are lent newest first, others opened up to the limit, parked ones taken from their
 * borrowers beyond it, longest parked first; a server that failed a moment ago is asked by one connection at a time. A
 * connection's state is the list it is on. Leaves who waits to queue.c, warmth and health to upkeep.c, opening, sending and
 * dying to conn.c, finding the right pool to pools.c. */
#include <stdio.h>

#include "base/random.h"
#include "proxy/backend/pool_impl.h"

#define BACK_OFF_MIN_MS 50  /* after the first failure; doubled by each further one */
#define BACK_OFF_MAX_MS 1000

static void move(struct backend_conn *c, struct list *to)
{
    list_remove(&c->link);
    list_push_front(to, &c->link);
}

static unsigned limit(const struct backend_pool *pool)
{
    return (unsigned)pool->backend->config->max_connections;
}

static void serve_later(struct backend_pool *pool)
{
    net_defer(pool->set->loop, &pool->serving);
}

/* --- lending --- */

static bool fits(const struct backend_conn *c, const struct backend_request *r)
{
    return c->impl->client_caps == pool_key_of(r) && (!r->bare || !*c->schema);
}

static struct backend_conn *newest_of(struct list *conns, const struct backend_request *r)
{
    LIST_FOR(it, conns)
        if (fits(pool_conn_at(it), r))
            return pool_conn_at(it);
    return NULL;
}

static struct backend_conn *oldest_of(struct list *conns, const struct backend_request *r)
{
    struct backend_conn *oldest = NULL;
    LIST_FOR(it, conns)
        if (fits(pool_conn_at(it), r))
            oldest = pool_conn_at(it);
    return oldest;
}

static void lend(struct backend_pool *pool, struct backend_conn *c, struct backend_request *r)
{
    move(c, &pool->lent);
    c->impl->served = true;
    pool->failures = 0;
    backend_queue_leave(pool, r);
    r->on_ready(r, c);
}

static void forget_borrower(struct backend_conn *c)
{
    c->owner = NULL;
    c->on_gone = NULL;
    c->on_taken = NULL;
    c->on_drained = NULL;
}

static void reset(struct backend_pool *pool, struct backend_conn *c)
{
    backend_resume(c);
    move(c, &pool->resetting);
    pool->count.resets++;
    backend_settings_send(c, true);
}

/* When its borrower has its answers it is closed. */
static void let_leave(struct backend_pool *pool, struct backend_conn *c)
{
    move(c, &pool->leaving);
    c->impl->leaving = true;
}

/* An idle one that begins as a new session would. What a SET GLOBAL has made old is reset meanwhile. */
static struct backend_conn *newest_idle(struct backend_pool *pool, const struct backend_request *r)
{
    struct backend_conn *c = newest_of(&pool->idle, r);
    while (c && c->globals_seen != atomic_load(&pool->backend->globals_changed)) {
        reset(pool, c);
        c = newest_of(&pool->idle, r);
    }
    return c;
}

/* From a borrower who has parked it: its last questions go out in one write with the reset. */
static void take(struct backend_pool *pool, struct backend_conn *c)
{
    pool->count.taken++;
    c->on_taken(c);
    forget_borrower(c);
    reset(pool, c);
    if (c->role_changed)
        let_leave(pool, c);
}

/* Likewise, for somebody whom it does not fit. */
static void take_away(struct backend_pool *pool, struct backend_conn *c)
{
    take(pool, c);
    let_leave(pool, c);
}

/* --- opening --- */

static const struct backend_conn_events events;

void backend_pool_open_one(struct backend_pool *pool, uint64_t key, struct slice attributes)
{
    struct backend_pools *set = pool->set;
    struct backend_conn *c =
        backend_conn_open(set->loop, pool->backend, pool->account, set->tls[pool->backend->index], key, &events, pool);
    backend_conn_say(c, attributes);
    pool->alive++;
    list_push_front(&pool->opening, &c->link);
    if (!backend_conn_alive(c))
        events.died(pool, c);
    else if (set->tls_why[pool->backend->index][0])
        backend_conn_died(c, "TLS cannot be set up: %s", set->tls_why[pool->backend->index]);
}

/* Of these that are on their way, how many serve such a request? */
static unsigned coming(const struct list *conns, const struct backend_request *r)
{
    unsigned n = 0;
    LIST_FOR(it, conns)
        n += fits(pool_conn_at(it), r);
    return n;
}

/* Those who came before `r` and want the same get what is coming first. */
static bool needs_another(struct backend_pool *pool, const struct backend_request *r)
{
    unsigned before = 0;
    LIST_FOR(it, &pool->waiting) {
        if (pool_request_at(it) == r)
            break;
        before += pool_key_of(pool_request_at(it)) == pool_key_of(r) && pool_request_at(it)->bare == r->bare;
    }
    return before >= coming(&pool->opening, r) + coming(&pool->resetting, r);
}

bool backend_pool_may_open(const struct backend_pool *pool)
{
    bool probing = pool->failures && !list_empty(&pool->opening);
    return pool->alive < limit(pool) && pool_now(pool) >= pool->retry_ms && !probing;
}

/* Makes room by closing the oldest connection that nobody uses, which does not fit who waits longest. */
static bool make_room(struct backend_pool *pool)
{
    if (pool->alive < limit(pool))
        return true;
    if (!list_empty(&pool->idle)) {
        backend_conn_close(pool_conn_at(pool->idle.prev), "another kind of connection is needed");
        return true;
    }
    if (!list_empty(&pool->parked) && list_empty(&pool->leaving))
        take_away(pool, pool_conn_at(pool->parked.prev));
    return false;
}

/* False: nothing can be had now. */
static bool get_another(struct backend_pool *pool, const struct backend_request *r)
{
    struct backend_conn *parked = oldest_of(&pool->parked, r);
    if (parked && !backend_pool_may_open(pool)) {
        take(pool, parked);
        return true;
    }
    if (!make_room(pool) || !backend_pool_may_open(pool))
        return false;
    backend_pool_open_one(pool, pool_key_of(r), r->attributes);
    return true;
}

/* In order, so that whom no idle connection fits is not overtaken for ever by those whom they fit. True: one was lent, whose
 * borrower may have changed all lists. */
static bool serve_first(struct backend_pool *pool)
{
    bool may_get = true;
    LIST_FOR(it, &pool->waiting) {
        struct backend_request *r = pool_request_at(it);
        struct backend_conn *c = newest_idle(pool, r);
        if (c) {
            lend(pool, c, r);
            return true;
        }
        may_get = may_get && (!needs_another(pool, r) || get_another(pool, r));
        if (!may_get && list_empty(&pool->idle))
            return false;
    }
    return false;
}

static void serve(struct net_deferred *d)
{
    struct backend_pool *pool = CONTAINER_OF(d, struct backend_pool, serving);
    while (serve_first(pool))
        continue;
}

/* --- what a connection says --- */

static void put_idle(struct backend_pool *pool, struct backend_conn *c)
{
    c->impl->idle_since_ms = pool_now(pool);
    move(c, &pool->idle);
    serve_later(pool);
}

static void on_ready(void *arg, struct backend_conn *c)
{
    struct backend_pool *pool = arg;
    if (!c->impl->announced) {
        c->impl->announced = true;
        pool->count.opened++;
        if (pool->set->on_open)
            pool->set->on_open(pool->set->arg, c);
    }
    if (c->impl->leaving)
        backend_conn_close(c, c->role_changed ? "its role was changed" : "another kind of connection is needed");
    else
        put_idle(pool, c);
}

/* Up to a quarter later, or all workers and proxies would come back at one moment. */
static int64_t with_jitter(int64_t ms)
{
    uint32_t any;
    random_bytes(&any, sizeof any);
    return ms + ms * (any % 256) / 1024;
}

/* Noted at once: what is served until the end of the turn must not try again. Those that were under way together fail
 * together, as one. */
static void note_failure(struct backend_pool *pool, const struct backend_error *e)
{
    pool->count.failed++;
    pool->error = *e;
    if (pool->failures && pool_now(pool) < pool->retry_ms)
        return;
    int64_t back_off = pool->failures < 5 ? BACK_OFF_MIN_MS << pool->failures : BACK_OFF_MAX_MS;
    pool->failures++;
    pool->retry_ms = pool_now(pool) + with_jitter(back_off < BACK_OFF_MAX_MS ? back_off : BACK_OFF_MAX_MS);
}

static void retry_later(struct backend_pool *pool)
{
    int64_t left = pool->retry_ms - pool_now(pool);
    net_timer_start(&pool->retry, left > 0 ? left : 0);
}

/* It logged in and died before anybody used it: as good as not opened, or we would open without end. */
static void note_stillborn(struct backend_pool *pool, const struct backend_conn *c)
{
    struct backend_error e = {.code = 1105, .sqlstate = "HY000"};
    snprintf(e.text, sizeof e.text, "backend '%s': lost right after log-in: %.160s", pool->backend->config->name,
             c->impl->why);
    note_failure(pool, &e);
    retry_later(pool);
}

static void on_died(void *arg, struct backend_conn *c)
{
    struct backend_pool *pool = arg;
    if (list_empty(&c->link))
        return; /* it died while it was born: open_one says so again */
    pool->alive--;
    move(c, &pool->dying);
    if (!c->impl->opened)
        note_failure(pool, &c->impl->error);
    else if (!c->impl->served && !c->impl->let_go)
        note_stillborn(pool, c);
    serve_later(pool);
}

/* A server that is full for us may still give what we have to whom it is lent next; any other trouble is everybody's, but
 * for whom a parked connection can be had. */
static bool worth_waiting(const struct backend_pool *pool)
{
    return (pool->error.code == 1040 && pool->alive > 0) || !list_empty(&pool->parked);
}

static void on_failed(void *arg, struct backend_conn *c, const struct backend_error *e)
{
    (void)c;
    struct backend_pool *pool = arg;
    if (worth_waiting(pool))
        retry_later(pool);
    else
        backend_queue_refuse_all(pool, e);
}

static void on_buried(void *arg, struct backend_conn *c)
{
    struct backend_pool *pool = arg;
    if (!c->impl->announced)
        return;
    pool->count.closed++;
    if (pool->set->on_close)
        pool->set->on_close(pool->set->arg, c);
}

static const struct backend_conn_events events = {
    .ready = on_ready, .died = on_died, .failed = on_failed, .buried = on_buried};

static void on_retry(void *arg)
{
    serve(&((struct backend_pool *)arg)->serving);
}

/* --- borrowers --- */

void backend_pool_acquire(struct backend_pool *pool, struct backend_request *r)
{
    list_init(&r->link);
    r->since_ms = pool_now(pool);
    backend_upkeep_wanted(pool, pool_key_of(r));
    struct backend_conn *c = list_empty(&pool->waiting) ? newest_idle(pool, r) : NULL;
    if (c) {
        lend(pool, c, r);
        return;
    }
    if (pool_now(pool) < pool->retry_ms && !worth_waiting(pool)) {
        struct backend_error error = pool->error;
        r->on_failed(r, error.code, error.sqlstate, error.text);
        return;
    }
    pool->count.waited += pool->alive >= limit(pool);
    backend_queue_enter(pool, r);
    serve_later(pool);
}

static const char *unfit(const struct backend_conn *c)
{
    return c->broken                         ? "broken"
           : c->xa != BACKEND_XA_NONE        ? "its transaction is not ended"
           : !backend_conn_idle(c)           ? "given back with commands under way"
           : c->role_changed                 ? "its role was changed"
                                             : NULL;
}

void backend_pool_release(struct backend_pool *pool, struct backend_conn *c)
{
    forget_borrower(c);
    const char *why = unfit(c);
    if (why) {
        backend_conn_close(c, why);
        return;
    }
    /* A local transaction that was left open goes with the reset. */
    if (c->dirty || backend_conn_in_trans(c)) {
        reset(pool, c);
    } else {
        backend_resume(c);
        put_idle(pool, c);
    }
}

void backend_pool_park(struct backend_pool *pool, struct backend_conn *c)
{
    CHECK(c->on_taken && c->xa == BACKEND_XA_NONE && backend_conn_idle(c));
    c->impl->idle_since_ms = pool_now(pool);
    c->pinged = false;
    move(c, &pool->parked);
    if (!list_empty(&pool->waiting))
        serve_later(pool);
}

void backend_pool_take_back(struct backend_pool *pool, struct backend_conn *c)
{
    move(c, &pool->lent);
}

/* --- its own life --- */

void backend_pool_init(struct backend_pool *pool, struct backend_pools *set, struct backend *backend,
                       const struct config_account *account)
{
    struct list *const lists[] = {&pool->opening, &pool->resetting, &pool->leaving, &pool->lent,
                                  &pool->parked,  &pool->idle,      &pool->dying,   &pool->waiting};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    list_init(&pool->serving.link);
    pool->serving.run = serve;
    pool->set = set;
    pool->backend = backend;
    pool->account = account;
    backend_queue_init(pool);
    backend_upkeep_init(pool);
    net_timer_init(&pool->retry, set->loop, on_retry, pool);
}

void backend_pool_fini(struct backend_pool *pool)
{
    struct list *const lists[] = {&pool->opening, &pool->resetting, &pool->leaving, &pool->lent,
                                  &pool->parked,  &pool->idle,      &pool->dying};
    backend_queue_fini(pool);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (!list_empty(lists[i]))
            backend_conn_destroy(pool_conn_at(list_first(lists[i])));
    list_remove(&pool->serving.link);
    backend_upkeep_fini(pool);
    net_timer_fini(&pool->retry);
}
