/* The blocking Redis client: commands over a socket that waits for their replies. Leaves retries and meaning to its caller. */
#include "proxy/redis/blocking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/net/blocking.h"
#include "proxy/redis/durability.h"
#include "proxy/redis/resp.h"

struct redis_blocking {
    const struct config_redis *config;
    const struct redis_options *options; /* NULL: to a Sentinel */
    struct net_blocking *net;
    redisReader *reader;
    struct redis_reader_limits limits;
    uint64_t client_id;
    int patience_ms; /* beyond the resource's timeout, for a reply */
    char *why; /* of the call under way */
    size_t why_size;
};

/* --- replies --- */

static bool receive(struct redis_blocking *b, size_t *received)
{
    char bytes[16384];
    size_t n = net_blocking_read(b->net, bytes, sizeof bytes, b->config->timeout_ms + b->patience_ms, b->why, b->why_size);
    *received += n;
    if (*received > REDIS_REPLY_MAX) {
        snprintf(b->why, b->why_size, "reply larger than %u bytes", REDIS_REPLY_MAX);
        return false;
    }
    return n && redisReaderFeed(b->reader, bytes, n) == REDIS_OK;
}

static redisReply *read_reply(struct redis_blocking *b)
{
    void *reply = NULL;
    size_t received = 0;
    for (;;) {
        if (redisReaderGetReply(b->reader, &reply) != REDIS_OK) {
            snprintf(b->why, b->why_size, "not a Redis reply: %.100s", b->reader->errstr);
            return NULL;
        }
        if (reply)
            return reply;
        if (!receive(b, &received))
            return NULL;
    }
}

static bool send_all(struct redis_blocking *b, const struct buf *bytes)
{
    return net_blocking_write(b->net, buf_at(bytes), buf_len(bytes), b->config->timeout_ms, b->why, b->why_size);
}

/* After a failure replies may come yet, and would be taken for those of the next commands: there are none. */
static bool ask(struct redis_blocking *b, const struct buf *bytes, size_t n, redisReply **replies)
{
    if (!b->net) {
        snprintf(b->why, b->why_size, "the connection was lost before");
        return false;
    }
    size_t got = 0;
    if (send_all(b, bytes))
        while (got < n && (replies[got] = read_reply(b)))
            got++;
    if (got == n)
        return true;
    while (got)
        freeReplyObject(replies[--got]);
    net_blocking_close(b->net);
    b->net = NULL;
    return false;
}

static redisReply *ask_one(struct redis_blocking *b, const struct buf *bytes)
{
    redisReply *reply;
    return ask(b, bytes, 1, &reply) ? reply : NULL;
}

/* --- opening --- */

/* One reply of the hello; false with why when it says no. The last one is the client's id. */
static bool take_hello(struct redis_blocking *b)
{
    redisReply *reply = read_reply(b);
    if (!reply)
        return false;
    const char *objection = redis_hello_objection(reply);
    if (objection)
        snprintf(b->why, b->why_size, "log-in refused: %s", objection);
    else if (reply->type == REDIS_REPLY_INTEGER)
        b->client_id = (uint64_t)reply->integer;
    freeReplyObject(reply);
    return !objection;
}

static bool say_hello(struct redis_blocking *b)
{
    struct buf hello = {0};
    unsigned replies = b->options ? redis_format_hello(&hello, b->config, b->options)
                                  : redis_format_sentinel_hello(&hello, b->config);
    bool fine = send_all(b, &hello);
    for (; fine && replies; replies--)
        fine = take_hello(b);
    buf_fini(&hello);
    return fine;
}

struct redis_blocking *redis_blocking_open(const struct redis_resource *resource, const struct redis_node *node,
                                           const struct redis_options *options, char *why, size_t why_size)
{
    struct net_tls *tls;
    const char *name;
    struct redis_blocking *b = calloc(1, sizeof *b);
    CHECK(b);
    *b = (struct redis_blocking){.config = resource->config, .options = options, .why = why, .why_size = why_size};
    b->reader = redisReaderCreate();
    CHECK(b->reader);
    redis_reader_limit(b->reader, &b->limits);
    if (redis_resource_tls(resource, node, &tls, &name, why, why_size))
        b->net = net_blocking_open(node->host, node->port, tls, name, b->config->timeout_ms, why, why_size);
    if (b->net && say_hello(b))
        return b;
    redis_blocking_close(b);
    return NULL;
}

struct redis_blocking *redis_blocking_open_sentinel(const struct redis_resource *resource, const struct redis_node *node,
                                                    char *why, size_t why_size)
{
    return redis_blocking_open(resource, node, NULL, why, why_size);
}

uint64_t redis_blocking_client_id(const struct redis_blocking *b)
{
    return b->client_id;
}

/* --- calling --- */

static redisReply *load_library(struct redis_blocking *b)
{
    struct buf bytes = {0};
    redis_format_load(&bytes, b->options);
    redisReply *reply = ask_one(b, &bytes);
    buf_fini(&bytes);
    if (reply && redis_reply_says_loaded(reply))
        log_info("redis_library", "resource=%s library=%s", b->config->name, b->options->library_name);
    return reply;
}

struct redisReply *redis_blocking_call(struct redis_blocking *b, const struct comp_argv *argv, char *why, size_t why_size)
{
    struct buf bytes = {0};
    b->why = why;
    b->why_size = why_size;
    redis_format(&bytes, argv);
    redisReply *reply = ask_one(b, &bytes);
    if (reply && redis_reply_says_no_function(reply)) {
        freeReplyObject(reply);
        reply = load_library(b);
        if (reply && redis_reply_says_loaded(reply)) {
            freeReplyObject(reply);
            reply = ask_one(b, &bytes);
        }
    }
    buf_fini(&bytes);
    return reply;
}

bool redis_blocking_several(struct redis_blocking *b, const struct comp_argv *argv, size_t n, struct redisReply **replies, char *why,
                            size_t why_size)
{
    struct buf bytes = {0};
    b->why = why;
    b->why_size = why_size;
    for (size_t i = 0; i < n; i++)
        redis_format(&bytes, &argv[i]);
    bool answered = ask(b, &bytes, n, replies);
    buf_fini(&bytes);
    return answered;
}

struct redisReply *redis_blocking_wait(struct redis_blocking *b, char *why, size_t why_size)
{
    struct comp_argv call = {0};
    redis_durability_call(&call, b->config);
    b->patience_ms = b->config->durability_timeout_ms;
    redisReply *reply = redis_blocking_call(b, &call, why, why_size);
    b->patience_ms = 0;
    comp_argv_fini(&call);
    return reply;
}

bool redis_blocking_is_lost(const struct redis_blocking *b)
{
    return !b->net;
}

void redis_blocking_close(struct redis_blocking *b)
{
    if (!b)
        return;
    net_blocking_close(b->net);
    redisReaderFree(b->reader);
    free(b);
}
