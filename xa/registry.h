/* What is decided and not yet settled, for every thread: the log's snapshot, the resolver and SHOW read it, the workers
 * enter and leave it. A small hash under one mutex; pure data, no effects. */
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

/* Before the decision is appended. Takes a copy. Entering twice is allowed (log replay). */
void xa_registry_enter(struct xa_registry *r, const struct xa_decision *d, enum xa_owner owner);
void xa_registry_hand_over(struct xa_registry *r, const char *gtrid);
/* One branch (by backend and bqual) or Redis slot of an entry is settled. True when that was the last: the caller
 * appends DONE and calls xa_registry_leave. */
bool xa_registry_branch_settled(struct xa_registry *r, const char *gtrid, const char *backend, const char *bqual);
bool xa_registry_slot_settled(struct xa_registry *r, const char *gtrid, const char *resource, uint16_t slot);
void xa_registry_leave(struct xa_registry *r, const char *gtrid);

/* Copies the entry; false where there is none. */
bool xa_registry_find(struct xa_registry *r, const char *gtrid, struct xa_decision *out, enum xa_owner *owner);
/* Under the lock, in no order; `each` must not call the registry. */
void xa_registry_each(struct xa_registry *r,
                      void (*each)(void *arg, const struct xa_decision *d, enum xa_owner owner), void *arg);
unsigned xa_registry_count(struct xa_registry *r, enum xa_owner owner);

#endif
