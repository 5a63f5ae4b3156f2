/* The three ways of quoting. */
#include "proxy/sql/quote.h"

#include <string.h>

void sql_quote_text(struct buf *out, struct slice text, const struct sql_dialect *dialect)
{
    struct cursor c = cursor_make(text.len ? (const void *)text.at : "", text.len);
    buf_u8(out, '\'');
    while (cursor_left(&c)) {
        struct slice character = cursor_bytes(&c, sql_charset_length(dialect->charset, c.at, cursor_left(&c)));
        if (slice_is(character, "'"))
            buf_u8(out, '\'');
        else if (slice_is(character, "\\") && !dialect->no_backslash_escapes)
            buf_u8(out, '\\');
        buf_append(out, character.at, character.len);
    }
    buf_u8(out, '\'');
}

void sql_quote_bytes(struct buf *out, struct slice bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    buf_text(out, "X'");
    for (size_t i = 0; i < bytes.len; i++) {
        buf_u8(out, (uint8_t)digits[bytes.at[i] >> 4]);
        buf_u8(out, (uint8_t)digits[bytes.at[i] & 15]);
    }
    buf_u8(out, '\'');
}

void sql_quote_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*name);
    }
    buf_u8(out, '`');
}
