/* Redis writes of a transaction, a slot of a resource at a time: performs what comp_step asks, waits for the touch record. Leaves
 * the CALL itself to redis.c, the keys to undo_keys.c, and the resources together to participant.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/redis/durability.h"
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
    return journal_touch(s->world->journal, config_of(res)->name, res->slot);
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
static bool may_write(struct session *s, const struct session_tx *tx)
{
    if (tx->local)
        redis_call_error(s, 1235, "42000", "this transaction is local to one server: Redis writes cannot take part", "");
    else if (tx->read_only)
        redis_call_error(s, 1792, "25006", "Cannot execute statement in a READ ONLY transaction", "");
    else if (!undo_find_part(tx, s->redis->resource, s->redis->use.slot) && tx->n_parts == XA_MAX_SLOTS)
        redis_call_error(s, 1235, "42000", "a transaction may write to at most 64 slots and resources; a {tag} in their names brings"
                         " keys into one slot", "");
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
    if (!may_write(s, tx))
        return;
    struct session_resource *res = undo_find_part(tx, c->resource, c->use.slot);
    if (!res)
        res = undo_add_part(tx, c->resource, c->use.slot);
    if (!tx->redis_used)
        tx_event(tx, &(struct xa_event){.kind = XA_EVENT_REDIS_WROTE, .branch = XA_NO_BRANCH});
    tx->redis_used = true;
    if (!tx->party.gtrid)
        waits_join(s->world->waits, &tx->party, tx->gtrid.text);
    wal_pos touched = touch(res);
    bool durable = touched && touched <= wal_durable(journal_wal(s->world->journal));
    undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_WRITE, .touched = durable, .queued = durable && undo_queues(res)});
}

/* --- calls --------------------------------------------------------------------------------------------------------------- */

static void origin_of(const struct session_resource *res, struct comp_origin *out)
{
    struct journal *j = res->tx->session->world->journal;
    *out = (struct comp_origin){.gtrid = res->tx->gtrid.text, .node = journal_fence(j), .epoch = journal_epoch(j), .slot = res->slot};
}

/* What an end could not take back is shown to people, and they shall see it soon. */
static void note_conflicts(const struct session_resource *res, const struct redisReply *reply)
{
    const struct session *s = res->tx->session;
    const struct redisReply *n = redis_reply_count(reply) == 4 ? redis_reply_at(reply, 3) : NULL;
    if (!n || redis_reply_kind(n) != REDIS_INTEGER || !redis_reply_integer(n))
        return;
    log_warn("redis_conflicts", "session=%llu gtrid=%s resource=%s n=%lld", (unsigned long long)s->id, res->tx->gtrid.text,
             config_of(res)->name, (long long)redis_reply_integer(n));
    s->world->resolver->sweep_redis(s->world->resolver_arg, res->index);
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
        else if (res->machine.state == COMP_TX_ENDING || res->machine.state == COMP_TX_PARTIAL)
            note_conflicts(res, reply);
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
    const struct redis_call old = res->call; /* the one it was lost on is to be killed */
    res->call = (struct redis_call){
        .resource = res->index, .slot = res->slot, .on_reply = on_reply, .client_id = old.client_id, .sent_to = old.sent_to};
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
    res->call = (struct redis_call){.resource = res->index, .to = res->call.sent_to, .on_reply = on_kill_reply};
    res->calling = true;
    redis_send(res->tx->worker->redis, &res->call, &argv);
    comp_argv_fini(&argv);
}

/* --- the vote, and what makes it durable --- */

static void on_durable_vote(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_resource *res = CONTAINER_OF(call, struct session_resource, call);
    struct comp_event event = {.kind = result == REDIS_REPLIED ? COMP_EVENT_REPLIED : COMP_EVENT_LOST};
    res->calling = false;
    if (result != REDIS_REPLIED)
        snprintf(res->why, sizeof res->why, "%s", why);
    else if (redis_reply_kind(call->first) == REDIS_ERROR)
        event.reply = comp_reply_of_error(redis_reply_bytes(call->first));
    else if (!redis_durability_reached(config_of(res), reply))
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
    redis_durability_call(&wait, c);
    int64_t deadline_ms = net_loop_now_ms(res->tx->worker->loop) + c->timeout_ms + c->durability_timeout_ms;
    res->call = (struct redis_call){
        .resource = res->index, .slot = res->slot, .deadline_ms = deadline_ms, .on_reply = on_durable_vote};
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
    /* A write, too, where a master may have become a replica without a word: that would answer from what it still has. */
    comp_call_vote(&argv, &who, &res->machine.acked, res->machine.last, durable || config_of(res)->mode == CONFIG_REDIS_SENTINEL);
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
    end.dirty = (enum comp_dirty)config_of(res)->dirty;
    end.written = end.mode == COMP_END_ROLLBACK ? &res->written_names : NULL;
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
    undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_TOUCH_DURABLE, .queued = undo_queues(res)});
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

void undo_cancel(struct session_resource *res)
{
    if (res->calling)
        redis_cancel(&res->call);
    res->calling = false;
    if (res->tx->session->redis)
        waits_leave(&res->tx->session->redis->wait, false);
    if (res->tx->touching == res) {
        list_remove(&res->tx->wait_link);
        res->tx->touching = NULL;
    }
}

/* --- actions of the undo machine ------------------------------------------------------------------------------------------- */

static void answer_client(struct session_resource *res, enum comp_answer answer)
{
    struct session *s = res->tx->session;
    if (!s->redis)
        return;
    bool holds = answer == COMP_ANSWER_REPLY && redis_reply_kind(res->reply) != REDIS_ERROR;
    if (holds)
        undo_note_keys(res);
    waits_leave(&s->redis->wait, holds);
    switch (answer) {
    case COMP_ANSWER_REPLY:
        redis_call_reply(s, res->reply);
        break;
    case COMP_ANSWER_LOCK_TIMEOUT:
        redis_call_waited(s);
        break;
    case COMP_ANSWER_DEADLOCK:
        undo_die_of_deadlock(s);
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
    case COMP_ANSWER_LOST:
        redis_call_error(s, 1402, "XA100", "a write is done and cannot be taken back: see the conflicts; the transaction can only be"
                         " rolled back", "");
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
    bool answered, counted, refused;
    enum waits_turn turn;
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
        out->turn = undo_wait_lock(res);
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
    if (out.turn != WAITS_ON)
        undo_feed(res, &(struct comp_event){.kind = undo_event_of(out.turn)});
    else if (out.refused)
        undo_feed(res, &(struct comp_event){.kind = COMP_EVENT_TOUCH_REFUSED});
    else if (out.counted)
        undo_counted(res, out.yes);
    else if (out.answered && res->doing == RESOURCE_PARTIAL)
        undo_counted(res, out.answer == COMP_ANSWER_DONE);
    else if (out.answered)
        answer_client(res, out.answer);
}
