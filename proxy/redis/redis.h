/* Redis resources for a worker: connections over net with hiredis as parser and formatter, calls with one reply each,
 * the function library loaded where it is missing. Leaves what a call means to compensate/. */
#ifndef PROXY_REDIS_REDIS_H
#define PROXY_REDIS_REDIS_H

#include "base/list.h"
#include "compensate/argv.h"
#include "proxy/net/loop.h"
#include "proxy/redis/resource.h"

struct redisReply; /* hiredis, borrowed during the callback */

struct redis_pools;
/* Resources and options are borrowed and must outlive the pools. */
struct redis_pools *redis_pools_new(struct net_loop *loop, struct redis_resources *resources,
                                    const struct redis_options *options);
/* Closes everything; calls under way get no callback. Not from inside a callback. */
void redis_pools_free(struct redis_pools *p);

enum redis_result {
    REDIS_REPLIED,   /* reply is there (it may be an error reply) */
    REDIS_NOT_SENT,  /* no connection, queue deadline: certainly not applied */
    REDIS_LOST,      /* sent, connection died or timed out: may have been applied, may still be */
};
struct redis_call { /* zeroed before use */
    unsigned resource;
    int64_t deadline_ms;      /* on net_loop_now_ms's clock; 0 = the resource's timeout_ms from now */
    void (*on_reply)(struct redis_call *call, enum redis_result result, const struct redisReply *reply,
                     const char *why);
    struct redis_request *request; /* while under way: ours */
    const struct redisReply *first; /* of a pair: the reply to its first command, during on_reply; else NULL */
    uint64_t client_id;       /* CLIENT ID of the connection it was sent on, for CLIENT KILL; valid with REDIS_LOST */
};
/* argv is copied. The connection is the call's alone until the reply; several calls in a row without a wait go to
 * several connections. call must stay until on_reply or redis_cancel (which turns the call into one nobody waits for).
 * on_reply never comes from inside redis_send. A reply "Function not found" is not handed on: the library is loaded and
 * the call sent again, since it was certainly not executed. */
void redis_send(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv);
/* Two commands in one write on one connection, nobody's in between: a vote and the WAIT or WAITAOF that makes it
 * durable. on_reply comes once, with the reply to the second, and call->first set. */
void redis_send_pair(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv,
                     const struct comp_argv *then);
void redis_cancel(struct redis_call *call);
/* For crash points: what was sent goes to the kernel now and not at the end of the turn; no effect while the call still
 * waits for a connection. */
void redis_flush_now(struct redis_call *call);

struct redis_pool_stats {
    unsigned busy, idle, opening, waiting;
    uint64_t opened, failed, lost, loaded; /* connections opened, not opened; calls lost; libraries loaded */
};
void redis_pool_stats(const struct redis_pools *p, unsigned resource, struct redis_pool_stats *out);

#endif
