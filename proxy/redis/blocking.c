/* The blocking Redis client: hiredis' own connection, one command at a time. Leaves retries and meaning to its caller.
 * */
#include "proxy/redis/blocking.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "proxy/redis/resp.h"

struct redis_blocking {
    const struct config_redis *config;
    const struct redis_options *options;
    redisContext *context;
    struct redis_reader_limits limits;
    uint64_t client_id;
};

static void PRINTF_LIKE(3, 4) say_why(char *why, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, size, fmt, args);
    va_end(args);
}

static bool send_all(struct redis_blocking *b, const struct buf *bytes)
{
    if (redisAppendFormattedCommand(b->context, (const char *)buf_at(bytes), buf_len(bytes)) != REDIS_OK)
        return false;
    for (int done = 0; !done;)
        if (redisBufferWrite(b->context, &done) != REDIS_OK)
            return false;
    return true;
}

/* Like redisGetReply, with a limit. */
static redisReply *read_reply(struct redis_blocking *b, char *why, size_t why_size)
{
    void *reply = NULL;
    for (;;) {
        if (redisGetReplyFromReader(b->context, &reply) != REDIS_OK)
            break;
        if (reply)
            return reply;
        if (b->context->reader->len > REDIS_REPLY_MAX) {
            say_why(why, why_size, "reply larger than %u bytes", REDIS_REPLY_MAX);
            return NULL;
        }
        if (redisBufferRead(b->context) != REDIS_OK)
            break;
    }
    say_why(why, why_size, "%s", b->context->errstr);
    return NULL;
}

static redisReply *ask(struct redis_blocking *b, const struct buf *bytes, char *why, size_t why_size)
{
    if (send_all(b, bytes))
        return read_reply(b, why, why_size);
    say_why(why, why_size, "%s", b->context->errstr);
    return NULL;
}

/* --- opening --- */

/* One reply of the hello; false with `why` when it says no. The last one is the client's id. */
static bool take_hello(struct redis_blocking *b, char *why, size_t why_size)
{
    redisReply *reply = read_reply(b, why, why_size);
    if (!reply)
        return false;
    bool fine = !redis_reply_is_error(reply);
    if (fine && reply->type == REDIS_REPLY_INTEGER)
        b->client_id = (uint64_t)reply->integer;
    if (!fine)
        say_why(why, why_size, "log-in refused: %s", redis_reply_text(reply));
    freeReplyObject(reply);
    return fine;
}

static bool say_hello(struct redis_blocking *b, char *why, size_t why_size)
{
    struct buf hello = {0};
    unsigned replies = redis_format_hello(&hello, b->config, b->options);
    bool fine = send_all(b, &hello);
    if (!fine)
        say_why(why, why_size, "%s", b->context->errstr);
    for (; fine && replies; replies--)
        fine = take_hello(b, why, why_size);
    buf_fini(&hello);
    return fine;
}

static redisContext *connect_to(const struct config_redis *config, struct timeval limit)
{
    if (config->address[0] == '/')
        return redisConnectUnixWithTimeout(config->address, limit);
    return redisConnectWithTimeout(config->address, config->port, limit);
}

struct redis_blocking *redis_blocking_open(const struct config_redis *config, const struct redis_options *options,
                                           char *why, size_t why_size)
{
    const struct timeval limit = {config->timeout_ms / 1000, config->timeout_ms % 1000 * 1000};
    struct redis_blocking *b = calloc(1, sizeof *b);
    CHECK(b);
    b->config = config;
    b->options = options;
    b->context = connect_to(config, limit);
    CHECK(b->context);
    if (b->context->err) {
        say_why(why, why_size, "%s", b->context->errstr);
        redis_blocking_close(b);
        return NULL;
    }
    redis_reader_limit(b->context->reader, &b->limits);
    if (redisSetTimeout(b->context, limit) != REDIS_OK || !say_hello(b, why, why_size)) {
        redis_blocking_close(b);
        return NULL;
    }
    return b;
}

uint64_t redis_blocking_client_id(const struct redis_blocking *b)
{
    return b->client_id;
}

/* --- calling --- */

static redisReply *load_library(struct redis_blocking *b, char *why, size_t why_size)
{
    struct buf bytes = {0};
    redis_format_load(&bytes, b->options);
    redisReply *reply = ask(b, &bytes, why, why_size);
    buf_fini(&bytes);
    if (reply && redis_reply_says_loaded(reply))
        log_info("redis_library", "resource=%s library=%s", b->config->name, b->options->library_name);
    return reply;
}

struct redisReply *redis_blocking_call(struct redis_blocking *b, const struct comp_argv *argv, char *why,
                                       size_t why_size)
{
    struct buf bytes = {0};
    redis_format(&bytes, argv);
    redisReply *reply = ask(b, &bytes, why, why_size);
    if (reply && redis_reply_says_no_function(reply)) {
        freeReplyObject(reply);
        reply = load_library(b, why, why_size);
        if (reply && redis_reply_says_loaded(reply)) {
            freeReplyObject(reply);
            reply = ask(b, &bytes, why, why_size);
        }
    }
    buf_fini(&bytes);
    return reply;
}

void redis_blocking_close(struct redis_blocking *b)
{
    if (!b)
        return;
    redisFree(b->context);
    free(b);
}
