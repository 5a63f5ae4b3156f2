/* Views of hiredis' replies. */
#include "proxy/redis/reply.h"

#include <string.h>

#include <hiredis/hiredis.h>

#include "base/check.h"

enum redis_kind redis_reply_kind(const struct redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        return REDIS_INTEGER;
    case REDIS_REPLY_STRING:
        return REDIS_STRING;
    case REDIS_REPLY_STATUS:
        return REDIS_STATUS;
    case REDIS_REPLY_ERROR:
        return REDIS_ERROR;
    case REDIS_REPLY_ARRAY:
        return REDIS_ARRAY;
    default:
        return REDIS_NIL; /* RESP3 is never asked for */
    }
}

int64_t redis_reply_integer(const struct redisReply *r)
{
    CHECK(r->type == REDIS_REPLY_INTEGER);
    return r->integer;
}

struct slice redis_reply_bytes(const struct redisReply *r)
{
    return (struct slice){(const uint8_t *)(r->str ? r->str : ""), r->str ? (size_t)r->len : 0};
}

size_t redis_reply_count(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ARRAY ? (size_t)r->elements : 0;
}

const struct redisReply *redis_reply_at(const struct redisReply *r, size_t i)
{
    CHECK(i < redis_reply_count(r));
    return r->element[i];
}

void redis_reply_drop_prefix(const struct redisReply *r, size_t i, const char *prefix)
{
    size_t n = strlen(prefix);
    if (i >= redis_reply_count(r))
        return;
    struct redisReply *e = r->element[i];
    if (e->type != REDIS_REPLY_STRING || (size_t)e->len < n || memcmp(e->str, prefix, n) != 0)
        return;
    memmove(e->str, e->str + n, (size_t)e->len - n + 1); /* hiredis ends it with a NUL */
    e->len -= n;
}

void redis_reply_free(struct redisReply *r)
{
    if (r)
        freeReplyObject(r);
}
