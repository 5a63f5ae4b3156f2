/* The resolver of the model: a sweep of each server, side by side, step by step, judged by the real xa_recovery_fate and
 * xa_recovery_absent over a registry that holds what the world says. */
#include <string.h>

#include "base/check.h"
#include "tests/model/commit_world.h"
#include "xa/recovery.h"

#define GTRID "xap1:n:00000001:1:1-0123456789abcdef"

static bool listed(const struct world *w, unsigned i)
{
    return w->server[i].branch == BRANCH_PREPARED;
}

static bool open_at(const struct world *w, unsigned i)
{
    return w->registered == REGISTERED_RESOLVER && w->in_decision & ~w->settled & 1u << i;
}

void resolver_idle(struct server *s)
{
    s->sweep = SWEEP_IDLE;
    s->seen_before = s->seen_now = s->was_live = s->was_open = s->old_gone = s->held = false;
}

/* Something there for it to do. */
bool resolver_wanted(const struct world *w, unsigned i)
{
    return listed(w, i) || open_at(w, i);
}

static bool in_some_hand(void *arg, const char *gtrid)
{
    const struct server *s = arg;
    CHECK(!strcmp(gtrid, GTRID));
    return s->was_live;
}

static enum xa_fate judge(const struct world *w, struct server *s)
{
    static struct xa_registry *registry;
    static const struct xa_decision decision = {.gtrid = {GTRID}};
    const struct xa_recovered row = {1, {(const uint8_t *)GTRID, sizeof GTRID - 1}, {(const uint8_t *)"0:a", 3}};
    registry = registry ? registry : xa_registry_new();
    if (w->registered)
        xa_registry_enter(registry, &decision,
                          w->registered == REGISTERED_SESSION ? XA_OWNER_SESSION : XA_OWNER_RESOLVER);
    const struct xa_recovery_view view = {.node = "n", .log_id = "00000001", .epoch = 1, .registry = registry,
                                          .live = in_some_hand, .arg = s,
                                          .seen_before = s->seen_before || mutant == MUTANT_SEEN_ONCE};
    enum xa_fate fate = xa_recovery_fate(&view, &row);
    xa_registry_leave(registry, GTRID);
    return fate;
}

static void act(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    if (s->seen_now) {
        enum xa_fate fate = judge(w, s);
        if (!s->held && (fate == XA_FATE_COMMIT || fate == XA_FATE_ROLLBACK))
            s->asked = fate == XA_FATE_COMMIT ? REQUEST_COMMIT : REQUEST_ROLLBACK;
    } else if (mutant == MUTANT_STALE_ABSENCE ? open_at(w, i) : s->was_open) {
        enum xa_absence absence = xa_recovery_absent(s->old_gone, s->restarted, true);
        if (absence == XA_ABSENCE_SETTLED || absence == XA_ABSENCE_PRESUMED)
            proxy_settled(w, (uint8_t)(1u << i));
    }
}

static bool workers_have_it(const struct world *w)
{
    if (mutant == MUTANT_LIVE_IGNORED || (mutant == MUTANT_UNSYNCED_NOT_LIVE && w->tx_state == XA_TX_DECIDING))
        return false;
    return w->life == LIFE_LIVE;
}

/* Whether a connection of ours may still have the branch. One that is given up after this look counts as such until the next. */
static bool may_hold(const struct world *w, unsigned i)
{
    const struct server *s = &w->server[i];
    bool ended = s->thread == THREAD_GONE || (mutant == MUTANT_CLOSING_IS_GONE && s->thread == THREAD_CLOSING);
    bool given_up = (w->life != LIFE_BEFORE && !s->socket) || mutant == MUTANT_GIVEN_UP_SINCE;
    return scene->server[i].mariadb && !(given_up && ended);
}

void resolver_sweep(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    switch ((enum sweep)s->sweep) {
    case SWEEP_IDLE:
        s->held = may_hold(w, i);
        s->seen_before = listed(w, i);
        break;
    case SWEEP_LISTED:
        s->was_live = workers_have_it(w);
        s->was_open = open_at(w, i);
        s->old_gone = (!s->thread && !s->late) || mutant == MUTANT_ABSENCE_UNPROVEN ||
                      (mutant == MUTANT_RESTART_IS_PROOF && s->restarted);
        break;
    case SWEEP_ASKED:
        s->seen_now = listed(w, i);
        break;
    case SWEEP_LISTED_TWICE:
        act(w, i);
        resolver_idle(s);
        return;
    }
    s->sweep++;
}

/* The answer to what was asked; anything but OK is looked at again by the next sweep. */
void resolver_reply(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    bool commit = s->asked_reply_to == REQUEST_COMMIT;
    enum xa_verdict verdict = xa_verdict_of(commit ? XA_ASKED_COMMIT : XA_ASKED_ROLLBACK, reply_codes[s->asked_reply], 0);
    s->asked_reply_to = s->asked_reply = 0;
    if (!commit)
        return;
    /* 1402 ends the branch too: in this world only one that had written nothing. */
    if (verdict == XA_VERDICT_OK || verdict == XA_VERDICT_HEURISTIC ||
        (verdict == XA_VERDICT_NOTA && mutant == MUTANT_NOTA_IS_DONE))
        proxy_settled(w, (uint8_t)(1u << i));
}

/* Redis' own sweep in one step: what its undo machine does in many is explored in its own model. */
bool resolver_redis_wanted(const struct world *w)
{
    bool open = w->registered == REGISTERED_RESOLVER && w->in_decision & ~w->settled & REDIS_BIT;
    return w->life != LIFE_LIVE && (open || w->redis.place == REDIS_UNDO);
}

void resolver_redis(struct world *w)
{
    if (w->registered == REGISTERED_RESOLVER) {
        w->redis.place = w->redis.place == REDIS_UNDO ? REDIS_KEPT : w->redis.place;
        proxy_settled(w, REDIS_BIT);
    } else {
        w->redis.place = REDIS_UNDONE;
    }
}
