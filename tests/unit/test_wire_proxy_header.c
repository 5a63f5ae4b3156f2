/* PROXY headers of both versions: read whole or in the smallest steps, never a byte too many; everything else is refused. */
#include "tests/unit/unit.h"

#include <string.h>

#include "proxy/wire/proxy_header.h"
#include "tests/unit/wire_hex.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"

/* Reads as a connection does: only as many bytes at a time as were asked for. What follows the header must stay. */
static enum wire_proxy read_in_steps(struct slice all, char address[WIRE_PROXY_ADDRESS], size_t *n)
{
    size_t have = 0;
    for (;;) {
        struct slice part = slice_copy(all.at, have);
        enum wire_proxy got = wire_proxy_read(part, address, n);
        slice_free(part);
        if (got != WIRE_PROXY_MORE)
            return got;
        CU_ASSERT_FATAL(*n > 0);
        have += *n;
        if (have > all.len)
            return WIRE_PROXY_MORE;
    }
}

static void is_read(const void *header, size_t len, const char *expected)
{
    struct buf all = {0};
    char address[WIRE_PROXY_ADDRESS];
    size_t n;
    buf_append(&all, header, len);
    buf_text(&all, "what follows is somebody else's, and long enough to be overrun");
    struct slice whole = {buf_at(&all), buf_len(&all)};
    CU_ASSERT_EQUAL(wire_proxy_read(whole, address, &n), WIRE_PROXY_READ);
    CU_ASSERT(n == len && !strcmp(address, expected));
    CU_ASSERT_EQUAL(read_in_steps(whole, address, &n), WIRE_PROXY_READ);
    CU_ASSERT(n == len && !strcmp(address, expected));
    CU_ASSERT_EQUAL(read_in_steps((struct slice){header, len}, address, &n), WIRE_PROXY_READ); /* asked for no byte behind it */
    buf_fini(&all);
}

static void is_not_read(const void *header, size_t len)
{
    char address[WIRE_PROXY_ADDRESS];
    struct buf all = {0};
    size_t n;
    buf_append(&all, header, len);
    buf_text(&all, "and whatever may follow");
    CU_ASSERT_EQUAL(read_in_steps((struct slice){buf_at(&all), buf_len(&all)}, address, &n), WIRE_PROXY_BAD);
    buf_fini(&all);
}

static void version_1_tells_the_address(void)
{
    static const char *const lines[][2] = {
        {"PROXY TCP4 192.0.2.1 10.0.0.1 56324 3306\r\n", "192.0.2.1"},
        {"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "1.1.1.1"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "2001:db8::1"},
        {"PROXY TCP6 :: :: 0 0\r\n", "::"},
        {"PROXY TCP6 ::ffff:192.0.2.9 ::1 4124 3306\r\n", "192.0.2.9"},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
        {"PROXY UNKNOWN\r\n", ""},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        is_read(lines[i][0], strlen(lines[i][0]), lines[i][1]);
}

static void version_2_tells_the_address(void)
{
    static const char *const headers[][2] = {
        {SIGNATURE "21 11 000c c0000201 0a000001 dc04 0cea", "192.0.2.1"},
        {SIGNATURE "21 11 0010 c0000201 0a000001 dc04 0cea 04000141", "192.0.2.1"}, /* an addition is passed over */
        {SIGNATURE "21 21 0024 20010db8000000000000000000000001 20010db8000000000000000000000002 dc04 0cea", "2001:db8::1"},
        {SIGNATURE "21 21 0024 00000000000000000000ffffc0000209 20010db8000000000000000000000002 dc04 0cea", "192.0.2.9"},
        {SIGNATURE "20 00 0000", ""},
        {SIGNATURE "20 11 000c c0000201 0a000001 dc04 0cea", ""}, /* LOCAL: whatever is there does not count */
        {SIGNATURE "21 00 0000", ""},
        {SIGNATURE "21 31 0004 41414141", ""},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct slice header = from_hex(headers[i][0]);
        is_read(header.at, header.len, headers[i][1]);
        slice_free(header);
    }
}

static void damaged_headers_are_refused(void)
{
    static const char *const lines[] = {
        "PROXY\r\n\r\n", "PROXX TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n", "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", "PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 -1\r\n",
        "PROXY UNKNOWN .............................................................................................\r\n...",
    };
    static const char *const headers[] = {
        SIGNATURE "31 11 000c c0000201 0a000001 dc04 0cea", SIGNATURE "22 11 000c c0000201 0a000001 dc04 0cea",
        SIGNATURE "21 11 000b c0000201 0a000001 dc04 0c", SIGNATURE "21 21 000c c0000201 0a000001 dc04 0cea",
        SIGNATURE "21 11 ffff", SIGNATURE "21 55 0000", SIGNATURE "21 12 000c c0000201 0a000001 dc04 0cea",
        SIGNATURE "20 00 07f1", "0d0a0d0a000d0a515549540b 20 00 0000", "0d0a0d0a 01000000 00000000 00000000"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        is_not_read(lines[i], strlen(lines[i]));
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct slice header = from_hex(headers[i]);
        is_not_read(header.at, header.len);
        slice_free(header);
    }
}

static void a_clients_own_words_are_no_header(void)
{
    char address[WIRE_PROXY_ADDRESS];
    size_t n;
    CU_ASSERT_EQUAL(wire_proxy_read((struct slice){(const uint8_t *)"\x20\0\0\1", 4}, address, &n), WIRE_PROXY_NONE);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(wire_proxy_read((struct slice){(const uint8_t *)"PRO", 3}, address, &n), WIRE_PROXY_MORE);
    CU_ASSERT_EQUAL(n, 1);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"version 1 tells the address", version_1_tells_the_address},
        {"version 2 tells the address", version_2_tells_the_address},
        {"damaged headers are refused", damaged_headers_are_refused},
        {"a client's own words are no header", a_clients_own_words_are_no_header},
        {NULL, NULL},
    };
    return unit_main("wire/proxy_header", tests);
}
