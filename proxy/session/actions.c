/* CALL xa.on_commit, on_rollback, options, retry, dismiss: what is to be done when the transaction has its outcome goes into the
 * journal at once, and the transaction's decision settles it. Leaves checking bodies to action_body.c, sagas to saga.c, and doing
 * it to the resolver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/options.h"
#include "proxy/journal/actions.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"
#include "proxy/session/xa_call.h"

/* --- where it may be said ----------------------------------------------------------------------------------------------- */

static bool refuse(struct session *s, uint16_t code, const char *sqlstate, const char *why)
{
    session_answer_error(s, code, sqlstate, "%s", why);
    return false;
}

static bool is_alone(const struct session *s)
{
    return !s->tx && s->autocommit;
}

static bool may_register(struct session *s, enum action_on on)
{
    if (s->xa)
        return refuse(s, 1399, "XAE07",
                      "XAER_RMFAIL: actions cannot be registered in an XA transaction of the client's own: it is one server's");
    if (s->tx && s->tx->local && !s->saga)
        return refuse(s, 1235, "42000", "actions cannot be registered in a transaction that is local to one server");
    if (s->tx ? s->tx->read_only : s->read_only)
        return refuse(s, 1792, "25006", "Cannot execute statement in a READ ONLY transaction");
    if (on == ACTION_ON_ROLLBACK && is_alone(s))
        return refuse(s, 1235, "42000", "xa.on_rollback belongs to a transaction: there is none that could be rolled back");
    return true;
}

/* --- options ------------------------------------------------------------------------------------------------------------ */

void actions_options(struct session *s, const struct call_args *args)
{
    struct action scratch;
    struct slice text = call_args_at(args, 0);
    char why[160];
    action_init(&scratch, ACTION_ON_COMMIT, ACTION_SQL);
    if (!action_options_read(text, &scratch, why, sizeof why)) {
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to xa.options: %s", why);
        return;
    }
    free(s->action_options);
    s->action_options = slice_dup(text);
    session_answer_ok(s);
}

/* They are for this one action, whatever becomes of it. */
static void take_options(struct session *s, struct action *a)
{
    char why[160];
    const char *text = s->action_options;
    if (text)
        CHECK(action_options_read((struct slice){(const uint8_t *)text, strlen(text)}, a, why, sizeof why));
    free(s->action_options);
    s->action_options = NULL;
}

/* --- registering -------------------------------------------------------------------------------------------------------- */

static void answer_id(struct session *s)
{
    static const struct wire_column column = {.name = "id", .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY,
                                              .length = 21,
                                              .flags = WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY | WIRE_COLUMN_NOT_NULL};
    char text[24];
    struct slice value = {(const uint8_t *)text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)s->action_id)};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    session_answer_rows_end(s, &rs);
}

static void on_armed(struct session_tx *tx)
{
    if (tx->session->phase == SESSION_RUNNING)
        answer_id(tx->session);
}

static void own(struct session_tx *tx, struct action *a)
{
    struct session *s = tx->session;
    _Static_assert(CONFIG_USER_MAX <= ACTION_USER_MAX, "an action carries it whole");
    snprintf(a->user, sizeof a->user, "%s", s->user->name);
    if (s->saga) {
        saga_own(s->saga, tx, a);
    } else {
        snprintf(a->owner, sizeof a->owner, "%s", tx->gtrid.text);
        a->seq = ++tx->last_action;
    }
}

void tx_has_actions(struct session_tx *tx)
{
    if (!tx->actions)
        tx_event(tx, &(struct xa_event){.kind = XA_EVENT_ACTION, .branch = XA_NO_BRANCH});
    tx->actions = true;
}

/* False: answered. */
static bool arm(struct session_tx *tx, struct action *a, wal_pos *at)
{
    struct session *s = tx->session;
    own(tx, a);
    if (!journal_action_arm(s->world->journal, a, at))
        return refuse(s, 1041, "HY000", "Out of resources: there is no room for another action in the transaction log");
    s->action_id = a->id;
    if (a->on == ACTION_ON_ROLLBACK)
        tx->last_undo = a->seq;
    tx->undoes_aside = tx->undoes_aside || (a->on == ACTION_ON_ROLLBACK && a->parallel);
    tx_has_actions(tx);
    return true;
}

/* What waits for a commit needs no wait here: its record lies before the decision. What undoes something must be known before it
 * is done: by a saga's step, whose decision follows too, or by whoever heard that it is registered. */
static void register_action(struct session *s, struct action *a)
{
    bool alone = is_alone(s);
    struct session_tx *tx = alone ? tx_new(s) : tx_open(s);
    wal_pos at;
    if (!arm(tx, a, &at)) {
        if (alone)
            tx_free(tx);
    } else if (alone) {
        s->after_rollback = answer_id;
        tx_commit(s, SESSION_AFTER_CALL);
    } else if (a->on == ACTION_ON_ROLLBACK && !s->saga && at > wal_durable(journal_wal(s->world->journal))) {
        tx_wait_durable(tx, at, on_armed);
    } else {
        answer_id(s);
    }
}

/* In a step on a server without XA nothing may be done before it is known whether that has committed there. */
static bool may_be_in_step(struct session *s, const struct action *a)
{
    if (!s->saga || !s->tx || !s->tx->local)
        return true;
    if (a->parallel && a->on == ACTION_ON_ROLLBACK)
        return refuse(s, 1235, "42000", "in a step on a server without XA xa.on_rollback keeps its order: it cannot be parallel");
    return local_step_may_mark(s);
}

static bool may_run_once(struct session *s, const struct action *a)
{
    const struct config_account *account =
        a->kind == ACTION_SQL ? config_account(s->world->config, s->user->name, a->resource) : NULL;
    if (!account || a->idempotent || backends_barrier(&s->world->backends, account) >= 0)
        return true;
    backends_doubt_barrier(&s->world->backends, account);
    session_answer_error(s, 1235, "42000",
                         "your account on backend '%s' may not use the barrier table, so that an action could run there twice: "
                         "let it (docs/operating.md; this is looked at again at once), or say "
                         "CALL xa.options('{\"idempotent\":true}') first",
                         a->resource);
    return false;
}

static void on_call(struct session *s, const struct call_args *args, enum action_on on)
{
    struct action a;
    struct action_value *values = calloc(args->n, sizeof *values);
    CHECK(values);
    action_init(&a, on, ACTION_SQL);
    a.args = values;
    take_options(s, &a);
    if (may_register(s, on) && action_body_read(s, args, &a) && may_be_in_step(s, &a) && may_run_once(s, &a))
        register_action(s, &a);
    free(values);
}

void actions_on_commit(struct session *s, const struct call_args *args)
{
    on_call(s, args, ACTION_ON_COMMIT);
}

void actions_on_rollback(struct session *s, const struct call_args *args)
{
    on_call(s, args, ACTION_ON_ROLLBACK);
}

/* --- Redis commands that wait for the decision -------------------------------------------------------------------------- */

static bool fits(struct session *s, const struct action *a)
{
    if (action_fits(a))
        return true;
    session_answer_error(s, 1153, "08S01", "a held command, with its arguments, is at most %d bytes", ACTION_BYTES_MAX);
    return false;
}

bool actions_hold(struct session *s, const struct config_redis *resource, const struct comp_argv *command)
{
    struct action a;
    struct action_value *values = calloc(command->n, sizeof *values);
    wal_pos at;
    CHECK(values);
    action_init(&a, ACTION_ON_COMMIT, ACTION_REDIS);
    snprintf(a.resource, sizeof a.resource, "%s", resource->name);
    action_set_prefix(&a, resource);
    a.body = comp_argv_at(command, 0);
    a.args = values;
    a.n_args = (uint32_t)command->n - 1;
    for (uint32_t i = 0; i < a.n_args; i++)
        values[i] = (struct action_value){.kind = ACTION_BYTES, .bytes = comp_argv_at(command, i + 1)};
    bool held = may_register(s, ACTION_ON_COMMIT) && fits(s, &a) && may_be_in_step(s, &a) && arm(tx_open(s), &a, &at);
    free(values);
    return held;
}

/* --- the end of the transaction ----------------------------------------------------------------------------------------- */

void actions_tx_ended(struct session_tx *tx)
{
    struct session *s = tx->session;
    if (!tx->actions)
        return;
    if (s->saga)
        saga_tx_ended(s, tx);
    else if (!tx->machine.decided)
        journal_outcome(s->world->journal, tx->gtrid.text, false);
}

uint32_t actions_mark(const struct session_tx *tx)
{
    return tx->session->saga ? saga_mark(tx->session->saga) : tx->last_action;
}

void actions_back_to(struct session_tx *tx, uint32_t mark)
{
    struct session *s = tx->session;
    if (tx->last_undo > mark)
        tx->last_undo = 0;
    if (tx->actions)
        journal_actions_forget(s->world->journal, s->saga ? saga_gtrid(s->saga) : tx->gtrid.text, mark + 1);
}

/* --- those that were given up ------------------------------------------------------------------------------------------- */

static bool take_id(struct session *s, const struct call_args *args, uint64_t *id)
{
    char text[24], *end = text;
    struct slice given = call_args_at(args, 0);
    snprintf(text, sizeof text, "%.*s", given.at && given.len < sizeof text ? (int)given.len : 0, (const char *)given.at);
    *id = *text == '-' ? 0 : strtoull(text, &end, 10);
    return (*id && !*end) || refuse(s, 1210, "HY000", "the id of an action is a whole number");
}

/* A user knows of its own actions only. */
static bool is_ones_own(struct session *s, uint64_t id)
{
    struct action *a = journal_action_find(s->world->journal, id);
    bool own = a && !strcmp(a->user, s->user->name);
    action_free(a);
    if (!own)
        session_answer_error(s, 1305, "42000", "ACTION %llu does not exist", (unsigned long long)id);
    return own;
}

static void on_said(struct session_tx *tx)
{
    struct session *s = tx->session;
    tx_free(tx);
    session_answer_ok(s);
}

static void on_said_within(struct session_tx *tx)
{
    if (tx->session->phase == SESSION_RUNNING)
        session_answer_ok(tx->session);
}

/* Its record is waited for as a transaction's is; what SET TRANSACTION said is for the next one. */
static void wait_said(struct session *s, wal_pos at)
{
    struct session_characteristics next = s->one_shot;
    struct session_tx *tx = tx_new(s);
    s->one_shot = next;
    tx_wait_durable(tx, at, on_said);
}

static void answer_asked(struct session *s, uint64_t id, enum action_asked said, wal_pos at)
{
    static const char *const texts[] = {[ACTION_ASKED_UNKNOWN] = "does not exist", [ACTION_ASKED_RUNNING] = "is being done",
                                        [ACTION_ASKED_ARMED] = "waits for the outcome of its transaction",
                                        [ACTION_ASKED_NOT_DEAD] = "was not given up"};
    if (said == ACTION_ASKED_OK && !s->tx)
        wait_said(s, at);
    else if (said == ACTION_ASKED_OK)
        tx_wait_durable(s->tx, at, on_said_within);
    else
        session_answer_error(s, said == ACTION_ASKED_UNKNOWN ? 1305 : 1235, "42000", "ACTION %llu %s", (unsigned long long)id,
                             texts[said]);
}

void actions_retry(struct session *s, const struct call_args *args)
{
    uint64_t id;
    wal_pos at;
    if (!take_id(s, args, &id) || !is_ones_own(s, id))
        return;
    enum action_asked said = journal_action_retry(s->world->journal, id, &at);
    answer_asked(s, id, said, at);
}

void actions_dismiss(struct session *s, const struct call_args *args)
{
    uint64_t id;
    wal_pos at;
    char why[200];
    struct slice said = call_args_at(args, 1);
    if (!take_id(s, args, &id))
        return;
    if (!said.at || !said.len) {
        session_answer_error(s, 1210, "HY000", "whoever dismisses an action says why");
        return;
    }
    snprintf(why, sizeof why, "%s: %.*s", s->user->name, (int)(said.len < 150 ? said.len : 150), (const char *)said.at);
    if (!is_ones_own(s, id))
        return;
    enum action_asked asked = journal_action_dismiss(s->world->journal, id, why, &at);
    answer_asked(s, id, asked, at);
}
