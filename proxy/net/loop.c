/* The turn: libev polls and calls back, then this file runs what was deferred, reports what failed, writes what is
 * dirty and frees what is dead. Leaves sockets to conn, timers and wake-ups to timer. */
#include "proxy/net/loop_impl.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "proxy/net/conn_impl.h"

static void on_posted(struct ev_loop *ev, ev_async *w, int revents)
{
    struct net_loop *loop = w->data;
    (void)ev;
    (void)revents;
    mailbox_deliver(&loop->box, loop->receiver);
}

static void wake_for_letters(void *arg)
{
    struct net_loop *loop = arg;
    ev_async_send(loop->ev, &loop->posted);
}

/* Runs before every other callback of the turn (highest priority). */
static void on_turn_begin(struct ev_loop *ev, ev_check *w, int revents)
{
    struct net_loop *loop = w->data;
    (void)ev;
    (void)revents;
    loop->now_ms = clock_mono_ms();
    loop->turn++;
}

static void on_again(struct ev_loop *ev, ev_idle *w, int revents)
{
    struct net_loop *loop = w->data;
    struct list todo;
    (void)revents;
    list_init(&todo);
    while (!list_empty(&loop->again)) {
        struct list *m = list_first(&loop->again);
        list_remove(m);
        list_push_back(&todo, m);
    }
    while (!list_empty(&todo)) {
        struct list *m = list_first(&todo);
        list_remove(m);
        net_conn_read_again(CONTAINER_OF(m, struct net_conn_impl, again));
    }
    if (list_empty(&loop->again))
        ev_idle_stop(ev, w);
}

static void run_deferred(struct net_loop *loop)
{
    struct net_deferred *d = CONTAINER_OF(list_first(&loop->deferred), struct net_deferred, link);
    list_remove(&d->link);
    d->run(d);
}

/* Each step may add to any list, so the most urgent list is looked for again after each. It ends: a connection is
 * written and reported once a turn at most. */
static void end_turn(struct net_loop *loop)
{
    for (;;) {
        if (!list_empty(&loop->deferred))
            run_deferred(loop);
        else if (!list_empty(&loop->failed))
            net_conn_report(CONTAINER_OF(list_first(&loop->failed), struct net_conn_impl, state));
        else if (!list_empty(&loop->dirty))
            net_conn_write_turn(CONTAINER_OF(list_first(&loop->dirty), struct net_conn_impl, dirty));
        else
            break;
    }
    while (!list_empty(&loop->dead))
        net_conn_free(CONTAINER_OF(list_first(&loop->dead), struct net_conn_impl, state));
}

/* libev prepares once before it blocks, after all callbacks of the turn. */
static void on_turn_end(struct ev_loop *ev, ev_prepare *w, int revents)
{
    (void)ev;
    (void)revents;
    end_turn(w->data);
}

static void start_watchers(struct net_loop *loop)
{
    ev_async_init(&loop->posted, on_posted);
    ev_check_init(&loop->turn_begin, on_turn_begin);
    ev_prepare_init(&loop->turn_end, on_turn_end);
    ev_idle_init(&loop->again_soon, on_again);
    loop->posted.data = loop->turn_begin.data = loop->turn_end.data = loop->again_soon.data = loop;
    ev_set_priority(&loop->turn_begin, EV_MAXPRI);
    ev_set_priority(&loop->again_soon, EV_MAXPRI); /* lower, it would wait until no socket has anything to say */
    ev_async_start(loop->ev, &loop->posted);
    ev_check_start(loop->ev, &loop->turn_begin);
    ev_prepare_start(loop->ev, &loop->turn_end);
}

struct net_loop *net_loop_new(void)
{
    struct ev_loop *ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!ev)
        return NULL;
    struct net_loop *loop = calloc(1, sizeof *loop);
    CHECK(loop);
    loop->ev = ev;
    loop->now_ms = clock_mono_ms();
    list_init(&loop->deferred);
    list_init(&loop->conns);
    list_init(&loop->again);
    list_init(&loop->failed);
    list_init(&loop->dirty);
    list_init(&loop->dead);
    mailbox_init(&loop->box, wake_for_letters, loop);
    start_watchers(loop);
    return loop;
}

void net_loop_free(struct net_loop *loop)
{
    if (!loop)
        return;
    LIST_FOR_SAFE(m, &loop->conns)
        net_conn_free(CONTAINER_OF(m, struct net_conn_impl, all));
    CHECK(list_empty(&loop->deferred));
    mailbox_fini(&loop->box);
    ev_loop_destroy(loop->ev);
    free(loop);
}

void net_loop_run(struct net_loop *loop)
{
    loop->now_ms = clock_mono_ms();
    ev_now_update(loop->ev);
    ev_run(loop->ev, 0);
    mailbox_deliver(&loop->box, loop->receiver);
    end_turn(loop);
}

void net_loop_stop(struct net_loop *loop)
{
    ev_break(loop->ev, EVBREAK_ONE);
}

int64_t net_loop_now_ms(const struct net_loop *loop)
{
    return loop->now_ms;
}

struct mailbox *net_loop_mailbox(struct net_loop *loop)
{
    return &loop->box;
}

void net_loop_set_receiver(struct net_loop *loop, void *receiver)
{
    loop->receiver = receiver;
}

void net_defer(struct net_loop *loop, struct net_deferred *d)
{
    if (list_empty(&d->link))
        list_push_back(&loop->deferred, &d->link);
}
