/* CALL of a Redis command: in a transaction through the undo machine (performs what comp_step asks), outside one with a look at the locks.
 * Leaves replies' shapes to redis_rows.c and the transaction's end to commit.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/redis_args.h"
#include "proxy/session/redis_rows.h"
#include "proxy/session/tx.h"

/* The client's CALL while it is under way. */
struct session_redis {
    struct session *session;
    unsigned resource;
    struct redis_args args;
    struct comp_command_use use;
    enum comp_shape shape;
    bool as_do;
    char alias[SQL_NAME_SIZE];
    struct redis_call call; /* outside a transaction, and reads */
    bool calling;
    bool is_write;
    struct net_timer timer;
    int64_t lock_deadline_ms;
    int64_t pause_ms;
};

static void feed(struct session_resource *res, const struct comp_event *event);
static void run_outside(struct session_redis *c);

static const struct config_redis *config_of(const struct session *s, unsigned resource)
{
    return &s->world->config->redis[resource];
}

/* --- the CALL ----------------------------------------------------------------------------------------------------------- */

static void free_call(struct session *s)
{
    struct session_redis *c = s->redis;
    s->redis = NULL;
    if (c->calling)
        redis_cancel(&c->call);
    net_timer_fini(&c->timer);
    redis_args_fini(&c->args);
    free(c);
}

void redis_abandon(struct session *s)
{
    if (s->redis)
        free_call(s);
}

/* The answer ends the CALL; what it needs of it is taken first. */
static void answer_reply(struct session *s, const struct redisReply *reply)
{
    struct session_redis c = *s->redis;
    free_call(s);
    redis_rows_answer(s, reply, c.shape, c.as_do, c.alias, config_of(s, c.resource)->name);
}

static void answer_error(struct session *s, uint16_t code, const char *sqlstate, const char *what, const char *why)
{
    const char *name = config_of(s, s->redis->resource)->name;
    free_call(s);
    session_answer_error(s, code, sqlstate, "Redis resource %s: %s%s%s", name, what, *why ? ": " : "", why);
}

/* --- in a transaction ---------------------------------------------------------------------------------------------------- */

static struct session_resource *resource_of(struct session_tx *tx, unsigned index)
{
    struct world *w = tx->session->world;
    if (!tx->resources) {
        tx->resources = calloc(w->redis.n, sizeof *tx->resources);
        CHECK(tx->resources);
        for (size_t i = 0; i < w->redis.n; i++) {
            tx->resources[i].tx = tx;
            tx->resources[i].index = (unsigned)i;
        }
    }
    return &tx->resources[index];
}

static unsigned resources_used(const struct session_tx *tx)
{
    unsigned n = 0;
    for (size_t i = 0; i < tx->session->world->redis.n; i++)
        n += tx->resources[i].used;
    return n;
}

static void first_write(struct session *s, struct session_tx *tx, struct session_resource *res)
{
    if (!tx->live_entered) {
        journal_live_enter(s->world->journal, &tx->live, &tx->gtrid);
        tx->live_entered = true;
        tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_REDIS_WROTE, .branch = XA_NO_BRANCH});
    }
    res->used = true;
}

static bool fit_for_writes(struct session *s, unsigned resource)
{
    struct redis_resource *r = &s->world->redis.at[resource];
    if (r->usable == 1)
        return true;
    struct redis_resource_texts texts;
    redis_resource_texts(r, &texts);
    answer_error(s, r->usable ? 1235 : 1105, r->usable ? "42000" : "HY000", "cannot take part in transactions",
                 *texts.verdict ? texts.verdict : "it has not been checked yet");
    return false;
}

static void write_in_tx(struct session *s)
{
    struct session_redis *c = s->redis;
    if (!fit_for_writes(s, c->resource))
        return;
    struct session_tx *tx = tx_open(s);
    if (tx->local || tx->snapshot) {
        answer_error(s, 1235, "42000", "this transaction is local to one server: Redis writes cannot take part", "");
        return;
    }
    if (tx->read_only) {
        answer_error(s, 1792, "25006", "Cannot execute statement in a READ ONLY transaction", "");
        return;
    }
    struct session_resource *res = resource_of(tx, c->resource);
    if (!res->used && resources_used(tx) == XA_MAX_SLOTS) {
        answer_error(s, 1235, "42000", "a transaction may write to at most 16 Redis resources", "");
        return;
    }
    first_write(s, tx, res);
    wal_pos touched = journal_touch(s->world->journal, config_of(s, c->resource)->name, c->use.slot);
    feed(res, &(struct comp_event){.kind = COMP_EVENT_WRITE,
                                   .touched = touched <= wal_durable(journal_wal(s->world->journal))});
}

static void origin_of(const struct session_resource *res, struct comp_origin *out)
{
    struct journal *j = res->tx->session->world->journal;
    *out = (struct comp_origin){.gtrid = res->tx->gtrid.text, .node = journal_node(j), .epoch = journal_epoch(j), .slot = 0};
}

#ifdef ENABLE_FAILPOINTS
static void on_sent(void *arg)
{
    struct session_resource *res = arg;
    (void)(res->sent_is_undo ? FAILPOINT(undo_sent) : FAILPOINT(redis_sent));
}
/* The bytes leave at the end of this turn: the crash point stands in the next one. */
static void sent(struct session_resource *res, bool is_undo)
{
    res->sent_is_undo = is_undo;
    if (!res->sent_timer.loop)
        net_timer_init(&res->sent_timer, res->tx->worker->loop, on_sent, res);
    net_timer_start(&res->sent_timer, 0);
}
#else
#define sent(res, is_undo) ((void)0)
#endif

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
    feed(res, &event);
}

static void on_kill_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_resource *res = CONTAINER_OF(call, struct session_resource, call);
    (void)why;
    res->calling = false;
    /* "No such client" is as good as having killed it */
    bool killed = result == REDIS_REPLIED && (redis_reply_kind(reply) != REDIS_ERROR ||
                                              memmem(redis_reply_bytes(reply).at, redis_reply_bytes(reply).len, "No such", 7));
    feed(res, &(struct comp_event){.kind = killed ? COMP_EVENT_KILLED : COMP_EVENT_KILL_FAILED});
}

static void send_call(struct session_resource *res, struct comp_argv *argv)
{
    uint64_t old_client = res->call.client_id;
    res->call = (struct redis_call){.resource = res->index, .on_reply = on_reply, .client_id = old_client};
    res->calling = true;
    redis_send(res->tx->worker->redis, &res->call, argv);
    comp_argv_fini(argv);
}

static void send_do(struct session_resource *res, uint32_t seq)
{
    struct session *s = res->tx->session;
    const struct config_redis *config = config_of(s, res->index);
    struct comp_limits limits = {(uint32_t)config->image_max, (uint32_t)config->image_max_bytes};
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    comp_call_do(&argv, &who, seq, &limits, &s->redis->args.command, &s->redis->use);
    send_call(res, &argv);
    sent(res, false);
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

static void send_vote(struct session_resource *res)
{
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    comp_call_vote(&argv, &who, &res->machine.acked, res->machine.last, false);
    send_call(res, &argv);
}

static void send_end(struct session_resource *res, struct comp_end end)
{
    struct comp_origin who;
    struct comp_argv argv = {0};
    origin_of(res, &who);
    end.force = config_of(res->tx->session, res->index)->dirty == CONFIG_DIRTY_FORCE;
    comp_call_end(&argv, &who, &end);
    send_call(res, &argv);
    sent(res, end.mode != COMP_END_PARTIAL);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------- */

static void on_touch_durable(struct session_tx *tx)
{
    (void)FAILPOINT(touch_durable);
    struct session_resource *res = tx->touching;
    tx->touching = NULL;
    feed(res, &(struct comp_event){.kind = COMP_EVENT_TOUCH_DURABLE});
}

static void wait_touch(struct session_resource *res)
{
    struct session *s = res->tx->session;
    res->tx->touching = res;
    tx_wait_durable(res->tx, journal_touch(s->world->journal, config_of(s, res->index)->name, s->redis->use.slot),
                    on_touch_durable);
}

static void on_lock_timer(void *arg)
{
    feed(arg, &(struct comp_event){.kind = COMP_EVENT_LOCK_RETRY});
}

static int64_t next_pause(int64_t pause_ms)
{
    return pause_ms ? (pause_ms < 80 ? pause_ms * 2 : 80) : 10;
}

/* Returns true where it waited long enough. */
static bool wait_lock(struct session_resource *res)
{
    struct net_loop *loop = res->tx->worker->loop;
    int64_t now = net_loop_now_ms(loop);
    if (!res->lock_deadline_ms)
        res->lock_deadline_ms = now + config_of(res->tx->session, res->index)->lock_wait_ms;
    if (now >= res->lock_deadline_ms)
        return true;
    if (!res->timer.loop)
        net_timer_init(&res->timer, loop, on_lock_timer, res);
    res->lock_pause_ms = next_pause(res->lock_pause_ms);
    net_timer_start(&res->timer, res->lock_pause_ms);
    return false;
}

static void cancel(struct session_resource *res)
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
        answer_reply(s, res->reply);
        break;
    case COMP_ANSWER_LOCK_TIMEOUT:
        answer_error(s, 1205, "HY000", "Lock wait timeout exceeded; a key is held by another transaction", "");
        break;
    case COMP_ANSWER_UNREACHABLE:
        answer_error(s, 1105, "HY000", "unreachable, nothing was done", res->why);
        break;
    case COMP_ANSWER_NO_ROOM:
        answer_error(s, 1041, "HY000", "the transaction log has no room, nothing was done", "");
        break;
    case COMP_ANSWER_TOO_MANY:
        answer_error(s, 1235, "42000", "this transaction has too many Redis writes", "");
        break;
    case COMP_ANSWER_IN_DOUBT:
        answer_error(s, 1402, "XA100", "a write is in doubt: the transaction can only be rolled back", res->why);
        break;
    case COMP_ANSWER_FENCED:
        answer_error(s, 1402, "XA100", "the transaction was ended by recovery: it can only be rolled back", "");
        break;
    case COMP_ANSWER_DONE:
        CHECK(!"a savepoint's answer to a CALL");
    }
}

/* A vote, an end or a partial undo came in; the last of all resources reports. */
static void count_in(struct session_resource *res, bool yes)
{
    struct session_tx *tx = res->tx;
    int doing = res->doing;
    res->doing = RESOURCE_IDLE;
    tx->redis_yes = tx->redis_yes && yes;
    if (--tx->redis_pending)
        return;
    if (doing == RESOURCE_VOTING)
        tx_redis_voted(tx, tx->redis_yes);
    else if (doing == RESOURCE_ENDING)
        tx_redis_ended(tx, tx->redis_yes);
    else
        tx->on_redis_partial(tx->session, tx->redis_yes);
}

static void fail_transaction(struct session_resource *res)
{
    log_warn("redis_in_doubt", "gtrid=%s resource=%s why=\"%s\"", res->tx->gtrid.text,
             config_of(res->tx->session, res->index)->name, res->why);
    tx_event(res->tx->session, res->tx, &(struct xa_event){.kind = XA_EVENT_REDIS_IN_DOUBT, .branch = XA_NO_BRANCH});
}

struct outcome {
    bool answered, counted, retry, timeout;
    bool yes;
    enum comp_answer answer;
};

static void perform(struct session_resource *res, const struct comp_action *a, struct outcome *out)
{
    switch (a->kind) {
    case COMP_ACTION_APPEND_TOUCH:
        wait_touch(res);
        break;
    case COMP_ACTION_SEND_DO:
    case COMP_ACTION_RESEND_DO:
        send_do(res, a->seq);
        break;
    case COMP_ACTION_KILL:
        send_kill(res);
        break;
    case COMP_ACTION_WAIT_LOCK:
        out->timeout = wait_lock(res);
        break;
    case COMP_ACTION_SEND_PARTIAL:
    case COMP_ACTION_SEND_END:
        send_end(res, a->end);
        break;
    case COMP_ACTION_SEND_VOTE:
        send_vote(res);
        break;
    case COMP_ACTION_CANCEL:
        cancel(res);
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
static void feed(struct session_resource *res, const struct comp_event *event)
{
    struct comp_actions actions = {.n = 0};
    struct outcome out = {0};
    comp_step(&res->machine, event, &actions);
    for (unsigned i = 0; i < actions.n; i++)
        perform(res, &actions.action[i], &out);
    if (out.timeout)
        feed(res, &(struct comp_event){.kind = COMP_EVENT_LOCK_TIMEOUT});
    else if (out.counted)
        count_in(res, out.yes);
    else if (out.answered && res->doing == RESOURCE_PARTIAL)
        count_in(res, out.answer == COMP_ANSWER_DONE);
    else if (out.answered)
        answer_client(res, out.answer);
}

/* --- for commit.c and transaction.c ------------------------------------------------------------------------------------------ */

bool tx_redis_used(const struct session_tx *tx)
{
    return tx->live_entered;
}

static void feed_all(struct session_tx *tx, int doing, enum comp_event_kind kind, const uint32_t *marks)
{
    size_t n = tx->session->world->redis.n;
    tx->redis_yes = true;
    tx->redis_pending = 1; /* held until all are under way: an early answer must not be taken for the last */
    for (size_t i = 0; tx->resources && i < n; i++)
        if (tx->resources[i].used) {
            tx->redis_pending++;
            tx->resources[i].doing = doing;
            feed(&tx->resources[i], &(struct comp_event){.kind = kind, .mark = marks ? marks[i] : 0});
        }
}

void tx_redis_vote(struct session_tx *tx)
{
    feed_all(tx, RESOURCE_VOTING, COMP_EVENT_VOTE, NULL);
    if (!--tx->redis_pending)
        tx_redis_voted(tx, tx->redis_yes);
}

void tx_redis_end(struct session_tx *tx, bool commit)
{
    feed_all(tx, RESOURCE_ENDING, commit ? COMP_EVENT_COMMIT : COMP_EVENT_ROLLBACK, NULL);
    if (!--tx->redis_pending)
        tx_redis_ended(tx, tx->redis_yes);
}

void tx_redis_marks(struct session_tx *tx, uint32_t *marks)
{
    for (size_t i = 0; i < tx->session->world->redis.n; i++)
        marks[i] = tx->resources ? comp_tx_mark(&tx->resources[i].machine) : 0;
}

bool tx_redis_rollback_to(struct session_tx *tx, const uint32_t *marks, void (*on_done)(struct session *s, bool ok))
{
    if (!tx_redis_used(tx))
        return false;
    tx->on_redis_partial = on_done;
    feed_all(tx, RESOURCE_PARTIAL, COMP_EVENT_ROLLBACK_TO, marks);
    if (!--tx->redis_pending)
        on_done(tx->session, tx->redis_yes);
    return true;
}

void tx_redis_free(struct session_tx *tx)
{
    for (size_t i = 0; tx->resources && i < tx->session->world->redis.n; i++) {
        struct session_resource *res = &tx->resources[i];
        cancel(res);
        net_timer_fini(&res->timer);
#ifdef ENABLE_FAILPOINTS
        net_timer_fini(&res->sent_timer);
#endif
        comp_tx_fini(&res->machine);
    }
    free(tx->resources);
    tx->resources = NULL;
}

/* --- outside a transaction, and reads ------------------------------------------------------------------------------------- */

static void on_outside_timer(void *arg)
{
    run_outside(arg);
}

static bool wait_outside(struct session_redis *c)
{
    struct session *s = c->session;
    int64_t now = net_loop_now_ms(s->worker->loop);
    if (!c->lock_deadline_ms)
        c->lock_deadline_ms = now + config_of(s, c->resource)->lock_wait_ms;
    if (now >= c->lock_deadline_ms)
        return false;
    if (!c->timer.loop)
        net_timer_init(&c->timer, s->worker->loop, on_outside_timer, c);
    c->pause_ms = next_pause(c->pause_ms);
    net_timer_start(&c->timer, c->pause_ms);
    return true;
}

static void on_outside_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    struct session *s = c->session;
    c->calling = false;
    if (result == REDIS_NOT_SENT) {
        answer_error(s, 1105, "HY000", "unreachable, nothing was done", why);
        return;
    }
    if (result == REDIS_LOST) {
        /* never sent again: it may have been done */
        answer_error(s, 1105, "HY000", c->is_write ? "outcome unknown: the reply was lost" : "the reply was lost", why);
        return;
    }
    bool locked = redis_reply_kind(reply) == REDIS_ERROR &&
                  comp_reply_of_error(redis_reply_bytes(reply)) == COMP_REPLY_LOCKED;
    if (!locked)
        answer_reply(s, reply);
    else if (!wait_outside(c))
        answer_error(s, 1205, "HY000", "Lock wait timeout exceeded; a key is held by another transaction", "");
}

static void run_outside(struct session_redis *c)
{
    struct comp_argv argv = {0};
    c->call = (struct redis_call){.resource = c->resource, .on_reply = on_outside_reply};
    c->calling = true;
    if (c->is_write)
        comp_call_run(&argv, &c->args.command, &c->use);
    redis_send(c->session->worker->redis, &c->call, c->is_write ? &argv : &c->args.command);
    comp_argv_fini(&argv);
}

/* --- from SQL to a command ------------------------------------------------------------------------------------------------- */

static void run_command(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_refusal refusal;
    bool in_tx = s->tx || !s->autocommit;
    if (!comp_command_check(&c->args.command, in_tx, &c->use, &refusal)) {
        redis_abandon(s);
        session_answer_error(s, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
        return;
    }
    c->shape = c->use.shape;
    c->is_write = c->use.class == COMP_CLASS_WRITE;
    session_enter(s, SESSION_REDIS, "call");
    if (c->is_write && in_tx)
        write_in_tx(s);
    else
        run_outside(c);
}

static void answer_unreadable(struct session *s, uint16_t code, const char *why)
{
    redis_abandon(s);
    session_answer_error(s, code, code == 1048 ? "23000" : "42000", "%s", why);
}

static void on_evaluated(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    char why[256];
    if (!s->redis || s->phase != SESSION_RUNNING)
        return;
    if (outcome->error) {
        redis_abandon(s);
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
        return;
    }
    uint16_t code = redis_args_complete(&s->redis->args, why, sizeof why);
    if (code)
        answer_unreadable(s, code, why);
    else
        run_command(s);
}

static void on_evaluated_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    if (s->redis && kind == WIRE_PACKET_ROW && !offset && part.len == frame_len)
        redis_args_take_row(&s->redis->args, part);
}

static const struct backend_sink evaluate_sink = {.frame = on_evaluated_frame, .done = on_evaluated};

static void evaluate(struct session *s)
{
    struct buf *text = &s->redis->args.select;
    backend_send_query(target_conn(s), (const char *)buf_at(text), buf_len(text), &evaluate_sink, s);
}

void redis_call_begin(struct session *s, const struct wire_param *params, unsigned n_params)
{
    struct session_redis *c = s->redis = calloc(1, sizeof *c);
    struct sql_call *call = calloc(1, sizeof *call);
    struct sql_context ctx;
    char why[256];
    uint16_t code = 1064;
    CHECK(c && call);
    c->session = s;
    s->world->count.redis_calls++;
    statement_context(s, &ctx);
    if (sql_call_read(&s->statement, &ctx, call, why, sizeof why)) {
        c->resource = (unsigned)config_redis(s->world->config, call->schema);
        c->as_do = call->form == SQL_CALL_DO;
        snprintf(c->alias, sizeof c->alias, "%s", call->alias);
        code = redis_args_read(&c->args, call, params, n_params, why, sizeof why);
    }
    sql_call_fini(call);
    free(call);
    if (code)
        answer_unreadable(s, code, why);
    else if (buf_len(&c->args.select))
        target_prepare(s, statement_home(s), false, evaluate);
    else
        run_command(s);
}
