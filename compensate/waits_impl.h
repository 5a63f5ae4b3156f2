/* Inside the queues of keys: shared by waits.c and cycles.c only. */
#ifndef COMPENSATE_WAITS_IMPL_H
#define COMPENSATE_WAITS_IMPL_H

#include "compensate/waits.h"

struct comp_want {
    struct list link; /* of its bucket */
    struct comp_waiter *waiter;
    uint64_t hash;
    uint32_t offset, len; /* in the waiter's keys */
    enum comp_want_mode mode;
};

struct comp_party *comp_waits_party(const struct comp_waits *w, const char *gtrid, size_t len); /* NULL: not here */
/* The next want before `of`, for the same key, that cannot be granted beside it; NULL: none. */
const struct comp_want *comp_want_before(const struct comp_waits *w, const struct comp_want *from, const struct comp_want *of);
void comp_waiter_make_due(struct comp_waits *w, struct comp_waiter *waiter);
/* True: it is the victim of a cycle. Where a cycle is not one of holders alone, somebody in it now overtakes. */
bool comp_waits_is_victim(struct comp_waits *w, struct comp_waiter *waiter);

#endif
