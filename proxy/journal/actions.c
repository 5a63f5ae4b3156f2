/* Actions and their records under one lock: nobody sees a state that the log does not have in its order. Leaves to action_runs.c
 * who runs them and what people say. */
#include "proxy/journal/actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/journal/impl.h"
#include "wal/record.h"
#include "wal/types.h"

/* An owner whose outcome is in the log and not yet durable: nothing of it may run. */
struct undurable {
    struct list link;
    char owner[ACTION_OWNER_MAX + 1];
    bool committed;
    wal_pos at;
    int64_t decided_ms;
};

/* --- life -------------------------------------------------------------------------------------------------------- */

void journal_actions_init(struct journal *j, const struct config *config)
{
    struct journal_actions *x = &j->actions;
    pthread_mutex_init(&x->lock, NULL);
    x->schedule = action_schedule_new();
    list_init(&x->undurable);
    list_init(&x->watches);
    list_init(&x->crews);
    x->next_id = 1;
    x->max = (unsigned)config->max_actions;
    x->max_bytes = (uint64_t)config->wal_max_bytes / 4; /* each segment begins with a copy of them all */
}

void journal_actions_fini(struct journal *j)
{
    struct journal_actions *x = &j->actions;
    LIST_FOR_SAFE(it, &x->undurable)
        free(CONTAINER_OF(it, struct undurable, link));
    journal_crews_free(j);
    action_schedule_free(x->schedule);
    pthread_mutex_destroy(&x->lock);
}

/* No decision, no commit: presumed for all that an earlier start left armed. */
void journal_actions_presume(struct journal *j)
{
    for (const char *owner; (owner = action_schedule_undecided(j->actions.schedule));) {
        char name[ACTION_OWNER_MAX + 1];
        snprintf(name, sizeof name, "%s", owner);
        (void)action_schedule_outcome(j->actions.schedule, name, false, clock_wall_ms());
    }
}

/* --- records ----------------------------------------------------------------------------------------------------- */

bool journal_actions_on_record(struct journal *j, uint8_t type, struct slice payload)
{
    struct journal_actions *x = &j->actions;
    struct action_change change;
    struct action_outcome outcome;
    struct action *a;
    uint64_t next_id = 0;
    bool good = false;
    switch (type) {
    case WAL_TYPE_ACTION:
        if ((a = action_read(payload))) {
            next_id = a->id + 1;
            action_schedule_add(x->schedule, a);
            good = true;
        }
        break;
    case WAL_TYPE_ACTION_STATE:
        if ((good = action_change_read(payload, &change)))
            action_schedule_replay(x->schedule, &change);
        break;
    case WAL_TYPE_OUTCOME:
        if ((good = action_outcome_read(payload, &outcome)))
            (void)action_schedule_outcome(x->schedule, outcome.owner, outcome.committed, outcome.at_ms);
        break;
    case WAL_TYPE_ACTION_NEXT:
        good = action_next_read(payload, &next_id);
        break;
    }
    x->next_id = next_id > x->next_id ? next_id : x->next_id;
    return good;
}

void journal_actions_replay_decision(struct journal *j, const struct xa_decision *d)
{
    action_schedule_happened(j->actions.schedule, d->gtrid.text);
    (void)action_schedule_outcome(j->actions.schedule, d->gtrid.text, true, d->decided_ms);
    (void)action_schedule_outcome(j->actions.schedule, d->saga, true, d->decided_ms);
}

struct snapshot_of_actions {
    struct wal_snapshot *out;
    struct buf payload;
};

static void snapshot_action(void *arg, const struct action *a)
{
    struct snapshot_of_actions *s = arg;
    buf_clear(&s->payload);
    action_write(&s->payload, a);
    wal_snapshot_add(s->out, WAL_TYPE_ACTION, buf_at(&s->payload), buf_len(&s->payload));
}

/* The decisions among them are copied in no order: what is to become due in one says so before. */
static void snapshot_outcomes(struct journal *j, struct snapshot_of_actions *s)
{
    LIST_FOR(it, &j->actions.undurable)
    {
        const struct undurable *u = CONTAINER_OF(it, struct undurable, link);
        struct action_outcome o = {.committed = u->committed, .at_ms = u->decided_ms};
        memcpy(o.owner, u->owner, sizeof o.owner);
        buf_clear(&s->payload);
        action_outcome_write(&s->payload, &o);
        wal_snapshot_add(s->out, WAL_TYPE_OUTCOME, buf_at(&s->payload), buf_len(&s->payload));
    }
}

void journal_actions_snapshot(struct journal *j, struct wal_snapshot *out)
{
    struct snapshot_of_actions s = {.out = out};
    action_schedule_each(j->actions.schedule, snapshot_action, &s);
    snapshot_outcomes(j, &s);
    buf_clear(&s.payload);
    action_next_write(&s.payload, j->actions.next_id);
    wal_snapshot_add(out, WAL_TYPE_ACTION_NEXT, buf_at(&s.payload), buf_len(&s.payload));
    buf_fini(&s.payload);
}

wal_pos journal_append_change(struct journal *j, const struct action_change *change, bool lazy)
{
    struct buf payload = {0};
    action_change_write(&payload, change);
    wal_pos at = (lazy ? wal_append_lazy : wal_append)(j->wal, WAL_TYPE_ACTION_STATE, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    return at;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static bool is_over(struct journal *j, const char *owner)
{
    unsigned dead;
    LIST_FOR(it, &j->actions.undurable)
        if (!strcmp(CONTAINER_OF(it, struct undurable, link)->owner, owner))
            return false;
    return !action_schedule_pending(j->actions.schedule, owner, &dead) || dead;
}

void journal_tell_watches(struct journal *j, const char *owner)
{
    LIST_FOR_SAFE(it, &j->actions.watches)
    {
        struct journal_watch *w = CONTAINER_OF(it, struct journal_watch, link);
        if (strcmp(w->owner, owner) || !is_over(j, owner))
            continue;
        list_remove(it);
        mailbox_post(w->box, &w->letter);
    }
}

/* Armed, with an outcome that will make them due. */
static unsigned soon_due(struct journal_actions *x, const char *owner)
{
    unsigned on_rollback, armed = action_schedule_armed(x->schedule, owner, &on_rollback);
    LIST_FOR(it, &x->undurable)
    {
        const struct undurable *u = CONTAINER_OF(it, struct undurable, link);
        if (!strcmp(u->owner, owner))
            return u->committed ? armed - on_rollback : on_rollback;
    }
    return 0;
}

unsigned journal_actions_pending(struct journal *j, const char *owner, unsigned *dead)
{
    unsigned ignored;
    pthread_mutex_lock(&j->actions.lock);
    unsigned n = action_schedule_pending(j->actions.schedule, owner, dead ? dead : &ignored) + soon_due(&j->actions, owner);
    pthread_mutex_unlock(&j->actions.lock);
    return n;
}

bool journal_actions_watch(struct journal *j, struct journal_watch *w)
{
    list_init(&w->link);
    pthread_mutex_lock(&j->actions.lock);
    bool wait = !is_over(j, w->owner);
    if (wait)
        list_push_back(&j->actions.watches, &w->link);
    pthread_mutex_unlock(&j->actions.lock);
    return wait;
}

bool journal_actions_unwatch(struct journal *j, struct journal_watch *w)
{
    pthread_mutex_lock(&j->actions.lock);
    bool waited = !list_empty(&w->link);
    list_remove(&w->link);
    pthread_mutex_unlock(&j->actions.lock);
    return waited;
}

/* --- registering ------------------------------------------------------------------------------------------------- */

static bool has_room(struct journal_actions *x)
{
    struct action_schedule_stats now;
    action_schedule_stats(x->schedule, &now);
    return now.n < x->max && now.bytes < x->max_bytes;
}

/* Under the lock: ids stand in the log in their order. */
static bool arm(struct journal *j, struct action *a, wal_pos *at)
{
    struct journal_actions *x = &j->actions;
    struct buf payload = {0};
    a->id = x->next_id;
    a->state = ACTION_ARMED;
    a->registered_ms = clock_wall_ms();
    action_write(&payload, a);
    size_t bytes = WAL_RECORD_HEADER + buf_len(&payload);
    bool room = has_room(x) && wal_reserve(j->wal, bytes);
    if (room) {
        x->next_id++;
        action_schedule_add(x->schedule, action_copy(a));
        *at = wal_append(j->wal, WAL_TYPE_ACTION, buf_at(&payload), buf_len(&payload));
        wal_unreserve(j->wal, bytes);
    }
    (*(room ? &x->count.registered : &x->count.refused))++;
    buf_fini(&payload);
    return room;
}

bool journal_action_arm(struct journal *j, struct action *a, wal_pos *at)
{
    pthread_mutex_lock(&j->actions.lock);
    bool armed = arm(j, a, at);
    pthread_mutex_unlock(&j->actions.lock);
    if (armed)
        (void)FAILPOINT(action_armed);
    return armed;
}

void journal_append_dropped(void *arg, uint64_t id)
{
    struct journal *j = arg;
    j->actions.count.dropped++;
    journal_append_change(j, &(struct action_change){.id = id, .state = ACTION_DROPPED}, true);
}

void journal_actions_forget(struct journal *j, const char *owner, uint32_t from_seq)
{
    pthread_mutex_lock(&j->actions.lock);
    action_schedule_forget(j->actions.schedule, owner, from_seq, journal_append_dropped, j);
    pthread_mutex_unlock(&j->actions.lock);
}

/* --- outcomes ---------------------------------------------------------------------------------------------------- */

static unsigned armed_now(struct journal_actions *x)
{
    struct action_schedule_stats now;
    action_schedule_stats(x->schedule, &now);
    return now.count[ACTION_ARMED];
}

static void take_outcome(struct journal *j, const char *owner, bool committed, int64_t at_ms)
{
    struct journal_actions *x = &j->actions;
    unsigned before = armed_now(x);
    unsigned due = action_schedule_outcome(x->schedule, owner, committed, at_ms);
    x->count.dropped += before - armed_now(x) - due;
    if (due)
        (void)FAILPOINT(action_due);
    journal_actions_wake_ready(j);
    journal_tell_watches(j, owner);
}

void journal_actions_durable(struct journal *j, wal_pos durable)
{
    struct journal_actions *x = &j->actions;
    if (!x->n_undurable)
        return;
    pthread_mutex_lock(&x->lock);
    for (struct list *it; (it = list_first(&x->undurable));) {
        struct undurable *u = CONTAINER_OF(it, struct undurable, link);
        if (u->at > durable)
            break;
        list_remove(it);
        x->n_undurable--;
        take_outcome(j, u->owner, u->committed, u->decided_ms);
        free(u);
    }
    pthread_mutex_unlock(&x->lock);
}

/* The lock is held. In the order of their positions, but for threads that overtake each other: those wait for the next sync. */
static void wait_for_durable(struct journal *j, const char *owner, bool committed, wal_pos at, int64_t decided_ms)
{
    struct undurable *u = journal_new_known(sizeof *u);
    snprintf(u->owner, sizeof u->owner, "%s", owner);
    u->committed = committed;
    u->at = at;
    u->decided_ms = decided_ms;
    struct list *before = j->actions.undurable.prev;
    while (before != &j->actions.undurable && CONTAINER_OF(before, struct undurable, link)->at > at)
        before = before->prev;
    list_push_front(before, &u->link);
    j->actions.n_undurable++;
}

static void decided_one(struct journal *j, const char *owner, wal_pos at, int64_t decided_ms)
{
    unsigned ignored;
    action_schedule_happened(j->actions.schedule, owner);
    if (action_schedule_armed(j->actions.schedule, owner, &ignored))
        wait_for_durable(j, owner, true, at, decided_ms);
}

void journal_actions_decided(struct journal *j, const struct xa_decision *d, wal_pos at)
{
    pthread_mutex_lock(&j->actions.lock);
    decided_one(j, d->gtrid.text, at, d->decided_ms);
    if (*d->saga)
        decided_one(j, d->saga, at, d->decided_ms);
    pthread_mutex_unlock(&j->actions.lock);
    journal_actions_durable(j, wal_durable(j->wal)); /* it may have become so before it stood on the list */
}

/* The lock is held. What becomes due waits until the log has the outcome and, before it, the decisions of the steps; a rollback
 * that only drops does not. */
static void append_outcome(struct journal *j, const struct action_outcome *o, bool waits)
{
    struct buf payload = {0};
    action_outcome_write(&payload, o);
    wal_pos at = (waits ? wal_append : wal_append_lazy)(j->wal, WAL_TYPE_OUTCOME, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    if (waits)
        wait_for_durable(j, o->owner, o->committed, at, o->at_ms);
    else
        take_outcome(j, o->owner, o->committed, o->at_ms);
}

void journal_outcome(struct journal *j, const char *owner, bool committed)
{
    struct action_outcome o = {.committed = committed, .at_ms = clock_wall_ms()};
    unsigned on_rollback;
    snprintf(o.owner, sizeof o.owner, "%s", owner);
    pthread_mutex_lock(&j->actions.lock);
    if (action_schedule_armed(j->actions.schedule, owner, &on_rollback))
        append_outcome(j, &o, committed || on_rollback);
    pthread_mutex_unlock(&j->actions.lock);
    journal_actions_durable(j, wal_durable(j->wal));
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

void journal_action_stats(struct journal *j, struct journal_action_stats *out)
{
    pthread_mutex_lock(&j->actions.lock);
    *out = j->actions.count;
    action_schedule_stats(j->actions.schedule, &out->now);
    out->oldest_due_ms = action_schedule_oldest_due_ms(j->actions.schedule);
    pthread_mutex_unlock(&j->actions.lock);
}

int64_t journal_oldest_action_ms(struct journal *j)
{
    pthread_mutex_lock(&j->actions.lock);
    int64_t oldest_ms = action_schedule_oldest_ms(j->actions.schedule);
    pthread_mutex_unlock(&j->actions.lock);
    return oldest_ms;
}
