/* The queues of one resource: what may run now, what later, and whether the resource is there at all. */
#include <stdlib.h>
#include <string.h>

#include "actions/impl.h"

#define OUTAGE_FAILURES 3 /* in a row: before that nothing to speak of has gathered, and what is new stays so */
#define SET_BACK_MS 1000  /* less is not worth it */
#define PROBE_CAP_MS 5000 /* the resolver hurries a probe when it has reached the resource before */

struct lane *action_lane(struct action_schedule *s, enum action_kind kind, const char *resource)
{
    LIST_FOR(it, &s->lanes)
    {
        struct lane *l = CONTAINER_OF(it, struct lane, link);
        if (l->kind == kind && !strcmp(l->resource, resource))
            return l;
    }
    struct lane *l = calloc(1, sizeof *l);
    CHECK(l && strlen(resource) < sizeof l->resource);
    l->kind = kind;
    strcpy(l->resource, resource);
    l->away = true; /* what is found at start is a backlog */
    list_init(&l->backlog);
    list_init(&l->fresh);
    list_push_back(&s->lanes, &l->link);
    return l;
}

void action_lane_free(struct lane *l)
{
    free(l->heap);
    free(l);
}

/* --- the heap of what waits -------------------------------------------------------------------------------------- */

static int64_t time_at(const struct lane *l, size_t i)
{
    return l->heap[i]->action->next_ms;
}

static void put_at(struct lane *l, size_t i, struct entry *e)
{
    l->heap[i] = e;
    e->heap_at = i + 1;
}

static void swap(struct lane *l, size_t a, size_t b)
{
    struct entry *e = l->heap[a];
    put_at(l, a, l->heap[b]);
    put_at(l, b, e);
}

static void rise(struct lane *l, size_t i)
{
    for (; i && time_at(l, i) < time_at(l, (i - 1) / 2); i = (i - 1) / 2)
        swap(l, i, (i - 1) / 2);
}

static void sink(struct lane *l, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < l->n_heap; i = child) {
        if (child + 1 < l->n_heap && time_at(l, child + 1) < time_at(l, child))
            child++;
        if (time_at(l, i) <= time_at(l, child))
            return;
        swap(l, i, child);
    }
}

static void heap_add(struct lane *l, struct entry *e)
{
    if (l->n_heap == l->heap_cap) {
        l->heap_cap = l->heap_cap ? 2 * l->heap_cap : 16;
        l->heap = realloc(l->heap, l->heap_cap * sizeof(struct entry *));
        CHECK(l->heap);
    }
    put_at(l, l->n_heap++, e);
    rise(l, l->n_heap - 1);
}

static void heap_remove(struct lane *l, struct entry *e)
{
    size_t i = e->heap_at - 1;
    e->heap_at = 0;
    struct entry *last = l->heap[--l->n_heap];
    if (last == e)
        return;
    put_at(l, i, last);
    rise(l, i);
    sink(l, last->heap_at - 1);
}

/* --- placing ----------------------------------------------------------------------------------------------------- */

/* What became due before the resource was back is backlog, also when it stood behind another of its owner until now. */
static void queue(struct lane *l, struct entry *e)
{
    list_push_back(e->action->due_ms <= l->gathered_ms ? &l->backlog : &l->fresh, &e->in_queue);
}

void action_lane_place(struct lane *l, struct entry *e)
{
    CHECK(list_empty(&e->in_queue) && !e->heap_at);
    if (e->action->next_ms)
        heap_add(l, e);
    else
        queue(l, e);
}

void action_lane_place_first(struct lane *l, struct entry *e)
{
    CHECK(list_empty(&e->in_queue) && !e->heap_at);
    list_push_front(&l->backlog, &e->in_queue);
}

void action_lane_remove(struct lane *l, struct entry *e)
{
    list_remove(&e->in_queue);
    if (e->heap_at)
        heap_remove(l, e);
}

/* --- is it there? ------------------------------------------------------------------------------------------------ */

void action_lane_reached(struct lane *l, int64_t now_ms)
{
    if (!l->away)
        return;
    bool gathered = !l->was_reached || l->failures >= OUTAGE_FAILURES;
    l->away = false;
    l->was_reached = true;
    l->failures = 0;
    l->gathered_ms = gathered ? now_ms : l->gathered_ms;
    while (gathered && !list_empty(&l->fresh)) {
        struct list *it = list_first(&l->fresh);
        list_remove(it);
        list_push_back(&l->backlog, it);
    }
}

void action_lane_missed(struct lane *l, int64_t now_ms, uint32_t random)
{
    l->away = true;
    l->failures++;
    l->probe_ms = now_ms + action_back_off_ms(l->failures, PROBE_CAP_MS, random);
}

/* --- taking ------------------------------------------------------------------------------------------------------ */

static void wake_waiting(struct lane *l, int64_t now_ms)
{
    while (l->n_heap && time_at(l, 0) <= now_ms) {
        struct entry *e = l->heap[0];
        heap_remove(l, e);
        queue(l, e);
    }
}

/* Turn by turn: neither the backlog nor what is new starves. The probe is the oldest. */
static struct list *next_of(struct lane *l)
{
    struct list *old = list_first(&l->backlog), *young = list_first(&l->fresh);
    if (!old || !young || l->away)
        return old ? old : young;
    l->turn = !l->turn;
    return l->turn ? young : old;
}

/* A clock that was set back would have all that waits wait for as long again. */
static void look_at_clock(struct lane *l, int64_t now_ms)
{
    if (now_ms + SET_BACK_MS < l->looked_ms) {
        wake_waiting(l, INT64_MAX);
        l->probe_ms = now_ms;
    }
    l->looked_ms = now_ms;
}

struct entry *action_lane_take(struct lane *l, int64_t now_ms, int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    look_at_clock(l, now_ms);
    if (l->away && l->running)
        return NULL;
    if (l->away && l->probe_ms > now_ms) {
        *next_ms = l->probe_ms;
        return NULL;
    }
    wake_waiting(l, now_ms);
    struct list *it = next_of(l);
    if (!it) {
        if (l->n_heap)
            *next_ms = time_at(l, 0);
        return NULL;
    }
    list_remove(it);
    return CONTAINER_OF(it, struct entry, in_queue);
}
