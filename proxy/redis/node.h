/* One Redis server of a resource: where it is, and whether bytes to it must be encrypted. */
#ifndef PROXY_REDIS_NODE_H
#define PROXY_REDIS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define REDIS_HOST_MAX 256 /* a name of DNS, or the path of a local socket */
struct redis_node {
    char host[REDIS_HOST_MAX];
    uint16_t port;
};
/* False: longer than a host can be, or no port. */
bool redis_node_set(struct redis_node *n, const char *host, size_t host_len, long port) MUST_USE;
bool redis_node_same(const struct redis_node *a, const struct redis_node *b);
#define REDIS_NODE_TEXT (REDIS_HOST_MAX + 8)
const char *redis_node_text(const struct redis_node *n, char out[REDIS_NODE_TEXT]);
/* A local socket or a loopback address: nobody else can listen on the way. */
bool redis_node_is_near(const struct redis_node *n);

#endif
