/* [redis NAME] key_prefix: before the keys of what goes there, off the keys that replies name. */
#include "proxy/session/key_prefix.h"

#include "compensate/prefix.h"
#include "proxy/redis/reply.h"

bool key_prefix_add(const struct config_redis *config, struct comp_argv *command, const struct comp_command_use *use,
                    struct comp_refusal *why)
{
    return !config->key_prefix || comp_prefix_add(command, use, config->key_prefix, why);
}

static void take_off_all(const struct redisReply *list, const char *prefix)
{
    for (size_t i = 0; i < redis_reply_count(list); i++)
        redis_reply_drop_prefix(list, i, prefix);
}

static void take_off_heads(const struct redisReply *list, const char *prefix)
{
    for (size_t i = 0; i < redis_reply_count(list); i++)
        redis_reply_drop_prefix(redis_reply_at(list, i), 0, prefix);
}

void key_prefix_off(const struct config_redis *config, const struct comp_command *row, const struct redisReply *reply)
{
    if (!config->key_prefix || !row)
        return;
    switch (comp_prefix_names(row)) {
    case COMP_NAMES_NONE:
        break;
    case COMP_NAMES_ALL:
        take_off_all(reply, config->key_prefix);
        break;
    case COMP_NAMES_FIRST:
        redis_reply_drop_prefix(reply, 0, config->key_prefix);
        break;
    case COMP_NAMES_PAGE:
        if (redis_reply_count(reply) == 2)
            take_off_all(redis_reply_at(reply, 1), config->key_prefix);
        break;
    case COMP_NAMES_HEADS:
        take_off_heads(reply, config->key_prefix);
        break;
    }
}
