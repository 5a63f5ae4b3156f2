/* A worker's connections to its backends, keyed by backend, account and what the client asked for at log-in. Idle ones
 * are lent, others are opened; at the limit one that its borrower has parked is taken; who must wait is served in order.
 * One pool set a worker, no locks. */
#ifndef PROXY_BACKEND_POOL_H
#define PROXY_BACKEND_POOL_H

#include "proxy/backend/conn.h"

/* What connections to it are encrypted with. NULL: with nothing, or, where `why` says so, it cannot be. net_tls_free() it. */
struct net_tls *backend_tls_new(const struct config_backend *config, char *why, size_t why_size) MUST_USE;

struct backend_pools;
struct backend_pools *backend_pools_new(struct net_loop *loop, const struct config *config, struct backends *backends);
/* Closes everything without callbacks to borrowers (on_close is called); not from inside a callback. Waiters are
 * forgotten. */
void backend_pools_free(struct backend_pools *p);

/* The client's capabilities that a backend session must share, since they change what statements mean or may answer, or the
 * bytes that are passed on undecoded. Clients have MULTI_RESULTS nearly always, LOCAL_FILES counts only where its user may. */
#define BACKEND_CLIENT_CAPS                                                                                              \
    (WIRE_CAP_FOUND_ROWS | WIRE_CAP_IGNORE_SPACE | WIRE_CAP_LOCAL_FILES | WIRE_CAP_MULTI_RESULTS | WIRE_CAPS_EXTENDED)

/* Embedded in the borrower, zeroed before use; on_ready or on_failed comes once (maybe from inside backend_acquire),
 * unless cancelled before. */
struct backend_request {
    struct list link;
    const struct config_account *account;
    unsigned backend;
    uint64_t client_caps;           /* the client's; only BACKEND_CLIENT_CAPS of it count */
    struct slice attributes; /* what the client said of itself, for a connection that is opened for it; they stay the asker's */
    bool bare;                      /* without a default schema, which nothing takes off a connection again */
    int64_t deadline_ms; /* on net_loop_now_ms's clock; 0 = the backend's queue_timeout_ms from now */
    int64_t since_ms;    /* the pool's: waits since then */
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

/* The borrower has nothing there that must stay, but would like to find the connection as it left it: nothing is under way
 * on it, no transaction is open, and c->on_taken is set. It stays the borrower's until backend_take_back, which it calls
 * before it uses it again, or until somebody else needs it: then on_taken comes, once, never from inside backend_park. In it
 * the borrower may send last questions, whose sinks may outlive the borrower; when it returns the connection is another's. */
void backend_park(struct backend_pools *p, struct backend_conn *c);
void backend_take_back(struct backend_pools *p, struct backend_conn *c);

/* Reads the certificates again, for connections that are opened from now on; where the new ones are bad the log says so and the
 * old ones stay. */
void backend_pools_reload_tls(struct backend_pools *p);
/* Any thread. NULL: tls is off, or could not be set up. */
struct net_tls *backend_pools_tls(const struct backend_pools *p, unsigned backend);

/* Hooks: on_open when a connection was opened, before it is lent for the first time (so that its id reaches the log
 * before its first PREPARE); on_close once for each of these, when it is closed or lost. */
void backend_pools_on_open(struct backend_pools *p, void (*on_open)(void *arg, struct backend_conn *c),
                           void (*on_close)(void *arg, struct backend_conn *c), void *arg);

/* Summed over accounts. opening: log-in or reset under way; lent: without the parked. Counters since the start of the
 * worker. X(name) */
#define BACKEND_POOL_GAUGES(X) X(lent) X(parked) X(idle) X(opening) X(waiting)
#define BACKEND_POOL_COUNTERS(X) X(opened) X(failed) X(closed) X(resets) X(taken) X(waited) X(timed_out) X(pinged)
struct backend_pool_stats {
#define X(name) unsigned name;
    BACKEND_POOL_GAUGES(X)
#undef X
#define X(name) uint64_t name;
    BACKEND_POOL_COUNTERS(X)
#undef X
};
void backend_pool_stats(const struct backend_pools *p, unsigned backend, struct backend_pool_stats *out);
/* Adds those of one account, by its place in the configuration. */
void backend_pool_add_stats(const struct backend_pools *p, size_t account, struct backend_pool_stats *out);

#endif
