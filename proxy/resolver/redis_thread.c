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
#define REST_MS 3000          /* at most: nothing is to be in doubt for 5 s */
#define LOOK_SENTINEL_MS 200  /* what an old master is told behind the back of its successor is lost */

static const char *name_of(const struct redis_job *job)
{
    return job->resource->config->name;
}

/* --- calls -------------------------------------------------------------------------------------------------------------- */

static void close_if_lost(struct redis_job *job)
{
    if (!redis_fleet_is_lost(job->redis))
        return;
    redis_fleet_close(job->redis);
    job->redis = NULL;
}

static struct redisReply *take_reply(struct redis_job *job, struct redisReply *reply)
{
    if (!reply) {
        close_if_lost(job);
        return NULL;
    }
    if (redis_reply_kind(reply) != REDIS_ERROR)
        return reply;
    struct slice text = redis_reply_bytes(reply);
    snprintf(job->why, sizeof job->why, "%.*s", (int)text.len, (const char *)text.at);
    redis_reply_free(reply);
    return NULL;
}

struct redisReply *redis_job_call(struct redis_job *job, uint16_t slot, const struct comp_argv *argv)
{
    return job->redis ? take_reply(job, redis_fleet_call(job->redis, slot, argv, job->why, sizeof job->why)) : NULL;
}

struct redisReply *redis_job_ask(struct redis_job *job, size_t master, const struct comp_argv *argv)
{
    return job->redis ? take_reply(job, redis_fleet_ask(job->redis, master, argv, job->why, sizeof job->why)) : NULL;
}

bool redis_job_ask_several(struct redis_job *job, size_t master, const struct comp_argv *argv, size_t n, struct redisReply **replies)
{
    if (!job->redis)
        return false;
    bool answered = redis_fleet_ask_several(job->redis, master, argv, n, replies, job->why, sizeof job->why);
    if (!answered)
        close_if_lost(job);
    return answered;
}

struct redisReply *redis_job_line(struct redis_job *job, size_t master, const char *line)
{
    char copy[128], *rest = copy;
    struct comp_argv argv = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        comp_argv_text(&argv, word);
    struct redisReply *reply = redis_job_ask(job, master, &argv);
    comp_argv_fini(&argv);
    return reply;
}

void redis_kill_client(struct redis_job *job, size_t master, uint64_t client_id)
{
    struct comp_argv argv = {0};
    comp_call_kill(&argv, client_id);
    struct redisReply *reply = redis_job_ask(job, master, &argv); /* an error: no such client any more */
    comp_argv_fini(&argv);
    if (!reply)
        return;
    job->resolver->count.kills++;
    log_info("redis_client_killed", "resource=%s client=%llu", name_of(job), (unsigned long long)client_id);
    redis_reply_free(reply);
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
    job->redis = redis_fleet_open(job->resource, options, job->why, sizeof job->why);
    if (!job->redis) {
        unreachable(job);
        return false;
    }
    if (!job->resource->reachable)
        log_info("redis_reachable", "resource=%s masters=%zu", name_of(job), redis_fleet_size(job->redis));
    job->resource->reachable = true;
    redis_resource_publish(job->resource, redis_fleet_map(job->redis));
    job->retry = (struct retry){0};
    job->again_ms = AGAIN_MS;
    job->connected_ms = clock_mono_ms();
    job->judged = false;
    return true;
}

/* Other masters, or other slots with them: they are judged anew. A single server is where it always was. */
static void look_again(struct redis_job *job)
{
    job->resource->stale = false;
    if (job->resource->config->mode == CONFIG_REDIS_STANDALONE)
        return;
    enum redis_fleet_news news = redis_fleet_look(job->redis, job->why, sizeof job->why);
    if (news == REDIS_FLEET_SAME)
        return;
    log_info("redis_masters", "resource=%s news=%s masters=%zu first=%s", name_of(job),
             news == REDIS_FLEET_LOST ? "lost" : "changed", redis_fleet_size(job->redis),
             redis_fleet_size(job->redis) ? redis_fleet_node(job->redis, 0)->host : "");
    job->judged = false;
    job->judged_ms = 0;
    if (news == REDIS_FLEET_CHANGED) {
        redis_resource_publish(job->resource, redis_fleet_map(job->redis));
        return;
    }
    redis_fleet_close(job->redis);
    job->redis = NULL;
}

/* The fence is on these connections' servers: after a failover or a restart they may hold an older state. */
static void judge(struct redis_job *job)
{
    struct redis_resource_texts before;
    redis_resource_texts(job->resource, &before);
    int usable_before = job->resource->usable;
    job->judged = redis_judge(job);
    job->sweep_due_ms = 0;
    job->judged_ms = clock_mono_ms();
    if (!job->redis)
        return;
    if (job->judged)
        journal_actions_hurry(job->resolver->o.journal, ACTION_REDIS, name_of(job));
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
    if (job->judged && !job->unfenced)
        return JUDGE_USABLE_MS;
    return clock_mono_ms() - job->connected_ms < JUDGE_HURRY_FOR_MS ? JUDGE_HURRY_MS : JUDGE_REFUSED_MS;
}

static bool due_for_verdict(const struct redis_job *job)
{
    return !job->judged_ms || clock_mono_ms() - job->judged_ms >= judge_again_ms(job);
}

/* In the time that a sweep takes nothing else is done here, and Redis is asked a lot where many slots were written to: nine
 * tenths of the time belong to others, unless that is too long for what a sweep has just missed. */
static int sweep(struct redis_job *job)
{
    int64_t began_ms = clock_mono_ms();
    int wait_ms = redis_sweep(job);
    int64_t rest_ms = 9 * (clock_mono_ms() - began_ms);
    if (rest_ms > REST_MS)
        rest_ms = REST_MS;
    if (wait_ms >= job->resolver->o.config->sweep_interval_ms && wait_ms < rest_ms)
        wait_ms = (int)rest_ms;
    job->sweep_due_ms = clock_mono_ms() + wait_ms;
    return wait_ms;
}

/* Masters are looked for more often than slots are swept. */
static int work(struct redis_job *job)
{
    int64_t left_ms = job->sweep_due_ms - clock_mono_ms();
    int wait_ms = left_ms > 0 ? (int)left_ms : sweep(job);
    bool sentinel = job->resource->config->mode == CONFIG_REDIS_SENTINEL;
    return sentinel && wait_ms > LOOK_SENTINEL_MS ? LOOK_SENTINEL_MS : wait_ms;
}

static int turn(struct redis_job *job)
{
    if (!job->redis && retry_wait_ms(&job->retry) > 0)
        return retry_wait_ms(&job->retry);
    if (job->redis)
        look_again(job);
    else
        job->resource->stale = false;
    if (!job->redis && !connect_redis(job))
        return retry_wait_ms(&job->retry);
    if (due_for_verdict(job))
        judge(job);
    int wait_ms = job->redis && job->judged ? work(job) : judge_again_ms(job);
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
    redis_fleet_close(job->redis);
    return NULL;
}
