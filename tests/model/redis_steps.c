/* What can happen in the world of the Redis machine, what it does, and the promises that must hold whatever happens. */
#include "tests/model/redis_world.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "compensate/replay.h"

void world_start(void *world)
{
    struct world *w = world;
    *w = (struct world){.epoch = FIRST_EPOCH, .raised = 1, .rival = scene->rival, .faults_left = scene->faults,
                        .crashes_left = scene->crashes, .redis_crashes_left = scene->redis_crashes};
}

static int awaited(const struct world *w)
{
    for (int i = 0; i < MAX_FLIGHT; i++)
        if (w->flight[i].kind && w->flight[i].awaited)
            return i;
    return -1;
}

static void happen(struct explore_steps *steps, enum step step, int arg)
{
    explore_offer(steps, (uint32_t)step << 8 | (uint32_t)arg, false);
}

static void fault(const struct world *w, struct explore_steps *steps, enum step step, int arg)
{
    if (w->faults_left)
        explore_offer(steps, (uint32_t)step << 8 | (uint32_t)arg, true);
}

static void offer_call(const struct world *w, struct explore_steps *steps)
{
    int i = awaited(w);
    if (w->reply) {
        happen(steps, STEP_REPLY, 0);
        fault(w, steps, STEP_LOSE_REPLY, 0);
    } else if (i >= 0) {
        happen(steps, STEP_DELIVER, i);
        fault(w, steps, STEP_TIMEOUT, 0);
        fault(w, steps, STEP_NOT_SENT, i);
    } else {
        happen(steps, STEP_TIMEOUT, 0);
    }
}

/* Without a touch record it cannot be said yet whether others wait. */
static void offer_write(const struct world *w, struct explore_steps *steps)
{
    happen(steps, STEP_WRITE, 0);
    if (scene->rival && w->touch == LOG_DURABLE)
        happen(steps, STEP_WRITE_QUEUED, 0);
}

static void offer_client(const struct world *w, struct explore_steps *steps)
{
    if (w->failed) {
        happen(steps, STEP_ROLLBACK, 0);
        return;
    }
    if (w->writes < scene->writes)
        offer_write(w, steps);
    happen(steps, STEP_COMMIT, 0);
    happen(steps, STEP_ROLLBACK, 0);
    if (scene->savepoint && !w->marked)
        happen(steps, STEP_MARK, 0);
    if (w->marked && !w->restored)
        happen(steps, STEP_ROLLBACK_TO, 0);
}

static void offer_session(const struct world *w, struct explore_steps *steps)
{
    switch (w->waiting) {
    case WAITING_NOT:
        offer_client(w, steps);
        return;
    case WAITING_CALL:
        offer_call(w, steps);
        break;
    case WAITING_TOUCH:
        happen(steps, STEP_TOUCH_DURABLE, 0);
        if (scene->rival)
            happen(steps, STEP_TOUCH_DURABLE_QUEUED, 0);
        fault(w, steps, STEP_TOUCH_REFUSED, 0);
        break;
    case WAITING_KILL:
        happen(steps, STEP_KILLED, 0);
        fault(w, steps, STEP_KILL_FAILED, 0);
        break;
    case WAITING_LOCK:
        happen(steps, w->rival ? STEP_RIVAL_LEAVES : STEP_LOCK_RETRY, 0);
        fault(w, steps, STEP_LOCK_TIMEOUT, 0);
        fault(w, steps, STEP_DEADLOCK, 0);
        break;
    case WAITING_LOG:
        happen(steps, STEP_DECISION_DURABLE, 0);
        return; /* from the append on a client that vanishes changes nothing */
    }
    if (w->state != COMP_TX_ENDING)
        fault(w, steps, STEP_ROLLBACK, 0);
}

static void offer_process(const struct world *w, struct explore_steps *steps)
{
    if (w->dead) {
        happen(steps, STEP_RESTART, 0);
        return;
    }
    if (w->decision == LOG_APPENDED && w->waiting != WAITING_LOG)
        happen(steps, STEP_DECISION_DURABLE, 0);
    if (w->touch == LOG_APPENDED && w->waiting != WAITING_TOUCH)
        happen(steps, STEP_TOUCH_DURABLE, 0);
    if (w->touch == LOG_DURABLE && !w->raised)
        happen(steps, STEP_RAISE, 0);
    if (w->fate)
        happen(steps, STEP_SWEEP_END, 0);
    else if (w->raised && w->touch == LOG_DURABLE && redis_has_anything(&w->redis)) {
        enum comp_fate fate = sweep_fate(w);
        if (fate == COMP_FATE_COMMIT || fate == COMP_FATE_ROLLBACK)
            happen(steps, STEP_SCAN, 0);
    }
    if (w->decision == LOG_DURABLE && (w->ended || mutant == MUTANT_FORGET_EARLY))
        happen(steps, STEP_FORGET, 0);
}

static void offer_redis(const struct world *w, struct explore_steps *steps)
{
    for (int i = 0; i < MAX_FLIGHT; i++) {
        const struct request *r = &w->flight[i];
        if (r->kind && !r->awaited)
            happen(steps, STEP_DELIVER, i);
        if (r->kind)
            fault(w, steps, STEP_LOSE, i);
        if (r->kind == REQUEST_DO)
            fault(w, steps, STEP_DELIVER_ERROR, i);
    }
    if (w->rival)
        happen(steps, STEP_RIVAL_LEAVES, 0);
    if (w->redis_crashes_left) {
        explore_offer(steps, STEP_REDIS_CRASH << 8, true);
        if (memcmp(&w->redis, &w->disk, sizeof w->redis) != 0)
            happen(steps, STEP_REDIS_SYNC, 0);
    }
}

void world_offer(const void *world, struct explore_steps *steps)
{
    const struct world *w = world;
    if (!w->dead && w->session == SESSION_OPEN)
        offer_session(w, steps);
    offer_process(w, steps);
    offer_redis(w, steps);
    if (!w->dead && w->crashes_left)
        explore_offer(steps, STEP_CRASH << 8, true);
}

/* --- taking a step --- */

static void event(struct world *w, enum comp_event_kind kind)
{
    session_event(w, &(struct comp_event){.kind = kind, .mark = w->mark, .touched = w->touch == LOG_DURABLE});
}

static void queued_event(struct world *w, enum comp_event_kind kind)
{
    session_event(w, &(struct comp_event){.kind = kind, .touched = w->touch == LOG_DURABLE, .queued = true});
}

static void deliver(struct world *w, int i, bool command_fails)
{
    struct request r = w->flight[i];
    memmove(&w->flight[i], &w->flight[i + 1], (size_t)(MAX_FLIGHT - 1 - i) * sizeof r);
    w->flight[MAX_FLIGHT - 1] = (struct request){0};
    enum comp_reply reply = redis_execute(w, &r, command_fails);
    if (r.awaited)
        w->reply = (uint8_t)(1 + reply);
}

static void drop(struct world *w, int i)
{
    memmove(&w->flight[i], &w->flight[i + 1], (size_t)(MAX_FLIGHT - 1 - i) * sizeof w->flight[0]);
    w->flight[MAX_FLIGHT - 1] = (struct request){0};
}

static void give_up(struct world *w)
{
    for (int i = 0; i < MAX_FLIGHT; i++)
        w->flight[i].awaited = 0;
    w->reply = 0;
    event(w, COMP_EVENT_LOST);
}

/* With the connection die the requests that lie in it. */
static void killed(struct world *w)
{
    for (int i = MAX_FLIGHT - 1; i >= 0; i--)
        if (w->flight[i].kind == REQUEST_DO && mutant != MUTANT_KILL_LIES)
            drop(w, i);
    event(w, COMP_EVENT_KILLED);
}

static void replied(struct world *w)
{
    enum comp_reply reply = (enum comp_reply)(w->reply - 1);
    w->reply = 0;
    session_event(w, &(struct comp_event){.kind = COMP_EVENT_REPLIED, .reply = reply});
}

/* What the log had not synced is gone; requests in flight are not. */
static void crash(struct world *w)
{
    w->crashes_left--;
    w->dead = 1;
    w->session = w->session == SESSION_OPEN ? SESSION_DIED : w->session;
    w->waiting = WAITING_NOT;
    w->state = w->last = w->acked = w->traces = w->fence = w->mode_commit = 0;
    w->writes = w->marked = w->mark = w->restored = w->failed = 0;
    w->fate = w->fate_last = w->reply = 0;
    w->touch = w->touch == LOG_APPENDED ? LOG_NOTHING : w->touch;
    w->decision = w->decision == LOG_APPENDED ? LOG_NOTHING : w->decision;
    for (int i = 0; i < MAX_FLIGHT; i++)
        w->flight[i].awaited = 0;
}

static void redis_crash(struct world *w)
{
    w->redis_crashes_left--;
    w->lost_tail |= memcmp(&w->redis, &w->disk, sizeof w->redis) != 0;
    w->lost_after_vote |= w->lost_tail && w->voted;
    w->redis = w->disk;
    memset(w->flight, 0, sizeof w->flight);
    w->reply = 0;
}

static void decision_durable(struct world *w)
{
    w->decision = LOG_DURABLE;
    w->was_decided = 1;
    if (w->waiting == WAITING_LOG)
        event(w, COMP_EVENT_COMMIT);
}

static void scan(struct world *w)
{
    w->fate = (uint8_t)(1 + sweep_fate(w));
    for (uint8_t seq = 1; seq <= MAX_SEQ; seq++)
        if (w->redis.record[seq])
            w->fate_last = seq;
}

static void take_client(struct world *w, enum step step)
{
    switch (step) {
    case STEP_WRITE:
        w->writes++;
        event(w, COMP_EVENT_WRITE);
        break;
    case STEP_WRITE_QUEUED:
        w->writes++;
        queued_event(w, COMP_EVENT_WRITE);
        break;
    case STEP_MARK:
        w->marked = 1;
        w->mark = w->last;
        break;
    case STEP_ROLLBACK_TO:
        w->restored = 1;
        event(w, COMP_EVENT_ROLLBACK_TO);
        break;
    case STEP_COMMIT:
        event(w, COMP_EVENT_VOTE);
        break;
    default:
        event(w, COMP_EVENT_ROLLBACK);
    }
}

static void take_process(struct world *w, enum step step)
{
    switch (step) {
    case STEP_DECISION_DURABLE: decision_durable(w); break;
    case STEP_CRASH: crash(w); break;
    case STEP_RESTART:
        w->dead = 0;
        w->epoch++;
        w->raised = 0;
        break;
    case STEP_RAISE:
        w->raised = 1;
        if (mutant != MUTANT_NO_EPOCH)
            w->redis.lowest_epoch = w->epoch;
        break;
    case STEP_SCAN: scan(w); break;
    case STEP_SWEEP_END: sweep_end(w); break;
    case STEP_FORGET:
        w->decision = LOG_FORGOTTEN;
        w->horizon = mutant != MUTANT_FORGET_NO_HORIZON && mutant != MUTANT_FORGET_EARLY;
        break;
    case STEP_REDIS_SYNC: w->disk = w->redis; break;
    case STEP_REDIS_CRASH: redis_crash(w); break;
    default: take_client(w, step);
    }
}

static void take_call(struct world *w, enum step step, int arg)
{
    switch (step) {
    case STEP_REPLY: replied(w); break;
    case STEP_DELIVER: deliver(w, arg, false); break;
    case STEP_DELIVER_ERROR: deliver(w, arg, true); break;
    case STEP_LOSE: drop(w, arg); break;
    case STEP_LOSE_REPLY: w->reply = 0; break;
    case STEP_TIMEOUT: give_up(w); break;
    case STEP_NOT_SENT:
        drop(w, arg);
        event(w, COMP_EVENT_NOT_SENT);
        break;
    case STEP_TOUCH_DURABLE:
        w->touch = LOG_DURABLE;
        if (w->waiting == WAITING_TOUCH)
            event(w, COMP_EVENT_TOUCH_DURABLE);
        break;
    case STEP_TOUCH_DURABLE_QUEUED:
        w->touch = LOG_DURABLE;
        queued_event(w, COMP_EVENT_TOUCH_DURABLE);
        break;
    case STEP_TOUCH_REFUSED:
        w->touch = LOG_NOTHING;
        event(w, COMP_EVENT_TOUCH_REFUSED);
        break;
    case STEP_KILLED: killed(w); break;
    case STEP_KILL_FAILED: event(w, COMP_EVENT_KILL_FAILED); break;
    case STEP_RIVAL_LEAVES: w->rival = 0; break;
    case STEP_LOCK_RETRY: event(w, COMP_EVENT_LOCK_RETRY); break;
    case STEP_LOCK_TIMEOUT: event(w, COMP_EVENT_LOCK_TIMEOUT); break;
    case STEP_DEADLOCK: event(w, COMP_EVENT_DEADLOCK); break;
    default: take_process(w, step);
    }
}

/* A timeout with nothing left to come is no fault, nor is a rollback that the client asks for. */
static bool is_fault(const struct world *w, enum step step)
{
    switch (step) {
    case STEP_TIMEOUT: return awaited(w) >= 0;
    case STEP_ROLLBACK: return w->waiting != WAITING_NOT;
    case STEP_DELIVER_ERROR:
    case STEP_LOSE:
    case STEP_LOSE_REPLY:
    case STEP_NOT_SENT:
    case STEP_TOUCH_REFUSED:
    case STEP_KILL_FAILED:
    case STEP_LOCK_TIMEOUT:
    case STEP_DEADLOCK: return true;
    default: return false;
    }
}

void world_take(void *world, uint32_t step)
{
    struct world *w = world;
    w->faults_left -= is_fault(w, step >> 8);
    take_call(w, step >> 8, step & 0xff);
}

/* --- promises --- */

bool world_settled(const void *world)
{
    const struct world *w = world;
    for (int i = 0; i < MAX_FLIGHT; i++)
        if (w->flight[i].kind)
            return false;
    if (w->dead || w->session == SESSION_OPEN || w->fate || w->touch == LOG_APPENDED || w->decision == LOG_APPENDED)
        return false;
    if (w->touch == LOG_DURABLE && !w->raised)
        return false;
    return !redis_has_anything(&w->redis) || sweep_fate(w) == COMP_FATE_ORPHAN;
}

static const char *settled_wrong(const struct world *w)
{
    if (redis_has_anything(&w->redis) && !w->lost_after_vote)
        return "a record or lock is left behind";
    for (int seq = 1; seq <= MAX_SEQ; seq++) {
        bool wanted = w->was_decided && (w->believed >> seq & 1);
        bool brought_back = w->was_decided && w->lost_after_vote; /* a savepoint's undo that Redis lost behind the vote */
        if (!wanted && w->redis.effect[seq] && !brought_back)
            return "an effect is left of what was rolled back, undecided or told to have failed";
        if (wanted && !w->redis.effect[seq] && !w->lost_after_vote)
            return "an effect of a committed transaction is missing";
    }
    return NULL;
}

static bool any_effect(const struct world *w)
{
    for (int seq = 1; seq <= MAX_SEQ; seq++)
        if (w->redis.effect[seq])
            return true;
    return false;
}

const char *world_broken(const void *world)
{
    const struct world *w = world;
    for (int seq = 1; seq <= MAX_SEQ; seq++) {
        if (w->redis.effect[seq] < 0)
            return "something was undone that was not there";
        if (w->redis.effect[seq] > 1)
            return "a write was applied twice";
    }
    if (w->took_back_committed)
        return "a committed write was taken back";
    if (w->landed_late)
        return "a write of an older start landed after recovery had looked";
    if (w->ended && !w->was_decided && !w->lost_tail && any_effect(w))
        return "an effect came back after the rollback was acknowledged";
    return world_settled(w) ? settled_wrong(w) : NULL;
}

void world_tell(const void *before, uint32_t step, const void *after, char *out, size_t size)
{
    static const char *const texts[] = {
#define X(name, text) text,
        STEPS(X)
#undef X
    };
    static const char *const kinds[] = {"nothing", "write", "partial end", "vote", "end"};
    const struct world *b = before, *a = after;
    bool of_request = step >> 8 == STEP_DELIVER || step >> 8 == STEP_DELIVER_ERROR || step >> 8 == STEP_LOSE;
    snprintf(out, size, "%s%s%s; machine: %s; effects %d%d%d%d records %d%d%d%d lock %d tombstone %d", texts[step >> 8],
             of_request ? ": " : "", of_request ? kinds[b->flight[step & 0xff].kind] : "", comp_tx_state_text(a->state),
             a->redis.effect[1], a->redis.effect[2], a->redis.effect[3], a->redis.effect[4], a->redis.record[1],
             a->redis.record[2], a->redis.record[3], a->redis.record[4], a->redis.locked, a->redis.tombstone);
}
