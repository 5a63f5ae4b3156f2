/* The lexer reads words as both families do, goes on over whatever a client sends, and knows what a token stands for.
 * */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/lexer.h"
#include "tests/unit/sql_side.h"

/* Tokens as text: kind letter, then the token in brackets; ! when unfinished. */
static void print_tokens(struct slice text, const struct sql_dialect *dialect, struct buf *out)
{
    static const char letters[] = "EWQSNHBVYP.";
    struct sql_lexer l;
    sql_lexer_init(&l, text, dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l)) {
        if (buf_len(out))
            buf_u8(out, ' ');
        buf_printf(out, "%c[%.*s]%s", letters[t.kind], (int)t.text.len, t.text.at, t.unfinished ? "!" : "");
    }
}

struct lexing {
    const char *sql, *tokens;
};

static void check_lexings_in(enum sql_charset charset, const struct lexing *rows, bool ansi_quotes, bool no_backslash_escapes)
{
    for (; rows->sql; rows++) {
        struct buf out = {0};
        print_tokens(text_of(rows->sql), &(struct sql_dialect){ansi_quotes, no_backslash_escapes, charset, 0, false}, &out);
        if (strcmp(buf_cstr(&out), rows->tokens) != 0)
            printf("\n%s\n  expected %s\n  got      %s", rows->sql, rows->tokens, buf_cstr(&out));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), rows->tokens);
        buf_fini(&out);
    }
}

static void check_lexings(const struct lexing *rows, bool ansi_quotes, bool no_backslash_escapes)
{
    check_lexings_in(SQL_CHARSET_PLAIN, rows, ansi_quotes, no_backslash_escapes);
}

static void executable_comments_of_one_server(void)
{
    static const struct {
        const char *sql, *by_mysql, *by_mariadb; /* 8.0.34, 10.11.6 */
    } rows[] = {
        {"a /*! b */ c", "W[a] W[b] W[c]", "W[a] W[b] W[c]"},
        {"a /*!50000 b */ c", "W[a] W[b] W[c]", "W[a] W[b] W[c]"},
        {"a /*!50700 b */ c", "W[a] W[b] W[c]", "W[a] W[c]"},
        {"a /*!80034 b */ c", "W[a] W[b] W[c]", "W[a] W[c]"},
        {"a /*!80035 b */ c", "W[a] W[c]", "W[a] W[c]"},
        {"a /*!101106 b */ c", "W[a] W[c]", "W[a] W[b] W[c]"},
        {"a /*!101107 b */ c", "W[a] W[c]", "W[a] W[c]"},
        {"a /*M! b */ c", "W[a] W[c]", "W[a] W[b] W[c]"},
        {"a /*M!80035 b */ c", "W[a] W[c]", "W[a] W[b] W[c]"},
        {"a /*!999999 b /* c */ d /**/ e */ f", "W[a] W[f]", "W[a] W[f]"},
        {"a /*!999999 b /* c /* d */ e */ f", "W[a] W[f]", "W[a] W[f]"},
        {"a /*!999999 /* b */", "W[a]", "W[a]"},
        {"a /*!999999/", "W[a]", "W[a]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf mysql = {0}, mariadb = {0};
        print_tokens(text_of(rows[i].sql), &(struct sql_dialect){.version = 80034}, &mysql);
        print_tokens(text_of(rows[i].sql), &(struct sql_dialect){.version = 101106, .mariadb = true}, &mariadb);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&mysql), rows[i].by_mysql);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&mariadb), rows[i].by_mariadb);
        buf_fini(&mysql);
        buf_fini(&mariadb);
    }
}

static void words_numbers_operators(void)
{
    static const struct lexing rows[] = {
        {"", ""},
        {" \t\r\n\v\f", ""},
        {"select a_1$, \xc3\xa9", "W[select] W[a_1$] .[,] W[\xc3\xa9]"},
        {"1 12 1.5 .5 1. 1e10 1E+5 1.5e-3", "N[1] N[12] N[1.5] N[.5] N[1.] N[1e10] N[1E+5] N[1.5e-3]"},
        {"1e 1e+ 12ab 1e10ab", "W[1e] W[1e] .[+] W[12ab] N[1e10] W[ab]"},
        {"-1", ".[-] N[1]"},
        {"a:=1 a=1 <=> ||", "W[a] .[:=] N[1] W[a] .[=] N[1] .[<] .[=] .[>] .[|] .[|]"},
        {"?", "P[?]"},
        {"a?b", "W[a] P[?] W[b]"},
        {"0x1F 0xF 0b01 0x 0xG 0X1F 0b2", "H[0x1F] H[0xF] B[0b01] W[0x] W[0xG] W[0X1F] W[0b2]"},
        {"X'1F' x'' b'01' B'1'", "H[X'1F'] H[x''] B[b'01'] B[B'1']"},
        {"x'1g' b'2' 1", "H[x'1g']! B[b'2']! N[1]"},
        {"xa'1'", "W[xa] S['1']"},
        {"\\N", ".[\\] W[N]"},
        {NULL, NULL},
    };
    check_lexings(rows, false, false);
}

static void dots_make_names(void)
{
    static const struct lexing rows[] = {
        {"db.t", "W[db] .[.] W[t]"},
        {"db . t", "W[db] .[.] W[t]"},
        {"db.1t", "W[db] .[.] W[1t]"},
        {"db.1", "W[db] .[.] W[1]"},
        {"db.1e5", "W[db] .[.] W[1e5]"},
        {"db.0x1F", "W[db] .[.] W[0x1F]"},
        {"`db`.`t`.*", "Q[`db`] .[.] Q[`t`] .[.] .[*]"},
        {"a.n'x'", "W[a] .[.] W[n] S['x']"},
        {"a .5", "W[a] N[.5]"},
        {"`a`.5", "Q[`a`] .[.] W[5]"},
        {NULL, NULL},
    };
    check_lexings(rows, false, false);
}

static void strings_end_where_servers_end_them(void)
{
    static const struct lexing rows[] = {
        {"'a' \"b\"", "S['a'] S[\"b\"]"},
        {"'a''b' \"a\"\"b\"", "S['a''b'] S[\"a\"\"b\"]"},
        {"'a\\'b' 'a\\\\' 'c'", "S['a\\'b'] S['a\\\\'] S['c']"},
        {"'a;b' ;", "S['a;b'] .[;]"},
        {"N'a' n'b' _utf8mb4'c' _binary 'd'", "S[N'a'] S[n'b'] W[_utf8mb4] S['c'] W[_binary] S['d']"},
        {"'/* no comment */' '-- no'", "S['/* no comment */'] S['-- no']"},
        {"'abc", "S['abc]!"},
        {"'abc\\'", "S['abc\\']!"},
        {"'abc\\", "S['abc\\]!"},
        {"'a''", "S['a'']!"},
        {"'", "S[']!"},
        {"`a``b` `", "Q[`a``b`] Q[`]!"},
        {"`a\\` b", "Q[`a\\`] W[b]"},
        {NULL, NULL},
    };
    static const struct lexing ansi[] = {
        {"\"a\" \"a\"\"b\" 'c'", "Q[\"a\"] Q[\"a\"\"b\"] S['c']"},
        {"\"a\\\" b", "Q[\"a\\\"] W[b]"},
        {"\"a", "Q[\"a]!"},
        {NULL, NULL},
    };
    static const struct lexing no_escapes[] = {
        {"'a\\' b '\\'", "S['a\\'] W[b] S['\\']"},
        {NULL, NULL},
    };
    check_lexings(rows, false, false);
    check_lexings(ansi, true, false);
    check_lexings(no_escapes, false, true);
}

static void variables_in_all_quotings(void)
{
    static const struct lexing rows[] = {
        {"@a @a.b @_cache.HSET_0 @`a b` @'a\\'b' @\"a\"",
         "V[@a] V[@a.b] V[@_cache.HSET_0] V[@`a b`] V[@'a\\'b'] V[@\"a\"]"},
        {"@@x @@global.x @@session . x", "Y[@@x] Y[@@global] .[.] W[x] Y[@@session] .[.] W[x]"},
        {"@@`x` @@global.`x`", "Y[@@`x`] Y[@@global] .[.] Q[`x`]"},
        {"'u'@'h' u@h u@`h`", "S['u'] V[@'h'] W[u] V[@h] W[u] V[@`h`]"},
        {"@a:=1,@b", "V[@a] .[:=] N[1] .[,] V[@b]"},
        {"@ @@", "V[@] Y[@@]"},
        {"@`a", "V[@`a]!"},
        {NULL, NULL},
    };
    check_lexings(rows, false, false);
}

static void comments_are_no_tokens_but_executable_ones_are_code(void)
{
    static const struct lexing rows[] = {
        {"a /* b */ c", "W[a] W[c]"},
        {"a/**/b", "W[a] W[b]"},
        {"a /* b", "W[a]"},
        {"a /*/ b */ c", "W[a] W[c]"},
        {"a # b\nc", "W[a] W[c]"},
        {"a -- b\nc", "W[a] W[c]"},
        {"a --b", "W[a] .[-] .[-] W[b]"},
        {"a --\tb", "W[a]"},
        {"a --\x01" "b", "W[a]"},
        {"a --", "W[a]"},
        {"a --\nb", "W[a] W[b]"},
        {"5--1", "N[5] .[-] .[-] N[1]"},
        {"select /*+ MAX_EXECUTION_TIME(1) */ 1", "W[select] N[1]"},
        {"/*! a */ b", "W[a] W[b]"},
        {"/*!50100 a */ b", "W[a] W[b]"},
        {"/*!50100a*/", "W[a]"},
        {"/*!100501 a */", "W[a]"},
        {"/*!1 a */", "N[1] W[a]"},
        {"/*M! a */ /*M!100100 b */", "W[a] W[b]"},
        {"/*! a /* inner */ b */ c", "W[a] W[b] W[c]"},
        {"/*! 'x */ y' */ z", "S['x */ y'] W[z]"},
        {"a */ b", "W[a] .[*] .[/] W[b]"},
        {"/*! a", "W[a]"},
        {NULL, NULL},
    };
    check_lexings(rows, false, false);
}

/* Second bytes that look like \\ and `; and an escaped quote whose backslash a client that thinks in latin1 has put behind a
 * first byte. */
static void characters_that_hide_quotes_are_read_whole(void)
{
    static const struct lexing gbk[] = {
        {"'\xbf\\' OR 1=1", "S['\xbf\\'] W[OR] N[1] .[=] N[1]"},
        {"'\xbf\\'' x'", "S['\xbf\\'' x']"},
        {"'\xbf' x", "S['\xbf'] W[x]"}, /* no such character: the quote is one */
        {"'a\\'b' x", "S['a\\'b'] W[x]"},
        {"\xd5\x5c a", "W[\xd5\x5c] W[a]"},
        {"`\xd5\x60` a", "Q[`\xd5\x60`] W[a]"},
        {"@\xd5\x5c a", "V[@\xd5\x5c] W[a]"},
        {"@'\xd5\x5c' a", "V[@'\xd5\x5c'] W[a]"},
        {NULL, NULL}};
    static const struct lexing sjis[] = {
        {"'\x95\x5c' a", "S['\x95\x5c'] W[a]"},
        {"'\xb1\\'' a", "S['\xb1\\''] W[a]"}, /* half-width: one byte, and the backslash is one */
        {"'\x83\x5c\x83\x5c''' a", "S['\x83\x5c\x83\x5c'''] W[a]"},
        {NULL, NULL}};
    static const struct lexing big5[] = {
        {"'\xa5\x5c' a", "S['\xa5\x5c'] W[a]"}, {"'\x81\\'' a", "S['\x81\\''] W[a]"}, {NULL, NULL}};
    static const struct lexing gb18030[] = {
        {"'\x81\x30\x81\x30' a", "S['\x81\x30\x81\x30'] W[a]"},
        {"'\x81\x30\x81\\' a", "S['\x81\x30\x81\\'] W[a]"}, /* the first is none, the second is */
        {"'\xbf\\' a", "S['\xbf\\'] W[a]"},
        {NULL, NULL}};
    check_lexings_in(SQL_CHARSET_GBK, gbk, false, false);
    check_lexings_in(SQL_CHARSET_SJIS, sjis, false, false);
    check_lexings_in(SQL_CHARSET_BIG5, big5, false, false);
    check_lexings_in(SQL_CHARSET_GB18030, gb18030, false, false);
}

static void character_sets_are_known_by_name_and_number(void)
{
    CU_ASSERT_EQUAL(sql_charset_named("GBK"), SQL_CHARSET_GBK);
    CU_ASSERT_EQUAL(sql_charset_named("cp932"), SQL_CHARSET_SJIS);
    CU_ASSERT_EQUAL(sql_charset_named("utf8mb4"), SQL_CHARSET_PLAIN);
    CU_ASSERT_EQUAL(sql_charset_named(""), SQL_CHARSET_PLAIN);
    CU_ASSERT_EQUAL(sql_charset_of_collation(84), SQL_CHARSET_BIG5);
    CU_ASSERT_EQUAL(sql_charset_of_collation(249), SQL_CHARSET_GB18030);
    CU_ASSERT_EQUAL(sql_charset_of_collation(1024 + 28), SQL_CHARSET_GBK);
    CU_ASSERT_EQUAL(sql_charset_of_collation(0), SQL_CHARSET_PLAIN);
    CU_ASSERT_TRUE(sql_charset_is_wide(35) && sql_charset_is_wide(1024 + 54) && sql_charset_is_wide(183));
    CU_ASSERT_FALSE(sql_charset_is_wide(45) || sql_charset_is_wide(255) || sql_charset_is_wide(53));
    CU_ASSERT_EQUAL(sql_charset_of_collation(255), SQL_CHARSET_PLAIN);
}

static void executable_comments_say_when_their_end_is_uncertain(void)
{
    static const struct {
        const char *sql;
        bool ambiguous;
    } rows[] = {
        {"/*! a */ b", false},          {"/*! 'a */ b' */", true}, {"/*! `a*/` */", true},
        {"/*! a -- b */\n */", true},   {"'*/' /* x */ a", false}, {"/*! a /* b */ c */", false},
        {"/*! a /*! b */ c */ d", true}, {"/*! '/*' */", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_lexer l;
        sql_lexer_init(&l, text_of(rows[i].sql), &(struct sql_dialect){0});
        while (sql_next(&l).kind != SQL_END)
            ;
        CU_ASSERT_EQUAL(l.ambiguous, rows[i].ambiguous);
    }
}

static void the_first_hint_is_kept(void)
{
    static const struct lexing rows[] = {
        {"/* xaproxy:backend=s1 */ select 1", "backend=s1 "},
        {"select /*xaproxy:backend=s1*/ 1 /* xaproxy:backend=s2 */", "backend=s1"},
        {"select 1 -- xaproxy:backend=s1\n", "backend=s1"},
        {"# xaproxy:backend=s1", "backend=s1"},
        {"/* other */ /* xaproxy:backend=s1 */", "backend=s1 "},
        {"select '/* xaproxy:backend=s1 */'", ""},
        {"/* see xaproxy:backend=s1 */", ""},
        {"/*!50000 xaproxy:backend=s1 */", ""},
        {NULL, NULL},
    };
    for (const struct lexing *row = rows; row->sql; row++) {
        struct sql_lexer l;
        sql_lexer_init(&l, text_of(row->sql), &(struct sql_dialect){0});
        while (sql_next(&l).kind != SQL_END)
            ;
        struct buf hint = {0};
        if (l.hint.at)
            buf_append(&hint, l.hint.at + strlen("xaproxy:"), l.hint.len - strlen("xaproxy:"));
        CU_ASSERT_STRING_EQUAL(buf_cstr(&hint), row->tokens);
        buf_fini(&hint);
    }
}

struct valued {
    const char *sql;
    const char *value;
    size_t len;
};

static void check_values(const struct valued *rows, size_t n, bool no_backslash_escapes)
{
    for (size_t i = 0; i < n; i++) {
        struct sql_lexer l;
        struct buf out = {0};
        sql_lexer_init(&l, text_of(rows[i].sql), &(struct sql_dialect){.no_backslash_escapes = no_backslash_escapes});
        struct sql_token t = sql_next(&l);
        sql_token_value(&l, &t, &out);
        bool same = buf_len(&out) == rows[i].len && !memcmp(buf_cstr(&out), rows[i].value, rows[i].len);
        if (!same)
            printf("\n%s: got %s", rows[i].sql, buf_cstr(&out));
        CU_ASSERT_TRUE(same);
        buf_fini(&out);
    }
}

static void values_of_tokens(void)
{
#define ROW(sql, value) {sql, value, sizeof value - 1}
    static const struct valued rows[] = {
        ROW("'abc'", "abc"),
        ROW("''", ""),
        ROW("'a''b'", "a'b"),
        ROW("\"a\"\"b'c\"", "a\"b'c"),
        ROW("'a\\'b\\\"c\\\\d'", "a'b\"c\\d"),
        ROW("'\\0\\b\\n\\r\\t\\Z'", "\0\b\n\r\t\032"),
        ROW("'\\%\\_\\x\\B'", "\\%\\_xB"),
        ROW("N'a'", "a"),
        ROW("n'n'", "n"),
        ROW("'abc", "abc"),
        ROW("'abc\\", "abc\\"),
        ROW("X'4142'", "AB"),
        ROW("x''", ""),
        ROW("0x41", "A"),
        ROW("0xF", "\x0f"),
        ROW("0xFfF", "\x0f\xff"),
        ROW("b'01000001'", "A"),
        ROW("b'1'", "\x01"),
        ROW("0b101000001", "\x01" "A"),
        ROW("b''", ""),
        ROW("`a``b`", "a`b"),
        ROW("`a\\b`", "a\\b"),
        ROW("word", "word"),
        ROW("1.50", "1.50"),
        ROW("@a.b", "a.b"),
        ROW("@`a``b`", "a`b"),
        ROW("@'a\\'b'", "a'b"),
        ROW("@", ""),
        ROW("@@x", "x"),
        ROW("@@`x`", "x"),
        ROW(":=", ":="),
    };
    static const struct valued raw[] = {ROW("'a\\nb'", "a\\nb"), ROW("'a\\'", "a\\"), ROW("'a''b'", "a'b")};
#undef ROW
    check_values(rows, sizeof rows / sizeof *rows, false);
    check_values(raw, sizeof raw / sizeof *raw, true);
}

static void names_that_no_server_has_are_refused(void)
{
    char text[SQL_NAME_SIZE + 8], name[SQL_NAME_SIZE];
    for (size_t len = SQL_NAME_SIZE - 2; len <= SQL_NAME_SIZE; len++) {
        struct sql_lexer l;
        memset(text, 'x', len);
        text[len] = '\0';
        sql_lexer_init(&l, text_of(text), &(struct sql_dialect){0});
        struct sql_token t = sql_next(&l);
        CU_ASSERT_EQUAL(sql_token_name(&l, &t, name), len < SQL_NAME_SIZE);
        CU_ASSERT_EQUAL(strlen(name), len < SQL_NAME_SIZE ? len : 0);
    }
    struct sql_lexer l;
    sql_lexer_init(&l, (struct slice){(const uint8_t *)"`a\0b`", 5}, &(struct sql_dialect){0});
    struct sql_token t = sql_next(&l);
    CU_ASSERT_FALSE(sql_token_name(&l, &t, name));
    CU_ASSERT_STRING_EQUAL(name, "");
}

/* Every prefix of every pair of bytes: each token is at least one byte, inside the text, behind the one before. */
static void any_bytes_come_to_an_end(void)
{
    uint8_t text[6] = "'`\"/*!";
    for (unsigned pair = 0; pair < 65536; pair++) {
        text[pair % 5] = (uint8_t)(pair >> 8);
        text[pair % 5 + 1] = (uint8_t)pair;
        for (size_t len = 0; len <= sizeof text; len++) {
            struct sql_lexer l;
            sql_lexer_init(&l, (struct slice){text, len},
                           &(struct sql_dialect){pair & 1, pair & 2, (pair >> 2) % (SQL_CHARSET_GB18030 + 1), 0, false});
            const uint8_t *behind = text;
            struct sql_token t;
            while ((t = sql_next(&l)).kind != SQL_END) {
                if (t.text.at < behind || !t.text.len || t.text.at + t.text.len > text + len)
                    CU_FAIL_FATAL("a token stands still or leaves the text");
                behind = t.text.at + t.text.len;
            }
        }
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"words, numbers, operators", words_numbers_operators},
        {"dots make names", dots_make_names},
        {"strings end where servers end them", strings_end_where_servers_end_them},
        {"variables in all quotings", variables_in_all_quotings},
        {"comments are no tokens, but executable ones are code", comments_are_no_tokens_but_executable_ones_are_code},
        {"executable comments of one server", executable_comments_of_one_server},
        {"executable comments say when their end is uncertain", executable_comments_say_when_their_end_is_uncertain},
        {"characters that hide quotes are read whole", characters_that_hide_quotes_are_read_whole},
        {"character sets are known by name and number", character_sets_are_known_by_name_and_number},
        {"the first hint is kept", the_first_hint_is_kept},
        {"values of tokens", values_of_tokens},
        {"names that no server has are refused", names_that_no_server_has_are_refused},
        {"any bytes come to an end", any_bytes_come_to_an_end},
        {NULL, NULL},
    };
    return unit_main("sql/lexer", tests);
}
