/* What the programs about net share: a connection's owner that records what it is told, pairs over real sockets, and a
 * run of the loop until a condition holds. */
#ifndef TESTS_UNIT_NET_SIDE_H
#define TESTS_UNIT_NET_SIDE_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/net/conn.h"
#include "proxy/net/listener.h"

enum { GUARD_MS = 30000 };

static struct net_loop *loop;
static bool (*until)(void);
static bool timed_out;

/* An owner. `react`, where set, runs after each on_read, on_tls and on_connected. */
struct side {
    struct net_conn *c;
    int connected, secured, reads, drained, closed;
    size_t largest_read, seen;
    size_t unused; /* bytes in `in` when it was closed */
    char why[256];
    void (*react)(struct side *s);
};

static void look(void)
{
    if (until && until())
        net_loop_stop(loop);
}

static void side_react(struct side *s)
{
    if (s->react)
        s->react(s);
    look();
}
static void side_connected(void *arg)
{
    struct side *s = arg;
    s->connected++;
    side_react(s);
}
static void side_tls(void *arg)
{
    struct side *s = arg;
    s->secured++;
    side_react(s);
}
static void side_read(void *arg)
{
    struct side *s = arg;
    s->reads++;
    if (s->c->bytes_in - s->seen > s->largest_read)
        s->largest_read = s->c->bytes_in - s->seen;
    s->seen = s->c->bytes_in;
    side_react(s);
}
static void side_drained(void *arg)
{
    struct side *s = arg;
    s->drained++;
    look();
}
static void side_closed(void *arg, const char *why)
{
    struct side *s = arg;
    s->closed++;
    s->unused = buf_len(&s->c->in);
    s->c = NULL;
    snprintf(s->why, sizeof s->why, "%s", why);
    look();
}
static const struct net_conn_ops side_ops = {side_connected, side_tls, side_read, side_drained, side_closed};

static void on_guard(void *arg)
{
    (void)arg;
    timed_out = true;
    net_loop_stop(loop);
}

/* Looks now and then too: not every condition comes with a callback. */
static struct net_timer peek;
static void on_peek(void *arg)
{
    (void)arg;
    look();
    net_timer_start(&peek, 2);
}

static void run_until(bool (*condition)(void))
{
    struct net_timer guard;
    net_timer_init(&guard, loop, on_guard, NULL);
    net_timer_init(&peek, loop, on_peek, NULL);
    net_timer_start(&guard, GUARD_MS);
    net_timer_start(&peek, 0);
    until = condition;
    timed_out = false;
    net_loop_run(loop);
    until = NULL;
    net_timer_fini(&peek);
    net_timer_fini(&guard);
    CU_ASSERT_FALSE(timed_out);
}

static int turns_left;
static bool turns_are_over(void)
{
    return turns_left-- <= 0;
}
/* Time for what should not happen. */
static inline void run_some_turns(int n)
{
    turns_left = n;
    run_until(turns_are_over);
}

static void fresh_loop(void)
{
    loop = net_loop_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(loop);
}

static void drop_loop(void)
{
    net_loop_free(loop);
    loop = NULL;
}

static struct side left, right; /* left connects or is raw, right accepts */

static void accept_right(void *arg, int fd, const char *peer)
{
    (void)arg;
    (void)peer;
    right.c = net_conn_accept(loop, fd, &side_ops, &right);
    look();
}
static inline bool left_closed(void)
{
    return left.closed > 0;
}
static bool both_there(void)
{
    return right.c && left.connected;
}

/* left and right over TCP; the listener is gone again when this returns. */
static inline void make_pair(void)
{
    char why[200] = "";
    left = right = (struct side){0};
    struct net_listener *l = net_listener_new(loop, "127.0.0.1", 0, accept_right, NULL, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    left.c = net_conn_connect(loop, "127.0.0.1", net_listener_port(l), NULL, &side_ops, &left, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(left.c);
    run_until(both_there);
    net_listener_free(l);
}

/* right over one end of a local socket pair; the other end is returned raw and blocking. `right_fd` gets right's own.
 */
static inline int make_half(int *right_fd)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    right = (struct side){0};
    right.c = net_conn_accept(loop, fds[0], &side_ops, &right);
    if (right_fd)
        *right_fd = fds[0];
    return fds[1];
}

static inline void say(struct side *s, const void *bytes, size_t n)
{
    buf_append(&s->c->out, bytes, n);
    net_conn_flush(s->c);
}

#endif
