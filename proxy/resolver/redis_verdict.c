/* Whether a Redis may take part: version, role, eviction, library; and the fence against what processes of dead epochs still
 * send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

#define VERSION_MIN 7 /* functions */

/* --- INFO --------------------------------------------------------------------------------------------------------------- */

struct facts {
    char version[32], role[16], policy[32], cluster[8], loading[8], aof[8], maxmemory[24];
};

static bool take_field(struct slice line, const char *name, char *out, size_t out_size)
{
    size_t n = strlen(name);
    if (line.len <= n || memcmp(line.at, name, n) != 0 || line.at[n] != ':')
        return false;
    snprintf(out, out_size, "%.*s", (int)(line.len - n - 1), (const char *)line.at + n + 1);
    return true;
}

static void read_line(struct facts *f, struct slice line)
{
    (void)(take_field(line, "redis_version", f->version, sizeof f->version) ||
           take_field(line, "role", f->role, sizeof f->role) ||
           take_field(line, "maxmemory_policy", f->policy, sizeof f->policy) ||
           take_field(line, "maxmemory", f->maxmemory, sizeof f->maxmemory) ||
           take_field(line, "cluster_enabled", f->cluster, sizeof f->cluster) ||
           take_field(line, "loading", f->loading, sizeof f->loading) ||
           take_field(line, "aof_enabled", f->aof, sizeof f->aof));
}

/* Calls `each` for each line, without its end. */
static void each_line(struct slice text, void (*each)(void *arg, struct slice line), void *arg)
{
    for (size_t start = 0, i = 0; i <= text.len; i++)
        if (i == text.len || text.at[i] == '\n') {
            size_t end = i > start && text.at[i - 1] == '\r' ? i - 1 : i;
            each(arg, (struct slice){text.at + start, end - start});
            start = i + 1;
        }
}

static void on_fact(void *arg, struct slice line)
{
    read_line(arg, line);
}

static bool read_facts(struct redis_job *job, struct facts *f)
{
    struct redisReply *reply = redis_job_line(job, "INFO", NULL, NULL);
    if (!reply)
        return false;
    each_line(redis_reply_bytes(reply), on_fact, f);
    redis_reply_free(reply);
    return true;
}

/* --- the judgement ------------------------------------------------------------------------------------------------------ */

/* What is wrong, or NULL. */
static const char *objection(const struct redis_job *job, const struct facts *f)
{
    if (atoi(f->version) < VERSION_MIN)
        return "Redis 7 or newer, or Valkey, is needed: functions";
    if (!strcmp(f->loading, "1"))
        return "it is loading its data";
    if (strcmp(f->role, "master") != 0)
        return "it is a replica: name the master";
    if (!strcmp(f->cluster, "1"))
        return "cluster mode is not supported";
    if (!strncmp(f->policy, "allkeys", 7) && strcmp(f->maxmemory, "0") != 0 && !job->resource->config->allow_unsafe)
        return "maxmemory-policy allkeys-* may evict what a transaction needs to be taken back";
    return NULL;
}

/* The library is loaded where it is missing by any of its calls. */
static bool library_answers(struct redis_job *job)
{
    struct comp_argv call = {0};
    comp_call_scan(&call, 0);
    struct redisReply *reply = redis_job_call(job, &call);
    comp_argv_fini(&call);
    redis_reply_free(reply);
    return reply;
}

static bool refuse(struct redis_job *job, const char *version, const char *why)
{
    if (job->redis) /* a lost connection is no verdict */
        redis_resource_set_verdict(job->resource, -1, version, "%s", why);
    return false;
}

/* --- the fence ---------------------------------------------------------------------------------------------------------- */

static bool raise_epoch(struct redis_job *job, uint16_t slot)
{
    struct journal *j = job->resolver->o.journal;
    struct comp_argv call = {0};
    comp_call_epoch(&call, slot, journal_node(j), journal_epoch(j));
    struct redisReply *reply = redis_job_call(job, &call);
    comp_argv_fini(&call);
    bool good = reply && redis_reply_kind(reply) == REDIS_INTEGER;
    if (good && redis_reply_integer(reply) > (int64_t)journal_epoch(j)) {
        snprintf(job->why, sizeof job->why, "epoch %lld of node %s is at work there, ours is %llu: another log of this node",
                 (long long)redis_reply_integer(reply), journal_node(j), (unsigned long long)journal_epoch(j));
        good = false;
    }
    redis_reply_free(reply);
    return good;
}

struct old_clients {
    struct slice prefix; /* of our client name, up to the epoch */
    uint64_t epoch;
    struct buf ids;      /* uint64_t each */
};

static uint64_t number(struct slice s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.len && s.at[i] >= '0' && s.at[i] <= '9' && n < UINT64_MAX / 16; i++)
        n = n * 10 + (s.at[i] - '0');
    return n;
}

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
    uint64_t id = number(field(line, "id="));
    if (name.len <= old->prefix.len || memcmp(name.at, old->prefix.at, old->prefix.len) != 0)
        return;
    if (number((struct slice){name.at + old->prefix.len, name.len - old->prefix.len}) < old->epoch)
        buf_append(&old->ids, &id, sizeof id);
}

/* Connections of earlier epochs of this log: what they sent and Redis has not read yet dies with them. */
static bool kill_old_clients(struct redis_job *job)
{
    const char *name = job->resolver->o.redis_options->client_name, *dash = strrchr(name, '-');
    struct redisReply *reply = redis_job_line(job, "CLIENT", "LIST", NULL);
    if (!reply)
        return false;
    struct old_clients old = {.prefix = {(const uint8_t *)name, dash ? (size_t)(dash - name) + 1 : strlen(name)},
                              .epoch = journal_epoch(job->resolver->o.journal)};
    each_line(redis_reply_bytes(reply), on_client, &old);
    redis_reply_free(reply);
    for (uint64_t id; buf_len(&old.ids); buf_consume(&old.ids, sizeof id)) {
        memcpy(&id, buf_at(&old.ids), sizeof id);
        redis_kill_client(job, id);
    }
    buf_fini(&old.ids);
    return job->redis;
}

static bool fence(struct redis_job *job)
{
    struct buf slots = {0};
    bool good = true;
    redis_slots(job, &slots);
    for (uint16_t slot; good && buf_len(&slots); buf_consume(&slots, sizeof slot)) {
        memcpy(&slot, buf_at(&slots), sizeof slot);
        good = raise_epoch(job, slot);
    }
    buf_fini(&slots);
    return good && kill_old_clients(job);
}

/* --- the verdict -------------------------------------------------------------------------------------------------------- */

bool redis_judge(struct redis_job *job)
{
    struct facts f = {0};
    if (!read_facts(job, &f))
        return refuse(job, NULL, job->why);
    const char *why = objection(job, &f);
    if (why)
        return refuse(job, f.version, why);
    if (!library_answers(job) || !fence(job))
        return refuse(job, f.version, job->why);
    redis_resource_set_verdict(job->resource, 1, f.version, "%s",
                               !strcmp(f.aof, "1") ? "good" : "good; appendonly is off: a crash of Redis loses committed writes");
    return true;
}
