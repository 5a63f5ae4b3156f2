/* The journal's life, decisions, and the horizon below which they may be forgotten. Leaves the lists to memory.c, other records
 * to facts.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/journal/impl.h"
#include "wal/types.h"

/* --- life ------------------------------------------------------------------------------------------------------ */

static void on_durable(void *arg, wal_pos durable)
{
    struct journal *j = arg;
    journal_actions_durable(j, durable);
    if (j->on_durable)
        j->on_durable(j->on_durable_arg, durable);
}

struct journal *journal_open(const struct config *config, wal_durable_fn durable_fn, void *arg, struct wal_error *error)
{
    struct journal *j = journal_new_known(sizeof *j);
    struct list *const heads[] = {&j->kept,     &j->connections, &j->identities, &j->touches,
                                  &j->verdicts, &j->adoptions,   &j->live,       &j->left};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        list_init(heads[i]);
    pthread_mutex_init(&j->lock, NULL);
    pthread_mutex_init(&j->live_lock, NULL);
    snprintf(j->node, sizeof j->node, "%s", config->node);
    j->registry = xa_registry_new();
    journal_actions_init(j, config);
    j->horizons = journal_new_known((config->n_redis + 1) * sizeof *j->horizons);
    j->n_horizons = config->n_redis;
    j->forget_after_ms = config->forget_after_ms;
    j->kept_max = (size_t)config->wal_segment_bytes / 4;
    for (size_t i = 0; i < config->n_redis; i++)
        snprintf(j->horizons[i].record.resource, sizeof j->horizons[i].record.resource, "%s", config->redis[i].name);
    j->on_durable = durable_fn;
    j->on_durable_arg = arg;
    CHECK(asprintf(&j->dir, "%s/log", config->data_dir) > 0);
    struct wal_options options = {
        .dir = j->dir,
        .segment_bytes = (uint64_t)config->wal_segment_bytes,
        .max_bytes = (uint64_t)config->wal_max_bytes,
        .on_record = journal_on_record,
        .on_snapshot = journal_on_snapshot,
        .on_durable = on_durable,
        .arg = j,
    };
    if (wal_open(&j->wal, &options, error) != WAL_OK) {
        journal_close(j);
        return NULL;
    }
    snprintf(j->fence, sizeof j->fence, "%s:%s", j->node, wal_id(j->wal));
    return j;
}

enum wal_status journal_start(struct journal *j, struct wal_error *error)
{
    journal_actions_presume(j);
    return wal_start(j->wal, error);
}

#define FREE_LIST(head, type)                                \
    LIST_FOR_SAFE(it, head)                                  \
    {                                                        \
        list_remove(it);                                     \
        free(CONTAINER_OF(it, struct type, link));           \
    }

void journal_close(struct journal *j)
{
    if (j->wal)
        wal_close(j->wal);
    FREE_LIST(&j->kept, kept_decision)
    FREE_LIST(&j->connections, known_connection)
    FREE_LIST(&j->identities, known_identity)
    FREE_LIST(&j->touches, known_touch)
    FREE_LIST(&j->verdicts, known_verdict)
    FREE_LIST(&j->adoptions, known_adoption)
    FREE_LIST(&j->left, left_undo)
    journal_actions_fini(j);
    xa_registry_free(j->registry);
    pthread_mutex_destroy(&j->lock);
    pthread_mutex_destroy(&j->live_lock);
    free(j->horizons);
    free(j->dir);
    free(j);
}

struct wal *journal_wal(struct journal *j) { return j->wal; }
struct xa_registry *journal_registry(struct journal *j) { return j->registry; }
const char *journal_node(const struct journal *j) { return j->node; }
const char *journal_fence(const struct journal *j) { return j->fence; }
const char *journal_log_id(const struct journal *j) { return wal_id(j->wal); }
uint64_t journal_epoch(const struct journal *j) { return wal_epoch(j->wal); }

/* --- transactions --- */

/* One lock around both: a horizon between a number's birth and its being live would make orphans of its undo records. */
void journal_begin(struct journal *j, struct journal_live *live, struct xa_gtrid *out)
{
    pthread_mutex_lock(&j->live_lock);
    live->counter = ++j->counter;
    list_push_back(&j->live, &live->link);
    pthread_mutex_unlock(&j->live_lock);
    xa_gtrid_make(out, j->node, wal_id(j->wal), wal_epoch(j->wal), live->counter);
}

void journal_end(struct journal *j, struct journal_live *live)
{
    pthread_mutex_lock(&j->live_lock);
    list_remove(&live->link);
    pthread_mutex_unlock(&j->live_lock);
}

void journal_undo_left(struct journal *j, const struct journal_live *live, const char *resource)
{
    struct left_undo *l = journal_new_known(sizeof *l);
    l->counter = live->counter;
    l->left_ms = clock_mono_ms();
    snprintf(l->resource, sizeof l->resource, "%s", resource);
    pthread_mutex_lock(&j->live_lock);
    list_push_back(&j->left, &l->link);
    pthread_mutex_unlock(&j->live_lock);
}

void journal_undo_swept(struct journal *j, const char *resource, int64_t since_ms)
{
    pthread_mutex_lock(&j->live_lock);
    LIST_FOR_SAFE(it, &j->left)
    {
        struct left_undo *l = CONTAINER_OF(it, struct left_undo, link);
        if (l->left_ms < since_ms && !strcmp(l->resource, resource)) {
            list_remove(it);
            free(l);
        }
    }
    pthread_mutex_unlock(&j->live_lock);
    pthread_mutex_lock(&j->lock);
    struct horizon *h = journal_find_horizon(j, resource);
    if (h && h->swept_ms < since_ms) {
        h->swept_ms = since_ms;
        horizon_advance(h, journal_epoch(j), j->forget_after_ms);
    }
    pthread_mutex_unlock(&j->lock);
}

/* --- decisions ------------------------------------------------------------------------------------------------- */

/* The longest that a decision and its DONE can be, framed: strings have a 16-bit length. */
size_t journal_reserve(struct journal *j, unsigned n_branches, unsigned n_slots)
{
    const struct xa_decision *d = NULL;
    size_t record = 64 + sizeof d->gtrid; /* the log's frame, version, gtrid */
    size_t bytes = 2 * record + sizeof d->who + sizeof d->saga + 16 + n_branches * (sizeof d->branch[0] + 4) + n_slots * (sizeof d->slot[0] + 4);
    return wal_reserve(j->wal, bytes) ? bytes : 0;
}

void journal_unreserve(struct journal *j, size_t bytes)
{
    wal_unreserve(j->wal, bytes);
}

wal_pos journal_decide(struct journal *j, const struct xa_decision *d)
{
    struct buf payload = {0};
    xa_registry_enter(j->registry, d, XA_OWNER_SESSION);
    xa_decision_write(&payload, d);
    wal_pos at = wal_append(j->wal, WAL_TYPE_DECIDE, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    journal_actions_decided(j, d, at);
    (void)FAILPOINT(log_appended);
    return at;
}

void journal_done(struct journal *j, const char *gtrid)
{
    struct xa_done done;
    struct buf payload = {0};
    snprintf(done.gtrid.text, sizeof done.gtrid.text, "%s", gtrid);
    pthread_mutex_lock(&j->lock);
    journal_settle(j, gtrid);
    pthread_mutex_unlock(&j->lock);
    xa_done_write(&payload, &done);
    wal_append_lazy(j->wal, WAL_TYPE_DONE, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    (void)FAILPOINT(journal_closed);
}

bool journal_decided(struct journal *j, const char *gtrid)
{
    struct xa_decision d;
    if (xa_registry_find(j->registry, gtrid, &d, NULL))
        return true;
    bool found = false;
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->kept)
        found = found || !strcmp(CONTAINER_OF(it, struct kept_decision, link)->gtrid.text, gtrid);
    pthread_mutex_unlock(&j->lock);
    return found;
}

/* --- the horizon ----------------------------------------------------------------------------------------------- */

void journal_horizon(struct journal *j, const char *resource, struct comp_horizon_record *out)
{
    *out = (struct comp_horizon_record){0};
    pthread_mutex_lock(&j->lock);
    const struct horizon *h = journal_find_horizon(j, resource);
    if (h)
        *out = h->record;
    pthread_mutex_unlock(&j->lock);
}

void journal_horizon_to_epoch(struct journal *j, const char *resource)
{
    pthread_mutex_lock(&j->lock);
    struct horizon *h = journal_find_horizon(j, resource);
    if (h) {
        h->clean = true;
        horizon_note(h, clock_mono_ms(), 0, 0);
    }
    pthread_mutex_unlock(&j->lock);
}
