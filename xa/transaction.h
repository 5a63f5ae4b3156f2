/* The commit machine of one global transaction: an event goes in, a list of actions comes out. Pure: no socket, file,
 * thread or clock. session/commit.c performs the actions; tests/model explores the machine. Redis takes part as one
 * participant (its own machine is compensate/undo.h; the performer joins the two).
 *
 *   ACTIVE -> FAILED                                   a transaction that cannot commit, only its end is left
 *   ACTIVE -> ENDED                                    nobody wrote: readers are released, nobody waits
 *   ACTIVE -> ONE_PHASE -> ENDED                       exactly one writer, no Redis write, no action: no log
 *   ACTIVE -> PREPARING -> DECIDING -> COMMITTING -> ENDED
 *   ACTIVE|FAILED|ONE_PHASE|PREPARING|DECIDING -> ROLLING_BACK -> ENDED
 */
#ifndef XA_TRANSACTION_H
#define XA_TRANSACTION_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "xa/verdict.h"
#include "xa/xid.h"

#define XA_MAX_BRANCHES 32
#define XA_NO_BRANCH UINT_MAX /* an event that concerns the transaction, not one branch of it */

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

/* The last four are final: the branch's connection is not the transaction's any more. */
#define XA_BRANCH_STATES(X) \
    X(ACTIVE, "started") \
    X(PREPARING, "PREPARE sent") \
    X(PREPARED, "voted yes") \
    X(ONE_PHASE, "COMMIT ONE PHASE sent") \
    X(COMMITTING, "COMMIT sent") \
    X(ROLLING_BACK_ACTIVE, "ROLLBACK sent, never prepared: a lost connection rolls it back too") \
    X(ROLLING_BACK_PREPARED, "ROLLBACK sent, prepared until it lands") \
    X(SETTLED, "settled") \
    X(RELEASED, "read-only, ended without waiting") \
    X(LOST, "connection lost before PREPARE, the server rolls it back") \
    X(HANDED_OVER, "may be prepared and out of reach: the resolver's")
enum xa_branch_state {
#define X(name, text) XA_BRANCH_##name,
    XA_BRANCH_STATES(X)
#undef X
};

#define XA_REDIS_STATES(X) \
    X(NONE, "not written to") \
    X(WROTE, "written to") \
    X(VOTING, "vote asked for") \
    X(VOTED, "voted yes") \
    X(COMMITTING, "end sent, keeping the effects") \
    X(ROLLING_BACK, "end sent, undoing the effects") \
    X(SETTLED, "settled") \
    X(HANDED_OVER, "its end could not be delivered: its resolver's")
enum xa_redis_state {
#define X(name, text) XA_REDIS_##name,
    XA_REDIS_STATES(X)
#undef X
};

struct xa_branch {
    enum xa_branch_state state;
    bool tracked; /* the answer to XA START carried transaction tracking: silence since then proves something */
    bool wrote;   /* tracker said w or W, a table statement failed, or a statement that is not plainly a read was sent */
};
/* Only this needs no PREPARE: whatever is not proven has written. */
static inline bool xa_branch_reads_only(const struct xa_branch *b) { return b->tracked && !b->wrote; }

struct xa_tx {
    enum xa_tx_state state;
    enum xa_redis_state redis;
    enum xa_answer answer; /* what the client will be told, once the end is known */
    bool answer_due;       /* the client asked for the end and waits */
    bool decided;          /* the decision to commit is durable: no way back */
    bool one_phase_off;    /* option: log even a single writer, which buys an answer after a lost reply */
    bool actions;          /* something is registered to be done after it: the decision record is what makes it due */
    unsigned n_branches;
    struct xa_branch branch[XA_MAX_BRANCHES];
};

/* X(name, what happened) */
#define XA_EVENTS(X) \
    /* --- while it is ACTIVE or FAILED --- */ \
    X(BRANCH_STARTED, "a branch joined (its XA START went out); `branch` is the new number, n_branches") \
    X(BRANCH_TRACKED, "the answer to its XA START carried a transaction tracker: it reads only, so far") \
    X(BRANCH_WROTE, "no proof of read-only any more, for good") \
    X(STATEMENT_FAILED, "`verdict` (TX_FAILED, DEADLOCK) of an error that dooms it; XA_NO_BRANCH where it was not a server's") \
    X(REDIS_WROTE, "a Redis write is sent in this transaction") \
    X(REDIS_IN_DOUBT, "a Redis request may or may not have been applied: the transaction is failed") \
    X(ACTION, "an action is registered, whose record goes into the log together with the decision") \
    X(COMMIT, "the client's COMMIT, or an implicit one; all results are in") \
    X(ROLLBACK, "the client's ROLLBACK, or the proxy's own; all results are in") \
    X(NO_ROOM, "instead of COMMIT, or of DURABLE: the log took no record, nothing is decided") \
    /* --- at any time --- */ \
    X(CLIENT_GONE, "before COMMIT was asked: roll back; after it: finish quietly, as a server does") \
    X(LOST, "the connection of `branch` is gone, whatever it was doing") \
    X(DEADLINE, "what was asked of `branch` took too long: as LOST") \
    /* --- answers to actions --- */ \
    X(REPLY, "`verdict` of the answer to the last action on `branch` (of a pair: of its second half)") \
    X(REDIS_VOTE, "`yes`; a vote that is lost or past its deadline is a no") \
    X(REDIS_ENDED, "the end was acknowledged by every slot") \
    X(REDIS_LOST, "the end could not be delivered everywhere") \
    X(DURABLE, "the decision record is on disk")
enum xa_event_kind {
#define X(name, text) XA_EVENT_##name,
    XA_EVENTS(X)
#undef X
};

struct xa_event {
    enum xa_event_kind kind;
    unsigned branch;
    enum xa_verdict verdict;
    bool yes;
};

/* X(name, what to do) */
#define XA_ACTIONS(X) \
    X(END_PREPARE, "branch: XA END and XA PREPARE in one write") \
    X(ONE_PHASE, "branch: XA END and XA COMMIT ONE PHASE in one write") \
    X(COMMIT, "branch: XA COMMIT") \
    X(END_ROLLBACK, "branch: XA END (any answer) and XA ROLLBACK in one write") \
    X(ROLLBACK, "branch: XA ROLLBACK of a prepared branch") \
    X(RELEASE, "branch: read-only, END and COMMIT ONE PHASE; nobody waits, no event follows") \
    X(CLOSE, "branch: close the connection, never pool it, and have its server-side thread killed; no event follows") \
    X(HAND_OVER, "what is HANDED_OVER (branches, Redis) is the resolver's now, by the decision or its absence") \
    X(REDIS_VOTE, "then REDIS_VOTE") \
    X(REDIS_COMMIT, "end every slot, keeping the effects; then REDIS_ENDED or REDIS_LOST") \
    X(REDIS_ROLLBACK, "end every slot, undoing the effects; then REDIS_ENDED or REDIS_LOST") \
    X(APPEND_DECISION, "enter the registry, then append; then DURABLE, or NO_ROOM where nothing was appended") \
    X(APPEND_DONE, "everything is settled by us: append DONE, leave the registry") \
    X(ANSWER, "`answer` to the client: once, and only where it waits for one") \
    X(FORGET, "the transaction has ended: it leaves the live table and is freed; always the last action")
enum xa_action_kind {
#define X(name, text) XA_ACTION_##name,
    XA_ACTIONS(X)
#undef X
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

/* Appends to `out` (which the caller emptied). Perform the actions in their order; an event that arises meanwhile waits
 * until the list is done. An event that cannot happen in this state is our bug: CHECK; only LOST, DEADLINE and
 * CLIENT_GONE may come at any time before FORGET and change nothing where nothing is asked any more.
 *
 * HAND_OVER comes once, at the very end, so that the registry's entry has one owner at any time. When tx->decided, the
 * performer marks what is SETTLED (xa_registry_branch_settled, _slot_settled) and calls xa_registry_hand_over; whoever
 * settles the rest appends DONE. When not decided, the registry knows nothing and leaving the live table (FORGET) is
 * what makes the resolver roll back; HAND_OVER only wakes it.
 *
 * A deadlock (STATEMENT_FAILED, XA_VERDICT_DEADLOCK) ends the transaction at once: its rollback is under way while the
 * error itself goes to the client, so no ANSWER follows.
 *
 * CLIENT_GONE, ROLLBACK: where a statement is still running on a branch, feed LOST of that branch first. */
void xa_step(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out);

/* True where COMMIT would need a decision record: then room in the log must be reserved before. */
bool xa_needs_log(const struct xa_tx *tx);

const char *xa_tx_state_text(enum xa_tx_state state);
const char *xa_branch_state_text(enum xa_branch_state state);
const char *xa_action_name(enum xa_action_kind kind);

#endif
