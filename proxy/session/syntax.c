/* What a syntax error quotes: a server quotes to the end of the packet, and of several statements in one it was sent one only.
 * Leaves the rest of an error to relay.c. */
#include <ctype.h>
#include <string.h>

#include "proxy/session/phases.h"

#define QUOTED_MAX 80 /* bytes that servers quote */

struct quotation {
    struct slice before, quoted, behind; /* of the message */
};

static bool find(struct slice message, struct quotation *q)
{
    static const char opens[] = "near '", closes[] = "' at line ";
    const uint8_t *from = memmem(message.at, message.len, opens, strlen(opens)), *to = NULL;
    if (!from)
        return false;
    from += strlen(opens);
    const uint8_t *end = message.at + message.len;
    for (const uint8_t *at = from; (at = memmem(at, (size_t)(end - at), closes, strlen(closes))); at++)
        to = at;
    if (!to)
        return false;
    *q = (struct quotation){{message.at, (size_t)(from - message.at)}, {from, (size_t)(to - from)}, {to, (size_t)(end - to)}};
    return true;
}

/* The statement under way as the client said it, in front of others; not one that was prepared from a text of its own. */
static bool is_in_front(const struct session *s, struct slice text)
{
    uintptr_t begin = (uintptr_t)buf_at(&s->command), at = (uintptr_t)text.at, rest = (uintptr_t)s->rest.at;
    return s->more && *buf_at(&s->command) == WIRE_COM_QUERY && at >= begin && at + text.len <= rest;
}

static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isascii(text.at[i]))
            return false;
    return true;
}

/* From where the quotation begins to the end of the packet; nothing where that cannot be told. */
static struct slice whole(const struct session *s, struct slice text, struct slice quoted)
{
    while (text.len && isspace(text.at[text.len - 1])) /* as servers do */
        text.len--;
    const uint8_t *from = text.at + text.len, *end = s->rest.at + s->rest.len;
    if (quoted.len >= QUOTED_MAX - 3 || quoted.len > text.len || memcmp(from - quoted.len, quoted.at, quoted.len))
        return (struct slice){0};
    from -= quoted.len;
    while (!quoted.len && *from == ' ') /* it quotes from a word on */
        from++;
    if (!quoted.len && *from != ';')
        return (struct slice){0};
    return (struct slice){from, (size_t)(end - from)};
}

bool syntax_quote(struct session *s, const struct wire_err *err, struct buf *out)
{
    struct quotation q;
    struct slice text = s->statement->text;
    if (err->code != 1064 || !is_in_front(s, text) || !find(err->message, &q))
        return false;
    struct slice all = whole(s, text, q.quoted);
    bool dots = all.len > QUOTED_MAX && target_conn(s)->mariadb;
    all.len = dots ? QUOTED_MAX - 3 : all.len < QUOTED_MAX ? all.len : QUOTED_MAX;
    if (!all.len || !is_ascii(all)) /* a server would change their character set */
        return false;
    buf_append(out, q.before.at, q.before.len);
    buf_append(out, all.at, all.len);
    buf_text(out, dots ? "..." : "");
    buf_append(out, q.behind.at, q.behind.len);
    return true;
}
