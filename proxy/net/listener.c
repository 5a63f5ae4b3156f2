/* Listening sockets: bind, accept, and what to do when there is no descriptor left. */
#include "proxy/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/net/address.h"
#include "proxy/net/loop_impl.h"

enum { ACCEPTS_A_TURN = 64, COMPLAIN_EVERY_MS = 1000 };

struct net_listener {
    struct net_loop *loop;
    ev_io io;
    int fd;
    int spare; /* given up for a moment to accept and close where descriptors have run out; else the kernel would keep
                * the connection in its queue and report it for ever */
    int64_t complained_ms;
    unsigned refused; /* since the last complaint */
    uint16_t port;
    char *unix_path; /* to be removed; NULL for TCP */
    void (*on_accept)(void *arg, int fd, const char *peer);
    void *arg;
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void complain(struct net_listener *l, int err)
{
    int64_t now_ms = net_loop_now_ms(l->loop);
    l->refused++;
    if (l->complained_ms && now_ms - l->complained_ms < COMPLAIN_EVERY_MS)
        return;
    log_warn("accept_failed", "port=%u refused=%u why=\"%s\"", l->port, l->refused, strerror(err));
    l->complained_ms = now_ms;
    l->refused = 0;
}

static void refuse_one(struct net_listener *l)
{
    if (l->spare >= 0)
        close(l->spare);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    l->spare = open_spare();
}

/* False when there is nobody else to accept in this turn. */
static bool accept_one(struct net_listener *l)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    char text[64];
    int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        net_address_text(&peer, text, sizeof text);
        l->on_accept(l->arg, fd, text);
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    int err = errno;
    if (err == EMFILE || err == ENFILE) {
        complain(l, err);
        refuse_one(l);
        return true;
    }
    if (err == EINTR || err == ECONNABORTED)
        return true;
    complain(l, err); /* no memory, a firewall's no: the next event tries again */
    return false;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    struct net_listener *l = w->data;
    (void)ev;
    (void)revents;
    for (int n = 0; n < ACCEPTS_A_TURN && accept_one(l); n++)
        ;
}

/* A socket file that a dead process left behind refuses connections; a living one's does not. */
static void remove_stale(const struct sockaddr_storage *at, socklen_t len)
{
    struct stat st;
    if (lstat(((const struct sockaddr_un *)at)->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return; /* a file refuses connections too, and is somebody's */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)at, len) < 0 && errno == ECONNREFUSED)
        unlink(((const struct sockaddr_un *)at)->sun_path);
    close(fd);
}

static int listen_at(const struct sockaddr_storage *at, socklen_t len, char *why, size_t why_size)
{
    const int on = 1, off = 0;
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(why, why_size, "no socket: %s", strerror(errno));
        return -1;
    }
    if (at->ss_family == AF_UNIX)
        remove_stale(at, len);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)at, len) < 0 || listen(fd, SOMAXCONN) < 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage here = {0};
    socklen_t len = sizeof here;
    char text[64];
    return getsockname(fd, (struct sockaddr *)&here, &len) ? 0 : net_address_text(&here, text, sizeof text);
}

struct net_listener *net_listener_new(struct net_loop *loop, const char *address, uint16_t port,
                                      void (*on_accept)(void *arg, int fd, const char *peer), void *arg, char *why,
                                      size_t why_size)
{
    struct sockaddr_storage at;
    socklen_t len;
    char reason[128];
    bool local = address[0] == '/';
    if (local ? net_address_unix(address, &at, &len, why, why_size)
              : net_address(address, port, &at, &len, why, why_size))
        return NULL;
    int fd = listen_at(&at, len, reason, sizeof reason);
    if (fd < 0) {
        snprintf(why, why_size, "cannot listen at %s port %u: %s", address, port, reason);
        return NULL;
    }
    struct net_listener *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct net_listener){.loop = loop, .fd = fd, .spare = open_spare(), .on_accept = on_accept, .arg = arg};
    l->port = bound_port(fd);
    if (local) {
        l->unix_path = strdup(address);
        CHECK(l->unix_path);
        chmod(address, 0777); /* as the servers do: who may come in is for the accounts to say */
    }
    ev_io_init(&l->io, on_io, fd, EV_READ);
    l->io.data = l;
    ev_io_start(loop->ev, &l->io);
    return l;
}

uint16_t net_listener_port(const struct net_listener *l)
{
    return l->port;
}

void net_listener_free(struct net_listener *l)
{
    if (!l)
        return;
    ev_io_stop(l->loop->ev, &l->io);
    close(l->fd);
    if (l->spare >= 0)
        close(l->spare);
    if (l->unix_path)
        unlink(l->unix_path);
    free(l->unix_path);
    free(l);
}
