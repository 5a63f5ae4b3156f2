/* A worker's connections to its backends, keyed by backend, account and what the client asked for at log-in. Idle ones
 * are lent, others are opened; who must wait is served in order. One pool set a worker, no locks. */
#ifndef PROXY_BACKEND_POOL_H
#define PROXY_BACKEND_POOL_H

#include "proxy/backend/conn.h"

struct backend_pools;
struct backend_pools *backend_pools_new(struct net_loop *loop, const struct config *config, struct backends *backends);
/* Closes everything without callbacks to borrowers (on_close is called); not from inside a callback. Waiters are
 * forgotten. */
void backend_pools_free(struct backend_pools *p);

/* The client's capabilities that a backend session must share, since they change what statements mean or may answer. Clients have
 * MULTI_RESULTS nearly always, LOCAL_FILES counts only where its user may. */
#define BACKEND_CLIENT_CAPS (WIRE_CAP_FOUND_ROWS | WIRE_CAP_IGNORE_SPACE | WIRE_CAP_LOCAL_FILES | WIRE_CAP_MULTI_RESULTS)

/* Embedded in the borrower, zeroed before use; on_ready or on_failed comes once (maybe from inside backend_acquire),
 * unless cancelled before. */
struct backend_request {
    struct list link;
    const struct config_account *account;
    unsigned backend;
    uint32_t client_caps;           /* the client's; only BACKEND_CLIENT_CAPS of it count */
    int64_t deadline_ms; /* on net_loop_now_ms's clock; 0 = twice the backend's connect_timeout_ms from now */
    void (*on_ready)(struct backend_request *r, struct backend_conn *c);
    /* code/sqlstate fit the client: a server that cannot be reached or refuses us is 1105 HY000 with a text, too many
     * connections is 1040 08004, deadline 1205 HY000. `text` is valid during the call. */
    void (*on_failed)(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text);
};
void backend_acquire(struct backend_pools *p, struct backend_request *r);
void backend_cancel(struct backend_request *r); /* no effect when it was answered or never asked */

/* Gives a connection back. One that has XA state, is broken or has commands under way is closed instead; a dirty one is
 * reset (COM_RESET_CONNECTION and our settings again) before it is lent again. */
void backend_release(struct backend_pools *p, struct backend_conn *c);

/* Hooks: on_open when a connection was opened, before it is lent for the first time (so that its id reaches the log
 * before its first PREPARE); on_close once for each of these, when it is closed or lost. */
void backend_pools_on_open(struct backend_pools *p, void (*on_open)(void *arg, struct backend_conn *c),
                           void (*on_close)(void *arg, struct backend_conn *c), void *arg);

/* Summed over accounts. opening: log-in or reset under way. Counters since the start of the worker. */
struct backend_pool_stats {
    unsigned lent, idle, opening, waiting;
    uint64_t opened, failed, resets, closed;
};
void backend_pool_stats(const struct backend_pools *p, unsigned backend, struct backend_pool_stats *out);

#endif
