/* The worker's loop and what reaches it from other threads: new clients, a durable log, census and drain. */
#include "proxy/session/worker.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/entering.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"
#include "proxy/session/waits.h"

/* --- backend connections reach the log before they can hold a prepared branch ----------------------------------- */

static void on_backend_open(void *arg, struct backend_conn *c)
{
    struct worker *w = arg;
    struct xa_connection record = {.connection_id = c->connection_id, .opened_ms = c->opened_ms};
    snprintf(record.backend, sizeof record.backend, "%s", c->backend->config->name);
    snprintf(record.account, sizeof record.account, "%s", c->account->backend_user);
    c->logged_at = journal_connection_opened(w->world->journal, &record);
}

static void on_backend_close(void *arg, struct backend_conn *c)
{
    struct worker *w = arg;
    /* A branch may outlive us there: then the record must outlive the connection, so that recovery looks for it. */
    if (c->logged_at && c->xa == BACKEND_XA_NONE)
        journal_connection_closed(w->world->journal, c->backend->config->name, c->connection_id, c->opened_ms);
}

/* --- the log's progress ----------------------------------------------------------------------------------------- */

static void on_durable(void *arg)
{
    struct worker *w = arg;
    wal_pos durable = wal_durable(journal_wal(w->world->journal));
    while (!list_empty(&w->waiting)) {
        struct session_tx *tx = CONTAINER_OF(list_first(&w->waiting), struct session_tx, wait_link);
        if (tx->durable_at > durable)
            return;
        list_remove(&tx->wait_link);
        tx->on_durable(tx);
    }
    w->waiting_for_log = false;
}

void worker_durable(struct worker *w)
{
    if (w->waiting_for_log)
        net_wake_raise(&w->durable_wake);
}

void tx_wait_durable(struct session_tx *tx, wal_pos at, void (*durable_fn)(struct session_tx *tx))
{
    struct worker *w = tx->worker;
    tx->durable_at = at;
    tx->on_durable = durable_fn;
    list_push_back(&w->waiting, &tx->wait_link);
    /* The flag is up before the position is read again: the log thread either sees it, or we see its progress. */
    w->waiting_for_log = true;
    if (wal_durable(journal_wal(w->world->journal)) >= at)
        net_wake_raise(&w->durable_wake);
}

static void on_waits(void *arg)
{
    struct worker *w = arg;
    waits_deliver(w->world->waits, w->index);
}

/* --- letters ---------------------------------------------------------------------------------------------------- */

struct deal_letter {
    struct letter letter;
    int fd;
    unsigned listener;
    bool counted;
    char peer[64];
};

static void deliver_deal(struct letter *letter, void *receiver)
{
    struct deal_letter *d = CONTAINER_OF(letter, struct deal_letter, letter);
    struct worker *w = receiver;
    if (w->stopping) {
        close(d->fd);
        w->world->unauthenticated--;
        if (d->counted)
            callers_leave(w->world->callers, d->peer);
        w->world->clients--;
        w->world->listener_clients[d->listener]--;
    } else {
        session_new(w, d->fd, d->listener, d->peer, d->counted);
    }
    free(d);
}

void worker_deal(struct worker *w, int fd, unsigned listener, const char *peer, bool counted)
{
    struct deal_letter *d = calloc(1, sizeof *d);
    CHECK(d);
    d->letter.deliver = deliver_deal;
    list_init(&d->letter.link);
    d->fd = fd;
    d->listener = listener;
    d->counted = counted;
    snprintf(d->peer, sizeof d->peer, "%s", peer);
    w->world->clients++;
    w->world->unauthenticated++;
    w->world->listener_clients[listener]++;
    mailbox_post(net_loop_mailbox(w->loop), &d->letter);
}

static void deliver_leave(struct letter *letter, void *receiver)
{
    struct worker *w = receiver;
    (void)letter;
    net_loop_stop(w->loop);
}

static void leave_together(struct world *world)
{
    for (unsigned i = 0; i < world->n_workers; i++)
        mailbox_post(net_loop_mailbox(world->workers[i].loop), &world->workers[i].leave);
}

static bool is_mains(const struct worker *w)
{
    return w->index == w->world->n_workers;
}

static void look_whether_to_leave(struct worker *w)
{
    if (!w->stopping || w->n_sessions || w->at_rest)
        return;
    w->at_rest = true;
    if (is_mains(w))
        net_loop_stop(w->loop);
    else if (--w->world->at_work == 0)
        leave_together(w->world);
}

void worker_session_over(struct worker *w)
{
    w->n_sessions--;
    look_whether_to_leave(w);
}

struct drain_letter {
    struct letter letter;
    bool now;
};

static void deliver_drain(struct letter *letter, void *receiver)
{
    struct drain_letter *d = CONTAINER_OF(letter, struct drain_letter, letter);
    struct worker *w = receiver;
    w->stopping = true;
    LIST_FOR_SAFE(it, &w->sessions)
    {
        struct session *s = CONTAINER_OF(it, struct session, link);
        if (d->now || s->phase == SESSION_LOGIN || session_is_free(s))
            session_close(s, "shutdown");
    }
    look_whether_to_leave(w);
    free(d);
}

void worker_drain(struct worker *w, bool now)
{
    struct drain_letter *d = calloc(1, sizeof *d);
    CHECK(d);
    d->letter.deliver = deliver_drain;
    list_init(&d->letter.link);
    d->now = now;
    mailbox_post(net_loop_mailbox(w->loop), &d->letter);
}

struct session *worker_session(const struct worker *w, uint64_t id)
{
    const struct list *same = &w->by_id[id % WORKER_BUCKETS];
    LIST_FOR(it, same)
        if (CONTAINER_OF(it, struct session, id_link)->id == id)
            return CONTAINER_OF(it, struct session, id_link);
    return NULL;
}

static void deliver_reload(struct letter *letter, void *receiver)
{
    struct worker *w = receiver;
    if (!w->ended)
        backend_pools_reload_tls(w->backends);
    free(letter);
}

void worker_reload(struct worker *w)
{
    struct letter *letter = calloc(1, sizeof *letter);
    CHECK(letter);
    letter->deliver = deliver_reload;
    list_init(&letter->link);
    mailbox_post(net_loop_mailbox(w->loop), letter);
}

/* --- asking every worker ---------------------------------------------------------------------------------------- */

/* Shared by the asker and the workers; the last to let go frees it, since an asker may lose patience. */
struct census {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    unsigned missing, users;
    void (*each)(void *arg, struct worker *w);
    void *arg;
    bool given_up; /* `arg` is not to be touched any more */
    struct census_letter {
        struct letter letter;
        struct census *census;
    } letters[];
};

static void census_let_go(struct census *c) /* lock held; releases it */
{
    bool last = !--c->users;
    pthread_mutex_unlock(&c->lock);
    if (last) {
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->answered);
        free(c);
    }
}

static void census_answer(struct census *c, struct worker *w) /* NULL: it has nothing */
{
    pthread_mutex_lock(&c->lock);
    if (w && !c->given_up)
        c->each(c->arg, w);
    c->missing--;
    pthread_cond_signal(&c->answered);
    census_let_go(c);
}

static void deliver_census(struct letter *letter, void *receiver)
{
    census_answer(CONTAINER_OF(letter, struct census_letter, letter)->census, receiver);
}

static void census_ask(struct census *c, struct census_letter *l, struct worker *w)
{
    l->census = c;
    l->letter.deliver = deliver_census;
    list_init(&l->letter.link);
    if (w->left)
        census_answer(c, NULL);
    else
        mailbox_post(net_loop_mailbox(w->loop), &l->letter);
}

bool workers_each(struct world *world, void (*each)(void *arg, struct worker *w), void *arg, int timeout_ms)
{
    unsigned n = world->n_workers;
    struct census *c = calloc(1, sizeof *c + n * sizeof c->letters[0]);
    CHECK(c);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->answered, &attr);
    pthread_condattr_destroy(&attr);
    c->missing = n;
    c->users = n + 1;
    c->each = each;
    c->arg = arg;
    for (unsigned i = 0; i < n; i++)
        census_ask(c, &c->letters[i], &world->workers[i]);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&c->lock);
    while (c->missing && pthread_cond_timedwait(&c->answered, &c->lock, &until) == 0)
        ;
    bool all = !c->missing;
    c->given_up = true;
    census_let_go(c);
    return all;
}

struct session_census {
    void (*each)(void *arg, struct session *s);
    void *arg;
};

static void each_session(void *arg, struct worker *w)
{
    const struct session_census *c = arg;
    LIST_FOR(it, &w->sessions)
        c->each(c->arg, CONTAINER_OF(it, struct session, link));
}

bool workers_each_session(struct world *world, void (*each)(void *arg, struct session *s), void *arg, int timeout_ms)
{
    return workers_each(world, each_session, &(struct session_census){each, arg}, timeout_ms);
}

static void collect_gtrids(void *arg, struct session *s)
{
    if (s->tx)
        buf_append(arg, s->tx->gtrid.text, strlen(s->tx->gtrid.text) + 1);
}

bool workers_live_gtrids(struct world *world, struct buf *out, int timeout_ms)
{
    return workers_each_session(world, collect_gtrids, out, timeout_ms);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

int worker_init(struct worker *w, struct world *world, unsigned index)
{
    *w = (struct worker){.world = world, .index = index};
    w->loop = net_loop_new();
    if (!w->loop)
        return -1;
    list_init(&w->waiting);
    list_init(&w->sessions);
    for (size_t i = 0; i < WORKER_BUCKETS; i++)
        list_init(&w->by_id[i]);
    list_init(&w->abandoned);
    w->leave.deliver = deliver_leave;
    list_init(&w->leave.link);
    net_loop_set_receiver(w->loop, w);
    net_wake_init(&w->durable_wake, w->loop, on_durable, w);
    net_wake_init(&w->waits_wake, w->loop, on_waits, w);
    w->backends = backend_pools_new(w->loop, world->config, &world->backends);
    backend_pools_on_open(w->backends, on_backend_open, on_backend_close, w);
    w->redis = redis_pools_new(w->loop, &world->redis, &world->redis_options);
    w->entered = entered_new();
    return 0;
}

void worker_fini(struct worker *w)
{
    w->ended = true;
    abandoned_free_all(w);
    backend_pools_free(w->backends);
    redis_pools_free(w->redis);
    entered_free(w->entered);
    net_wake_fini(&w->durable_wake);
    net_wake_fini(&w->waits_wake);
    mailbox_deliver(net_loop_mailbox(w->loop), w); /* what was posted after the loop had ended */
    net_loop_free(w->loop);
}

void *worker_run(void *worker)
{
    struct worker *w = worker;
    net_loop_run(w->loop);
    w->left = true;
    if (--w->world->running == 0)
        worker_drain(&w->world->workers[w->world->n_workers], true);
    return NULL;
}
