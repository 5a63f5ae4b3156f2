/* One event loop a thread: libev's only door. Timers, wake-ups from other threads, the end-of-turn list. */
#ifndef PROXY_NET_LOOP_H
#define PROXY_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mailbox.h"

struct net_loop;

/* A turn: read all, call back, run what was deferred, write all, give back what was closed. A write to a closed socket
 * raises SIGPIPE nowhere in this folder (MSG_NOSIGNAL), so the process may treat that signal as it likes. */
struct net_loop *net_loop_new(void); /* NULL: no descriptors left */
/* Closes the connections that are left, without callbacks. Timers, wakes and listeners must be gone, the mailbox empty.
 */
void net_loop_free(struct net_loop *loop);
void net_loop_run(struct net_loop *loop); /* until net_loop_stop from this thread; delivers the mailbox a last time */
void net_loop_stop(struct net_loop *loop);
int64_t net_loop_now_ms(const struct net_loop *loop); /* monotonic, of this turn */

/* The loop's mailbox: letters are delivered in the loop's thread with `receiver` (net_loop_set_receiver). */
struct mailbox *net_loop_mailbox(struct net_loop *loop);
void net_loop_set_receiver(struct net_loop *loop, void *receiver);

/* Timers: embedded, one-shot, never early, and behind what sockets have when they are due, or when a process that was late for
 * them goes on. Starting a running timer restarts it. Zeroed is valid for net_timer_stop and _fini. */
struct net_timer {
    struct net_loop *loop;
    void (*on_timeout)(void *arg);
    void *arg;
    void *impl;     /* libev's watcher, heap, owned */
    int64_t due_ms; /* monotonic */
};
void net_timer_init(struct net_timer *t, struct net_loop *loop, void (*on_timeout)(void *), void *arg);
void net_timer_start(struct net_timer *t, int64_t after_ms);
void net_timer_stop(struct net_timer *t);
void net_timer_fini(struct net_timer *t);

/* A flag (heap inside, given back by fini, which no raise may follow) that another thread may raise any number of
 * times; on_wake runs once or more in the loop's thread. */
struct net_wake {
    void *impl;
};
void net_wake_init(struct net_wake *w, struct net_loop *loop, void (*on_wake)(void *), void *arg);
void net_wake_raise(struct net_wake *w); /* any thread */
void net_wake_fini(struct net_wake *w);

/* Work for the end of this turn (nothing is freed in its middle): runs once, in order, after all I/O callbacks and
 * before sockets are written. A deferred callback may defer again: that runs in the same end of turn. */
struct net_deferred {
    struct list link; /* list_init before first use */
    void (*run)(struct net_deferred *d);
};
void net_defer(struct net_loop *loop, struct net_deferred *d); /* no effect while already deferred */

#endif
