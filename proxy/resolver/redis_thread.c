/* The thread of one Redis resource: connect, judge, fence, sweep, wait for a letter or the next look. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

#define JUDGE_REFUSED_MS 2000
#define JUDGE_HURRY_MS 50     /* one that was just started is loading its data, mostly for moments: so often at first, */
#define JUDGE_HURRY_FOR_MS 5000 /* for so long */
#define JUDGE_USABLE_MS 15000 /* a master may become a replica without a word */

static const char *name_of(const struct redis_job *job)
{
    return job->resource->config->name;
}

/* --- calls -------------------------------------------------------------------------------------------------------------- */

struct redisReply *redis_job_call(struct redis_job *job, const struct comp_argv *argv)
{
    if (!job->redis)
        return NULL;
    struct redisReply *reply = redis_blocking_call(job->redis, argv, job->why, sizeof job->why);
    if (!reply) {
        redis_blocking_close(job->redis);
        job->redis = NULL;
        return NULL;
    }
    if (redis_reply_kind(reply) != REDIS_ERROR)
        return reply;
    struct slice text = redis_reply_bytes(reply);
    snprintf(job->why, sizeof job->why, "%.*s", (int)text.len, (const char *)text.at);
    redis_reply_free(reply);
    return NULL;
}

struct redisReply *redis_job_line(struct redis_job *job, const char *first, const char *second, const char *third)
{
    struct comp_argv argv = {0};
    comp_argv_text(&argv, first);
    if (second)
        comp_argv_text(&argv, second);
    if (third)
        comp_argv_text(&argv, third);
    struct redisReply *reply = redis_job_call(job, &argv);
    comp_argv_fini(&argv);
    return reply;
}

void redis_kill_client(struct redis_job *job, uint64_t client_id)
{
    struct comp_argv argv = {0};
    comp_call_kill(&argv, client_id);
    struct redisReply *reply = redis_job_call(job, &argv); /* an error: no such client any more */
    comp_argv_fini(&argv);
    if (!reply)
        return;
    job->resolver->count.kills++;
    log_info("redis_client_killed", "resource=%s client=%llu", name_of(job), (unsigned long long)client_id);
    redis_reply_free(reply);
}

static void add_slot(void *arg, uint16_t slot)
{
    buf_append(arg, &slot, sizeof slot);
}

void redis_slots(struct redis_job *job, struct buf *out)
{
    journal_each_touched(job->resolver->o.journal, name_of(job), add_slot, out);
}

/* --- connecting --------------------------------------------------------------------------------------------------------- */

static void unreachable(struct redis_job *job)
{
    char quoted[300];
    if (job->resource->reachable || !job->retry.failing_since_ms)
        log_warn("redis_unreachable", "resource=%s why=%s", name_of(job),
                 log_quote(quoted, sizeof quoted, job->why, strlen(job->why)));
    redis_resource_set_verdict(job->resource, 0, NULL, "not reached: %s", job->why);
    job->resource->reachable = false;
    job->judged = false;
    retry_failed(&job->retry);
}

static bool connect_redis(struct redis_job *job)
{
    const struct redis_options *options = job->resolver->o.redis_options;
    job->redis = redis_blocking_open(job->resource->config, options, job->why, sizeof job->why);
    if (!job->redis) {
        unreachable(job);
        return false;
    }
    if (!job->resource->reachable)
        log_info("redis_reachable", "resource=%s client=%llu", name_of(job),
                 (unsigned long long)redis_blocking_client_id(job->redis));
    job->resource->reachable = true;
    job->retry = (struct retry){0};
    job->again_ms = AGAIN_MS;
    job->connected_ms = clock_mono_ms();
    job->judged = false;
    return true;
}

/* The fence is on this connection's server: after a failover or a restart it may hold an older state. */
static void judge(struct redis_job *job)
{
    struct redis_resource_texts before;
    redis_resource_texts(job->resource, &before);
    int usable_before = job->resource->usable;
    job->judged = redis_judge(job);
    job->judged_ms = clock_mono_ms();
    if (!job->redis)
        return;
    struct redis_resource_texts now;
    redis_resource_texts(job->resource, &now);
    if (usable_before != job->resource->usable || strcmp(before.verdict, now.verdict) != 0)
        log_write(job->judged ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "redis_verdict",
                  "resource=%s usable=%d version=%s verdict=\"%s\"", name_of(job), (int)job->resource->usable, now.version,
                  now.verdict);
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */

static int judge_again_ms(const struct redis_job *job)
{
    if (job->judged)
        return JUDGE_USABLE_MS;
    return clock_mono_ms() - job->connected_ms < JUDGE_HURRY_FOR_MS ? JUDGE_HURRY_MS : JUDGE_REFUSED_MS;
}

static bool due_for_verdict(const struct redis_job *job)
{
    return !job->judged_ms || clock_mono_ms() - job->judged_ms >= judge_again_ms(job);
}

static int turn(struct redis_job *job)
{
    if (!job->redis && retry_wait_ms(&job->retry) > 0)
        return retry_wait_ms(&job->retry);
    if (!job->redis && !connect_redis(job))
        return retry_wait_ms(&job->retry);
    if (due_for_verdict(job))
        judge(job);
    int wait_ms = job->redis && job->judged ? redis_sweep(job) : judge_again_ms(job);
    if (job->redis)
        return wait_ms;
    job->resolver->count.failures++;
    job->judged = false;
    job->judged_ms = 0;
    return 0; /* once more at once: a connection that was idle too long is no reason to say that Redis is gone */
}

void *redis_thread(void *arg)
{
    struct redis_job *job = arg;
    while (!job->resolver->stopping) {
        int wait_ms = turn(job);
        if (!job->resolver->stopping)
            mailbox_wait(&job->box, job, wait_ms);
    }
    redis_blocking_close(job->redis);
    return NULL;
}
