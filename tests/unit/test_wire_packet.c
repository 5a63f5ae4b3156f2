/* Frames: payloads split and joined exactly at 16 MiB, sequence numbers and limits minded, length-encoded numbers at
 * their borders. */
#include "tests/unit/unit.h"

#include "proxy/wire/packet.h"
#include "tests/unit/wire_hex.h"

static void small_payloads_are_one_packet(void)
{
    struct buf b = {0};
    uint8_t seq = 255;
    wire_packet_write(&b, &seq, "abc", 3);
    wire_packet_write(&b, &seq, "", 0);
    CU_ASSERT(buf_is_hex(&b, "030000ff 616263 00000000"));
    CU_ASSERT_EQUAL(seq, 1);
    buf_fini(&b);
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 ^ i >> 13);
}

static void put_pattern(struct buf *b, size_t len)
{
    uint8_t *at = buf_reserve(b, len);
    for (size_t i = 0; i < len; i++)
        at[i] = pattern(i);
    buf_added(b, len);
}

static bool is_pattern(struct slice s, size_t len)
{
    size_t i = 0;
    while (s.len == len && i < len && s.at[i] == pattern(i))
        i++;
    return i == len && s.len == len;
}

/* Feeds `wire` to a gatherer in pieces and expects one payload of len. */
static void gather_in_pieces(struct buf *wire, size_t piece, size_t len, uint8_t frames)
{
    struct wire_gatherer g = {0};
    struct buf in = {0};
    struct slice payload = {0};
    enum wire_gather got = WIRE_MORE;
    while (buf_len(wire)) {
        CU_ASSERT_EQUAL(got, WIRE_MORE);
        size_t n = buf_len(wire) < piece ? buf_len(wire) : piece;
        buf_append(&in, buf_at(wire), n);
        buf_consume(wire, n);
        got = wire_gather(&g, &in, len, &payload);
    }
    CU_ASSERT_EQUAL_FATAL(got, WIRE_GATHERED);
    CU_ASSERT(is_pattern(payload, len));
    CU_ASSERT_EQUAL(g.next_seq, frames);
    wire_gather_done(&g, &in);
    CU_ASSERT_EQUAL(buf_len(&in), 0);
    wire_gather_fini(&g);
    buf_fini(&in);
}

static void large_payloads_split_and_join_exactly(void)
{
    static const struct {
        size_t len;
        unsigned frames;
    } cases[] = {{WIRE_PACKET_MAX - 1, 1}, {WIRE_PACKET_MAX, 2}, {WIRE_PACKET_MAX + 1, 2},
                 {2u * WIRE_PACKET_MAX, 3}, {2u * WIRE_PACKET_MAX + 7, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf payload = {0}, wire = {0};
        uint8_t seq = 0;
        put_pattern(&payload, cases[i].len);
        wire_packet_write(&wire, &seq, buf_at(&payload), cases[i].len);
        CU_ASSERT_EQUAL(seq, cases[i].frames);
        CU_ASSERT_EQUAL(buf_len(&wire), cases[i].len + WIRE_HEADER * cases[i].frames);
        gather_in_pieces(&wire, 5000003, cases[i].len, (uint8_t)cases[i].frames);
        buf_fini(&payload);
        buf_fini(&wire);
    }
}

static void a_packet_built_in_place_keeps_what_stands_before_it(void)
{
    struct buf b = {0};
    uint8_t seq = 7;
    buf_text(&b, "gone");
    buf_text(&b, "before");
    buf_consume(&b, 4);
    size_t begin = wire_packet_begin(&b);
    buf_text(&b, "xy");
    wire_packet_end(&b, begin, &seq);
    CU_ASSERT(buf_is_hex(&b, "6265666f7265 02000007 7879"));
    CU_ASSERT_EQUAL(seq, 8);
    buf_fini(&b);
}

static void commands_behind_each_other_are_taken_one_by_one(void)
{
    struct wire_gatherer g = {0};
    struct buf in = {0};
    struct slice payload;
    uint8_t seq = 0;
    for (int i = 0; i < 3; i++, seq = 0)
        wire_packet_write(&in, &seq, &"abc"[i], 1);
    buf_append(&in, "\1\0", 2); /* and a piece of a header */
    for (int i = 0; i < 3; i++) {
        g.next_seq = 0;
        CU_ASSERT_EQUAL(wire_gather(&g, &in, 100, &payload), WIRE_GATHERED);
        CU_ASSERT(slices_same(payload, (struct slice){(const uint8_t *)&"abc"[i], 1}));
        wire_gather_done(&g, &in);
    }
    g.next_seq = 0;
    CU_ASSERT_EQUAL(wire_gather(&g, &in, 100, &payload), WIRE_MORE);
    wire_gather_fini(&g);
    buf_fini(&in);
}

static enum wire_gather gather_hex(const char *hex, uint8_t expected_seq, size_t max)
{
    struct wire_gatherer g = {.next_seq = expected_seq};
    struct buf in = {0};
    struct slice bytes = from_hex(hex), payload;
    buf_append(&in, bytes.at, bytes.len);
    enum wire_gather got = wire_gather(&g, &in, max, &payload);
    CU_ASSERT(got == WIRE_GATHERED || !buf_len(&g.joined)); /* nothing was kept */
    slice_free(bytes);
    wire_gather_fini(&g);
    buf_fini(&in);
    return got;
}

static void sequence_and_limit_are_checked_on_the_header_alone(void)
{
    CU_ASSERT_EQUAL(gather_hex("01000001 61", 1, 10), WIRE_GATHERED);
    CU_ASSERT_EQUAL(gather_hex("01000001 61", 0, 10), WIRE_BAD_SEQUENCE);
    CU_ASSERT_EQUAL(gather_hex("01000001", 0, 10), WIRE_BAD_SEQUENCE);
    CU_ASSERT_EQUAL(gather_hex("0a000000", 0, 10), WIRE_MORE);
    CU_ASSERT_EQUAL(gather_hex("0b000000", 0, 10), WIRE_TOO_BIG);
    CU_ASSERT_EQUAL(gather_hex("ffffff00", 0, WIRE_PACKET_MAX), WIRE_MORE);
    CU_ASSERT_EQUAL(gather_hex("ffffff00", 0, WIRE_PACKET_MAX - 1), WIRE_TOO_BIG);
    CU_ASSERT_EQUAL(gather_hex("000000", 0, 10), WIRE_MORE);
    CU_ASSERT_EQUAL(gather_hex("00000000", 0, 10), WIRE_GATHERED);
}

static void the_limit_counts_all_frames(void)
{
    struct wire_gatherer g = {0};
    struct buf in = {0};
    struct slice payload;
    buf_append(&in, "\xff\xff\xff\0", 4);
    buf_zeros(&in, WIRE_PACKET_MAX);
    buf_append(&in, "\5\0\0\1", 4);
    CU_ASSERT_EQUAL(wire_gather(&g, &in, WIRE_PACKET_MAX + 4, &payload), WIRE_TOO_BIG);
    wire_gather_fini(&g);
    buf_fini(&in);
}

static void a_continued_frame_has_the_next_sequence_number(void)
{
    struct wire_gatherer g = {0};
    struct buf in = {0};
    struct slice payload;
    buf_append(&in, "\xff\xff\xff\0", 4);
    buf_zeros(&in, WIRE_PACKET_MAX);
    buf_append(&in, "\0\0\0\0", 4);
    CU_ASSERT_EQUAL(wire_gather(&g, &in, SIZE_MAX, &payload), WIRE_BAD_SEQUENCE);
    wire_gather_fini(&g);
    buf_fini(&in);
}

/* Moved or copied, and what follows stays. */
static void what_was_gathered_is_taken(void)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 70000, WIRE_PACKET_MAX, WIRE_PACKET_MAX + 5};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i / 2];
        struct wire_gatherer g = {0};
        struct buf in = {0}, out = {0}, plain = {0};
        struct slice payload;
        uint8_t seq = 0;
        buf_text(&out, "what was there");
        buf_zeros(&plain, n);
        wire_packet_write(&in, &seq, buf_at(&plain), n);
        if (i % 2)
            buf_text(&in, "next");
        CU_ASSERT_EQUAL_FATAL(wire_gather(&g, &in, SIZE_MAX, &payload), WIRE_GATHERED);
        wire_gather_take(&g, &in, &out);
        CU_ASSERT(buf_len(&out) == n && (!n || !memcmp(buf_at(&out), buf_at(&plain), n)));
        CU_ASSERT(buf_len(&in) == (i % 2 ? 4 : 0) && !g.in_place && !buf_len(&g.joined));
        wire_gather_fini(&g);
        buf_fini(&in);
        buf_fini(&out);
        buf_fini(&plain);
    }
}

static void length_encoded_numbers_are_shortest_and_come_back(void)
{
    static const struct {
        uint64_t v;
        const char *hex;
    } cases[] = {{0, "00"}, {250, "fa"}, {251, "fcfb00"}, {0xFFFF, "fcffff"}, {0x10000, "fd000001"},
                 {0xFFFFFF, "fdffffff"}, {0x1000000, "fe0000000100000000"}, {UINT64_MAX, "feffffffffffffffff"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = {0};
        wire_lenenc_write(&b, cases[i].v);
        CU_ASSERT(buf_is_hex(&b, cases[i].hex));
        struct cursor c = cursor_make(buf_at(&b), buf_len(&b));
        CU_ASSERT_EQUAL(wire_lenenc(&c, NULL), cases[i].v);
        CU_ASSERT(cursor_done(&c));
        struct cursor cut = cursor_make(buf_at(&b), buf_len(&b) - 1);
        wire_lenenc(&cut, NULL);
        CU_ASSERT(cut.bad);
        buf_fini(&b);
    }
}

static bool lenenc_bad(const char *bytes, size_t n, bool may_be_null)
{
    bool is_null;
    struct cursor c = cursor_make(bytes, n);
    wire_lenenc_str(&c, may_be_null ? &is_null : NULL);
    return c.bad;
}

static void null_and_nonsense_are_told_apart(void)
{
    bool is_null = false;
    struct cursor c = cursor_make("\xfb\0", 2);
    CU_ASSERT_PTR_NULL(wire_lenenc_str(&c, &is_null).at);
    CU_ASSERT(is_null && !c.bad);
    CU_ASSERT_PTR_NOT_NULL(wire_lenenc_str(&c, &is_null).at); /* empty is not NULL */
    CU_ASSERT(!is_null && cursor_done(&c));
    CU_ASSERT(lenenc_bad("\xfb", 1, false));
    CU_ASSERT(lenenc_bad("\xff", 1, true));
    CU_ASSERT(lenenc_bad("\3ab", 3, true));
    CU_ASSERT(lenenc_bad("\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9, true));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"small payloads are one packet", small_payloads_are_one_packet},
        {"large payloads split and join exactly", large_payloads_split_and_join_exactly},
        {"a packet built in place keeps what stands before it", a_packet_built_in_place_keeps_what_stands_before_it},
        {"commands behind each other are taken one by one", commands_behind_each_other_are_taken_one_by_one},
        {"sequence and limit are checked on the header alone", sequence_and_limit_are_checked_on_the_header_alone},
        {"what was gathered is taken", what_was_gathered_is_taken},
        {"the limit counts all frames", the_limit_counts_all_frames},
        {"a continued frame has the next sequence number", a_continued_frame_has_the_next_sequence_number},
        {"length-encoded numbers are shortest and come back", length_encoded_numbers_are_shortest_and_come_back},
        {"NULL and nonsense are told apart", null_and_nonsense_are_told_apart},
        {NULL, NULL},
    };
    return unit_main("wire/packet", tests);
}
