/* The inside of the pools, for the files of this folder only: pools.c has the set, pool.c the connections of one, queue.c
 * those who wait for them, upkeep.c what happens when nobody asks. */
#ifndef PROXY_BACKEND_POOL_IMPL_H
#define PROXY_BACKEND_POOL_IMPL_H

#include "proxy/backend/impl.h"
#include "proxy/backend/pool.h"

/* One a row of [account]: the limit counts what is opening, resetting, lent, parked or idle; the dying are gone this turn. */
struct backend_pool {
    struct backend_pools *set;
    struct backend *backend;
    const struct config_account *account;
    struct list opening, resetting, lent, parked, idle, dying; /* newest first */
    struct list leaving;         /* was taken, answers its last questions, makes room then */
    struct list waiting;                               /* requests, oldest first */
    unsigned alive;
    unsigned failures;           /* in a row */
    int64_t retry_ms;            /* not before */
    struct backend_error error;  /* of the last failure */
    struct net_timer deadline, upkeep, retry;
    int64_t deadline_ms;         /* what the timer stands for; 0 = stopped */
    int64_t quiet_until_ms;      /* no further line about those who wait */
    bool kept;                   /* somebody has asked: rounds of upkeep are made */
    uint64_t warm_key;           /* what that was */
    struct net_deferred serving;
    struct {
#define X(name) uint64_t name;
        BACKEND_POOL_COUNTERS(X)
#undef X
    } count;
};

struct backend_pools {
    struct net_loop *loop;
    const struct config *config;
    struct backends *backends;
    _Atomic(struct net_tls *) *tls; /* one a backend; NULL: tls is off, or could not be set up */
    char (*tls_why)[256];        /* then, why; empty where tls is off */
    struct backend_pool *pool;           /* one an account */
    void (*on_open)(void *arg, struct backend_conn *c);
    void (*on_close)(void *arg, struct backend_conn *c);
    void *arg;
};

/* pool.c. backend NULL: the account is of none that is configured, and nobody may ask. */
void backend_pool_init(struct backend_pool *pool, struct backend_pools *set, struct backend *backend,
                       const struct config_account *account);
void backend_pool_fini(struct backend_pool *pool);
void backend_pool_acquire(struct backend_pool *pool, struct backend_request *r);
void backend_pool_release(struct backend_pool *pool, struct backend_conn *c);
void backend_pool_park(struct backend_pool *pool, struct backend_conn *c);
void backend_pool_take_back(struct backend_pool *pool, struct backend_conn *c);
bool backend_pool_may_open(const struct backend_pool *pool);
void backend_pool_open_one(struct backend_pool *pool, uint64_t key, struct slice attributes);

static inline struct backend_conn *pool_conn_at(struct list *link) { return CONTAINER_OF(link, struct backend_conn, link); }
static inline struct backend_request *pool_request_at(struct list *link)
{
    return CONTAINER_OF(link, struct backend_request, link);
}
static inline int64_t pool_now(const struct backend_pool *pool) { return net_loop_now_ms(pool->set->loop); }
static inline uint64_t pool_key_of(const struct backend_request *r) { return r->client_caps & BACKEND_CLIENT_CAPS; }

/* pools.c: adds what this pool has. */
void backend_pool_count(const struct backend_pool *pool, struct backend_pool_stats *out);

/* queue.c */
void backend_queue_init(struct backend_pool *pool);
void backend_queue_fini(struct backend_pool *pool);
void backend_queue_enter(struct backend_pool *pool, struct backend_request *r);
void backend_queue_leave(struct backend_pool *pool, struct backend_request *r); /* it gets a connection */
void backend_queue_refuse_all(struct backend_pool *pool, const struct backend_error *e);

/* upkeep.c */
void backend_upkeep_init(struct backend_pool *pool);
void backend_upkeep_fini(struct backend_pool *pool);
void backend_upkeep_wanted(struct backend_pool *pool, uint64_t key); /* somebody asks for a connection */

#endif
