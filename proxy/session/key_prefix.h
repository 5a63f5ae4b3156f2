/* [redis NAME] key_prefix, between who says keys and the Redis that has them. Actions keep what was said: the resolver puts
 * it on. */
#ifndef PROXY_SESSION_KEY_PREFIX_H
#define PROXY_SESSION_KEY_PREFIX_H

#include "compensate/command.h"
#include "proxy/config/config.h"

struct redisReply;

/* Of a checked command, before its slot is looked for. False: it cannot be used there, `why` says it. */
bool key_prefix_add(const struct config_redis *config, struct comp_argv *command, const struct comp_command_use *use,
                    struct comp_refusal *why) MUST_USE;
/* Off the keys that the reply to this command names. row: NULL = of no command. */
void key_prefix_off(const struct config_redis *config, const struct comp_command *row, const struct redisReply *reply);

#endif
