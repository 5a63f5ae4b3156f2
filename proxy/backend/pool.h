/* A worker's connections to its backends, keyed by backend and account. Idle ones are lent, others are opened; who must wait is
 * served in order. One pool set a worker, no locks. */
#ifndef PROXY_BACKEND_POOL_H
#define PROXY_BACKEND_POOL_H

#include "proxy/backend/conn.h"

struct backend_pools;
struct backend_pools *backend_pools_new(struct net_loop *loop, const struct config *config, struct backends *backends);
void backend_pools_free(struct backend_pools *p); /* closes everything */

/* Embedded in the borrower; on_ready or on_failed comes once (maybe from inside backend_acquire), unless cancelled before. */
struct backend_request {
    struct list link;
    const struct config_account *account;
    unsigned backend;
    int64_t deadline_ms;
    void (*on_ready)(struct backend_request *r, struct backend_conn *c);
    /* code/sqlstate fit the client: 2003-like trouble is 1105 HY000 with a text, too many is 1040 08004, deadline 1205 ... */
    void (*on_failed)(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text);
};
void backend_acquire(struct backend_pools *p, struct backend_request *r);
void backend_cancel(struct backend_request *r);

/* Gives a connection back. One that has XA state, is broken or has commands under way is closed instead; a dirty one is reset
 * (COM_RESET_CONNECTION) before it is lent again. */
void backend_release(struct backend_pools *p, struct backend_conn *c);

/* Before a connection's first PREPARE: called when a connection was opened, so that its id reaches the log. */
void backend_pools_on_open(struct backend_pools *p, void (*on_open)(void *arg, struct backend_conn *c),
                           void (*on_close)(void *arg, struct backend_conn *c), void *arg);

struct backend_pool_stats { unsigned lent, idle, opening, waiting; uint64_t opened, failed, resets, closed; };
void backend_pool_stats(const struct backend_pools *p, unsigned backend, struct backend_pool_stats *out);

#endif
