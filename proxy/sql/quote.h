/* Bytes and names put into SQL text so that any server reads them back as they were. Pure. */
#ifndef PROXY_SQL_QUOTE_H
#define PROXY_SQL_QUOTE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "proxy/sql/lexer.h"

void sql_quote_text(struct buf *out, struct slice text, const struct sql_dialect *dialect); /* '...' */
void sql_quote_bytes(struct buf *out, struct slice bytes);                                  /* X'...' */
void sql_quote_name(struct buf *out, const char *name, const struct sql_dialect *dialect);  /* `...` */
/* Whether servers take these bytes, given as hexadecimal digits, for a text of utf8mb4. */
bool sql_hex_is_utf8(struct slice digits);

#endif
