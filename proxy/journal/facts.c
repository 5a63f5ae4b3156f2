/* What is remembered beside decisions: connections, identities, touched slots, what people said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "proxy/journal/impl.h"
#include "wal/types.h"

/* A touch record, framed. */
#define TOUCH_BYTES 256

/* --- connections ----------------------------------------------------------------------------------------------- */

static wal_pos append_connection(struct journal *j, const struct xa_connection *c)
{
    struct buf payload = {0};
    pthread_mutex_lock(&j->lock);
    journal_note_connection(j, journal_epoch(j), c);
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

void journal_connection_closed(struct journal *j, const char *backend, uint64_t connection_id, int64_t opened_ms)
{
    struct xa_connection c = {.connection_id = connection_id, .opened_ms = opened_ms, .closed = true};
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
    journal_note_identity(j, identity);
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

/* Under the lock: a second caller must not see a touch without its position. */
static wal_pos append_touch(struct journal *j, const char *resource, uint16_t slot)
{
    struct comp_touch_record touch = {.epoch = journal_epoch(j), .slot = slot};
    struct buf payload = {0};
    if (!wal_reserve(j->wal, TOUCH_BYTES))
        return 0;
    (void)FAILPOINT(touch_before_write);
    snprintf(touch.resource, sizeof touch.resource, "%s", resource);
    snprintf(touch.node, sizeof touch.node, "%s", j->node);
    struct known_touch *k = journal_find_touch(j, resource, slot);
    if (!k)
        k = journal_add_touch(j, &touch);
    k->touch = touch;
    comp_touch_write(&payload, &touch);
    k->durable_at = wal_append(j->wal, WAL_TYPE_TOUCH, buf_at(&payload), buf_len(&payload));
    wal_unreserve(j->wal, TOUCH_BYTES);
    buf_fini(&payload);
    return k->durable_at;
}

wal_pos journal_touch(struct journal *j, const char *resource, uint16_t slot)
{
    pthread_mutex_lock(&j->lock);
    const struct known_touch *k = journal_find_touch(j, resource, slot);
    wal_pos at = k && k->durable_at ? k->durable_at : append_touch(j, resource, slot);
    pthread_mutex_unlock(&j->lock);
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
    journal_add_verdict(j, v);
    pthread_mutex_unlock(&j->lock);
    xa_person_verdict_write(&payload, v);
    wal_wait(j->wal, wal_append(j->wal, WAL_TYPE_VERDICT, buf_at(&payload), buf_len(&payload)));
    buf_fini(&payload);
}

bool journal_person_said(struct journal *j, const char *gtrid, struct xa_person_verdict *out)
{
    pthread_mutex_lock(&j->lock);
    struct known_verdict *k = journal_find_verdict(j, gtrid);
    if (k)
        *out = k->verdict;
    pthread_mutex_unlock(&j->lock);
    return k;
}

void journal_person_done(struct journal *j, const char *gtrid)
{
    struct xa_done done;
    struct buf payload = {0};
    snprintf(done.gtrid.text, sizeof done.gtrid.text, "%s", gtrid);
    xa_done_write(&payload, &done);
    pthread_mutex_lock(&j->lock);
    journal_drop_verdict(j, gtrid);
    pthread_mutex_unlock(&j->lock);
    wal_append_lazy(j->wal, WAL_TYPE_DONE, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

bool journal_adopted(struct journal *j, const char *log_id)
{
    pthread_mutex_lock(&j->lock);
    bool found = journal_has_adoption(j, log_id);
    pthread_mutex_unlock(&j->lock);
    return found;
}

size_t journal_adoptions(struct journal *j)
{
    size_t n = 0;
    pthread_mutex_lock(&j->lock);
    LIST_FOR(it, &j->adoptions)
        n++;
    pthread_mutex_unlock(&j->lock);
    return n;
}

void journal_adopt(struct journal *j, const char *log_id, const char *who)
{
    struct buf payload = {0};
    struct adoption a = {0};
    snprintf(a.log_id, sizeof a.log_id, "%s", log_id);
    snprintf(a.who, sizeof a.who, "%s", who);
    pthread_mutex_lock(&j->lock);
    journal_add_adoption(j, &a);
    pthread_mutex_unlock(&j->lock);
    journal_adoption_write(&payload, &a);
    wal_wait(j->wal, wal_append(j->wal, WAL_TYPE_ADOPT, buf_at(&payload), buf_len(&payload)));
    buf_fini(&payload);
}
