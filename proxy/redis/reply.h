/* A reply read without knowing hiredis: what sessions and the resolver look at. Borrowed views, valid as long as the reply. */
#ifndef PROXY_REDIS_REPLY_H
#define PROXY_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

struct redisReply;

enum redis_kind { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_STATUS, REDIS_ERROR, REDIS_ARRAY };
enum redis_kind redis_reply_kind(const struct redisReply *r);
int64_t redis_reply_integer(const struct redisReply *r); /* INTEGER only */
struct slice redis_reply_bytes(const struct redisReply *r); /* STRING, STATUS, ERROR; at is never NULL */
size_t redis_reply_count(const struct redisReply *r);       /* ARRAY: elements; else 0 */
const struct redisReply *redis_reply_at(const struct redisReply *r, size_t i);
/* Takes the prefix off element i, where it is a string that begins so. There may be no such element. */
void redis_reply_drop_prefix(const struct redisReply *r, size_t i, const char *prefix);
void redis_reply_free(struct redisReply *r); /* of redis_blocking_call; NULL is allowed */

#endif
