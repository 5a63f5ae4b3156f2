/* Redis resources for a worker: connections over net with hiredis as parser and formatter, calls with one reply each sent to the
 * node that has the slot, the function library loaded where it is missing. Leaves what a call means to compensate/. */
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
    uint16_t slot;            /* compensate/slot.h: which node */
    const struct redis_node *to; /* to this node and no other, as sent_to said it; NULL: to the slot's master */
    int64_t deadline_ms;      /* on net_loop_now_ms's clock; 0 = the resource's timeout_ms from now */
    bool says_anything;       /* the reply may be a client's own words: what it says of other nodes is looked up, not followed */
    void (*on_reply)(struct redis_call *call, enum redis_result result, const struct redisReply *reply,
                     const char *why);
    void (*on_part)(struct redis_call *call, const struct redisReply *reply); /* of several: each reply but the last */
    struct redis_request *request; /* while under way: ours */
    const struct redisReply *first; /* of a pair: the reply to its first command, during on_reply; else NULL */
    /* CLIENT ID of the connection it was sent on, and whose; for CLIENT KILL; valid with REDIS_LOST. The node lives as long
     * as the pools. */
    uint64_t client_id;
    const struct redis_node *sent_to;
};
/* argv is copied. The connection is the call's alone until the reply; several calls in a row without a wait go to
 * several connections. call must stay until on_reply or redis_cancel (which turns the call into one nobody waits for).
 * on_reply never comes from inside redis_send. A reply "Function not found" is not handed on: the library is loaded and
 * the call sent again, since it was certainly not executed; so is it where a slot or a master is elsewhere now. */
void redis_send(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv);
/* Two commands in one write on one connection, nobody's in between: a vote and the WAIT or WAITAOF that makes it
 * durable. on_reply comes once, with the reply to the second, and call->first set. */
void redis_send_pair(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv,
                     const struct comp_argv *then);
/* Commands in one write on one connection, at least one. on_part hears each reply but the last; on_reply the last, or that it and
 * all that did not come are lost. Unlike a call none of them is sent a second time or elsewhere: that the library is not there,
 * or that this is not the node, is a reply like others. */
void redis_send_several(struct redis_pools *p, struct redis_call *call, const struct comp_argv *const *argv, size_t n);
/* Who has the slot, as far as is known; NULL: nobody. Valid until something is sent. Two slots of one node have the same one. */
const struct redis_node *redis_owner(struct redis_pools *p, unsigned resource, uint16_t slot);
void redis_cancel(struct redis_call *call);

/* A connection that is kept for one caller between his calls, for what Redis remembers by connection: WATCH. Zeroed
 * before use. */
struct redis_kept {
    struct redis_conn *conn; /* NULL: none */
    bool died;               /* there was one, and with it went what Redis remembered */
};
/* Whether another connection may be kept: not more than half of what a resource may have. */
bool redis_may_keep(const struct redis_pools *p, unsigned resource);
/* As redis_send; behind a reply the connection is kept, and if one is kept already, that one is used. `kept` must stay until
 * redis_keep_end. */
void redis_send_keeping(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv, struct redis_kept *kept);
/* Between MULTI and EXEC on the connection that is kept, which is not kept any longer. The reply is that to EXEC. */
void redis_send_exec(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv, struct redis_kept *kept);
/* Behind an UNWATCH everybody may have the connection again. One whose call is still under way is closed; that call is cancelled
 * before. Idempotent. */
void redis_keep_end(struct redis_kept *kept);
/* For crash points: what was sent goes to the kernel now and not at the end of the turn; no effect while the call still
 * waits for a connection. */
void redis_flush_now(struct redis_call *call);

struct redis_pool_stats {
    unsigned busy, idle, opening, waiting;
    uint64_t opened, failed, lost, loaded; /* connections opened, not opened; calls lost; libraries loaded */
};
void redis_pool_stats(const struct redis_pools *p, unsigned resource, struct redis_pool_stats *out);

#endif
