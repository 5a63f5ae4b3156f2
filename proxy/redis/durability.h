/* What makes a master's word its replicas' too: WAIT or WAITAOF behind a write on the same connection, as the resource wants. */
#ifndef PROXY_REDIS_DURABILITY_H
#define PROXY_REDIS_DURABILITY_H

#include "compensate/argv.h"
#include "proxy/config/config.h"

struct redisReply;

/* The resource wants one of them; its reply takes durability_timeout_ms at most. */
void redis_durability_call(struct comp_argv *out, const struct config_redis *c);
/* Whether that is the reply of a write that enough of them have. */
bool redis_durability_reached(const struct config_redis *c, const struct redisReply *reply);

#endif
