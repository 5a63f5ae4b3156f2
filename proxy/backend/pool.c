/* One account's connections: idle ones are lent newest first, others opened up to the limit, waiters served in order
 * with deadlines, and a server that failed a moment ago is not asked again at once. A connection's state is the list it
 * is on. Leaves opening, sending and dying to conn.c, finding the right pool to pools.c. */
#include <stdio.h>

#include "proxy/backend/pool_impl.h"

#define IDLE_MS 60000       /* then a connection that nobody wants is closed */
#define BACK_OFF_MIN_MS 50  /* after the first failure; doubled by each further one */
#define BACK_OFF_MAX_MS 1000

static struct backend_conn *conn_at(struct list *link)
{
    return CONTAINER_OF(link, struct backend_conn, link);
}

static struct backend_request *request_at(struct list *link)
{
    return CONTAINER_OF(link, struct backend_request, link);
}

static void move(struct backend_conn *c, struct list *to)
{
    list_remove(&c->link);
    list_push_front(to, &c->link);
}

static int64_t now(const struct backend_pool *pool)
{
    return net_loop_now_ms(pool->set->loop);
}

static unsigned limit(const struct backend_pool *pool)
{
    return (unsigned)pool->backend->config->max_connections;
}

static uint32_t key_of(const struct backend_request *r)
{
    return r->client_caps & BACKEND_CLIENT_CAPS;
}

static void serve_later(struct backend_pool *pool)
{
    net_defer(pool->set->loop, &pool->serving);
}

static void refuse(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    list_remove(&r->link);
    r->on_failed(r, code, sqlstate, text);
}

/* --- lending --- */

static struct backend_conn *idle_of(struct backend_pool *pool, uint32_t key)
{
    LIST_FOR(it, &pool->idle)
        if (conn_at(it)->impl->client_caps == key)
            return conn_at(it);
    return NULL;
}

static void lend(struct backend_pool *pool, struct backend_conn *c, struct backend_request *r)
{
    list_remove(&r->link);
    move(c, &pool->lent);
    c->impl->served = true;
    pool->failures = 0;
    r->on_ready(r, c);
}

/* The oldest waiter that an idle connection fits. Callbacks change both lists, so each round looks anew. */
static bool lend_one(struct backend_pool *pool)
{
    if (list_empty(&pool->idle))
        return false;
    LIST_FOR(it, &pool->waiting) {
        struct backend_conn *c = idle_of(pool, key_of(request_at(it)));
        if (c) {
            lend(pool, c, request_at(it));
            return true;
        }
    }
    return false;
}

/* --- opening --- */

static const struct backend_conn_events events;

static void open_one(struct backend_pool *pool, uint32_t key)
{
    struct backend_pools *set = pool->set;
    struct backend_conn *c =
        backend_conn_open(set->loop, pool->backend, pool->account, set->tls[pool->backend->index], key, &events, pool);
    pool->alive++;
    list_push_front(&pool->opening, &c->link);
    if (!backend_conn_alive(c))
        events.died(pool, c);
    else if (set->tls_why[pool->backend->index][0])
        backend_conn_died(c, "TLS cannot be set up: %s", set->tls_why[pool->backend->index]);
}

/* Of these that are on their way, how many serve requests with this key? */
static unsigned coming(const struct list *conns, uint32_t key)
{
    unsigned n = 0;
    LIST_FOR(it, conns)
        n += conn_at(it)->impl->client_caps == key;
    return n;
}

/* Among as many waiters as were seen before `r`, those with its key get what is coming first. */
static bool needs_opening(struct backend_pool *pool, const struct backend_request *r)
{
    unsigned before = 0;
    LIST_FOR(it, &pool->waiting) {
        if (request_at(it) == r)
            break;
        before += key_of(request_at(it)) == key_of(r);
    }
    return before >= coming(&pool->opening, key_of(r)) + coming(&pool->resetting, key_of(r));
}

/* Makes room by closing the oldest idle connection, which fits no waiter. */
static bool make_room(struct backend_pool *pool)
{
    if (pool->alive < limit(pool))
        return true;
    if (list_empty(&pool->idle))
        return false;
    backend_conn_close(conn_at(pool->idle.prev), "another kind of connection is needed");
    return true;
}

static void open_for_waiters(struct backend_pool *pool)
{
    if (now(pool) < pool->retry_ms)
        return;
    LIST_FOR(it, &pool->waiting) {
        struct backend_request *r = request_at(it);
        if (!needs_opening(pool, r))
            continue;
        if (!make_room(pool))
            return;
        open_one(pool, key_of(r));
    }
}

static void serve(struct net_deferred *d)
{
    struct backend_pool *pool = CONTAINER_OF(d, struct backend_pool, serving);
    while (lend_one(pool))
        continue;
    open_for_waiters(pool);
}

/* --- what a connection says --- */

static void on_idle_timeout(void *arg)
{
    struct backend_pool *pool = arg;
    while (!list_empty(&pool->idle)) {
        struct backend_conn *oldest = conn_at(pool->idle.prev);
        int64_t left = oldest->impl->idle_since_ms + IDLE_MS - now(pool);
        if (left > 0) {
            net_timer_start(&pool->idling, left);
            return;
        }
        backend_conn_close(oldest, "idle");
    }
}

static void put_idle(struct backend_pool *pool, struct backend_conn *c)
{
    bool first = list_empty(&pool->idle);
    c->impl->idle_since_ms = now(pool);
    move(c, &pool->idle);
    if (first)
        net_timer_start(&pool->idling, IDLE_MS);
    serve_later(pool);
}

static void on_ready(void *arg, struct backend_conn *c)
{
    struct backend_pool *pool = arg;
    if (!c->impl->announced) {
        c->impl->announced = true;
        pool->opened++;
        if (pool->set->on_open)
            pool->set->on_open(pool->set->arg, c);
    }
    put_idle(pool, c);
}

/* Noted at once: what is served until the end of the turn must not try again. */
static void note_failure(struct backend_pool *pool, const struct backend_error *e)
{
    int64_t back_off = pool->failures < 5 ? BACK_OFF_MIN_MS << pool->failures : BACK_OFF_MAX_MS;
    pool->failed++;
    pool->failures++;
    pool->retry_ms = now(pool) + (back_off < BACK_OFF_MAX_MS ? back_off : BACK_OFF_MAX_MS);
    pool->error = *e;
}

static void retry_later(struct backend_pool *pool)
{
    int64_t left = pool->retry_ms - now(pool);
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

/* A server that is full for us may still give what we have to whom it is lent next; any other trouble is everybody's.
 * */
static bool worth_waiting(const struct backend_pool *pool)
{
    return pool->error.code == 1040 && pool->alive > 0;
}

static void on_failed(void *arg, struct backend_conn *c, const struct backend_error *e)
{
    (void)c;
    struct backend_pool *pool = arg;
    if (worth_waiting(pool)) {
        retry_later(pool);
        return;
    }
    struct list failing; /* those who come back from inside their callback are not among them */
    list_init(&failing);
    while (!list_empty(&pool->waiting)) {
        struct list *first = list_first(&pool->waiting);
        list_remove(first);
        list_push_back(&failing, first);
    }
    while (!list_empty(&failing))
        refuse(request_at(list_first(&failing)), e->code, e->sqlstate, e->text);
}

static void on_buried(void *arg, struct backend_conn *c)
{
    struct backend_pool *pool = arg;
    if (!c->impl->announced)
        return;
    pool->closed++;
    if (pool->set->on_close)
        pool->set->on_close(pool->set->arg, c);
}

static const struct backend_conn_events events = {
    .ready = on_ready, .died = on_died, .failed = on_failed, .buried = on_buried};

static void on_retry(void *arg)
{
    serve(&((struct backend_pool *)arg)->serving);
}

/* --- deadlines of those who wait --- */

static void watch_deadline(struct backend_pool *pool, int64_t deadline_ms)
{
    if (pool->deadline_ms && pool->deadline_ms <= deadline_ms)
        return;
    pool->deadline_ms = deadline_ms;
    int64_t left = deadline_ms - now(pool);
    net_timer_start(&pool->deadline, left > 0 ? left : 0);
}

static struct backend_request *first_expired(struct backend_pool *pool)
{
    LIST_FOR(it, &pool->waiting)
        if (request_at(it)->deadline_ms <= now(pool))
            return request_at(it);
    return NULL;
}

static void on_wait_deadline(void *arg)
{
    struct backend_pool *pool = arg;
    struct backend_request *r;
    struct backend_error e = {.code = 1205, .sqlstate = "HY000"};
    snprintf(e.text, sizeof e.text, "backend '%s': no connection became free in time", pool->backend->config->name);
    if (pool->failures)
        e = pool->error; /* that is why there was none */
    while ((r = first_expired(pool)))
        refuse(r, e.code, e.sqlstate, e.text);
    pool->deadline_ms = 0;
    LIST_FOR(it, &pool->waiting)
        watch_deadline(pool, request_at(it)->deadline_ms);
}

/* --- borrowers --- */

void backend_pool_acquire(struct backend_pool *pool, struct backend_request *r)
{
    list_init(&r->link);
    struct backend_conn *c = list_empty(&pool->waiting) ? idle_of(pool, key_of(r)) : NULL;
    if (c) {
        lend(pool, c, r);
        return;
    }
    if (now(pool) < pool->retry_ms && !worth_waiting(pool)) {
        struct backend_error error = pool->error;
        refuse(r, error.code, error.sqlstate, error.text);
        return;
    }
    if (!r->deadline_ms)
        r->deadline_ms = now(pool) + 2 * (int64_t)pool->backend->config->connect_timeout_ms;
    list_push_back(&pool->waiting, &r->link);
    watch_deadline(pool, r->deadline_ms);
    serve_later(pool);
}

static const char *unfit(const struct backend_conn *c)
{
    return c->broken                         ? "broken"
           : c->xa != BACKEND_XA_NONE        ? "its transaction is not ended"
           : !backend_conn_idle(c)           ? "given back with commands under way"
                                             : NULL;
}

void backend_pool_release(struct backend_pool *pool, struct backend_conn *c)
{
    c->owner = NULL;
    c->on_gone = NULL;
    c->on_drained = NULL;
    const char *why = unfit(c);
    if (why) {
        backend_conn_close(c, why);
        return;
    }
    backend_resume(c);
    /* A local transaction that was left open goes with the reset. */
    if (c->dirty || (c->impl->status & WIRE_STATUS_IN_TRANS)) {
        move(c, &pool->resetting);
        pool->resets++;
        backend_settings_send(c, true);
    } else {
        put_idle(pool, c);
    }
}

/* --- its own life --- */

void backend_pool_init(struct backend_pool *pool, struct backend_pools *set, struct backend *backend,
                       const struct config_account *account)
{
    struct list *const lists[] = {&pool->opening, &pool->resetting, &pool->lent,
                                  &pool->idle,    &pool->dying,     &pool->waiting};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    list_init(&pool->serving.link);
    pool->serving.run = serve;
    pool->set = set;
    pool->backend = backend;
    pool->account = account;
    net_timer_init(&pool->deadline, set->loop, on_wait_deadline, pool);
    net_timer_init(&pool->idling, set->loop, on_idle_timeout, pool);
    net_timer_init(&pool->retry, set->loop, on_retry, pool);
}

void backend_pool_fini(struct backend_pool *pool)
{
    struct list *const lists[] = {&pool->opening, &pool->resetting, &pool->lent, &pool->idle, &pool->dying};
    while (!list_empty(&pool->waiting))
        list_remove(list_first(&pool->waiting));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (!list_empty(lists[i]))
            backend_conn_destroy(conn_at(list_first(lists[i])));
    list_remove(&pool->serving.link);
    net_timer_fini(&pool->deadline);
    net_timer_fini(&pool->idling);
    net_timer_fini(&pool->retry);
}
