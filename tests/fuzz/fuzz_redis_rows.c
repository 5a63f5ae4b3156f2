/* Bytes from Redis become the answer to a CALL: whatever they are, the client gets one whole answer of MySQL's
 * protocol, in every shape that a command's reply may have. The session is replaced at link time by a buffer.
 *
 * Input: a byte that chooses the shape, one for the protocol's variant, then Redis' bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proxy/redis/resp.h"
#include "proxy/session/redis_rows.h"
#include "proxy/wire/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAPS (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_TRANSACTIONS)

enum { BINARY = 1, DEPRECATE_EOF = 2, AS_DO = 4, WITH_ALIAS = 8 }; /* bits of the second byte */

static const enum comp_shape shapes[] = {
#define X(name, text) COMP_SHAPE_##name,
    COMP_SHAPES(X)
#undef X
};
static struct buf answer;

/* --- what redis_rows.c asks of a session --- */

void session_answer_ok_with(struct session *s, uint64_t affected_rows, uint16_t warnings, const char *info)
{
    struct wire_ok ok = {
        .affected_rows = affected_rows, .warnings = warnings, .info = {(const uint8_t *)info, strlen(info)}};
    wire_ok_packet(&answer, &s->seq, s->caps, &ok);
}

void session_answer_error(struct session *s, uint16_t code, const char *sqlstate, const char *fmt, ...)
{
    char text[512];
    va_list args;
    CHECK(code && strlen(sqlstate) == 5);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    wire_err_packet(&answer, &s->seq, s->caps, code, sqlstate, "%s", text);
}

void session_answer_rows(struct session *s, struct wire_resultset *rs, const struct wire_column *columns, unsigned n)
{
    *rs = (struct wire_resultset){
        .out = &answer, .seq = &s->seq, .caps = s->caps, .binary = s->binary, .columns = columns, .n_columns = n};
    wire_resultset_begin(rs, 0);
}

void session_answer_rows_end(struct session *s, struct wire_resultset *rs)
{
    (void)s;
    wire_resultset_end(rs, 0, 0);
}

/* --- what a client makes of it --- */

/* One response: frames in sequence, none left over, none missing, as a client's side of the codec reads it. */
static void read_as_client(uint64_t caps)
{
    struct cursor c = cursor_make(buf_at(&answer), buf_len(&answer));
    struct wire_response response;
    uint8_t seq = 0;
    wire_response_begin(&response, WIRE_RESPONSE_QUERY, caps);
    while (!response.done) {
        uint32_t len = cursor_u24le(&c);
        CHECK(cursor_u8(&c) == seq++);
        struct slice frame = cursor_bytes(&c, len);
        CHECK(!c.bad);
        enum wire_packet_kind kind = wire_response_frame(&response, frame, len);
        CHECK(kind != WIRE_PACKET_BAD && kind != WIRE_PACKET_INFILE);
    }
    CHECK(cursor_done(&c));
}

static void answer_in_shape(const redisReply *reply, enum comp_shape shape, uint8_t how)
{
    struct session s = {.caps = CAPS | (how & DEPRECATE_EOF ? WIRE_CAP_DEPRECATE_EOF : 0), .binary = how & BINARY};
    buf_clear(&answer);
    redis_rows_answer(&s, reply, shape, how & AS_DO, how & WITH_ALIAS ? "name" : "", "cache");
    read_as_client(s.caps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_reader_limits limits;
    void *reply = NULL;
    if (size < 3)
        return 0;
    redisReader *reader = redisReaderCreate();
    CHECK(reader);
    redis_reader_limit(reader, &limits);
    if (redisReaderFeed(reader, (const char *)data + 2, size - 2) == REDIS_OK)
        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            answer_in_shape(reply, shapes[data[0] % (sizeof shapes / sizeof *shapes)], data[1]);
            freeReplyObject(reply);
        }
    redisReaderFree(reader);
    return 0;
}
