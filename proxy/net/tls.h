/* TLS contexts: OpenSSL's door for transport. Certificates, verification, versions, resumption. Any thread may use one. Leaves
 * log-in cryptography to wire/auth. */
#ifndef PROXY_NET_TLS_H
#define PROXY_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct net_tls;

struct net_tls_options {
    const char *cert, *key; /* PEM; server side required, client side optional */
    const char *ca; /* PEM: whom we trust; NULL on a client = the system's store, on a server = nobody is asked */
    bool verify;    /* client: chain and name are checked (default); server: a client certificate is required */
};
/* NULL with `why` filled (file, OpenSSL's reason, remedy). TLS 1.2 and 1.3, no renegotiation, no compression. A
 * certificate of ours that is expired or not valid yet is a warning in the log, not an error: clients that check will
 * say no, and a proxy that does not start cannot finish what is in doubt. A server side resumes by tickets, across all
 * threads and across reloads that leave `ca` as it was; a client side keeps the last session for the next connection. */
struct net_tls *net_tls_new(bool server, const struct net_tls_options *options, char *why, size_t why_size) MUST_USE;
void net_tls_free(struct net_tls *tls); /* counted: connections that use it keep it alive */

/* Reads the same files again, for new connections; those that are open stay. -1 with why: the old ones stay in force. */
int net_tls_reload(struct net_tls *tls, char *why, size_t why_size) MUST_USE;

struct net_tls_state {
    char subject[256];     /* of our own certificate; "" = none */
    char not_after[32];    /* of it, as 2026-11-22T12:00:00Z */
    int64_t loaded_ms;     /* wall clock: since when what is in force is in force */
    char error[512];       /* of the last reload, if it failed; "" */
    uint64_t handshakes;   /* completed */
    uint64_t resumed;      /* of these, without certificates and signatures */
};
void net_tls_state(struct net_tls *tls, struct net_tls_state *out);

#endif
