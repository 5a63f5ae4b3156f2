/* recv, send and socket options. */
#include "proxy/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum net_io net_socket_recv(int fd, void *to, size_t n, size_t *moved, char *why)
{
    ssize_t got;
    do
        got = recv(fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *moved = (size_t)got;
        return NET_IO_DONE;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return NET_IO_WANT_READ;
    snprintf(why, NET_WHY_SIZE, "%s", got ? strerror(errno) : "peer closed the connection");
    return NET_IO_DEAD;
}

enum net_io net_socket_send(int fd, const void *from, size_t n, size_t *moved, char *why)
{
    ssize_t sent;
    do
        sent = send(fd, from, n, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent > 0) {
        *moved = (size_t)sent;
        return NET_IO_DONE;
    }
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        snprintf(why, NET_WHY_SIZE, "%s", strerror(errno));
        return NET_IO_DEAD;
    }
    return NET_IO_WANT_WRITE;
}

/* A connect to a port in the ephemeral range where nobody listens may meet itself (simultaneous open): it would talk to
 * its own echo and keep the port from the server that wants to come back. */
static bool met_itself(int fd)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_len = sizeof here, there_len = sizeof there;
    return !getsockname(fd, (struct sockaddr *)&here, &here_len) && here.ss_family != AF_UNIX &&
           !getpeername(fd, (struct sockaddr *)&there, &there_len) && here_len == there_len &&
           !memcmp(&here, &there, here_len);
}

int net_socket_connected(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        err = errno;
    return !err && met_itself(fd) ? ECONNREFUSED : err;
}

void net_socket_tune(int fd)
{
    const int on = 1, idle_s = 30, interval_s = 10, probes = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}
