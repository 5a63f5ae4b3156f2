/* The queues of keys: buckets of wants in the order of arrival. Leaves cycles to cycles.c. */
#include "compensate/waits.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "compensate/keyset.h"
#include "compensate/waits_impl.h"

enum { KEY_BUCKETS = 1024, PARTY_BUCKETS = 1024 };

static struct list *heads_new(size_t n)
{
    struct list *heads = calloc(n, sizeof *heads);
    CHECK(heads);
    for (size_t i = 0; i < n; i++)
        list_init(&heads[i]);
    return heads;
}

void comp_waits_init(struct comp_waits *w, unsigned n_lanes)
{
    *w = (struct comp_waits){.n_lanes = n_lanes};
    list_init(&w->all);
    w->due = heads_new(n_lanes);
    w->keys = heads_new(KEY_BUCKETS);
    w->parties = heads_new(PARTY_BUCKETS);
}

void comp_waits_fini(struct comp_waits *w)
{
    CHECK(!w->n);
    free(w->due);
    free(w->keys);
    free(w->parties);
    free(w->server);
}

/* --- transactions --------------------------------------------------------------------------------------------------------- */

static struct list *party_bucket(const struct comp_waits *w, const char *gtrid, size_t len)
{
    return &w->parties[comp_key_hash((struct slice){(const uint8_t *)gtrid, len}) % PARTY_BUCKETS];
}

struct comp_party *comp_waits_party(const struct comp_waits *w, const char *gtrid, size_t len)
{
    LIST_FOR(it, party_bucket(w, gtrid, len))
    {
        struct comp_party *p = CONTAINER_OF(it, struct comp_party, link);
        if (strlen(p->gtrid) == len && !memcmp(p->gtrid, gtrid, len))
            return p;
    }
    return NULL;
}

void comp_waits_join(struct comp_waits *w, struct comp_party *party, const char *gtrid)
{
    *party = (struct comp_party){.gtrid = gtrid};
    list_init(&party->link);
    list_init(&party->blocked);
    list_push_back(party_bucket(w, gtrid, strlen(gtrid)), &party->link);
}

void comp_waits_part(struct comp_waits *w, struct comp_party *party)
{
    if (!party->gtrid)
        return;
    list_remove(&party->link);
    if (party->waits) /* a read, that goes on as anybody's */
        party->waits->party = NULL;
    LIST_FOR_SAFE(it, &party->blocked)
    {
        struct comp_waiter *waiter = CONTAINER_OF(it, struct comp_waiter, blocked_link);
        list_remove(it);
        waiter->holder = NULL;
        if (comp_waits_is_first(w, waiter))
            comp_waiter_make_due(w, waiter);
    }
    party->gtrid = NULL;
}

/* --- what a command wants --------------------------------------------------------------------------------------------------- */

void comp_waiter_clear(struct comp_waiter *waiter)
{
    CHECK(!waiter->ticket);
    buf_clear(&waiter->keys);
    waiter->n_wants = 0;
}

void comp_waiter_want(struct comp_waiter *waiter, struct slice key, enum comp_want_mode mode)
{
    CHECK(!waiter->ticket);
    if (waiter->n_wants == waiter->cap_wants) {
        waiter->cap_wants = waiter->cap_wants ? 2 * waiter->cap_wants : 2;
        waiter->want = realloc(waiter->want, waiter->cap_wants * sizeof *waiter->want);
        CHECK(waiter->want);
    }
    waiter->want[waiter->n_wants++] = (struct comp_want){.waiter = waiter,
                                                         .hash = comp_key_hash(key),
                                                         .offset = (uint32_t)buf_len(&waiter->keys),
                                                         .len = (uint32_t)key.len,
                                                         .mode = mode};
    buf_append(&waiter->keys, key.at, key.len);
}

void comp_waiter_fini(struct comp_waiter *waiter)
{
    CHECK(!waiter->ticket);
    buf_fini(&waiter->keys);
    free(waiter->want);
    *waiter = (struct comp_waiter){0};
}

static struct list *bucket_of(const struct comp_waits *w, const struct comp_want *want)
{
    return &w->keys[want->hash % KEY_BUCKETS];
}

static bool conflict(const struct comp_want *a, const struct comp_want *b)
{
    const struct comp_waiter *x = a->waiter, *y = b->waiter;
    return x != y && (a->mode != b->mode || a->mode == COMP_WANT_WRITE) && a->hash == b->hash && a->len == b->len && x->resource == y->resource &&
           !memcmp(buf_at(&x->keys) + a->offset, buf_at(&y->keys) + b->offset, a->len);
}

const struct comp_want *comp_want_before(const struct comp_waits *w, const struct comp_want *from, const struct comp_want *of)
{
    for (struct list *head = bucket_of(w, of), *it = from->link.prev; it != head; it = it->prev)
        if (conflict(CONTAINER_OF(it, struct comp_want, link), of))
            return CONTAINER_OF(it, struct comp_want, link);
    return NULL;
}

/* --- the queue -------------------------------------------------------------------------------------------------------------- */

bool comp_waits_is_first(const struct comp_waits *w, const struct comp_waiter *waiter)
{
    for (unsigned i = 0; i < waiter->n_wants && !waiter->overtakes; i++)
        if (comp_want_before(w, &waiter->want[i], &waiter->want[i]))
            return false;
    return true;
}

void comp_waiter_make_due(struct comp_waits *w, struct comp_waiter *waiter)
{
    if (list_empty(&waiter->due_link))
        list_push_back(&w->due[waiter->lane], &waiter->due_link);
}

static void enter(struct comp_waits *w, struct comp_waiter *waiter)
{
    waiter->ticket = ++w->tickets;
    waiter->holder = NULL;
    waiter->overtakes = waiter->condemned = false;
    list_push_back(&w->all, &waiter->all);
    list_init(&waiter->due_link);
    list_init(&waiter->blocked_link);
    list_init(&waiter->walk_link);
    for (unsigned i = 0; i < waiter->n_wants; i++)
        list_push_back(bucket_of(w, &waiter->want[i]), &waiter->want[i].link);
    if (waiter->party)
        waiter->party->waits = waiter;
    w->n++;
}

static void set_holder(struct comp_waiter *waiter, struct comp_party *holder)
{
    list_remove(&waiter->blocked_link);
    waiter->holder = holder;
    if (holder)
        list_push_back(&holder->blocked, &waiter->blocked_link);
}

/* Who comes next for this key waits for its new holder, or asks; up to the first who would have it alone. */
static void pass_on(struct comp_waits *w, const struct list *behind, const struct comp_want *want, struct comp_party *holder)
{
    for (struct list *head = bucket_of(w, want), *it = behind->next; it != head; it = it->next) {
        struct comp_want *next = CONTAINER_OF(it, struct comp_want, link);
        if (!conflict(next, want))
            continue;
        if (!next->waiter->holder && holder && want->mode == COMP_WANT_WRITE)
            set_holder(next->waiter, holder);
        else if (!next->waiter->holder && comp_waits_is_first(w, next->waiter))
            comp_waiter_make_due(w, next->waiter);
        if (next->mode == COMP_WANT_WRITE && !next->waiter->overtakes)
            return;
    }
}

void comp_waits_leave(struct comp_waits *w, struct comp_waiter *waiter, bool holds)
{
    if (!waiter->ticket)
        return;
    for (unsigned i = 0; i < waiter->n_wants; i++) {
        struct list *behind = waiter->want[i].link.prev;
        list_remove(&waiter->want[i].link);
        pass_on(w, behind, &waiter->want[i], holds ? waiter->party : NULL);
    }
    set_holder(waiter, NULL);
    list_remove(&waiter->all);
    list_remove(&waiter->due_link);
    if (waiter->party)
        waiter->party->waits = NULL;
    waiter->ticket = 0;
    w->n--;
}

bool comp_waits_queue(struct comp_waits *w, struct comp_waiter *waiter)
{
    CHECK(!waiter->ticket);
    if (!w->n)
        return false;
    enter(w, waiter);
    if (!comp_waits_is_first(w, waiter)) {
        CHECK(!comp_waits_is_victim(w, waiter)); /* it has no holder to wait for */
        if (!waiter->overtakes)
            return true;
    }
    comp_waits_leave(w, waiter, false);
    return false;
}

enum comp_wait comp_waits_told(struct comp_waits *w, struct comp_waiter *waiter, struct slice owner)
{
    if (!waiter->ticket)
        enter(w, waiter);
    if (waiter->condemned)
        return COMP_WAIT_DEADLOCK;
    struct comp_party *holder = comp_waits_party(w, (const char *)owner.at, owner.len);
    set_holder(waiter, holder != waiter->party ? holder : NULL);
    list_remove(&waiter->due_link);
    if (comp_waits_is_victim(w, waiter))
        return COMP_WAIT_DEADLOCK;
    if (!comp_waits_is_first(w, waiter))
        return COMP_WAIT_TURN;
    return waiter->holder ? COMP_WAIT_TURN : COMP_WAIT_POLL;
}

struct comp_waiter *comp_waits_due(struct comp_waits *w, unsigned lane)
{
    CHECK(lane < w->n_lanes);
    struct list *first = list_first(&w->due[lane]);
    if (!first)
        return NULL;
    list_remove(first);
    return CONTAINER_OF(first, struct comp_waiter, due_link);
}
