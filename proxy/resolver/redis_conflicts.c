/* Redis writes that could not be taken back cleanly: read for people, settled at their word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

#define CONFLICTS_MAX 1000 /* shown at once, of a slot */

static void take(const struct redisReply *row, size_t i, char *out, size_t out_size)
{
    picture_name(out, out_size, redis_reply_bytes(redis_reply_at(row, i)));
}

/* Texts are quoted by picture_name only where they hold blanks or other bytes: those of the library are plain words. */
static void take_text(const struct redisReply *row, size_t i, char *out, size_t out_size)
{
    struct slice text = redis_reply_bytes(redis_reply_at(row, i));
    size_t n = 0;
    for (; n < text.len && n + 1 < out_size; n++)
        out[n] = text.at[n] >= 0x20 && text.at[n] < 0x7f ? (char)text.at[n] : '?';
    out[n] = '\0';
}

/* id, wall clock ms, gtrid, seq, key, command, outcome, detail */
static bool conflict_of(const struct redisReply *row, struct conflict_row *out)
{
    if (redis_reply_kind(row) != REDIS_ARRAY || redis_reply_count(row) < 8)
        return false;
    char ms[24] = "";
    const struct redisReply *at = redis_reply_at(row, 1);
    take_text(row, 0, out->id, sizeof out->id);
    if (redis_reply_kind(at) == REDIS_INTEGER)
        out->at_ms = redis_reply_integer(at);
    else
        take_text(row, 1, ms, sizeof ms);
    if (*ms)
        out->at_ms = atoll(ms);
    take(row, 2, out->gtrid, sizeof out->gtrid);
    take(row, 4, out->key, sizeof out->key);
    take_text(row, 5, out->command, sizeof out->command);
    take_text(row, 6, out->outcome, sizeof out->outcome);
    take_text(row, 7, out->detail, sizeof out->detail);
    return true;
}

struct conflicts {
    struct conflict_row *row;
    size_t n;
};

static bool read_slot(struct redis_job *job, uint16_t slot, struct conflicts *out)
{
    struct comp_argv call = {0};
    comp_call_conflicts(&call, slot, CONFLICTS_MAX);
    struct redisReply *reply = redis_job_call(job, slot, &call);
    comp_argv_fini(&call);
    if (!reply)
        return false;
    out->row = realloc(out->row, (out->n + redis_reply_count(reply) + 1) * sizeof *out->row);
    CHECK(out->row);
    for (size_t i = 0; i < redis_reply_count(reply); i++) {
        memset(&out->row[out->n], 0, sizeof *out->row);
        out->n += conflict_of(redis_reply_at(reply, i), &out->row[out->n]);
    }
    redis_reply_free(reply);
    return true;
}

void redis_read_conflicts(struct redis_job *job)
{
    struct buf slots = {0};
    struct conflicts fresh = {0};
    bool good = true;
    job->conflicts_read_ms = clock_mono_ms();
    redis_slots(job, &slots);
    for (uint16_t slot; good && buf_len(&slots); buf_consume(&slots, sizeof slot)) {
        memcpy(&slot, buf_at(&slots), sizeof slot);
        good = read_slot(job, slot, &fresh);
    }
    buf_fini(&slots);
    pthread_mutex_lock(&job->resolver->lock);
    struct conflict_row *old = job->conflicts;
    if (good) {
        job->conflicts = fresh.row;
        job->n_conflicts = fresh.n;
    }
    pthread_mutex_unlock(&job->resolver->lock);
    free(good ? old : fresh.row);
}

/* NIL: not in this slot. */
static bool settle_in(struct redis_job *job, uint16_t slot, const char *id, enum comp_settle how)
{
    static const char *const words[] = {
        [COMP_SETTLE_DISMISS] = "dismiss", [COMP_SETTLE_RETRY] = "retry", [COMP_SETTLE_FORCE] = "force"};
    struct comp_argv call = {0};
    comp_call_settle(&call, slot, slice_of_text(id), how, (enum comp_dirty)job->resource->config->dirty);
    struct redisReply *reply = redis_job_call(job, slot, &call);
    comp_argv_fini(&call);
    bool found = reply && redis_reply_kind(reply) != REDIS_NIL;
    if (found)
        log_info("conflict_settled", "resource=%s id=%s verdict=%s", job->resource->config->name, id,
                 words[how]);
    else if (!reply)
        log_warn("conflict_not_settled", "resource=%s id=%s why=\"%s\"", job->resource->config->name, id, job->why);
    redis_reply_free(reply);
    return found;
}

void redis_settle_conflict(struct redis_job *job, const char *id, enum comp_settle how)
{
    struct buf slots = {0};
    bool found = false;
    redis_slots(job, &slots);
    for (uint16_t slot; !found && buf_len(&slots); buf_consume(&slots, sizeof slot)) {
        memcpy(&slot, buf_at(&slots), sizeof slot);
        found = settle_in(job, slot, id, how);
    }
    buf_fini(&slots);
    job->conflicts_read_ms = 0;
}
