/* One transaction, a row changed on each of two servers, and the ways to have it. */
#ifndef BENCH_WAYS_H
#define BENCH_WAYS_H

#include <hiredis/hiredis.h>
#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

/* X(name, text) */
#define WAYS(X) \
    X(PROXY_TLS, "proxy-tls")               /* through xaproxy, TLS from the client */ \
    X(PROXY_PLAIN, "proxy-plain")           /* the same in clear text */ \
    X(HAND, "hand")                         /* XA from the client: all tricks, the decision synced */ \
    X(LOCAL, "local")                       /* a transaction a server, both committed at once: atomic on neither */ \
    X(PROXY_TLS_REDIS, "proxy-tls-redis")   /* with an HINCRBY that shares the transaction's fate */ \
    X(PROXY_PLAIN_REDIS, "proxy-plain-redis") \
    X(HAND_REDIS, "hand-redis")             /* XA, and an HINCRBY that nothing takes back */
enum way {
#define X(name, text) WAY_##name,
    WAYS(X)
#undef X
    N_WAYS
};

struct bench_options {
    const char *user, *password, *ca, *log;
    unsigned port_tls, port_plain; /* of xaproxy */
    unsigned port[2];              /* of the servers */
    unsigned port_redis;
    bool server_tls;               /* past the proxy; the proxy's own way to the servers is its configuration's */
    bool use[N_WAYS];
    unsigned connections, rounds, slice_ms;
};

struct client {
    const struct bench_options *options;
    unsigned index;
    MYSQL *proxy_tls, *proxy_plain, *server[2]; /* NULL where no way needs it */
    redisContext *redis;
    uint64_t counter;
    unsigned seed;
};

/* Connects to what the options' ways need. Any error ends the process, here and below. */
void client_open(struct client *c, unsigned index, const struct bench_options *options);
void client_transaction(struct client *c, enum way way);

#endif
