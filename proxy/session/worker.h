/* A worker thread: one loop, its sessions, its backend and Redis pools; and what all workers share. Leaves what a session does to
 * session.h. */
#ifndef PROXY_SESSION_WORKER_H
#define PROXY_SESSION_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "proxy/backend/pool.h"
#include "proxy/journal/journal.h"
#include "proxy/redis/redis.h"
#include "proxy/wire/auth.h"

struct callers;
struct scripts;
struct session_face;
struct waits;
struct session;

struct session_conflict { /* what an undo in Redis could not take back cleanly; texts valid during the call */
    const char *id, *resource, *gtrid, *key, *command, *outcome, *detail;
    int64_t age_s;
};

/* What sessions ask of the resolver. Any thread; none blocks. */
struct resolver_ops {
    /* A branch that this process gives up on: look at this backend soon. What is to be done stands in the journal. */
    void (*sweep_backend)(void *arg, unsigned backend);
    void (*sweep_redis)(void *arg, unsigned resource);
    /* The server-side thread of a connection we closed while its branch was open. */
    void (*kill_connection)(void *arg, unsigned backend, uint64_t connection_id, int64_t opened_ms);
    /* The statement that runs there, now or not at all; done, in another thread: nothing of it is on its way any more. */
    void (*kill_query)(void *arg, unsigned backend, uint64_t connection_id, int64_t opened_ms, void (*done)(void *done_arg),
                       void *done_arg);
    /* Who waits there for whose row locks; done, in another thread: once, with none where it cannot be asked. */
    void (*lock_waits)(void *arg, unsigned backend,
                       void (*done)(void *done_arg, const struct backend_lock_wait *waits, unsigned n), void *done_arg);
    /* As the last sweeps saw them; under a lock that nobody holds for long. */
    void (*each_conflict)(void *arg, void (*each)(void *each_arg, const struct session_conflict *c), void *each_arg);
};

#define WORLD_COUNTERS(X) \
    X(clients_accepted) X(clients_refused) X(logins_failed) X(logins_delayed) X(statements) X(commits_one_phase) \
    X(commits_two_phase) X(rollbacks) X(commits_refused) X(handed_over) X(outcome_unknown) X(redis_calls) \
    X(redis_in_doubt) X(key_waits) X(key_deadlocks) X(server_looks) \
    X(sessions_timed_out) X(kills) X(held_by_routines) X(statements_timed_out) X(refused_max_clients) \
    X(refused_listener) X(refused_unauthenticated) X(refused_address) X(refused_user) X(timed_out_login) \
    X(resp_commands) X(resp_joined) X(resp_together) X(statements_abandoned) X(sagas_committed) X(sagas_rolled_back) \
    X(timed_out_idle) X(timed_out_transaction) X(timed_out_write)

struct world {
    const struct config *config;
    struct journal *journal;
    struct backends backends;
    struct redis_resources redis;
    struct redis_options redis_options;
    const struct resolver_ops *resolver;
    void *resolver_arg;
    /* A DBA's statement: answers through session_answer_*; may block for a moment, since admin sessions live on main's loop. */
    void (*admin_query)(struct session *s, struct slice text);
    const struct session_face *redis_face;  /* how clients of a Redis port are spoken with */
    struct net_tls **listener_tls;          /* by listener index; NULL where it has none */
    struct wire_fast_secret *fast_secrets;  /* by user index; under secrets_lock */
    pthread_mutex_t secrets_lock;
    uint8_t decoy_key[32];                  /* of this process: which user an unknown one looks like */
    struct worker *workers;
    unsigned n_workers;
    _Atomic unsigned clients, unauthenticated;
    struct callers *callers;
    struct waits *waits;                    /* for keys of Redis */
    struct scripts *scripts;
    _Atomic unsigned *user_clients;         /* by user index */
    _Atomic unsigned *listener_clients;     /* by listener index */
    _Atomic uint64_t next_session_id;
    int64_t started_ms;                     /* on the loops' clock */
    _Atomic bool draining;
    _Atomic unsigned at_work;               /* of n_workers: has sessions, or may still get some */
    _Atomic unsigned running;               /* of n_workers: has not left its loop */
#define X(name) _Atomic uint64_t name;
    struct { WORLD_COUNTERS(X) } count;
#undef X
};

#define WORKER_BUCKETS 1024
struct worker {
    struct world *world;
    unsigned index;
    pthread_t thread;
    struct net_loop *loop;
    struct net_wake durable_wake, waits_wake;
    _Atomic bool waiting_for_log;
    struct list waiting;        /* transactions whose decision is on its way to the disk, by position */
    struct list sessions;
    struct list by_id[WORKER_BUCKETS]; /* the same, by what their numbers leave */
    unsigned n_sessions;
    struct backend_pools *backends;
    struct list abandoned;      /* statements that nobody waits for any more */
    struct redis_pools *redis;
    struct entered *entered;    /* schemas that log-ins have found */
    bool stopping, at_rest;     /* takes no session any more; has none, and waits until that is so everywhere */
    struct letter leave;
    _Atomic bool left;          /* its thread: it has no session any more, and answers nobody */
    bool ended;                 /* its loop: letters that still arrive are dropped */
};

int worker_init(struct worker *w, struct world *world, unsigned index) MUST_USE;
void worker_fini(struct worker *w);
void *worker_run(void *worker); /* pthread's shape */

/* Any thread: an accepted client for this worker; counts it. Takes fd. counted: callers_enter has let it in; else its first words
 * may be a PROXY header, which says who it is. */
void worker_deal(struct worker *w, int fd, unsigned listener, const char *peer, bool counted);
/* Log thread: the durable position moved. */
void worker_durable(struct worker *w);
/* Any thread: read the backends' certificates again. */
void worker_reload(struct worker *w);
/* Any thread: finish what is under way, close idle sessions (now: all). Workers leave when none has a session any more, for until
 * then each may be asked by another's; the last to leave drains main's, which leaves with its own last session. */
void worker_drain(struct worker *w, bool now);

/* Its thread: a session has ended. */
void worker_session_over(struct worker *w);

struct session *worker_session(const struct worker *w, uint64_t id); /* NULL: it has none of this id */

/* Blocks (resolver): the gtrids that any worker has in hand, NUL-terminated one after another, appended to out. False when a
 * worker did not answer within timeout_ms: then nothing may be concluded. */
bool workers_live_gtrids(struct world *world, struct buf *out, int timeout_ms);
/* The same for SHOW SESSIONS: each worker calls `each` for each of its sessions, in its own thread. */
/* The same, for what a worker has besides: called once for each, in its own thread. */
bool workers_each(struct world *world, void (*each)(void *arg, struct worker *w), void *arg, int timeout_ms);
bool workers_each_session(struct world *world, void (*each)(void *arg, struct session *s), void *arg, int timeout_ms);

#endif
