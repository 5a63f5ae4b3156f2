/* What every thread may know of a Redis resource. Written by its resolver thread, read by workers. */
#ifndef PROXY_REDIS_RESOURCE_H
#define PROXY_REDIS_RESOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/config/config.h"
#include "proxy/net/tls.h"
#include "proxy/redis/topology.h"

struct redis_resource {
    const struct config_redis *config;
    unsigned index;
    _Atomic int usable;         /* 0 not checked yet, 1 usable in transactions, -1 refused (verdict says why) */
    _Atomic bool reachable;
    struct redis_node node;     /* as configured; standalone only */
    struct net_tls *tls;        /* NULL: not asked for, or it cannot be: tls_why */
    char tls_why[256];
    _Atomic unsigned map_version; /* 0: not known where its masters are */
    void (*on_stale)(void *arg);  /* the resolver's; set before workers run */
    void *on_stale_arg;
    _Atomic bool stale;
    pthread_mutex_t lock;         /* for what follows: use the functions below */
    struct redis_topology map;
    char version[64], verdict[512];
};

/* One row a [redis]; index = place in the configuration, which must outlive it. */
struct redis_resources {
    struct redis_resource *at;
    size_t n;
};
void redis_resources_init(struct redis_resources *r, const struct config *config);
void redis_resources_fini(struct redis_resources *r);

/* What connections to it are encrypted with. NULL: with nothing, or, where `why` says so, it cannot be. net_tls_free() it. */
struct net_tls *redis_tls_new(const struct config_redis *config, char *why, size_t why_size) MUST_USE;
/* Reads certificates and keys again, for new connections. What cannot be read is said in the log and leaves the old in force. */
void redis_resources_reload_tls(struct redis_resources *r);
/* How to reach a node: plain (*tls is NULL), or by *tls with a certificate for *name (NULL: unchecked). False with why:
 * encrypted, and that is not possible. */
bool redis_resource_tls(const struct redis_resource *r, const struct redis_node *node, struct net_tls **tls, const char **name,
                        char *why, size_t why_size) MUST_USE;

/* Its masters, as its resolver thread found them; wakes nobody: workers see the new version. */
void redis_resource_publish(struct redis_resource *r, const struct redis_topology *map);
/* A copy, and the version of it. */
unsigned redis_resource_map(struct redis_resource *r, struct redis_topology *out);
/* A worker came to where something no longer is: the resolver's thread looks again, soon. Any thread. */
void redis_resource_look_again(struct redis_resource *r);

struct redis_resource_texts {
    char version[64], verdict[512];
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
