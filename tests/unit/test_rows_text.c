/* xactl's answers: columns stand under each other, programs read back what was sent, and nothing harms a terminal. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tools/rows_text.h"

static void add(struct rows *r, const char *text)
{
    rows_add_cell(r, text, text ? strlen(text) : 0);
}

static void check(const struct rows *r, enum rows_format format, const char *expected)
{
    struct buf out = {0};
    rows_print(r, format, &out);
    if (strcmp(buf_cstr(&out), expected) != 0)
        printf("\nexpected:\n%s\ngot:\n%s", expected, buf_cstr(&out));
    CU_ASSERT_STRING_EQUAL(buf_cstr(&out), expected);
    buf_fini(&out);
}

static struct rows two_rows(void)
{
    struct rows r = {0};
    rows_add_column(&r, "name", false);
    rows_add_column(&r, "age", true);
    rows_add_column(&r, "why", false);
    add(&r, "a");
    add(&r, "7");
    add(&r, "first");
    add(&r, "a longer one");
    add(&r, "12345");
    add(&r, NULL);
    return r;
}

static void a_table_is_aligned(void)
{
    struct rows r = two_rows();
    CU_ASSERT_EQUAL(rows_count(&r), 2);
    check(&r, ROWS_TABLE,
          "name            age  why\n"
          "a                 7  first\n"
          "a longer one  12345  -\n");
    rows_fini(&r);
}

static void programs_get_tsv_and_json(void)
{
    struct rows r = two_rows();
    check(&r, ROWS_TSV, "name\tage\twhy\na\t7\tfirst\na longer one\t12345\t\\N\n");
    check(&r, ROWS_JSON,
          "[\n {\"name\": \"a\", \"age\": 7, \"why\": \"first\"},\n"
          " {\"name\": \"a longer one\", \"age\": 12345, \"why\": null}\n]\n");
    rows_fini(&r);
}

static void no_rows_and_no_columns(void)
{
    struct rows r = {0};
    check(&r, ROWS_TABLE, "");
    check(&r, ROWS_TSV, "");
    check(&r, ROWS_JSON, "[]\n");
    rows_add_column(&r, "a", false);
    CU_ASSERT_EQUAL(rows_count(&r), 0);
    check(&r, ROWS_TABLE, "a\n");
    check(&r, ROWS_TSV, "a\n");
    check(&r, ROWS_JSON, "[]\n");
    rows_fini(&r);
}

static void odd_bytes_are_made_harmless(void)
{
    static const struct {
        const char *bytes;
        const char *table, *tsv, *json;
    } rows[] = {
        {"a\tb\nc\\d\"e", "a\\x09b\\x0ac\\d\"e", "a\\tb\\nc\\\\d\"e", "a\\u0009b\\u000ac\\\\d\\\"e"},
        {"\x1b[31m\x7f", "\\x1b[31m\\x7f", "\\x1b[31m\\x7f", "\\u001b[31m\\u007f"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc2\x9b""31m\xc2\x80\xc2\xa0", "\\x9b31m\\x80\xc2\xa0", "\\x9b31m\\x80\xc2\xa0", "\\u009b31m\\u0080\xc2\xa0"},
        {"\xff", "\xef\xbf\xbd", "\xef\xbf\xbd", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd", "\xef\xbf\xbd", "\xef\xbf\xbd"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"", "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rows r = {0};
        char expected[100];
        rows_add_column(&r, "x", false);
        add(&r, rows[i].bytes);
        snprintf(expected, sizeof expected, "x\n%s\n", rows[i].table);
        check(&r, ROWS_TABLE, expected);
        snprintf(expected, sizeof expected, "x\n%s\n", rows[i].tsv);
        check(&r, ROWS_TSV, expected);
        snprintf(expected, sizeof expected, "[\n {\"x\": \"%s\"}\n]\n", rows[i].json);
        check(&r, ROWS_JSON, expected);
        rows_fini(&r);
    }
}

static void wide_characters_keep_the_columns(void)
{
    struct rows r = {0};
    rows_add_column(&r, "a", false);
    rows_add_column(&r, "b", false);
    add(&r, "\xc3\xa4\xc3\xb6");
    add(&r, "1");
    add(&r, "\xff" "\x01");
    add(&r, "2");
    check(&r, ROWS_TABLE, "a      b\n\xc3\xa4\xc3\xb6     1\n\xef\xbf\xbd\\x01  2\n");
    rows_fini(&r);
}

static void only_what_json_knows_is_a_bare_number(void)
{
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"0", "0"},       {"-1", "-1"},         {"1.50", "1.50"},   {"0.5", "0.5"}, {"007", "\"007\""},
        {"1.", "\"1.\""}, {".5", "\".5\""},     {"-", "\"-\""},     {"", "\"\""},   {"1e5", "\"1e5\""},
        {"1 ", "\"1 \""}, {"1.2.3", "\"1.2.3\""}, {"-01", "\"-01\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rows r = {0};
        char expected[100];
        rows_add_column(&r, "x", true);
        add(&r, rows[i].text);
        snprintf(expected, sizeof expected, "[\n {\"x\": %s}\n]\n", rows[i].json);
        check(&r, ROWS_JSON, expected);
        rows_fini(&r);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a table is aligned", a_table_is_aligned},
        {"programs get TSV and JSON", programs_get_tsv_and_json},
        {"no rows, and no columns", no_rows_and_no_columns},
        {"odd bytes are made harmless", odd_bytes_are_made_harmless},
        {"wide characters keep the columns", wide_characters_keep_the_columns},
        {"only what JSON knows is a bare number", only_what_json_knows_is_a_bare_number},
        {NULL, NULL},
    };
    return unit_main("tools/rows_text", tests);
}
