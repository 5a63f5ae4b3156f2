/* A reply of Redis as a result set: column names are part of the contract (docs). Leaves where the reply came from to redis.c. */
#ifndef PROXY_SESSION_REDIS_ROWS_H
#define PROXY_SESSION_REDIS_ROWS_H

#include "compensate/command.h"
#include "proxy/redis/reply.h"
#include "proxy/session/session.h"

/* Answers with one result set and no OK behind it (drivers that do not drain would stumble), or with an OK for DO. alias: the
 * name a SELECT gave its column, "" = none. resource: for error texts. */
void redis_rows_answer(struct session *s, const struct redisReply *reply, enum comp_shape shape, bool as_do,
                       const char *alias, const char *resource);

#endif
