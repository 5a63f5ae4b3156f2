/* What do the bytes of a token stand for? Leaves what a whole argument of several tokens means to call.c. */
#include "proxy/sql/lexer.h"

#include <string.h>

#include "proxy/sql/bytes.h"

/* As the servers' lexers have it: \% and \_ keep the backslash, for LIKE; an unknown escape is the character itself. */
static void append_escape(struct buf *out, uint8_t c)
{
    static const char from[] = "0bnrtZ", to[] = "\0\b\n\r\t\032";
    const char *known = c ? strchr(from, c) : NULL;
    if (c == '%' || c == '_')
        buf_u8(out, '\\');
    buf_u8(out, known ? (uint8_t)to[known - from] : c);
}

/* A character of several bytes is content, whatever they look like. */
static bool append_wide(struct cursor *in, enum sql_charset charset, struct buf *out)
{
    size_t n = sql_charset_length(charset, in->at, cursor_left(in));
    if (n == 1)
        return false;
    struct slice character = cursor_bytes(in, n);
    buf_append(out, character.at, character.len);
    return true;
}

/* `in` stands on the opening quote. */
static void append_quoted(struct cursor *in, bool escapes, enum sql_charset charset, struct buf *out)
{
    uint8_t quote = cursor_u8(in);
    while (cursor_left(in)) {
        if (append_wide(in, charset, out))
            continue;
        uint8_t c = cursor_u8(in);
        if (c == '\\' && escapes && cursor_left(in)) {
            append_escape(out, cursor_u8(in));
        } else if (c != quote) {
            buf_u8(out, c);
        } else {
            if (cursor_peek(in) != quote || !cursor_left(in))
                return;
            buf_u8(out, cursor_u8(in));
        }
    }
}

/* `in` stands on the first digit; an odd number of them has a zero before it, as in 0xF. */
static void append_digits(struct cursor *in, bool (*is_digit)(uint8_t), unsigned bits_each, struct buf *out)
{
    size_t n = 0;
    while (n < cursor_left(in) && is_digit(in->at[n]))
        n++;
    unsigned per_byte = 8 / bits_each, byte = 0;
    for (; n; n--) {
        byte = (byte << bits_each | byte_hex_value(cursor_u8(in))) & 0xff;
        if ((n - 1) % per_byte == 0)
            buf_u8(out, (uint8_t)byte), byte = 0;
    }
}

static void append_variable(struct cursor *in, bool escapes, enum sql_charset charset, struct buf *out)
{
    while (cursor_peek(in) == '@')
        cursor_skip(in, 1);
    uint8_t c = cursor_peek(in);
    struct slice rest;
    if (c == '`' || c == '\'' || c == '"')
        append_quoted(in, c != '`' && escapes, charset, out);
    else if ((rest = cursor_rest(in)).len)
        buf_append(out, rest.at, rest.len);
}

void sql_token_value(const struct sql_lexer *l, const struct sql_token *t, struct buf *out)
{
    struct cursor in = cursor_make(t->text.at, t->text.len);
    bool escapes = !l->dialect.no_backslash_escapes;
    enum sql_charset charset = l->dialect.charset;
    switch (t->kind) {
    case SQL_STRING:
        if (byte_lower(cursor_peek(&in)) == 'n')
            cursor_skip(&in, 1);
        append_quoted(&in, escapes, charset, out);
        break;
    case SQL_QUOTED_NAME:
        append_quoted(&in, false, charset, out);
        break;
    case SQL_HEX:
        cursor_skip(&in, 2); /* X' or 0x */
        append_digits(&in, byte_is_hex, 4, out);
        break;
    case SQL_BITS:
        cursor_skip(&in, 2);
        append_digits(&in, byte_is_bit, 1, out);
        break;
    case SQL_VARIABLE:
    case SQL_SYSTEM_VARIABLE:
        append_variable(&in, escapes, charset, out);
        break;
    default:
        buf_append(out, t->text.at, t->text.len);
    }
}

bool sql_token_name(const struct sql_lexer *l, const struct sql_token *t, char out[SQL_NAME_SIZE])
{
    out[0] = '\0';
    if (t->text.len > 2 * SQL_NAME_SIZE) /* too long even if each byte were escaped: not worth decoding */
        return false;
    struct buf value = {0};
    sql_token_value(l, t, &value);
    size_t len = strlen(buf_cstr(&value));
    bool fits = len == buf_len(&value) && len < SQL_NAME_SIZE;
    if (fits)
        memcpy(out, buf_at(&value), len + 1);
    buf_fini(&value);
    return fits;
}
