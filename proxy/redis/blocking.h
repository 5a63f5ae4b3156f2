/* A blocking Redis client for threads that may wait: the resolver's. Same presentation and same library as the workers'
 * connections. */
#ifndef PROXY_REDIS_BLOCKING_H
#define PROXY_REDIS_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>

#include "compensate/argv.h"
#include "proxy/redis/resource.h"

struct redisReply;
struct redis_blocking;

/* Connects, logs in, selects the database, sets the name; timeout_ms of the resource for each step. NULL with `why` filled. */
struct redis_blocking *redis_blocking_open(const struct redis_resource *resource, const struct redis_node *node,
                                           const struct redis_options *options, char *why, size_t why_size) MUST_USE;
/* To a Sentinel: as its user. */
struct redis_blocking *redis_blocking_open_sentinel(const struct redis_resource *resource, const struct redis_node *node,
                                                    char *why, size_t why_size) MUST_USE;
uint64_t redis_blocking_client_id(const struct redis_blocking *b);

/* One command, one reply, which the caller frees with redis_reply_free (it may be an error reply). NULL with `why` filled when
 * the connection died or timed out: whether it was applied is not known. The connection is lost then: every later call is
 * refused, and only redis_blocking_close is left to do. A missing function library is loaded, and the call sent again. */
struct redisReply *redis_blocking_call(struct redis_blocking *b, const struct comp_argv *argv, char *why,
                                       size_t why_size) MUST_USE;
/* Commands in one write, which need no library: n replies, each freed by the caller. False with `why`: the connection died, and
 * there are none. */
bool redis_blocking_several(struct redis_blocking *b, const struct comp_argv *argv, size_t n, struct redisReply **replies, char *why,
                            size_t why_size) MUST_USE;
/* What the resource's durability asks for behind the writes before; it must ask for something. */
struct redisReply *redis_blocking_wait(struct redis_blocking *b, char *why, size_t why_size) MUST_USE;
bool redis_blocking_is_lost(const struct redis_blocking *b);
void redis_blocking_close(struct redis_blocking *b); /* NULL is allowed */

#endif
