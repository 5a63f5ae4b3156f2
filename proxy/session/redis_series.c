/* A series of commands outside a transaction, as one step (MULTI ... EXEC of Redis' clients): it waits for its keys as a single
 * write does. Where keys are watched it goes over the connection that watches them, once. */
#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/session/redis_call.h"

static void run(struct session_redis *c);

/* What was watched is not any more: whoever watched must look again. */
static void answer_nothing_done(struct session_redis *c)
{
    redis_call_reply(c->session, NULL);
}

static void on_turn(struct session_wait *k, enum waits_turn turn)
{
    struct session_redis *c = k->session->redis;
    if (turn == WAITS_ASK && c->watched && !(c->watcher && c->watcher->conn))
        answer_nothing_done(c);
    else if (turn == WAITS_ASK)
        run(c);
    else
        redis_call_waited(c->session);
}

static void refused(struct session_redis *c, const struct redisReply *reply)
{
    enum waits_turn turn = redis_call_refused(c->session, reply);
    if (turn != WAITS_ON)
        redis_call_waited(c->session);
}

/* The function library was not there, which nobody notices between MULTI and EXEC: a series of nothing loads it. */
static void load_library(struct session_redis *c)
{
    comp_series_clear(&c->series);
    c->watcher = NULL;
    c->loads = true;
    run(c);
}

/* The reply to the series. watched: to EXEC, with the only command between MULTI and it. NULL: nothing was done. */
static const struct redisReply *of_series(const struct session_redis *c, const struct redisReply *reply)
{
    if (!c->watched)
        return reply;
    if (redis_reply_kind(reply) == REDIS_NIL)
        return NULL;
    return redis_reply_count(reply) == 1 ? redis_reply_at(reply, 0) : reply;
}

static void on_answer(struct session_redis *c, const struct redisReply *reply)
{
    enum comp_reply says = COMP_REPLY_OK;
    if (reply && redis_reply_kind(reply) == REDIS_ERROR)
        says = comp_reply_of_error(redis_reply_bytes(reply));
    if (!reply || c->loads)
        answer_nothing_done(c);
    else if (says == COMP_REPLY_LOCKED)
        refused(c, reply);
    else if (says == COMP_REPLY_NO_FUNCTION && c->watched)
        load_library(c);
    else
        redis_call_reply(c->session, reply);
}

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    c->calling = false;
    if (result == REDIS_REPLIED)
        on_answer(c, c->loads ? NULL : of_series(c, reply));
    else
        redis_call_failed(c->session, result, why);
}

static void run(struct session_redis *c)
{
    struct comp_argv argv = {0};
    comp_call_series(&argv, c->use.slot, &c->series);
    c->call = (struct redis_call){.resource = c->resource, .slot = c->use.slot, .on_reply = on_reply};
    c->calling = true;
    if (c->watcher)
        redis_send_exec(c->session->worker->redis, &c->call, &argv, c->watcher);
    else
        redis_send(c->session->worker->redis, &c->call, &argv);
    c->watcher = NULL;
    comp_argv_fini(&argv);
}

void redis_call_series(struct session *s, unsigned resource, struct comp_series *series, uint16_t slot, struct redis_kept *watcher,
                       const struct redis_hearer *hearer)
{
    struct comp_argv command = {0};
    struct session_redis *c = redis_call_new(s, resource, &command, hearer);
    comp_series_use(series, &c->args.command, &c->use);
    c->use.slot = slot;
    c->series = *series;
    *series = (struct comp_series){0};
    c->watcher = watcher;
    c->watched = watcher;
    c->is_write = c->use.class == COMP_CLASS_WRITE;
    session_enter(s, SESSION_REDIS, "series");
    if (!redis_call_queues(s, NULL, on_turn))
        run(c);
}
