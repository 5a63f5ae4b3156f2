/* Redis writes of a transaction, a resource at a time: performs what comp_step asks, waits for locks and the touch record. Leaves
 * the CALL itself to redis.c, and the resources together to participant.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/redis/reply.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/tx.h"

static const struct config_redis *config_of(const struct session_resource *res)
{
    return &res->tx->session->world->config->redis[res->index];
}

/* --- the first write ---------------------------------------------------------------------------------------------------- */

static wal_pos touch(const struct session_resource *res)
{
    struct session *s = res->tx->session;
    return journal_touch(s->world->journal, config_of(res)->name, s->redis->use.slot);
}

static bool fit_for_writes(struct session *s, unsigned resource)
{
    struct redis_resource *r = &s->world->redis.at[resource];
    if (r->usable == 1)
        return true;
    struct redis_resource_texts texts;
    redis_resource_texts(r, &texts);
    redis_call_error(s, r->usable ? 1235 : 1105, r->usable ? "42000" : "HY000", "cannot take part in transactions",
                     *texts.verdict ? texts.verdict : "it has not been checked yet");
    return false;
}

/* Where this transaction may not write, the error is answered. */
static bool may_write(struct session *s, const struct session_tx *tx, const struct session_resource *res)
{
    if (tx->local)
        redis_call_error(s, 1235, "42000", "this transaction is local to one server: Redis writes cannot take part", "");
    else if (tx->read_only)
        redis_call_error(s, 1792, "25006", "Cannot execute statement in a READ ONLY transaction", "");
    else if (!res->used && undo_resources_used(tx) == XA_MAX_SLOTS)
        redis_call_error(s, 1235, "42000", "a transaction may write to at most 16 Redis resources", "");
    else
        return true;
    return false;
}

void undo_write(struct session *s)
{
    struct session_redis *c = s->redis;
    if (!fit_for_writes(s, c->resource))
        return;
    struct session_tx *tx = tx_open(s);
    struct session_resource *res = undo_resource(tx, c->resource);
    if (!may_write(s, tx, res))
        return;
    res->used = true;
    if (!tx->redis_used)
        tx_event(tx, &(struct xa_event){.kind = XA_EVENT_REDIS_WROTE, .branch = XA_NO_BRANCH});
    tx->redis_used = true;
    wal_pos touched = touch(res);
    undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_WRITE,
                                   .touched = touched && touched <= wal_durable(journal_wal(s->world->journal))});
}

/* --- calls --------------------------------------------------------------------------------------------------------------- */

static void origin_of(const struct session_resource *res, struct comp_origin *out)
{
    struct journal *j = res->tx->session->world->journal;
    *out = (struct comp_origin){.gtrid = res->tx->gtrid.text, .node = journal_node(j), .epoch = journal_epoch(j), .slot = 0};
}

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_resource *res = CONTAINER_OF(call, struct session_resource, call);
    struct comp_event event = {.kind = COMP_EVENT_LOST};
    res->calling = false;
    (void)(res->machine.state == COMP_TX_ENDING ? FAILPOINT(undo_replied) : FAILPOINT(redis_replied));
    if (result == REDIS_REPLIED) {
        event.kind = COMP_EVENT_REPLIED;
        if (redis_reply_kind(reply) == REDIS_ERROR)
            event.reply = comp_reply_of_error(redis_reply_bytes(reply));
    } else {
        event.kind = result == REDIS_LOST ? COMP_EVENT_LOST : COMP_EVENT_NOT_SENT;
        snprintf(res->why, sizeof res->why, "%s", why);
    }
    if (result == REDIS_LOST)
        res->tx->session->world->count.redis_in_doubt++;
    res->reply = reply;
    undo_feed(res, &event);
}

static void on_kill_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_resource *res = CONTAINER_OF(call, struct session_resource, call);
    (void)why;
    res->calling = false;
    /* "No such client" is as good as having killed it */
    bool killed = result == REDIS_REPLIED && (redis_reply_kind(reply) != REDIS_ERROR ||
                                              memmem(redis_reply_bytes(reply).at, redis_reply_bytes(reply).len, "No such", 7));
    undo_feed(res, &(struct comp_event){.kind = killed ? COMP_EVENT_KILLED : COMP_EVENT_KILL_FAILED});
}

static void send_call(struct session_resource *res, const struct comp_argv *argv)
{
    uint64_t old_client = res->call.client_id;
    res->call = (struct redis_call){.resource = res->index, .on_reply = on_reply, .client_id = old_client};
    res->calling = true;
    redis_send(res->tx->worker->redis, &res->call, argv);
}

/* Crash points stand behind the kernel's acceptance of the bytes; without them everything leaves at the end of the turn. */
#ifdef ENABLE_FAILPOINTS
#define SENT(res, point) (redis_flush_now(&(res)->call), (void)FAILPOINT(point))
#else
#define SENT(res, point) ((void)0)
#endif

static void send_do(struct session_resource *res, uint32_t seq)
{
    struct session *s = res->tx->session;
    const struct config_redis *config = config_of(res);
    struct comp_limits limits = {(uint32_t)config->image_max, (uint32_t)config->image_max_bytes};
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    comp_call_do(&argv, &who, seq, &limits, &s->redis->args.command, &s->redis->use);
    send_call(res, &argv);
    comp_argv_fini(&argv);
    SENT(res, redis_sent);
}

static void send_kill(struct session_resource *res)
{
    struct comp_argv argv = {0};
    comp_call_kill(&argv, res->call.client_id);
    res->call = (struct redis_call){.resource = res->index, .on_reply = on_kill_reply};
    res->calling = true;
    redis_send(res->tx->worker->redis, &res->call, &argv);
    comp_argv_fini(&argv);
}

/* --- the vote, and what makes it durable --- */

/* WAIT says how many replicas have it; WAITAOF in how many files it is, here and there. */
static bool is_durable(const struct session_resource *res, const struct redisReply *reply)
{
    int64_t wanted = config_of(res)->durability_replicas;
    if (config_of(res)->durability == CONFIG_DURABILITY_WAIT)
        return redis_reply_kind(reply) == REDIS_INTEGER && redis_reply_integer(reply) >= wanted;
    for (size_t i = 0; i < 2 && redis_reply_count(reply) == 2; i++)
        if (redis_reply_kind(redis_reply_at(reply, i)) != REDIS_INTEGER)
            return false;
    return redis_reply_count(reply) == 2 && redis_reply_integer(redis_reply_at(reply, 0)) >= 1 &&
           redis_reply_integer(redis_reply_at(reply, 1)) >= wanted;
}

static void on_durable_vote(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_resource *res = CONTAINER_OF(call, struct session_resource, call);
    struct comp_event event = {.kind = result == REDIS_REPLIED ? COMP_EVENT_REPLIED : COMP_EVENT_LOST};
    res->calling = false;
    if (result != REDIS_REPLIED)
        snprintf(res->why, sizeof res->why, "%s", why);
    else if (redis_reply_kind(call->first) == REDIS_ERROR)
        event.reply = comp_reply_of_error(redis_reply_bytes(call->first));
    else if (!is_durable(res, reply))
        event.reply = COMP_REPLY_NOT_NOW;
    if (event.reply == COMP_REPLY_NOT_NOW)
        log_warn("redis_not_durable", "gtrid=%s resource=%s wanted=%d", res->tx->gtrid.text, config_of(res)->name,
                 config_of(res)->durability_replicas);
    undo_feed(res, &event);
}

static void send_durable_vote(struct session_resource *res, const struct comp_argv *vote)
{
    const struct config_redis *c = config_of(res);
    struct comp_argv wait = {0};
    if (c->durability == CONFIG_DURABILITY_WAITAOF) {
        comp_argv_text(&wait, "WAITAOF");
        comp_argv_number(&wait, 1);
    } else {
        comp_argv_text(&wait, "WAIT");
    }
    comp_argv_number(&wait, c->durability_replicas);
    comp_argv_number(&wait, c->durability_timeout_ms);
    int64_t deadline_ms = net_loop_now_ms(res->tx->worker->loop) + c->timeout_ms + c->durability_timeout_ms;
    res->call = (struct redis_call){.resource = res->index, .deadline_ms = deadline_ms, .on_reply = on_durable_vote};
    res->calling = true;
    redis_send_pair(res->tx->worker->redis, &res->call, vote, &wait);
    comp_argv_fini(&wait);
}

static void send_vote(struct session_resource *res)
{
    bool durable = config_of(res)->durability != CONFIG_DURABILITY_NONE;
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    comp_call_vote(&argv, &who, &res->machine.acked, res->machine.last, durable);
    if (durable)
        send_durable_vote(res, &argv);
    else
        send_call(res, &argv);
    comp_argv_fini(&argv);
}

static void send_end(struct session_resource *res, struct comp_end end)
{
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    end.force = config_of(res)->dirty == CONFIG_DIRTY_FORCE;
    comp_call_end(&argv, &who, &end);
    send_call(res, &argv);
    comp_argv_fini(&argv);
    if (end.mode == COMP_END_PARTIAL)
        SENT(res, redis_sent);
    else
        SENT(res, undo_sent);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------- */

static void on_touch_durable(struct session_tx *tx)
{
    (void)FAILPOINT(touch_durable);
    struct session_resource *res = tx->touching;
    tx->touching = NULL;
    undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_TOUCH_DURABLE});
}

/* False: the log has no room. */
static bool wait_touch(struct session_resource *res)
{
    wal_pos at = touch(res);
    if (!at)
        return false;
    res->tx->touching = res;
    tx_wait_durable(res->tx, at, on_touch_durable);
    return true;
}

static void on_lock_timer(void *arg)
{
    undo_feed(arg, &(struct comp_event){.kind = COMP_EVENT_LOCK_RETRY});
}

/* False: it waited long enough. */
static bool wait_lock(struct session_resource *res)
{
    struct net_loop *loop = res->tx->worker->loop;
    int64_t now = net_loop_now_ms(loop);
    if (!res->lock_deadline_ms)
        res->lock_deadline_ms = now + config_of(res)->lock_wait_ms;
    if (now >= res->lock_deadline_ms || res->tx->session->killed)
        return false;
    if (!res->timer.loop)
        net_timer_init(&res->timer, loop, on_lock_timer, res);
    res->lock_pause_ms = redis_lock_pause(res->lock_pause_ms);
    net_timer_start(&res->timer, res->lock_pause_ms);
    return true;
}

static struct session_resource *of_call(const struct session *s)
{
    return s->redis && s->tx && s->tx->resources ? &s->tx->resources[s->redis->resource] : NULL;
}

bool undo_waits_for_lock(const struct session *s)
{
    const struct session_resource *res = of_call(s);
    return res && res->lock_deadline_ms && !res->calling;
}

void undo_stop_waiting(struct session *s)
{
    struct session_resource *res = of_call(s);
    net_timer_stop(&res->timer);
    undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_LOCK_TIMEOUT});
}

void undo_cancel(struct session_resource *res)
{
    if (res->calling)
        redis_cancel(&res->call);
    res->calling = false;
    net_timer_stop(&res->timer);
    if (res->tx->touching == res) {
        list_remove(&res->tx->wait_link);
        res->tx->touching = NULL;
    }
}

/* --- actions of the undo machine ------------------------------------------------------------------------------------------- */

static void answer_client(struct session_resource *res, enum comp_answer answer)
{
    struct session *s = res->tx->session;
    res->lock_deadline_ms = res->lock_pause_ms = 0;
    if (!s->redis)
        return;
    switch (answer) {
    case COMP_ANSWER_REPLY:
        redis_call_reply(s, res->reply);
        break;
    case COMP_ANSWER_LOCK_TIMEOUT:
        redis_call_waited(s);
        break;
    case COMP_ANSWER_UNREACHABLE:
        redis_call_error(s, 1105, "HY000", "unreachable, nothing was done", res->why);
        break;
    case COMP_ANSWER_NO_ROOM:
        redis_call_error(s, 1041, "HY000", "the transaction log has no room, nothing was done", "");
        break;
    case COMP_ANSWER_TOO_MANY:
        redis_call_error(s, 1235, "42000", "this transaction has too many Redis writes", "");
        break;
    case COMP_ANSWER_IN_DOUBT:
        redis_call_error(s, 1402, "XA100", "a write is in doubt: the transaction can only be rolled back", res->why);
        break;
    case COMP_ANSWER_FENCED:
        redis_call_error(s, 1402, "XA100", "the transaction was ended by recovery: it can only be rolled back", "");
        break;
    case COMP_ANSWER_DONE:
        CHECK(!"a savepoint's answer to a CALL");
    }
}

static void fail_transaction(struct session_resource *res)
{
    log_warn("redis_in_doubt", "gtrid=%s resource=%s why=\"%s\"", res->tx->gtrid.text,
             config_of(res)->name, res->why);
    tx_event(res->tx, &(struct xa_event){.kind = XA_EVENT_REDIS_IN_DOUBT, .branch = XA_NO_BRANCH});
}

struct outcome {
    bool answered, counted, timeout, refused;
    bool yes;
    enum comp_answer answer;
};

static void perform(struct session_resource *res, const struct comp_action *a, struct outcome *out)
{
    switch (a->kind) {
    case COMP_ACTION_APPEND_TOUCH:
        out->refused = !wait_touch(res);
        break;
    case COMP_ACTION_SEND_DO:
    case COMP_ACTION_RESEND_DO:
        send_do(res, a->seq);
        break;
    case COMP_ACTION_KILL:
        send_kill(res);
        break;
    case COMP_ACTION_WAIT_LOCK:
        out->timeout = !wait_lock(res);
        break;
    case COMP_ACTION_SEND_PARTIAL:
    case COMP_ACTION_SEND_END:
        send_end(res, a->end);
        break;
    case COMP_ACTION_SEND_VOTE:
        send_vote(res);
        break;
    case COMP_ACTION_CANCEL:
        undo_cancel(res);
        break;
    case COMP_ACTION_FAIL:
        fail_transaction(res);
        break;
    case COMP_ACTION_ANSWER:
        out->answered = true;
        out->answer = a->answer;
        break;
    case COMP_ACTION_VOTE_RESULT:
    case COMP_ACTION_END_RESULT:
        out->counted = true;
        out->yes = a->yes;
        break;
    }
}

/* Answers come last: they may begin the session's next statement, or free the transaction. */
void undo_feed(struct session_resource *res, const struct comp_event *event)
{
    struct comp_actions actions = {.n = 0};
    struct outcome out = {0};
    comp_step(&res->machine, event, &actions);
    for (unsigned i = 0; i < actions.n; i++)
        perform(res, &actions.action[i], &out);
    if (out.timeout)
        undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_LOCK_TIMEOUT});
    else if (out.refused)
        undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_TOUCH_REFUSED});
    else if (out.counted)
        undo_counted(res, out.yes);
    else if (out.answered && res->doing == RESOURCE_PARTIAL)
        undo_counted(res, out.answer == COMP_ANSWER_DONE);
    else if (out.answered)
        answer_client(res, out.answer);
}
