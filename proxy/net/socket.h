/* A stream socket's system calls, each with its outcome in one word. */
#ifndef PROXY_NET_SOCKET_H
#define PROXY_NET_SOCKET_H

#include <stddef.h>

#include "base/check.h"

/* How a transfer ended. Plain sockets and TLS streams answer alike. */
enum net_io {
    NET_IO_DONE,       /* *moved bytes, at least one */
    NET_IO_WANT_READ,  /* nothing moved; go on when the socket is readable */
    NET_IO_WANT_WRITE, /* the same, writable (a TLS stream may want either for either) */
    NET_IO_DEAD,       /* nothing will move again; why is filled */
};
#define NET_WHY_SIZE 192

enum net_io net_socket_recv(int fd, void *to, size_t n, size_t *moved, char *why) MUST_USE;
enum net_io net_socket_send(int fd, const void *from, size_t n, size_t *moved, char *why) MUST_USE;

/* After a connect that took its time: 0, or the errno of why it failed. */
int net_socket_connected(int fd) MUST_USE;

/* No delay; keepalive that notices a vanished peer within a minute. What the kind of socket does not know is passed
 * over. */
void net_socket_tune(int fd);

#endif
