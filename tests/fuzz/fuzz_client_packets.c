/* What a client may send after log-in: frames in pieces of any size, and the commands that are taken apart.
 * Input: piece size, number of parameters, then the stream. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/wire/handshake.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/params.h"

#define LIMIT 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

/* Written for another connection it must read back the same, types always there. */
static void rewrite(const struct wire_execute *e, unsigned n, struct slice types)
{
    struct buf b = {0};
    struct wire_execute back;
    wire_execute_write(&b, e, 77, types);
    CHECK(wire_execute_read((struct slice){buf_at(&b), buf_len(&b)}, n, &back));
    CHECK(back.statement_id == 77 && back.flags == e->flags && back.iterations == e->iterations);
    CHECK(same(back.nulls, e->nulls) && same(back.values, e->values) && back.types_sent == (n > 0));
    CHECK(same(back.types, e->types_sent ? e->types : types));
    buf_fini(&b);
}

static void execute(struct slice payload, unsigned n)
{
    static const uint8_t kinds[] = {1, 0, 2, 0x80, 3, 0, 4, 0, 5, 0, 8, 0, 10, 0, 11, 0, 12, 0, 246, 0, 253, 0, 6, 0};
    uint8_t remembered[2 * 255];
    struct wire_param params[255];
    struct slice long_data[255] = {{NULL, 0}};
    struct wire_execute e;
    if (!wire_execute_read(payload, n, &e))
        return;
    for (unsigned i = 0; i < n; i++) {
        memcpy(remembered + 2 * i, kinds + 2 * (i % 12), 2);
        if (i % 5 == 4)
            long_data[i] = payload;
    }
    struct slice types = {remembered, 2 * (size_t)n};
    struct buf scratch = {0};
    rewrite(&e, n, types);
    if (wire_params_read(&e, types, long_data, n, params, &scratch))
        for (unsigned i = 0; i < n; i++)
            CHECK((params[i].class == WIRE_PARAM_NULL) == !params[i].text.at);
    buf_fini(&scratch);
}

static void command(struct slice payload, unsigned n)
{
    struct wire_long_data data;
    struct wire_login login;
    execute(payload, n);
    if (wire_long_data_read(payload, &data))
        CHECK(data.data.len == payload.len - 7);
    if (wire_change_user_read(payload, WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_CONNECT_ATTRS, &login))
        CHECK(login.user.len + login.auth.len + login.schema.len < payload.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    unsigned n = data[1];
    struct wire_gatherer g = {0};
    struct buf in = {0};
    enum wire_gather got = WIRE_MORE;
    for (size_t at = 2; at < size && got == WIRE_MORE; at += piece) {
        struct slice payload;
        buf_append(&in, data + at, size - at < piece ? size - at : piece);
        while ((got = wire_gather(&g, &in, LIMIT, &payload)) == WIRE_GATHERED) {
            CHECK(payload.len <= LIMIT);
            uint8_t *copy = malloc(payload.len ? payload.len : 1); /* so that a read past its end is seen */
            memcpy(copy, payload.at, payload.len);
            command((struct slice){copy, payload.len}, n);
            free(copy);
            wire_gather_done(&g, &in);
            g.next_seq = 0;
        }
    }
    wire_gather_fini(&g);
    buf_fini(&in);
    return 0;
}
