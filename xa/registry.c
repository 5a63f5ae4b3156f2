/* The table of decided, unsettled transactions: chained hash by gtrid, doubled when full, one mutex around all. */
#include "xa/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FIRST_BUCKETS 64 /* a power of two, as all later sizes */

struct entry {
    struct entry *next; /* in its bucket */
    uint64_t hash;
    enum xa_owner owner;
    uint64_t branches_settled; /* a bit each */
    uint64_t slots_settled;
    struct xa_decision decision;
};

struct xa_registry {
    pthread_mutex_t lock;
    struct entry **bucket;
    size_t n_buckets, n_entries;
    unsigned owned[2];
};

_Static_assert(XA_MAX_BRANCHES <= 64 && XA_MAX_SLOTS <= 64, "a bit for each");

struct xa_registry *xa_registry_new(void)
{
    struct xa_registry *r = calloc(1, sizeof *r);
    CHECK(r);
    pthread_mutex_init(&r->lock, NULL);
    r->n_buckets = FIRST_BUCKETS;
    r->bucket = calloc(r->n_buckets, sizeof(struct entry *));
    CHECK(r->bucket);
    return r;
}

void xa_registry_free(struct xa_registry *r)
{
    for (size_t i = 0; i < r->n_buckets; i++)
        for (struct entry *e = r->bucket[i], *next; e; e = next) {
            next = e->next;
            free(e);
        }
    pthread_mutex_destroy(&r->lock);
    free(r->bucket);
    free(r);
}

/* FNV-1a. gtrids are ours and end in 64 random bits: nobody can aim at a bucket. */
static uint64_t hash_of(const char *gtrid)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *gtrid; gtrid++)
        h = (h ^ (uint8_t)*gtrid) * UINT64_C(1099511628211);
    return h;
}

/* The place that points at the entry, or the end of its chain. */
static struct entry **place_of(struct xa_registry *r, const char *gtrid, uint64_t hash)
{
    struct entry **at = &r->bucket[hash & (r->n_buckets - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->decision.gtrid.text, gtrid)))
        at = &(*at)->next;
    return at;
}

static struct entry *find(struct xa_registry *r, const char *gtrid)
{
    return *place_of(r, gtrid, hash_of(gtrid));
}

static void grow(struct xa_registry *r)
{
    size_t n = 2 * r->n_buckets;
    struct entry **bucket = calloc(n, sizeof(struct entry *));
    CHECK(bucket);
    for (size_t i = 0; i < r->n_buckets; i++)
        for (struct entry *e = r->bucket[i], *next; e; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (n - 1)];
            bucket[e->hash & (n - 1)] = e;
        }
    free(r->bucket);
    r->bucket = bucket;
    r->n_buckets = n;
}

static struct entry *add(struct xa_registry *r, uint64_t hash)
{
    if (r->n_entries == r->n_buckets)
        grow(r);
    struct entry *e = malloc(sizeof *e);
    CHECK(e);
    e->hash = hash;
    e->next = r->bucket[hash & (r->n_buckets - 1)];
    r->bucket[hash & (r->n_buckets - 1)] = e;
    r->n_entries++;
    return e;
}

void xa_registry_enter(struct xa_registry *r, const struct xa_decision *d, enum xa_owner owner)
{
    uint64_t hash = hash_of(d->gtrid.text);
    pthread_mutex_lock(&r->lock);
    struct entry *e = *place_of(r, d->gtrid.text, hash);
    if (e)
        r->owned[e->owner]--;
    else
        e = add(r, hash);
    e->owner = owner;
    e->branches_settled = e->slots_settled = 0;
    e->decision = *d;
    r->owned[owner]++;
    pthread_mutex_unlock(&r->lock);
}

void xa_registry_hand_over(struct xa_registry *r, const char *gtrid)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    if (e) {
        r->owned[e->owner]--;
        e->owner = XA_OWNER_RESOLVER;
        r->owned[e->owner]++;
    }
    pthread_mutex_unlock(&r->lock);
}

/* --- settling --- */

static uint64_t first_bits(unsigned n)
{
    return n ? UINT64_MAX >> (64 - n) : 0;
}

static bool all_settled(const struct entry *e)
{
    return e->branches_settled == first_bits(e->decision.n_branches) && e->slots_settled == first_bits(e->decision.n_slots);
}

/* The branch's number in its entry, or -1. */
static int branch_in(const struct entry *e, const char *backend, const char *bqual)
{
    for (unsigned i = 0; e && i < e->decision.n_branches; i++)
        if (!strcmp(e->decision.branch[i].bqual.text, bqual) && !strcmp(e->decision.branch[i].backend, backend))
            return (int)i;
    return -1;
}

static int slot_in(const struct entry *e, const char *resource, uint16_t slot)
{
    for (unsigned i = 0; e && i < e->decision.n_slots; i++)
        if (e->decision.slot[i].slot == slot && !strcmp(e->decision.slot[i].resource, resource))
            return (int)i;
    return -1;
}

/* True only for the one call that sets the last bit. */
static bool settle(const struct entry *e, uint64_t *bits, int i)
{
    if (i < 0 || *bits & UINT64_C(1) << i)
        return false;
    *bits |= UINT64_C(1) << i;
    return all_settled(e);
}

bool xa_registry_branch_settled(struct xa_registry *r, const char *gtrid, const char *backend, const char *bqual)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    bool last = e && settle(e, &e->branches_settled, branch_in(e, backend, bqual));
    pthread_mutex_unlock(&r->lock);
    return last;
}

bool xa_registry_slot_settled(struct xa_registry *r, const char *gtrid, const char *resource, uint16_t slot)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    bool last = e && settle(e, &e->slots_settled, slot_in(e, resource, slot));
    pthread_mutex_unlock(&r->lock);
    return last;
}

void xa_registry_leave(struct xa_registry *r, const char *gtrid)
{
    pthread_mutex_lock(&r->lock);
    struct entry **at = place_of(r, gtrid, hash_of(gtrid)), *e = *at;
    if (e) {
        *at = e->next;
        r->n_entries--;
        r->owned[e->owner]--;
    }
    pthread_mutex_unlock(&r->lock);
    free(e);
}

/* --- reading --- */

bool xa_registry_find(struct xa_registry *r, const char *gtrid, struct xa_decision *out, enum xa_owner *owner)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    if (e && out)
        *out = e->decision;
    if (e && owner)
        *owner = e->owner;
    pthread_mutex_unlock(&r->lock);
    return e;
}

bool xa_registry_branch_open(struct xa_registry *r, const char *gtrid, const char *backend, const char *bqual)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    int i = branch_in(e, backend, bqual);
    bool open = i >= 0 && !(e->branches_settled & UINT64_C(1) << i);
    pthread_mutex_unlock(&r->lock);
    return open;
}

bool xa_registry_slot_open(struct xa_registry *r, const char *gtrid, const char *resource, uint16_t slot)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, gtrid);
    int i = slot_in(e, resource, slot);
    bool open = i >= 0 && !(e->slots_settled & UINT64_C(1) << i);
    pthread_mutex_unlock(&r->lock);
    return open;
}

static bool is_open_on(const struct entry *e, const char *backend)
{
    for (unsigned i = 0; e && i < e->decision.n_branches; i++)
        if (!(e->branches_settled & UINT64_C(1) << i) && !strcmp(e->decision.branch[i].backend, backend))
            return true;
    return false;
}

static struct entry *find_last_step(struct xa_registry *r, const char *saga)
{
    for (size_t i = 0; i < r->n_buckets; i++)
        for (struct entry *e = r->bucket[i]; e; e = e->next)
            if (!strcmp(e->decision.saga, saga))
                return e;
    return NULL;
}

bool xa_registry_open_on(struct xa_registry *r, const char *name, bool saga, const char *backend)
{
    pthread_mutex_lock(&r->lock);
    bool open = is_open_on(saga ? find_last_step(r, name) : find(r, name), backend);
    pthread_mutex_unlock(&r->lock);
    return open;
}

void xa_registry_each(struct xa_registry *r,
                      void (*each)(void *arg, const struct xa_decision *d, enum xa_owner owner), void *arg)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_buckets; i++)
        for (struct entry *e = r->bucket[i]; e; e = e->next)
            each(arg, &e->decision, e->owner);
    pthread_mutex_unlock(&r->lock);
}

unsigned xa_registry_count(struct xa_registry *r, enum xa_owner owner)
{
    pthread_mutex_lock(&r->lock);
    unsigned n = r->owned[owner];
    pthread_mutex_unlock(&r->lock);
    return n;
}
