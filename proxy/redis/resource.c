/* The table of configured Redis resources and what people read about them. Leaves finding it out to the resolver. */
#include "proxy/redis/resource.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* --- TLS --- */

struct net_tls *redis_tls_new(const struct config_redis *c, char *why, size_t why_size)
{
    const struct net_tls_options options = {.cert = c->tls_cert, .key = c->tls_key, .ca = c->tls_ca, .verify = c->tls_verify};
    *why = '\0';
    return c->tls ? net_tls_new(false, &options, why, why_size) : NULL;
}

static void set_up_tls(struct redis_resource *r)
{
    r->tls = redis_tls_new(r->config, r->tls_why, sizeof r->tls_why);
    if (!r->tls && r->tls_why[0])
        log_error("redis_tls", "resource=%s why=\"%s\"", r->config->name, r->tls_why);
}

void redis_resources_reload_tls(struct redis_resources *r)
{
    for (size_t i = 0; i < r->n; i++) {
        char why[256];
        if (r->at[i].tls && net_tls_reload(r->at[i].tls, why, sizeof why))
            log_error("tls_reload_failed", "resource=%s why=\"%s\" consequence=\"the old ones stay in force\"",
                      r->at[i].config->name, why);
    }
}

bool redis_resource_tls(const struct redis_resource *r, const struct redis_node *node, struct net_tls **tls, const char **name,
                        char *why, size_t why_size)
{
    const struct config_redis *c = r->config;
    bool encrypted = c->tls && (c->tls_said ? node->host[0] != '/' : !redis_node_is_near(node));
    *tls = encrypted ? r->tls : NULL;
    *name = !c->tls_verify ? NULL : c->tls_name ? c->tls_name : node->host;
    if (encrypted && !r->tls)
        snprintf(why, why_size, "TLS cannot be set up: %s", r->tls_why);
    return !encrypted || r->tls;
}

/* --- the table --- */

/* A single server is where the configuration says; who looks for others publishes them. */
static void set_up_node(struct redis_resource *r)
{
    const struct config_redis *c = r->config;
    if (c->mode != CONFIG_REDIS_STANDALONE)
        return;
    CHECK(redis_node_set(&r->node, c->address, strlen(c->address), c->port));
    redis_topology_single(&r->map, &r->node);
    r->map_version = 1;
}

void redis_resources_init(struct redis_resources *r, const struct config *config)
{
    r->n = config->n_redis;
    r->at = calloc(r->n ? r->n : 1, sizeof *r->at);
    CHECK(r->at);
    for (size_t i = 0; i < r->n; i++) {
        r->at[i].config = &config->redis[i];
        r->at[i].index = (unsigned)i;
        set_up_tls(&r->at[i]);
        set_up_node(&r->at[i]);
        pthread_mutex_init(&r->at[i].lock, NULL);
    }
}

void redis_resources_fini(struct redis_resources *r)
{
    for (size_t i = 0; i < r->n; i++) {
        net_tls_free(r->at[i].tls);
        redis_topology_fini(&r->at[i].map);
        pthread_mutex_destroy(&r->at[i].lock);
    }
    free(r->at);
    *r = (struct redis_resources){0};
}

void redis_resource_texts(struct redis_resource *r, struct redis_resource_texts *out)
{
    pthread_mutex_lock(&r->lock);
    memcpy(out->version, r->version, sizeof out->version);
    memcpy(out->verdict, r->verdict, sizeof out->verdict);
    pthread_mutex_unlock(&r->lock);
}

void redis_resource_set_verdict(struct redis_resource *r, int usable, const char *version, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&r->lock);
    if (version)
        snprintf(r->version, sizeof r->version, "%s", version);
    vsnprintf(r->verdict, sizeof r->verdict, fmt, args);
    pthread_mutex_unlock(&r->lock);
    va_end(args);
    r->usable = usable;
}

/* --- where the masters are --- */

void redis_resource_publish(struct redis_resource *r, const struct redis_topology *map)
{
    pthread_mutex_lock(&r->lock);
    if (!r->map_version || !redis_topology_same(&r->map, map)) {
        redis_topology_copy(&r->map, map);
        r->map_version++;
    }
    pthread_mutex_unlock(&r->lock);
}

unsigned redis_resource_map(struct redis_resource *r, struct redis_topology *out)
{
    pthread_mutex_lock(&r->lock);
    redis_topology_copy(out, &r->map);
    unsigned version = r->map_version;
    pthread_mutex_unlock(&r->lock);
    return version;
}

void redis_resource_look_again(struct redis_resource *r)
{
    if (!atomic_exchange(&r->stale, true) && r->on_stale)
        r->on_stale(r->on_stale_arg);
}
