/* Which action is to be done next: all that are registered, by id, owner and resource. Pure: no clock, file or thread; whoever
 * shares one locks around it. Times are wall-clock ms, since they outlive the process.
 *
 *   arm -> ARMED -- outcome --> DUE -- take --> RUNNING -- result --> DONE | WAIT -> RUNNING ... | DEAD
 *                           \-> DROPPED (gone)                              DEAD -- retry --> DUE, -- dismiss --> gone
 *
 * Order: an owner's on_commit actions run in the order of seq on each resource; its on_rollback actions strictly in reverse over
 * all resources. Actions with one key run one after another on a resource, in the order of their outcomes. One that waits or is
 * dead holds up those behind it, `parallel` ones excepted. Resources (lanes) are independent; one that cannot be reached is asked
 * by one probe at a time (circuit breaker). What had gathered while it was away and what came since take turns. */
#ifndef ACTIONS_SCHEDULE_H
#define ACTIONS_SCHEDULE_H

#include "actions/action.h"
#include "actions/policy.h"
#include "base/check.h"

struct action_schedule;
struct action_schedule *action_schedule_new(void);
void action_schedule_free(struct action_schedule *s);

/* Takes the action (action_copy or action_read made it). An id that is known: frees it, nothing happens (the log says some
 * things twice). ARMED ones wait for their outcome; others stand as they are, behind those that came before. */
void action_schedule_add(struct action_schedule *s, struct action *a);
/* A step's transaction was decided: actions that belong to it have a reason. */
void action_schedule_happened(struct action_schedule *s, const char *by);
/* The owner has ended; actions that were armed become due or go. Returns how many became due. */
unsigned action_schedule_outcome(struct action_schedule *s, const char *owner, bool committed, int64_t now_ms);
/* How many are ARMED of an owner; those for its rollback into *on_rollback. */
unsigned action_schedule_armed(struct action_schedule *s, const char *owner, unsigned *on_rollback);
/* ARMED actions of the owner with seq >= from: gone. `gone` is told each id before. */
void action_schedule_forget(struct action_schedule *s, const char *owner, uint32_t from_seq,
                            void (*gone)(void *arg, uint64_t id), void *arg);
/* What a probe found: its step did not happen. What else the step registered and is due, goes, each told before. */
void action_schedule_never_was(struct action_schedule *s, uint64_t probe, void (*gone)(void *arg, uint64_t id), void *arg);
/* Owners with ARMED actions: one after another, until NULL. The caller ends each by an outcome. */
const char *action_schedule_undecided(struct action_schedule *s);

/* The next to run on a resource, RUNNING from now on; valid until its result. NULL: none before *next_ms (INT64_MAX: not before
 * something changes). */
const struct action *action_schedule_take(struct action_schedule *s, enum action_kind kind, const char *resource, int64_t now_ms,
                                          int64_t *next_ms);
/* Whether something may be taken there at once, as far as it is known without looking at the clock. */
bool action_schedule_ready(struct action_schedule *s, enum action_kind kind, const char *resource);
/* How the run ended; `error` is for people. The change is what the log must say; its text stands in the action no longer than it
 * lives. DOWN and EARLY leave nothing to log: false. */
bool action_schedule_result(struct action_schedule *s, uint64_t id, enum action_result result, const char *error, int64_t now_ms,
                            uint32_t random, struct action_change *change);
/* The resource can be reached again, as far as others know: probe now. */
void action_schedule_hurry(struct action_schedule *s, enum action_kind kind, const char *resource, int64_t now_ms);

/* From the log, at start: carries a change out again. Unknown ids are ignored: they ended before the snapshot. */
void action_schedule_replay(struct action_schedule *s, const struct action_change *change);

/* All that wait for their next attempt: at once. Nothing to log. */
void action_schedule_retry_waiting(struct action_schedule *s);

enum action_asked { ACTION_ASKED_OK, ACTION_ASKED_UNKNOWN, ACTION_ASKED_RUNNING, ACTION_ASKED_ARMED, ACTION_ASKED_NOT_DEAD };
/* A person's. RETRY: DEAD begins anew, WAIT runs at once. EDIT: only DEAD, which it stays. DISMISS: DUE, WAIT, DEAD go. */
enum action_asked action_schedule_retry(struct action_schedule *s, uint64_t id, int64_t now_ms, struct action_change *change);
enum action_asked action_schedule_edit(struct action_schedule *s, uint64_t id, struct slice body, struct action_change *change);
enum action_asked action_schedule_dismiss(struct action_schedule *s, uint64_t id, const char *why, struct action_change *change);

const struct action *action_schedule_find(struct action_schedule *s, uint64_t id); /* NULL: none; valid until the next change */
/* The first of those that it waits for, by its owner's order or its key; 0: none. */
uint64_t action_schedule_behind(struct action_schedule *s, uint64_t id);
/* DUE, RUNNING, WAIT of an owner; DEAD ones into *dead. */
unsigned action_schedule_pending(struct action_schedule *s, const char *owner, unsigned *dead);
/* Those with an outcome in its order, then those armed: adding them again in this order makes the same schedule. `each` must not
 * change it. */
void action_schedule_each(struct action_schedule *s, void (*each)(void *arg, const struct action *a), void *arg);

struct action_schedule_stats {
    unsigned count[ACTION_STATE_COUNT]; /* those that are here, by state */
    unsigned n;
    uint64_t bytes; /* of their records, as they were when they came */
};
void action_schedule_stats(const struct action_schedule *s, struct action_schedule_stats *out);
/* Of those that are due, wait or run, the first by its outcome; wall clock, 0: there is none. Looks past those that are dead. */
int64_t action_schedule_oldest_due_ms(struct action_schedule *s);
int64_t action_schedule_oldest_ms(struct action_schedule *s); /* registered then; 0: none is here. Looks at all */

#endif
