/* What can happen next in the world of the commit model. The order of the offers is the way to settling: what is under
 * way comes first, then the resolver, then what need not happen. */
#include "tests/model/commit_steps.h"
#include "tests/model/explore.h"

static bool can_pay(const struct world *w, uint32_t step)
{
    struct world copy = *w;
    return w->faults_left && *purse_of(&copy, kind_of(step));
}

/* How many of the records that no sync has covered may survive a crash: none, or the first, or ... */
static unsigned unsynced_prefixes(const struct world *w)
{
    return 1 + (w->actions.on_commit == LOG_APPENDED) + (w->decision == LOG_APPENDED) + (w->done == LOG_APPENDED);
}

/* A step that feeds an event, and the same with the proxy dying in the midst of the actions. */
static void offer_event(const struct world *w, struct explore_steps *steps, uint32_t step, bool fault)
{
    explore_offer(steps, step, fault);
    if (w->faults_left < (fault ? 2 : 1) || !w->crashes_left)
        return;
    struct world tried = *w;
    world_take(&tried, step);
    unsigned n = actions_of_last_event(), n_kept = unsynced_prefixes(&tried);
    for (unsigned cut = 1; cut < n; cut++)
        for (unsigned kept = 0; kept < n_kept; kept++)
            explore_offer(steps, with_cut(step, cut, kept), true);
}

static void offer_fault(const struct world *w, struct explore_steps *steps, uint32_t step)
{
    if (can_pay(w, step))
        explore_offer(steps, step, true);
}

static void offer_event_fault(const struct world *w, struct explore_steps *steps, uint32_t step)
{
    if (can_pay(w, step))
        offer_event(w, steps, step, true);
}

static bool tx_is(const struct world *w, enum xa_tx_state state)
{
    return w->life == LIFE_LIVE && w->tx_state == state;
}

static bool tx_open(const struct world *w)
{
    return tx_is(w, XA_TX_ACTIVE) || tx_is(w, XA_TX_FAILED);
}

static bool branch_final(const struct world *w, unsigned i)
{
    return (w->tx_branch[i] & 0xf) >= XA_BRANCH_SETTLED;
}

static void offer_client(const struct world *w, struct explore_steps *steps)
{
    if (w->life == LIFE_BEFORE)
        explore_offer(steps, STEP(CLIENT_BEGINS, 0, 0), false);
    if (tx_open(w) && w->client == CLIENT_WORKS) {
        offer_event(w, steps, STEP(CLIENT_COMMITS, 0, 0), false);
        offer_event(w, steps, STEP(CLIENT_ROLLS_BACK, 0, 0), false);
    }
}

static void offer_session(const struct world *w, struct explore_steps *steps, unsigned i)
{
    const struct server *s = &w->server[i];
    if (w->life != LIFE_LIVE || branch_final(w, i))
        return;
    if (s->socket && s->reply_to)
        offer_event(w, steps, STEP(READ_REPLY, i, 0), false);
    if (!s->socket || !s->thread)
        offer_event(w, steps, STEP(FIND_LOST, i, 0), false);
}

static void offer_log(const struct world *w, struct explore_steps *steps)
{
    if (tx_is(w, XA_TX_DECIDING) || (w->life == LIFE_LIVE && w->decision == LOG_APPENDED))
        offer_event(w, steps, w->decision ? STEP(SYNC, 0, 0) : STEP(REFUSE_ROOM, 0, 0), false);
}

static void offer_server(const struct world *w, struct explore_steps *steps, unsigned i)
{
    const struct server *s = &w->server[i];
    if (s->request)
        explore_offer(steps, STEP(PROCESS, i, 0), false);
    if (server_thread_can_end(s) && mutant != MUTANT_OLD_CONNECTION_SPARED)
        explore_offer(steps, STEP(THREAD_ENDS, i, 0), false);
    for (unsigned what = REQUEST_COMMIT; what <= REQUEST_ROLLBACK; what++)
        if (s->late & 1u << what)
            explore_offer(steps, STEP(LAND, i, what), false);
}

static void offer_redis(const struct world *w, struct explore_steps *steps)
{
    if (w->redis.reply_to)
        offer_event(w, steps, STEP(READ_REDIS, 0, 0), false);
    if (w->redis.request)
        explore_offer(steps, STEP(PROCESS_REDIS, 0, 0), false);
    for (unsigned what = REDIS_ASK_KEEP; what <= REDIS_ASK_UNDO; what++)
        if (w->redis.late & 1u << what)
            explore_offer(steps, STEP(LAND_REDIS, 0, what), false);
    if (resolver_redis_wanted(w))
        explore_offer(steps, STEP(SWEEP_REDIS, 0, 0), false);
}

static unsigned count_sweeps(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < scene->n_servers; i++)
        n += w->server[i].sweep != SWEEP_IDLE;
    return n;
}

/* It looks also where there is nothing, as long as a transaction may come meanwhile. */
static bool may_begin_sweep(const struct world *w, unsigned i)
{
    const struct server *s = &w->server[i];
    return s->sweep == SWEEP_IDLE && count_sweeps(w) < scene->sweeps && !s->asked && !s->asked_reply_to &&
           (resolver_wanted(w, i) || w->life == LIFE_BEFORE);
}

static void offer_resolver(const struct world *w, struct explore_steps *steps)
{
    for (unsigned i = 0; i < scene->n_servers; i++) {
        if (w->server[i].asked)
            explore_offer(steps, STEP(PROCESS_ASKED, i, 0), false);
        if (w->server[i].asked_reply_to)
            explore_offer(steps, STEP(READ_ASKED, i, 0), false);
    }
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (w->server[i].sweep != SWEEP_IDLE)
            explore_offer(steps, STEP(SWEEP, i, 0), false);
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (may_begin_sweep(w, i))
            explore_offer(steps, STEP(SWEEP, i, 0), false);
}

static void offer_server_faults(const struct world *w, struct explore_steps *steps, unsigned i)
{
    const struct server *s = &w->server[i];
    if (w->life == LIFE_LIVE && s->socket && !branch_final(w, i)) {
        offer_event_fault(w, steps, STEP(CUT, i, 0));
        if (s->request || s->reply_to)
            offer_event_fault(w, steps, STEP(LATE, i, 0));
    }
    if (w->client == CLIENT_WORKS && tx_is(w, XA_TX_ACTIVE) && s->branch == BRANCH_ACTIVE && s->socket) {
        offer_event_fault(w, steps, STEP(DEADLOCK, i, 0));
        offer_event_fault(w, steps, STEP(DOOM, i, 0));
    }
    for (unsigned how = REFUSAL_ROLLED_BACK; s->request && how <= REFUSAL_UNCLEAR_NOT_DONE; how++)
        if (server_can_refuse(s, how))
            offer_fault(w, steps, STEP(REFUSE, i, how));
    if (s->asked || s->asked_reply_to)
        offer_fault(w, steps, STEP(CUT_ASKED, i, 0));
    offer_fault(w, steps, STEP(CRASH_SERVER, i, 0));
    if (server_may_forget_rollback(w, i))
        offer_fault(w, steps, STEP(CRASH_SERVER, i, 1));
}

static void offer_faults(const struct world *w, struct explore_steps *steps)
{
    for (unsigned i = 0; i < scene->n_servers; i++)
        offer_server_faults(w, steps, i);
    if (w->redis.request || w->redis.reply_to)
        offer_event_fault(w, steps, STEP(CUT_REDIS, 0, 0));
    if (w->redis.place == REDIS_UNDO && (tx_open(w) || w->redis.request == REDIS_ASK_VOTE))
        offer_fault(w, steps, STEP(LOSE_DATA, 0, 0));
    if (w->life == LIFE_LIVE && (w->client == CLIENT_WORKS || w->client == CLIENT_WAITS))
        offer_event_fault(w, steps, STEP(CLIENT_VANISHES, 0, 0));
    if (tx_is(w, XA_TX_ACTIVE) && w->client == CLIENT_WORKS)
        offer_event_fault(w, steps, STEP(NO_ROOM_FOR_COMMIT, 0, 0));
    if (tx_is(w, XA_TX_PREPARING) && !w->log_full)
        offer_fault(w, steps, STEP(LOG_FILLS, 0, 0));
    for (unsigned kept = 0; kept < unsynced_prefixes(w); kept++)
        offer_fault(w, steps, STEP(CRASH, 0, kept));
}

void world_offer(const void *world, struct explore_steps *steps)
{
    const struct world *w = world;
    offer_client(w, steps);
    for (unsigned i = 0; i < scene->n_servers; i++)
        offer_session(w, steps, i);
    offer_log(w, steps);
    for (unsigned i = 0; i < scene->n_servers; i++)
        offer_server(w, steps, i);
    if (scene->redis)
        offer_redis(w, steps);
    if (w->actions.due && !w->actions.committed_ran && !w->actions.rolled_back_ran)
        explore_offer(steps, STEP(RUN_ACTION, 0, 0), false);
    offer_resolver(w, steps);
    if (w->life != LIFE_BEFORE)
        offer_faults(w, steps);
}
