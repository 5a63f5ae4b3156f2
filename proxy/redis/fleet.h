/* Every master of a resource, for a thread that may wait: finds out which they are, holds a connection to each. */
#ifndef PROXY_REDIS_FLEET_H
#define PROXY_REDIS_FLEET_H

#include "proxy/redis/blocking.h"
#include "proxy/redis/topology.h"

struct redis_fleet;

/* Asks the configured server, the Sentinels or the cluster, connects to every master. NULL with why: not found, or none of
 * them can be reached. Resource and options are borrowed. */
struct redis_fleet *redis_fleet_open(const struct redis_resource *resource, const struct redis_options *options, char *why,
                                     size_t why_size) MUST_USE;
void redis_fleet_close(struct redis_fleet *f); /* NULL is allowed */

enum redis_fleet_news {
    REDIS_FLEET_SAME,
    REDIS_FLEET_CHANGED, /* other masters, other slots with them, or a connection was lost, opened anew, or both */
    REDIS_FLEET_LOST,    /* why says it; only closing is left */
};
/* Asks again. News that redis_fleet_call came across are told too. */
enum redis_fleet_news redis_fleet_look(struct redis_fleet *f, char *why, size_t why_size) MUST_USE;
bool redis_fleet_has_news(const struct redis_fleet *f); /* that the next look will tell */
/* Of a cluster a master may be away: its slots only. */
bool redis_fleet_is_away(const struct redis_fleet *f, size_t i);
bool redis_fleet_slot_is_away(const struct redis_fleet *f, uint16_t slot);
bool redis_fleet_is_lost(const struct redis_fleet *f); /* all of them */

const struct redis_topology *redis_fleet_map(const struct redis_fleet *f); /* for redis_resource_publish */
size_t redis_fleet_size(const struct redis_fleet *f);
const struct redis_node *redis_fleet_node(const struct redis_fleet *f, size_t i);
/* A slot that this master has: COMP_SLOT_ALONE where there is no cluster. */
uint16_t redis_fleet_slot(const struct redis_fleet *f, size_t i);
/* Reply as of redis_blocking_call; NULL with why: that master is away. */
struct redisReply *redis_fleet_ask(struct redis_fleet *f, size_t i, const struct comp_argv *argv, char *why,
                                   size_t why_size) MUST_USE;
/* Several in one write, as redis_blocking_several. */
bool redis_fleet_ask_several(struct redis_fleet *f, size_t i, const struct comp_argv *argv, size_t n, struct redisReply **replies,
                             char *why, size_t why_size) MUST_USE;
/* One of the slot's master. A slot that moves is followed, or waited for, for a moment; then the reply is the error that
 * says so (redis_fleet_is_moving). */
struct redisReply *redis_fleet_call(struct redis_fleet *f, uint16_t slot, const struct comp_argv *argv, char *why,
                                    size_t why_size) MUST_USE;
/* Behind a redis_fleet_call of the slot, on the same connection: redis_blocking_wait. */
struct redisReply *redis_fleet_wait(struct redis_fleet *f, uint16_t slot, char *why, size_t why_size) MUST_USE;
bool redis_fleet_is_moving(const char *error);

#endif
