/* The five character sets that hide ASCII in second bytes, as both families' ctype tables have them. */
#include "proxy/sql/charset.h"

#include <string.h>
#include <strings.h>

struct range {
    uint8_t from, to;
};
struct family {
    const char *name;
    enum sql_charset charset;
    uint16_t collation[3]; /* default, binary, a third; 0: none */
};
static const struct family families[] = {
    {"big5", SQL_CHARSET_BIG5, {1, 84}},       {"sjis", SQL_CHARSET_SJIS, {13, 88}},
    {"cp932", SQL_CHARSET_SJIS, {95, 96}},     {"gbk", SQL_CHARSET_GBK, {28, 87}},
    {"gb18030", SQL_CHARSET_GB18030, {248, 249, 250}},
};
/* MariaDB numbers its variants without padding 1024 further. */
#define NOPAD 1024

enum sql_charset sql_charset_named(const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcasecmp(name, families[i].name))
            return families[i].charset;
    return SQL_CHARSET_PLAIN;
}

enum sql_charset sql_charset_of_collation(unsigned id)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (size_t k = 0; k < 3 && families[i].collation[k]; k++)
            if (id == families[i].collation[k] || id == families[i].collation[k] + (unsigned)NOPAD)
                return families[i].charset;
    return SQL_CHARSET_PLAIN;
}

bool sql_charset_is_wide(unsigned id)
{
    id &= ~(unsigned)NOPAD;
    return id == 35 || id == 90 || (id >= 128 && id <= 151) || id == 159 ||           /* ucs2 */
           (id >= 54 && id <= 56) || id == 62 || (id >= 101 && id <= 124) ||           /* utf16, utf16le */
           id == 60 || id == 61 || (id >= 160 && id <= 183);                           /* utf32 */
}

static bool within(uint8_t c, struct range a, struct range b)
{
    return (c >= a.from && c <= a.to) || (c >= b.from && c <= b.to);
}

/* Lead and trail bytes: two ranges each. */
static const struct {
    struct range lead[2], trail[2];
} bytes[] = {
    [SQL_CHARSET_BIG5] = {{{0xa1, 0xf9}, {0xa1, 0xf9}}, {{0x40, 0x7e}, {0xa1, 0xfe}}},
    [SQL_CHARSET_SJIS] = {{{0x81, 0x9f}, {0xe0, 0xfc}}, {{0x40, 0x7e}, {0x80, 0xfc}}},
    [SQL_CHARSET_GBK] = {{{0x81, 0xfe}, {0x81, 0xfe}}, {{0x40, 0x7e}, {0x80, 0xfe}}},
    [SQL_CHARSET_GB18030] = {{{0x81, 0xfe}, {0x81, 0xfe}}, {{0x40, 0x7e}, {0x80, 0xfe}}},
};

bool sql_charset_is_lead(enum sql_charset charset, uint8_t c)
{
    return charset != SQL_CHARSET_PLAIN && within(c, bytes[charset].lead[0], bytes[charset].lead[1]);
}

static bool is_gb18030_four(const uint8_t *at, size_t n)
{
    const struct range digit = {0x30, 0x39}, lead = {0x81, 0xfe};
    return n >= 4 && within(at[1], digit, digit) && within(at[2], lead, lead) && within(at[3], digit, digit);
}

size_t sql_charset_length(enum sql_charset charset, const uint8_t *at, size_t n)
{
    if (n < 2 || !sql_charset_is_lead(charset, at[0]))
        return 1;
    if (within(at[1], bytes[charset].trail[0], bytes[charset].trail[1]))
        return 2;
    return charset == SQL_CHARSET_GB18030 && is_gb18030_four(at, n) ? 4 : 1;
}
