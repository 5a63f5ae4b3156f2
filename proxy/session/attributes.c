/* What a client says of itself at log-in (_client_name, program_name, ...), kept for the servers' performance_schema: whoever
 * looks there sees the client for whom a connection was opened. Leaves the proxy's own attributes to backend/login.c. */
#include <string.h>

#include "proxy/session/phases.h"

#define ATTRIBUTES_MOST 2048 /* servers keep 512 unless told otherwise */

static bool is_ours(struct slice name)
{
    return name.len >= 6 && !memcmp(name.at, "proxy_", 6);
}

/* Pairs as they come; what does not fit is left out, what cannot be read ends them. */
void attributes_take(struct session *s, struct slice said)
{
    struct cursor c = cursor_make(said.at, said.len);
    buf_fini(&s->attributes);
    while (said.len && cursor_left(&c)) {
        const uint8_t *pair = c.at;
        struct slice name = wire_lenenc_str(&c, NULL);
        (void)wire_lenenc_str(&c, NULL);
        if (c.bad)
            return;
        size_t n = (size_t)(c.at - pair);
        if (!is_ours(name) && buf_len(&s->attributes) + n <= ATTRIBUTES_MOST)
            buf_append(&s->attributes, pair, n);
    }
}
