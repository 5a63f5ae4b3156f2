/* Addresses as text and as the kernel wants them; names are looked up only where a thread may block. */
#ifndef PROXY_NET_ADDRESS_H
#define PROXY_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "base/check.h"

/* Looks a host name up and remembers its address for net_conn_connect and net_listener_new, process-wide. BLOCKS (DNS):
 * for main before it serves and for threads that may wait; call again to follow a change. A numeric address is nothing
 * to learn, a path neither: 0. -1 with `why`; what was known before stays known. */
int net_resolve(const char *host, char *why, size_t why_size) MUST_USE;

/* Numeric address, or a name net_resolve has learned, into `out`. Never blocks. -1 with `why`. */
int net_address(const char *host, uint16_t port, struct sockaddr_storage *out, socklen_t *len, char *why,
                size_t why_size) MUST_USE;
/* "/path" as a local address. -1 when too long. */
int net_address_unix(const char *path, struct sockaddr_storage *out, socklen_t *len, char *why,
                     size_t why_size) MUST_USE;
bool net_address_is_numeric(const char *host);

/* As text without port ("::ffff:1.2.3.4" comes out as "1.2.3.4", a local one as "unix"); returns the port, 0 for a
 * local one. */
uint16_t net_address_text(const struct sockaddr_storage *address, char *out, size_t out_size);

#endif
