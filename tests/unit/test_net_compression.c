/* Compressed packets, zlib and zstd: what is packed comes back, in pieces of any size; what is damaged, lies or is out of order
 * is refused; a bomb costs nobody more than was asked for; over a connection nothing is lost at its end. */
#include "tests/unit/unit.h"
#include "tests/unit/net_side.h"

#include <stdlib.h>

#include "proxy/net/compression.h"

enum { HEADER = 7 };
static const enum net_compression_method methods[] = {NET_COMPRESSION_ZLIB, NET_COMPRESSION_ZSTD};
static char why[200];

static uint32_t header_number(const uint8_t *at)
{
    return (uint32_t)(at[0] | at[1] << 8 | at[2] << 16);
}

/* Half of it compresses well, the other half not at all. */
static void some_bytes(struct buf *b, size_t n)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245 + 12345;
        buf_u8(b, i < n / 2 ? (uint8_t)("abcdefgh"[i % 8]) : (uint8_t)(x >> 16));
    }
}

static bool same(const struct buf *a, const struct buf *b)
{
    return buf_len(a) == buf_len(b) && (!buf_len(a) || !memcmp(buf_at(a), buf_at(b), buf_len(a)));
}

static struct net_compression *packed(enum net_compression_method method, size_t n, struct buf *plain)
{
    struct net_compression *c = net_compression_new(method, 3);
    struct buf copy = {0};
    some_bytes(plain, n);
    buf_append(&copy, buf_at(plain), n);
    while (buf_len(&copy))
        net_compression_pack(c, &copy);
    buf_fini(&copy);
    return c;
}

static void check_pieces(enum net_compression_method method, size_t n, size_t piece, size_t most)
{
    struct buf plain = {0}, got = {0};
    struct net_compression *from = packed(method, n, &plain), *to = net_compression_new(method, 1);
    while (buf_len(&from->out)) {
        size_t part = buf_len(&from->out) < piece ? buf_len(&from->out) : piece;
        buf_append(&to->in, buf_at(&from->out), part);
        buf_consume(&from->out, part);
        do {
            size_t had = buf_len(&got);
            CU_ASSERT(net_compression_unpack(to, &got, most, why, sizeof why));
            CU_ASSERT(buf_len(&got) - had <= most);
        } while (to->pending);
    }
    CU_ASSERT(same(&plain, &got) && !to->inside && !to->decoder);
    net_compression_free(from);
    net_compression_free(to);
    buf_fini(&plain);
    buf_fini(&got);
}

static void what_is_packed_comes_back_in_pieces_of_any_size(void)
{
    static const size_t sizes[] = {1, 49, 50, 51, 1000, 65536, 65537, 300000};
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            check_pieces(methods[m], sizes[i], SIZE_MAX, SIZE_MAX / 2);
            check_pieces(methods[m], sizes[i], 1 + sizes[i] / 50, 1 + sizes[i] / 7);
        }
    check_pieces(NET_COMPRESSION_ZLIB, 3000, 1, 1);
    check_pieces(NET_COMPRESSION_ZSTD, 3000, 1, 1);
}

/* As servers: less than 50 bytes are not worth it, and what would grow is sent as it is. */
static void what_does_not_get_shorter_goes_as_it_is(void)
{
    struct buf text = {0}, noise = {0};
    for (size_t m = 0; m < 2; m++) {
        struct net_compression *c = net_compression_new(methods[m], 3);
        buf_zeros(&text, 49);
        net_compression_pack(c, &text);
        CU_ASSERT(header_number(buf_at(&c->out)) == 49 && header_number(buf_at(&c->out) + 4) == 0);
        buf_clear(&c->out);
        buf_zeros(&text, 50);
        net_compression_pack(c, &text);
        CU_ASSERT(header_number(buf_at(&c->out)) < 50 && header_number(buf_at(&c->out) + 4) == 50);
        CU_ASSERT_EQUAL(buf_at(&c->out)[3], 1);
        buf_clear(&c->out);
        some_bytes(&noise, 400);
        buf_consume(&noise, 200);
        net_compression_pack(c, &noise);
        CU_ASSERT(header_number(buf_at(&c->out)) == 200 && header_number(buf_at(&c->out) + 4) == 0);
        net_compression_free(c);
    }
    buf_fini(&text);
    buf_fini(&noise);
}

static bool takes(struct net_compression *c, const void *bytes, size_t n)
{
    struct buf got = {0};
    buf_append(&c->in, bytes, n);
    bool fine = net_compression_unpack(c, &got, SIZE_MAX / 2, why, sizeof why);
    buf_fini(&got);
    return fine;
}

static void packets_are_numbered(void)
{
    struct net_compression *c = net_compression_new(NET_COMPRESSION_ZLIB, 1);
    CU_ASSERT(takes(c, "\1\0\0\0\0\0\0a", 8));  /* a command begins */
    CU_ASSERT(takes(c, "\1\0\0\1\0\0\0a", 8));  /* and goes on */
    net_compression_answer(c);
    CU_ASSERT_EQUAL(c->next_out, 2);
    CU_ASSERT(takes(c, "\1\0\0\0\0\0\0a", 8));  /* the next one, before the answer */
    CU_ASSERT_EQUAL(c->next_out, 2);
    c->next_out = 9;                            /* the answer asked for a file */
    CU_ASSERT(takes(c, "\1\0\0\11\0\0\0a", 8));
    CU_ASSERT_FALSE(takes(c, "\1\0\0\5\0\0\0a", 8));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "out of order"));
    net_compression_free(c);
}

static void damage_is_noticed(void)
{
    for (size_t m = 0; m < 2; m++) {
        struct buf plain = {0};
        struct net_compression *from = packed(methods[m], 3000, &plain);
        size_t n = buf_len(&from->out);
        uint8_t *at = buf_at(&from->out);
        struct net_compression *c = net_compression_new(methods[m], 1);
        at[4]++; /* it makes one byte less than its header says */
        CU_ASSERT_FALSE(takes(c, at, n));
        net_compression_free(c);
        at[4] -= 2; /* one more */
        c = net_compression_new(methods[m], 1);
        CU_ASSERT_FALSE(takes(c, at, n));
        net_compression_free(c);
        at[4]++;
        at[0]--; /* its body goes on behind its end */
        c = net_compression_new(methods[m], 1);
        CU_ASSERT_FALSE(takes(c, at, n - 1));
        net_compression_free(c);
        at[0]++;
        memset(at + HEADER, 0xFF, 20);
        c = net_compression_new(methods[m], 1);
        CU_ASSERT_FALSE(takes(c, at, n));
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
        net_compression_free(c);
        net_compression_free(from);
        buf_fini(&plain);
    }
    struct net_compression *c = net_compression_new(NET_COMPRESSION_ZLIB, 1);
    CU_ASSERT_FALSE(takes(c, "\0\0\0\0\1\0\0", HEADER)); /* nothing cannot become something */
    net_compression_free(c);
}

/* 16 MiB out of some thousand bytes: given in the portions that were asked for, and none of it before. */
static void a_bomb_bursts_in_portions(void)
{
    struct buf zeros = {0}, got = {0};
    for (size_t m = 0; m < 2; m++) {
        struct net_compression *from = net_compression_new(methods[m], 22), *to = net_compression_new(methods[m], 1);
        for (int i = 0; i < 256; i++) {
            buf_zeros(&zeros, 65536);
            net_compression_pack(from, &zeros);
        }
        CU_ASSERT(buf_len(&from->out) < 256 * 500);
        buf_append(&to->in, buf_at(&from->out), buf_len(&from->out));
        CU_ASSERT(net_compression_unpack(to, &got, 100000, why, sizeof why));
        CU_ASSERT(to->pending && buf_len(&got) == 100000 && got.cap < 1 << 20);
        net_compression_free(from);
        net_compression_free(to);
        buf_clear(&got);
    }
    buf_fini(&zeros);
    buf_fini(&got);
}

/* --- over a connection --- */

static size_t expected;
static void collect(struct side *s)
{
    expected -= buf_len(&s->c->in);
    buf_clear(&s->c->in);
}
static bool all_there(void)
{
    return !expected;
}

static void a_connection_packs_both_ways_and_loses_nothing_at_its_end(void)
{
    for (size_t m = 0; m < 2; m++) {
        fresh_loop();
        make_pair();
        net_conn_compress(left.c, methods[m], 1);
        net_conn_compress(right.c, methods[m], 1);
        struct buf big = {0};
        some_bytes(&big, 5000000);
        right.react = left.react = collect;
        expected = 5000000;
        say(&right, buf_at(&big), 5000000);
        net_conn_close(right.c, true);
        run_until(all_there);
        CU_ASSERT(left.c->bytes_in < 4000000);
        drop_loop();
        buf_fini(&big);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what is packed comes back in pieces of any size", what_is_packed_comes_back_in_pieces_of_any_size},
        {"what does not get shorter goes as it is", what_does_not_get_shorter_goes_as_it_is},
        {"packets are numbered", packets_are_numbered},
        {"damage is noticed", damage_is_noticed},
        {"a bomb bursts in portions", a_bomb_bursts_in_portions},
        {"a connection packs both ways and loses nothing at its end", a_connection_packs_both_ways_and_loses_nothing_at_its_end},
        {NULL, NULL},
    };
    return unit_main("compression", tests);
}
