/* The masters of a resource. Leaves connections to blocking.c and maps to topology.c. */
#include "proxy/redis/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/redis/reply.h"
#include "proxy/redis/resp.h"

#define AGAIN_MS 20      /* a slot that moves is asked for again so soon, */
#define AGAIN_FOR_MS 300 /* for so long: other slots wait */
#define SHY_MS 5000      /* a Sentinel that did not answer is left alone for so long, */
#define AWAY_MS 500      /* a master of a cluster for so long */

struct redis_fleet {
    const struct redis_resource *resource;
    const struct redis_options *options;
    struct redis_topology map;
    struct redis_blocking **at;    /* one a master */
    struct redis_blocking **guide; /* one a configured node: Sentinels, kept open; NULL: not connected */
    int64_t *guide_ms;             /* when it may be asked again */
    int64_t away_ms;               /* when masters that are away may be */
    size_t n_guides;
    bool changed;                  /* in the midst of a call */
    char *why;                     /* of the call under way */
    size_t why_size;
};

static struct redisReply *ask(struct redis_fleet *f, struct redis_blocking *b, const char *const *words, size_t n)
{
    struct comp_argv argv = {0};
    for (size_t i = 0; i < n; i++)
        comp_argv_text(&argv, words[i]);
    struct redisReply *reply = redis_blocking_call(b, &argv, f->why, f->why_size);
    comp_argv_fini(&argv);
    if (reply && redis_reply_kind(reply) == REDIS_ERROR) {
        struct slice text = redis_reply_bytes(reply);
        snprintf(f->why, f->why_size, "%.*s", (int)text.len, (const char *)text.at);
    }
    return reply;
}

static bool configured_node(const struct redis_fleet *f, size_t i, struct redis_node *out)
{
    char host[REDIS_HOST_MAX];
    int port;
    return config_address_read(f->resource->config->nodes[i], host, &port) && redis_node_set(out, host, strlen(host), port);
}

/* --- Sentinels --- */

struct master {
    struct redis_node node;
    int64_t epoch; /* of the Sentinels' configuration: the greatest is the newest */
    bool found;
};

static struct slice field(const struct redisReply *pairs, const char *name)
{
    for (size_t i = 0; i + 1 < redis_reply_count(pairs); i += 2)
        if (slice_is(redis_reply_bytes(redis_reply_at(pairs, i)), name))
            return redis_reply_bytes(redis_reply_at(pairs, i + 1));
    return (struct slice){(const uint8_t *)"", 0};
}

static int64_t number_field(const struct redisReply *pairs, const char *name)
{
    char text[24];
    struct slice s = field(pairs, name);
    snprintf(text, sizeof text, "%.*s", (int)s.len, (const char *)s.at);
    return atoll(text);
}

static void take_master(const struct redisReply *reply, struct master *out)
{
    struct master m = {.epoch = number_field(reply, "config-epoch"), .found = true};
    struct slice host = field(reply, "ip");
    if ((!out->found || m.epoch > out->epoch) &&
        redis_node_set(&m.node, (const char *)host.at, host.len, (long)number_field(reply, "port")))
        *out = m;
}

/* What this one says, if anything. One that does not answer is asked anew the next time. */
static void ask_sentinel(struct redis_fleet *f, size_t i, struct master *out)
{
    struct redis_node node;
    if (f->guide_ms[i] > clock_mono_ms())
        return;
    if (!f->guide[i] && configured_node(f, i, &node))
        f->guide[i] = redis_blocking_open_sentinel(f->resource, &node, f->why, f->why_size);
    struct redisReply *reply = NULL;
    if (f->guide[i])
        reply = ask(f, f->guide[i], (const char *const[]){"SENTINEL", "MASTER", f->resource->config->master_name}, 3);
    if (!reply) {
        redis_blocking_close(f->guide[i]);
        f->guide[i] = NULL;
        f->guide_ms[i] = clock_mono_ms() + SHY_MS;
    } else if (redis_reply_kind(reply) == REDIS_ARRAY) {
        take_master(reply, out);
    }
    redis_reply_free(reply);
}

/* All of them are asked: one that was cut off from the others may still name the old master. Where none answers, what was known
 * stays so: the master may be well. */
static bool ask_sentinels(struct redis_fleet *f, struct redis_topology *out)
{
    struct master m = {.found = false};
    for (size_t i = 0; i < f->n_guides; i++)
        ask_sentinel(f, i, &m);
    if (m.found)
        redis_topology_single(out, &m.node);
    else if (f->map.n)
        redis_topology_copy(out, &f->map);
    else
        snprintf(f->why + strlen(f->why), f->why_size - strlen(f->why), " (no Sentinel names the master %s)",
                 f->resource->config->master_name);
    return out->n;
}

/* --- the cluster --- */

static bool is_there(const struct redis_fleet *f, size_t i)
{
    return f->at[i] && !redis_blocking_is_lost(f->at[i]);
}

static bool ask_node(struct redis_fleet *f, struct redis_blocking *b, const struct redis_node *node, struct redis_topology *out)
{
    struct redisReply *reply = ask(f, b, (const char *const[]){"CLUSTER", "SLOTS"}, 2);
    bool good = reply && redis_topology_read(out, reply, node);
    if (reply && !good && redis_reply_kind(reply) != REDIS_ERROR)
        snprintf(f->why, f->why_size, "the cluster has no masters with slots yet");
    redis_reply_free(reply);
    return good;
}

static bool ask_configured(struct redis_fleet *f, size_t i, struct redis_topology *out)
{
    struct redis_node node;
    struct redis_blocking *b = configured_node(f, i, &node)
                                   ? redis_blocking_open(f->resource, &node, f->options, f->why, f->why_size)
                                   : NULL;
    bool good = b && ask_node(f, b, &node, out);
    redis_blocking_close(b);
    return good;
}

/* The masters first, who are connected, then those whom the configuration names. */
static bool ask_cluster(struct redis_fleet *f, struct redis_topology *out)
{
    for (size_t i = 0; i < f->map.n; i++)
        if (is_there(f, i) && ask_node(f, f->at[i], &f->map.node[i], out))
            return true;
    for (size_t i = 0; i < f->n_guides; i++)
        if (ask_configured(f, i, out))
            return true;
    return false;
}

/* --- connections --- */

static bool find_out(struct redis_fleet *f, struct redis_topology *out)
{
    switch (f->resource->config->mode) {
    case CONFIG_REDIS_SENTINEL:
        return ask_sentinels(f, out);
    case CONFIG_REDIS_CLUSTER:
        return ask_cluster(f, out);
    case CONFIG_REDIS_STANDALONE:
        break;
    }
    redis_topology_single(out, &f->resource->node);
    return true;
}

/* Whether there is nothing to open: those that are away already wait for their time. */
static bool all_open(const struct redis_fleet *f)
{
    bool patient = clock_mono_ms() < f->away_ms;
    for (size_t i = 0; i < f->map.n; i++)
        if (!is_there(f, i) && (f->at[i] || !patient))
            return false;
    return f->map.n;
}

static struct redis_blocking *take_connection(struct redis_fleet *f, const struct redis_node *node)
{
    for (size_t i = 0; i < f->map.n; i++)
        if (is_there(f, i) && redis_node_same(&f->map.node[i], node)) {
            struct redis_blocking *b = f->at[i];
            f->at[i] = NULL;
            return b;
        }
    return NULL;
}

static void drop_connections(struct redis_fleet *f)
{
    for (size_t i = 0; i < f->map.n; i++)
        redis_blocking_close(f->at[i]);
    free(f->at);
    f->at = NULL;
}

/* False: none can be reached. */
static bool open_missing(struct redis_fleet *f)
{
    bool any = false;
    int64_t began_ms = clock_mono_ms();
    for (size_t i = 0; i < f->map.n; i++) {
        if (!f->at[i]) {
            f->at[i] = redis_blocking_open(f->resource, &f->map.node[i], f->options, f->why, f->why_size);
            f->changed = f->changed || f->at[i];
        }
        any = any || f->at[i];
    }
    int64_t took_ms = clock_mono_ms() - began_ms; /* the thread has more to do than to wait for who does not answer */
    f->away_ms = clock_mono_ms() + AWAY_MS + 4 * took_ms;
    return any;
}

static bool lost_one(const struct redis_fleet *f)
{
    for (size_t i = 0; i < f->map.n; i++)
        if (f->at[i] && redis_blocking_is_lost(f->at[i]))
            return true;
    return false;
}

/* Takes the map: connections to who stays stay, lost ones are opened anew. */
static bool adopt(struct redis_fleet *f, struct redis_topology *map)
{
    struct redis_blocking **at = calloc(map->n + 1, sizeof *at);
    CHECK(at);
    f->changed = f->changed || lost_one(f) || !redis_topology_same(map, &f->map);
    for (size_t i = 0; i < map->n; i++)
        at[i] = take_connection(f, &map->node[i]);
    drop_connections(f);
    redis_topology_fini(&f->map);
    f->map = *map;
    f->at = at;
    return open_missing(f);
}

static bool renew(struct redis_fleet *f)
{
    struct redis_topology map = {0};
    if (!find_out(f, &map)) {
        redis_topology_fini(&map);
        return false;
    }
    if (all_open(f) && redis_topology_same(&map, &f->map)) {
        redis_topology_fini(&map);
        return true;
    }
    return adopt(f, &map);
}

struct redis_fleet *redis_fleet_open(const struct redis_resource *resource, const struct redis_options *options, char *why,
                                     size_t why_size)
{
    struct redis_fleet *f = calloc(1, sizeof *f);
    CHECK(f);
    *f = (struct redis_fleet){.resource = resource, .options = options, .why = why, .why_size = why_size};
    while (resource->config->nodes && resource->config->nodes[f->n_guides])
        f->n_guides++;
    f->guide = calloc(f->n_guides + 1, sizeof *f->guide);
    f->guide_ms = calloc(f->n_guides + 1, sizeof *f->guide_ms);
    CHECK(f->guide && f->guide_ms);
    *why = '\0';
    if (!renew(f)) {
        redis_fleet_close(f);
        return NULL;
    }
    f->changed = false;
    return f;
}

void redis_fleet_close(struct redis_fleet *f)
{
    if (!f)
        return;
    drop_connections(f);
    for (size_t i = 0; i < f->n_guides; i++)
        redis_blocking_close(f->guide[i]);
    free(f->guide);
    free(f->guide_ms);
    redis_topology_fini(&f->map);
    free(f);
}

enum redis_fleet_news redis_fleet_look(struct redis_fleet *f, char *why, size_t why_size)
{
    f->why = why;
    f->why_size = why_size;
    *why = '\0';
    bool good = renew(f), changed = f->changed;
    f->changed = false;
    return !good ? REDIS_FLEET_LOST : changed ? REDIS_FLEET_CHANGED : REDIS_FLEET_SAME;
}

bool redis_fleet_has_news(const struct redis_fleet *f)
{
    return f->changed || lost_one(f);
}

bool redis_fleet_is_away(const struct redis_fleet *f, size_t i)
{
    return !is_there(f, i);
}

bool redis_fleet_slot_is_away(const struct redis_fleet *f, uint16_t slot)
{
    return f->map.owner[slot] >= f->map.n || !is_there(f, f->map.owner[slot]);
}

bool redis_fleet_is_lost(const struct redis_fleet *f)
{
    for (size_t i = 0; i < f->map.n; i++)
        if (is_there(f, i))
            return false;
    return true;
}

/* --- calls --- */

const struct redis_topology *redis_fleet_map(const struct redis_fleet *f)
{
    return &f->map;
}

size_t redis_fleet_size(const struct redis_fleet *f)
{
    return f->map.n;
}

const struct redis_node *redis_fleet_node(const struct redis_fleet *f, size_t i)
{
    return &f->map.node[i];
}

uint16_t redis_fleet_slot(const struct redis_fleet *f, size_t i)
{
    for (uint16_t slot = COMP_SLOT_ALONE + 1; f->resource->config->mode == CONFIG_REDIS_CLUSTER && slot < COMP_SLOTS; slot++)
        if (f->map.owner[slot] == i)
            return slot;
    return COMP_SLOT_ALONE;
}

static struct redis_blocking *master(struct redis_fleet *f, size_t i)
{
    char where[REDIS_NODE_TEXT];
    if (!f->at[i])
        snprintf(f->why, f->why_size, "%s of the cluster is not reached", redis_node_text(&f->map.node[i], where));
    return f->at[i];
}

struct redisReply *redis_fleet_ask(struct redis_fleet *f, size_t i, const struct comp_argv *argv, char *why, size_t why_size)
{
    f->why = why;
    f->why_size = why_size;
    return master(f, i) ? redis_blocking_call(f->at[i], argv, why, why_size) : NULL;
}

bool redis_fleet_ask_several(struct redis_fleet *f, size_t i, const struct comp_argv *argv, size_t n, struct redisReply **replies,
                             char *why, size_t why_size)
{
    f->why = why;
    f->why_size = why_size;
    return master(f, i) && redis_blocking_several(f->at[i], argv, n, replies, why, why_size);
}

/* Whether the reply says that the slot is elsewhere, or on its way. */
static bool is_elsewhere(const struct redis_fleet *f, const struct redisReply *reply)
{
    enum redis_detour detour = redis_reply_detour(reply, NULL, NULL);
    return f->resource->config->mode == CONFIG_REDIS_CLUSTER && detour != REDIS_DETOUR_NONE && detour != REDIS_DETOUR_MASTER;
}

/* NULL with why: nobody has the slot, or who has it is away. */
static struct redis_blocking *owner_of(struct redis_fleet *f, uint16_t slot)
{
    if (f->map.owner[slot] < f->map.n)
        return master(f, f->map.owner[slot]);
    snprintf(f->why, f->why_size, "slot %u of the cluster has no master", comp_slot_number(slot));
    return NULL;
}

/* One attempt. NULL: the connection is lost, or nobody has the slot. */
static struct redisReply *call_owner(struct redis_fleet *f, uint16_t slot, const struct comp_argv *argv)
{
    struct redis_blocking *owner = owner_of(f, slot);
    return owner ? redis_blocking_call(owner, argv, f->why, f->why_size) : NULL;
}

struct redisReply *redis_fleet_call(struct redis_fleet *f, uint16_t slot, const struct comp_argv *argv, char *why,
                                    size_t why_size)
{
    int64_t until_ms = clock_mono_ms() + AGAIN_FOR_MS;
    f->why = why;
    f->why_size = why_size;
    for (;;) {
        struct redisReply *reply = call_owner(f, slot, argv);
        if (!reply || !is_elsewhere(f, reply) || clock_mono_ms() >= until_ms)
            return reply;
        redis_reply_free(reply);
        clock_sleep_ms(AGAIN_MS);
        if (!renew(f))
            return NULL;
    }
}

bool redis_fleet_is_moving(const char *error)
{
    return !strncmp(error, "TRYAGAIN", 8) || !strncmp(error, "ASK ", 4) || !strncmp(error, "MOVED ", 6);
}

struct redisReply *redis_fleet_wait(struct redis_fleet *f, uint16_t slot, char *why, size_t why_size)
{
    f->why = why;
    f->why_size = why_size;
    struct redis_blocking *owner = owner_of(f, slot);
    return owner ? redis_blocking_wait(owner, why, why_size) : NULL;
}
