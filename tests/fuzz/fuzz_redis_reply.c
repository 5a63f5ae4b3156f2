/* Bytes from Redis through the limited reader, cut at a place that the input chooses: no crash, no reply beyond the
 * limits. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/redis/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const redisReply *reply)
{
    CHECK(redis_reply_text(reply));
    if (redis_reply_is_error(reply))
        CHECK(!redis_reply_says_no_function(reply) || !redis_reply_says_loaded(reply));
    if (reply->type == REDIS_REPLY_ARRAY)
        CHECK(reply->elements <= REDIS_ELEMENTS_MAX);
}

static void feed(redisReader *reader, const uint8_t *data, size_t size)
{
    void *reply = NULL;
    if (size && redisReaderFeed(reader, (const char *)data, size) != REDIS_OK)
        return;
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        look_at(reply);
        freeReplyObject(reply);
        reply = NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_reader_limits limits;
    redisReader *reader = redisReaderCreate();
    CHECK(reader);
    redis_reader_limit(reader, &limits);
    if (size) {
        size_t cut = data[0] < size - 1 ? data[0] : size - 1;
        feed(reader, data + 1, cut);
        feed(reader, data + 1 + cut, size - 1 - cut);
    }
    redisReaderFree(reader);
    return 0;
}
