/* Which server holds which slot of a resource: found out by the resource's resolver thread (fleet.h), looked up by workers. */
#ifndef PROXY_REDIS_TOPOLOGY_H
#define PROXY_REDIS_TOPOLOGY_H

#include "compensate/slot.h"
#include "proxy/redis/node.h"

struct redisReply;

#define REDIS_NODES_MAX 1000
#define REDIS_NOBODY UINT16_MAX

struct redis_topology { /* all-zero: nothing is known */
    struct redis_node *node; /* masters */
    size_t n;
    uint16_t owner[COMP_SLOTS]; /* index in node, or REDIS_NOBODY; of COMP_SLOT_ALONE the first */
};
void redis_topology_fini(struct redis_topology *t);
/* One server with everything. */
void redis_topology_single(struct redis_topology *t, const struct redis_node *node);
/* The reply to CLUSTER SLOTS; asked: who gave it, for nodes that do not say where they are. False: not such a reply, or no slot
 * is anybody's. */
bool redis_topology_read(struct redis_topology *t, const struct redisReply *reply, const struct redis_node *asked) MUST_USE;
bool redis_topology_same(const struct redis_topology *a, const struct redis_topology *b);
void redis_topology_copy(struct redis_topology *to, const struct redis_topology *from);
/* NULL: nobody has it. */
const struct redis_node *redis_topology_owner(const struct redis_topology *t, uint16_t slot);
bool redis_topology_has(const struct redis_topology *t, const struct redis_node *node);

#endif
