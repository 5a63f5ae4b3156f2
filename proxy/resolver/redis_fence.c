/* The fence against what processes of dead epochs still send: slots know the lowest live epoch, connections are killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

/* --- epochs ------------------------------------------------------------------------------------------------------------- */

/* A slot that moves is fenced when it has arrived, that of a master which is away when that one is back: until then nobody can
 * write there, and it is not swept. */
static bool raise_epoch(struct redis_job *job, uint16_t slot)
{
    struct journal *j = job->resolver->o.journal;
    struct comp_argv call = {0};
    comp_call_epoch(&call, slot, journal_fence(j), journal_epoch(j));
    struct redisReply *reply = redis_job_call(job, slot, &call);
    comp_argv_fini(&call);
    bool good = reply && redis_reply_kind(reply) == REDIS_INTEGER;
    if (good && redis_reply_integer(reply) > (int64_t)journal_epoch(j)) {
        snprintf(job->why, sizeof job->why, "epoch %lld of %s is at work there, ours is %llu: a copy of this log",
                 (long long)redis_reply_integer(reply), journal_fence(j), (unsigned long long)journal_epoch(j));
        good = false;
    }
    bool nobody = !reply && job->redis && (redis_fleet_is_moving(job->why) || redis_fleet_slot_is_away(job->redis, slot));
    redis_reply_free(reply);
    job->unfenced = job->unfenced || nobody;
    return good || nobody;
}

/* --- connections -------------------------------------------------------------------------------------------------------- */

struct old_clients {
    struct slice prefix; /* of our client name, up to the epoch */
    uint64_t epoch;
    struct buf ids;      /* uint64_t each */
};

/* The value of " key=value " in a line of CLIENT LIST. */
static struct slice field(struct slice line, const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i + n <= line.len; i++) {
        if ((i && line.at[i - 1] != ' ') || memcmp(line.at + i, key, n) != 0)
            continue;
        size_t end = i + n;
        while (end < line.len && line.at[end] != ' ')
            end++;
        return (struct slice){line.at + i + n, end - i - n};
    }
    return (struct slice){(const uint8_t *)"", 0};
}

static void on_client(void *arg, struct slice line)
{
    struct old_clients *old = arg;
    struct slice name = field(line, "name=");
    uint64_t id = number_of(field(line, "id="));
    if (name.len <= old->prefix.len || memcmp(name.at, old->prefix.at, old->prefix.len) != 0)
        return;
    if (number_of((struct slice){name.at + old->prefix.len, name.len - old->prefix.len}) < old->epoch)
        buf_append(&old->ids, &id, sizeof id);
}

/* Connections of earlier epochs of this log: what they sent and Redis has not read yet dies with them. */
static bool kill_old_clients(struct redis_job *job, size_t master)
{
    const char *name = job->resolver->o.redis_options->client_name, *dash = strrchr(name, '-');
    struct redisReply *reply = redis_job_line(job, master, "CLIENT LIST");
    if (!reply)
        return false;
    struct old_clients old = {.prefix = {(const uint8_t *)name, dash ? (size_t)(dash - name) + 1 : strlen(name)},
                              .epoch = journal_epoch(job->resolver->o.journal)};
    redis_each_line(redis_reply_bytes(reply), on_client, &old);
    redis_reply_free(reply);
    for (uint64_t id; buf_len(&old.ids); buf_consume(&old.ids, sizeof id)) {
        memcpy(&id, buf_at(&old.ids), sizeof id);
        redis_kill_client(job, master, id);
    }
    buf_fini(&old.ids);
    return job->redis;
}

/* Of one that is away there is nothing to kill; when it is back all are looked at again. */
static bool clear_master(struct redis_job *job, size_t i)
{
    if (redis_fleet_is_away(job->redis, i) || kill_old_clients(job, i))
        return true;
    return job->redis && redis_fleet_is_away(job->redis, i);
}

/* --- both --------------------------------------------------------------------------------------------------------------- */

bool redis_fence(struct redis_job *job)
{
    struct buf slots = {0};
    bool good = true;
    job->unfenced = false;
    redis_touched_slots(job, &slots);
    for (uint16_t slot; good && buf_len(&slots); buf_consume(&slots, sizeof slot)) {
        memcpy(&slot, buf_at(&slots), sizeof slot);
        good = raise_epoch(job, slot);
    }
    buf_fini(&slots);
    for (size_t i = 0; good && job->redis && i < redis_fleet_size(job->redis); i++)
        good = clear_master(job, i);
    return good && job->redis;
}
