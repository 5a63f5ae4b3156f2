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

void sql_quote_name(struct buf *out, const char *name, const struct sql_dialect *dialect)
{
    struct cursor c = cursor_make(name, strlen(name));
    buf_u8(out, '`');
    while (cursor_left(&c)) {
        struct slice character = cursor_bytes(&c, sql_charset_length(dialect->charset, c.at, cursor_left(&c)));
        if (slice_is(character, "`"))
            buf_u8(out, '`');
        buf_append(out, character.at, character.len);
    }
    buf_u8(out, '`');
}

/* --- UTF-8 ------------------------------------------------------------------------------------------------------------------ */

static uint8_t hex_byte(struct cursor *digits)
{
    uint8_t byte = 0;
    for (int i = 0; i < 2; i++) {
        uint8_t c = cursor_u8(digits);
        byte = (uint8_t)(byte << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10));
    }
    return byte;
}

static unsigned bytes_behind(uint8_t lead)
{
    return lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
}

bool sql_hex_is_utf8(struct slice digits)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    struct cursor c = cursor_make(digits.at, digits.len);
    while (!c.bad && cursor_left(&c)) {
        uint8_t lead = hex_byte(&c);
        unsigned behind = bytes_behind(lead);
        uint32_t code = behind ? lead & (0x3Fu >> behind) : lead;
        bool fine = lead < 0x80 || (lead >= 0xC2 && lead < 0xF5);
        for (unsigned i = 0; fine && i < behind; i++) {
            uint8_t next = hex_byte(&c);
            fine = next >> 6 == 2;
            code = code << 6 | (next & 0x3Fu);
        }
        if (!fine || code < least[behind] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            return false;
    }
    return !c.bad;
}
