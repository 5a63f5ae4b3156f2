/* The memory behind the log's records: what is open is kept here, handed to every new segment, and found again at start. */
#include "proxy/journal/journal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "compensate/journal.h"
#include "wal/types.h"

/* A decision with its DONE, framed: what is set aside for a transaction that is under way. */
#define RESERVE_BYTES 1024

struct kept_decision { /* settled, kept until the horizon passes it */
    struct list link;
    struct xa_gtrid gtrid;
    uint64_t epoch, counter;
    size_t len;
    uint8_t payload[];
};
struct known_connection {
    struct list link;
    uint64_t epoch;
    struct xa_connection connection;
};
struct known_identity {
    struct list link;
    struct xa_identity identity;
};
struct known_touch {
    struct list link;
    struct comp_touch_record touch;
    wal_pos durable_at; /* 0: touched by an earlier epoch only */
};
struct known_verdict {
    struct list link;
    struct xa_person_verdict verdict;
};
struct adoption {
    char log_id[9];
    char who[96];
};
struct known_adoption {
    struct list link;
    struct adoption adoption;
};

struct journal {
    struct wal *wal;
    struct xa_registry *registry;
    char node[XA_NODE_MAX + 1];
    char *dir;
    _Atomic uint64_t counter;
    wal_durable_fn on_durable;
    void *on_durable_arg;
    pthread_mutex_t lock; /* for all lists below; taken before the registry's own, never with wal's */
    struct list kept, connections, identities, touches, verdicts, adoptions, live;
    struct comp_horizon_record *horizons; /* one a resource: decisions below may be forgotten */
    size_t n_horizons;
    bool started;
};

/* --- reading the old log ------------------------------------------------------------------------------------- */

static void *new_known(size_t n)
{
    void *p = calloc(1, n);
    CHECK(p);
    return p;
}

static void adoption_write(struct buf *out, const struct adoption *a)
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

/* The lock is held, or nobody else runs yet. A decision that lists Redis slots outlives its DONE. */
static void settle(struct journal *j, const char *gtrid)
{
    struct xa_decision d;
    if (!xa_registry_find(j->registry, gtrid, &d, NULL))
        return;
    struct xa_gtrid_parts parts;
    if (d.n_slots && xa_gtrid_parse((struct slice){(const uint8_t *)gtrid, strlen(gtrid)}, &parts)) {
        struct buf payload = {0};
        xa_decision_write(&payload, &d);
        struct kept_decision *k = new_known(sizeof *k + buf_len(&payload));
        *k = (struct kept_decision){.gtrid = d.gtrid, .epoch = parts.epoch, .counter = parts.counter, .len = buf_len(&payload)};
        memcpy(k->payload, buf_at(&payload), buf_len(&payload));
        list_push_back(&j->kept, &k->link);
        buf_fini(&payload);
    }
    xa_registry_leave(j->registry, gtrid);
}

static void replay_connection(struct journal *j, uint64_t epoch, const struct xa_connection *c)
{
    LIST_FOR_SAFE(it, &j->connections)
    {
        struct known_connection *k = CONTAINER_OF(it, struct known_connection, link);
        if (k->connection.connection_id == c->connection_id && !strcmp(k->connection.backend, c->backend)) {
            list_remove(it);
            free(k);
        }
    }
    if (c->closed)
        return;
    struct known_connection *k = new_known(sizeof *k);
    k->connection = *c;
    k->epoch = epoch;
    list_push_back(&j->connections, &k->link);
}

static void replay_identity(struct journal *j, const struct xa_identity *identity)
{
    LIST_FOR(it, &j->identities)
    {
        struct known_identity *k = CONTAINER_OF(it, struct known_identity, link);
        if (!strcmp(k->identity.backend, identity->backend)) {
            k->identity = *identity;
            return;
        }
    }
    struct known_identity *k = new_known(sizeof *k);
    k->identity = *identity;
    list_push_back(&j->identities, &k->link);
}

static struct known_touch *find_touch(struct journal *j, const char *resource, uint16_t slot)
{
    LIST_FOR(it, &j->touches)
    {
        struct known_touch *k = CONTAINER_OF(it, struct known_touch, link);
        if (k->touch.slot == slot && !strcmp(k->touch.resource, resource))
            return k;
    }
    return NULL;
}

static struct known_touch *add_touch(struct journal *j, const struct comp_touch_record *touch)
{
    struct known_touch *k = new_known(sizeof *k);
    k->touch = *touch;
    list_push_back(&j->touches, &k->link);
    return k;
}

static struct known_verdict *find_verdict(struct journal *j, const char *gtrid)
{
    LIST_FOR(it, &j->verdicts)
    {
        struct known_verdict *k = CONTAINER_OF(it, struct known_verdict, link);
        if (!strcmp(k->verdict.gtrid.text, gtrid))
            return k;
    }
    return NULL;
}

static void add_verdict(struct journal *j, const struct xa_person_verdict *v)
{
    struct known_verdict *k = find_verdict(j, v->gtrid.text);
    if (!k) {
        k = new_known(sizeof *k);
        list_push_back(&j->verdicts, &k->link);
    }
    k->verdict = *v;
}

static bool has_adoption(struct journal *j, const char *log_id)
{
    LIST_FOR(it, &j->adoptions)
        if (!strcmp(CONTAINER_OF(it, struct known_adoption, link)->adoption.log_id, log_id))
            return true;
    return false;
}

static void add_adoption(struct journal *j, const struct adoption *a)
{
    if (has_adoption(j, a->log_id))
        return;
    struct known_adoption *k = new_known(sizeof *k);
    k->adoption = *a;
    list_push_back(&j->adoptions, &k->link);
}

static bool is_below(uint64_t epoch, uint64_t counter, const struct comp_horizon_record *h)
{
    return epoch < h->epoch || (epoch == h->epoch && counter < h->counter);
}

/* Horizons of resources that are configured no more are dropped: nobody sweeps them. */
static void raise_horizon(struct journal *j, const struct comp_horizon_record *h)
{
    for (size_t i = 0; i < j->n_horizons; i++)
        if (!strcmp(j->horizons[i].resource, h->resource) && is_below(j->horizons[i].epoch, j->horizons[i].counter, h))
            j->horizons[i] = *h;
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

static bool on_record(void *arg, const struct wal_record *r, char *why, size_t why_size)
{
    struct journal *j = arg;
    union any_payload p;
    bool good = true;
    switch (r->type) {
    case WAL_TYPE_EPOCH:
        break;
    case WAL_TYPE_DECIDE:
        if ((good = xa_decision_read(r->payload, &p.decision)))
            xa_registry_enter(j->registry, &p.decision, XA_OWNER_RESOLVER);
        break;
    case WAL_TYPE_DONE:
        if ((good = xa_done_read(r->payload, &p.done)))
            settle(j, p.done.gtrid.text);
        break;
    case WAL_TYPE_VERDICT:
        if ((good = xa_person_verdict_read(r->payload, &p.verdict)))
            add_verdict(j, &p.verdict);
        break;
    case WAL_TYPE_IDENTITY:
        if ((good = xa_identity_read(r->payload, &p.identity)))
            replay_identity(j, &p.identity);
        break;
    case WAL_TYPE_CONNECTION:
        if ((good = xa_connection_read(r->payload, &p.connection)))
            replay_connection(j, r->epoch, &p.connection);
        break;
    case WAL_TYPE_TOUCH:
        if ((good = comp_touch_read(r->payload, &p.touch)) && !find_touch(j, p.touch.resource, p.touch.slot))
            add_touch(j, &p.touch);
        break;
    case WAL_TYPE_HORIZON:
        if ((good = comp_horizon_read(r->payload, &p.horizon)))
            raise_horizon(j, &p.horizon);
        break;
    case WAL_TYPE_ADOPT:
        if ((good = adoption_read(r->payload, &p.adoption)))
            add_adoption(j, &p.adoption);
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

/* The oldest transaction that may still write to Redis bounds what may be forgotten: a record of a younger one that Redis
 * brings back after a failover must still find its decision. */
static bool below_every_horizon(const struct journal *j, const struct kept_decision *k)
{
    for (size_t i = 0; i < j->n_horizons; i++)
        if (!is_below(k->epoch, k->counter, &j->horizons[i]))
            return false;
    return true;
}

static void move_horizons(struct journal *j)
{
    struct comp_horizon_record h = {.epoch = journal_epoch(j), .counter = j->counter + 1};
    LIST_FOR(it, &j->live)
    {
        uint64_t counter = CONTAINER_OF(it, struct journal_live, link)->counter;
        if (counter < h.counter)
            h.counter = counter;
    }
    for (size_t i = 0; i < j->n_horizons; i++)
        if (j->horizons[i].epoch == h.epoch && h.counter > j->horizons[i].counter)
            j->horizons[i].counter = h.counter;
    LIST_FOR_SAFE(it, &j->kept)
    {
        struct kept_decision *k = CONTAINER_OF(it, struct kept_decision, link);
        if (below_every_horizon(j, k)) {
            list_remove(it);
            free(k);
        }
    }
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
        ADD(WAL_TYPE_ADOPT, adoption_write(b, &CONTAINER_OF(it, struct known_adoption, link)->adoption));
    for (size_t i = 0; i < j->n_horizons; i++)
        ADD(WAL_TYPE_HORIZON, comp_horizon_write(b, &j->horizons[i]));
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

static void on_snapshot(void *arg, struct wal_snapshot *out)
{
    struct journal *j = arg;
    struct snapshot_of_registry s = {.out = out};
    pthread_mutex_lock(&j->lock);
    move_horizons(j);
    xa_registry_each(j->registry, snapshot_decision, &s);
    snapshot_lists(j, out, &s.payload);
    pthread_mutex_unlock(&j->lock);
    buf_fini(&s.payload);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static void on_durable(void *arg, wal_pos durable)
{
    struct journal *j = arg;
    if (j->on_durable)
        j->on_durable(j->on_durable_arg, durable);
}

struct journal *journal_open(const struct config *config, wal_durable_fn durable_fn, void *arg, struct wal_error *error)
{
    struct journal *j = new_known(sizeof *j);
    struct list *const heads[] = {&j->kept,     &j->connections, &j->identities, &j->touches,
                                  &j->verdicts, &j->adoptions,   &j->live};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        list_init(heads[i]);
    pthread_mutex_init(&j->lock, NULL);
    snprintf(j->node, sizeof j->node, "%s", config->node);
    j->registry = xa_registry_new();
    j->horizons = new_known((config->n_redis + 1) * sizeof *j->horizons);
    j->n_horizons = config->n_redis;
    for (size_t i = 0; i < config->n_redis; i++)
        snprintf(j->horizons[i].resource, sizeof j->horizons[i].resource, "%s", config->redis[i].name);
    j->on_durable = durable_fn;
    j->on_durable_arg = arg;
    CHECK(asprintf(&j->dir, "%s/log", config->data_dir) > 0);
    struct wal_options options = {
        .dir = j->dir,
        .segment_bytes = (uint64_t)config->wal_segment_bytes,
        .max_bytes = (uint64_t)config->wal_max_bytes,
        .on_record = on_record,
        .on_snapshot = on_snapshot,
        .on_durable = on_durable,
        .arg = j,
    };
    if (wal_open(&j->wal, &options, error) != WAL_OK) {
        journal_close(j);
        return NULL;
    }
    return j;
}

enum wal_status journal_start(struct journal *j, struct wal_error *error)
{
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
    xa_registry_free(j->registry);
    pthread_mutex_destroy(&j->lock);
    free(j->horizons);
    free(j->dir);
    free(j);
}

struct wal *journal_wal(struct journal *j) { return j->wal; }
struct xa_registry *journal_registry(struct journal *j) { return j->registry; }
const char *journal_node(const struct journal *j) { return j->node; }
const char *journal_log_id(const struct journal *j) { return wal_id(j->wal); }
uint64_t journal_epoch(const struct journal *j) { return wal_epoch(j->wal); }

void journal_next_gtrid(struct journal *j, struct xa_gtrid *out)
{
    xa_gtrid_make(out, j->node, wal_id(j->wal), wal_epoch(j->wal), ++j->counter);
}

/* --- decisions ------------------------------------------------------------------------------------------------- */

bool journal_reserve(struct journal *j) { return wal_reserve(j->wal, RESERVE_BYTES); }
void journal_unreserve(struct journal *j) { wal_unreserve(j->wal, RESERVE_BYTES); }

wal_pos journal_decide(struct journal *j, const struct xa_decision *d)
{
    struct buf payload = {0};
    xa_registry_enter(j->registry, d, XA_OWNER_SESSION);
    xa_decision_write(&payload, d);
    wal_pos at = wal_append(j->wal, WAL_TYPE_DECIDE, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    (void)FAILPOINT(log_appended);
    return at;
}

void journal_done(struct journal *j, const char *gtrid)
{
    struct xa_done done;
    struct buf payload = {0};
    snprintf(done.gtrid.text, sizeof done.gtrid.text, "%s", gtrid);
    pthread_mutex_lock(&j->lock);
    settle(j, gtrid);
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

static bool parts_of(const char *gtrid, struct xa_gtrid_parts *parts)
{
    return xa_gtrid_parse((struct slice){(const uint8_t *)gtrid, strlen(gtrid)}, parts);
}

void journal_live_enter(struct journal *j, struct journal_live *live, const struct xa_gtrid *gtrid)
{
    struct xa_gtrid_parts parts;
    CHECK(parts_of(gtrid->text, &parts));
    live->counter = parts.counter;
    pthread_mutex_lock(&j->lock);
    list_push_back(&j->live, &live->link);
    pthread_mutex_unlock(&j->lock);
}

void journal_live_leave(struct journal *j, struct journal_live *live)
{
    pthread_mutex_lock(&j->lock);
    list_remove(&live->link);
    pthread_mutex_unlock(&j->lock);
}

void journal_horizon(struct journal *j, const char *resource, struct comp_horizon_record *out)
{
    *out = (struct comp_horizon_record){0};
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->n_horizons; i++)
        if (!strcmp(j->horizons[i].resource, resource))
            *out = j->horizons[i];
    pthread_mutex_unlock(&j->lock);
}

void journal_horizon_to_epoch(struct journal *j, const char *resource)
{
    struct comp_horizon_record h = {.epoch = journal_epoch(j)};
    struct buf payload = {0};
    snprintf(h.resource, sizeof h.resource, "%s", resource);
    pthread_mutex_lock(&j->lock);
    raise_horizon(j, &h);
    pthread_mutex_unlock(&j->lock);
    comp_horizon_write(&payload, &h);
    wal_append_lazy(j->wal, WAL_TYPE_HORIZON, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

/* --- connections ----------------------------------------------------------------------------------------------- */

static wal_pos append_connection(struct journal *j, const struct xa_connection *c)
{
    struct buf payload = {0};
    pthread_mutex_lock(&j->lock);
    replay_connection(j, journal_epoch(j), c);
    pthread_mutex_unlock(&j->lock);
    xa_connection_write(&payload, c);
    wal_pos at = c->closed ? wal_append_lazy(j->wal, WAL_TYPE_CONNECTION, buf_at(&payload), buf_len(&payload))
                           : wal_append(j->wal, WAL_TYPE_CONNECTION, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    return at;
}

wal_pos journal_connection_opened(struct journal *j, const struct xa_connection *c)
{
    return append_connection(j, c);
}

void journal_connection_closed(struct journal *j, const char *backend, uint64_t connection_id)
{
    struct xa_connection c = {.connection_id = connection_id, .closed = true};
    snprintf(c.backend, sizeof c.backend, "%s", backend);
    append_connection(j, &c);
}

unsigned journal_old_connections(struct journal *j, const char *backend, struct xa_connection *out, unsigned max)
{
    unsigned n = 0;
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->connections)
    {
        struct known_connection *k = CONTAINER_OF(it, struct known_connection, link);
        if (k->epoch == journal_epoch(j) || strcmp(k->connection.backend, backend))
            continue;
        if (n < max)
            out[n] = k->connection;
        n++;
    }
    pthread_mutex_unlock(&j->lock);
    return n;
}

/* --- identities ------------------------------------------------------------------------------------------------ */

bool journal_identity(struct journal *j, const char *backend, struct xa_identity *out)
{
    bool found = false;
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->identities)
    {
        struct known_identity *k = CONTAINER_OF(it, struct known_identity, link);
        if (!strcmp(k->identity.backend, backend)) {
            *out = k->identity;
            found = true;
        }
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

void journal_identity_set(struct journal *j, const struct xa_identity *identity)
{
    struct buf payload = {0};
    pthread_mutex_lock(&j->lock);
    replay_identity(j, identity);
    pthread_mutex_unlock(&j->lock);
    xa_identity_write(&payload, identity);
    wal_wait(j->wal, wal_append(j->wal, WAL_TYPE_IDENTITY, buf_at(&payload), buf_len(&payload)));
    buf_fini(&payload);
}

bool journal_identity_taken(struct journal *j, const char *backend, const char *server, char *by, size_t by_size)
{
    bool taken = false;
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->identities)
    {
        struct known_identity *k = CONTAINER_OF(it, struct known_identity, link);
        if (strcmp(k->identity.backend, backend) && !strcmp(k->identity.server, server)) {
            snprintf(by, by_size, "%s", k->identity.backend);
            taken = true;
        }
    }
    pthread_mutex_unlock(&j->lock);
    return taken;
}

/* --- touched slots --------------------------------------------------------------------------------------------- */

wal_pos journal_touch(struct journal *j, const char *resource, uint16_t slot)
{
    struct buf payload = {0};
    pthread_mutex_lock(&j->lock);
    struct known_touch *k = find_touch(j, resource, slot);
    if (k && k->durable_at) {
        wal_pos at = k->durable_at;
        pthread_mutex_unlock(&j->lock);
        return at;
    }
    (void)FAILPOINT(touch_before_write);
    struct comp_touch_record touch = {.epoch = journal_epoch(j), .slot = slot};
    snprintf(touch.resource, sizeof touch.resource, "%s", resource);
    snprintf(touch.node, sizeof touch.node, "%s", j->node);
    if (!k)
        k = add_touch(j, &touch);
    k->touch = touch;
    comp_touch_write(&payload, &touch);
    /* Under the lock: a second caller must not see a touch without its position. */
    k->durable_at = wal_append(j->wal, WAL_TYPE_TOUCH, buf_at(&payload), buf_len(&payload));
    wal_pos at = k->durable_at;
    pthread_mutex_unlock(&j->lock);
    buf_fini(&payload);
    return at;
}

void journal_each_touched(struct journal *j, const char *resource, void (*each)(void *arg, uint16_t slot), void *arg)
{
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->touches)
    {
        struct known_touch *k = CONTAINER_OF(it, struct known_touch, link);
        if (!strcmp(k->touch.resource, resource))
            each(arg, k->touch.slot);
    }
    pthread_mutex_unlock(&j->lock);
}

/* --- people ---------------------------------------------------------------------------------------------------- */

void journal_person_verdict(struct journal *j, const struct xa_person_verdict *v)
{
    struct buf payload = {0};
    pthread_mutex_lock(&j->lock);
    add_verdict(j, v);
    pthread_mutex_unlock(&j->lock);
    xa_person_verdict_write(&payload, v);
    wal_wait(j->wal, wal_append(j->wal, WAL_TYPE_VERDICT, buf_at(&payload), buf_len(&payload)));
    buf_fini(&payload);
}

bool journal_person_said(struct journal *j, const char *gtrid, struct xa_person_verdict *out)
{
    pthread_mutex_lock(&j->lock);
    struct known_verdict *k = find_verdict(j, gtrid);
    if (k)
        *out = k->verdict;
    pthread_mutex_unlock(&j->lock);
    return k;
}

void journal_person_done(struct journal *j, const char *gtrid)
{
    pthread_mutex_lock(&j->lock);
    struct known_verdict *k = find_verdict(j, gtrid);
    if (k) {
        list_remove(&k->link);
        free(k);
    }
    pthread_mutex_unlock(&j->lock);
}

bool journal_adopted(struct journal *j, const char *log_id)
{
    pthread_mutex_lock(&j->lock);
    bool found = has_adoption(j, log_id);
    pthread_mutex_unlock(&j->lock);
    return found;
}

void journal_adopt(struct journal *j, const char *log_id, const char *who)
{
    struct buf payload = {0};
    struct adoption a = {0};
    snprintf(a.log_id, sizeof a.log_id, "%s", log_id);
    snprintf(a.who, sizeof a.who, "%s", who);
    pthread_mutex_lock(&j->lock);
    add_adoption(j, &a);
    pthread_mutex_unlock(&j->lock);
    adoption_write(&payload, &a);
    wal_wait(j->wal, wal_append(j->wal, WAL_TYPE_ADOPT, buf_at(&payload), buf_len(&payload)));
    buf_fini(&payload);
}
