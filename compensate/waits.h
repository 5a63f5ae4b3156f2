/* Who waits for which keys of Redis in this proxy, in the order of arrival, and who waits for himself in the end. Pure: no lock,
 * thread or clock; session/waits.c is the door to it for threads. Leaves to Redis who holds a key: a holder is known here only
 * because Redis has named it.
 *
 *   waiter --hard--> party that holds a key, as Redis said        a cycle of these alone is a deadlock
 *   waiter --soft--> waiters that came before it for a key         a cycle with one of these: somebody may overtake
 *   party  --hard--> party that it waits for on a database server, as the server said
 */
#ifndef COMPENSATE_WAITS_H
#define COMPENSATE_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/list.h"

/* A transaction that holds keys or waits for some. */
struct comp_party {
    struct list link;          /* of its bucket */
    const char *gtrid;         /* borrowed while it takes part */
    struct list blocked;       /* waiters that Redis has sent to it */
    struct comp_waiter *waits; /* its own; NULL: it does not wait */
};

/* Two that read, or two that count (XAINCR), do not wait for each other. */
enum comp_want_mode { COMP_WANT_READ, COMP_WANT_COUNT, COMP_WANT_WRITE };

/* A command that waits. Zeroed before its first use. */
struct comp_waiter {
    struct list all, due_link, blocked_link, walk_link;
    uint64_t ticket;           /* order of arrival; 0: it does not wait */
    unsigned resource, lane;   /* lane: whose thread is told that it is its turn */
    struct comp_party *party;  /* NULL: outside a transaction, holds nothing */
    struct comp_party *holder; /* of a key that it wants; NULL: none that is known here */
    struct buf keys;
    struct comp_want *want;
    unsigned n_wants, cap_wants;
    bool overtakes;            /* those before it wait for it */
    bool condemned;            /* it is to end, which breaks a cycle */
    uint64_t walked;           /* the last walk that came here, */
    struct comp_waiter *from;  /* from where, */
    bool from_soft;            /* over such an edge */
};

/* On a server the transaction `from` waits for `to`, at the last look. */
struct comp_server_wait {
    char from[72], to[72]; /* gtrids */
    uint64_t walked;
};

struct comp_waits {
    uint64_t tickets, walks;
    unsigned n, n_lanes;
    struct list all;           /* waiters in the order of arrival */
    struct list *due;          /* by lane */
    struct list *keys;         /* buckets of wants, in the order of arrival */
    struct list *parties;      /* buckets */
    struct comp_server_wait *server;
    unsigned n_server;
};

void comp_waits_init(struct comp_waits *w, unsigned n_lanes);
void comp_waits_fini(struct comp_waits *w);

/* From its first wait or write on, until its locks are free or nobody's here: whom it blocked goes on. */
void comp_waits_join(struct comp_waits *w, struct comp_party *party, const char *gtrid);
void comp_waits_part(struct comp_waits *w, struct comp_party *party); /* no effect when it has not joined */

/* What the next wait is for, before it enters. */
void comp_waiter_clear(struct comp_waiter *waiter);
void comp_waiter_want(struct comp_waiter *waiter, struct slice key, enum comp_want_mode mode);
void comp_waiter_fini(struct comp_waiter *waiter); /* after it has left */

enum comp_wait {
    COMP_WAIT_TURN,     /* until comp_waits_due names it */
    COMP_WAIT_POLL,     /* the holder is not known here: ask again after a while */
    COMP_WAIT_DEADLOCK, /* it is the victim */
};
/* A newcomer: true where somebody waits whom it would overtake: then it waits too. */
bool comp_waits_queue(struct comp_waits *w, struct comp_waiter *waiter);
/* Redis has refused it, because of `owner`; enters the queue where it is not in it. */
enum comp_wait comp_waits_told(struct comp_waits *w, struct comp_waiter *waiter, struct slice owner);
bool comp_waits_is_first(const struct comp_waits *w, const struct comp_waiter *waiter); /* only then may it ask */
/* No effect when it does not wait. holds: its party has the keys that it wanted to write. */
void comp_waits_leave(struct comp_waits *w, struct comp_waiter *waiter, bool holds);
/* The next of this lane whose turn it is (once each time), or which is condemned; NULL: none. */
struct comp_waiter *comp_waits_due(struct comp_waits *w, unsigned lane);

/* What servers say, instead of what they said before: of each cycle the one that entered last is condemned. Copies. */
void comp_waits_servers(struct comp_waits *w, const struct comp_server_wait *waits, unsigned n);

#endif
