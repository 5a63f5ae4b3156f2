/* Timers, and wake-ups from other threads, over libev's watchers. */
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "proxy/net/loop_impl.h"

#define LATE_MS 20

/* Where we come late ourselves what sockets have is heard first, since it came in time: timers are last in a turn, and if one is
 * late they wait for the next turn, all of them to keep their order. A process that was stopped goes on without having looked at its
 * sockets. */
static bool waits_for_sockets(const struct net_timer *t)
{
    struct net_loop *loop = t->loop;
    bool late = clock_mono_ms() - t->due_ms >= LATE_MS;
    if (late && loop->turn != loop->late_turn + 1)
        loop->late_turn = loop->turn;
    return loop->turn == loop->late_turn;
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct net_timer *t = w->data;
    (void)revents;
    if (waits_for_sockets(t)) {
        ev_timer_set(w, (double)(t->due_ms - clock_mono_ms()) / 1000, 0);
        ev_timer_start(ev, w);
    } else {
        t->on_timeout(t->arg);
    }
}

void net_timer_init(struct net_timer *t, struct net_loop *loop, void (*on_timeout)(void *), void *arg)
{
    ev_timer *w = calloc(1, sizeof *w);
    CHECK(w);
    ev_init(w, on_timer);
    ev_set_priority(w, EV_MINPRI);
    w->data = t;
    *t = (struct net_timer){.loop = loop, .on_timeout = on_timeout, .arg = arg, .impl = w};
}

void net_timer_start(struct net_timer *t, int64_t after_ms)
{
    ev_timer *w = t->impl;
    ev_timer_stop(t->loop->ev, w);
    ev_now_update(t->loop->ev); /* libev counts from the turn's begin: a long turn would make the timer early */
    after_ms = after_ms > 0 ? after_ms : 0;
    ev_timer_set(w, (double)after_ms / 1000, 0);
    ev_timer_start(t->loop->ev, w);
    t->due_ms = clock_mono_ms() + after_ms;
}

void net_timer_stop(struct net_timer *t)
{
    if (t->impl)
        ev_timer_stop(t->loop->ev, t->impl);
}

void net_timer_fini(struct net_timer *t)
{
    net_timer_stop(t);
    free(t->impl);
    *t = (struct net_timer){0};
}

struct wake_impl {
    ev_async async;
    struct net_loop *loop;
    void (*on_wake)(void *);
    void *arg;
};

static void on_async(struct ev_loop *ev, ev_async *w, int revents)
{
    struct wake_impl *impl = w->data;
    (void)ev;
    (void)revents;
    impl->on_wake(impl->arg);
}

void net_wake_init(struct net_wake *w, struct net_loop *loop, void (*on_wake)(void *), void *arg)
{
    struct wake_impl *impl = calloc(1, sizeof *impl);
    CHECK(impl);
    impl->loop = loop;
    impl->on_wake = on_wake;
    impl->arg = arg;
    ev_async_init(&impl->async, on_async);
    impl->async.data = impl;
    ev_async_start(loop->ev, &impl->async);
    w->impl = impl;
}

void net_wake_raise(struct net_wake *w)
{
    struct wake_impl *impl = w->impl;
    ev_async_send(impl->loop->ev, &impl->async);
}

void net_wake_fini(struct net_wake *w)
{
    struct wake_impl *impl = w->impl;
    if (!impl)
        return;
    ev_async_stop(impl->loop->ev, &impl->async);
    free(impl);
    w->impl = NULL;
}
