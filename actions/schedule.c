/* The life of actions: armed, due, run, gone. Leaves who waits for whom to chain.c, the queues of a resource to lane.c, retries
 * to policy.c, and what people and the log say to change.c. */
#include "actions/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/impl.h"

/* --- by name ------------------------------------------------------------------------------------------------------- */

struct entry *action_entry(struct action_schedule *s, uint64_t id)
{
    for (struct action_node *n = action_table_first(&s->ids, action_hash_number(id)); n; n = action_table_next(n))
        if (CONTAINER_OF(n, struct entry, node)->action->id == id)
            return CONTAINER_OF(n, struct entry, node);
    return NULL;
}

static struct owner *find_owner(struct action_schedule *s, const char *name)
{
    for (struct action_node *n = action_table_first(&s->owners, action_hash_text(name)); n; n = action_table_next(n))
        if (!strcmp(CONTAINER_OF(n, struct owner, node)->name, name))
            return CONTAINER_OF(n, struct owner, node);
    return NULL;
}

static struct owner *owner_of(struct action_schedule *s, const char *name)
{
    struct owner *o = find_owner(s, name);
    if (o)
        return o;
    o = calloc(1, sizeof *o);
    CHECK(o);
    strcpy(o->name, name);
    list_init(&o->entries);
    list_init(&o->chains);
    list_init(&o->undecided);
    action_table_put(&s->owners, &o->node, action_hash_text(name));
    return o;
}

static struct step *find_step(struct action_schedule *s, const char *name)
{
    for (struct action_node *n = action_table_first(&s->steps, action_hash_text(name)); n; n = action_table_next(n))
        if (!strcmp(CONTAINER_OF(n, struct step, node)->name, name))
            return CONTAINER_OF(n, struct step, node);
    return NULL;
}

static struct step *step_of(struct action_schedule *s, const char *name)
{
    struct step *p = find_step(s, name);
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    CHECK(p);
    strcpy(p->name, name);
    list_init(&p->entries);
    action_table_put(&s->steps, &p->node, action_hash_text(name));
    return p;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct action_schedule *action_schedule_new(void)
{
    struct action_schedule *s = calloc(1, sizeof *s);
    CHECK(s);
    action_table_init(&s->ids);
    action_table_init(&s->owners);
    action_table_init(&s->steps);
    action_table_init(&s->keys);
    struct list *const heads[] = {&s->lanes, &s->decided, &s->armed, &s->undecided};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        list_init(heads[i]);
    return s;
}

static void drop_entry(struct action_node *node)
{
    struct entry *e = CONTAINER_OF(node, struct entry, node);
    action_free(e->action);
    free(e);
}

static void drop_owner(struct action_node *node)
{
    struct owner *o = CONTAINER_OF(node, struct owner, node);
    LIST_FOR_SAFE(it, &o->chains)
        free(CONTAINER_OF(it, struct chain, link));
    free(o);
}

static void drop_step(struct action_node *node) { free(CONTAINER_OF(node, struct step, node)); }
static void drop_key(struct action_node *node) { free(CONTAINER_OF(node, struct chain, node)); }

void action_schedule_free(struct action_schedule *s)
{
    action_table_fini(&s->ids, drop_entry);
    action_table_fini(&s->owners, drop_owner);
    action_table_fini(&s->steps, drop_step);
    action_table_fini(&s->keys, drop_key);
    LIST_FOR_SAFE(it, &s->lanes)
        action_lane_free(CONTAINER_OF(it, struct lane, link));
    free(s);
}

void action_enter(struct action_schedule *s, struct entry *e, enum action_state state)
{
    s->count[e->action->state]--;
    s->count[state]++;
    e->lane->running += (state == ACTION_RUNNING) - (e->action->state == ACTION_RUNNING);
    e->action->state = state;
}

/* --- coming and going ---------------------------------------------------------------------------------------------- */

static void add_by_seq(struct owner *o, struct entry *e)
{
    struct list *at = o->entries.prev;
    while (at != &o->entries && CONTAINER_OF(at, struct entry, of_owner)->action->seq > e->action->seq)
        at = at->prev;
    list_push_front(at, &e->of_owner); /* behind `at` */
}

static void leave_step(struct action_schedule *s, struct entry *e)
{
    struct step *p = e->step;
    if (!p)
        return;
    e->step = NULL;
    list_remove(&e->of_step);
    if (!list_empty(&p->entries))
        return;
    action_table_remove(&s->steps, &p->node);
    free(p);
}

static void stay_armed(struct action_schedule *s, struct entry *e)
{
    if (*e->action->by && !e->action->happened) {
        e->step = step_of(s, e->action->by);
        list_push_back(&e->step->entries, &e->of_step);
    }
    list_push_back(&s->armed, &e->in_order);
    if (!e->owner->armed++)
        list_push_back(&s->undecided, &e->owner->undecided);
}

static void no_more_armed(struct entry *e)
{
    list_remove(&e->in_order);
    if (!--e->owner->armed)
        list_remove(&e->owner->undecided);
}

static void stand_due(struct action_schedule *s, struct entry *e)
{
    list_push_back(&s->decided, &e->in_order);
    action_chains_join(s, e);
    action_place(e);
}

static size_t record_bytes(const struct action *a)
{
    struct buf b = {0};
    action_write(&b, a);
    size_t n = buf_len(&b);
    buf_fini(&b);
    return n;
}

void action_schedule_add(struct action_schedule *s, struct action *a)
{
    CHECK(a->state <= ACTION_DEAD && a->state != ACTION_RUNNING);
    if (action_entry(s, a->id)) {
        action_free(a);
        return;
    }
    struct entry *e = calloc(1, sizeof *e);
    CHECK(e);
    e->action = a;
    e->bytes = record_bytes(a);
    e->owner = owner_of(s, a->owner);
    e->lane = action_lane(s, a->kind, a->resource);
    struct list *const links[] = {&e->of_step, &e->in_order, &e->in_chain, &e->in_key, &e->in_queue};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        list_init(links[i]);
    action_table_put(&s->ids, &e->node, action_hash_number(a->id));
    add_by_seq(e->owner, e);
    s->count[a->state]++;
    s->bytes += e->bytes;
    if (a->state == ACTION_ARMED)
        stay_armed(s, e);
    else
        stand_due(s, e);
}

void action_gone(struct action_schedule *s, struct entry *e)
{
    struct owner *o = e->owner;
    if (e->action->state == ACTION_ARMED)
        no_more_armed(e);
    action_enter(s, e, ACTION_DONE); /* no lane counts it any more */
    s->count[ACTION_DONE]--;
    action_lane_remove(e->lane, e);
    action_chains_leave(s, e);
    leave_step(s, e);
    list_remove(&e->in_order);
    list_remove(&e->of_owner);
    action_table_remove(&s->ids, &e->node);
    s->bytes -= e->bytes;
    action_free(e->action);
    free(e);
    if (!list_empty(&o->entries))
        return;
    action_table_remove(&s->owners, &o->node);
    free(o);
}

/* --- outcomes ------------------------------------------------------------------------------------------------------ */

static bool become_due(struct action_schedule *s, struct entry *e, bool committed, int64_t now_ms)
{
    if (e->action->state != ACTION_ARMED || (e->action->on == ACTION_ON_COMMIT) != committed || e->step)
        return false;
    no_more_armed(e);
    action_enter(s, e, ACTION_DUE);
    e->action->due_ms = now_ms;
    stand_due(s, e);
    return true;
}

void action_schedule_happened(struct action_schedule *s, const char *by)
{
    for (struct step *p; (p = find_step(s, by));) {
        struct entry *e = CONTAINER_OF(list_first(&p->entries), struct entry, of_step);
        e->action->happened = true;
        leave_step(s, e);
    }
}

unsigned action_schedule_outcome(struct action_schedule *s, const char *owner, bool committed, int64_t now_ms)
{
    struct owner *o = find_owner(s, owner);
    unsigned due = 0;
    if (!o)
        return 0;
    struct list *head = &o->entries;
    for (struct list *it = committed ? head->next : head->prev; it != head; it = committed ? it->next : it->prev)
        due += become_due(s, CONTAINER_OF(it, struct entry, of_owner), committed, now_ms);
    action_schedule_forget(s, owner, 0, NULL, NULL);
    return due;
}

void action_schedule_forget(struct action_schedule *s, const char *owner, uint32_t from_seq,
                            void (*told)(void *arg, uint64_t id), void *arg)
{
    struct owner *o = find_owner(s, owner);
    for (struct list *it = o ? o->entries.next : NULL, *next; o && it != &o->entries; it = next) {
        struct entry *e = CONTAINER_OF(it, struct entry, of_owner);
        next = it->next;
        if (e->action->state != ACTION_ARMED || e->action->seq < from_seq)
            continue;
        if (told)
            told(arg, e->action->id);
        if (o->entries.next == o->entries.prev)
            o = NULL; /* it goes with its last */
        action_gone(s, e);
    }
}

/* The probe stays, and its owner with it. */
void action_schedule_never_was(struct action_schedule *s, uint64_t probe, void (*told)(void *arg, uint64_t id), void *arg)
{
    const struct entry *p = action_entry(s, probe);
    CHECK(p && p->action->probe && p->action->state == ACTION_RUNNING);
    LIST_FOR_SAFE(it, &p->owner->entries)
    {
        struct entry *e = CONTAINER_OF(it, struct entry, of_owner);
        if (e == p || strcmp(e->action->by, p->action->by))
            continue;
        told(arg, e->action->id);
        action_gone(s, e);
    }
}

unsigned action_schedule_armed(struct action_schedule *s, const char *owner, unsigned *on_rollback)
{
    struct owner *o = find_owner(s, owner);
    *on_rollback = 0;
    for (struct list *it = o && o->armed ? o->entries.next : NULL; it && it != &o->entries; it = it->next) {
        const struct action *a = CONTAINER_OF(it, struct entry, of_owner)->action;
        *on_rollback += a->state == ACTION_ARMED && a->on == ACTION_ON_ROLLBACK;
    }
    return o ? o->armed : 0;
}

const char *action_schedule_undecided(struct action_schedule *s)
{
    struct list *it = list_first(&s->undecided);
    return it ? CONTAINER_OF(it, struct owner, undecided)->name : NULL;
}

/* --- runs ---------------------------------------------------------------------------------------------------------- */

const struct action *action_schedule_take(struct action_schedule *s, enum action_kind kind, const char *resource, int64_t now_ms,
                                          int64_t *next_ms)
{
    struct entry *e = action_lane_take(action_lane(s, kind, resource), now_ms, next_ms);
    if (!e)
        return NULL;
    action_enter(s, e, ACTION_RUNNING);
    return e->action;
}

bool action_schedule_ready(struct action_schedule *s, enum action_kind kind, const char *resource)
{
    const struct lane *l = action_lane(s, kind, resource);
    return !(l->away && l->running) && (!list_empty(&l->backlog) || !list_empty(&l->fresh));
}

bool action_schedule_result(struct action_schedule *s, uint64_t id, enum action_result result, const char *error, int64_t now_ms,
                            uint32_t random, struct action_change *change)
{
    struct entry *e = action_entry(s, id);
    CHECK(e && e->action->state == ACTION_RUNNING);
    action_say(e->action, error);
    if (result == ACTION_DOWN) {
        action_enter(s, e, e->action->attempts ? ACTION_WAIT : ACTION_DUE);
        e->action->next_ms = 0;
        action_lane_missed(e->lane, now_ms, random);
        action_lane_place_first(e->lane, e);
        return false;
    }
    if (result == ACTION_EARLY) {
        action_enter(s, e, e->action->attempts ? ACTION_WAIT : ACTION_DUE);
        e->action->next_ms = now_ms + action_early_ms(e->action, now_ms);
        action_lane_place(e->lane, e);
        return false;
    }
    action_lane_reached(e->lane, now_ms);
    struct action after = *e->action;
    action_attempted(&after, result, now_ms, random);
    action_tell(change, &after, after.state);
    if (after.state == ACTION_DONE) {
        action_gone(s, e);
        return true;
    }
    action_enter(s, e, after.state);
    *e->action = after;
    action_place(e);
    return true;
}

void action_schedule_hurry(struct action_schedule *s, enum action_kind kind, const char *resource, int64_t now_ms)
{
    struct lane *l = action_lane(s, kind, resource);
    if (l->probe_ms > now_ms)
        l->probe_ms = now_ms;
}

/* --- looking --------------------------------------------------------------------------------------------------------- */

const struct action *action_schedule_find(struct action_schedule *s, uint64_t id)
{
    struct entry *e = action_entry(s, id);
    return e ? e->action : NULL;
}

uint64_t action_schedule_behind(struct action_schedule *s, uint64_t id)
{
    struct entry *e = action_entry(s, id);
    return e ? action_chains_first(e) : 0;
}

unsigned action_schedule_pending(struct action_schedule *s, const char *owner, unsigned *dead)
{
    struct owner *o = find_owner(s, owner);
    unsigned pending = 0;
    *dead = 0;
    for (struct list *it = o ? o->entries.next : NULL; o && it != &o->entries; it = it->next) {
        enum action_state state = CONTAINER_OF(it, struct entry, of_owner)->action->state;
        pending += state == ACTION_DUE || state == ACTION_WAIT || state == ACTION_RUNNING;
        *dead += state == ACTION_DEAD;
    }
    return pending;
}

void action_schedule_each(struct action_schedule *s, void (*each)(void *arg, const struct action *a), void *arg)
{
    LIST_FOR(it, &s->decided)
        each(arg, CONTAINER_OF(it, struct entry, in_order)->action);
    LIST_FOR(it, &s->armed)
        each(arg, CONTAINER_OF(it, struct entry, in_order)->action);
}

static int64_t oldest_of(const struct list *head, int64_t oldest_ms)
{
    LIST_FOR(it, head)
    {
        int64_t at_ms = CONTAINER_OF(it, struct entry, in_order)->action->registered_ms;
        oldest_ms = !oldest_ms || at_ms < oldest_ms ? at_ms : oldest_ms;
    }
    return oldest_ms;
}

int64_t action_schedule_oldest_ms(struct action_schedule *s)
{
    return oldest_of(&s->armed, oldest_of(&s->decided, 0));
}

int64_t action_schedule_oldest_due_ms(struct action_schedule *s)
{
    LIST_FOR(it, &s->decided)
    {
        const struct action *action = CONTAINER_OF(it, struct entry, in_order)->action;
        if (action->state != ACTION_DEAD)
            return action->due_ms;
    }
    return 0;
}

void action_schedule_stats(const struct action_schedule *s, struct action_schedule_stats *out)
{
    *out = (struct action_schedule_stats){.n = (unsigned)s->ids.n, .bytes = s->bytes};
    memcpy(out->count, s->count, sizeof out->count);
}
