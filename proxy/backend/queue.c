/* Those who wait for a connection, in order, each with its deadline; a line in the log when they wait long. Leaves whom a
 * connection is lent to to pool.c. */
#include <stdio.h>

#include "base/log.h"
#include "proxy/backend/pool_impl.h"

#define LATE_MS 1000      /* who waited so long is worth a line */
#define LINE_EVERY_MS 10000

/* Rate-limited: a line stands for all that happened since the last one. */
static void note_late(struct backend_pool *pool, const struct backend_request *r)
{
    int64_t waited_ms = pool_now(pool) - r->since_ms;
    if (waited_ms < LATE_MS || pool_now(pool) < pool->quiet_until_ms)
        return;
    struct backend_pool_stats stats = {0};
    backend_pool_count(pool, &stats);
    pool->quiet_until_ms = pool_now(pool) + LINE_EVERY_MS;
    log_warn("pool_queue", "backend=%s account=%s waited_ms=%lld waiting=%u lent=%u parked=%u opening=%u limit=%d timed_out=%llu",
             pool->backend->config->name, pool->account->backend_user, (long long)waited_ms, stats.waiting, stats.lent,
             stats.parked, stats.opening, pool->backend->config->max_connections, (unsigned long long)stats.timed_out);
}

static void refuse(struct backend_request *r, const struct backend_error *e)
{
    list_remove(&r->link);
    r->on_failed(r, e->code, e->sqlstate, e->text);
}

/* Their callbacks may come back at once, and are not among those refused now. */
static void refuse_list(struct list *failing, const struct backend_error *e)
{
    while (!list_empty(failing))
        refuse(pool_request_at(list_first(failing)), e);
}

void backend_queue_refuse_all(struct backend_pool *pool, const struct backend_error *e)
{
    struct list failing;
    list_init(&failing);
    LIST_FOR_SAFE(it, &pool->waiting) {
        list_remove(it);
        list_push_back(&failing, it);
    }
    refuse_list(&failing, e);
}

/* --- deadlines --- */

static void watch_deadline(struct backend_pool *pool, int64_t deadline_ms)
{
    if (pool->deadline_ms && pool->deadline_ms <= deadline_ms)
        return;
    pool->deadline_ms = deadline_ms;
    int64_t left = deadline_ms - pool_now(pool);
    net_timer_start(&pool->deadline, left > 0 ? left : 0);
}

/* 1205, as for a lock that was not had in time: the statement did nothing, its transaction stands, and who knows how to try
 * again after 1205 does the right thing. 1040 would make drivers throw their own connection away, which is sound. */
static void say_why_late(const struct backend_pool *pool, struct backend_error *e)
{
    *e = (struct backend_error){.code = 1205, .sqlstate = "HY000"};
    snprintf(e->text, sizeof e->text,
             "backend '%s': no connection became free in time (queue_timeout; all %d of max_connections are in use); try again",
             pool->backend->config->name, pool->backend->config->max_connections);
    if (pool->failures)
        *e = pool->error; /* that is why there was none */
}

static void on_deadline(void *arg)
{
    struct backend_pool *pool = arg;
    struct backend_error e;
    struct list failing;
    list_init(&failing);
    say_why_late(pool, &e);
    LIST_FOR_SAFE(it, &pool->waiting) {
        if (pool_request_at(it)->deadline_ms > pool_now(pool))
            continue;
        pool->count.timed_out++;
        note_late(pool, pool_request_at(it));
        list_remove(it);
        list_push_back(&failing, it);
    }
    refuse_list(&failing, &e);
    pool->deadline_ms = 0;
    LIST_FOR(it, &pool->waiting)
        watch_deadline(pool, pool_request_at(it)->deadline_ms);
}

/* --- in and out --- */

void backend_queue_enter(struct backend_pool *pool, struct backend_request *r)
{
    if (!r->deadline_ms)
        r->deadline_ms = pool_now(pool) + pool->backend->config->queue_timeout_ms;
    list_push_back(&pool->waiting, &r->link);
    watch_deadline(pool, r->deadline_ms);
}

void backend_queue_leave(struct backend_pool *pool, struct backend_request *r)
{
    list_remove(&r->link);
    note_late(pool, r);
}

void backend_queue_init(struct backend_pool *pool)
{
    net_timer_init(&pool->deadline, pool->set->loop, on_deadline, pool);
}

void backend_queue_fini(struct backend_pool *pool)
{
    while (!list_empty(&pool->waiting))
        list_remove(list_first(&pool->waiting));
    net_timer_fini(&pool->deadline);
}
