/* Actions as values: defaults, copies, log records. */
#include "actions/action.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define RECORD_VERSION 1

const char *action_state_name(enum action_state s)
{
    static const char *const names[] = {
#define X(name, text) #name,
        ACTION_STATES(X)
#undef X
    };
    CHECK(s < ACTION_STATE_COUNT);
    return names[s];
}

void action_init(struct action *a, enum action_on on, enum action_kind kind)
{
    *a = (struct action){.on = on, .kind = kind, .timeout_ms = ACTION_TIMEOUT_MS};
    a->max_age_ms = on == ACTION_ON_COMMIT ? ACTION_MAX_AGE_MS : 0;
}

/* --- size and copies ------------------------------------------------------------------------------------------- */

static size_t value_bytes(const struct action_value *v)
{
    return v->kind == ACTION_BYTES ? v->bytes.len : 0;
}

bool action_fits(const struct action *a)
{
    size_t bytes = a->body.len;
    if (!a->body.len || a->n_args > ACTION_ARGS_MAX)
        return false;
    for (uint32_t i = 0; i < a->n_args && bytes <= ACTION_BYTES_MAX; i++)
        bytes += value_bytes(&a->args[i]) + 9;
    return bytes <= ACTION_BYTES_MAX;
}

static struct slice keep(uint8_t **at, struct slice s)
{
    struct slice kept = {*at, s.len};
    if (s.len)
        memcpy(*at, s.at, s.len);
    *at += s.len;
    return kept;
}

struct action *action_copy(const struct action *a)
{
    size_t bytes = sizeof *a + a->n_args * sizeof *a->args + a->body.len;
    for (uint32_t i = 0; i < a->n_args; i++)
        bytes += value_bytes(&a->args[i]);
    struct action *copy = malloc(bytes);
    CHECK(copy);
    *copy = *a;
    copy->args = (struct action_value *)(copy + 1);
    uint8_t *at = (uint8_t *)(copy->args + a->n_args);
    copy->body = keep(&at, a->body);
    for (uint32_t i = 0; i < a->n_args; i++) {
        copy->args[i] = a->args[i];
        if (a->args[i].kind == ACTION_BYTES)
            copy->args[i].bytes = keep(&at, a->args[i].bytes);
    }
    return copy;
}

void action_free(struct action *a)
{
    free(a);
}

/* --- fields ---------------------------------------------------------------------------------------------------- */

static void put_text(struct buf *out, const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    CHECK(n < size);
    buf_u8(out, (uint8_t)n);
    buf_append(out, text, n);
}

static void take_text(struct cursor *c, char *out, size_t size)
{
    cursor_text(c, cursor_u8(c), out, size);
}

static uint8_t take_below(struct cursor *c, uint8_t limit)
{
    uint8_t v = cursor_u8(c);
    c->bad = c->bad || v >= limit;
    return v < limit ? v : 0;
}

static void put_slice(struct buf *out, struct slice s)
{
    buf_u32le(out, (uint32_t)s.len);
    if (s.len)
        buf_append(out, s.at, s.len);
}

static struct slice take_slice(struct cursor *c)
{
    return cursor_bytes(c, cursor_u32le(c));
}

static struct cursor open_record(struct slice payload)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    c.bad = cursor_u8(&c) != RECORD_VERSION;
    return c;
}

/* Every text of an action, in the order of the record. */
#define ACTION_TEXTS(X) X(owner) X(by) X(resource) X(user) X(schema) X(charset) X(step) X(key) X(error)

enum action_flag { FLAG_PARALLEL = 1, FLAG_IDEMPOTENT = 2, FLAG_RETRIABLE = 4, FLAG_HAPPENED = 8,
                   FLAG_ANSI_QUOTES = 16, FLAG_NO_BACKSLASH_ESCAPES = 32, FLAG_PROBE = 64, FLAGS_ALL = 127 };

/* --- values ---------------------------------------------------------------------------------------------------- */

static void put_value(struct buf *out, const struct action_value *v)
{
    buf_u8(out, (uint8_t)v->kind);
    if (v->kind == ACTION_BYTES)
        put_slice(out, v->bytes);
    else if (v->kind != ACTION_NULL)
        buf_u64le(out, v->u); /* the bits of any of the three */
}

static void take_value(struct cursor *c, struct action_value *v)
{
    *v = (struct action_value){.kind = (enum action_value_kind)take_below(c, ACTION_DOUBLE + 1)};
    if (v->kind == ACTION_BYTES)
        v->bytes = take_slice(c);
    else if (v->kind != ACTION_NULL)
        v->u = cursor_u64le(c);
}

/* --- ACTION ---------------------------------------------------------------------------------------------------- */

void action_write(struct buf *out, const struct action *a)
{
    CHECK(action_fits(a) && *a->owner && *a->resource && a->id && a->seq);
    buf_u8(out, RECORD_VERSION);
    buf_u64le(out, a->id);
    buf_u32le(out, a->seq);
    buf_u8(out, (uint8_t)a->on);
    buf_u8(out, (uint8_t)a->kind);
    buf_u8(out, (uint8_t)a->state);
    buf_u8(out, (uint8_t)((a->parallel ? FLAG_PARALLEL : 0) | (a->idempotent ? FLAG_IDEMPOTENT : 0) |
                          (a->retriable ? FLAG_RETRIABLE : 0) | (a->happened ? FLAG_HAPPENED : 0) |
                          (a->ansi_quotes ? FLAG_ANSI_QUOTES : 0) | (a->probe ? FLAG_PROBE : 0) |
                          (a->no_backslash_escapes ? FLAG_NO_BACKSLASH_ESCAPES : 0)));
#define X(field) put_text(out, a->field, sizeof a->field);
    ACTION_TEXTS(X)
#undef X
    buf_u32le(out, a->max_attempts);
    buf_u64le(out, (uint64_t)a->max_age_ms);
    buf_u32le(out, (uint32_t)a->timeout_ms);
    buf_u32le(out, a->attempts);
    buf_u32le(out, a->permanent);
    buf_u64le(out, (uint64_t)a->registered_ms);
    buf_u64le(out, (uint64_t)a->due_ms);
    buf_u64le(out, (uint64_t)a->next_ms);
    put_slice(out, a->body);
    buf_u16le(out, (uint16_t)a->n_args);
    for (uint32_t i = 0; i < a->n_args; i++)
        put_value(out, &a->args[i]);
}

static void take_fixed(struct cursor *c, struct action *a)
{
    a->id = cursor_u64le(c);
    a->seq = cursor_u32le(c);
    a->on = (enum action_on)take_below(c, ACTION_ON_ROLLBACK + 1);
    a->kind = (enum action_kind)take_below(c, ACTION_REDIS + 1);
    a->state = (enum action_state)take_below(c, ACTION_DEAD + 1);
    uint8_t flags = take_below(c, FLAGS_ALL + 1);
    a->parallel = flags & FLAG_PARALLEL;
    a->idempotent = flags & FLAG_IDEMPOTENT;
    a->retriable = flags & FLAG_RETRIABLE;
    a->happened = flags & FLAG_HAPPENED;
    a->probe = flags & FLAG_PROBE;
    a->ansi_quotes = flags & FLAG_ANSI_QUOTES;
    a->no_backslash_escapes = flags & FLAG_NO_BACKSLASH_ESCAPES;
#define X(field) take_text(c, a->field, sizeof a->field);
    ACTION_TEXTS(X)
#undef X
    a->max_attempts = cursor_u32le(c);
    a->max_age_ms = (int64_t)cursor_u64le(c);
    a->timeout_ms = (int32_t)cursor_u32le(c);
    a->attempts = cursor_u32le(c);
    a->permanent = cursor_u32le(c);
    a->registered_ms = (int64_t)cursor_u64le(c);
    a->due_ms = (int64_t)cursor_u64le(c);
    a->next_ms = (int64_t)cursor_u64le(c);
    a->body = take_slice(c);
    a->n_args = cursor_u16le(c);
    c->bad = c->bad || !a->id || !a->seq || !*a->owner || !*a->resource || a->timeout_ms <= 0 || a->n_args > ACTION_ARGS_MAX;
}

struct action *action_read(struct slice payload)
{
    struct cursor c = open_record(payload);
    struct action a = {0};
    struct action_value *args = NULL;
    take_fixed(&c, &a);
    if (c.bad)
        return NULL;
    if (a.n_args) {
        args = calloc(a.n_args, sizeof *args);
        CHECK(args);
    }
    for (uint32_t i = 0; i < a.n_args; i++)
        take_value(&c, &args[i]);
    a.args = args;
    if (a.state == ACTION_RUNNING)
        a.state = ACTION_WAIT;
    struct action *read = cursor_done(&c) && action_fits(&a) ? action_copy(&a) : NULL;
    free(args);
    return read;
}

/* --- ACTION_STATE ---------------------------------------------------------------------------------------------- */

void action_change_write(struct buf *out, const struct action_change *k)
{
    CHECK(k->id && k->state != ACTION_ARMED && k->state != ACTION_RUNNING);
    buf_u8(out, RECORD_VERSION);
    buf_u64le(out, k->id);
    buf_u8(out, (uint8_t)k->state);
    buf_u32le(out, k->attempts);
    buf_u32le(out, k->permanent);
    buf_u64le(out, (uint64_t)k->next_ms);
    put_text(out, k->error, sizeof k->error);
    if (k->body.at)
        put_slice(out, k->body);
}

bool action_change_read(struct slice payload, struct action_change *k)
{
    struct cursor c = open_record(payload);
    *k = (struct action_change){.id = cursor_u64le(&c)};
    k->state = (enum action_state)take_below(&c, ACTION_STATE_COUNT);
    k->attempts = cursor_u32le(&c);
    k->permanent = cursor_u32le(&c);
    k->next_ms = (int64_t)cursor_u64le(&c);
    take_text(&c, k->error, sizeof k->error);
    if (!c.bad && cursor_left(&c))
        k->body = take_slice(&c);
    bool sound = k->id && k->state != ACTION_ARMED && k->state != ACTION_RUNNING && k->body.len <= ACTION_BYTES_MAX;
    return cursor_done(&c) && sound && (!k->body.at || k->body.len);
}

/* --- OUTCOME and ACTION_NEXT ----------------------------------------------------------------------------------- */

void action_outcome_write(struct buf *out, const struct action_outcome *o)
{
    CHECK(*o->owner);
    buf_u8(out, RECORD_VERSION);
    put_text(out, o->owner, sizeof o->owner);
    buf_u8(out, o->committed);
    buf_u64le(out, (uint64_t)o->at_ms);
}

bool action_outcome_read(struct slice payload, struct action_outcome *o)
{
    struct cursor c = open_record(payload);
    take_text(&c, o->owner, sizeof o->owner);
    o->committed = take_below(&c, 2);
    o->at_ms = (int64_t)cursor_u64le(&c);
    return cursor_done(&c) && *o->owner;
}

void action_next_write(struct buf *out, uint64_t next_id)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64le(out, next_id);
}

bool action_next_read(struct slice payload, uint64_t *next_id)
{
    struct cursor c = open_record(payload);
    *next_id = cursor_u64le(&c);
    return cursor_done(&c);
}
