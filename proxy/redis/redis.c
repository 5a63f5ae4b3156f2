/* Calls on their way to a node: the one that has the slot, another one that was pointed to, or none for a moment. Leaves
 * connections and their queue to pool.c, and finding the masters out to the resolver's thread. */
#include "proxy/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/redis/impl.h"

#define PAUSE_MIN_MS 10
#define PAUSE_MAX_MS 80
#define DETOURS_MAX 5 /* without a pause */

struct redis_pools {
    struct redis_site *site; /* one a resource */
    size_t n;
};

static struct redis_request *request_at(struct list *link)
{
    return CONTAINER_OF(link, struct redis_request, link);
}

static struct redis_pool *pool_at(struct list *link)
{
    return CONTAINER_OF(link, struct redis_pool, link);
}

static int64_t now(const struct redis_site *site)
{
    return net_loop_now_ms(site->loop);
}

static bool is_standalone(const struct redis_site *site)
{
    return site->resource->config->mode == CONFIG_REDIS_STANDALONE;
}

/* --- requests --- */

struct redis_request *redis_request_new(struct redis_site *site)
{
    struct redis_request *r = calloc(1, sizeof *r);
    CHECK(r);
    list_init(&r->link);
    r->site = site;
    r->deadline_ms = now(site) + site->resource->config->timeout_ms;
    r->replies = 1;
    return r;
}

void redis_request_free(struct redis_request *r)
{
    list_remove(&r->link);
    if (r->call)
        r->call->request = NULL;
    if (r->first)
        freeReplyObject(r->first);
    buf_fini(&r->bytes);
    free(r);
}

void redis_request_answer(struct redis_request *r, enum redis_result result, const redisReply *reply, const char *why)
{
    struct redis_call *call = r->call;
    redisReply *first = r->first;
    r->call = NULL;
    r->first = NULL;
    redis_request_free(r);
    if (call) {
        call->request = NULL;
        call->first = result == REDIS_REPLIED ? first : NULL;
        call->on_reply(call, result, reply, why);
    }
    if (first)
        freeReplyObject(first);
}

void redis_request_part(struct redis_request *r, const redisReply *reply)
{
    if (r->call)
        r->call->on_part(r->call, reply);
}

/* --- nodes --- */

static struct redis_pool *pool_of(struct redis_site *site, const struct redis_node *node)
{
    LIST_FOR(it, &site->pools)
        if (redis_node_same(&pool_at(it)->node, node))
            return pool_at(it);
    struct redis_pool *pool = redis_pool_new(site, node);
    pool->retired = !redis_topology_has(&site->map, node);
    list_push_back(&site->pools, &pool->link);
    return pool;
}

/* What waited for a node that is no longer one is sent where its slot is now. */
static void retire(struct redis_pool *pool, struct list *homeless)
{
    pool->retired = true;
    while (!list_empty(&pool->waiting)) {
        struct list *first = list_first(&pool->waiting);
        list_remove(first);
        list_push_back(homeless, first);
    }
    redis_pool_serve_later(pool);
}

static void route(struct redis_request *r);

/* The newest map. */
static void update_map(struct redis_site *site)
{
    struct list homeless;
    if (site->map_version == site->resource->map_version)
        return;
    list_init(&homeless);
    site->map_version = redis_resource_map(site->resource, &site->map);
    LIST_FOR(it, &site->pools)
    {
        if (redis_topology_has(&site->map, &pool_at(it)->node))
            pool_at(it)->retired = false;
        else
            retire(pool_at(it), &homeless);
    }
    while (!list_empty(&homeless)) {
        struct redis_request *r = request_at(list_first(&homeless));
        list_remove(&r->link);
        route(r);
    }
}

/* To the node that has the slot, as far as is known. */
static void route(struct redis_request *r)
{
    struct redis_site *site = r->site;
    update_map(site);
    const struct redis_node *owner = site->map_version ? redis_topology_owner(&site->map, r->slot) : NULL;
    r->asking = false;
    if (r->only)
        redis_pool_take(r->only, r);
    else if (owner)
        redis_pool_take(pool_of(site, owner), r);
    else
        redis_request_park(r, "no master is known");
}

/* --- no node takes it now --- */

static bool is_due(const struct redis_request *r)
{
    bool news = r->site->map_version != r->site->resource->map_version;
    return news || r->retry_ms <= now(r->site) || r->deadline_ms <= now(r->site);
}

static void leave_parking(struct redis_request *r)
{
    char why[sizeof r->why];
    memcpy(why, r->why, sizeof why); /* the request is gone before its caller hears */
    list_remove(&r->link);
    if (r->deadline_ms <= now(r->site))
        redis_request_answer(r, REDIS_NOT_SENT, NULL, why);
    else
        route(r);
}

static void on_parking(void *arg)
{
    struct redis_site *site = arg;
    struct list due;
    list_init(&due);
    LIST_FOR_SAFE(it, &site->parked)
        if (is_due(request_at(it))) {
            list_remove(it);
            list_push_back(&due, it);
        }
    while (!list_empty(&due))
        leave_parking(request_at(list_first(&due)));
    site->parking_runs = !list_empty(&site->parked);
    if (site->parking_runs)
        net_timer_start(&site->parking, PAUSE_MIN_MS);
}

void redis_request_park(struct redis_request *r, const char *why)
{
    struct redis_site *site = r->site;
    r->pause_ms = !r->pause_ms ? PAUSE_MIN_MS : r->pause_ms < PAUSE_MAX_MS ? 2 * r->pause_ms : PAUSE_MAX_MS;
    r->retry_ms = now(site) + r->pause_ms;
    r->detours = 0;
    snprintf(r->why, sizeof r->why, "%s", why);
    list_remove(&r->link);
    list_push_back(&site->parked, &r->link);
    redis_resource_look_again(site->resource);
    if (!site->parking_runs)
        net_timer_start(&site->parking, PAUSE_MIN_MS);
    site->parking_runs = true;
}

/* --- turned away --- */

enum redis_detour redis_request_detour(const struct redis_request *r, const redisReply *reply, const struct redis_node *asked,
                                       struct redis_node *to)
{
    enum redis_detour detour = redis_reply_detour(reply, asked, to);
    bool goes = r->call && !is_standalone(r->site) && !r->only;
    return goes ? detour : REDIS_DETOUR_NONE;
}

void redis_request_turned_away(struct redis_request *r, enum redis_detour detour, const struct redis_node *to, const char *why)
{
    bool names_it = detour == REDIS_DETOUR_MOVED || detour == REDIS_DETOUR_ASK;
    bool pointed = names_it && r->detours < DETOURS_MAX && !r->call->says_anything;
    redisReply *first = r->first; /* `why` may be in it */
    r->conn = NULL;
    r->first = NULL;
    r->asking = detour == REDIS_DETOUR_ASK;
    r->detours++;
    if (detour == REDIS_DETOUR_MOVED)
        redis_resource_look_again(r->site->resource);
    if (pointed)
        redis_pool_take(pool_of(r->site, to), r);
    else
        redis_request_park(r, why);
    if (first)
        freeReplyObject(first);
}

/* --- callers --- */

static struct redis_request *new_request(struct redis_site *site, struct redis_call *call, const struct comp_argv *const *argv,
                                         size_t n)
{
    struct redis_request *r = redis_request_new(site);
    r->call = call;
    r->slot = call->slot;
    if (call->deadline_ms)
        r->deadline_ms = call->deadline_ms;
    for (size_t i = 0; i < n; i++)
        redis_format(&r->bytes, argv[i]);
    r->replies = (unsigned)n;
    call->request = r;
    call->first = NULL;
    return r;
}

static void send_call(struct redis_pools *p, struct redis_call *call, const struct comp_argv *const *argv, size_t n, bool several)
{
    CHECK(call->resource < p->n && !call->request && n > 0);
    struct redis_site *site = &p->site[call->resource];
    struct redis_request *r = new_request(site, call, argv, n);
    r->several = several;
    r->only = call->to ? pool_of(site, call->to) : NULL;
    route(r);
}

void redis_send(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv)
{
    send_call(p, call, &argv, 1, false);
}

void redis_send_pair(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv,
                     const struct comp_argv *then)
{
    send_call(p, call, (const struct comp_argv *const[]){argv, then}, 2, false);
}

void redis_send_several(struct redis_pools *p, struct redis_call *call, const struct comp_argv *const *argv, size_t n)
{
    send_call(p, call, argv, n, true);
}

const struct redis_node *redis_owner(struct redis_pools *p, unsigned resource, uint16_t slot)
{
    CHECK(resource < p->n);
    struct redis_site *site = &p->site[resource];
    update_map(site);
    return site->map_version ? redis_topology_owner(&site->map, slot) : NULL;
}

void redis_cancel(struct redis_call *call)
{
    struct redis_request *r = call->request;
    if (!r)
        return;
    call->request = NULL;
    r->call = NULL;
    if (r->conn && r->kept)
        r->conn->forgotten = true;
    r->kept = NULL;
    if (!r->conn)
        redis_request_free(r);
}

/* --- kept connections --- */

bool redis_may_keep(const struct redis_pools *p, unsigned resource)
{
    CHECK(resource < p->n);
    const struct redis_site *site = &p->site[resource];
    unsigned kept = 0, limit = (unsigned)site->resource->config->max_connections / 2;
    LIST_FOR(it, &site->pools)
        kept += redis_list_count(&pool_at(it)->kept);
    return kept < limit;
}

void redis_send_keeping(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv, struct redis_kept *kept)
{
    CHECK(call->resource < p->n && !call->request);
    struct redis_request *r = new_request(&p->site[call->resource], call, &argv, 1);
    r->kept = kept;
    if (kept->conn)
        redis_pool_take_kept(r->only = kept->conn->pool, r, kept->conn);
    else
        route(r);
}

void redis_send_exec(struct redis_pools *p, struct redis_call *call, const struct comp_argv *argv, struct redis_kept *kept)
{
    CHECK(call->resource < p->n && !call->request && kept->conn);
    struct redis_conn *c = kept->conn;
    struct redis_request *r = redis_request_new(&p->site[call->resource]);
    kept->conn = NULL;
    c->kept = NULL;
    redis_format_texts(&r->bytes, (const char *const[]){"MULTI"}, 1);
    redis_format(&r->bytes, argv);
    redis_format_texts(&r->bytes, (const char *const[]){"EXEC"}, 1);
    r->passed_over = 2;
    r->only = c->pool;
    r->call = call;
    r->slot = call->slot;
    call->request = r;
    call->first = NULL;
    redis_pool_take_kept(c->pool, r, c);
}

void redis_keep_end(struct redis_kept *kept)
{
    if (kept->conn)
        redis_conn_end_kept(kept->conn);
    *kept = (struct redis_kept){0};
}

void redis_flush_now(struct redis_call *call)
{
    if (call->request && call->request->conn && call->request->conn->net)
        (void)net_conn_flush_now(call->request->conn->net); /* a death comes as on_closed */
}

/* --- the set --- */

struct redis_pools *redis_pools_new(struct net_loop *loop, struct redis_resources *resources,
                                    const struct redis_options *options)
{
    struct redis_pools *p = calloc(1, sizeof *p);
    CHECK(p);
    p->n = resources->n;
    p->site = calloc(p->n + 1, sizeof *p->site);
    CHECK(p->site);
    for (size_t i = 0; i < p->n; i++) {
        struct redis_site *site = &p->site[i];
        site->loop = loop;
        site->resource = &resources->at[i];
        site->options = options;
        list_init(&site->pools);
        list_init(&site->parked);
        net_timer_init(&site->parking, loop, on_parking, site);
    }
    return p;
}

static void site_fini(struct redis_site *site)
{
    while (!list_empty(&site->pools))
        redis_pool_free(pool_at(list_first(&site->pools)));
    while (!list_empty(&site->parked))
        redis_request_free(request_at(list_first(&site->parked)));
    net_timer_fini(&site->parking);
    redis_topology_fini(&site->map);
}

void redis_pools_free(struct redis_pools *p)
{
    for (size_t i = 0; i < p->n; i++)
        site_fini(&p->site[i]);
    free(p->site);
    free(p);
}

static void add_stats(const struct redis_pool *pool, struct redis_pool_stats *out)
{
    out->busy += redis_list_count(&pool->busy) + redis_list_count(&pool->kept);
    out->idle += redis_list_count(&pool->idle);
    out->opening += redis_list_count(&pool->opening);
    out->waiting += redis_list_count(&pool->waiting);
    out->opened += pool->opened;
    out->failed += pool->failed;
    out->lost += pool->lost;
    out->loaded += pool->loaded;
}

void redis_pool_stats(const struct redis_pools *p, unsigned resource, struct redis_pool_stats *out)
{
    CHECK(resource < p->n);
    const struct redis_site *site = &p->site[resource];
    *out = (struct redis_pool_stats){.waiting = redis_list_count(&site->parked)};
    LIST_FOR(it, &site->pools)
        add_stats(pool_at(it), out);
}
