/* The session as performer of comp_step's actions, and the resolver's sweep, as they are to be in the product. */
#include "tests/model/redis_world.h"

#include <string.h>

#include "base/check.h"
#include "compensate/replay.h"

static struct comp_tx machine_of(const struct world *w)
{
    struct comp_tx tx = {
        .state = w->state, .last = w->last, .traces = w->traces, .fence = w->fence, .mode_commit = w->mode_commit};
    for (uint32_t seq = 1; seq <= MAX_SEQ; seq++)
        if (w->acked >> seq & 1)
            comp_seqs_add(&tx.acked, seq);
    return tx;
}

static void keep_machine(struct world *w, struct comp_tx *tx)
{
    w->state = (uint8_t)tx->state;
    w->last = (uint8_t)tx->last;
    w->traces = tx->traces;
    w->fence = tx->fence;
    w->mode_commit = tx->mode_commit;
    w->acked = 0;
    for (uint32_t seq = 1; seq <= MAX_SEQ; seq++)
        w->acked |= (uint8_t)(comp_seqs_has(&tx->acked, seq) << seq);
    comp_tx_fini(tx);
}

static void send(struct world *w, struct request r)
{
    r.epoch = w->epoch;
    r.acked = w->acked;
    r.awaited = 1;
    w->waiting = WAITING_CALL;
    for (int i = 0; i < MAX_FLIGHT; i++)
        if (!w->flight[i].kind) {
            w->flight[i] = r;
            return;
        }
    CHECK(!"too many requests in flight for this world");
}

static void send_end(struct world *w, const struct comp_end *end)
{
    send(w, (struct request){
                .kind = end->mode == COMP_END_PARTIAL ? REQUEST_PARTIAL : REQUEST_END,
                .first = (uint8_t)end->first,
                .last = (uint8_t)end->last,
                .commit = end->mode == COMP_END_COMMIT,
                .tombstone = end->tombstone,
            });
}

static void cancel(struct world *w)
{
    for (int i = 0; i < MAX_FLIGHT; i++)
        w->flight[i].awaited = 0;
    w->reply = 0;
    w->waiting = WAITING_NOT;
}

static void end_of_victim(struct world *w)
{
    if (mutant == MUTANT_VICTIM_STAYS)
        w->session = w->ended = SESSION_ENDED;
    else
        session_event(w, &(struct comp_event){.kind = COMP_EVENT_ROLLBACK});
}

/* The client believes what it was told: an OK stands, a savepoint restored takes back what came later. */
static void answered(struct world *w, const struct comp_event *event, const struct comp_action *a)
{
    if (a->answer == COMP_ANSWER_REPLY && event->reply == COMP_REPLY_OK)
        w->believed |= (uint8_t)(1 << w->last);
    if (a->answer == COMP_ANSWER_DONE)
        w->believed &= (uint8_t)((2 << w->mark) - 1);
    if (a->answer == COMP_ANSWER_DEADLOCK)
        end_of_victim(w);
}

static void voted(struct world *w, bool yes)
{
    if (!yes) {
        w->failed = 1;
        return;
    }
    w->decision = LOG_APPENDED;
    w->waiting = WAITING_LOG;
    if (mutant == MUTANT_END_BEFORE_DURABLE)
        session_event(w, &(struct comp_event){.kind = COMP_EVENT_COMMIT});
}

static void perform(struct world *w, const struct comp_event *event, const struct comp_action *a)
{
    switch (a->kind) {
    case COMP_ACTION_APPEND_TOUCH:
        w->touch = LOG_APPENDED;
        w->waiting = WAITING_TOUCH;
        if (mutant == MUTANT_WRITE_BEFORE_TOUCH)
            session_event(w, &(struct comp_event){.kind = COMP_EVENT_TOUCH_DURABLE});
        break;
    case COMP_ACTION_SEND_DO:
    case COMP_ACTION_RESEND_DO:
        send(w, (struct request){.kind = REQUEST_DO, .first = (uint8_t)a->seq});
        break;
    case COMP_ACTION_KILL:
        w->waiting = WAITING_KILL;
        break;
    case COMP_ACTION_WAIT_LOCK:
        w->waiting = WAITING_LOCK;
        break;
    case COMP_ACTION_SEND_PARTIAL:
    case COMP_ACTION_SEND_END:
        send_end(w, &a->end);
        break;
    case COMP_ACTION_SEND_VOTE:
        if (mutant == MUTANT_VOTE_SKIPPED)
            session_event(w, &(struct comp_event){.kind = COMP_EVENT_REPLIED, .reply = COMP_REPLY_OK});
        else
            send(w, (struct request){.kind = REQUEST_VOTE, .last = w->last});
        break;
    case COMP_ACTION_CANCEL:
        cancel(w);
        break;
    case COMP_ACTION_ANSWER:
        answered(w, event, a);
        break;
    case COMP_ACTION_FAIL:
        w->failed = 1;
        break;
    case COMP_ACTION_VOTE_RESULT:
        voted(w, a->yes);
        break;
    case COMP_ACTION_END_RESULT:
        w->session = SESSION_ENDED;
        w->ended = a->yes;
        break;
    }
}

void session_event(struct world *w, const struct comp_event *event)
{
    struct comp_tx tx = machine_of(w);
    struct comp_actions actions = {.n = 0};
    comp_step(&tx, event, &actions);
    keep_machine(w, &tx);
    w->waiting = WAITING_NOT;
    for (unsigned i = 0; i < actions.n; i++)
        perform(w, event, &actions.action[i]);
}

/* --- the sweep --- */

static bool parse(void *arg, struct slice gtrid, struct comp_gtrid_parts *out)
{
    (void)arg, (void)gtrid;
    static const uint8_t node[] = "n", log_id[] = "l";
    *out = (struct comp_gtrid_parts){{node, 1}, {log_id, 1}, FIRST_EPOCH, 1};
    return true;
}

static bool live(void *arg, struct slice gtrid)
{
    (void)gtrid;
    const struct world *w = arg;
    return w->session == SESSION_OPEN && mutant != MUTANT_SWEEP_LIVE;
}

static bool decided(void *arg, struct slice gtrid)
{
    (void)gtrid;
    const struct world *w = arg;
    return w->decision == LOG_DURABLE;
}

static struct comp_scanned scanned(const struct world *w)
{
    struct comp_scanned row = {.gtrid = {(const uint8_t *)"g", 1}, .n_locks = w->redis.locked, .tombstone = w->redis.tombstone};
    for (uint32_t seq = 1; seq <= MAX_SEQ; seq++)
        if (w->redis.record[seq]) {
            row.first = row.first ? row.first : seq;
            row.last = seq;
            row.n_records++;
        }
    return row;
}

enum comp_fate sweep_fate(const struct world *w)
{
    struct world copy = *w;
    struct comp_replay_view view = {
        .node = "n", .log_id = "l", .parse = parse, .live = live, .decided = decided, .arg = &copy, .seen_before = true,
        .horizon = {.epoch = w->horizon ? FIRST_EPOCH : 0, .counter = w->horizon ? 2 : 0},
    };
    struct comp_scanned row = scanned(w);
    return comp_replay_fate(&view, &row);
}

void sweep_end(struct world *w)
{
    struct comp_scanned row = {.last = w->fate_last};
    struct comp_end end = comp_replay_end(&row, (enum comp_fate)(w->fate - 1), COMP_DIRTY_DELTA);
    struct request r = {.kind = REQUEST_END, .first = (uint8_t)end.first, .last = (uint8_t)end.last,
                        .commit = end.mode == COMP_END_COMMIT, .tombstone = end.tombstone, .acked = w->acked};
    redis_execute(w, &r, false);
    w->fate = w->fate_last = 0;
}
