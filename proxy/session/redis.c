/* CALL of a Redis command: arguments, then the command itself, outside a transaction with a look at the locks. Leaves writes in a
 * transaction to undo.c and replies' shapes to redis_rows.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/key_prefix.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/redis_rows.h"
#include "proxy/session/rights.h"
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
    call_evaluate_abandon(s);
    if (c->calling)
        redis_cancel(&c->call);
    waits_fini(&c->wait);
    redis_args_fini(&c->args);
    comp_series_fini(&c->series);
    if (c->watcher)
        redis_keep_end(c->watcher);
    free(c);
}

void redis_call_reply(struct session *s, const struct redisReply *reply)
{
    const struct session_redis *c = s->redis;
    if (reply)
        key_prefix_off(config_of(s, c->resource), c->use.row, reply);
    if (c->hearer)
        c->hearer->reply(s, reply);
    else if (reply)
        redis_rows_answer(s, reply, c->shape, c->as_do, c->alias, config_of(s, c->resource)->name);
    else
        redis_rows_nil(s, c->as_do, c->alias);
}

static void answer_word(struct session *s, const char *word)
{
    const struct session_redis *c = s->redis;
    if (c->hearer)
        c->hearer->word(s, word);
    else
        redis_rows_word(s, word, c->as_do, c->alias);
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
    else if (s->redis->wait.empty)
        redis_call_reply(s, NULL);
    else
        redis_call_error(s, 1205, "HY000", "Lock wait timeout exceeded; a key is held by another transaction", "");
}

static bool says(const struct redisReply *reply, enum comp_reply what)
{
    return redis_reply_kind(reply) == REDIS_ERROR && comp_reply_of_error(redis_reply_bytes(reply)) == what;
}

static void may_wait(struct session *s, const struct comp_keyset *held,
                     void (*on_turn)(struct session_wait *k, enum waits_turn turn))
{
    struct session_redis *c = s->redis;
    c->wait.session = s;
    c->wait.resource = c->resource;
    c->wait.command = &c->args.command;
    c->wait.use = &c->use;
    c->wait.held = held;
    c->wait.on_turn = on_turn;
}

bool redis_call_queues(struct session *s, const struct comp_keyset *held,
                       void (*on_turn)(struct session_wait *k, enum waits_turn turn))
{
    may_wait(s, held, on_turn);
    return waits_queue(&s->redis->wait);
}

enum waits_turn redis_call_refused(struct session *s, const struct redisReply *reply)
{
    struct slice owner, key;
    if (says(reply, COMP_REPLY_EMPTY)) {
        comp_streams_resume(&s->redis->args.command, redis_reply_bytes(reply));
        return waits_empty(&s->redis->wait, s->redis->use.timeout_ms);
    }
    CHECK(comp_reply_locked(redis_reply_bytes(reply), &owner, &key));
    return waits_refused(&s->redis->wait, owner);
}

/* --- outside a transaction, and reads ------------------------------------------------------------------------------------- */

void redis_call_failed(struct session *s, enum redis_result result, const char *why)
{
    if (result == REDIS_NOT_SENT)
        redis_call_error(s, 1105, "HY000", "unreachable, nothing was done", why);
    else /* never sent again: it may have been done */
        redis_call_error(s, 1105, "HY000", s->redis->is_write ? "outcome unknown: the reply was lost" : "the reply was lost", why);
}

/* A read inside a transaction may close a circle. */
static void stop_outside(struct session_redis *c, enum waits_turn turn)
{
    if (turn == WAITS_DEADLOCK)
        undo_die_of_deadlock(c->session);
    else
        redis_call_waited(c->session);
}

static void on_outside_turn(struct session_wait *k, enum waits_turn turn)
{
    struct session_redis *c = k->session->redis;
    if (turn == WAITS_ASK)
        run_outside(c);
    else
        stop_outside(c, turn);
}

static void on_outside_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    struct session *s = c->session;
    c->calling = false;
    if (result != REDIS_REPLIED) {
        redis_call_failed(s, result, why);
        return;
    }
    bool waits = c->asks_library && (says(reply, COMP_REPLY_LOCKED) || says(reply, COMP_REPLY_EMPTY));
    enum waits_turn turn = waits ? redis_call_refused(s, reply) : WAITS_ON;
    if (!waits)
        redis_call_reply(s, reply);
    else if (turn != WAITS_ON)
        stop_outside(c, turn);
}

/* Redis would let it read what it likes: the library keeps it to its keys, which are those that this user may read. */
static bool is_kept_to_keys(const struct session_redis *c)
{
    return comp_command_reads_by_script(c->use.row) && rights_are_limited(c->session, c->resource);
}

/* A read that waits for something to come, or past all locks. */
static void peek(struct session_redis *c, struct comp_argv *argv)
{
    may_wait(c->session, NULL, on_outside_turn);
    comp_call_peek(argv, &c->args.command, &c->use);
}

static void run_outside(struct session_redis *c)
{
    struct comp_argv argv = {0};
    c->call = (struct redis_call){.resource = c->resource, .slot = c->use.slot, .on_reply = on_outside_reply};
    c->calling = true;
    if (c->is_write && !c->is_raw)
        comp_call_run(&argv, &c->args.command, &c->use);
    else if (c->is_checked)
        comp_call_get(&argv, c->session->tx ? c->session->tx->gtrid.text : "", &c->args.command, &c->use);
    else if (c->use.waits || is_kept_to_keys(c))
        peek(c, &argv);
    c->asks_library = argv.n;
    c->call.says_anything = !c->asks_library && comp_command_reads_by_script(c->use.row);
    redis_send(c->session->worker->redis, &c->call, c->asks_library ? &argv : &c->args.command);
    comp_argv_fini(&argv);
}

bool redis_waits_for_lock(const struct session *s)
{
    return s->redis && s->redis->wait.rests;
}

bool redis_waits_for_data(const struct session *s)
{
    return redis_waits_for_lock(s) && s->redis->wait.empty;
}

void redis_stop_waiting(struct session *s)
{
    if (s->face->stop_waiting)
        s->face->stop_waiting(s);
    if (!redis_waits_for_lock(s))
        return;
    waits_leave(&s->redis->wait, false);
    s->redis->wait.on_turn(&s->redis->wait, WAITS_OVER);
}

/* --- from SQL to a command ------------------------------------------------------------------------------------------------- */

/* Its library may be missing where a resource is not fit for transactions: then nobody has locks there either. */
bool redis_reads_committed(const struct session *s, unsigned resource, const struct comp_command_use *use)
{
    int isolation = config_of(s, resource)->isolation;
    if (s->own[SESSION_OWN_REDIS_ISOLATION])
        isolation = s->own[SESSION_OWN_REDIS_ISOLATION];
    bool wants = isolation == CONFIG_ISOLATION_COMMITTED ||
                 (isolation == CONFIG_ISOLATION_IN_TRANSACTIONS && (s->tx || !s->autocommit));
    return wants && use->class == COMP_CLASS_READ && use->n_keys && s->world->redis.at[resource].usable == 1;
}

static bool reads_committed(const struct session *s)
{
    return redis_reads_committed(s, s->redis->resource, &s->redis->use);
}

/* What it waits for may wait for it. */
static void take_part(struct session *s)
{
    struct session_tx *tx = s->tx;
    if (tx && !tx->local && !tx->party.gtrid)
        waits_join(s->world->waits, &tx->party, tx->gtrid.text);
}

static void read_committed(struct session *s)
{
    take_part(s);
    s->redis->is_checked = true;
    struct session_resource *part = s->tx ? undo_find_part(s->tx, s->redis->resource, s->redis->use.slot) : NULL;
    if (!redis_call_queues(s, part ? &part->held : NULL, on_outside_turn))
        run_outside(s->redis);
}

bool redis_scripts_allowed(const struct session *s, unsigned resource, const struct comp_command *row)
{
    return !row->handler || strcmp(row->handler, "eval") || config_of(s, resource)->scripts == CONFIG_SCRIPTS_DECLARED;
}

static bool may_run_scripts(struct session *s, const struct session_redis *c)
{
    if (redis_scripts_allowed(s, c->resource, c->use.row))
        return true;
    redis_call_error(s, 1235, "42000", "scripts are off", REDIS_SCRIPTS_OFF);
    return false;
}

static bool in_transaction(const struct session *s)
{
    return s->tx || !s->autocommit;
}

/* Past all locks, where the resource says so; but for what only the proxy's functions can do. */
bool redis_is_raw(const struct session *s, unsigned resource, const struct comp_command_use *use)
{
    return config_of(s, resource)->autocommit == CONFIG_AUTOCOMMIT_RAW && !in_transaction(s) && !use->waits &&
           comp_command_can_wait(use);
}

/* Writes wait for the decision. Outside a transaction there is none to wait for. */
static bool holds_writes(const struct session *s)
{
    return in_transaction(s) && (s->redis->asked_held || s->own[SESSION_OWN_REDIS_WRITES]);
}

/* Where the session holds what it can, the rest is done at once, as it is else. */
static bool is_held(const struct session *s)
{
    return holds_writes(s) && (s->redis->asked_held || comp_command_can_wait(&s->redis->use));
}

static void hold(struct session *s)
{
    const struct session_redis *c = s->redis;
    if (!comp_command_can_wait(&c->use))
        session_answer_error(s, 1235, "42000", "Redis command %s cannot be held: it is no write that could as well be done later",
                             c->use.row->name);
    else if (actions_hold(s, config_of(s, c->resource), &c->args.command))
        answer_word(s, "QUEUED");
}

/* A message cannot be unsaid. */
bool redis_waits_to_publish(const struct session *s, unsigned resource, struct slice name)
{
    return config_of(s, resource)->publish == CONFIG_PUBLISH_ON_COMMIT &&
           (slice_is_word(name, "PUBLISH") || slice_is_word(name, "SPUBLISH"));
}

static void run_command(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_refusal *refusal = &c->unknown;
    c->asked_held = c->asked_held || redis_waits_to_publish(s, c->resource, comp_argv_at(&c->args.command, 0));
    if (comp_command_check(&c->args.command, in_transaction(s) && !holds_writes(s), &c->use, refusal))
        redis_call_known(s);
    else if (refusal->code == 1305)
        redis_learn(s);
    else
        session_answer_error(s, (uint16_t)refusal->code, refusal->sqlstate, "%s", refusal->text);
}

/* Once, however a script is spelled afterwards. What is held keeps the keys as they were said. */
void redis_call_known(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_refusal refusal;
    if (rights_refuse_command(s, c->resource, &c->args.command, &c->use))
        return;
    if (is_held(s) || key_prefix_add(config_of(s, c->resource), &c->args.command, &c->use, &refusal))
        redis_call_checked(s);
    else
        session_answer_error(s, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
}

void redis_call_checked(struct session *s)
{
    struct session_redis *c = s->redis;
    struct comp_refusal refusal;
    if (!may_run_scripts(s, c))
        return;
    if (config_of(s, c->resource)->mode == CONFIG_REDIS_CLUSTER &&
        !comp_command_slot(&c->args.command, &c->use, &refusal)) {
        session_answer_error(s, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
        return;
    }
    if (redis_script(s, reads_committed(s) || rights_are_limited(s, c->resource)))
        return;
    c->shape = c->use.shape;
    c->is_write = c->use.class == COMP_CLASS_WRITE;
    c->is_raw = redis_is_raw(s, c->resource, &c->use);
    session_enter(s, SESSION_REDIS, "call");
    if (c->is_write && s->xa)
        session_answer_error(s, 1399, "XAE07",
                             "XAER_RMFAIL: Redis writes cannot take part in an XA transaction of the client's own:"
                             " it is one server's");
    else if (is_held(s))
        hold(s);
    else if (c->is_write && in_transaction(s))
        undo_write(s);
    else if (reads_committed(s))
        read_committed(s);
    else if (!c->is_write || c->is_raw || !redis_call_queues(s, NULL, on_outside_turn))
        run_outside(c);
}

static void answer_unreadable(struct session *s, uint16_t code, const char *why)
{
    session_answer_error(s, code, code == 1048 ? "23000" : "42000", "%s", why);
}

static void on_evaluated(struct session *s)
{
    char why[256];
    uint16_t code = redis_args_complete(&s->redis->args, why, sizeof why);
    if (code)
        answer_unreadable(s, code, why);
    else
        run_command(s);
}

struct session_redis *redis_call_new(struct session *s, unsigned resource, struct comp_argv *command,
                                     const struct redis_hearer *hearer)
{
    struct session_redis *c = s->redis = calloc(1, sizeof *c);
    CHECK(c);
    c->session = s;
    c->resource = resource;
    c->hearer = hearer;
    c->args.command = *command;
    *command = (struct comp_argv){0};
    s->world->count.redis_calls++;
    return c;
}

void redis_call_run(struct session *s, unsigned resource, struct comp_argv *command, const struct redis_hearer *hearer)
{
    (void)redis_call_new(s, resource, command, hearer);
    run_command(s);
}

void redis_call_pass(struct session *s, unsigned resource, struct comp_argv *command, const struct redis_hearer *hearer)
{
    struct session_redis *c = redis_call_new(s, resource, command, hearer);
    redis_script_flush(s);
    c->use.slot = COMP_SLOT_ALONE;
    session_enter(s, SESSION_REDIS, "as it is");
    run_outside(c);
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
        c->asked_held = !strcasecmp(call->name, "HELD");
        c->as_do = call->form == SQL_CALL_DO;
        snprintf(c->alias, sizeof c->alias, "%s", call->alias);
        code = redis_args_read(&c->args, call, params, n_params, why, sizeof why);
    }
    sql_call_fini(call);
    free(call);
    if (code)
        answer_unreadable(s, code, why);
    else
        call_evaluate(s, &c->args.args, c->args.args.n_open ? on_evaluated : run_command);
}
