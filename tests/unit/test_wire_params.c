/* Parameters of prepared statements: every type as text, remembered types, long data; commands rewritten for another
 * connection. */
#include "tests/unit/unit.h"

#include "proxy/wire/params.h"
#include "proxy/wire/packet.h"
#include "tests/unit/wire_hex.h"

/* One parameter of `type` (two bytes in hex) with `value`: its text, quoted where it is text; "NULL"; "bad". */
static const char *one(const char *type, const char *value)
{
    static char out[300];
    char hex[400];
    struct wire_execute e;
    struct wire_param p;
    struct buf scratch = {0};
    snprintf(hex, sizeof hex, "17 01000000 00 01000000 00 01 %s %s", type, value);
    struct slice payload = from_hex(hex);
    CU_ASSERT(wire_execute_read(payload, 1, &e));
    if (!wire_params_read(&e, (struct slice){NULL, 0}, NULL, 1, &p, &scratch))
        strcpy(out, "bad");
    else if (p.class == WIRE_PARAM_NULL)
        strcpy(out, p.text.at ? "NULL with text" : "NULL");
    else
        snprintf(out, sizeof out, p.class == WIRE_PARAM_TEXT ? "'%.*s'" : "%.*s", (int)p.text.len,
                 (const char *)p.text.at);
    slice_free(payload);
    buf_fini(&scratch);
    return out;
}
#define ONE(type, value, expected) CU_ASSERT_STRING_EQUAL(one(type, value), expected)

static void integers_of_all_widths_and_signs(void)
{
    ONE("0100", "ff", "-1");
    ONE("0180", "ff", "255");
    ONE("0100", "7f", "127");
    ONE("0200", "0080", "-32768");
    ONE("0280", "0080", "32768");
    ONE("0d00", "e807", "2024");
    ONE("0300", "00000080", "-2147483648");
    ONE("0380", "ffffffff", "4294967295");
    ONE("0900", "ffffffff", "-1");
    ONE("0800", "0000000000000080", "-9223372036854775808");
    ONE("0880", "ffffffffffffffff", "18446744073709551615");
    ONE("0800", "0000000000000000", "0");
}

static void floats_are_shortest_and_read_back(void)
{
    ONE("0500", "9a9999999999b93f", "0.1");
    ONE("0500", "343333333333d33f", "0.30000000000000004");
    ONE("0500", "000000000000f0bf", "-1");
    ONE("0500", "ffffffffffffef7f", "1.7976931348623157e+308");
    ONE("0500", "0100000000000000", "4.94065645841247e-324");
    ONE("0400", "cdcccc3d", "0.1");
    ONE("0400", "ffff7f7f", "3.4028235e+38");
    ONE("0500", "000000000000f07f", "bad"); /* infinity, NaN: SQL has none */
    ONE("0500", "000000000000f87f", "bad");
    ONE("0400", "0000807f", "bad");
}

static void strings_keep_their_bytes(void)
{
    ONE("fd00", "03 616263", "'abc'");
    ONE("fc00", "00", "''");
    ONE("0f00", "02 275c", "''\\'");
    ONE("1000", "01 41", "'A'");
    ONE("f500", "02 7b7d", "'{}'");
    ONE("f200", "01 41", "'A'");
    ONE("ff00", "01 41", "'A'");
    ONE("fe00", "fc0300 616263", "'abc'");
}

static void decimals_are_numbers_only_where_they_are(void)
{
    ONE("f600", "05 2d312e3530", "-1.50");
    ONE("0000", "02 2e35", ".5");
    ONE("f600", "02 352e", "5.");
    ONE("f600", "20 31323334353637383930313233343536373839303132333435363738392e3031",
        "12345678901234567890123456789.01");
    ONE("f600", "00", "''");
    ONE("f600", "01 2e", "'.'");
    ONE("f600", "01 2d", "'-'");
    ONE("f600", "06 313b64726f70", "'1;drop'");
    ONE("f600", "05 312e322e33", "'1.2.3'");
}

static void dates_and_times(void)
{
    ONE("0a00", "04 e807 02 1d", "'2024-02-29'");
    ONE("0a00", "00", "'0000-00-00'");
    ONE("0c00", "04 e807 02 1d", "'2024-02-29 00:00:00'");
    ONE("0c00", "07 e807 02 1d 17 3b 01", "'2024-02-29 23:59:01'");
    ONE("0700", "0b e807 02 1d 17 3b 01 40e20100", "'2024-02-29 23:59:01.123456'");
    ONE("0c00", "00", "'0000-00-00 00:00:00'");
    ONE("0b00", "00", "'00:00:00'");
    ONE("0b00", "08 00 00000000 0a 0b 0c", "'10:11:12'");
    ONE("0b00", "08 01 22000000 16 3b 3b", "'-838:59:59'");
    ONE("0b00", "0c 01 00000000 00 00 00 01000000", "'-00:00:00.000001'");
    ONE("0b00", "0c 01 ffffffff ff 3b 3b 3f420f00", "'-103079215335:59:59.999999'");
}

static void impossible_dates_and_times_are_refused(void)
{
    ONE("0a00", "03 e807 02", "bad");
    ONE("0a00", "04 e807 0d 1d", "bad");
    ONE("0a00", "04 e807 01 20", "bad");
    ONE("0a00", "04 1027 01 01", "bad");
    ONE("0c00", "07 e807 02 1d 18 3b 01", "bad");
    ONE("0c00", "07 e807 02 1d 17 3c 01", "bad");
    ONE("0c00", "0b e807 02 1d 17 3b 01 40420f00", "bad");
    ONE("0b00", "08 00 00000000 0a 3c 0c", "bad");
    ONE("0b00", "07 00 00000000 0a 0c", "bad");
}

static void values_that_do_not_fit_their_types_are_refused(void)
{
    ONE("0800", "00000000000000", "bad");
    ONE("0800", "000000000000000000", "bad");
    ONE("fd00", "04 616263", "bad");
    ONE("fd00", "fb", "bad");
    ONE("fd00", "feffffffffffffffff 61", "bad");
    ONE("0e00", "00", "bad"); /* NEWDATE never travels */
    ONE("6300", "00", "bad");
    ONE("0600", "", "NULL");
}

#define EXECUTE "17 07000000 00 01000000 "
static const char with_types[] = EXECUTE "02 01 0800 fd00 fc00 0500000000000000 03 616263"; /* 5, NULL, 'abc' */
static const char types_hex[] = "0800 fd00 fc00";

static void commands_are_taken_apart(void)
{
    struct wire_execute e;
    struct slice p = from_hex(with_types);
    CU_ASSERT(wire_execute_read(p, 3, &e));
    CU_ASSERT(e.statement_id == 7 && !e.flags && e.iterations == 1);
    CU_ASSERT(e.types_sent && e.types.len == 6 && e.values.len == 12);
    CU_ASSERT(e.nulls.len == 1 && e.nulls.at[0] == 2);
    for (size_t n = 0; n < 18; n++) { /* up to the values, whose end only the types know */
        struct slice cut = slice_copy(p.at, n);
        CU_ASSERT_FALSE(wire_execute_read(cut, 3, &e));
        slice_free(cut);
    }
    slice_free(p);
    p = from_hex("17 07000000 01 01000000");
    CU_ASSERT(wire_execute_read(p, 0, &e) && e.flags == 1 && !e.types_sent);
    CU_ASSERT_FALSE(wire_execute_read(p, 1, &e));
    slice_free(p);
    p = from_hex(EXECUTE "00 02 0800 0500000000000000");
    CU_ASSERT_FALSE(wire_execute_read(p, 1, &e));
    slice_free(p);
}

static void bulks_are_taken_apart_and_put_together(void)
{
    struct wire_bulk b;
    struct buf out = {0};
    struct slice types = from_hex("0800 fd00"), p = from_hex("fa 07000000 8000 0800 0600 01 01");
    struct slice short_one = from_hex("fa 07000000 0000 01 01");
    CU_ASSERT(wire_bulk_read(p, 2, &b) && b.statement_id == 7 && b.types_sent && b.types.len == 4 && b.rows.len == 2);
    wire_bulk_write(&out, &b, 9, types);
    CU_ASSERT(buf_is_hex(&out, "fa 09000000 8000 0800 0600 01 01"));
    for (size_t n = 0; n < 11; n++) {
        struct slice cut = slice_copy(p.at, n);
        CU_ASSERT_FALSE(wire_bulk_read(cut, 2, &b));
        slice_free(cut);
    }
    CU_ASSERT(wire_bulk_read(short_one, 2, &b) && !b.types_sent && b.rows.len == 2);
    buf_clear(&out);
    wire_bulk_write(&out, &b, 0x01020304, types);
    CU_ASSERT(buf_is_hex(&out, "fa 04030201 8000 0800 fd00 01 01"));
    slice_free(types);
    slice_free(p);
    slice_free(short_one);
    buf_fini(&out);
}

static void types_of_before_are_remembered(void)
{
    struct wire_execute e;
    struct wire_param out[3];
    struct buf scratch = {0};
    struct slice types = from_hex(types_hex), p = from_hex(EXECUTE "04 00 0600000000000000 01 78"); /* 6, 'x', NULL */
    CU_ASSERT(wire_execute_read(p, 3, &e) && !e.types_sent);
    CU_ASSERT(wire_params_read(&e, types, NULL, 3, out, &scratch));
    CU_ASSERT(slice_is(out[0].text, "6") && slice_is(out[1].text, "x") && out[2].class == WIRE_PARAM_NULL);
    CU_ASSERT_FALSE(wire_params_read(&e, (struct slice){types.at, 4}, NULL, 3, out, &scratch));
    CU_ASSERT_FALSE(wire_params_read(&e, (struct slice){NULL, 0}, NULL, 3, out, &scratch));
    slice_free(p);
    slice_free(types);
    buf_fini(&scratch);
}

static void long_data_takes_the_values_place(void)
{
    struct wire_execute e;
    struct wire_param out[3];
    struct buf scratch = {0};
    struct slice p = from_hex(EXECUTE "06 01 0800 fd00 fc00 0500000000000000"); /* the third says NULL as well */
    struct slice long_data[3] = {{NULL, 0}, {NULL, 0}, text_slice("long")};
    CU_ASSERT(wire_execute_read(p, 3, &e));
    CU_ASSERT(wire_params_read(&e, (struct slice){NULL, 0}, long_data, 3, out, &scratch));
    CU_ASSERT(out[1].class == WIRE_PARAM_NULL && out[2].class == WIRE_PARAM_TEXT && slice_is(out[2].text, "long"));
    long_data[2] = text_slice(""); /* given, though empty */
    CU_ASSERT(wire_params_read(&e, (struct slice){NULL, 0}, long_data, 3, out, &scratch));
    CU_ASSERT(out[2].class == WIRE_PARAM_TEXT && !out[2].text.len);
    slice_free(p);
    buf_fini(&scratch);

    struct wire_long_data l;
    p = from_hex("18 07000000 0200 6162");
    CU_ASSERT(wire_long_data_read(p, &l) && l.statement_id == 7 && l.param == 2 && slice_is(l.data, "ab"));
    CU_ASSERT(wire_long_data_read((struct slice){p.at, 7}, &l) && !l.data.len);
    CU_ASSERT_FALSE(wire_long_data_read((struct slice){p.at, 6}, &l));
    slice_free(p);
}

static void rewriting_always_sends_the_types(void)
{
    struct slice types = from_hex(types_hex);
    static const char *const first[] = {with_types, EXECUTE "02 00 0500000000000000 03 616263"};
    for (int i = 0; i < 2; i++) {
        struct wire_execute e;
        struct buf b = {0};
        struct slice p = from_hex(first[i]);
        CU_ASSERT(wire_execute_read(p, 3, &e));
        wire_execute_write(&b, &e, 0x01020304, types);
        CU_ASSERT(buf_is_hex(&b, "17 04030201 00 01000000 02 01 0800 fd00 fc00 0500000000000000 03 616263"));
        slice_free(p);
        buf_fini(&b);
    }
    struct wire_execute e;
    struct buf b = {0};
    struct slice p = from_hex("17 07000000 01 01000000");
    CU_ASSERT(wire_execute_read(p, 0, &e));
    wire_execute_write(&b, &e, 9, (struct slice){NULL, 0});
    CU_ASSERT(buf_is_hex(&b, "17 09000000 01 01000000"));
    slice_free(p);
    slice_free(types);
    buf_fini(&b);
}

/* Text made for one parameter stays where it is while others are made. */
static void many_parameters_keep_their_texts(void)
{
    enum { N = 3000 };
    static struct wire_param out[N];
    struct buf b = {0}, scratch = {0};
    buf_append(&b, "\x17\1\0\0\0\0\1\0\0\0", 10);
    buf_zeros(&b, (N + 7) / 8);
    buf_u8(&b, 1);
    for (int i = 0; i < N; i++)
        buf_append(&b, "\3\0", 2);
    for (uint32_t i = 0; i < N; i++)
        buf_u32le(&b, i * 1000003);
    struct wire_execute e;
    CU_ASSERT(wire_execute_read((struct slice){buf_at(&b), buf_len(&b)}, N, &e));
    CU_ASSERT_FATAL(wire_params_read(&e, (struct slice){NULL, 0}, NULL, N, out, &scratch));
    for (uint32_t i = 0; i < N; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "%d", (int32_t)(i * 1000003));
        CU_ASSERT(slice_is(out[i].text, expected));
    }
    buf_fini(&b);
    buf_fini(&scratch);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"integers of all widths and signs", integers_of_all_widths_and_signs},
        {"floats are shortest and read back", floats_are_shortest_and_read_back},
        {"strings keep their bytes", strings_keep_their_bytes},
        {"decimals are numbers only where they are", decimals_are_numbers_only_where_they_are},
        {"dates and times", dates_and_times},
        {"impossible dates and times are refused", impossible_dates_and_times_are_refused},
        {"values that do not fit their types are refused", values_that_do_not_fit_their_types_are_refused},
        {"commands are taken apart", commands_are_taken_apart},
        {"bulks are taken apart and put together", bulks_are_taken_apart_and_put_together},
        {"types of before are remembered", types_of_before_are_remembered},
        {"long data takes the value's place", long_data_takes_the_values_place},
        {"rewriting always sends the types", rewriting_always_sends_the_types},
        {"many parameters keep their texts", many_parameters_keep_their_texts},
        {NULL, NULL},
    };
    return unit_main("wire/params", tests);
}
