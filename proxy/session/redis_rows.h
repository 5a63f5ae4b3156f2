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

/* A word of the proxy's own instead of a reply. */
void redis_rows_word(struct session *s, const char *word, bool as_do, const char *alias);
/* A list of 0 and 1. */
void redis_rows_flags(struct session *s, const bool *flags, size_t n, bool as_do);
/* Nothing came to a command that waited. */
void redis_rows_nil(struct session *s, bool as_do, const char *alias);

#endif
