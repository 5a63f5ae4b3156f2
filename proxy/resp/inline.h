/* A command typed as a line: words between spaces, in "double" quotes with escapes or in 'single' ones, by Redis' rules. */
#ifndef PROXY_RESP_INLINE_H
#define PROXY_RESP_INLINE_H

#include <stdbool.h>

#include "base/check.h"
#include "base/cursor.h"
#include "compensate/argv.h"

/* Appends the line's words, perhaps none. False: a quote is not closed, or something stands right behind one; `out` then holds
 * what came before it. */
bool resp_inline_split(struct slice line, struct comp_argv *out) MUST_USE;

#endif
