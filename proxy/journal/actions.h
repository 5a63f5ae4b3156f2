/* Actions that wait for an outcome or are to be done, durably: the schedule of actions/ behind a lock, with its records. Leaves
 * running them to resolver/. Every function may be called from any thread. */
#ifndef PROXY_JOURNAL_ACTIONS_H
#define PROXY_JOURNAL_ACTIONS_H

#include "actions/schedule.h"
#include "base/mailbox.h"
#include "proxy/journal/journal.h"

/* --- registering ----------------------------------------------------------------------------------------------- */

/* Copies the action, which has neither id nor state yet (action_fits must hold); fills in its id and registered_ms and appends it
 * ARMED. False: there is no room, refuse it (1041); none is ever dropped for a new one. *at must be durable before a local commit
 * that it shall take back, or before the client is told of a saga's action; a decision that follows makes it durable too. */
bool journal_action_arm(struct journal *j, struct action *a, wal_pos *at) MUST_USE;
/* ROLLBACK TO SAVEPOINT: what the owner armed from this seq on is forgotten. */
void journal_actions_forget(struct journal *j, const char *owner, uint32_t from_seq);
/* The owner ended. journal_decide says "committed" by itself, of the saga it names too. What becomes due is done once that is
 * durable. An owner without actions costs nothing. After a crash, no word means rolled back. */
void journal_outcome(struct journal *j, const char *owner, bool committed);

/* --- waiting for them -------------------------------------------------------------------------------------------- */

/* Actions of the owner that are due, wait or run, or will once its outcome is durable. `dead` may be NULL. */
unsigned journal_actions_pending(struct journal *j, const char *owner, unsigned *dead);
/* One letter to the box, once, when nothing of the owner is pending any more, or something of it is dead. False: that is so
 * already, no letter comes. */
struct journal_watch { /* the caller's; letter.deliver is set by it */
    struct list link;
    struct letter letter;
    struct mailbox *box;
    char owner[ACTION_OWNER_MAX + 1];
};
bool journal_actions_watch(struct journal *j, struct journal_watch *w) MUST_USE;
/* False: the letter is in the box, or was delivered. */
bool journal_actions_unwatch(struct journal *j, struct journal_watch *w) MUST_USE;

/* --- running ----------------------------------------------------------------------------------------------------- */

/* The next action for this resource, RUNNING until journal_action_result; waits up to timeout_ms for one. NULL: none. */
const struct action *journal_action_take(struct journal *j, enum action_kind kind, const char *resource, int timeout_ms);
/* How it went; appended lazily: what is lost with a crash is run again, and the barrier tells. Returns the state it is in now. */
enum action_state journal_action_result(struct journal *j, uint64_t id, enum action_result result, const char *error);
/* Before the result of a probe that runs: its step did not commit, so what takes it back is dropped. */
void journal_step_never_was(struct journal *j, const struct action *probe);
void journal_actions_hurry(struct journal *j, enum action_kind kind, const char *resource); /* it can be reached again */
void journal_actions_wake(struct journal *j); /* whoever waits in journal_action_take returns */

/* When the oldest of all that are here was registered, wall clock; 0: there is none. */
int64_t journal_oldest_action_ms(struct journal *j);

/* --- people ------------------------------------------------------------------------------------------------------ */

/* *at: to wait for before it is answered; NULL: durable on return, which blocks. */
enum action_asked journal_action_retry(struct journal *j, uint64_t id, wal_pos *at);
enum action_asked journal_action_edit(struct journal *j, uint64_t id, struct slice body, wal_pos *at); /* body: action_fits */
enum action_asked journal_action_dismiss(struct journal *j, uint64_t id, const char *why, wal_pos *at);
void journal_actions_retry_waiting(struct journal *j); /* all that wait for their next attempt: at once */
/* A copy for action_free; NULL: none. */
struct action *journal_action_find(struct journal *j, uint64_t id);
/* Of copies, not under the lock: what ends meanwhile may be left out, what comes meanwhile is. */
void journal_each_action(struct journal *j, void (*each)(void *arg, const struct action *a), void *arg);

/* X(name, what is counted) since the start */
#define JOURNAL_ACTION_COUNTERS(X) \
    X(registered, "actions registered") \
    X(done, "actions done") \
    X(failed, "attempts that failed") \
    X(died, "actions given up") \
    X(dropped, "actions whose outcome was the other one") \
    X(dismissed, "actions dismissed by a person") \
    X(refused, "actions refused for want of room")
struct journal_action_stats {
    struct action_schedule_stats now;
    int64_t oldest_due_ms; /* wall clock; 0 = nothing is due, waits or runs */
#define X(name, text) uint64_t name;
    JOURNAL_ACTION_COUNTERS(X)
#undef X
};
void journal_action_stats(struct journal *j, struct journal_action_stats *out);

#endif
