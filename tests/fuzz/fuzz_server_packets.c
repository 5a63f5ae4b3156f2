/* What a server may answer: the watcher over any frames, and the readers of what it recognises.
 * Input: kind of answer, capabilities, then frames of a length byte (255: a full frame of 16 MiB - 1), and payload. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

/* What was understood of an end must survive being written for a receiver of the same capabilities. */
static void end_again(struct slice payload, uint64_t caps)
{
    struct wire_ok ok, back;
    struct wire_tracked tracked;
    struct buf b = {0};
    CHECK(wire_end_read(payload, caps, &ok));
    if (payload.at[0] == 0x00)
        wire_ok_write(&b, caps, 0x00, &ok);
    else
        wire_end_write(&b, caps, &ok);
    CHECK(wire_end_read((struct slice){buf_at(&b), buf_len(&b)}, caps, &back));
    CHECK(back.affected_rows == ok.affected_rows && back.last_insert_id == ok.last_insert_id);
    CHECK(back.warnings == ok.warnings && same(back.session, ok.session) && same(back.info, ok.info));
    CHECK(!((back.status ^ ok.status) & ~WIRE_STATUS_SESSION_CHANGED));
    if (wire_tracked_read(ok.session, &tracked))
        CHECK(tracked.n_variables <= WIRE_TRACKED_MAX && !tracked.transaction[8]);
    buf_fini(&b);
}

static void err_again(struct slice payload, uint64_t caps)
{
    struct wire_err err, back;
    struct buf b = {0};
    CHECK(wire_err_read(payload, caps, &err));
    if (strlen(err.sqlstate) == 5) { /* a server may put a NUL there */
        wire_err_write(&b, caps, err.code, err.sqlstate, (const char *)err.message.at, err.message.len);
        CHECK(wire_err_read((struct slice){buf_at(&b), buf_len(&b)}, caps, &back));
        CHECK(back.code == err.code && !strcmp(back.sqlstate, err.sqlstate) && same(back.message, err.message));
    }
    buf_fini(&b);
}

static void understand(enum wire_packet_kind kind, struct slice payload, uint64_t caps)
{
    struct wire_prepare_ok prepared;
    if (kind == WIRE_PACKET_OK || kind == WIRE_PACKET_ROWS_END)
        end_again(payload, caps);
    else if (kind == WIRE_PACKET_ERR)
        err_again(payload, caps);
    else if (kind == WIRE_PACKET_PREPARE_OK)
        CHECK(wire_prepare_ok_read(payload, &prepared));
}

/* One frame to two watchers, of which one is shown no more than it must be: they may not differ. */
static void show(struct wire_response *eager, struct wire_response *lazy, struct slice payload, uint32_t len)
{
    bool whole = wire_response_need_whole(lazy, payload.len ? payload.at[0] : 0, len);
    if (whole && payload.len < len) /* a caller refuses small packets of this size */
        len = (uint32_t)payload.len;
    struct slice least = {payload.at, whole ? len : payload.len > 0};
    enum wire_packet_kind kind = wire_response_frame(eager, payload, len);
    CHECK(wire_response_frame(lazy, least, len) == kind);
    CHECK(eager->done == lazy->done && eager->state == lazy->state && eager->continues == lazy->continues);
    understand(kind, payload, eager->caps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_make(data, size);
    enum wire_response_kind kind = (enum wire_response_kind)(cursor_u8(&c) % (WIRE_RESPONSE_SIMPLE + 1));
    uint8_t bits = cursor_u8(&c);
    uint64_t caps = (bits & 1 ? WIRE_CAP_PROTOCOL_41 : 0) | (bits & 2 ? WIRE_CAP_SESSION_TRACK : 0) |
                    (bits & 4 ? WIRE_CAP_DEPRECATE_EOF : 0) | (bits & 8 ? WIRE_CAPS_EXTENDED : 0);
    struct wire_response eager, lazy;
    wire_response_begin(&eager, kind, caps);
    lazy = eager;
    while (cursor_left(&c) && !eager.done) {
        uint8_t n = cursor_u8(&c);
        struct slice bytes = n < cursor_left(&c) ? cursor_bytes(&c, n) : cursor_rest(&c);
        uint32_t len = n == 255 && bytes.len ? WIRE_PACKET_MAX : (uint32_t)bytes.len;
        uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
        if (bytes.len)
            memcpy(copy, bytes.at, bytes.len);
        show(&eager, &lazy, (struct slice){copy, bytes.len}, len);
        free(copy);
    }
    return 0;
}
