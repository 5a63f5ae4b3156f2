/* Bytes of a Redis client: whatever they are and in whichever pieces they come, the same commands and the same error come of
 * them, within the limits. What the commands say then stands for what Redis says: a reply of any type is written whole. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proxy/redis/resp.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/request.h"
#include "proxy/resp/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_limits limits = {.args = 50, .bulk = 300, .line = 100, .total = 500};

static void keep(struct buf *out, const struct comp_argv *argv)
{
    CHECK(argv->n > 0 && argv->n <= limits.args + limits.line && buf_len(&argv->bytes) <= limits.total);
    for (size_t i = 0; i < argv->n; i++)
        resp_put_bulk(out, comp_argv_at(argv, i));
    buf_text(out, "\n");
}

/* All that comes of the bytes, in steps. */
static void parse(struct buf *out, const uint8_t *data, size_t size, size_t step)
{
    struct resp_request request = {0};
    struct buf in = {0};
    const char *why = NULL;
    enum resp_parsed parsed = RESP_PARTIAL;
    for (size_t fed = 0; fed < size && parsed != RESP_BROKEN;) {
        size_t n = size - fed < step ? size - fed : step;
        buf_append(&in, data + fed, n);
        fed += n;
        while ((parsed = resp_request_read(&request, &in, &limits, &why)) == RESP_COMMAND)
            keep(out, &request.argv);
    }
    if (parsed == RESP_BROKEN)
        resp_put_error(out, why);
    resp_request_fini(&request);
    buf_fini(&in);
}

/* What we write is a reply, if in RESP2: the parser reads it, and nothing is left. */
static void is_whole(struct buf *written)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    CHECK(redisReaderFeed(reader, (const char *)buf_at(written), buf_len(written)) == REDIS_OK);
    CHECK(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    CHECK(reader->pos == reader->len);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

static void write_reply(const redisReply *reply)
{
    const struct resp_type_row *row;
    for (size_t i = 0; (row = resp_type_row(i)); i++)
        for (unsigned proto = 2; proto <= 3; proto++) {
            struct buf written = {0};
            resp_put_reply(&written, proto, reply, row->type);
            if (proto == 2)
                is_whole(&written);
            buf_fini(&written);
        }
}

static void read_replies(const uint8_t *data, size_t size)
{
    struct redis_reader_limits reader_limits;
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    redis_reader_limit(reader, &reader_limits);
    if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK)
        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            write_reply(reply);
            freeReplyObject(reply);
        }
    redisReaderFree(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = {0}, pieces = {0};
    size_t step = size ? 1 + data[size - 1] % 16 : 1;
    parse(&whole, data, size, size + 1);
    parse(&pieces, data, size, step);
    CHECK(buf_len(&whole) == buf_len(&pieces) && (!buf_len(&whole) || !memcmp(buf_at(&whole), buf_at(&pieces), buf_len(&whole))));
    read_replies(data, size < 4096 ? size : 4096);
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
