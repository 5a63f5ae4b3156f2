/* The commit machine of one global transaction: an event goes in, a list of actions comes out. Pure: no socket, file,
 * thread or clock. session/commit.c performs the actions; tests/model explores the machine. Redis takes part as one
 * participant (its own machine is compensate/undo.h; the performer joins the two).
 *
 *   ACTIVE -> FAILED                                   a transaction that cannot commit, only ROLLBACK ends it
 *   ACTIVE -> ONE_PHASE -> ENDED                       at most one writer, no Redis write: no log
 *   ACTIVE -> PREPARING -> DECIDING -> COMMITTING -> ENDED
 *   ACTIVE|FAILED|PREPARING -> ROLLING_BACK -> ENDED
 */
#ifndef XA_TRANSACTION_H
#define XA_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "xa/verdict.h"
#include "xa/xid.h"

#define XA_MAX_BRANCHES 32

/* X(name, text for people) */
#define XA_TX_STATES(X) \
    X(ACTIVE, "active") \
    X(FAILED, "failed: only ROLLBACK is left") \
    X(ONE_PHASE, "committing in one phase") \
    X(PREPARING, "waiting for votes") \
    X(DECIDING, "decision on its way to the log") \
    X(COMMITTING, "decided, committing branches") \
    X(ROLLING_BACK, "rolling back") \
    X(ENDED, "ended")
enum xa_tx_state {
#define X(name, text) XA_TX_##name,
    XA_TX_STATES(X)
#undef X
};

#define XA_BRANCH_STATES(X) \
    X(ACTIVE, "started") \
    X(READ_ONLY_CLOSING, "read-only, being released") \
    X(PREPARING, "PREPARE sent") \
    X(PREPARED, "voted yes") \
    X(ONE_PHASE, "COMMIT ONE PHASE sent") \
    X(COMMITTING, "COMMIT sent") \
    X(ROLLING_BACK, "ROLLBACK sent") \
    X(SETTLED, "settled") \
    X(LOST, "connection lost, the server will have rolled it back") \
    X(HANDED_OVER, "with the resolver")
enum xa_branch_state {
#define X(name, text) XA_BRANCH_##name,
    XA_BRANCH_STATES(X)
#undef X
};

struct xa_branch {
    enum xa_branch_state state;
    bool wrote;     /* stays true unless the server proved the branch read-only: the performer sets it */
    bool may_be_prepared; /* a PREPARE went out and was not answered with a definite no */
};

struct xa_tx {
    enum xa_tx_state state;
    struct xa_branch branch[XA_MAX_BRANCHES];
    unsigned n_branches;
    bool redis_wrote;   /* a Redis write was sent in this transaction */
    bool redis_open;    /* its vote or its end is still to come */
    bool decided;       /* the decision is durable: no way back */
    bool client_gone;   /* nobody waits for the answer */
    bool one_phase_off; /* option: log even a single writer, which buys an answer after a lost reply */
    bool failed_answer_due; /* COMMIT was asked of a failed transaction: it rolls back and answers an error */
    enum xa_answer why; /* first reason for not committing */
};

enum xa_event_kind {
    XA_EVENT_BRANCH_STARTED,   /* a branch joined (its XA START went out); `branch` must be n_branches */
    XA_EVENT_BRANCH_WROTE,     /* no proof of read-only any more */
    XA_EVENT_STATEMENT_FAILED, /* `verdict` of an error that dooms the transaction (XA_VERDICT_TX_FAILED, _DEADLOCK) */
    XA_EVENT_REDIS_WROTE,
    XA_EVENT_REDIS_IN_DOUBT,   /* a Redis request may or may not have been applied: the transaction is failed */
    XA_EVENT_COMMIT,           /* the client's COMMIT, or an implicit one */
    XA_EVENT_ROLLBACK,         /* the client's ROLLBACK, or the proxy's own */
    XA_EVENT_CLIENT_GONE,      /* before a decision: roll back; after: finish quietly */
    XA_EVENT_REPLY,            /* `verdict` of the answer to the last action on `branch` */
    XA_EVENT_LOST,             /* the connection of `branch` is gone, whatever it was doing */
    XA_EVENT_DEADLINE,         /* what was asked of `branch` took too long */
    XA_EVENT_REDIS_VOTE,       /* `yes` */
    XA_EVENT_REDIS_ENDED,      /* the end was acknowledged by every slot */
    XA_EVENT_REDIS_LOST,       /* the end could not be delivered: its resolver has it */
    XA_EVENT_DURABLE,          /* the decision record is on disk */
    XA_EVENT_NO_ROOM,          /* the log took no record: nothing is decided */
};

struct xa_event {
    enum xa_event_kind kind;
    unsigned branch;
    enum xa_verdict verdict;
    bool yes;
};

enum xa_action_kind {
    XA_ACTION_END_PREPARE,  /* branch: XA END and XA PREPARE in one write */
    XA_ACTION_ONE_PHASE,    /* branch: XA END and XA COMMIT ONE PHASE in one write */
    XA_ACTION_COMMIT,       /* branch: XA COMMIT */
    XA_ACTION_END_ROLLBACK, /* branch: XA END (any answer) and XA ROLLBACK in one write */
    XA_ACTION_ROLLBACK,     /* branch: XA ROLLBACK of a prepared branch */
    XA_ACTION_RELEASE,      /* branch: read-only, END and COMMIT ONE PHASE, nobody waits */
    XA_ACTION_CLOSE,        /* branch: close the connection and have its server-side thread killed */
    XA_ACTION_HAND_OVER,    /* branch: the resolver settles it by the decision (or its absence) */
    XA_ACTION_REDIS_VOTE,
    XA_ACTION_REDIS_COMMIT, /* end every slot, keeping the effects */
    XA_ACTION_REDIS_ROLLBACK,
    XA_ACTION_APPEND_DECISION, /* then XA_EVENT_DURABLE */
    XA_ACTION_APPEND_DONE,     /* everything settled by us: the decision may be forgotten */
    XA_ACTION_ANSWER,          /* `answer` to the client, once */
    XA_ACTION_FORGET,          /* the transaction has ended: free it; always the last action */
};

struct xa_action {
    enum xa_action_kind kind;
    unsigned branch;
    enum xa_answer answer;
};

#define XA_MAX_ACTIONS (4 * XA_MAX_BRANCHES + 8)
struct xa_actions {
    unsigned n;
    struct xa_action action[XA_MAX_ACTIONS];
};

void xa_tx_init(struct xa_tx *tx, bool one_phase_off);
/* Appends to `out` (which the caller emptied). An event that cannot happen in this state is our bug: CHECK. */
void xa_step(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out);

/* True where COMMIT would need a decision record: then room in the log must be reserved before. */
bool xa_needs_log(const struct xa_tx *tx);

const char *xa_tx_state_text(enum xa_tx_state state);
const char *xa_branch_state_text(enum xa_branch_state state);

#endif
