/* The table of configured Redis resources and what people read about them. Leaves finding it out to the resolver. */
#include "proxy/redis/resource.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void redis_resources_init(struct redis_resources *r, const struct config *config)
{
    r->n = config->n_redis;
    r->at = calloc(r->n ? r->n : 1, sizeof *r->at);
    CHECK(r->at);
    for (size_t i = 0; i < r->n; i++) {
        r->at[i].config = &config->redis[i];
        r->at[i].index = (unsigned)i;
        pthread_mutex_init(&r->at[i].lock, NULL);
    }
}

void redis_resources_fini(struct redis_resources *r)
{
    for (size_t i = 0; i < r->n; i++)
        pthread_mutex_destroy(&r->at[i].lock);
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
