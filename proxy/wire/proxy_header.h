/* The PROXY protocol's header, versions 1 and 2: a load balancer's word on whom it speaks for, before anything else. Leaves to
 * the session from whom that is believed. Source: HAProxy, doc/proxy-protocol.txt. */
#ifndef PROXY_WIRE_PROXY_HEADER_H
#define PROXY_WIRE_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

#define WIRE_PROXY_ADDRESS 64
#define WIRE_PROXY_MAX 2048 /* bytes of a header; a longer one (of version 2, by its additions) is bad */

enum wire_proxy {
    WIRE_PROXY_NONE, /* no header: a client that speaks for itself */
    WIRE_PROXY_MORE, /* *n bytes at the least are still to come, all of them the header's */
    WIRE_PROXY_READ, /* the first *n bytes were the header */
    WIRE_PROXY_BAD,
};
/* address: numeric, as struct net_conn has it; empty where the header does not tell (LOCAL, UNKNOWN, local sockets): then the
 * connection's own address stands. */
enum wire_proxy wire_proxy_read(struct slice in, char address[WIRE_PROXY_ADDRESS], size_t *n);

#endif
