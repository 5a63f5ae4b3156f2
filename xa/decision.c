/* xa's log records as bytes, writer and reader of each side by side. */
#include "xa/decision.h"

#include <string.h>

#include "base/check.h"

#define RECORD_VERSION 1
#define DECISION_VERSION 2

/* --- fields --- */

static void put_text(struct buf *out, const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    CHECK(n < size);
    buf_u16le(out, (uint16_t)n);
    buf_append(out, text, n);
}

static void take_text(struct cursor *c, char *out, size_t size)
{
    cursor_text(c, cursor_u16le(c), out, size);
}

/* A name that must not be empty. */
static void put_name(struct buf *out, const char *name, size_t size)
{
    CHECK(name[0]);
    put_text(out, name, size);
}

static void take_name(struct cursor *c, char *out, size_t size)
{
    take_text(c, out, size);
    c->bad = c->bad || !out[0];
}

static bool take_bool(struct cursor *c)
{
    uint8_t v = cursor_u8(c);
    c->bad = c->bad || v > 1;
    return v == 1;
}

static struct cursor open_record(struct slice payload)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    c.bad = cursor_u8(&c) != RECORD_VERSION;
    return c;
}

/* --- decision --- */

/* Version 2 knows sagas; the log of a proxy before them has version 1. */
void xa_decision_write(struct buf *out, const struct xa_decision *d)
{
    CHECK(d->n_branches <= XA_MAX_BRANCHES && d->n_slots <= XA_MAX_SLOTS);
    buf_u8(out, DECISION_VERSION);
    put_name(out, d->gtrid.text, sizeof d->gtrid.text);
    buf_u64le(out, (uint64_t)d->decided_ms);
    put_text(out, d->who, sizeof d->who);
    put_text(out, d->saga, sizeof d->saga);
    buf_u8(out, (uint8_t)d->n_branches);
    buf_u8(out, (uint8_t)d->n_slots);
    for (unsigned i = 0; i < d->n_branches; i++) {
        put_name(out, d->branch[i].backend, sizeof d->branch[i].backend);
        put_name(out, d->branch[i].bqual.text, sizeof d->branch[i].bqual.text);
    }
    for (unsigned i = 0; i < d->n_slots; i++) {
        put_name(out, d->slot[i].resource, sizeof d->slot[i].resource);
        buf_u16le(out, d->slot[i].slot);
    }
}

static void take_parts(struct cursor *c, struct xa_decision *d)
{
    for (unsigned i = 0; i < d->n_branches; i++) {
        take_name(c, d->branch[i].backend, sizeof d->branch[i].backend);
        take_name(c, d->branch[i].bqual.text, sizeof d->branch[i].bqual.text);
    }
    for (unsigned i = 0; i < d->n_slots; i++) {
        take_name(c, d->slot[i].resource, sizeof d->slot[i].resource);
        d->slot[i].slot = cursor_u16le(c);
    }
}

bool xa_decision_read(struct slice payload, struct xa_decision *d)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    uint8_t version = cursor_u8(&c);
    c.bad = version < RECORD_VERSION || version > DECISION_VERSION;
    memset(d, 0, sizeof *d);
    take_name(&c, d->gtrid.text, sizeof d->gtrid.text);
    d->decided_ms = (int64_t)cursor_u64le(&c);
    take_text(&c, d->who, sizeof d->who);
    if (version == DECISION_VERSION)
        take_text(&c, d->saga, sizeof d->saga);
    unsigned n_branches = cursor_u8(&c), n_slots = cursor_u8(&c);
    if (n_branches > XA_MAX_BRANCHES || n_slots > XA_MAX_SLOTS)
        return false;
    d->n_branches = n_branches;
    d->n_slots = n_slots;
    take_parts(&c, d);
    return cursor_done(&c);
}

/* --- done --- */

void xa_done_write(struct buf *out, const struct xa_done *d)
{
    buf_u8(out, RECORD_VERSION);
    put_name(out, d->gtrid.text, sizeof d->gtrid.text);
}

bool xa_done_read(struct slice payload, struct xa_done *d)
{
    struct cursor c = open_record(payload);
    take_name(&c, d->gtrid.text, sizeof d->gtrid.text);
    return cursor_done(&c);
}

/* --- a person's verdict --- */

void xa_person_verdict_write(struct buf *out, const struct xa_person_verdict *v)
{
    buf_u8(out, RECORD_VERSION);
    put_name(out, v->gtrid.text, sizeof v->gtrid.text);
    buf_u8(out, v->commit);
    buf_u8(out, v->forced);
    buf_u64le(out, (uint64_t)v->at_ms);
    put_text(out, v->who, sizeof v->who);
    put_text(out, v->why, sizeof v->why);
}

bool xa_person_verdict_read(struct slice payload, struct xa_person_verdict *v)
{
    struct cursor c = open_record(payload);
    memset(v, 0, sizeof *v);
    take_name(&c, v->gtrid.text, sizeof v->gtrid.text);
    v->commit = take_bool(&c);
    v->forced = take_bool(&c);
    v->at_ms = (int64_t)cursor_u64le(&c);
    take_text(&c, v->who, sizeof v->who);
    take_text(&c, v->why, sizeof v->why);
    return cursor_done(&c);
}

/* --- identity --- */

void xa_identity_write(struct buf *out, const struct xa_identity *i)
{
    buf_u8(out, RECORD_VERSION);
    put_name(out, i->backend, sizeof i->backend);
    put_name(out, i->server, sizeof i->server);
}

bool xa_identity_read(struct slice payload, struct xa_identity *i)
{
    struct cursor c = open_record(payload);
    take_name(&c, i->backend, sizeof i->backend);
    take_name(&c, i->server, sizeof i->server);
    return cursor_done(&c);
}

/* --- connection --- */

void xa_connection_write(struct buf *out, const struct xa_connection *k)
{
    buf_u8(out, RECORD_VERSION);
    put_name(out, k->backend, sizeof k->backend);
    put_text(out, k->account, sizeof k->account);
    buf_u64le(out, k->connection_id);
    buf_u64le(out, (uint64_t)k->opened_ms);
    buf_u8(out, k->closed);
}

bool xa_connection_read(struct slice payload, struct xa_connection *k)
{
    struct cursor c = open_record(payload);
    memset(k, 0, sizeof *k);
    take_name(&c, k->backend, sizeof k->backend);
    take_text(&c, k->account, sizeof k->account);
    k->connection_id = cursor_u64le(&c);
    k->opened_ms = (int64_t)cursor_u64le(&c);
    k->closed = take_bool(&c);
    return cursor_done(&c);
}
