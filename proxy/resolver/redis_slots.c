/* Which slots of a resource hold control hashes of this node: those that this log knows of, and those that a lost one left.
 * Leaves looking into them to sweeps. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "compensate/slot.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

static const char *name_of(const struct redis_job *job)
{
    return job->resource->config->name;
}

static bool is_cluster(const struct redis_job *job)
{
    return job->resource->config->mode == CONFIG_REDIS_CLUSTER;
}

static void add_slot(void *arg, uint16_t slot)
{
    buf_append(arg, &slot, sizeof slot);
}

void redis_touched_slots(struct redis_job *job, struct buf *out)
{
    journal_each_touched(job->resolver->o.journal, name_of(job), add_slot, out);
}

static void note_slot(void *arg, uint16_t slot)
{
    bool *slots = arg;
    slots[slot] = true;
}

void redis_slots(struct redis_job *job, struct buf *out)
{
    bool slots[COMP_SLOTS];
    memcpy(slots, job->found, sizeof slots);
    slots[COMP_SLOT_ALONE] = !is_cluster(job);
    journal_each_touched(job->resolver->o.journal, name_of(job), note_slot, slots);
    for (uint16_t slot = 0; slot < COMP_SLOTS; slot++)
        if (slots[slot])
            add_slot(out, slot);
}

/* --- the search in a cluster ---------------------------------------------------------------------------------------------- */

/* The cursor to go on with is left in `cursor`; "0": that was all. False: no answer. */
static bool scan_page(struct redis_job *job, size_t master, char cursor[32])
{
    struct comp_argv argv = {0};
    for (size_t i = 0; i < 6; i++)
        comp_argv_text(&argv, (const char *const[]){"SCAN", cursor, "MATCH", COMP_KEY_PREFIX "*}:c", "COUNT", "1000"}[i]);
    struct redisReply *reply = redis_job_ask(job, master, &argv);
    comp_argv_fini(&argv);
    const struct redisReply *keys = reply && redis_reply_count(reply) == 2 ? redis_reply_at(reply, 1) : NULL;
    for (size_t i = 0; keys && i < redis_reply_count(keys); i++)
        job->found[comp_slot_of_key(redis_reply_bytes(redis_reply_at(keys, i)))] = true;
    if (keys) {
        struct slice next = redis_reply_bytes(redis_reply_at(reply, 0));
        snprintf(cursor, 32, "%.*s", (int)(next.len < 31 ? next.len : 31), (const char *)next.at);
    }
    redis_reply_free(reply);
    return keys;
}

static bool search_master(struct redis_job *job, size_t master)
{
    char cursor[32] = "0";
    do
        if (job->resolver->stopping || !scan_page(job, master, cursor))
            return false;
    while (strcmp(cursor, "0") != 0);
    return true;
}

static size_t count_away(const struct redis_job *job)
{
    size_t n = 0;
    for (size_t i = 0; i < redis_fleet_size(job->redis); i++)
        n += redis_fleet_is_away(job->redis, i);
    return n;
}

/* A log that is new, or that was given another's, cannot know where that one wrote. A cluster has too many slots to ask each. What
 * was not reached is searched when more masters are there. */
void redis_search_slots(struct redis_job *job)
{
    struct journal *j = job->resolver->o.journal;
    size_t reasons = journal_adoptions(j) + (journal_epoch(j) == 1), missed = 0;
    if (!is_cluster(job) || (job->searched_for >= reasons && count_away(job) >= job->unsearched))
        return;
    for (size_t i = 0; job->redis && i < redis_fleet_size(job->redis); i++)
        missed += !search_master(job, i);
    if (!job->redis)
        return;
    if (job->searched_for < reasons || job->unsearched != missed)
        log_info("redis_slots_searched", "resource=%s missed=%zu", name_of(job), missed);
    job->searched_for = reasons;
    job->unsearched = missed;
}
