/* Timers, and wake-ups from other threads, over libev's watchers. */
#include <stdlib.h>

#include "base/check.h"
#include "proxy/net/loop_impl.h"

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    struct net_timer *t = w->data;
    (void)ev;
    (void)revents;
    t->on_timeout(t->arg);
}

void net_timer_init(struct net_timer *t, struct net_loop *loop, void (*on_timeout)(void *), void *arg)
{
    ev_timer *w = calloc(1, sizeof *w);
    CHECK(w);
    ev_init(w, on_timer);
    w->data = t;
    *t = (struct net_timer){loop, on_timeout, arg, w};
}

void net_timer_start(struct net_timer *t, int64_t after_ms)
{
    ev_timer *w = t->impl;
    ev_timer_stop(t->loop->ev, w);
    ev_now_update(t->loop->ev); /* libev counts from the turn's begin: a long turn would make the timer early */
    ev_timer_set(w, (double)(after_ms > 0 ? after_ms : 0) / 1000, 0);
    ev_timer_start(t->loop->ev, w);
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
