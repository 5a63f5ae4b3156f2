/* Whether a Redis, or each master of it, may take part: version, role, eviction, rights, library; and what people should know
 * of its persistence. Leaves the fence to redis_fence.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "compensate/calls.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

#define VERSION_MIN 7 /* functions */

/* --- what it says of itself ---------------------------------------------------------------------------------------------- */

struct facts {
    char version[32], valkey[32], role[16], policy[32], cluster[8], loading[8], aof[8], maxmemory[24];
    char state[16];              /* of the cluster */
    char fsync[16], replicas[8]; /* "": it does not say */
};

void redis_each_line(struct slice text, void (*each)(void *arg, struct slice line), void *arg)
{
    for (size_t start = 0, i = 0; i <= text.len; i++)
        if (i == text.len || text.at[i] == '\n') {
            size_t end = i > start && text.at[i - 1] == '\r' ? i - 1 : i;
            each(arg, (struct slice){text.at + start, end - start});
            start = i + 1;
        }
}

static bool take_field(struct slice line, const char *name, char *out, size_t out_size)
{
    size_t n = strlen(name);
    if (line.len <= n || memcmp(line.at, name, n) != 0 || line.at[n] != ':')
        return false;
    snprintf(out, out_size, "%.*s", (int)(line.len - n - 1), (const char *)line.at + n + 1);
    return true;
}

static void on_fact(void *arg, struct slice line)
{
    struct facts *f = arg;
    (void)(take_field(line, "redis_version", f->version, sizeof f->version) ||
           take_field(line, "valkey_version", f->valkey, sizeof f->valkey) ||
           take_field(line, "role", f->role, sizeof f->role) ||
           take_field(line, "maxmemory_policy", f->policy, sizeof f->policy) ||
           take_field(line, "maxmemory", f->maxmemory, sizeof f->maxmemory) ||
           take_field(line, "cluster_state", f->state, sizeof f->state) ||
           take_field(line, "cluster_enabled", f->cluster, sizeof f->cluster) ||
           take_field(line, "loading", f->loading, sizeof f->loading) ||
           take_field(line, "aof_enabled", f->aof, sizeof f->aof));
}

static bool read_lines(struct redis_job *job, size_t master, const char *question, struct facts *f)
{
    struct redisReply *reply = redis_job_line(job, master, question);
    if (!reply)
        return false;
    redis_each_line(redis_reply_bytes(reply), on_fact, f);
    redis_reply_free(reply);
    return true;
}

/* Where CONFIG is not for us, the verdict is silent about it. */
static void read_setting(struct redis_job *job, size_t master, const char *line, char *out, size_t out_size)
{
    struct redisReply *reply = redis_job_line(job, master, line);
    if (reply && redis_reply_count(reply) == 2) {
        struct slice value = redis_reply_bytes(redis_reply_at(reply, 1));
        snprintf(out, out_size, "%.*s", (int)value.len, (const char *)value.at);
    }
    redis_reply_free(reply);
}

static bool read_facts(struct redis_job *job, size_t master, struct facts *f)
{
    if (!read_lines(job, master, "INFO", f) || (!strcmp(f->cluster, "1") && !read_lines(job, master, "CLUSTER INFO", f)))
        return false;
    read_setting(job, master, "CONFIG GET appendfsync", f->fsync, sizeof f->fsync);
    read_setting(job, master, "CONFIG GET min-replicas-to-write", f->replicas, sizeof f->replicas);
    return job->redis && !redis_fleet_is_away(job->redis, master);
}

static bool is_on(const char *flag)
{
    return !strcmp(flag, "1");
}

/* --- the judgement ------------------------------------------------------------------------------------------------------ */

/* What is wrong with how it is run, or NULL. */
static const char *objection_to_mode(const struct redis_job *job, const struct facts *f)
{
    bool cluster = job->resource->config->mode == CONFIG_REDIS_CLUSTER;
    if (strcmp(f->role, "master") != 0)
        return "it is a replica: name the master";
    if (is_on(f->cluster) && !cluster)
        return "it is a node of a cluster: say mode = cluster, and nodes";
    if (cluster && !is_on(f->cluster))
        return "it is no cluster";
    if (cluster && strcmp(f->state, "ok") != 0)
        return "the cluster is not whole (cluster_state is not ok)";
    return NULL;
}

/* What is wrong, or NULL. */
static const char *objection(const struct redis_job *job, const struct facts *f)
{
    bool evicts = !strncmp(f->policy, "allkeys", 7) && strcmp(f->maxmemory, "0") != 0;
    if (atoi(f->version) < VERSION_MIN)
        return "Redis 7 or newer, or Valkey, is needed: functions";
    if (is_on(f->loading))
        return "it is loading its data";
    if (evicts && !job->resource->config->allow_unsafe)
        return "maxmemory-policy allkeys-* may evict what a transaction needs to be taken back: take volatile-* or noeviction, or"
               " say allow_unsafe = on";
    return objection_to_mode(job, f);
}

/* The library is loaded where it is missing by any of its calls. While the slot that is asked for moves, Redis does not say; then
 * the first call that misses it loads it. */
static bool library_answers(struct redis_job *job, size_t master)
{
    struct comp_argv call = {0};
    if (!job->redis)
        return false; /* lost in the midst of the questions before */
    comp_call_scan(&call, redis_fleet_slot(job->redis, master));
    struct redisReply *reply = redis_job_ask(job, master, &call);
    comp_argv_fini(&call);
    redis_reply_free(reply);
    return reply || (job->redis && redis_fleet_is_moving(job->why));
}

/* --- the verdict -------------------------------------------------------------------------------------------------------- */

struct verdict_of_master {
    struct facts facts;
    char version[48], rights[400];
};

static bool refuse(struct redis_job *job, size_t master, const char *version, const char *why)
{
    char where[REDIS_NODE_TEXT] = "";
    if (!job->redis || redis_fleet_is_away(job->redis, master)) /* a lost connection is no verdict */
        return false;
    if (job->resource->config->mode != CONFIG_REDIS_STANDALONE)
        redis_node_text(redis_fleet_node(job->redis, master), where);
    redis_resource_set_verdict(job->resource, -1, version, "%s%s%s", where, *where ? ": " : "", why);
    return false;
}

/* Not for what one master is: where all are lost, that is no verdict. */
static bool refuse_all(struct redis_job *job, const char *version)
{
    if (job->redis)
        redis_resource_set_verdict(job->resource, -1, version, "%s", job->why);
    return false;
}

static bool judge_master(struct redis_job *job, size_t master, struct verdict_of_master *v)
{
    struct facts *f = &v->facts;
    if (!read_facts(job, master, f))
        return refuse(job, master, NULL, job->why);
    snprintf(v->version, sizeof v->version, "%s%s", *f->valkey ? "Valkey " : "", *f->valkey ? f->valkey : f->version);
    const char *why = objection(job, f);
    if (why)
        return refuse(job, master, v->version, why);
    if (redis_rights(job, master, v->rights, sizeof v->rights) == REDIS_RIGHTS_LACKING)
        return refuse(job, master, v->version, v->rights);
    return library_answers(job, master) || refuse(job, master, v->version, job->why);
}

/* Whose slots take no writes. */
static void describe_away(const struct redis_job *job, struct buf *out)
{
    char where[REDIS_NODE_TEXT];
    for (size_t i = 0; i < redis_fleet_size(job->redis); i++)
        if (redis_fleet_is_away(job->redis, i))
            buf_printf(out, "; %s is not reached", redis_node_text(redis_fleet_node(job->redis, i), where));
}

/* One line: what it rests on, and what people should know. Of several masters, those of one cluster are set up alike. */
static void describe(const struct redis_job *job, const struct verdict_of_master *v, struct buf *out)
{
    const struct facts *f = &v->facts;
    buf_printf(out, "good: ");
    if (job->resource->config->mode == CONFIG_REDIS_CLUSTER)
        buf_printf(out, "cluster of %zu masters", redis_fleet_size(job->redis));
    else
        buf_printf(out, "%s", f->role);
    buf_printf(out, ", maxmemory-policy %s, appendonly %s", f->policy, is_on(f->aof) ? "on" : "off");
    if (is_on(f->aof) && *f->fsync)
        buf_printf(out, " with appendfsync %s", f->fsync);
    if (*f->replicas)
        buf_printf(out, ", min-replicas-to-write %s", f->replicas);
    if (!is_on(f->aof))
        buf_printf(out, "; appendonly is off: a crash of Redis loses committed writes");
    else if (*f->fsync && strcmp(f->fsync, "always") != 0 && !job->resource->config->durability)
        buf_printf(out, "; a crash of Redis may lose the last second of committed writes");
    if (job->resource->config->mode == CONFIG_REDIS_SENTINEL && !job->resource->config->durability)
        buf_printf(out, "; a failover may lose committed writes: durability = wait has the replica know them first");
    if (*v->rights)
        buf_printf(out, "; %s", v->rights);
    describe_away(job, out);
}

/* Of a cluster those that are there: at least one. False: one of them is not fit, or all are lost. */
static bool judge_masters(struct redis_job *job, struct verdict_of_master *v)
{
    size_t n = 0;
    for (size_t i = 0; job->redis && i < redis_fleet_size(job->redis); i++) {
        struct verdict_of_master one = {.version = ""};
        if (redis_fleet_is_away(job->redis, i))
            continue;
        bool good = judge_master(job, i, &one);
        if (!job->redis || (!good && !redis_fleet_is_away(job->redis, i)))
            return false;
        if (good) {
            *v = one;
            n++;
        }
    }
    return job->redis && n;
}

bool redis_judge(struct redis_job *job)
{
    struct verdict_of_master v = {.version = ""};
    if (!judge_masters(job, &v))
        return false;
    if (!redis_fence(job))
        return refuse_all(job, v.version);
    struct buf text = {0};
    describe(job, &v, &text);
    redis_resource_set_verdict(job->resource, 1, v.version, "%s", buf_cstr(&text));
    buf_fini(&text);
    return true;
}
