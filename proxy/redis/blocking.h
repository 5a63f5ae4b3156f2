/* A blocking Redis client for threads that may wait: the resolver's. Same presentation and same library as the workers'
 * connections. */
#ifndef PROXY_REDIS_BLOCKING_H
#define PROXY_REDIS_BLOCKING_H

#include <stdint.h>

#include "compensate/argv.h"
#include "proxy/redis/resource.h"

struct redisReply;
struct redis_blocking;

/* Connects, logs in, selects the database, sets the name; timeout_ms of the resource for each step. NULL with `why`
 * filled. */
struct redis_blocking *redis_blocking_open(const struct config_redis *config, const struct redis_options *options,
                                           char *why, size_t why_size) MUST_USE;
uint64_t redis_blocking_client_id(const struct redis_blocking *b);

/* One command, one reply, which the caller frees with freeReplyObject (it may be an error reply). NULL with `why`
 * filled when the connection died or timed out: whether it was applied is not known, and only redis_blocking_close is
 * left to do. A missing function library is loaded, and the call sent again. */
struct redisReply *redis_blocking_call(struct redis_blocking *b, const struct comp_argv *argv, char *why,
                                       size_t why_size) MUST_USE;
void redis_blocking_close(struct redis_blocking *b); /* NULL is allowed */

#endif
