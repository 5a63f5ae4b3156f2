/* Character sets as far as they change where words end: some have characters whose second byte looks like a quote or a backslash.
 * Pure; leaves what characters mean to the servers. */
#ifndef PROXY_SQL_CHARSET_H
#define PROXY_SQL_CHARSET_H

#include <stdbool.h>

#include "base/cursor.h"

/* PLAIN: UTF-8, single bytes, and those of East Asia whose bytes are all from 0x80 up (ujis, euckr, gb2312). */
enum sql_charset { SQL_CHARSET_PLAIN, SQL_CHARSET_BIG5, SQL_CHARSET_SJIS, SQL_CHARSET_GBK, SQL_CHARSET_GB18030 };

enum sql_charset sql_charset_named(const char *name);           /* "gbk"; unknown names are PLAIN */
enum sql_charset sql_charset_of_collation(unsigned id);         /* likewise, by the number of a collation */
/* Of a collation in which no client may speak, since its characters have two or four bytes: ucs2, utf16, utf16le, utf32. */
bool sql_charset_is_wide(unsigned collation);
bool sql_charset_is_lead(enum sql_charset charset, uint8_t c);  /* may begin a character of several bytes */
/* Bytes of the character at `at`, 1 where it is no well-formed one of several. n > 0 bytes are there. */
size_t sql_charset_length(enum sql_charset charset, const uint8_t *at, size_t n);

#endif
