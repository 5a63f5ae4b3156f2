/* The memory behind the log's records: what is open is kept here, handed to every new segment, and found again at start. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/journal/impl.h"
#include "wal/record.h"
#include "wal/types.h"

/* --- reading the old log ------------------------------------------------------------------------------------- */

void *journal_new_known(size_t n)
{
    void *p = calloc(1, n);
    CHECK(p);
    return p;
}

void journal_adoption_write(struct buf *out, const struct adoption *a)
{
    buf_append(out, a->log_id, sizeof a->log_id);
    buf_append(out, a->who, sizeof a->who);
}

static bool adoption_read(struct slice payload, struct adoption *a)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    struct slice log_id = cursor_bytes(&c, sizeof a->log_id), who = cursor_bytes(&c, sizeof a->who);
    if (!cursor_done(&c) || log_id.at[log_id.len - 1] || who.at[who.len - 1])
        return false;
    memcpy(a->log_id, log_id.at, log_id.len);
    memcpy(a->who, who.at, who.len);
    return true;
}

/* In a head: the decision and its DONE. */
static size_t bytes_of(const struct kept_decision *k)
{
    return k->len + sizeof(struct xa_done) + 2 * sizeof(struct wal_record_header);
}

/* The lock is held, or nobody else runs yet. A decision that lists Redis slots outlives its DONE. */
void journal_settle(struct journal *j, const char *gtrid)
{
    struct xa_decision d;
    if (!xa_registry_find(j->registry, gtrid, &d, NULL))
        return;
    struct xa_gtrid_parts parts;
    if (d.n_slots && xa_gtrid_parse((struct slice){(const uint8_t *)gtrid, strlen(gtrid)}, &parts)) {
        struct buf payload = {0};
        xa_decision_write(&payload, &d);
        struct kept_decision *k = journal_new_known(sizeof *k + buf_len(&payload));
        *k = (struct kept_decision){.gtrid = d.gtrid, .epoch = parts.epoch, .counter = parts.counter, .len = buf_len(&payload)};
        memcpy(k->payload, buf_at(&payload), buf_len(&payload));
        list_push_back(&j->kept, &k->link);
        j->kept_bytes += bytes_of(k);
        buf_fini(&payload);
    }
    xa_registry_leave(j->registry, gtrid);
}

/* A server that has begun anew gives the numbers of those that ended with it to others. */
void journal_note_connection(struct journal *j, uint64_t epoch, const struct xa_connection *c)
{
    LIST_FOR_SAFE(it, &j->connections)
    {
        struct known_connection *k = CONTAINER_OF(it, struct known_connection, link);
        bool same_number = k->connection.connection_id == c->connection_id && !strcmp(k->connection.backend, c->backend);
        if (same_number && (!c->closed || k->connection.opened_ms == c->opened_ms)) {
            list_remove(it);
            free(k);
        }
    }
    if (c->closed)
        return;
    struct known_connection *k = journal_new_known(sizeof *k);
    k->connection = *c;
    k->epoch = epoch;
    list_push_back(&j->connections, &k->link);
}

void journal_note_identity(struct journal *j, const struct xa_identity *identity)
{
    LIST_FOR(it, &j->identities)
    {
        struct known_identity *k = CONTAINER_OF(it, struct known_identity, link);
        if (!strcmp(k->identity.backend, identity->backend)) {
            k->identity = *identity;
            return;
        }
    }
    struct known_identity *k = journal_new_known(sizeof *k);
    k->identity = *identity;
    list_push_back(&j->identities, &k->link);
}

static struct known_touch **touch_bucket(struct journal *j, uint16_t slot)
{
    return &j->touch_bucket[slot % (sizeof j->touch_bucket / sizeof j->touch_bucket[0])];
}

struct known_touch *journal_find_touch(struct journal *j, const char *resource, uint16_t slot)
{
    struct known_touch *k = *touch_bucket(j, slot);
    while (k && (k->touch.slot != slot || strcmp(k->touch.resource, resource) != 0))
        k = k->next;
    return k;
}

struct known_touch *journal_add_touch(struct journal *j, const struct comp_touch_record *touch)
{
    struct known_touch *k = journal_new_known(sizeof *k);
    k->touch = *touch;
    k->next = *touch_bucket(j, touch->slot);
    *touch_bucket(j, touch->slot) = k;
    list_push_back(&j->touches, &k->link);
    return k;
}

struct known_verdict *journal_find_verdict(struct journal *j, const char *gtrid)
{
    LIST_FOR(it, &j->verdicts)
    {
        struct known_verdict *k = CONTAINER_OF(it, struct known_verdict, link);
        if (!strcmp(k->verdict.gtrid.text, gtrid))
            return k;
    }
    return NULL;
}

void journal_add_verdict(struct journal *j, const struct xa_person_verdict *v)
{
    struct known_verdict *k = journal_find_verdict(j, v->gtrid.text);
    if (!k) {
        k = journal_new_known(sizeof *k);
        list_push_back(&j->verdicts, &k->link);
    }
    k->verdict = *v;
}

void journal_drop_verdict(struct journal *j, const char *gtrid)
{
    struct known_verdict *k = journal_find_verdict(j, gtrid);
    if (!k)
        return;
    list_remove(&k->link);
    free(k);
}

bool journal_has_adoption(struct journal *j, const char *log_id)
{
    LIST_FOR(it, &j->adoptions)
        if (!strcmp(CONTAINER_OF(it, struct known_adoption, link)->adoption.log_id, log_id))
            return true;
    return false;
}

void journal_add_adoption(struct journal *j, const struct adoption *a)
{
    if (journal_has_adoption(j, a->log_id))
        return;
    struct known_adoption *k = journal_new_known(sizeof *k);
    k->adoption = *a;
    list_push_back(&j->adoptions, &k->link);
}

struct horizon *journal_find_horizon(struct journal *j, const char *resource)
{
    for (size_t i = 0; i < j->n_horizons; i++)
        if (!strcmp(j->horizons[i].record.resource, resource))
            return &j->horizons[i];
    return NULL;
}

/* Horizons of resources that are configured no more are dropped: nobody sweeps them. */
static void take_horizon(struct journal *j, const struct comp_horizon_record *record)
{
    struct horizon *h = journal_find_horizon(j, record->resource);
    if (h && horizon_is_above(record, h->record.epoch, h->record.counter))
        h->record = *record;
}

union any_payload {
    struct xa_decision decision;
    struct xa_done done;
    struct xa_person_verdict verdict;
    struct xa_identity identity;
    struct xa_connection connection;
    struct comp_touch_record touch;
    struct comp_horizon_record horizon;
    struct adoption adoption;
};

bool journal_on_record(void *arg, const struct wal_record *r, char *why, size_t why_size)
{
    struct journal *j = arg;
    union any_payload p;
    bool good = true;
    switch (r->type) {
    case WAL_TYPE_EPOCH:
        break;
    case WAL_TYPE_DECIDE:
        if ((good = xa_decision_read(r->payload, &p.decision))) {
            if (p.decision.n_branches || p.decision.n_slots)
                xa_registry_enter(j->registry, &p.decision, XA_OWNER_RESOLVER);
            journal_actions_replay_decision(j, &p.decision);
        }
        break;
    case WAL_TYPE_DONE:
        if ((good = xa_done_read(r->payload, &p.done))) {
            journal_settle(j, p.done.gtrid.text);
            journal_drop_verdict(j, p.done.gtrid.text);
        }
        break;
    case WAL_TYPE_VERDICT:
        if ((good = xa_person_verdict_read(r->payload, &p.verdict)))
            journal_add_verdict(j, &p.verdict);
        break;
    case WAL_TYPE_IDENTITY:
        if ((good = xa_identity_read(r->payload, &p.identity)))
            journal_note_identity(j, &p.identity);
        break;
    case WAL_TYPE_CONNECTION:
        if ((good = xa_connection_read(r->payload, &p.connection)))
            journal_note_connection(j, r->epoch, &p.connection);
        break;
    case WAL_TYPE_TOUCH:
        if ((good = comp_touch_read(r->payload, &p.touch)) && !journal_find_touch(j, p.touch.resource, p.touch.slot))
            journal_add_touch(j, &p.touch);
        break;
    case WAL_TYPE_HORIZON:
        if ((good = comp_horizon_read(r->payload, &p.horizon)))
            take_horizon(j, &p.horizon);
        break;
    case WAL_TYPE_ADOPT:
        if ((good = adoption_read(r->payload, &p.adoption)))
            journal_add_adoption(j, &p.adoption);
        break;
    case WAL_TYPE_ACTION:
    case WAL_TYPE_ACTION_STATE:
    case WAL_TYPE_OUTCOME:
    case WAL_TYPE_ACTION_NEXT:
        good = journal_actions_on_record(j, r->type, r->payload);
        break;
    default:
        snprintf(why, why_size, "record type %u is not known to this version: start the version that wrote it", r->type);
        return false;
    }
    if (!good)
        snprintf(why, why_size, "the payload of a record of type %u makes no sense", r->type);
    return good;
}

/* --- handing what is open to a new segment --------------------------------------------------------------------- */

struct snapshot_of_registry {
    struct wal_snapshot *out;
    struct buf payload;
};

static void snapshot_decision(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    (void)owner;
    struct snapshot_of_registry *s = arg;
    buf_clear(&s->payload);
    xa_decision_write(&s->payload, d);
    wal_snapshot_add(s->out, WAL_TYPE_DECIDE, buf_at(&s->payload), buf_len(&s->payload));
}

static bool below_every_horizon(const struct journal *j, const struct kept_decision *k)
{
    for (size_t i = 0; i < j->n_horizons; i++)
        if (!horizon_is_above(&j->horizons[i].record, k->epoch, k->counter))
            return false;
    return true;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The oldest transaction that may still write to Redis, or has left undo records there, bounds what may be forgotten: what is
 * found below the horizon is never taken back. */
static uint64_t oldest_open(struct journal *j, const char *resource)
{
    pthread_mutex_lock(&j->live_lock);
    uint64_t oldest = j->counter + 1;
    LIST_FOR(it, &j->live)
        oldest = lower(oldest, CONTAINER_OF(it, struct journal_live, link)->counter);
    LIST_FOR(it, &j->left)
    {
        const struct left_undo *l = CONTAINER_OF(it, struct left_undo, link);
        if (!strcmp(l->resource, resource))
            oldest = lower(oldest, l->counter);
    }
    pthread_mutex_unlock(&j->live_lock);
    return oldest;
}

static void forget_below(struct journal *j)
{
    LIST_FOR_SAFE(it, &j->kept)
    {
        struct kept_decision *k = CONTAINER_OF(it, struct kept_decision, link);
        if (below_every_horizon(j, k)) {
            j->kept_bytes -= bytes_of(k);
            list_remove(it);
            free(k);
        }
    }
}

static void note_ended(struct journal *j, int64_t keep_ms)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < j->n_horizons; i++)
        horizon_note(&j->horizons[i], now_ms, oldest_open(j, j->horizons[i].record.resource), keep_ms);
}

static bool force_horizons(struct journal *j)
{
    bool any = false;
    for (size_t i = 0; i < j->n_horizons; i++)
        any = horizon_force(&j->horizons[i], journal_epoch(j)) || any;
    return any;
}

static void move_horizons(struct journal *j)
{
    note_ended(j, j->forget_after_ms);
    for (size_t i = 0; i < j->n_horizons; i++)
        horizon_advance(&j->horizons[i], journal_epoch(j), j->forget_after_ms);
    forget_below(j);
    if (j->kept_bytes <= j->kept_max)
        return;
    note_ended(j, 0);
    while (j->kept_bytes > j->kept_max && force_horizons(j))
        forget_below(j);
}

static void snapshot_lists(struct journal *j, struct wal_snapshot *out, struct buf *b)
{
#define ADD(type, call) (buf_clear(b), call, wal_snapshot_add(out, type, buf_at(b), buf_len(b)))
    LIST_FOR(it, &j->connections)
        ADD(WAL_TYPE_CONNECTION, xa_connection_write(b, &CONTAINER_OF(it, struct known_connection, link)->connection));
    LIST_FOR(it, &j->identities)
        ADD(WAL_TYPE_IDENTITY, xa_identity_write(b, &CONTAINER_OF(it, struct known_identity, link)->identity));
    LIST_FOR(it, &j->touches)
        ADD(WAL_TYPE_TOUCH, comp_touch_write(b, &CONTAINER_OF(it, struct known_touch, link)->touch));
    LIST_FOR(it, &j->verdicts)
        ADD(WAL_TYPE_VERDICT, xa_person_verdict_write(b, &CONTAINER_OF(it, struct known_verdict, link)->verdict));
    LIST_FOR(it, &j->adoptions)
        ADD(WAL_TYPE_ADOPT, journal_adoption_write(b, &CONTAINER_OF(it, struct known_adoption, link)->adoption));
    for (size_t i = 0; i < j->n_horizons; i++)
        ADD(WAL_TYPE_HORIZON, comp_horizon_write(b, &j->horizons[i].record));
    struct xa_done done;
    LIST_FOR(it, &j->kept)
    {
        struct kept_decision *k = CONTAINER_OF(it, struct kept_decision, link);
        wal_snapshot_add(out, WAL_TYPE_DECIDE, k->payload, k->len);
        done.gtrid = k->gtrid;
        ADD(WAL_TYPE_DONE, xa_done_write(b, &done));
    }
#undef ADD
}

void journal_on_snapshot(void *arg, struct wal_snapshot *out)
{
    struct journal *j = arg;
    struct snapshot_of_registry s = {.out = out};
    pthread_mutex_lock(&j->lock);
    move_horizons(j);
    pthread_mutex_lock(&j->actions.lock);
    journal_actions_snapshot(j, out); /* before decisions, which make them due */
    xa_registry_each(j->registry, snapshot_decision, &s);
    pthread_mutex_unlock(&j->actions.lock);
    snapshot_lists(j, out, &s.payload);
    pthread_mutex_unlock(&j->lock);
    buf_fini(&s.payload);
}
