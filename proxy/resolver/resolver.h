/* The blocking side: a thread for each backend and for each Redis resource that settles what is in doubt, judges servers at
 * start, kills what a dead process left behind. A dead or stuck server holds up nobody but its own thread. */
#ifndef PROXY_RESOLVER_RESOLVER_H
#define PROXY_RESOLVER_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "compensate/calls.h"
#include "proxy/backend/backend.h"
#include "proxy/config/config.h"
#include "proxy/journal/journal.h"
#include "proxy/redis/resource.h"

struct resolver;

struct resolver_options { /* all borrowed; they must outlive the resolver */
    const struct config *config;
    struct journal *journal;
    struct backends *backends;
    struct redis_resources *redis;
    const struct redis_options *redis_options;
    /* Asks every worker and waits: the gtrids in hand, NUL-terminated, one after another, appended to out. False: a worker did
     * not answer in time, nothing may be concluded. */
    bool (*live_gtrids)(void *arg, struct buf *out, int timeout_ms);
    void *arg;
};

struct resolver *resolver_new(const struct resolver_options *options);
void resolver_start(struct resolver *r); /* one thread each */
void resolver_stop(struct resolver *r);  /* joins them; within some 2 s even where a server is dead */
void resolver_free(struct resolver *r);  /* after stop, or never started */

/* Any thread; a letter, nothing waits. */
void resolver_sweep_backend(struct resolver *r, unsigned backend);
void resolver_sweep_redis(struct resolver *r, unsigned resource);
/* The server-side thread of a connection that was given up with a branch open; closed in the journal once it is gone. opened_ms:
 * wall clock, since a server that has begun anew gives the number to another. */
void resolver_kill_connection(struct resolver *r, unsigned backend, uint64_t connection_id, int64_t opened_ms);
/* KILL QUERY of the statement that runs on this connection, now or not at all. done: once, in the resolver's thread, when no kill
 * of this request is on its way any more, whether or not there was one. */
void resolver_kill_query(struct resolver *r, unsigned backend, uint64_t connection_id, int64_t opened_ms,
                         void (*done)(void *arg), void *arg);
/* Who waits for row locks there. done: once, in the resolver's thread; n = 0 where the server cannot be asked. */
void resolver_lock_waits(struct resolver *r, unsigned backend,
                         void (*done)(void *arg, const struct backend_lock_wait *waits, unsigned n), void *arg);
/* A person says: the server behind this name is another one now, and that is right. */
void resolver_accept_failover(struct resolver *r, unsigned backend);
/* A person's word on a conflict (its id as listed). */
void resolver_settle_conflict(struct resolver *r, unsigned resource, const char *id, enum comp_settle how);

/* What is in doubt, as the last sweeps saw it. Texts are valid during the call. */
struct resolver_in_doubt {
    const char *gtrid, *bqual;  /* printable: foreign bytes come as X'..' */
    const char *where;          /* backend or resource name */
    bool redis;
    int64_t age_ms;             /* since this process first saw it */
    const char *fate, *why;     /* xa_fate or comp_fate texts, and what stands in the way */
    const char *decision;       /* "commit", "none", "person: commit", "person: rollback" */
    const char *who;            /* user@address of the client, where the decision says so; else "" */
};
void resolver_each_in_doubt(struct resolver *r, void (*each)(void *arg, const struct resolver_in_doubt *row), void *arg);

/* Redis writes that could not be taken back cleanly, as the last sweeps saw them. */
struct resolver_conflict {
    const char *resource, *id, *gtrid, *key, *command, *outcome, *detail; /* printable */
    int64_t at_ms;                                                       /* wall clock */
};
void resolver_each_conflict(struct resolver *r, void (*each)(void *arg, const struct resolver_conflict *row), void *arg);

/* When the last look began that came to its end, monotonic; 0: none did. */
int64_t resolver_backend_swept_ms(struct resolver *r, unsigned backend);
int64_t resolver_redis_swept_ms(struct resolver *r, unsigned resource);

/* X(name, what is counted) since the start */
#define RESOLVER_COUNTERS(X) \
    X(committed, "branches and slots committed by the resolver") \
    X(rolled_back, "branches and slots rolled back by the resolver") \
    X(presumed, "decided branches absent after a server's restart, counted as committed") \
    X(heuristic, "decided branches that a server did not commit") \
    X(kills, "connections killed") \
    X(sweeps, "sweeps done") \
    X(failures, "sweeps that broke off")
struct resolver_counters {
#define X(name, text) uint64_t name;
    RESOLVER_COUNTERS(X)
#undef X
    unsigned in_doubt, foreign;      /* now */
    int64_t oldest_in_doubt_ms;      /* now; 0 = none */
};
void resolver_counters(struct resolver *r, struct resolver_counters *out);

#endif
