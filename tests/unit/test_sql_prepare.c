/* PREPARE, EXECUTE and DEALLOCATE as text are taken apart as servers read them, and what is quoted is read back as it was. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/prepare.h"
#include "proxy/sql/quote.h"
#include "tests/unit/sql_side.h"

static const struct sql_context plain_context = {.is_resource = is_cache};

/* verb letter, name, source, ' where it is a literal, using; BAD when malformed. */
static void print(const char *sql, struct buf *out)
{
    struct slice rest = text_of(sql);
    struct sql_statement s;
    struct sql_prepare p;
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &plain_context, &s));
    CU_ASSERT_EQUAL(s.kind, SQL_PREPARE_TEXT);
    if (!sql_prepare_read(&s, &plain_context, &p)) {
        buf_text(out, "BAD");
        return;
    }
    buf_printf(out, "%c %s [%.*s]%s", "peid"[p.verb], p.name, (int)p.source.len, (const char *)p.source.at, p.literal ? "'" : "");
    if (p.using.at)
        buf_printf(out, " [%.*s]", (int)p.using.len, (const char *)p.using.at);
}

static void statements_are_taken_apart(void)
{
    static const char *const rows[][2] = {
        {"PREPARE s FROM 'SELECT 1'", "p s ['SELECT 1']'"},
        {"prepare `a ``b` from @x;", "p a `b [@x]"},
        {"PREPARE s FROM CONCAT('a', 'b')", "p s [CONCAT('a', 'b')]"},
        {"PREPARE s FROM 'a' 'b'", "p s ['a' 'b']"},
        {"/*!50000 PREPARE */ s /* x */ FROM \"SELECT 1\"", "p s [\"SELECT 1\"]'"},
        {"PREPARE s 'x'", "BAD"},
        {"PREPARE FROM 'x'", "BAD"},
        {"PREPARE s FROM", "BAD"},
        {"EXECUTE s", "e s []"},
        {"EXECUTE s USING @a, @b", "e s [] [@a, @b]"},
        {"EXECUTE s USING", "BAD"},
        {"EXECUTE s @a", "BAD"},
        {"EXECUTE", "BAD"},
        {"EXECUTE immediate", "e immediate []"},
        {"EXECUTE immediate USING @a", "e immediate [] [@a]"},
        {"EXECUTE IMMEDIATE 'SELECT ?' USING 1 + 2", "i  ['SELECT ?']' [1 + 2]"},
        {"EXECUTE IMMEDIATE CONCAT(@a, (SELECT 1)) ; SELECT 2", "i  [CONCAT(@a, (SELECT 1))]"},
        {"EXECUTE IMMEDIATE 'x' USING", "BAD"},
        {"DEALLOCATE PREPARE s", "d s []"},
        {"DROP PREPARE s", "d s []"},
        {"DEALLOCATE PREPARE", "BAD"},
        {"DEALLOCATE PREPARE s t", "BAD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        print(rows[i][0], &out);
        if (strcmp(buf_cstr(&out), rows[i][1]))
            printf("\n%s\n  expected %s\n  got      %s", rows[i][0], rows[i][1], buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), rows[i][1]);
        buf_fini(&out);
    }
}

static void lists_are_cut_at_their_own_commas(void)
{
    struct slice list = text_of("@a, CONCAT('x,', (1, 2)), 3 "), one;
    static const char *const expected[] = {"@a", "CONCAT('x,', (1, 2))", "3"};
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_TRUE_FATAL(sql_next_expression(&list, &plain_context, &one));
        CU_ASSERT_TRUE(one.len == strlen(expected[i]) && !memcmp(one.at, expected[i], one.len));
    }
    CU_ASSERT_FALSE(sql_next_expression(&list, &plain_context, &one));
    CU_ASSERT_EQUAL(sql_count_parameters(text_of("SELECT ?, '?', `?` /* ? */, ? -- ?"), &plain_context), 2);
}

/* What the lexer reads back is what was quoted. */
static void read_back(struct slice text, const struct sql_dialect *dialect)
{
    struct buf quoted = {0}, again = {0};
    struct sql_lexer l;
    sql_quote_text(&quoted, text, dialect);
    sql_lexer_init(&l, (struct slice){buf_at(&quoted), buf_len(&quoted)}, dialect);
    struct sql_token t = sql_next(&l);
    CU_ASSERT_TRUE(t.kind == SQL_STRING && !t.unfinished && sql_next(&l).kind == SQL_END);
    sql_token_value(&l, &t, &again);
    CU_ASSERT_TRUE(buf_len(&again) == text.len && (!text.len || !memcmp(buf_at(&again), text.at, text.len)));
    buf_fini(&quoted);
    buf_fini(&again);
}

static void what_is_quoted_is_read_back(void)
{
    static const struct sql_dialect dialects[] = {
        {.ansi_quotes = false}, {.no_backslash_escapes = true}, {.ansi_quotes = true},
        {.charset = SQL_CHARSET_SJIS}, {.charset = SQL_CHARSET_GBK}};
    static const char *const texts[] = {"", "'", "\\", "\\'", "a'b\\c\"d`", "\\\\''", "\x83\\'", "\xbf\\\\", "\n\r\t\x1a%_"};
    for (size_t d = 0; d < sizeof dialects / sizeof *dialects; d++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            read_back(text_of(texts[i]), &dialects[d]);
    read_back((struct slice){(const uint8_t *)"a\0b", 3}, &dialects[0]);
    struct buf out = {0};
    sql_quote_bytes(&out, (struct slice){(const uint8_t *)"\0\xff'", 3});
    sql_quote_name(&out, "a`b", &dialects[0]);
    sql_quote_name(&out, "\x81`c`", &dialects[4]);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "X'00FF27'`a``b``\x81`c```");
    buf_fini(&out);
}

static void bytes_that_are_no_text_are_seen(void)
{
    static const char *const texts[] = {"", "41", "00", "C3A4", "E99BAA", "F09F9880", "EFBFBF", "F48FBFBF", "41C3A442"};
    static const char *const others[] = {"FF", "00FF27", "C3", "C0AF", "E08080", "EDA080", "F4908080", "F0808080", "80", "C3A4E9"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CU_ASSERT_TRUE(sql_hex_is_utf8(text_of(texts[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT_FALSE(sql_hex_is_utf8(text_of(others[i])));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"statements about statements are taken apart", statements_are_taken_apart},
        {"lists are cut at their own commas", lists_are_cut_at_their_own_commas},
        {"what is quoted is read back", what_is_quoted_is_read_back},
        {"bytes that are no text are seen", bytes_that_are_no_text_are_seen},
        {NULL, NULL},
    };
    return unit_main("sql/prepare", tests);
}
