/* Which commands of a queue go to Redis together, and as what: to each node one write; a read as it is; from the first command on
 * that may have to wait for a key, all that concerns its slot as one call of the library, which stops where a key is held. So
 * nothing overtakes what waits in its slot, which is all where there is no cluster. Pure; flight.c performs. */
#ifndef PROXY_RESP_PLAN_H
#define PROXY_RESP_PLAN_H

#include "compensate/pipeline.h"
#include "proxy/resp/queue.h"

struct resp_part { /* one request, one reply */
    const void *node;
    uint16_t slot;
    bool alone;      /* the one command at `first`, as it is; else `pipeline` */
    bool writes;     /* it, or one of these, does */
    size_t first;    /* the first of its commands in the queue; the others have its number in `part` */
    struct comp_pipeline pipeline;
};
struct resp_plan { /* all-zero is empty */
    struct resp_part *part;
    size_t n_parts, cap;
    size_t first, n; /* of the queue: these */
};
void resp_plan_fini(struct resp_plan *p);

/* Whether the command may go together with others. */
bool resp_plan_may_hold(const struct comp_command_use *use);
/* The next one of the queue. looks: it may only run while nobody holds its keys. False: no more fits. */
bool resp_plan_add(struct resp_plan *p, struct resp_queue *q, const struct comp_command_use *use, bool looks, const void *node);
/* The part's next command behind `i`, from its `first` on; SIZE_MAX: there is none. */
size_t resp_plan_next(const struct resp_plan *p, const struct resp_queue *q, size_t part, size_t i);

#endif
