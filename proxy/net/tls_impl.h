/* What tls_stream needs to know about a context. */
#ifndef PROXY_NET_TLS_IMPL_H
#define PROXY_NET_TLS_IMPL_H

#include <openssl/ssl.h>

#include "proxy/net/tls.h"

struct net_tls {
    SSL_CTX *ctx;
    bool server;
};

struct net_tls_stream;
const SSL *net_tls_stream_ssl(const struct net_tls_stream *s);

/* The thread's last OpenSSL error as a short text; empties the queue. */
void net_tls_error(char *out, size_t out_size);

#endif
