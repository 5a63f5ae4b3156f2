/* A connection's life: made from an accepted descriptor or by connecting, failed or closed, freed at the end of a turn.
 * Leaves bytes to conn_io and the change to TLS to conn_tls. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/net/address.h"
#include "proxy/net/conn_impl.h"

enum { READ_SIZE_START = 4096, HIGH_WATER = 256 * 1024, LOW_WATER = 64 * 1024 };
static const double last_words_s = 1.0;
static const struct net_conn_ops nobody;

static void on_last_words_over(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)revents;
    net_conn_bury(w->data);
}

static struct net_conn_impl *conn_new(struct net_loop *loop, int fd, const struct net_conn_ops *ops, void *arg)
{
    struct net_conn_impl *i = calloc(1, sizeof *i);
    CHECK(i);
    i->pub = (struct net_conn){.loop = loop, .ops = ops, .arg = arg, .impl = i};
    i->fd = fd;
    i->read_event = EV_READ;
    i->read_size = READ_SIZE_START;
    i->high_water = HIGH_WATER;
    i->low_water = LOW_WATER;
    list_init(&i->again);
    list_init(&i->dirty);
    list_init(&i->state);
    list_push_back(&loop->conns, &i->all);
    ev_io_init(&i->io, net_conn_on_io, fd, 0);
    ev_init(&i->last_words, on_last_words_over);
    i->io.data = i->last_words.data = i;
    net_socket_tune(fd);
    return i;
}

struct net_conn *net_conn_accept(struct net_loop *loop, int fd, const struct net_conn_ops *ops, void *arg)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    struct net_conn_impl *i = conn_new(loop, fd, ops, arg);
    i->phase = NET_OPEN;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        net_conn_fail(i, strerror(errno));
    else
        i->pub.peer_port = net_address_text(&peer, i->pub.peer, sizeof i->pub.peer);
    net_conn_watch(i);
    return &i->pub;
}

static void say_refused(struct net_conn_impl *i, int err)
{
    snprintf(i->why, sizeof i->why, "cannot connect to %s port %u: %s", i->pub.peer, i->pub.peer_port, strerror(err));
}

struct net_conn *net_conn_connect(struct net_loop *loop, const char *host, uint16_t port, const char *unix_path,
                                  const struct net_conn_ops *ops, void *arg, char *why, size_t why_size)
{
    struct sockaddr_storage to;
    socklen_t len;
    if (unix_path ? net_address_unix(unix_path, &to, &len, why, why_size)
                  : net_address(host, port, &to, &len, why, why_size))
        return NULL;
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(why, why_size, "no socket: %s", strerror(errno));
        return NULL;
    }
    if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
        snprintf(why, why_size, "cannot connect to %s: %s", unix_path ? unix_path : host, strerror(errno));
        close(fd);
        return NULL;
    }
    struct net_conn_impl *i = conn_new(loop, fd, ops, arg);
    i->phase = NET_CONNECTING;
    i->pub.peer_port = net_address_text(&to, i->pub.peer, sizeof i->pub.peer);
    net_conn_watch(i);
    return &i->pub;
}

void net_conn_finish_connect(struct net_conn_impl *i)
{
    int err = net_socket_connected(i->fd);
    if (err) {
        say_refused(i, err);
        net_conn_fail(i, i->why);
        return;
    }
    i->phase = NET_OPEN;
    if (buf_len(&i->pub.out))
        net_conn_soil(i);
    if (i->pub.ops->on_connected)
        i->pub.ops->on_connected(i->pub.arg);
}

void net_conn_fail(struct net_conn_impl *i, const char *why)
{
    if (i->phase == NET_FAILED || i->phase == NET_DEAD)
        return;
    if (i->phase == NET_FLUSHING || i->phase == NET_LINGERING) {
        net_conn_bury(i);
        return;
    }
    if (why != i->why)
        snprintf(i->why, sizeof i->why, "%s", why);
    i->phase = NET_FAILED;
    list_push_back(&i->pub.loop->failed, &i->state);
    net_conn_watch(i);
}

void net_conn_report(struct net_conn_impl *i)
{
    list_remove(&i->state);
    if (i->unread_words && !i->paused) {
        enum net_io end;
        if (net_conn_fill(i, &end) && i->pub.ops->on_read)
            i->pub.ops->on_read(i->pub.arg);
    }
    if (i->phase != NET_FAILED)
        return;
    net_conn_bury(i);
    if (i->pub.ops->on_closed)
        i->pub.ops->on_closed(i->pub.arg, i->why);
}

void net_conn_bury(struct net_conn_impl *i)
{
    struct net_loop *loop = i->pub.loop;
    if (i->phase == NET_DEAD)
        return;
    i->phase = NET_DEAD;
    net_conn_watch(i);
    ev_timer_stop(loop->ev, &i->last_words);
    list_remove(&i->again);
    list_remove(&i->dirty);
    list_remove(&i->state);
    list_push_back(&loop->dead, &i->state);
}

void net_conn_close(struct net_conn *c, bool after_flush)
{
    struct net_conn_impl *i = c->impl;
    if (i->phase == NET_DEAD)
        return;
    c->ops = &nobody;
    if (!after_flush || i->phase != NET_OPEN) {
        net_conn_bury(i);
        return;
    }
    i->phase = NET_FLUSHING;
    ev_timer_set(&i->last_words, last_words_s, 0);
    ev_timer_start(c->loop->ev, &i->last_words);
    if (net_conn_unsent(i))
        net_conn_soil(i);
    else
        net_conn_linger(i); /* now: who is told next that it was closed finds it so */
    net_conn_watch(i);
}

/* Closing a socket with unread input answers the peer with a reset, which may overtake what it has not read yet. */
void net_conn_linger(struct net_conn_impl *i)
{
    if (i->stream)
        net_tls_stream_shutdown(i->stream);
    shutdown(i->fd, SHUT_WR);
    i->phase = NET_LINGERING;
}

void net_conn_free(struct net_conn_impl *i)
{
    struct net_loop *loop = i->pub.loop;
    net_conn_bury(i);
    list_remove(&i->state);
    list_remove(&i->all);
    ev_io_stop(loop->ev, &i->io);
    if (i->pub.tls)
        net_tls_stream_shutdown(i->stream);
    net_tls_stream_free(i->stream);
    net_compression_free(i->compression);
    close(i->fd);
    buf_fini(&i->pub.in);
    buf_fini(&i->pub.out);
    free(i);
}
