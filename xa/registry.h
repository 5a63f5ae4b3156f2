/* What is decided and not yet settled, for every thread: the log's snapshot, the resolver and SHOW read it, the workers
 * enter and leave it. A small hash under one mutex; pure data, no effects.
 *
 * An entry has one owner at a time. Its life: entered by the session (before the append) -> all settled: DONE, leave;
 * or -> handed over -> the resolver settles what is left -> DONE, leave. Log replay enters with XA_OWNER_RESOLVER. */
#ifndef XA_REGISTRY_H
#define XA_REGISTRY_H

#include "xa/decision.h"

enum xa_owner {
    XA_OWNER_SESSION,  /* a session is finishing it */
    XA_OWNER_RESOLVER, /* handed over, or found at recovery */
};

struct xa_registry;
struct xa_registry *xa_registry_new(void);
void xa_registry_free(struct xa_registry *r);

/* Before the decision is appended. Takes a copy. Entering twice is allowed (log replay): the later one counts. */
void xa_registry_enter(struct xa_registry *r, const struct xa_decision *d, enum xa_owner owner);
void xa_registry_hand_over(struct xa_registry *r, const char *gtrid); /* to the resolver; no entry: no effect */
/* One branch (by backend and bqual) or Redis slot of an entry is settled. True when that was the last: the caller
 * appends DONE and calls xa_registry_leave. False too where there is no such entry, branch or slot, or it was settled
 * before: "the last" is said once. */
bool xa_registry_branch_settled(struct xa_registry *r, const char *gtrid, const char *backend, const char *bqual);
bool xa_registry_slot_settled(struct xa_registry *r, const char *gtrid, const char *resource, uint16_t slot);
void xa_registry_leave(struct xa_registry *r, const char *gtrid); /* no entry: no effect */

/* Copies the entry; false where there is none. `out` and `owner` may be NULL. */
bool xa_registry_find(struct xa_registry *r, const char *gtrid, struct xa_decision *out, enum xa_owner *owner);
/* Whether that branch or slot of an entry is still open (decided, not settled). */
bool xa_registry_branch_open(struct xa_registry *r, const char *gtrid, const char *backend, const char *bqual);
bool xa_registry_slot_open(struct xa_registry *r, const char *gtrid, const char *resource, uint16_t slot);
/* Whether a branch of an entry is open on this backend; `saga`: of the last step of the saga of that name. */
bool xa_registry_open_on(struct xa_registry *r, const char *name, bool saga, const char *backend);
/* Under the lock, in no order, settled branches included; `each` must not call the registry. */
void xa_registry_each(struct xa_registry *r,
                      void (*each)(void *arg, const struct xa_decision *d, enum xa_owner owner), void *arg);
unsigned xa_registry_count(struct xa_registry *r, enum xa_owner owner);

#endif
