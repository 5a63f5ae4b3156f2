/* Replies as a Redis client reads them, in RESP2 or RESP3. Redis itself is asked in RESP2 only; what a reply is in RESP3, and
 * what got lost on its way through a function or the parser, a type says (types.h). */
#ifndef PROXY_RESP_REPLY_H
#define PROXY_RESP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

struct redisReply;

/* proto is 2 or 3 everywhere. */
void resp_put_status(struct buf *out, const char *text);
void resp_put_error(struct buf *out, const char *text); /* with its code word; line ends become spaces */
void resp_put_integer(struct buf *out, int64_t v);
void resp_put_bulk(struct buf *out, struct slice bytes);
void resp_put_text(struct buf *out, const char *text); /* a bulk string */
void resp_put_null(struct buf *out, unsigned proto);
void resp_put_null_array(struct buf *out, unsigned proto);
void resp_put_array(struct buf *out, size_t elements);           /* that many replies follow */
void resp_put_map(struct buf *out, unsigned proto, size_t pairs); /* twice as many */

void resp_put_flags(struct buf *out, const bool *set, size_t n);  /* an array of 0 and 1 */

/* A reply to the command whose type that is, as the server itself would have sent it. */
void resp_put_reply(struct buf *out, unsigned proto, const struct redisReply *reply, const char *type);

/* Instead of a reply of that type: nothing came to a command that waited. */
void resp_put_nil(struct buf *out, unsigned proto, const char *type);

#endif
