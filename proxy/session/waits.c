/* The table under its lock; a worker's wake is raised where it has something due. A wait's timer is its deadline, and the polling
 * of what other proxies hold. */
#include "proxy/session/waits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/session/session.h"
#include "proxy/session/tx.h"

#define POLL_FIRST_MS 10  /* where nobody here can say when the key is free: twice as long each time ... */
#define POLL_LAST_MS 80   /* ... up to this */
#define LOOK_MS 250       /* where somebody can: whether he waits himself, on a server; and whether the lock went another way */

struct waits {
    pthread_mutex_t lock;
    struct comp_waits table;
    struct comp_waits takers; /* those who wait for something to take, where that is from one key: who came first asks */
    struct worker *workers;
    _Atomic unsigned n, n_takers; /* of both, for those who need not look closer */
    int64_t looked_ms;  /* at the servers */
    struct comp_server_wait *said; /* by them, since then */
    unsigned n_said;
};

struct waits *waits_new(struct worker *workers, unsigned n_workers)
{
    struct waits *w = calloc(1, sizeof *w);
    CHECK(w);
    pthread_mutex_init(&w->lock, NULL);
    comp_waits_init(&w->table, n_workers);
    comp_waits_init(&w->takers, n_workers);
    w->workers = workers;
    return w;
}

void waits_free(struct waits *w)
{
    comp_waits_fini(&w->table);
    comp_waits_fini(&w->takers);
    free(w->said);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void lock(struct waits *w)
{
    pthread_mutex_lock(&w->lock);
}

static void unlock(struct waits *w)
{
    w->n = w->table.n;
    w->n_takers = w->takers.n;
    for (unsigned i = 0; i < w->table.n_lanes; i++)
        if (!list_empty(&w->table.due[i]) || !list_empty(&w->takers.due[i]))
            net_wake_raise(&w->workers[i].waits_wake);
    pthread_mutex_unlock(&w->lock);
}

static struct waits *table_of(const struct session_wait *k)
{
    return k->session->world->waits;
}

void waits_join(struct waits *w, struct comp_party *party, const char *gtrid)
{
    lock(w);
    comp_waits_join(&w->table, party, gtrid);
    unlock(w);
}

void waits_part(struct waits *w, struct comp_party *party)
{
    if (!party->gtrid)
        return;
    lock(w);
    comp_waits_part(&w->table, party);
    unlock(w);
}

bool waits_blocks(struct waits *w, const struct comp_party *party)
{
    lock(w);
    bool blocks = party->gtrid && !list_empty(&party->blocked);
    unlock(w);
    return blocks;
}

/* --- what servers say ------------------------------------------------------------------------------------------------------- */

void waits_servers(struct waits *w, int64_t looked_ms, const struct comp_server_wait *waits, unsigned n)
{
    lock(w);
    if (looked_ms == w->looked_ms) {
        w->said = realloc(w->said, (w->n_said + n) * sizeof *w->said);
        CHECK(w->said);
        memcpy(w->said + w->n_said, waits, n * sizeof *waits);
        w->n_said += n;
        comp_waits_servers(&w->table, w->said, w->n_said);
    }
    unlock(w);
}

/* Everybody who waits for long asks for it, and one is heard. */
static void look_at_servers(const struct session_wait *k)
{
    struct waits *w = table_of(k);
    int64_t now = clock_mono_ms();
    lock(w);
    bool mine = now - w->looked_ms >= LOOK_MS;
    if (mine) {
        w->looked_ms = now;
        w->n_said = 0;
    }
    unlock(w);
    if (mine)
        waits_look_at_servers(k->session->worker, now);
}

/* --- whose turn it is ------------------------------------------------------------------------------------------------------- */

static int64_t now_ms(const struct session_wait *k)
{
    return net_loop_now_ms(k->session->worker->loop);
}

static const int64_t *deadline_of(const struct session_wait *k)
{
    return k->empty ? &k->data_deadline_ms : &k->deadline_ms;
}

static bool is_over(const struct session_wait *k)
{
    return now_ms(k) >= *deadline_of(k) || k->session->killed;
}

static void take_turn(struct session_wait *k, enum waits_turn turn)
{
    net_timer_stop(&k->timer);
    k->rests = false;
    if (turn != WAITS_ASK)
        waits_leave(k, false);
    k->on_turn(k, turn);
}

/* Who took before them has gone. */
static void deliver_to_takers(struct waits *w, unsigned worker)
{
    for (;;) {
        lock(w);
        struct comp_waiter *due = comp_waits_due(&w->takers, worker);
        unlock(w);
        if (!due)
            return;
        struct session_wait *k = CONTAINER_OF(due, struct session_wait, taker);
        if (k->rests && k->empty)
            take_turn(k, WAITS_ASK);
    }
}

/* What is due while Redis is being asked is answered by what Redis says. */
void waits_deliver(struct waits *w, unsigned worker)
{
    deliver_to_takers(w, worker);
    for (;;) {
        lock(w);
        struct comp_waiter *due = comp_waits_due(&w->table, worker);
        bool condemned = due && due->condemned;
        unlock(w);
        if (!due)
            return;
        struct session_wait *k = CONTAINER_OF(due, struct session_wait, waiter);
        if (k->rests)
            take_turn(k, condemned ? WAITS_DEADLOCK : WAITS_ASK);
    }
}

static bool may_ask(struct session_wait *k)
{
    struct waits *w = table_of(k);
    lock(w);
    bool first = k->empty ? comp_waits_is_first(&w->takers, &k->taker) : comp_waits_is_first(&w->table, &k->waiter);
    unlock(w);
    return first;
}

static void rest(struct session_wait *k, int64_t pause_ms)
{
    int64_t left_ms = *deadline_of(k) - now_ms(k);
    k->rests = true;
    net_timer_start(&k->timer, left_ms < pause_ms ? left_ms : pause_ms);
}

static void on_timer(void *arg)
{
    struct session_wait *k = arg;
    if (k->local && k->waiter.party && !k->empty)
        look_at_servers(k);
    bool first = may_ask(k);
    if (k->empty && first) /* at its deadline, too: a last time */
        take_turn(k, WAITS_ASK);
    else if (is_over(k))
        take_turn(k, WAITS_OVER);
    else if (first)
        take_turn(k, WAITS_ASK);
    else
        rest(k, LOOK_MS);
}

/* --- one wait --------------------------------------------------------------------------------------------------------------- */

static void enter(struct session_wait *k)
{
    struct session *s = k->session;
    k->waiter.resource = k->resource;
    k->waiter.lane = s->worker->index;
    k->waiter.party = s->tx && s->tx->party.gtrid ? &s->tx->party : NULL;
    enum comp_want_mode writing = comp_command_counts(k->use) ? COMP_WANT_COUNT : COMP_WANT_WRITE;
    comp_waiter_clear(&k->waiter);
    for (unsigned i = 0; i < k->use->n_keys; i++) {
        struct slice key = comp_argv_at(k->command, k->use->key[i]);
        if (!k->held || !comp_keyset_has(k->held, key))
            comp_waiter_want(&k->waiter, key, i >= k->use->n_written ? COMP_WANT_READ : writing);
    }
}

static void have_timer(struct session_wait *k)
{
    if (!k->timer.loop)
        net_timer_init(&k->timer, k->session->worker->loop, on_timer, k);
}

static void begin(struct session_wait *k)
{
    struct session *s = k->session;
    k->empty = false;
    if (k->deadline_ms)
        return;
    k->deadline_ms = now_ms(k) + s->world->config->redis[k->resource].lock_wait_ms;
    have_timer(k);
    s->world->count.key_waits++;
}

static int64_t next_pause(struct session_wait *k)
{
    k->pause_ms = k->pause_ms ? (2 * k->pause_ms < POLL_LAST_MS ? 2 * k->pause_ms : POLL_LAST_MS) : POLL_FIRST_MS;
    return k->pause_ms;
}

/* Whether somebody has come before; `stays`: it is in the queue then, else it has only asked. */
static bool has_others_before(struct session_wait *k, bool stays)
{
    struct waits *w = table_of(k);
    if (!w->n)
        return false;
    enter(k);
    lock(w);
    bool waits = comp_waits_queue(&w->table, &k->waiter);
    if (!stays)
        comp_waits_leave(&w->table, &k->waiter, false);
    unlock(w);
    return waits;
}

/* Whether it would take from one key, and of what kind: lists, sorted sets, what a group has not got yet. The pending entries of a group
 * are read at once. Where its own transaction has the key nobody else can take. */
static bool takes(const struct session_wait *k, char *kind, struct slice *group)
{
    const struct comp_command_use *use = k->use;
    const char *name = use->row ? use->row->name : "";
    struct slice last = k->command->n ? comp_argv_at(k->command, k->command->n - 1) : (struct slice){0};
    bool moves = !strcmp(name, "BLMOVE") || !strcmp(name, "BRPOPLPUSH"), reads = !strcmp(name, "XREADGROUP");
    if (!use->waits || use->class != COMP_CLASS_WRITE || (use->n_keys != 1 && !moves) || (reads && !slice_is(last, ">")))
        return false;
    *kind = reads ? 'x' : name[1] == 'Z' ? 'z' : 'l';
    *group = reads ? comp_argv_at(k->command, 2) : (struct slice){0};
    return !k->held || !comp_keyset_has(k->held, comp_argv_at(k->command, use->key[0]));
}

/* False: it is none who takes. */
static bool enter_taker(struct session_wait *k)
{
    struct slice group, key;
    struct buf name = {0};
    char kind;
    if (!takes(k, &kind, &group))
        return false;
    key = comp_argv_at(k->command, k->use->key[0]);
    buf_printf(&name, "%c%zu ", kind, key.len);
    buf_append(&name, key.at, key.len);
    buf_append(&name, group.at, group.len);
    k->taker.resource = k->resource;
    k->taker.lane = k->session->worker->index;
    comp_waiter_clear(&k->taker);
    comp_waiter_want(&k->taker, (struct slice){buf_at(&name), buf_len(&name)}, COMP_WANT_WRITE);
    buf_fini(&name);
    return true;
}

static bool has_takers_before(struct session_wait *k, bool stays)
{
    struct waits *w = table_of(k);
    if (!w->n_takers || !enter_taker(k))
        return false;
    lock(w);
    bool waits = comp_waits_queue(&w->takers, &k->taker);
    if (!stays)
        comp_waits_leave(&w->takers, &k->taker, false);
    unlock(w);
    return waits;
}

/* Redis had nothing for it. True: others are to ask before. */
static bool stay_taker(struct session_wait *k)
{
    struct waits *w = table_of(k);
    if (!k->taker.ticket && !enter_taker(k))
        return false;
    lock(w);
    bool waits = comp_waits_told(&w->takers, &k->taker, (struct slice){0}) == COMP_WAIT_TURN;
    unlock(w);
    return waits;
}

bool waits_queue(struct session_wait *k)
{
    if (has_takers_before(k, true))
        return waits_empty(k, k->use->timeout_ms) == WAITS_ON;
    if (!has_others_before(k, true))
        return false;
    begin(k);
    k->local = true;
    rest(k, LOOK_MS);
    return true;
}

bool waits_would_queue(struct session_wait *k)
{
    return has_takers_before(k, false) || has_others_before(k, false);
}

enum waits_turn waits_refused(struct session_wait *k, struct slice owner)
{
    struct waits *w = table_of(k);
    begin(k);
    if (is_over(k)) {
        waits_leave(k, false);
        return WAITS_OVER;
    }
    if (!k->waiter.ticket)
        enter(k);
    lock(w);
    enum comp_wait how = comp_waits_told(&w->table, &k->waiter, owner);
    unlock(w);
    if (how == COMP_WAIT_DEADLOCK) {
        waits_leave(k, false);
        return WAITS_DEADLOCK;
    }
    int64_t pause_ms = next_pause(k);
    k->local = how != COMP_WAIT_POLL;
    rest(k, how == COMP_WAIT_POLL ? pause_ms : LOOK_MS);
    return WAITS_ON;
}

static void leave(struct session_wait *k, bool holds, bool takes_no_more)
{
    bool leaves_takers = takes_no_more && k->taker.ticket;
    k->rests = false;
    net_timer_stop(&k->timer);
    if (!k->waiter.ticket && !leaves_takers)
        return;
    struct waits *w = table_of(k);
    lock(w);
    comp_waits_leave(&w->table, &k->waiter, holds);
    if (leaves_takers)
        comp_waits_leave(&w->takers, &k->taker, false);
    unlock(w);
}

enum waits_turn waits_empty(struct session_wait *k, int64_t timeout_ms)
{
    have_timer(k);
    if (!k->data_deadline_ms)
        k->data_deadline_ms = timeout_ms ? now_ms(k) + timeout_ms : INT64_MAX;
    leave(k, false, false);
    k->deadline_ms = 0;
    k->empty = true;
    if (is_over(k)) {
        waits_leave(k, false);
        return WAITS_OVER;
    }
    rest(k, stay_taker(k) ? LOOK_MS : next_pause(k));
    return WAITS_ON;
}

void waits_leave(struct session_wait *k, bool holds)
{
    leave(k, holds, true);
}

void waits_fini(struct session_wait *k)
{
    waits_leave(k, false);
    if (k->timer.loop)
        net_timer_fini(&k->timer);
    comp_waiter_fini(&k->waiter);
    comp_waiter_fini(&k->taker);
}
