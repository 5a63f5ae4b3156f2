/* Log records as text for people. */
#ifndef TOOLS_PAYLOAD_TEXT_H
#define TOOLS_PAYLOAD_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

const char *record_type_text(uint8_t type); /* NULL: nobody's number */
/* Appends key=value text without a newline; what cannot be read comes as length and hex. */
void payload_text(struct buf *out, uint8_t type, struct slice payload);
/* Wall clock as 2026-01-31T12:00:00.000Z. */
void time_text(struct buf *out, int64_t wall_ms);

#endif
