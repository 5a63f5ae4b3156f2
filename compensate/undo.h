/* The machine of one transaction in one slot of one Redis resource: an event goes in, a list of actions comes out. Pure: no
 * socket, log, thread or clock. session/redis performs the actions; tests/model explores the machine.
 *
 *   IDLE -> [TOUCHING ->] WRITING -> IDLE            a write: durable touch, fenced call, reply
 *           WRITING -> LOCKED -> WRITING             a key is held, or empty: the performer waits and asks again
 *   IDLE -> [TOUCHING ->] LOCKED                     the same without asking: others wait for a key already
 *           WRITING -> KILLING -> REWRITING -> IDLE  reply lost: kill the old connection, send once more
 *   IDLE -> PARTIAL -> IDLE                          ROLLBACK TO SAVEPOINT
 *   IDLE -> VOTING -> VOTED -> ENDING -> ENDED       commit
 *   anything -> ENDING -> ENDED                      rollback; what is under way is abandoned and fenced
 *   anything -> FAILED                               in doubt, fenced or a vote lost: only rollback is left
 */
#ifndef COMPENSATE_UNDO_H
#define COMPENSATE_UNDO_H

#include <stdbool.h>
#include <stdint.h>

#include "compensate/calls.h"
#include "compensate/seqs.h"

/* X(name, text for people) */
#define COMP_TX_STATES(X) \
    X(IDLE, "open") \
    X(TOUCHING, "waiting for the touch record") \
    X(WRITING, "write sent") \
    X(LOCKED, "waiting for a key") \
    X(KILLING, "reply lost, killing its connection") \
    X(REWRITING, "reply lost, write sent again") \
    X(PARTIAL, "rolling back to a savepoint") \
    X(VOTING, "vote asked") \
    X(VOTED, "voted yes") \
    X(FAILED, "failed: only rollback is left") \
    X(ENDING, "end sent") \
    X(ENDED, "ended")
enum comp_tx_state {
#define X(name, text) COMP_TX_##name,
    COMP_TX_STATES(X)
#undef X
};

#define COMP_MAX_WRITES 65536 /* the end of a transaction is one call, and Redis does nothing else meanwhile */

struct comp_tx {
    enum comp_tx_state state;
    uint32_t last;          /* greatest seq ever used: one is never used twice */
    struct comp_seqs acked; /* writes with a record that stands */
    bool traces;            /* a record was ever acknowledged: the end must be sent */
    bool fence;             /* a write was in doubt: the end leaves a tombstone */
    bool mode_commit;       /* ENDING: which way */
};

enum comp_event_kind {
    COMP_EVENT_WRITE,         /* the client's write; `touched`: the slot's touch record is durable in this epoch; `queued` */
    COMP_EVENT_TOUCH_DURABLE, /* `queued`: it must not overtake who waits for a key already */
    COMP_EVENT_TOUCH_REFUSED, /* the log had no room */
    COMP_EVENT_REPLIED,       /* the answer (`reply`) to the last SEND_ or RESEND_ action */
    COMP_EVENT_NOT_SENT,      /* it never left: certainly not applied */
    COMP_EVENT_LOST,          /* it left, no answer came */
    COMP_EVENT_KILLED,        /* the old connection is certainly dead */
    COMP_EVENT_KILL_FAILED,   /* or may not be */
    COMP_EVENT_LOCK_RETRY,    /* ask again for the key */
    COMP_EVENT_LOCK_TIMEOUT,  /* waited long enough */
    COMP_EVENT_DEADLOCK,      /* it would wait for ever; ROLLBACK follows behind the answer */
    COMP_EVENT_ROLLBACK_TO,   /* `mark`: comp_tx_mark() when the savepoint was set */
    COMP_EVENT_VOTE,
    COMP_EVENT_COMMIT,        /* the decision is durable; only after a yes */
    COMP_EVENT_ROLLBACK,      /* at any time before COMMIT and before an end */
};
struct comp_event {
    enum comp_event_kind kind;
    enum comp_reply reply;
    bool touched, queued;
    uint32_t mark;
};

/* What the client's statement is answered. */
#define COMP_ANSWERS(X) \
    X(REPLY, "what Redis replied, value or error: nothing is in doubt") \
    X(DONE, "the savepoint is restored") \
    X(LOCK_TIMEOUT, "1205 (HY000): not applied") \
    X(DEADLOCK, "1213 (40001): not applied, the whole transaction is rolled back") \
    X(UNREACHABLE, "1105 (HY000): not applied, the transaction is usable") \
    X(NO_ROOM, "1041 (HY000): the log is full, not applied") \
    X(TOO_MANY, "1235 (42000): not applied, a transaction holds at most COMP_MAX_WRITES") \
    X(IN_DOUBT, "1402 (XA100): the transaction has failed") \
    X(LOST, "1402 (XA100): done without a record of how to take it back, the transaction has failed") \
    X(FENCED, "1402 (XA100): ended by somebody else, the transaction has failed")
enum comp_answer {
#define X(name, text) COMP_ANSWER_##name,
    COMP_ANSWERS(X)
#undef X
};

enum comp_action_kind {
    COMP_ACTION_APPEND_TOUCH,  /* then TOUCH_DURABLE or TOUCH_REFUSED */
    COMP_ACTION_SEND_DO,       /* `seq`; then REPLIED, NOT_SENT or LOST. The command is the performer's to keep until ANSWER */
    COMP_ACTION_KILL,          /* the connection that SEND_DO was lost on, by its client id; then KILLED or KILL_FAILED */
    COMP_ACTION_RESEND_DO,     /* `seq`, on another connection; then as SEND_DO */
    COMP_ACTION_WAIT_LOCK,     /* where it was sent the reply names the owner, or is EMPTY; then LOCK_RETRY, _TIMEOUT or DEADLOCK */
    COMP_ACTION_SEND_PARTIAL,  /* `end` */
    COMP_ACTION_SEND_VOTE,     /* tx->acked, tx->last */
    COMP_ACTION_SEND_END,      /* `end` without its policy, which is the resource's */
    COMP_ACTION_CANCEL,        /* nobody waits for what is under way (call, append, lock, kill): no event for it any more */
    COMP_ACTION_ANSWER,        /* `answer` to the WRITE or ROLLBACK_TO, once each */
    COMP_ACTION_FAIL,          /* the whole transaction has failed; comes before ANSWER */
    COMP_ACTION_VOTE_RESULT,   /* `yes` */
    COMP_ACTION_END_RESULT,    /* `yes`: settled here; no: the resolver's sweep must repeat it, by the decision */
};
struct comp_action {
    enum comp_action_kind kind;
    uint32_t seq;
    struct comp_end end;
    enum comp_answer answer;
    bool yes;
};
#define COMP_MAX_ACTIONS 4
struct comp_actions {
    unsigned n;
    struct comp_action action[COMP_MAX_ACTIONS];
};

/* All-zero is a fresh machine. */
void comp_tx_fini(struct comp_tx *tx);
/* Appends to `out` (which the caller emptied). An event that cannot happen in this state is our bug: CHECK. */
void comp_step(struct comp_tx *tx, const struct comp_event *event, struct comp_actions *out);
/* What a savepoint remembers. */
uint32_t comp_tx_mark(const struct comp_tx *tx);
const char *comp_tx_state_text(enum comp_tx_state state);

#endif
