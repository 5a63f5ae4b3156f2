/* What people are shown: the last pictures of all threads, what the log holds open for servers that nobody sees, and counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/resolver/impl.h"

struct walk {
    struct resolver *r;
    void (*each)(void *arg, const struct resolver_in_doubt *row, bool foreign);
    void *arg;
    int64_t now_ms;
};

/* --- what sweeps saw ------------------------------------------------------------------------------------------------------ */

static void walk_picture(const struct walk *w, const struct picture *p, const char *where, bool redis, const char *blind)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct picture_row *row = &p->row[i];
        if (!picture_shows(row, w->now_ms))
            continue;
        struct resolver_in_doubt out = {.gtrid = row->gtrid,
                                        .bqual = row->bqual,
                                        .where = where,
                                        .redis = redis,
                                        .age_ms = w->now_ms - row->first_seen_ms,
                                        .fate = row->fate,
                                        .why = blind ? blind : row->why,
                                        .decision = row->decision,
                                        .who = row->who};
        w->each(w->arg, &out, row->foreign);
    }
}

/* --- what the log holds open and no sweep saw ------------------------------------------------------------------------------ */

struct open_list {
    struct xa_decision *at;
    size_t n, cap;
};

static void add_open(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    struct open_list *list = arg;
    if (owner != XA_OWNER_RESOLVER)
        return;
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->at = realloc(list->at, list->cap * sizeof *list->at);
        CHECK(list->at);
    }
    list->at[list->n++] = *d;
}

static void say_open(const struct walk *w, const struct xa_decision *d, const char *bqual, const char *where, bool redis,
                     const char *why)
{
    struct resolver_in_doubt out = {.gtrid = d->gtrid.text,
                                    .bqual = bqual,
                                    .where = where,
                                    .redis = redis,
                                    .age_ms = clock_wall_ms() - d->decided_ms,
                                    .fate = "COMMIT",
                                    .why = why,
                                    .decision = "commit",
                                    .who = d->who};
    w->each(w->arg, &out, false);
}

/* What was in somebody's hand when it was last looked at may have been handed over since. */
static bool is_shown(const struct walk *w, const struct picture *p, const char *gtrid, const char *bqual)
{
    const struct picture_row *row = picture_find(p, gtrid, bqual);
    return row && picture_shows(row, w->now_ms);
}

static void walk_branch(const struct walk *w, const struct xa_decision *d, const struct xa_decision_branch *b)
{
    int i = config_backend(w->r->o.config, b->backend);
    if (!xa_registry_branch_open(journal_registry(w->r->o.journal), d->gtrid.text, b->backend, b->bqual.text))
        return;
    if (i < 0)
        say_open(w, d, b->bqual.text, b->backend, false, "no backend of this name is configured any more");
    else if (!is_shown(w, &w->r->backends[i].seen, d->gtrid.text, b->bqual.text))
        say_open(w, d, b->bqual.text, b->backend, false, "its server was not looked at since");
}

static void walk_slot(const struct walk *w, const struct xa_decision *d, const struct xa_decision_slot *s)
{
    int i = config_redis(w->r->o.config, s->resource);
    if (i < 0)
        say_open(w, d, "", s->resource, true, "no Redis of this name is configured any more");
    else if (!w->r->redis[i].resource->reachable && !picture_mentions(&w->r->redis[i].seen, d->gtrid.text))
        say_open(w, d, "", s->resource, true, "Redis was not looked at since");
}

static void walk_log(const struct walk *w)
{
    struct open_list list = {0};
    xa_registry_each(journal_registry(w->r->o.journal), add_open, &list);
    for (size_t i = 0; i < list.n; i++) {
        for (unsigned k = 0; k < list.at[i].n_branches; k++)
            walk_branch(w, &list.at[i], &list.at[i].branch[k]);
        for (unsigned k = 0; k < list.at[i].n_slots; k++)
            walk_slot(w, &list.at[i], &list.at[i].slot[k]);
    }
    free(list.at);
}

static void walk_all(struct resolver *r, void (*each)(void *arg, const struct resolver_in_doubt *row, bool foreign), void *arg)
{
    const struct walk w = {r, each, arg, clock_mono_ms()};
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.backends->n; i++)
        walk_picture(&w, &r->backends[i].seen, r->o.config->backends[i].name, false,
                     r->backends[i].backend->reachable ? NULL : "its server cannot be reached");
    for (size_t i = 0; i < r->o.redis->n; i++)
        walk_picture(&w, &r->redis[i].seen, r->o.config->redis[i].name, true,
                     r->redis[i].resource->reachable ? NULL : "Redis cannot be reached");
    walk_log(&w);
    pthread_mutex_unlock(&r->lock);
}

/* --- for callers ----------------------------------------------------------------------------------------------------------- */

struct caller {
    void (*each)(void *arg, const struct resolver_in_doubt *row);
    void *arg;
};

static void hand_on(void *arg, const struct resolver_in_doubt *row, bool foreign)
{
    const struct caller *caller = arg;
    (void)foreign;
    caller->each(caller->arg, row);
}

void resolver_each_in_doubt(struct resolver *r, void (*each)(void *arg, const struct resolver_in_doubt *row), void *arg)
{
    walk_all(r, hand_on, &(struct caller){each, arg});
}

void resolver_each_conflict(struct resolver *r, void (*each)(void *arg, const struct resolver_conflict *row), void *arg)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.redis->n; i++)
        for (size_t k = 0; k < r->redis[i].n_conflicts; k++) {
            const struct conflict_row *c = &r->redis[i].conflicts[k];
            each(arg, &(struct resolver_conflict){.resource = r->o.config->redis[i].name,
                                                  .id = c->id,
                                                  .gtrid = c->gtrid,
                                                  .key = c->key,
                                                  .command = c->command,
                                                  .outcome = c->outcome,
                                                  .detail = c->detail,
                                                  .at_ms = c->at_ms});
        }
    pthread_mutex_unlock(&r->lock);
}

static void count_row(void *arg, const struct resolver_in_doubt *row, bool foreign)
{
    struct resolver_counters *out = arg;
    if (foreign) {
        out->foreign++;
        return;
    }
    out->in_doubt++;
    if (row->age_ms > out->oldest_in_doubt_ms)
        out->oldest_in_doubt_ms = row->age_ms;
}

void resolver_counters(struct resolver *r, struct resolver_counters *out)
{
    *out = (struct resolver_counters){0};
#define X(name, text) out->name = r->count.name;
    RESOLVER_COUNTERS(X)
#undef X
    walk_all(r, count_row, out);
}

int64_t resolver_backend_swept_ms(struct resolver *r, unsigned backend)
{
    return r->backends[backend].swept_ms;
}

int64_t resolver_redis_swept_ms(struct resolver *r, unsigned resource)
{
    return r->redis[resource].swept_ms;
}
