/* The waiting stream socket: a non-blocking one and poll, so that every wait has an end. */
#include "proxy/net/blocking.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/net/address.h"
#include "proxy/net/tls_stream.h"

struct net_blocking {
    int fd;
    struct net_tls_stream *stream; /* NULL: plain */
    uint64_t writes;
};

/* False: the time is over. */
static bool wait_for(const struct net_blocking *b, short events, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd p = {.fd = b->fd, .events = events};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready > 0)
            return true;
        if (!ready || errno != EINTR)
            return false;
    }
}

/* What a transfer wants before it goes on. False with why: it is over. */
static bool go_on(const struct net_blocking *b, enum net_io io, int64_t until_ms, const char *late, char *why)
{
    if (io == NET_IO_DEAD)
        return false;
    if (wait_for(b, io == NET_IO_WANT_READ ? POLLIN : POLLOUT, until_ms))
        return true;
    snprintf(why, NET_WHY_SIZE, "%s", late);
    return false;
}

/* --- opening --- */

static bool open_socket(struct net_blocking *b, const char *host, uint16_t port, int64_t until_ms, char *why, size_t why_size)
{
    struct sockaddr_storage to;
    socklen_t len;
    if (net_resolve(host, why, why_size) < 0)
        return false;
    if (host[0] == '/' ? net_address_unix(host, &to, &len, why, why_size) : net_address(host, port, &to, &len, why, why_size))
        return false;
    b->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err = b->fd < 0 || connect(b->fd, (const struct sockaddr *)&to, len) < 0 ? errno : 0;
    if (err == EINPROGRESS)
        err = wait_for(b, POLLOUT, until_ms) ? net_socket_connected(b->fd) : ETIMEDOUT;
    if (err)
        snprintf(why, why_size, "cannot connect to %s port %u: %s", host, port, strerror(err));
    else
        net_socket_tune(b->fd);
    return !err;
}

static bool shake_hands(struct net_blocking *b, struct net_tls *tls, const char *name, int64_t until_ms, char *why)
{
    b->stream = net_tls_stream_new(tls, b->fd, name, &b->writes, why);
    enum net_io io = NET_IO_DEAD;
    while (b->stream && (io = net_tls_stream_handshake(b->stream, why)) != NET_IO_DONE)
        if (!go_on(b, io, until_ms, "no TLS handshake in time", why))
            return false;
    return b->stream;
}

struct net_blocking *net_blocking_open(const char *host, uint16_t port, struct net_tls *tls, const char *name, int timeout_ms,
                                       char *why, size_t why_size)
{
    struct net_blocking *b = calloc(1, sizeof *b);
    char reason[NET_WHY_SIZE] = "";
    CHECK(b);
    b->fd = -1;
    bool good = open_socket(b, host, port, clock_mono_ms() + timeout_ms, why, why_size);
    if (good && tls && !shake_hands(b, tls, name, clock_mono_ms() + timeout_ms, reason)) {
        snprintf(why, why_size, "%s port %u: %s", host, port, reason);
        good = false;
    }
    if (good)
        return b;
    net_blocking_close(b);
    return NULL;
}

/* --- bytes --- */

static enum net_io send_some(struct net_blocking *b, const void *from, size_t n, size_t *moved, char *why)
{
    return b->stream ? net_tls_stream_write(b->stream, from, n, moved, why) : net_socket_send(b->fd, from, n, moved, why);
}

static enum net_io receive_some(struct net_blocking *b, void *to, size_t n, size_t *moved, char *why)
{
    if (!b->stream)
        return net_socket_recv(b->fd, to, n, moved, why);
    net_tls_stream_allow(b->stream, SIZE_MAX);
    return net_tls_stream_read(b->stream, to, n, moved, why);
}

bool net_blocking_write(struct net_blocking *b, const void *from, size_t n, int timeout_ms, char *why, size_t why_size)
{
    const char *at = from;
    char reason[NET_WHY_SIZE];
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    while (n) {
        size_t moved = 0;
        enum net_io io = send_some(b, at, n, &moved, reason);
        if (io != NET_IO_DONE && !go_on(b, io, until_ms, "the peer took nothing in time", reason)) {
            snprintf(why, why_size, "%s", reason);
            return false;
        }
        at += moved;
        n -= moved;
    }
    return true;
}

size_t net_blocking_read(struct net_blocking *b, void *to, size_t n, int timeout_ms, char *why, size_t why_size)
{
    char reason[NET_WHY_SIZE];
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    for (size_t moved = 0;;) {
        enum net_io io = receive_some(b, to, n, &moved, reason);
        if (io == NET_IO_DONE)
            return moved;
        if (!go_on(b, io, until_ms, "no reply in time", reason)) {
            snprintf(why, why_size, "%s", reason);
            return 0;
        }
    }
}

void net_blocking_close(struct net_blocking *b)
{
    if (!b)
        return;
    if (b->stream)
        net_tls_stream_shutdown(b->stream);
    net_tls_stream_free(b->stream);
    if (b->fd >= 0)
        close(b->fd);
    free(b);
}
