/* CALL of a Redis command: arguments, then the command itself, outside a transaction with a look at the locks. Leaves writes in a
 * transaction to undo.c and replies' shapes to redis_rows.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/redis_rows.h"
#include "proxy/session/tx.h"

static void run_outside(struct session_redis *c);

static const struct config_redis *config_of(const struct session *s, unsigned resource)
{
    return &s->world->config->redis[resource];
}

/* --- the CALL ----------------------------------------------------------------------------------------------------------- */

void redis_abandon(struct session *s)
{
    struct session_redis *c = s->redis;
    if (!c)
        return;
    s->redis = NULL;
    if (c->calling)
        redis_cancel(&c->call);
    net_timer_fini(&c->timer);
    redis_args_fini(&c->args);
    free(c);
}

void redis_call_reply(struct session *s, const struct redisReply *reply)
{
    const struct session_redis *c = s->redis;
    redis_rows_answer(s, reply, c->shape, c->as_do, c->alias, config_of(s, c->resource)->name);
}

void redis_call_error(struct session *s, uint16_t code, const char *sqlstate, const char *what, const char *why)
{
    const char *name = config_of(s, s->redis->resource)->name;
    session_answer_error(s, code, sqlstate, "Redis resource %s: %s%s%s", name, what, *why ? ": " : "", why);
}

void redis_call_waited(struct session *s)
{
    if (s->killed)
        kill_answer(s);
    else
        redis_call_error(s, 1205, "HY000", "Lock wait timeout exceeded; a key is held by another transaction", "");
}

int64_t redis_lock_pause(int64_t before_ms)
{
    return before_ms ? (before_ms < 80 ? before_ms * 2 : 80) : 10;
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
    if (now >= c->lock_deadline_ms || s->killed)
        return false;
    if (!c->timer.loop)
        net_timer_init(&c->timer, s->worker->loop, on_outside_timer, c);
    c->pause_ms = redis_lock_pause(c->pause_ms);
    net_timer_start(&c->timer, c->pause_ms);
    return true;
}

static void on_outside_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    struct session *s = c->session;
    c->calling = false;
    if (result == REDIS_NOT_SENT) {
        redis_call_error(s, 1105, "HY000", "unreachable, nothing was done", why);
        return;
    }
    if (result == REDIS_LOST) {
        /* never sent again: it may have been done */
        redis_call_error(s, 1105, "HY000", c->is_write ? "outcome unknown: the reply was lost" : "the reply was lost", why);
        return;
    }
    bool locked = redis_reply_kind(reply) == REDIS_ERROR &&
                  comp_reply_of_error(redis_reply_bytes(reply)) == COMP_REPLY_LOCKED;
    if (!locked)
        redis_call_reply(s, reply);
    else if (!wait_outside(c))
        redis_call_waited(s);
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

bool redis_waits_for_lock(const struct session *s)
{
    const struct session_redis *c = s->redis;
    return c && !c->calling && (c->lock_deadline_ms || undo_waits_for_lock(s));
}

void redis_stop_waiting(struct session *s)
{
    if (!redis_waits_for_lock(s))
        return;
    if (s->redis->lock_deadline_ms)
        kill_answer(s);
    else
        undo_stop_waiting(s);
}

/* --- from SQL to a command ------------------------------------------------------------------------------------------------- */

static void run_command(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_refusal refusal;
    bool in_tx = s->tx || !s->autocommit;
    if (!comp_command_check(&c->args.command, in_tx, &c->use, &refusal)) {
        session_answer_error(s, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
        return;
    }
    c->shape = c->use.shape;
    c->is_write = c->use.class == COMP_CLASS_WRITE;
    session_enter(s, SESSION_REDIS, "call");
    if (c->is_write && s->xa)
        session_answer_error(s, 1399, "XAE07",
                             "XAER_RMFAIL: Redis writes cannot take part in an XA transaction of the client's own:"
                             " it is one server's");
    else if (c->is_write && in_tx)
        undo_write(s);
    else
        run_outside(c);
}

static void answer_unreadable(struct session *s, uint16_t code, const char *why)
{
    session_answer_error(s, code, code == 1048 ? "23000" : "42000", "%s", why);
}

static void on_evaluated(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    char why[256];
    if (!s->redis || s->phase != SESSION_RUNNING)
        return;
    if (!tx_note_question(s, outcome))
        return;
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

static const struct backend_sink evaluate_sink = {.frame = on_evaluated_frame, .done = on_evaluated, .lost = target_on_lost};

static void evaluate(struct session *s)
{
    struct buf *text = &s->redis->args.select;
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(text), buf_len(text), &evaluate_sink, s);
}

/* What the arguments read is read like any SELECT. False: answered. */
static bool may_evaluate(struct session *s)
{
    static _Thread_local struct sql_statement select;
    struct sql_context ctx;
    struct slice rest = {buf_at(&s->redis->args.select), buf_len(&s->redis->args.select)};
    statement_context(s, &ctx);
    return !sql_next_statement(&rest, &ctx, &select) || !rights_refuse_statement(s, &select);
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
    if (sql_call_read(s->statement, &ctx, call, why, sizeof why)) {
        c->resource = (unsigned)config_redis(s->world->config, call->schema);
        c->as_do = call->form == SQL_CALL_DO;
        snprintf(c->alias, sizeof c->alias, "%s", call->alias);
        code = redis_args_read(&c->args, call, params, n_params, why, sizeof why);
    }
    sql_call_fini(call);
    free(call);
    if (code)
        answer_unreadable(s, code, why);
    else if (buf_len(&c->args.select) && !may_evaluate(s))
        return;
    else if (buf_len(&c->args.select))
        target_prepare(s, statement_home(s), false, evaluate);
    else
        run_command(s);
}
