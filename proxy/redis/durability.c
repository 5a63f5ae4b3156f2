/* WAIT and WAITAOF: how they are called, and what their replies mean. */
#include "proxy/redis/durability.h"

#include "proxy/redis/reply.h"

void redis_durability_call(struct comp_argv *out, const struct config_redis *c)
{
    CHECK(c->durability != CONFIG_DURABILITY_NONE);
    if (c->durability == CONFIG_DURABILITY_WAITAOF) {
        comp_argv_text(out, "WAITAOF");
        comp_argv_number(out, 1);
    } else {
        comp_argv_text(out, "WAIT");
    }
    comp_argv_number(out, c->durability_replicas);
    comp_argv_number(out, c->durability_timeout_ms);
}

/* WAIT says how many replicas have it; WAITAOF in how many files it is, here and there. */
bool redis_durability_reached(const struct config_redis *c, const struct redisReply *reply)
{
    int64_t wanted = c->durability_replicas;
    if (c->durability == CONFIG_DURABILITY_WAIT)
        return redis_reply_kind(reply) == REDIS_INTEGER && redis_reply_integer(reply) >= wanted;
    for (size_t i = 0; i < 2 && redis_reply_count(reply) == 2; i++)
        if (redis_reply_kind(redis_reply_at(reply, i)) != REDIS_INTEGER)
            return false;
    return redis_reply_count(reply) == 2 && redis_reply_integer(redis_reply_at(reply, 0)) >= 1 &&
           redis_reply_integer(redis_reply_at(reply, 1)) >= wanted;
}
