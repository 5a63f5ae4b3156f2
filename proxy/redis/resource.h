/* What every thread may know of a Redis resource. Written by its resolver thread, read by workers. */
#ifndef PROXY_REDIS_RESOURCE_H
#define PROXY_REDIS_RESOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/config/config.h"

struct redis_resource {
    const struct config_redis *config;
    unsigned index;
    _Atomic int usable;         /* 0 not checked yet, 1 usable in transactions, -1 refused (verdict says why) */
    _Atomic bool reachable;
    pthread_mutex_t lock;       /* for the texts: use redis_resource_texts and the setter */
    char version[32], verdict[512];
};

/* One row a [redis]; index = place in the configuration, which must outlive it. */
struct redis_resources {
    struct redis_resource *at;
    size_t n;
};
void redis_resources_init(struct redis_resources *r, const struct config *config);
void redis_resources_fini(struct redis_resources *r);

struct redis_resource_texts {
    char version[32], verdict[512];
};
void redis_resource_texts(struct redis_resource *r, struct redis_resource_texts *out);
/* usable and the reason that people read, both cut to fit; version NULL = unchanged. */
void redis_resource_set_verdict(struct redis_resource *r, int usable, const char *version, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* What each of our connections presents and, where functions are missing, loads. */
struct redis_options {
    const char *client_name;  /* CLIENT SETNAME: no spaces */
    const char *library_name; /* for the log */
    const char *library_text; /* for FUNCTION LOAD: "#!lua name=..." */
};

/* A reply may not be larger: the connection is closed, the call is lost. A constant, since what we ask for is bounded
 * by the commands' table and by Redis' own proto-max-bulk-len. */
#define REDIS_REPLY_MAX (64u << 20)
#define REDIS_ELEMENTS_MAX (4u << 20) /* of one array; hiredis limits nesting to 7 (0.14) or 9 */

#endif
