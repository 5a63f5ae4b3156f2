/* Our own answers, byte for byte as servers write them, and understood by our own watcher in every variant. */
#include "tests/unit/unit.h"

#include "proxy/wire/packet.h"
#include "proxy/wire/response.h"
#include "proxy/wire/resultset.h"
#include "tests/unit/wire_hex.h"

#define PLAIN WIRE_CAP_PROTOCOL_41
#define MODERN (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF)

static const struct wire_column columns[] = {
    {.name = "n", .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY,
     .length = 20, .flags = WIRE_COLUMN_BINARY},
    {.name = "s", .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_UTF8MB4, .length = 80},
    {.name = "d", .type = WIRE_TYPE_DOUBLE, .charset = WIRE_CHARSET_BINARY, .length = 22, .decimals = 31},
};

static void write_set(struct buf *out, uint8_t *seq, uint64_t caps, bool binary, uint16_t status)
{
    struct wire_resultset rs = {.out = out, .seq = seq, .caps = caps, .binary = binary,
                                .columns = columns, .n_columns = 3};
    struct slice first[] = {text_slice("-2"), text_slice("abc"), text_slice("0.1")};
    struct slice second[] = {{NULL, 0}, text_slice(""), {NULL, 0}};
    wire_resultset_begin(&rs, WIRE_STATUS_AUTOCOMMIT);
    wire_resultset_row(&rs, first);
    wire_resultset_row(&rs, second);
    wire_resultset_end(&rs, status, 1);
}

#define COLUMNS \
    "01000001 03" \
    "17000002 03646566 00 00 00 016e 00 0c 3f00 14000000 08 8000 00 0000" \
    "17000003 03646566 00 00 00 0173 00 0c 2d00 50000000 fd 0000 00 0000" \
    "17000004 03646566 00 00 00 0164 00 0c 3f00 16000000 05 0000 1f 0000"

static void text_rows_and_eof(void)
{
    struct buf b = {0};
    uint8_t seq = 1;
    write_set(&b, &seq, PLAIN, false, WIRE_STATUS_AUTOCOMMIT);
    CU_ASSERT(buf_is_hex(&b, COLUMNS "05000005 fe00000200 0b000006 022d32 03616263 03302e31"
                                     "03000007 fb00fb 05000008 fe01000200"));
    CU_ASSERT_EQUAL(seq, 9);
    buf_fini(&b);
}

static void binary_rows_and_ok(void)
{
    struct buf b = {0};
    uint8_t seq = 1;
    write_set(&b, &seq, MODERN, true, WIRE_STATUS_AUTOCOMMIT | WIRE_STATUS_MORE_RESULTS);
    CU_ASSERT(buf_is_hex(&b, COLUMNS "16000005 00 00 feffffffffffffff 03616263 9a9999999999b93f"
                                     "03000006 00 14 00 07000007 fe 00 00 0a00 0100"));
    buf_fini(&b);
}

static void extended_metadata_is_empty_and_follows(void)
{
    struct buf b = {0};
    uint8_t seq = 1;
    const struct wire_resultset rs = {.out = &b, .seq = &seq, .caps = MODERN | WIRE_CAPS_EXTENDED,
                                      .columns = columns, .n_columns = 1};
    wire_resultset_begin(&rs, WIRE_STATUS_AUTOCOMMIT);
    CU_ASSERT(buf_is_hex(&b, "02000001 01 01" "18000002 03646566 00 00 00 016e 00 00 0c 3f00 14000000 08 8000 00 0000"));
    struct slice definition = {buf_at(&b) + 10, 24};
    struct wire_column read = wire_column_read(definition, rs.caps);
    CU_ASSERT_EQUAL(read.type, WIRE_TYPE_LONGLONG);
    CU_ASSERT_EQUAL(read.charset, 63);
    CU_ASSERT_EQUAL(read.length, 20);
    CU_ASSERT_EQUAL(read.flags, 0x80);
    CU_ASSERT_EQUAL(wire_column_read((struct slice){definition.at, 23}, rs.caps).decimals, 0);
    CU_ASSERT_EQUAL(wire_column_read((struct slice){definition.at, 20}, rs.caps).type, WIRE_TYPE_NULL);
    buf_fini(&b);
}

static void unsigned_and_null_bits_in_wide_rows(void)
{
    struct wire_column wide[9];
    struct slice values[9];
    for (int i = 0; i < 9; i++) {
        wide[i] = columns[0];
        values[i] = (struct slice){NULL, 0};
    }
    values[6] = text_slice("18446744073709551615");
    struct buf b = {0};
    wire_row_binary(&b, wide, values, 9);
    CU_ASSERT(buf_is_hex(&b, "00 fc06 ffffffffffffffff"));
    buf_clear(&b);
    wire_row_binary(&b, wide, values, 7); /* two unused bits make it two bytes */
    CU_ASSERT(buf_is_hex(&b, "00 fc00 ffffffffffffffff"));
    buf_clear(&b);
    wire_row_binary(&b, wide, values, 6);
    CU_ASSERT(buf_is_hex(&b, "00 fc"));
    buf_fini(&b);
}

/* Kinds as the watcher sees them, over the frames of `wire`. */
static bool watcher_accepts(const struct buf *wire, enum wire_response_kind kind, uint64_t caps, unsigned frames)
{
    struct wire_response r;
    struct cursor c = cursor_make(buf_at(wire), buf_len(wire));
    wire_response_begin(&r, kind, caps);
    for (unsigned i = 0; i < frames; i++) {
        uint32_t len = cursor_u24le(&c);
        cursor_skip(&c, 1);
        if (r.done || wire_response_frame(&r, cursor_bytes(&c, len), len) == WIRE_PACKET_BAD)
            return false;
    }
    return r.done && cursor_done(&c);
}

static void the_watcher_understands_all_variants(void)
{
    for (int i = 0; i < 4; i++) {
        struct buf b = {0};
        uint8_t seq = 1;
        uint64_t caps = i & 1 ? MODERN : PLAIN;
        write_set(&b, &seq, caps, i & 2, WIRE_STATUS_MORE_RESULTS);
        write_set(&b, &seq, caps, i & 2, WIRE_STATUS_MORE_RESULTS);
        wire_ok_packet(&b, &seq, caps, &(struct wire_ok){.status = WIRE_STATUS_AUTOCOMMIT});
        CU_ASSERT(watcher_accepts(&b, WIRE_RESPONSE_QUERY, caps, seq - 1u));
        buf_fini(&b);
    }
}

static void prepare_answers_in_all_variants(void)
{
    struct buf b = {0};
    for (unsigned i = 0; i < 8; i++) {
        struct wire_prepare_ok p = {.statement_id = 5, .n_params = i & 1 ? 2 : 0, .n_columns = i & 2 ? 3 : 0};
        uint64_t caps = i & 4 ? MODERN : PLAIN;
        uint8_t seq = 1;
        wire_prepare_write(&b, &seq, caps, &p, columns, WIRE_STATUS_AUTOCOMMIT);
        CU_ASSERT(watcher_accepts(&b, WIRE_RESPONSE_PREPARE, caps, seq - 1u));
        buf_clear(&b);
    }
    uint8_t seq = 1;
    wire_prepare_write(&b, &seq, PLAIN, &(struct wire_prepare_ok){.statement_id = 5, .n_params = 1}, NULL, 2);
    CU_ASSERT(buf_is_hex(&b, "0c000001 00 05000000 0000 0100 00 0000"
                             "17000002 03646566 00 00 00 013f 00 0c 3f00 00000000 fd 8000 00 0000"
                             "05000003 fe00000200"));
    buf_fini(&b);
}

static void errors_are_cut_not_overrun(void)
{
    struct buf b = {0};
    struct wire_err err;
    uint8_t seq = 3;
    wire_err_packet(&b, &seq, MODERN, 1235, "42000", "no %s %d", "such", 7);
    CU_ASSERT(buf_is_hex(&b, "12000003 ff d304 23 3432303030 6e6f20737563682037"));
    buf_clear(&b);
    wire_err_packet(&b, &seq, MODERN, 1235, "42000", "%2000d", 1);
    CU_ASSERT(wire_err_read((struct slice){buf_at(&b) + WIRE_HEADER, buf_len(&b) - WIRE_HEADER}, MODERN, &err));
    CU_ASSERT_EQUAL(err.message.len, 511);
    CU_ASSERT_EQUAL(seq, 5);
    buf_fini(&b);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"text rows and EOF", text_rows_and_eof},
        {"binary rows and OK", binary_rows_and_ok},
        {"extended metadata is empty and follows", extended_metadata_is_empty_and_follows},
        {"unsigned and NULL bits in wide rows", unsigned_and_null_bits_in_wide_rows},
        {"the watcher understands all variants", the_watcher_understands_all_variants},
        {"PREPARE answers in all variants", prepare_answers_in_all_variants},
        {"errors are cut, not overrun", errors_are_cut_not_overrun},
        {NULL, NULL},
    };
    return unit_main("wire/resultset", tests);
}
