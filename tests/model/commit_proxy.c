/* The proxy of the model: the performer around xa_step, its log and registry, and its death. The mistakes that the
 * model must catch are made here and in the resolver, around the machine, never in it. */
#include <string.h>

#include "base/check.h"
#include "tests/model/commit_world.h"

#define TRACKED 0x10
#define WROTE 0x20

/* --- struct xa_tx in few bytes --- */

void proxy_unpack(const struct world *w, struct xa_tx *tx)
{
    xa_tx_init(tx, scene->one_phase_off);
    tx->state = w->tx_state;
    tx->redis = w->tx_redis;
    tx->answer = w->tx_answer;
    tx->answer_due = w->tx_answer_due;
    tx->decided = w->tx_decided;
    tx->actions = scene->actions && mutant != MUTANT_ACTION_UNTOLD;
    tx->n_branches = scene->n_servers;
    for (unsigned i = 0; i < scene->n_servers; i++)
        tx->branch[i] = (struct xa_branch){w->tx_branch[i] & 0xf, w->tx_branch[i] & TRACKED, w->tx_branch[i] & WROTE};
}

static void pack(struct world *w, const struct xa_tx *tx)
{
    w->tx_state = tx->state;
    w->tx_redis = tx->redis;
    w->tx_answer = tx->answer;
    w->tx_answer_due = tx->answer_due;
    w->tx_decided = tx->decided;
    for (unsigned i = 0; i < scene->n_servers; i++)
        w->tx_branch[i] = (uint8_t)(tx->branch[i].state | (tx->branch[i].tracked ? TRACKED : 0) |
                                    (tx->branch[i].wrote ? WROTE : 0));
}

static void breach(struct world *w, enum breach what)
{
    if (!w->broken)
        w->broken = what;
}

/* --- the client's transaction: every branch started, Redis written to, all results in --- */

static void start_branch(struct world *w, struct xa_tx *tx, unsigned i)
{
    struct xa_actions none = {.n = 0};
    const struct scene_server *truth = &scene->server[i];
    xa_step(tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_STARTED, .branch = i}, &none);
    if (truth->tracked || mutant == MUTANT_UNPROVEN_READER)
        xa_step(tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_TRACKED, .branch = i}, &none);
    if (truth->tracked && truth->writes)
        xa_step(tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_WROTE, .branch = i}, &none);
    w->server[i].branch = BRANCH_ACTIVE;
    w->server[i].socket = true;
    w->server[i].thread = THREAD_LIVES;
    w->server[i].restarted = false;
}

void proxy_begin(struct world *w)
{
    struct xa_tx tx;
    xa_tx_init(&tx, scene->one_phase_off);
    for (unsigned i = 0; i < scene->n_servers; i++)
        start_branch(w, &tx, i);
    if (scene->redis) {
        xa_step(&tx, &(struct xa_event){.kind = XA_EVENT_REDIS_WROTE}, &(struct xa_actions){.n = 0});
        w->redis.place = REDIS_UNDO;
    }
    if (scene->actions)
        xa_step(&tx, &(struct xa_event){.kind = XA_EVENT_ACTION}, &(struct xa_actions){.n = 0});
    pack(w, &tx);
    w->life = LIFE_LIVE;
}

/* --- actions --- */

static void send_request(struct world *w, unsigned i, enum request what)
{
    struct server *s = &w->server[i];
    if (s->socket && (s->request || s->reply_to))
        breach(w, BREACH_TWO_REQUESTS);
    if (s->socket && s->thread)
        s->request = what;
}

static void close_branch(struct world *w, unsigned i)
{
    w->server[i].socket = false;
    w->server[i].reply_to = w->server[i].reply = 0;
}

static void send_redis(struct world *w, enum redis_request what)
{
    if (w->redis.request || w->redis.reply_to)
        breach(w, BREACH_TWO_REQUESTS);
    w->redis.request = what;
}

static bool all_written(const struct world *w)
{
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (scene->server[i].writes && w->server[i].outcome != OUTCOME_COMMITTED)
            return false;
    return !scene->redis || w->redis.place == REDIS_KEPT;
}

static void answer(struct world *w, enum xa_answer what)
{
    if (w->client != CLIENT_WAITS)
        breach(w, BREACH_ANSWER_TO_NOBODY);
    if (what == XA_ANSWER_COMMITTED && !all_written(w))
        breach(w, BREACH_FALSE_COMMITTED);
    if (what == XA_ANSWER_COMMITTED_LATER && w->decision != LOG_SYNCED)
        breach(w, BREACH_FALSE_LATER);
    if (what == XA_ANSWER_HEURISTIC)
        breach(w, BREACH_FALSE_HEURISTIC);
    w->client = CLIENT_ANSWERED;
    w->answer = what;
}

void proxy_append_done(struct world *w)
{
    if (!all_written(w))
        breach(w, BREACH_DONE_EARLY);
    w->done = LOG_APPENDED;
    w->registered = REGISTERED_NO;
    w->settled = 0;
}

static void append_decision(struct world *w, const struct xa_tx *tx)
{
    if (w->log_full)
        return;
    if (scene->actions)
        w->actions.on_commit = LOG_APPENDED;
    w->decision = LOG_APPENDED;
    if (mutant == MUTANT_ACTION_BEFORE_DURABLE)
        w->actions.due = DUE_ON_COMMIT;
    w->registered = mutant == MUTANT_UNSYNCED_NOT_LIVE ? REGISTERED_NO : REGISTERED_SESSION;
    for (unsigned i = 0; i < scene->n_servers; i++)
        w->in_decision |= xa_branch_reads_only(&tx->branch[i]) ? 0 : (uint8_t)(1u << i);
    if (tx->redis == XA_REDIS_VOTED)
        w->in_decision |= REDIS_BIT;
    if (mutant == MUTANT_ANSWER_BEFORE_DURABLE)
        answer(w, XA_ANSWER_COMMITTED_LATER);
}

void proxy_settled(struct world *w, uint8_t bit)
{
    if (w->registered == REGISTERED_NO || !(w->in_decision & bit))
        return;
    w->settled |= bit;
    if (w->settled == w->in_decision)
        proxy_append_done(w);
}

static void hand_over(struct world *w, const struct xa_tx *tx)
{
    if (!tx->decided || mutant == MUTANT_HAND_OVER_IGNORED)
        return;
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (tx->branch[i].state == XA_BRANCH_SETTLED)
            proxy_settled(w, (uint8_t)(1u << i));
    if (tx->redis == XA_REDIS_SETTLED)
        proxy_settled(w, REDIS_BIT);
    w->registered = REGISTERED_RESOLVER;
}

/* What the runner learns from the living: of the commit when it is durable, of a rollback when the transaction leaves. */
static void tell_runner(struct world *w)
{
    if (scene->actions && !w->actions.due)
        w->actions.due = w->decision == LOG_SYNCED ? DUE_ON_COMMIT : DUE_ON_ROLLBACK;
}

void proxy_run_action(struct world *w)
{
    w->actions.committed_ran = w->actions.due == DUE_ON_COMMIT;
    w->actions.rolled_back_ran = w->actions.due == DUE_ON_ROLLBACK;
}

/* Connections whose branch has ended go back to the pool; where the server side is gone, the pool will see. */
static void forget(struct world *w)
{
    for (unsigned i = 0; i < scene->n_servers; i++) {
        struct server *s = &w->server[i];
        if (s->socket && s->thread && s->branch != BRANCH_GONE && s->request != REQUEST_RELEASE)
            breach(w, BREACH_DIRTY_CONNECTION);
        s->socket = s->socket && s->thread;
    }
    w->life = LIFE_FORGOTTEN;
    w->tx_state = w->tx_redis = w->tx_answer = w->tx_answer_due = w->tx_decided = 0;
    memset(w->tx_branch, 0, sizeof w->tx_branch);
}

static void perform(struct world *w, const struct xa_tx *tx, const struct xa_action *a)
{
    static const uint8_t request_of[] = {
        [XA_ACTION_END_PREPARE] = REQUEST_PREPARE,       [XA_ACTION_ONE_PHASE] = REQUEST_ONE_PHASE,
        [XA_ACTION_COMMIT] = REQUEST_COMMIT,             [XA_ACTION_END_ROLLBACK] = REQUEST_END_ROLLBACK,
        [XA_ACTION_ROLLBACK] = REQUEST_ROLLBACK,         [XA_ACTION_RELEASE] = REQUEST_RELEASE,
    };
    if (a->kind == XA_ACTION_RELEASE && tx->state != XA_TX_ENDED && tx->state != XA_TX_ROLLING_BACK && !tx->decided)
        breach(w, BREACH_READER_EARLY);
    switch (a->kind) {
    case XA_ACTION_CLOSE: close_branch(w, a->branch); break;
    case XA_ACTION_HAND_OVER: hand_over(w, tx); break;
    case XA_ACTION_REDIS_VOTE: send_redis(w, REDIS_ASK_VOTE); break;
    case XA_ACTION_REDIS_COMMIT: send_redis(w, REDIS_ASK_KEEP); break;
    case XA_ACTION_REDIS_ROLLBACK: send_redis(w, REDIS_ASK_UNDO); break;
    case XA_ACTION_APPEND_DECISION: append_decision(w, tx); break;
    case XA_ACTION_APPEND_DONE:
        if (!w->done)
            proxy_append_done(w);
        break;
    case XA_ACTION_ANSWER:
        if (mutant != MUTANT_LATE_ANSWER_DROPPED || a->answer != XA_ANSWER_COMMITTED_LATER)
            answer(w, a->answer);
        break;
    case XA_ACTION_FORGET:
        tell_runner(w);
        forget(w);
        break;
    default: send_request(w, a->branch, request_of[a->kind]);
    }
}

/* --- mistakes made with events --- */

static struct xa_event mistaken(const struct xa_tx *tx, struct xa_event e)
{
    enum xa_branch_state state = e.kind == XA_EVENT_LOST ? tx->branch[e.branch].state : XA_BRANCH_ACTIVE;
    if ((mutant == MUTANT_LOST_PREPARE_IS_YES && state == XA_BRANCH_PREPARING) ||
        (mutant == MUTANT_LOST_ONE_PHASE_IS_OK && state == XA_BRANCH_ONE_PHASE))
        return (struct xa_event){.kind = XA_EVENT_REPLY, .branch = e.branch, .verdict = XA_VERDICT_OK};
    if (mutant == MUTANT_REDIS_VOTE_IGNORED && e.kind == XA_EVENT_REDIS_VOTE)
        e.yes = true;
    return e;
}

/* A second event that the mistaken performer adds to the first; false: none. */
static bool added_mistake(const struct xa_tx *tx, const struct xa_event *e, struct xa_event *more)
{
    if (tx->state != XA_TX_DECIDING)
        return false;
    if (mutant == MUTANT_COMMIT_BEFORE_DURABLE)
        *more = (struct xa_event){.kind = XA_EVENT_DURABLE};
    else if (mutant == MUTANT_ROLLBACK_AFTER_DECISION && e->kind == XA_EVENT_LOST)
        *more = (struct xa_event){.kind = XA_EVENT_NO_ROOM};
    else
        return false;
    return true;
}

/* --- an event --- */

static void perform_until(struct world *w, const struct xa_tx *tx, const struct xa_actions *todo, unsigned end)
{
    for (unsigned n = 0; n < end; n++) {
        bool last = n + 1 == todo->n, forget_it = todo->action[n].kind == XA_ACTION_FORGET;
        if (forget_it != (last && tx->state == XA_TX_ENDED))
            breach(w, BREACH_FORGET_NOT_LAST);
        perform(w, tx, &todo->action[n]);
    }
}

unsigned proxy_feed(struct world *w, struct xa_event event, unsigned cut, unsigned kept)
{
    struct xa_tx tx;
    struct xa_event more;
    struct xa_actions todo = {.n = 0};
    proxy_unpack(w, &tx);
    event = mistaken(&tx, event);
    xa_step(&tx, &event, &todo);
    if (mutant == MUTANT_DONE_EARLY && event.kind == XA_EVENT_DURABLE)
        proxy_append_done(w);
    if (mutant == MUTANT_UNSYNCED_NOT_LIVE && event.kind == XA_EVENT_DURABLE)
        w->registered = REGISTERED_SESSION;
    if (mutant == MUTANT_ACTION_ON_ROLLBACK_EARLY && event.kind == XA_EVENT_COMMIT)
        w->actions.due = DUE_ON_ROLLBACK;
    if (event.kind == XA_EVENT_DURABLE)
        tell_runner(w);
    pack(w, &tx);
    perform_until(w, &tx, &todo, cut && cut < todo.n ? cut : todo.n);
    if (added_mistake(&tx, &event, &more))
        return proxy_feed(w, more, cut, kept);
    if (cut)
        proxy_crash(w, kept);
    return todo.n;
}

/* --- death and restart --- */

/* What is on the wire or in a server's buffer outlives the proxy; what it had read or remembered does not. */
static void crash_at_server(struct server *s)
{
    s->socket = false;
    s->reply_to = s->reply = 0;
    server_give_up_asked(s);
    resolver_idle(s);
}

static void crash_at_redis(struct redis *r)
{
    if (r->request == REDIS_ASK_KEEP || r->request == REDIS_ASK_UNDO)
        r->late |= (uint8_t)(1u << r->request);
    r->request = r->reply_to = r->yes = 0;
}

/* In their order; true: torn off. */
static bool torn(uint8_t *place, unsigned *kept)
{
    if (*place != LOG_APPENDED)
        return false;
    if (*kept && (*kept)--)
        return false;
    *place = LOG_NOTHING;
    return true;
}

static void tear_off(struct world *w, unsigned kept)
{
    if (mutant == MUTANT_ACTION_BEHIND_DECISION) {
        torn(&w->decision, &kept);
        torn(&w->actions.on_commit, &kept);
    } else {
        torn(&w->actions.on_commit, &kept);
        torn(&w->decision, &kept);
    }
    torn(&w->done, &kept);
}

/* A runner's mark that something was done is durable before it does the next; that it is done again is not its model's matter. */
static void actions_of_log(struct world *w)
{
    if (!scene->actions)
        return;
    if (w->decision && !w->actions.on_commit)
        breach(w, BREACH_ACTION_LOST);
    w->actions.due = w->decision && w->actions.on_commit ? DUE_ON_COMMIT : DUE_ON_ROLLBACK;
}

/* The log after the crash, and what the new start reads from it. It syncs what it read before it acts upon it. */
static void restart_from_log(struct world *w, unsigned kept)
{
    tear_off(w, kept);
    actions_of_log(w);
    if (w->decision == LOG_APPENDED && mutant != MUTANT_PAGE_CACHE_TRUSTED)
        w->decision = LOG_SYNCED;
    if (w->actions.on_commit)
        w->actions.on_commit = LOG_SYNCED;
    if (w->done)
        w->done = LOG_SYNCED;
    /* one that names no part decided about actions only: there is nothing to settle */
    w->registered = w->decision && !w->done && w->in_decision ? REGISTERED_RESOLVER : REGISTERED_NO;
    w->settled = 0;
    if (!w->decision)
        w->in_decision = 0;
}

void proxy_crash(struct world *w, unsigned kept)
{
    for (unsigned i = 0; i < scene->n_servers; i++)
        crash_at_server(&w->server[i]);
    crash_at_redis(&w->redis);
    forget(w);
    restart_from_log(w, kept);
    w->log_full = false;
    if (w->client == CLIENT_WORKS || w->client == CLIENT_WAITS)
        w->client = CLIENT_CUT_OFF;
}
