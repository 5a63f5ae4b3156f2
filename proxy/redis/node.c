/* Addresses of Redis servers. */
#include "proxy/redis/node.h"

#include <stdio.h>
#include <string.h>

bool redis_node_set(struct redis_node *n, const char *host, size_t host_len, long port)
{
    if (!host_len || host_len >= sizeof n->host || port < 1 || port > UINT16_MAX)
        return false;
    *n = (struct redis_node){.port = (uint16_t)port};
    memcpy(n->host, host, host_len);
    return strlen(n->host) == host_len;
}

bool redis_node_same(const struct redis_node *a, const struct redis_node *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}

const char *redis_node_text(const struct redis_node *n, char out[REDIS_NODE_TEXT])
{
    snprintf(out, REDIS_NODE_TEXT, strchr(n->host, ':') ? "[%s]:%u" : "%s:%u", n->host, n->port);
    return out;
}

bool redis_node_is_near(const struct redis_node *n)
{
    bool loopback = !strncmp(n->host, "127.", 4) && !n->host[strspn(n->host, "0123456789.")]; /* and no name that begins so */
    return n->host[0] == '/' || loopback || !strcmp(n->host, "::1") || !strcmp(n->host, "localhost");
}
