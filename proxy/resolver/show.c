/* What people are shown: the last pictures of all threads, and counters. */
#include <string.h>

#include "base/clock.h"
#include "proxy/resolver/impl.h"

struct walk {
    void (*each)(void *arg, const struct resolver_in_doubt *row);
    void *arg;
    int64_t now_ms;
};

static void walk_picture(const struct walk *w, const struct picture *p, const char *where, bool redis)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct picture_row *row = &p->row[i];
        if (picture_shows(row, w->now_ms))
            w->each(w->arg, &(struct resolver_in_doubt){.gtrid = row->gtrid,
                                                        .bqual = row->bqual,
                                                        .where = where,
                                                        .redis = redis,
                                                        .age_ms = w->now_ms - row->first_seen_ms,
                                                        .fate = row->fate,
                                                        .why = row->why,
                                                        .decision = row->decision,
                                                        .who = row->who});
    }
}

void resolver_each_in_doubt(struct resolver *r, void (*each)(void *arg, const struct resolver_in_doubt *row), void *arg)
{
    const struct walk w = {each, arg, clock_mono_ms()};
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.backends->n; i++)
        walk_picture(&w, &r->backends[i].seen, r->o.config->backends[i].name, false);
    for (size_t i = 0; i < r->o.redis->n; i++)
        walk_picture(&w, &r->redis[i].seen, r->o.config->redis[i].name, true);
    pthread_mutex_unlock(&r->lock);
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

static void count_picture(const struct picture *p, int64_t now_ms, struct resolver_counters *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct picture_row *row = &p->row[i];
        if (row->foreign)
            out->foreign++;
        if (row->foreign || !picture_shows(row, now_ms))
            continue;
        out->in_doubt++;
        if (now_ms - row->first_seen_ms > out->oldest_in_doubt_ms)
            out->oldest_in_doubt_ms = now_ms - row->first_seen_ms;
    }
}

void resolver_counters(struct resolver *r, struct resolver_counters *out)
{
    int64_t now_ms = clock_mono_ms();
    *out = (struct resolver_counters){0};
#define X(name, text) out->name = r->count.name;
    RESOLVER_COUNTERS(X)
#undef X
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.backends->n; i++)
        count_picture(&r->backends[i].seen, now_ms, out);
    for (size_t i = 0; i < r->o.redis->n; i++)
        count_picture(&r->redis[i].seen, now_ms, out);
    pthread_mutex_unlock(&r->lock);
}
