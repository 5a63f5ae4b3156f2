/* Taking a step of the commit model: who does what to the world. Leaves what may happen to commit_offer.c. */
#include "base/check.h"
#include "tests/model/commit_steps.h"

/* --- faults are paid for --- */

uint8_t *purse_of(struct world *w, enum step_kind kind)
{
    switch (kind) {
    case STEP_CLIENT_VANISHES: return &w->vanishings_left;
    case STEP_DEADLOCK:
    case STEP_DOOM:
    case STEP_NO_ROOM_FOR_COMMIT:
    case STEP_LOG_FILLS:
    case STEP_REFUSE:
    case STEP_LOSE_DATA: return &w->refusals_left;
    case STEP_CUT:
    case STEP_LATE:
    case STEP_CUT_REDIS:
    case STEP_CUT_ASKED: return &w->losses_left;
    case STEP_CRASH_SERVER: return &w->server_crashes_left;
    case STEP_CRASH: return &w->crashes_left;
    default: return NULL;
    }
}

static void pay(struct world *w, uint8_t *purse)
{
    w->faults_left--;
    --*purse;
}

/* --- taking a step --- */

static unsigned actions; /* of the event fed last */

unsigned actions_of_last_event(void)
{
    return actions;
}

static void feed(struct world *w, uint32_t step, struct xa_event event)
{
    if (cut_of(step))
        pay(w, &w->crashes_left);
    actions = proxy_feed(w, event, cut_of(step), kept_of(step));
}

static void feed_branch(struct world *w, uint32_t step, enum xa_event_kind kind, enum xa_verdict verdict)
{
    feed(w, step, (struct xa_event){.kind = kind, .branch = server_of(step), .verdict = verdict});
}

static void read_reply(struct world *w, uint32_t step)
{
    static const uint8_t asked[] = {
        [REQUEST_PREPARE] = XA_ASKED_PREPARE,       [REQUEST_ONE_PHASE] = XA_ASKED_ONE_PHASE,
        [REQUEST_COMMIT] = XA_ASKED_COMMIT,         [REQUEST_END_ROLLBACK] = XA_ASKED_ROLLBACK,
        [REQUEST_ROLLBACK] = XA_ASKED_ROLLBACK,
    };
    struct server *s = &w->server[server_of(step)];
    enum xa_verdict verdict = xa_verdict_of(asked[s->reply_to], reply_codes[s->reply], 0);
    s->reply_to = s->reply = 0;
    feed_branch(w, step, XA_EVENT_REPLY, verdict);
}

static void lose_branch(struct world *w, uint32_t step)
{
    struct server *s = &w->server[server_of(step)];
    s->socket = s->reply_to = s->reply = 0;
    feed_branch(w, step, XA_EVENT_LOST, XA_VERDICT_OK);
}

static void read_redis(struct world *w, uint32_t step)
{
    bool vote = w->redis.reply_to == REDIS_ASK_VOTE, yes = w->redis.yes;
    w->redis.reply_to = w->redis.yes = 0;
    feed(w, step, (struct xa_event){.kind = vote ? XA_EVENT_REDIS_VOTE : XA_EVENT_REDIS_ENDED, .yes = yes});
}

static void cut_redis(struct world *w, uint32_t step)
{
    bool vote = w->redis.request == REDIS_ASK_VOTE || w->redis.reply_to == REDIS_ASK_VOTE;
    if (w->redis.request && !vote)
        w->redis.late |= (uint8_t)(1u << w->redis.request);
    w->redis.request = w->redis.reply_to = w->redis.yes = 0;
    feed(w, step, (struct xa_event){.kind = vote ? XA_EVENT_REDIS_VOTE : XA_EVENT_REDIS_LOST});
}

static void redis_do(struct redis *r, enum redis_request what)
{
    if (what == REDIS_ASK_KEEP && r->place == REDIS_UNDO)
        r->place = REDIS_KEPT;
    if (what == REDIS_ASK_UNDO && r->place == REDIS_UNDO)
        r->place = REDIS_UNDONE;
}

static void process_redis(struct redis *r)
{
    redis_do(r, r->request);
    r->reply_to = r->request;
    r->yes = r->request == REDIS_ASK_VOTE && r->place == REDIS_UNDO;
    r->request = REDIS_ASK_NOTHING;
}

static void land_redis(struct redis *r, enum redis_request what)
{
    r->late &= (uint8_t)~(1u << what);
    redis_do(r, what);
}

static void deadlock(struct world *w, uint32_t step)
{
    struct server *s = &w->server[server_of(step)];
    s->branch = BRANCH_GONE;
    s->outcome = OUTCOME_ROLLED_BACK;
    w->client = CLIENT_ANSWERED; /* by the error itself */
    w->answer = XA_ANSWER_DEADLOCK;
    feed_branch(w, step, XA_EVENT_STATEMENT_FAILED, XA_VERDICT_DEADLOCK);
}

static void client_asks(struct world *w, uint32_t step, enum xa_event_kind kind)
{
    w->client = CLIENT_WAITS;
    feed(w, step, (struct xa_event){.kind = kind});
}

static void client_vanishes(struct world *w, uint32_t step)
{
    w->client = CLIENT_VANISHED;
    feed(w, step, (struct xa_event){.kind = XA_EVENT_CLIENT_GONE});
}

static void sync_log(struct world *w, uint32_t step)
{
    w->decision = LOG_SYNCED;
    if (w->actions.on_commit)
        w->actions.on_commit = LOG_SYNCED;
    if (w->tx_state == XA_TX_DECIDING) /* where a mistake did not wait for it, nobody does */
        feed(w, step, (struct xa_event){.kind = XA_EVENT_DURABLE});
}

static void take_event(struct world *w, uint32_t step)
{
    switch (kind_of(step)) {
    case STEP_CLIENT_COMMITS: client_asks(w, step, XA_EVENT_COMMIT); break;
    case STEP_CLIENT_ROLLS_BACK: client_asks(w, step, XA_EVENT_ROLLBACK); break;
    case STEP_NO_ROOM_FOR_COMMIT: client_asks(w, step, XA_EVENT_NO_ROOM); break;
    case STEP_CLIENT_VANISHES: client_vanishes(w, step); break;
    case STEP_DEADLOCK: deadlock(w, step); break;
    case STEP_DOOM: feed_branch(w, step, XA_EVENT_STATEMENT_FAILED, XA_VERDICT_TX_FAILED); break;
    case STEP_READ_REPLY: read_reply(w, step); break;
    case STEP_FIND_LOST:
    case STEP_CUT: lose_branch(w, step); break;
    case STEP_LATE: feed_branch(w, step, XA_EVENT_DEADLINE, XA_VERDICT_OK); break;
    case STEP_READ_REDIS: read_redis(w, step); break;
    case STEP_CUT_REDIS: cut_redis(w, step); break;
    case STEP_SYNC: sync_log(w, step); break;
    case STEP_REFUSE_ROOM: feed(w, step, (struct xa_event){.kind = XA_EVENT_NO_ROOM}); break;
    default: CHECK(!"an event");
    }
}

void world_take(void *world, uint32_t step)
{
    struct world *w = world;
    unsigned i = server_of(step);
    uint8_t *purse = purse_of(w, kind_of(step));
    if (purse)
        pay(w, purse);
    actions = 0;
    switch (kind_of(step)) {
    case STEP_CLIENT_BEGINS: proxy_begin(w); break;
    case STEP_LOG_FILLS: w->log_full = true; break;
    case STEP_PROCESS: server_process(w, i, REFUSAL_NONE); break;
    case STEP_REFUSE: server_process(w, i, how_of(step)); break;
    case STEP_THREAD_ENDS: server_thread_ends(w, i); break;
    case STEP_CRASH_SERVER: server_crash(w, i, how_of(step)); break;
    case STEP_LAND: server_land(w, i, how_of(step)); break;
    case STEP_PROCESS_REDIS: process_redis(&w->redis); break;
    case STEP_LOSE_DATA: w->redis.place = REDIS_UNDONE; break;
    case STEP_LAND_REDIS: land_redis(&w->redis, how_of(step)); break;
    case STEP_PROCESS_ASKED: server_process_asked(w, i); break;
    case STEP_READ_ASKED: resolver_reply(w, i); break;
    case STEP_CUT_ASKED: server_give_up_asked(&w->server[i]); break;
    case STEP_SWEEP: resolver_sweep(w, i); break;
    case STEP_SWEEP_REDIS: resolver_redis(w); break;
    case STEP_RUN_ACTION: proxy_run_action(w); break;
    case STEP_CRASH: proxy_crash(w, how_of(step)); break;
    default: take_event(w, step);
    }
}
