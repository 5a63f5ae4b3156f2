/* What tls_stream needs to know about a context. */
#ifndef PROXY_NET_TLS_IMPL_H
#define PROXY_NET_TLS_IMPL_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proxy/net/tls.h"

struct net_tls {
    _Atomic unsigned users;
    bool server;
    struct net_tls_options options; /* texts are ours */
    _Atomic uint64_t handshakes, resumed;
    pthread_mutex_t lock; /* for all below */
    SSL_CTX *ctx;
    SSL_SESSION *session;   /* client: of the last connection, NULL = none */
    char session_host[256]; /* whose certificate it stands for; "" = it was not verified */
    int64_t loaded_ms;
    char error[512];
};

struct net_tls *net_tls_use(struct net_tls *tls);
SSL *net_tls_ssl_new(struct net_tls *tls);
/* The session of an earlier connection to this host, NULL; SSL_SESSION_free it. */
SSL_SESSION *net_tls_session(struct net_tls *tls, const char *host);
void net_tls_keep_session(struct net_tls *tls, const char *host, const SSL_CTX *ctx, SSL_SESSION *session); /* takes it */
void net_tls_drop_session(struct net_tls *tls);

struct net_tls_stream;
const SSL *net_tls_stream_ssl(const struct net_tls_stream *s);
void net_tls_stream_keep_session(struct net_tls_stream *s, SSL_SESSION *session); /* takes it */

/* The thread's last OpenSSL error as a short text; empties the queue. */
void net_tls_error(char *out, size_t out_size);

#endif
