/* One Redis connection of a worker: presents itself, carries one request at a time, loads the function library where a
 * reply says it is missing. What dies is buried at the end of the turn. Leaves queueing and limits to redis.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/redis/impl.h"

/* --- death --- */

static void conn_free(struct redis_conn *c)
{
    net_timer_fini(&c->deadline);
    list_remove(&c->burial.link);
    list_remove(&c->link);
    redisReaderFree(c->reader);
    free(c);
}

static void bury(struct net_deferred *d)
{
    struct redis_conn *c = CONTAINER_OF(d, struct redis_conn, burial);
    struct redis_request *r = c->request;
    c->request = NULL;
    if (r)
        redis_request_answer(r, c->loading ? REDIS_NOT_SENT : REDIS_LOST, NULL, c->why);
    conn_free(c);
}

static void PRINTF_LIKE(2, 3) conn_died(struct redis_conn *c, const char *fmt, ...)
{
    if (c->dead)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, args);
    va_end(args);
    char quoted[256];
    log_warn(c->opened ? "redis_lost" : "redis_failed", "resource=%s id=%llu call=%d why=%s", c->resource->config->name,
             (unsigned long long)c->client_id, c->request != NULL,
             log_quote(quoted, sizeof quoted, c->why, strlen(c->why)));
    if (c->net)
        net_conn_close(c->net, false);
    c->net = NULL;
    c->dead = true;
    if (c->kept) {
        c->kept->conn = NULL;
        c->kept->died = true;
        c->kept = NULL;
    }
    net_timer_stop(&c->deadline);
    net_defer(c->loop, &c->burial);
    redis_pool_died(c->pool, c);
}

void redis_conn_destroy(struct redis_conn *c)
{
    if (c->net)
        net_conn_close(c->net, false);
    if (c->request)
        redis_request_free(c->request);
    conn_free(c);
}

static void on_deadline(void *arg)
{
    struct redis_conn *c = arg;
    conn_died(c, c->opened ? "no reply in time" : "no connection in time");
}

/* --- requests --- */

static void on_reply(struct redis_conn *c, redisReply **reply);

static void send_bytes(struct redis_conn *c, const struct buf *bytes, unsigned replies)
{
    buf_append(&c->net->out, buf_at(bytes), buf_len(bytes));
    net_conn_flush(c->net);
    c->awaited = replies;
}

static void send_request(struct redis_conn *c)
{
    const struct redis_request *r = c->request;
    struct buf bytes = {0};
    c->on_reply = on_reply;
    c->passed_over = r->passed_over;
    if (r->asking) {
        redis_format_texts(&bytes, (const char *const[]){"ASKING"}, 1);
        c->passed_over++;
    }
    buf_append(&bytes, buf_at(&r->bytes), buf_len(&r->bytes));
    send_bytes(c, &bytes, c->passed_over + r->replies);
    buf_fini(&bytes);
}

static void keep(struct redis_conn *c, struct redis_kept *kept)
{
    c->kept = kept;
    kept->conn = c;
    redis_pool_kept(c->pool, c);
}

/* The connection is free before the caller hears, who may well use it again at once. */
static void finish(struct redis_conn *c, const redisReply *reply)
{
    struct redis_request *r = c->request;
    c->request = NULL;
    net_timer_stop(&c->deadline);
    if (c->forgotten)
        conn_died(c, "who kept it is gone");
    else if (r->kept)
        keep(c, r->kept);
    else
        redis_pool_ready(c->pool, c);
    redis_request_answer(r, REDIS_REPLIED, reply, NULL);
}

/* The answer is elsewhere: nothing was done here. */
static void turn_away(struct redis_conn *c, enum redis_detour detour, const struct redis_node *to, const redisReply *reply)
{
    struct redis_request *r = c->request;
    c->request = NULL;
    net_timer_stop(&c->deadline);
    redis_pool_ready(c->pool, c);
    redis_request_turned_away(r, detour, to, redis_reply_text(reply));
}

static void on_loaded(struct redis_conn *c, redisReply **reply)
{
    c->loading = false;
    if (!redis_reply_says_loaded(*reply)) {
        finish(c, *reply); /* says better than "not found" why the call cannot be */
        return;
    }
    log_info("redis_library", "resource=%s library=%s", c->resource->config->name, c->options->library_name);
    redis_pool_loaded(c->pool);
    send_request(c);
}

static void load_library(struct redis_conn *c)
{
    struct buf bytes = {0};
    redis_format_load(&bytes, c->options);
    c->request->again = true;
    c->loading = true;
    c->on_reply = on_loaded;
    send_bytes(c, &bytes, 1);
    buf_fini(&bytes);
}

/* The decisive reply is that to the first command: a pair whose function is missing is sent again as a pair. */
static void on_reply(struct redis_conn *c, redisReply **reply)
{
    struct redis_request *r = c->request;
    if (c->passed_over) { /* ASKING's */
        c->passed_over--;
        return;
    }
    if (r->several) {
        if (c->awaited) {
            net_timer_start(&c->deadline, c->resource->config->timeout_ms); /* the time is for a reply, not for all of them */
            redis_request_part(r, *reply);
        } else {
            finish(c, *reply);
        }
        return;
    }
    if (c->awaited) { /* a pair's first */
        r->first = *reply;
        *reply = NULL;
        return;
    }
    if (!r->again && redis_reply_says_no_function(r->first ? r->first : *reply)) {
        if (r->first)
            freeReplyObject(r->first);
        r->first = NULL;
        load_library(c);
        return;
    }
    struct redis_node to;
    enum redis_detour detour = redis_request_detour(r, r->first ? r->first : *reply, c->node, &to);
    if (detour)
        turn_away(c, detour, &to, r->first ? r->first : *reply);
    else
        finish(c, *reply);
}

void redis_conn_run(struct redis_conn *c, struct redis_request *r)
{
    CHECK(!c->request && !c->awaited && !c->dead);
    int64_t left = r->deadline_ms - net_loop_now_ms(c->loop);
    c->request = r;
    r->conn = c;
    if (r->call) {
        r->call->client_id = c->client_id;
        r->call->sent_to = c->node;
    }
    net_timer_start(&c->deadline, left > 0 ? left : 0);
    send_request(c);
}

/* A request of nobody's is answered like one that was cancelled. */
void redis_conn_end_kept(struct redis_conn *c)
{
    c->kept = NULL;
    if (c->request) {
        c->forgotten = true;
        c->request->kept = NULL;
        return;
    }
    struct redis_request *r = redis_request_new(c->pool->site);
    redis_format_texts(&r->bytes, (const char *const[]){"UNWATCH"}, 1);
    redis_pool_take_kept(c->pool, r, c);
}

/* --- reading --- */

static bool next_reply(struct redis_conn *c)
{
    void *got = NULL;
    if (redisReaderGetReply(c->reader, &got) != REDIS_OK) {
        conn_died(c, "not a Redis reply: %.100s", c->reader->errstr);
        return false;
    }
    redisReply *reply = got;
    if (!reply)
        return false;
    c->reply_bytes = 0;
    if (c->awaited) {
        c->awaited--;
        c->on_reply(c, &reply);
    } else {
        conn_died(c, "server spoke without being asked: %.100s", redis_reply_text(reply));
    }
    if (reply)
        freeReplyObject(reply);
    return !c->dead;
}

static void on_read(void *arg)
{
    struct redis_conn *c = arg;
    size_t n = buf_len(&c->net->in);
    c->reply_bytes += n;
    if (c->reply_bytes > REDIS_REPLY_MAX) {
        conn_died(c, "reply larger than %u bytes", REDIS_REPLY_MAX);
        return;
    }
    if (redisReaderFeed(c->reader, (const char *)buf_at(&c->net->in), n) != REDIS_OK) {
        conn_died(c, "not a Redis reply: %.100s", c->reader->errstr);
        return;
    }
    buf_consume(&c->net->in, n);
    while (next_reply(c))
        continue;
}

/* --- opening --- */

static void on_hello(struct redis_conn *c, redisReply **reply)
{
    const char *objection = redis_hello_objection(*reply);
    if (objection) {
        conn_died(c, "log-in refused: %.120s", objection);
        return;
    }
    if (c->awaited)
        return;
    if ((*reply)->type != REDIS_REPLY_INTEGER) {
        conn_died(c, "CLIENT ID is no number");
        return;
    }
    c->client_id = (uint64_t)(*reply)->integer;
    c->opened = true;
    net_timer_stop(&c->deadline);
    redis_pool_opened(c->pool);
    redis_pool_ready(c->pool, c);
}

static void say_hello(void *arg)
{
    struct redis_conn *c = arg;
    struct buf hello = {0};
    c->on_reply = on_hello;
    unsigned replies = redis_format_hello(&hello, c->resource->config, c->options);
    send_bytes(c, &hello, replies);
    buf_fini(&hello);
}

static void on_connected(void *arg)
{
    struct redis_conn *c = arg;
    if (c->tls)
        net_conn_tls_client(c->net, c->tls, c->tls_name);
    else
        say_hello(c);
}

static void on_closed(void *arg, const char *why)
{
    conn_died(arg, "%s", why);
}

static const struct net_conn_ops net_ops = {
    .on_connected = on_connected, .on_tls = say_hello, .on_read = on_read, .on_closed = on_closed};

struct redis_conn *redis_conn_open(struct redis_pool *pool, struct net_loop *loop,
                                   const struct redis_resource *resource, const struct redis_node *node,
                                   const struct redis_options *options)
{
    struct redis_conn *c = calloc(1, sizeof *c);
    CHECK(c);
    *c = (struct redis_conn){.pool = pool, .resource = resource, .node = node, .options = options, .loop = loop};
    list_init(&c->link);
    list_init(&c->burial.link);
    c->burial.run = bury;
    net_timer_init(&c->deadline, loop, on_deadline, c);
    c->reader = redisReaderCreate();
    CHECK(c->reader);
    redis_reader_limit(c->reader, &c->limits);
    const struct config_redis *config = resource->config;
    const char *host = node->host;
    char why[256];
    if (redis_resource_tls(resource, node, &c->tls, &c->tls_name, why, sizeof why))
        c->net = net_conn_connect(loop, host, node->port, host[0] == '/' ? host : NULL, &net_ops, c, why, sizeof why);
    if (c->net)
        net_timer_start(&c->deadline, config->timeout_ms);
    else
        conn_died(c, "%s", why);
    return c;
}
