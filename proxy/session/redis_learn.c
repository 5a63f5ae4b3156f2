/* A CALL of a command that the table does not know: the server is asked what it is, and of which keys. Leaves what that means to
 * compensate/learn.c. */
#include <stdlib.h>
#include <string.h>

#include "compensate/learn.h"
#include "proxy/redis/reply.h"
#include "proxy/session/redis_call.h"

static bool has_flag(const struct redisReply *flags, const char *word)
{
    for (size_t i = 0; i < redis_reply_count(flags); i++)
        if (slice_is(redis_reply_bytes(redis_reply_at(flags, i)), word))
            return true;
    return false;
}

/* COMMAND INFO: a row of name, arity, flags ... False: the server does not know it either. */
static bool read_info(const struct redisReply *info, struct comp_described *d)
{
    const struct redisReply *row = redis_reply_count(info) == 1 ? redis_reply_at(info, 0) : NULL;
    if (!row || redis_reply_count(row) < 3)
        return false;
    const struct redisReply *flags = redis_reply_at(row, 2);
    d->writes = has_flag(flags, "write");
    d->reads = has_flag(flags, "readonly");
    d->no_script = has_flag(flags, "noscript");
    return true;
}

/* COMMAND GETKEYSANDFLAGS: rows of a key and its flags; an error where the server finds none. */
static void read_keys(const struct redisReply *keys, struct comp_described *d)
{
    for (size_t i = 0; i < redis_reply_count(keys); i++) {
        const struct redisReply *row = redis_reply_at(keys, i);
        if (redis_reply_count(row) == 2)
            comp_described_key(d, redis_reply_bytes(redis_reply_at(row, 0)), !has_flag(redis_reply_at(row, 1), "RO"));
    }
}

static void learn(struct session_redis *c, const struct redisReply *info, const struct redisReply *keys)
{
    struct comp_described *d = calloc(1, sizeof *d);
    struct comp_refusal refusal = c->unknown;
    CHECK(d);
    bool known = read_info(info, d);
    read_keys(keys, d);
    known = known && comp_learn(&c->args.command, d, &c->learned, &c->use, &refusal);
    free(d);
    if (known)
        redis_call_known(c->session);
    else
        session_answer_error(c->session, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
}

static void on_described(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    c->calling = false;
    if (result != REDIS_REPLIED)
        redis_call_error(c->session, 1105, "HY000", "unreachable, nothing was done", why);
    else if (redis_reply_kind(call->first) == REDIS_ERROR)
        redis_call_reply(c->session, call->first);
    else
        learn(c, call->first, reply);
}

void redis_learn(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_argv info = {0}, keys = {0};
    comp_argv_text(&info, "COMMAND");
    comp_argv_text(&info, "INFO");
    comp_argv_text(&keys, "COMMAND");
    comp_argv_text(&keys, "GETKEYSANDFLAGS");
    for (size_t i = 0; i < c->args.command.n; i++) {
        struct slice word = comp_argv_at(&c->args.command, i);
        comp_argv_add(&keys, word.at, word.len);
        if (!i)
            comp_argv_add(&info, word.at, word.len);
    }
    session_enter(s, SESSION_REDIS, "what is it");
    c->call = (struct redis_call){.resource = c->resource, .slot = c->use.slot, .on_reply = on_described};
    c->calling = true;
    redis_send_pair(s->worker->redis, &c->call, &info, &keys);
    comp_argv_fini(&info);
    comp_argv_fini(&keys);
}
