/* One attempt at a Redis command: command and mark in one atomic step of the function library. */
#include <stdio.h>
#include <string.h>

#include "compensate/calls.h"
#include "compensate/prefix.h"
#include "proxy/redis/durability.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/runner.h"

void runner_close_redis(struct runner *r)
{
    redis_fleet_close(r->redis);
    r->redis = NULL;
}

/* --- the command ------------------------------------------------------------------------------------------------------------ */

static void add_value(struct comp_argv *out, const struct action_value *v)
{
    char text[40];
    switch (v->kind) {
    case ACTION_BYTES:
        comp_argv_add(out, v->bytes.at, v->bytes.len);
        return;
    case ACTION_NULL:
        comp_argv_text(out, "");
        return;
    case ACTION_INT:
        comp_argv_number(out, v->i);
        return;
    case ACTION_UINT:
        snprintf(text, sizeof text, "%llu", (unsigned long long)v->u);
        break;
    case ACTION_DOUBLE:
        snprintf(text, sizeof text, "%.17g", v->d);
        break;
    }
    comp_argv_text(out, text);
}

static void command_of(struct comp_argv *out, const struct action *a)
{
    comp_argv_add(out, a->body.at, a->body.len);
    for (uint32_t i = 0; i < a->n_args; i++)
        add_value(out, &a->args[i]);
}

/* --- the answer --------------------------------------------------------------------------------------------------------- */

static enum action_result result_of(struct slice text)
{
    switch (comp_reply_of_error(text)) {
    case COMP_REPLY_OK:
        return ACTION_OK;
    case COMP_REPLY_ERROR:
    case COMP_REPLY_REFUSED:
    case COMP_REPLY_TOO_BIG:
    case COMP_REPLY_NO_RIGHT:
        return ACTION_PERMANENT;
    default:
        return ACTION_TRANSIENT;
    }
}

/* The key is held by what the action follows, which has not come to its end there. */
static bool is_early(const struct action *a, struct slice text)
{
    struct slice owner, key;
    return comp_reply_of_error(text) == COMP_REPLY_LOCKED && comp_reply_locked(text, &owner, &key) &&
           (slice_is(owner, a->owner) || (*a->by && slice_is(owner, a->by)));
}

static enum action_result answered(struct runner *r, const struct action *a, struct redisReply *reply, char *error, size_t size)
{
    enum action_result result = ACTION_OK;
    if (!reply) {
        runner_close_redis(r);
        return ACTION_TRANSIENT;
    }
    if (redis_reply_kind(reply) == REDIS_ERROR) {
        struct slice text = redis_reply_bytes(reply);
        result = is_early(a, text) ? ACTION_EARLY : result_of(text);
        snprintf(error, size, "%.*s", (int)text.len, (const char *)text.at);
        if (comp_reply_of_error(text) == COMP_REPLY_NOT_MASTER)
            runner_close_redis(r);
    }
    redis_reply_free(reply);
    return result;
}

/* A master that dies must not take along what the log calls done. What is not durable yet is tried again: its mark keeps it from
 * being done twice, and is waited for in its turn. */
static enum action_result make_durable(struct runner *r, uint16_t slot, char *error, size_t size)
{
    const struct config_redis *config = r->resolver->o.redis->at[r->index].config;
    if (config->durability == CONFIG_DURABILITY_NONE)
        return ACTION_OK;
    struct redisReply *reply = redis_fleet_wait(r->redis, slot, error, size);
    bool reached = reply && redis_durability_reached(config, reply);
    struct slice text = reply && redis_reply_kind(reply) == REDIS_ERROR ? redis_reply_bytes(reply) : (struct slice){0};
    if (!reply)
        runner_close_redis(r);
    else if (text.len)
        snprintf(error, size, "%.*s", (int)text.len, (const char *)text.at);
    else if (!reached)
        snprintf(error, size, "it is done, but not in as many replicas as durability asks for (%d)", config->durability_replicas);
    redis_reply_free(reply);
    return reached ? ACTION_OK : ACTION_TRANSIENT;
}

/* The command with its keys as Redis has them, and what it is. */
static bool prepare(const struct config_redis *config, const char *prefix, struct comp_argv *command, struct comp_command_use *use,
                    struct comp_refusal *why)
{
    return comp_command_check(command, false, use, why) && (!*prefix || comp_prefix_add(command, use, prefix, why)) &&
           (config->mode != CONFIG_REDIS_CLUSTER || comp_command_slot(command, use, why));
}

/* An effect of the transaction itself is there to stay, or was taken back: its own locks bar only the latter. */
static enum action_result send_command(struct runner *r, const struct action *a, struct comp_argv *command, char *error,
                                       size_t size)
{
    struct comp_command_use use;
    struct comp_refusal why;
    struct comp_argv call = {0};
    if (!prepare(r->resolver->o.redis->at[r->index].config, a->schema, command, &use, &why)) {
        snprintf(error, size, "%u %s", why.code, why.text);
        return ACTION_PERMANENT;
    }
    if (!journal_touch(r->resolver->o.journal, a->resource, use.slot)) {
        snprintf(error, size, "the log has no room");
        return ACTION_DOWN;
    }
    comp_call_act(&call, a->owner, a->seq, a->on == ACTION_ON_COMMIT ? a->owner : "", command, &use);
    enum action_result result = answered(r, a, redis_fleet_call(r->redis, use.slot, &call, error, size), error, size);
    comp_argv_fini(&call);
    return result == ACTION_OK ? make_durable(r, use.slot, error, size) : result;
}

static bool connect_redis(struct runner *r, char *error, size_t size)
{
    struct redis_resource *resource = &r->resolver->o.redis->at[r->index];
    if (resource->usable <= 0) {
        snprintf(error, size, "%s is not usable: SHOW REDIS says why", resource->config->name);
        runner_close_redis(r);
        return false;
    }
    unsigned version = resource->map_version;
    if (r->redis && version != r->redis_version)
        runner_close_redis(r); /* the masters are others now */
    if (!r->redis)
        r->redis = redis_fleet_open(resource, r->resolver->o.redis_options, error, size);
    r->redis_version = version;
    return r->redis;
}

enum action_result runner_do_redis(struct runner *r, const struct action *a, char *error, size_t size)
{
    struct comp_argv command = {0};
    if (!connect_redis(r, error, size))
        return ACTION_DOWN;
    command_of(&command, a);
    enum action_result result = send_command(r, a, &command, error, size);
    comp_argv_fini(&command);
    return result;
}
