/* Classes of bytes in SQL, whatever the process's locale is; leaves what words they make to the lexer. */
#ifndef PROXY_SQL_BYTES_H
#define PROXY_SQL_BYTES_H

#include "base/cursor.h"

static inline bool byte_is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline bool byte_is_control(uint8_t c) { return c < 0x20 || c == 0x7f; }
static inline bool byte_is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static inline bool byte_is_bit(uint8_t c) { return c == '0' || c == '1'; }
static inline uint8_t byte_lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c; }
static inline bool byte_is_hex(uint8_t c)
{
    return byte_is_digit(c) || (byte_lower(c) >= 'a' && byte_lower(c) <= 'f');
}
static inline bool byte_is_name(uint8_t c)
{
    return byte_is_digit(c) || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z') || c == '_' || c == '$' || c >= 0x80;
}
static inline uint8_t byte_hex_value(uint8_t c)
{
    return byte_is_digit(c) ? (uint8_t)(c - '0') : (uint8_t)(byte_lower(c) - 'a' + 10);
}

/* As strcmp, letters without case; `text` is lower case. */
static inline int bytes_compare_word(struct slice word, const char *text)
{
    for (size_t i = 0; i < word.len; i++) {
        int difference = byte_lower(word.at[i]) - (uint8_t)text[i];
        if (difference)
            return difference;
    }
    return text[word.len] ? -1 : 0;
}

#endif
