/* The inside of a worker's Redis connections, for the files of this folder only.
 *
 *   redis.c  call -> request -> route: which node? -> its pool       refused there: another node, or parked for a moment
 *   pool.c   waiting -> (conn.c) idle connection -> busy -> reply -> idle
 *   conn.c   opening: TLS, hello, its replies -> idle     busy: one request; "no function" -> load -> the same request again
 */
#ifndef PROXY_REDIS_IMPL_H
#define PROXY_REDIS_IMPL_H

#include "proxy/net/conn.h"
#include "proxy/redis/redis.h"
#include "proxy/redis/resp.h"

struct redis_pool;

/* A worker's view of one resource. */
struct redis_site {
    struct redis_pools *set;
    struct net_loop *loop;
    struct redis_resource *resource;
    const struct redis_options *options;
    struct redis_topology map;
    unsigned map_version;      /* 0: none yet */
    struct list pools;         /* one a node that was ever used */
    struct list parked;        /* requests that no node takes at the moment */
    struct net_timer parking;
    bool parking_runs;
};

/* One call on its way; outlives a cancelled call. */
struct redis_request {
    struct list link;          /* a pool's waiting, or the site's parked */
    struct redis_site *site;
    struct redis_call *call;   /* NULL: cancelled */
    struct redis_conn *conn;   /* NULL: waiting or parked */
    struct buf bytes;          /* the commands, kept for sending again after a load or elsewhere */
    unsigned replies;          /* those that count: 1, 2 of a pair, or of several */
    bool several;
    unsigned passed_over;      /* replies before that which counts */
    struct redis_kept *kept;   /* who has the connection behind the reply; NULL: everybody */
    bool again;                /* was sent a second time already, after a load */
    bool asking;               /* it goes where ASK pointed, and must say so */
    redisReply *first;         /* of a pair */
    int64_t deadline_ms;
    uint16_t slot;
    struct redis_pool *only;   /* to this node or nobody; NULL: to whoever has the slot */
    unsigned detours;          /* in a row, without a pause */
    int64_t pause_ms, retry_ms; /* parked: how long, until when */
    char why[160];             /* it was turned away last */
};
struct redis_request *redis_request_new(struct redis_site *site); /* of nobody's yet, with the usual deadline */
void redis_request_free(struct redis_request *r);
/* One of several is there, and more will come. */
void redis_request_part(struct redis_request *r, const redisReply *reply);
/* Answers whoever still waits, and frees the request. */
void redis_request_answer(struct redis_request *r, enum redis_result result, const redisReply *reply, const char *why);
/* Whether this reply sends it elsewhere; asked: who gave it. */
enum redis_detour redis_request_detour(const struct redis_request *r, const redisReply *reply, const struct redis_node *asked,
                                       struct redis_node *to);
/* It is on no connection any more, nothing was done. */
void redis_request_turned_away(struct redis_request *r, enum redis_detour detour, const struct redis_node *to, const char *why);
/* Nobody to send it to now: it is tried again, up to its deadline. */
void redis_request_park(struct redis_request *r, const char *why);

struct redis_pool { /* of one node */
    struct list link;            /* site's */
    struct redis_site *site;
    struct redis_node node;
    bool retired;                /* the map does not know it any more: nothing is kept open */
    struct list opening, idle, busy, kept, dying;
    struct list waiting;         /* requests, oldest first */
    unsigned alive;              /* opening, idle, busy */
    unsigned failures;           /* in a row */
    int64_t retry_ms;            /* not before */
    char why[192];               /* of the last failure */
    struct net_timer deadline, retry;
    int64_t deadline_ms;         /* what the timer stands for; 0 = stopped */
    struct net_deferred serving;
    uint64_t opened, failed, lost, loaded;
};
struct redis_pool *redis_pool_new(struct redis_site *site, const struct redis_node *node);
void redis_pool_free(struct redis_pool *pool); /* closes everything; requests under way are forgotten */
void redis_pool_take(struct redis_pool *pool, struct redis_request *r);
void redis_pool_serve_later(struct redis_pool *pool);
void redis_pool_take_kept(struct redis_pool *pool, struct redis_request *r, struct redis_conn *c); /* on this one */
unsigned redis_list_count(const struct list *l);

struct redis_conn {
    struct list link;          /* pool's: opening, idle, busy, kept, dying */
    struct redis_pool *pool;
    const struct redis_resource *resource;
    const struct redis_node *node;
    const struct redis_options *options;
    struct net_loop *loop;
    struct net_conn *net;      /* NULL once it is dead */
    struct net_tls *tls;       /* NULL: plain */
    const char *tls_name;
    redisReader *reader;
    struct redis_reader_limits limits;
    size_t reply_bytes;        /* of the reply that is coming in */
    unsigned awaited;          /* replies */
    unsigned passed_over;      /* of them, the first so many */
    void (*on_reply)(struct redis_conn *c, redisReply **reply); /* to each of them; may take it */
    struct redis_request *request;
    struct redis_kept *kept;   /* whose it is; NULL: everybody's */
    bool forgotten;            /* it was somebody's, who does not wait for the reply: it may remember things */
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
                                   const struct redis_resource *resource, const struct redis_node *node,
                                   const struct redis_options *options);
void redis_conn_run(struct redis_conn *c, struct redis_request *r); /* takes the request */
void redis_conn_end_kept(struct redis_conn *c);                     /* nobody keeps it any longer */
void redis_conn_destroy(struct redis_conn *c);                      /* at once; a request under way is forgotten */

/* pool.c: what the connection says. None of them calls back. */
void redis_pool_opened(struct redis_pool *pool);
void redis_pool_ready(struct redis_pool *pool, struct redis_conn *c);
void redis_pool_kept(struct redis_pool *pool, struct redis_conn *c); /* free, but somebody's */
void redis_pool_loaded(struct redis_pool *pool);
void redis_pool_died(struct redis_pool *pool, struct redis_conn *c);

#endif
