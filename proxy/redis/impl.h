/* The inside of a worker's Redis connections, for the files of this folder only.
 *
 *   redis.c  call -> request -> waiting -> (conn.c) idle connection -> busy -> reply -> idle
 *   conn.c   opening: hello, its replies -> idle     busy: one request; "no function" -> load -> the same request again
 */
#ifndef PROXY_REDIS_IMPL_H
#define PROXY_REDIS_IMPL_H

#include "proxy/net/conn.h"
#include "proxy/redis/redis.h"
#include "proxy/redis/resp.h"

/* One call on its way; outlives a cancelled call. */
struct redis_request {
    struct list link;          /* waiting */
    struct redis_call *call;   /* NULL: cancelled */
    struct redis_conn *conn;   /* NULL: waiting */
    struct buf bytes;          /* the commands, kept for sending again after a load */
    bool pair;
    bool again;                /* was sent a second time already */
    redisReply *first;         /* of a pair */
    int64_t deadline_ms;
};
void redis_request_free(struct redis_request *r);
/* Answers whoever still waits, and frees the request. */
void redis_request_answer(struct redis_request *r, enum redis_result result, const redisReply *reply, const char *why);

struct redis_pool;

struct redis_conn {
    struct list link;          /* pool's: opening, idle, busy, dying */
    struct redis_pool *pool;
    const struct redis_resource *resource;
    const struct redis_options *options;
    struct net_loop *loop;
    struct net_conn *net;      /* NULL once it is dead */
    redisReader *reader;
    struct redis_reader_limits limits;
    size_t reply_bytes;        /* of the reply that is coming in */
    unsigned awaited;          /* replies */
    void (*on_reply)(struct redis_conn *c, redisReply **reply); /* to each of them; may take it */
    struct redis_request *request;
    bool opened;
    bool used;                 /* carried a request once */
    bool loading;              /* the library goes over; the request was not executed */
    bool dead;
    uint64_t client_id;
    char why[192];
    struct net_timer deadline;
    struct net_deferred burial;
};

/* conn.c */
struct redis_conn *redis_conn_open(struct redis_pool *pool, struct net_loop *loop,
                                   const struct redis_resource *resource, const struct redis_options *options);
void redis_conn_run(struct redis_conn *c, struct redis_request *r); /* takes the request */
void redis_conn_destroy(struct redis_conn *c);                      /* at once; a request under way is forgotten */

/* redis.c: what the connection says. None of them calls back. */
void redis_pool_opened(struct redis_pool *pool);
void redis_pool_ready(struct redis_pool *pool, struct redis_conn *c);
void redis_pool_loaded(struct redis_pool *pool);
void redis_pool_died(struct redis_pool *pool, struct redis_conn *c);

#endif
