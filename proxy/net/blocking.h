/* A stream socket for threads that may wait, plain or TLS: each call blocks, up to its time. For protocols whose client library
 * knows no TLS. Knows no protocol itself. */
#ifndef PROXY_NET_BLOCKING_H
#define PROXY_NET_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/net/tls.h"

struct net_blocking;

/* Looks the name up, connects (a host beginning with / is a local socket) and, with tls, shakes hands; timeout_ms for each of the
 * latter two. name: whom the certificate must name, NULL = nobody is checked. NULL with why. */
struct net_blocking *net_blocking_open(const char *host, uint16_t port, struct net_tls *tls, const char *name, int timeout_ms,
                                       char *why, size_t why_size) MUST_USE;
/* False with why: dead or too late, and only closing is left. */
bool net_blocking_write(struct net_blocking *b, const void *from, size_t n, int timeout_ms, char *why, size_t why_size) MUST_USE;
/* Waits for at least one byte; 0 with why, as above. */
size_t net_blocking_read(struct net_blocking *b, void *to, size_t n, int timeout_ms, char *why, size_t why_size) MUST_USE;
void net_blocking_close(struct net_blocking *b); /* NULL is allowed */

#endif
