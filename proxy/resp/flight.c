/* Commands of a client that go to Redis together: sent at once, answered in order. What could not be done with the others, for a
 * key that is held, a slot that has moved, a reply for which there is no room, stays in the queue and goes its way alone. */
#include <stdio.h>
#include <stdlib.h>

#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resp/client.h"
#include "proxy/resp/plan.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/types.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/rights.h"

#define UNREAD_MAX (4 * 1024 * 1024) /* bytes of answers that the client has not read */

struct leg { /* to one node */
    struct resp_flight *flight;
    struct redis_call call;
    const void *node;
    size_t part; /* whose reply comes next */
};
struct resp_flight {
    struct session *session;
    struct resp_plan plan;
    struct leg *leg;
    size_t n_legs, under_way;
    size_t done; /* commands */
};

/* --- answers -------------------------------------------------------------------------------------------------------- */

static struct resp_queue *queue_of(struct resp_flight *f)
{
    return &f->session->resp->queue;
}

static const struct comp_argv *command_at(struct resp_flight *f, size_t i)
{
    return &queue_of(f)->at[i].command;
}

static void put_reply(struct resp_flight *f, size_t i, const struct redisReply *reply)
{
    struct session *s = f->session;
    struct buf *out = resp_queue_answer(queue_of(f), i, resp_out(s));
    resp_put_reply(out, s->resp->proto, reply, resp_type_of(command_at(f, i)));
    resp_queue_done(queue_of(f), i, resp_out(s));
    f->done++;
}

static void put_failure(struct resp_flight *f, size_t i, const char *what, const char *why)
{
    struct session *s = f->session;
    struct buf text = {0};
    buf_printf(&text, "Redis resource %s: %s: %s", s->world->config->redis[s->resp->resource].name, what, why);
    resp_put_sql_error(resp_queue_answer(queue_of(f), i, resp_out(s)), "", 1105, buf_cstr(&text));
    resp_queue_done(queue_of(f), i, resp_out(s));
    buf_fini(&text);
    f->done++;
}

static void put_failures(struct resp_flight *f, size_t part, const char *what, const char *why)
{
    size_t next = f->plan.part[part].first;
    while (next != SIZE_MAX) {
        size_t i = next;
        next = resp_plan_next(&f->plan, queue_of(f), part, i);
        put_failure(f, i, what, why);
    }
}

static bool has_room(struct resp_flight *f)
{
    return buf_len(resp_out(f->session)) + queue_of(f)->held <= UNREAD_MAX;
}

/* This server, or this call, does not take it: nothing was done, and alone it is looked after. */
static bool is_turned_away(const struct redisReply *reply)
{
    switch (comp_reply_of_error(redis_reply_bytes(reply))) {
    case COMP_REPLY_NOT_NOW:
    case COMP_REPLY_NOT_MASTER:
    case COMP_REPLY_NO_FUNCTION:
    case COMP_REPLY_NO_MEMORY:
    case COMP_REPLY_NO_RIGHT:
        return true;
    default:
        return false;
    }
}

/* The library failed in the middle. */
static void put_broken(struct resp_flight *f, size_t part, struct slice why)
{
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)(why.len < sizeof text ? why.len : sizeof text - 1), (const char *)why.at);
    put_failures(f, part, "outcome unknown", text);
}

static void hear_pipeline(struct resp_flight *f, size_t part, const struct redisReply *reply)
{
    size_t at = f->plan.part[part].first;
    if (redis_reply_kind(reply) == REDIS_ERROR && !is_turned_away(reply))
        put_broken(f, part, redis_reply_bytes(reply));
    for (size_t k = 0; k < redis_reply_count(reply) && at != SIZE_MAX; k++) {
        size_t next = resp_plan_next(&f->plan, queue_of(f), part, at);
        put_reply(f, at, redis_reply_at(reply, k));
        at = next;
    }
}

/* A read may be asked again. */
static void hear_alone(struct resp_flight *f, size_t part, const struct redisReply *reply)
{
    bool elsewhere = redis_reply_kind(reply) == REDIS_ERROR && is_turned_away(reply);
    if (!elsewhere && (f->plan.part[part].writes || has_room(f)))
        put_reply(f, f->plan.part[part].first, reply);
}

/* --- legs ----------------------------------------------------------------------------------------------------------- */

/* The node's next part from this one on; n_parts: none. */
static size_t part_from(const struct resp_flight *f, const struct leg *leg, size_t part)
{
    while (part < f->plan.n_parts && f->plan.part[part].node != leg->node)
        part++;
    return part;
}

static void hear(struct leg *leg, const struct redisReply *reply)
{
    struct resp_flight *f = leg->flight;
    size_t part = leg->part;
    leg->part = part_from(f, leg, part + 1);
    if (f->plan.part[part].alone)
        hear_alone(f, part, reply);
    else
        hear_pipeline(f, part, reply);
}

static void lose(struct leg *leg, enum redis_result result, const char *why)
{
    struct resp_flight *f = leg->flight;
    for (; leg->part < f->plan.n_parts; leg->part = part_from(f, leg, leg->part + 1)) {
        bool writes = f->plan.part[leg->part].writes;
        put_failures(f, leg->part, result == REDIS_NOT_SENT ? "unreachable, nothing was done"
                                   : writes                 ? "outcome unknown: the reply was lost"
                                                            : "the reply was lost", why);
    }
}

static void flight_free(struct resp_flight *f)
{
    resp_plan_fini(&f->plan);
    free(f->leg);
    free(f);
}

static void land(struct resp_flight *f)
{
    struct session *s = f->session;
    resp_queue_learn(queue_of(f), f->plan.n, f->done);
    s->resp->flight = NULL;
    flight_free(f);
    session_next(s);
}

static void on_part(struct redis_call *call, const struct redisReply *reply)
{
    struct leg *leg = CONTAINER_OF(call, struct leg, call);
    hear(leg, reply);
    session_flush(leg->flight->session);
}

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct leg *leg = CONTAINER_OF(call, struct leg, call);
    struct resp_flight *f = leg->flight;
    if (result == REDIS_REPLIED)
        hear(leg, reply);
    else
        lose(leg, result, why);
    if (!--f->under_way)
        land(f);
}

static void send(struct resp_flight *f, struct leg *leg)
{
    struct session *s = f->session;
    const struct comp_argv **words = calloc(f->plan.n_parts, sizeof *words);
    struct comp_argv *calls = calloc(f->plan.n_parts, sizeof *calls);
    size_t n = 0;
    CHECK(words && calls);
    for (size_t i = leg->part; i < f->plan.n_parts; i = part_from(f, leg, i + 1)) {
        const struct resp_part *part = &f->plan.part[i];
        if (!part->alone)
            comp_call_pipeline(&calls[i], part->slot, &part->pipeline);
        words[n++] = part->alone ? command_at(f, part->first) : &calls[i];
    }
    leg->call = (struct redis_call){
        .resource = s->resp->resource, .slot = f->plan.part[leg->part].slot, .on_part = on_part, .on_reply = on_reply};
    redis_send_several(s->worker->redis, &leg->call, words, n);
    for (size_t i = 0; i < f->plan.n_parts; i++)
        comp_argv_fini(&calls[i]);
    free(calls);
    free(words);
}

static bool has_leg(const struct resp_flight *f, const void *node)
{
    for (size_t i = 0; i < f->n_legs; i++)
        if (f->leg[i].node == node)
            return true;
    return false;
}

static void make_legs(struct resp_flight *f)
{
    f->leg = calloc(f->plan.n_parts, sizeof *f->leg);
    CHECK(f->leg);
    for (size_t i = 0; i < f->plan.n_parts; i++)
        if (!has_leg(f, f->plan.part[i].node))
            f->leg[f->n_legs++] = (struct leg){.flight = f, .node = f->plan.part[i].node, .part = i};
    f->under_way = f->n_legs;
}

/* --- which ---------------------------------------------------------------------------------------------------------- */

/* Somebody waits for one of its keys, and came first. */
static bool would_overtake(struct session *s, const struct comp_argv *command, const struct comp_command_use *use)
{
    struct session_wait wait = {.session = s, .resource = s->resp->resource, .command = command, .use = use};
    bool overtakes = waits_would_queue(&wait);
    waits_fini(&wait);
    return overtakes;
}

/* A bigger one is looked at for itself: whether there is memory for it. */
#define BIG_COMMAND RESP_QUEUE_BYTES

/* Where keys have a prefix a command is written anew, which happens on its way alone. */
static bool may_fly(struct session *s, const struct comp_argv *command, struct comp_command_use *use)
{
    const struct resp_client *c = s->resp;
    const struct config_redis *config = &s->world->config->redis[c->resource];
    struct comp_refusal why;
    if (c->locked || c->joined || c->multi.open || config->key_prefix || buf_len(&command->bytes) > BIG_COMMAND)
        return false;
    if (!comp_command_check(command, false, use, &why) || !resp_plan_may_hold(use))
        return false;
    return rights_to_command(s, c->resource, command, use, &why) &&
           (config->mode != CONFIG_REDIS_CLUSTER || comp_command_slot(command, use, &why));
}

static void plan(struct session *s, struct resp_plan *p)
{
    struct resp_queue *q = &s->resp->queue;
    unsigned resource = s->resp->resource;
    struct comp_command_use use;
    for (size_t i = q->first; i < q->end && !q->at[i].done && p->n < resp_queue_most(q); i++) {
        if (!may_fly(s, &q->at[i].command, &use))
            return;
        bool writes = use.class == COMP_CLASS_WRITE && !redis_is_raw(s, resource, &use);
        bool looks = writes || redis_reads_committed(s, resource, &use);
        if ((looks && would_overtake(s, &q->at[i].command, &use)) || !resp_plan_add(p, q, &use, looks, redis_owner(s->worker->redis, resource, use.slot)))
            return;
    }
}

bool resp_flight_begin(struct session *s)
{
    struct resp_plan together = {0};
    plan(s, &together);
    if (together.n < 2) {
        resp_plan_fini(&together);
        return false;
    }
    struct resp_flight *f = s->resp->flight = calloc(1, sizeof *f);
    CHECK(f);
    f->session = s;
    f->plan = together;
    resp_begin(s, command_at(f, together.first));
    s->world->count.resp_commands += f->plan.n;
    s->world->count.redis_calls += f->plan.n;
    s->world->count.resp_together += f->plan.n;
    session_enter(s, SESSION_REDIS, "commands sent ahead");
    make_legs(f);
    for (size_t i = 0; i < f->n_legs; i++)
        send(f, &f->leg[i]);
    return true;
}

void resp_flight_stop(struct session *s)
{
    struct resp_flight *f = s->resp->flight;
    if (!f)
        return;
    s->resp->flight = NULL;
    for (size_t i = 0; i < f->n_legs; i++)
        redis_cancel(&f->leg[i].call);
    flight_free(f);
}
