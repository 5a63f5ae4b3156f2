/* Long lists of literals, passed over byte by byte instead of word by word: statements of megabytes consist of them. Leaves
 * deciding where they say nothing to survey.c. */
#include "proxy/sql/lexer.h"

#include "proxy/sql/bytes.h"

#define TUPLE_MOST 65536 /* what is read twice where its parenthesis does not close */

static uint8_t byte_at(const struct sql_lexer *l, size_t n)
{
    return n < cursor_left(&l->in) ? l->in.at[n] : 0;
}

static size_t digits(const struct sql_lexer *l, size_t n)
{
    while (byte_is_digit(byte_at(l, n)))
        n++;
    return n;
}

/* Behind a plain number from `n` on; `n` where it is anything else: a name, an exponent, a comment of dashes. */
static size_t behind_number(const struct sql_lexer *l, size_t n)
{
    size_t begin = n + (byte_at(l, n) == '-' || byte_at(l, n) == '+'), end = digits(l, begin);
    if (end == begin)
        return n;
    if (byte_at(l, end) == '.')
        end = digits(l, end + 1);
    return byte_is_name(byte_at(l, end)) || byte_at(l, end) == '.' ? n : end;
}

static size_t behind_null(const struct sql_lexer *l, size_t n)
{
    static const char word[] = "null";
    for (size_t i = 0; word[i]; i++)
        if (byte_lower(byte_at(l, n + i)) != word[i])
            return n;
    uint8_t next = byte_at(l, n + 4);
    return next == ',' || next == ')' ? n + 4 : n;
}

static size_t behind_string(const struct sql_lexer *l, size_t n)
{
    struct sql_lexer ahead = *l;
    cursor_skip(&ahead.in, n);
    struct sql_token t = sql_next(&ahead);
    return t.kind == SQL_STRING && !t.unfinished ? n + t.text.len : n;
}

static size_t behind_literal(const struct sql_lexer *l, size_t n)
{
    uint8_t c = byte_at(l, n);
    if (byte_is_digit(c) || c == '-' || c == '+')
        return behind_number(l, n);
    if (c == '\'' || c == '"')
        return behind_string(l, n);
    return byte_lower(c) == 'n' ? behind_null(l, n) : n;
}

/* How many bytes from here on are literals, commas and pairs of parentheses around such, one within no other. */
static size_t values_length(const struct sql_lexer *l)
{
    size_t n = 0, whole = 0, tuple = 0; /* behind its parenthesis; 0: in none */
    while (n < cursor_left(&l->in) && (!tuple || n - tuple < TUPLE_MOST)) {
        uint8_t c = l->in.at[n];
        size_t before = n;
        if (c == ',' || byte_is_space(c))
            n++;
        else if (c == '(' && !tuple)
            tuple = ++n;
        else if (c == ')' && tuple)
            n++, tuple = 0;
        else
            n = behind_literal(l, n);
        if (n == before)
            break;
        whole = tuple ? whole : n;
    }
    return whole;
}

void sql_skip_values(struct sql_tokens *in)
{
    struct sql_lexer from = in->lexer;
    bool literal = in->ahead.kind == SQL_NUMBER || in->ahead.kind == SQL_STRING;
    if (from.executable || (!literal && !sql_is_punct(&in->ahead, ',') && !sql_is_punct(&in->ahead, '(')))
        return;
    from.in.at = in->ahead.text.at;
    size_t n = values_length(&from);
    if (n <= in->ahead.text.len)
        return;
    cursor_skip(&from.in, n);
    from.after_dot = false;
    in->lexer = from;
    in->ahead = sql_next(&in->lexer);
}
