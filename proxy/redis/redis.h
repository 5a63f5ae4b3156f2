/* Redis resources for a worker: connections over net with hiredis as parser and formatter, calls with one reply each, the function
 * library loaded where it is missing. Leaves what a call means to compensate/. */
#ifndef PROXY_REDIS_REDIS_H
#define PROXY_REDIS_REDIS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "compensate/argv.h"
#include "base/list.h"
#include "proxy/config/config.h"
#include "proxy/net/loop.h"

struct redisReply; /* hiredis, borrowed during the callback */

/* What every thread may know of a resource; written by its resolver thread. */
struct redis_resource {
    const struct config_redis *config;
    unsigned index;
    _Atomic int usable;         /* 0 not checked yet, 1 usable in transactions, -1 refused (verdict says why) */
    _Atomic bool reachable;
    pthread_mutex_t lock;
    char version[32], verdict[512];
};

struct redis_pools;
struct redis_pools *redis_pools_new(struct net_loop *loop, struct redis_resource *resources, size_t n, const char *client_name);
void redis_pools_free(struct redis_pools *p);

enum redis_result {
    REDIS_REPLIED,   /* reply is there (it may be an error reply) */
    REDIS_NOT_SENT,  /* no connection, queue deadline: certainly not applied */
    REDIS_LOST,      /* sent, connection died or timed out: may have been applied, may still be */
};
struct redis_call {
    struct list link;
    unsigned resource;
    int64_t deadline_ms;
    void (*on_reply)(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why);
    struct redis_conn *conn;  /* while under way */
    uint64_t client_id;       /* CLIENT ID of the connection it was sent on, for CLIENT KILL; valid with REDIS_LOST */
};
/* argv is copied. The connection is the call's alone until the reply; several calls in a row without a wait go to several
 * connections. call must stay until on_reply or redis_cancel (which turns the call into one nobody waits for). */
void redis_send(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv);
void redis_cancel(struct redis_call *call);

#endif
