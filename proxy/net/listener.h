/* A listening socket on a loop: hands accepted descriptors on. Keeps a spare descriptor so that a full table means
 * "refuse", not "spin". */
#ifndef PROXY_NET_LISTENER_H
#define PROXY_NET_LISTENER_H

#include <stdint.h>

#include "proxy/net/loop.h"

struct net_listener;
/* address "127.0.0.1", "::" (both families), a name that net_resolve has learned, or "/path" for a local socket (a
 * stale one is replaced, one in use is not). on_accept (which must not free the listener) takes the fd (non-blocking,
 * close-on-exec); peer as in struct net_conn. NULL with `why`. */
struct net_listener *net_listener_new(struct net_loop *loop, const char *address, uint16_t port,
                                      void (*on_accept)(void *arg, int fd, const char *peer), void *arg, char *why,
                                      size_t why_size);
uint16_t net_listener_port(const struct net_listener *l); /* the real one where 0 was asked */
void net_listener_free(struct net_listener *l);

#endif
