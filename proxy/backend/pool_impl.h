/* The inside of the pools, for the files of this folder only: pools.c has the set, pool.c the life of one. */
#ifndef PROXY_BACKEND_POOL_IMPL_H
#define PROXY_BACKEND_POOL_IMPL_H

#include "proxy/backend/impl.h"
#include "proxy/backend/pool.h"

/* One a row of [account]: the limit counts what is opening, resetting, lent or idle; the dying are gone this turn. */
struct backend_pool {
    struct backend_pools *set;
    struct backend *backend;
    const struct config_account *account;
    struct list opening, resetting, lent, idle, dying; /* idle: newest first */
    struct list waiting;                               /* requests, oldest first */
    unsigned alive;
    unsigned failures;           /* in a row */
    int64_t retry_ms;            /* not before */
    struct backend_error error;  /* of the last failure */
    struct net_timer deadline, idling, retry;
    int64_t deadline_ms;         /* what the timer stands for; 0 = stopped */
    struct net_deferred serving;
    uint64_t opened, failed, resets, closed;
};

struct backend_pools {
    struct net_loop *loop;
    const struct config *config;
    struct backends *backends;
    struct net_tls **tls;        /* one a backend; NULL: tls is off, or could not be set up */
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

#endif
