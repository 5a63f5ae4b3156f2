/* Where does each word end? Leaves what the bytes of a token stand for to value.c. */
#include "proxy/sql/lexer.h"

#include <string.h>

#include "proxy/sql/bytes.h"

void sql_lexer_init(struct sql_lexer *l, struct slice text, const struct sql_dialect *dialect)
{
    *l = (struct sql_lexer){
        .in = cursor_make(text.at ? (const void *)text.at : "", text.len),
        .dialect = *dialect,
    };
}

static uint8_t peek(const struct sql_lexer *l, size_t n)
{
    return n < cursor_left(&l->in) ? l->in.at[n] : 0;
}

/* What a server that skips the surrounding executable comment would read as an end or a nested beginning, a server that
 * executes it reads as content. */
static void note_ambiguity(struct sql_lexer *l, struct slice s)
{
    if (l->executable && (memmem(s.at, s.len, "*/", 2) || memmem(s.at, s.len, "/*", 2)))
        l->ambiguous = true;
}

static void note_hint(struct sql_lexer *l, struct slice comment)
{
    static const char mark[] = "xaproxy:";
    struct cursor c = cursor_make(comment.at, comment.len);
    while (byte_is_space(cursor_peek(&c)))
        cursor_skip(&c, 1);
    if (!l->hint.at && cursor_left(&c) >= sizeof mark - 1 && !memcmp(c.at, mark, sizeof mark - 1))
        l->hint = cursor_rest(&c);
}

static void skip_line(struct sql_lexer *l, size_t mark)
{
    size_t left = cursor_left(&l->in);
    const uint8_t *newline = memchr(l->in.at, '\n', left);
    struct slice line = cursor_bytes(&l->in, newline ? (size_t)(newline - l->in.at) : left);
    note_ambiguity(l, line);
    note_hint(l, (struct slice){line.at + mark, line.len - mark});
}

static void skip_plain_comment(struct sql_lexer *l)
{
    cursor_skip(&l->in, 2);
    const uint8_t *end = memmem(l->in.at, cursor_left(&l->in), "*/", 2);
    struct slice content = cursor_bytes(&l->in, end ? (size_t)(end - l->in.at) : cursor_left(&l->in));
    note_hint(l, content);
    if (end)
        cursor_skip(&l->in, 2);
    else
        l->unfinished_comment = true;
}

/* The version is five digits, or six since both families count further; fewer are code, and tell none. */
static size_t version_length(const struct sql_lexer *l, size_t mark)
{
    size_t digits = 0;
    while (digits < 6 && byte_is_digit(peek(l, mark + digits)))
        digits++;
    return digits >= 5 ? digits : 0;
}

/* MariaDB takes what is said to MySQL 5.7 and later for things that it does otherwise. */
static bool server_runs(const struct sql_lexer *l, size_t mark)
{
    unsigned version = 0;
    bool for_mariadb = mark == 4;
    for (size_t i = 0; i < version_length(l, mark); i++)
        version = version * 10 + (peek(l, mark + i) - '0');
    if (l->dialect.mariadb)
        return version <= l->dialect.version && (for_mariadb || version < 50700 || version > 99999);
    return version <= l->dialect.version && !for_mariadb;
}

/* As servers do, over plain comments within it. */
static void skip_unrun(struct sql_lexer *l)
{
    bool within = false;
    for (cursor_skip(&l->in, 2); cursor_left(&l->in); cursor_skip(&l->in, 1)) {
        bool end = peek(l, 0) == '*' && peek(l, 1) == '/', begin = !within && peek(l, 0) == '/' && peek(l, 1) == '*';
        if (!end && !begin)
            continue;
        cursor_skip(&l->in, 1);
        if (end && !within) {
            cursor_skip(&l->in, 1);
            return;
        }
        within = begin;
    }
    l->unfinished_comment = true;
}

/* Where it is not said which version the server has the content counts as code on every one. Servers end all nested executable
 * comments at the first end mark; whoever nests them gets no certainty. */
static void open_executable(struct sql_lexer *l, size_t mark)
{
    l->saw_executable = true;
    if (l->dialect.version && !server_runs(l, mark)) {
        skip_unrun(l);
        return;
    }
    cursor_skip(&l->in, mark + version_length(l, mark));
    if (l->executable++)
        l->ambiguous = true;
}

static bool at_dash_comment(const struct sql_lexer *l)
{
    return peek(l, 0) == '-' && peek(l, 1) == '-' &&
           (cursor_left(&l->in) == 2 || byte_is_space(peek(l, 2)) || byte_is_control(peek(l, 2)));
}

/* Skips one stretch that is no token; false when there is none. */
static bool skip_blank(struct sql_lexer *l)
{
    uint8_t c = peek(l, 0), next = peek(l, 1);
    if (byte_is_space(c))
        cursor_skip(&l->in, 1);
    else if (c == '#')
        skip_line(l, 1);
    else if (at_dash_comment(l))
        skip_line(l, 2);
    else if (c == '/' && next == '*' && peek(l, 2) == '!')
        open_executable(l, 3);
    else if (c == '/' && next == '*' && peek(l, 2) == 'M' && peek(l, 3) == '!')
        open_executable(l, 4);
    else if (c == '/' && next == '*')
        skip_plain_comment(l);
    else if (c == '*' && next == '/' && l->executable)
        cursor_skip(&l->in, 2), l->executable--;
    else
        return false;
    return true;
}

static const uint8_t *find(const struct sql_lexer *l, uint8_t c)
{
    return memchr(l->in.at, c, cursor_left(&l->in));
}

static void skip_behind(struct sql_lexer *l, const uint8_t *p)
{
    cursor_skip(&l->in, (size_t)(p - l->in.at) + 1);
}

/* From behind the opening quote on, where characters may hide it. Within names servers of one family skip the byte behind a first
 * one whatever it is, the others only where both make a character: whoever writes such a thing gets no certainty. */
static bool skip_quoted_wide(struct sql_lexer *l, uint8_t quote, bool escapes)
{
    while (cursor_left(&l->in)) {
        size_t n = sql_charset_length(l->dialect.charset, l->in.at, cursor_left(&l->in));
        uint8_t c = peek(l, 0);
        l->ambiguous |= n == 1 && quote == '`' && sql_charset_is_lead(l->dialect.charset, c);
        cursor_skip(&l->in, n);
        if (c == '\\' && escapes && cursor_left(&l->in))
            cursor_skip(&l->in, 1);
        else if (n == 1 && c == quote && peek(l, 0) == quote)
            cursor_skip(&l->in, 1);
        else if (n == 1 && c == quote)
            return true;
    }
    return false;
}

/* From the opening quote on; true when the closing one was found. Doubled quotes are content. Looks for a quote anew only
 * behind the last one: texts of megabytes come this way. */
static bool skip_quoted(struct sql_lexer *l, bool escapes)
{
    uint8_t quote = cursor_u8(&l->in);
    if (l->dialect.charset != SQL_CHARSET_PLAIN)
        return skip_quoted_wide(l, quote, escapes);
    const uint8_t *close = find(l, quote);
    while (close) {
        const uint8_t *escape = escapes ? memchr(l->in.at, '\\', (size_t)(close - l->in.at)) : NULL;
        skip_behind(l, escape ? escape + 1 : close);
        if (!escape && peek(l, 0) != quote)
            return true;
        if (!escape)
            cursor_skip(&l->in, 1);
        if (l->in.at > close)
            close = find(l, quote);
    }
    cursor_rest(&l->in);
    return false;
}

static size_t name_length(const struct sql_lexer *l, size_t from)
{
    while (byte_is_name(peek(l, from)))
        from += l->dialect.charset == SQL_CHARSET_PLAIN
                    ? 1
                    : sql_charset_length(l->dialect.charset, l->in.at + from, cursor_left(&l->in) - from);
    return from;
}

static size_t digits_length(const struct sql_lexer *l, size_t from)
{
    while (byte_is_digit(peek(l, from)))
        from++;
    return from;
}

static size_t exponent_length(const struct sql_lexer *l, size_t n)
{
    if (peek(l, n) != 'e' && peek(l, n) != 'E')
        return n;
    size_t sign = peek(l, n + 1) == '+' || peek(l, n + 1) == '-';
    return byte_is_digit(peek(l, n + 1 + sign)) ? digits_length(l, n + 1 + sign) : n;
}

/* 12, 1.5, .5, 1e10; but 12ab is a name. */
static enum sql_token_kind take_number(struct sql_lexer *l)
{
    size_t n = digits_length(l, 0);
    size_t whole = n;
    if (peek(l, n) == '.')
        n = digits_length(l, n + 1);
    n = exponent_length(l, n);
    if (n == whole && byte_is_name(peek(l, n))) {
        cursor_skip(&l->in, name_length(l, n));
        return SQL_WORD;
    }
    cursor_skip(&l->in, n);
    return SQL_NUMBER;
}

/* 0x1F and 0b01 where nothing but such digits follows, else a name. */
static enum sql_token_kind take_prefixed(struct sql_lexer *l, bool (*is_digit)(uint8_t), enum sql_token_kind kind)
{
    size_t n = 2;
    while (is_digit(peek(l, n)))
        n++;
    bool is_name = n == 2 || byte_is_name(peek(l, n));
    cursor_skip(&l->in, is_name ? name_length(l, n) : n);
    return is_name ? SQL_WORD : kind;
}

/* X'..', b'..': no escapes; what else than digits is inside makes a server stop there, as if unfinished. */
static enum sql_token_kind take_quoted_digits(struct sql_lexer *l, bool (*is_digit)(uint8_t), enum sql_token_kind kind,
                                              bool *unfinished)
{
    cursor_skip(&l->in, 2);
    while (is_digit(peek(l, 0)))
        cursor_skip(&l->in, 1);
    *unfinished = peek(l, 0) != '\'';
    while (cursor_left(&l->in) && cursor_u8(&l->in) != '\'')
        ;
    return kind;
}

static enum sql_token_kind take_string(struct sql_lexer *l, size_t prefix, bool *unfinished)
{
    cursor_skip(&l->in, prefix);
    *unfinished = !skip_quoted(l, !l->dialect.no_backslash_escapes);
    return SQL_STRING;
}

static enum sql_token_kind take_quoted_name(struct sql_lexer *l, bool *unfinished)
{
    *unfinished = !skip_quoted(l, false);
    return SQL_QUOTED_NAME;
}

static enum sql_token_kind take_variable(struct sql_lexer *l, bool *unfinished)
{
    cursor_skip(&l->in, 1);
    bool system = peek(l, 0) == '@';
    if (system)
        cursor_skip(&l->in, 1);
    uint8_t c = peek(l, 0);
    if (c == '`' || (!system && (c == '"' || c == '\'')))
        *unfinished = !skip_quoted(l, c != '`' && !l->dialect.no_backslash_escapes);
    else
        for (size_t n; (n = name_length(l, 0)) || (!system && peek(l, 0) == '.');)
            cursor_skip(&l->in, n ? n : 1);
    return system ? SQL_SYSTEM_VARIABLE : SQL_VARIABLE;
}

static enum sql_token_kind take_punct(struct sql_lexer *l)
{
    cursor_skip(&l->in, peek(l, 0) == ':' && peek(l, 1) == '=' ? 2 : 1);
    return SQL_PUNCT;
}

static enum sql_token_kind take_word(struct sql_lexer *l, bool *unfinished)
{
    uint8_t c = byte_lower(peek(l, 0));
    if (peek(l, 1) == '\'' && !l->after_dot) {
        if (c == 'n')
            return take_string(l, 1, unfinished);
        if (c == 'x')
            return take_quoted_digits(l, byte_is_hex, SQL_HEX, unfinished);
        if (c == 'b')
            return take_quoted_digits(l, byte_is_bit, SQL_BITS, unfinished);
    }
    cursor_skip(&l->in, name_length(l, 0));
    return SQL_WORD;
}

static enum sql_token_kind take_token(struct sql_lexer *l, bool *unfinished)
{
    uint8_t c = peek(l, 0), next = peek(l, 1);
    bool dot_is_point = l->in.at != l->name_end;
    if (c == '\'' || (c == '"' && !l->dialect.ansi_quotes))
        return take_string(l, 0, unfinished);
    if (c == '`' || c == '"')
        return take_quoted_name(l, unfinished);
    if (c == '0' && next == 'x' && !l->after_dot)
        return take_prefixed(l, byte_is_hex, SQL_HEX);
    if (c == '0' && next == 'b' && !l->after_dot)
        return take_prefixed(l, byte_is_bit, SQL_BITS);
    if ((byte_is_digit(c) && !l->after_dot) || (c == '.' && dot_is_point && byte_is_digit(next)))
        return take_number(l);
    if (byte_is_name(c))
        return take_word(l, unfinished);
    if (c == '@')
        return take_variable(l, unfinished);
    if (c == '?')
        return cursor_skip(&l->in, 1), SQL_PARAMETER;
    return take_punct(l);
}

struct sql_token sql_next(struct sql_lexer *l)
{
    while (skip_blank(l))
        ;
    struct sql_token t = {.kind = SQL_END, .text = {l->in.at, 0}};
    if (!cursor_left(&l->in))
        return t;
    t.kind = take_token(l, &t.unfinished);
    t.text.len = (size_t)(l->in.at - t.text.at);
    l->after_dot = sql_is_punct(&t, '.');
    if (t.kind == SQL_WORD || t.kind == SQL_QUOTED_NAME || t.kind == SQL_SYSTEM_VARIABLE)
        l->name_end = l->in.at;
    note_ambiguity(l, t.text);
    return t;
}

void sql_tokens_init(struct sql_tokens *in, struct slice text, const struct sql_dialect *dialect)
{
    sql_lexer_init(&in->lexer, text, dialect);
    in->ahead = sql_next(&in->lexer);
}

struct sql_token sql_take(struct sql_tokens *in)
{
    struct sql_token taken = in->ahead;
    in->ahead = sql_next(&in->lexer);
    return taken;
}

bool sql_accept_word(struct sql_tokens *in, const char *word)
{
    bool there = sql_is_word(&in->ahead, word);
    if (there)
        sql_take(in);
    return there;
}

bool sql_accept_punct(struct sql_tokens *in, char c)
{
    bool there = sql_is_punct(&in->ahead, c);
    if (there)
        sql_take(in);
    return there;
}

bool sql_is_name(const struct sql_token *t)
{
    return t->kind == SQL_WORD || t->kind == SQL_QUOTED_NAME;
}

bool sql_is_word(const struct sql_token *t, const char *word)
{
    return t->kind == SQL_WORD && slice_is_word(t->text, word);
}

bool sql_is_punct(const struct sql_token *t, char c)
{
    return t->kind == SQL_PUNCT && t->text.len == 1 && t->text.at[0] == (uint8_t)c;
}
