/* TLS contexts: OpenSSL's door for transport. Certificates, verification, versions. Leaves log-in cryptography to
 * wire/auth. */
#ifndef PROXY_NET_TLS_H
#define PROXY_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct net_tls;

struct net_tls_options {
    const char *cert, *key; /* PEM; server side required, client side optional */
    const char *ca; /* PEM: whom we trust; NULL on a client = the system's store, on a server = nobody is asked */
    bool verify;    /* client: chain and name are checked (default); server: a client certificate is required */
};
/* NULL with `why` filled (file, OpenSSL's reason, remedy). TLS 1.2 and 1.3, no renegotiation, no compression. A
 * certificate of ours that is expired or not valid yet is a warning in the log, not an error: clients that check will
 * say no, and a proxy that does not start cannot finish what is in doubt. Reload = a new one for new connections. */
struct net_tls *net_tls_new(bool server, const struct net_tls_options *options, char *why, size_t why_size) MUST_USE;
void net_tls_free(struct net_tls *tls); /* counted: connections that use it keep it alive */

#endif
