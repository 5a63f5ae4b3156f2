/* Words out of a line. */
#include "proxy/resp/inline.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The value of a hexadecimal digit, or -1. */
static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash in double quotes. */
static uint8_t escaped(struct cursor *c)
{
    static const char names[] = "nrtba", meant[] = "\n\r\t\b\a";
    uint8_t x = cursor_u8(c);
    if (x == 'x' && cursor_left(c) >= 2 && digit(c->at[0]) >= 0 && digit(c->at[1]) >= 0) {
        int high = digit(cursor_u8(c));
        return (uint8_t)(high * 16 + digit(cursor_u8(c)));
    }
    for (size_t i = 0; names[i]; i++)
        if (x == (uint8_t)names[i])
            return (uint8_t)meant[i];
    return x;
}

/* Behind the opening quote, up to and with the closing one, behind which the word must end. */
static bool quoted(struct cursor *c, uint8_t quote, struct comp_argv *out)
{
    while (cursor_left(c)) {
        uint8_t x = cursor_u8(c);
        if (x == quote)
            return !cursor_left(c) || is_space(*c->at);
        if (x == '\\' && cursor_left(c)) {
            if (quote == '"')
                x = escaped(c);
            else if (*c->at == '\'')
                x = cursor_u8(c);
        }
        comp_argv_extend(out, &x, 1);
    }
    return false;
}

static bool word(struct cursor *c, struct comp_argv *out)
{
    comp_argv_add(out, "", 0);
    while (cursor_left(c) && !is_space(*c->at)) {
        uint8_t x = cursor_u8(c);
        if (x == '"' || x == '\'')
            return quoted(c, x, out);
        comp_argv_extend(out, &x, 1);
    }
    return true;
}

bool resp_inline_split(struct slice line, struct comp_argv *out)
{
    struct cursor c = cursor_make(line.at, line.len);
    struct slice text = cursor_until_nul(&c); /* to Redis the line ends there */
    c = text.at ? cursor_make(text.at, text.len) : cursor_make(line.at, line.len);
    for (;;) {
        while (cursor_left(&c) && is_space(*c.at))
            cursor_skip(&c, 1);
        if (!cursor_left(&c))
            return true;
        if (!word(&c, out))
            return false;
    }
}
