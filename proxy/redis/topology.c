/* Slot maps. */
#include "proxy/redis/topology.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/redis/reply.h"

void redis_topology_fini(struct redis_topology *t)
{
    free(t->node);
    memset(t, 0, sizeof *t);
}

static uint16_t add_node(struct redis_topology *t, const struct redis_node *node)
{
    for (size_t i = 0; i < t->n; i++)
        if (redis_node_same(&t->node[i], node))
            return (uint16_t)i;
    if (t->n == REDIS_NODES_MAX)
        return REDIS_NOBODY;
    t->node = realloc(t->node, (t->n + 1) * sizeof *t->node);
    CHECK(t->node);
    t->node[t->n] = *node;
    return (uint16_t)t->n++;
}

void redis_topology_single(struct redis_topology *t, const struct redis_node *node)
{
    redis_topology_fini(t);
    (void)add_node(t, node); /* and every owner is 0 */
}

static bool is_number(const struct redisReply *row, size_t i, int64_t max)
{
    const struct redisReply *at = redis_reply_at(row, i);
    return redis_reply_kind(at) == REDIS_INTEGER && redis_reply_integer(at) >= 0 && redis_reply_integer(at) <= max;
}

/* host, port, ...; a host that is nil or empty is that of who was asked. */
static bool read_node(const struct redisReply *at, const struct redis_node *asked, struct redis_node *out)
{
    if (redis_reply_count(at) < 2 || !is_number(at, 1, UINT16_MAX))
        return false;
    struct slice host = redis_reply_bytes(redis_reply_at(at, 0));
    if (!host.len)
        host = (struct slice){(const uint8_t *)asked->host, strlen(asked->host)};
    return redis_node_set(out, (const char *)host.at, host.len, (long)redis_reply_integer(redis_reply_at(at, 1)));
}

/* first slot, last slot, master, replicas */
static bool read_range(struct redis_topology *t, const struct redisReply *row, const struct redis_node *asked)
{
    struct redis_node node;
    if (redis_reply_count(row) < 3 || !is_number(row, 0, COMP_SLOTS - 2) || !is_number(row, 1, COMP_SLOTS - 2))
        return false;
    if (!read_node(redis_reply_at(row, 2), asked, &node))
        return false;
    uint16_t owner = add_node(t, &node);
    for (int64_t slot = redis_reply_integer(redis_reply_at(row, 0)); slot <= redis_reply_integer(redis_reply_at(row, 1)); slot++)
        t->owner[comp_slot_of_number((unsigned)slot)] = owner;
    return owner != REDIS_NOBODY;
}

bool redis_topology_read(struct redis_topology *t, const struct redisReply *reply, const struct redis_node *asked)
{
    redis_topology_fini(t);
    for (size_t slot = 1; slot < COMP_SLOTS; slot++)
        t->owner[slot] = REDIS_NOBODY;
    for (size_t i = 0; i < redis_reply_count(reply); i++)
        if (!read_range(t, redis_reply_at(reply, i), asked))
            return false;
    return t->n;
}

bool redis_topology_same(const struct redis_topology *a, const struct redis_topology *b)
{
    if (a->n != b->n || memcmp(a->owner, b->owner, sizeof a->owner) != 0)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!redis_node_same(&a->node[i], &b->node[i]))
            return false;
    return true;
}

void redis_topology_copy(struct redis_topology *to, const struct redis_topology *from)
{
    redis_topology_fini(to);
    *to = *from;
    to->node = malloc((from->n + 1) * sizeof *to->node);
    CHECK(to->node);
    if (from->n)
        memcpy(to->node, from->node, from->n * sizeof *to->node);
}

const struct redis_node *redis_topology_owner(const struct redis_topology *t, uint16_t slot)
{
    CHECK(slot < COMP_SLOTS);
    return t->owner[slot] < t->n ? &t->node[t->owner[slot]] : NULL;
}

bool redis_topology_has(const struct redis_topology *t, const struct redis_node *node)
{
    for (size_t i = 0; i < t->n; i++)
        if (redis_node_same(&t->node[i], node))
            return true;
    return false;
}
