/* Waiting for a key of Redis: the one table of who waits, over all workers, and the wait of one CALL. Whose turn it is is told
 * so in its own thread. Leaves what is sent to redis.c and undo.c. */
#ifndef PROXY_SESSION_WAITS_H
#define PROXY_SESSION_WAITS_H

#include "base/check.h"
#include "compensate/command.h"
#include "compensate/keyset.h"
#include "compensate/waits.h"
#include "proxy/net/loop.h"

struct session;
struct waits;
struct worker;

struct waits *waits_new(struct worker *workers, unsigned n_workers); /* workers: borrowed, may be filled later */
void waits_free(struct waits *w);
void waits_deliver(struct waits *w, unsigned worker); /* in its thread, after its wake was raised */

/* Any thread. A transaction from its first write on, until its keys are free, or no session's any more. */
void waits_join(struct waits *w, struct comp_party *party, const char *gtrid);
void waits_part(struct waits *w, struct comp_party *party);

bool waits_blocks(struct waits *w, const struct comp_party *party); /* somebody waits for its keys */
/* Any thread. What servers said in a look that began then: circles that go over them are broken. */
void waits_servers(struct waits *w, int64_t looked_ms, const struct comp_server_wait *waits, unsigned n);
/* deadlocks.c: then waits_servers is called for each that had something to say. looked_ms: now, monotonic. */
void waits_look_at_servers(struct worker *w, int64_t looked_ms);

/* --- one wait ------------------------------------------------------------------------------------------------------------- */

enum waits_turn {
    WAITS_ON,       /* on_turn will say more */
    WAITS_ASK,      /* Redis may be asked again */
    WAITS_OVER,     /* the deadline, or the session is killed */
    WAITS_DEADLOCK,
};
struct session_wait { /* zeroed before */
    struct comp_waiter waiter;
    struct comp_waiter taker;                /* in the order of those who wait for something to take; zero: it is not in it */
    struct session *session;
    unsigned resource;
    const struct comp_argv *command;         /* borrowed */
    const struct comp_command_use *use;
    const struct comp_keyset *held;          /* by its own transaction; NULL: nothing */
    void (*on_turn)(struct session_wait *k, enum waits_turn turn); /* not WAITS_ON; only while it rests */
    struct net_timer timer;
    int64_t deadline_ms;                     /* 0: it has not waited yet */
    int64_t pause_ms;
    int64_t data_deadline_ms;                /* of a command that waits for something to take */
    bool empty;                              /* it rests because nothing was there */
    bool rests;                              /* else Redis is being asked */
    bool local;                              /* for transactions of this proxy */
};

/* A newcomer: true where others wait already for one of its keys, or to take from the same; then it rests. */
bool waits_queue(struct session_wait *k);
/* Whether it would rest then; it does not. */
bool waits_would_queue(struct session_wait *k);
/* Redis has refused it because of this owner. Not WAITS_ON, WAITS_ASK: it has left. */
enum waits_turn waits_refused(struct session_wait *k, struct slice owner);
/* Nothing is there to take: it stands in nobody's way meanwhile. timeout_ms: of the whole command, 0 = none. */
enum waits_turn waits_empty(struct session_wait *k, int64_t timeout_ms);
/* Idempotent. holds: its transaction has the keys now. */
void waits_leave(struct session_wait *k, bool holds);
void waits_fini(struct session_wait *k);

#endif
