/* Names of transactions and branches, and the texts of XA statements. */
#include "xa/xid.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

#define GTRID_PREFIX "xap1:"
#define LOG_ID_DIGITS 8
#define RANDOM_DIGITS 16
#define BACKEND_NAME_MAX 32

static bool one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool all_of(const char *text, const char *set, size_t max)
{
    size_t n = strspn(text, set);
    return n >= 1 && n <= max && !text[n];
}

#define HEX "0123456789abcdef"
#define NODE_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define NAME_LETTERS NODE_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool xa_node_valid(const char *node)
{
    return all_of(node, NODE_LETTERS, XA_NODE_MAX);
}

bool xa_backend_name_valid(const char *name)
{
    return all_of(name, NAME_LETTERS, BACKEND_NAME_MAX);
}

void xa_gtrid_make(struct xa_gtrid *out, const char *node, const char *log_id, uint64_t epoch, uint64_t counter)
{
    CHECK(xa_node_valid(node));
    CHECK(all_of(log_id, HEX, LOG_ID_DIGITS) && strlen(log_id) == LOG_ID_DIGITS);
    CHECK(epoch < XA_EPOCH_LIMIT && counter < XA_COUNTER_LIMIT);
    char random[RANDOM_DIGITS + 1];
    random_hex(random, RANDOM_DIGITS / 2); /* whoever can guess a gtrid can end its branches: servers check no right */
    int n = snprintf(out->text, sizeof out->text, GTRID_PREFIX "%s:%s:%llx:%llx-%s", node, log_id,
                     (unsigned long long)epoch, (unsigned long long)counter, random);
    CHECK(n > 0 && n <= XA_GTRID_MAX);
}

/* Copies the letters of `set` up to `end`, which is consumed. False: too many, too few, or another letter. */
static bool take_word(struct cursor *c, char *out, size_t size, const char *set, char end)
{
    size_t n = 0;
    while (one_of((char)cursor_peek(c), set) && n + 1 < size)
        out[n++] = (char)cursor_u8(c);
    out[n] = '\0';
    return n && cursor_u8(c) == (uint8_t)end && !c->bad;
}

/* Canonical: no leading zero, so that one transaction has one text. */
static bool take_hex(struct cursor *c, uint64_t *out, unsigned max_digits, char end)
{
    char digits[17];
    if (!take_word(c, digits, max_digits + 1, HEX, end) || (digits[0] == '0' && digits[1]))
        return false;
    *out = 0;
    for (const char *d = digits; *d; d++)
        *out = *out << 4 | (uint64_t)(strchr(HEX, *d) - HEX);
    return true;
}

static bool take_random(struct cursor *c)
{
    for (unsigned i = 0; i < RANDOM_DIGITS; i++)
        if (!one_of((char)cursor_u8(c), HEX))
            return false;
    return cursor_done(c);
}

bool xa_gtrid_parse(struct slice text, struct xa_gtrid_parts *out)
{
    struct cursor c = cursor_make(text.at, text.len);
    *out = (struct xa_gtrid_parts){0};
    if (text.len > XA_GTRID_MAX || !slice_is(cursor_bytes(&c, strlen(GTRID_PREFIX)), GTRID_PREFIX))
        return false;
    return take_word(&c, out->node, sizeof out->node, NODE_LETTERS, ':') &&
           take_word(&c, out->log_id, sizeof out->log_id, HEX, ':') && strlen(out->log_id) == LOG_ID_DIGITS &&
           take_hex(&c, &out->epoch, 8, ':') && take_hex(&c, &out->counter, 11, '-') && take_random(&c);
}

void xa_bqual_make(struct xa_bqual *out, unsigned branch, const char *backend)
{
    CHECK(xa_backend_name_valid(backend));
    int n = snprintf(out->text, sizeof out->text, "%u:%s", branch, backend);
    CHECK(n > 0 && n <= XA_BQUAL_MAX);
}

static const struct {
    const char *before, *after;
} texts[] = {
    [XA_TEXT_START] = {"XA START ", ""},
    [XA_TEXT_END] = {"XA END ", ""},
    [XA_TEXT_PREPARE] = {"XA PREPARE ", ""},
    [XA_TEXT_COMMIT] = {"XA COMMIT ", ""},
    [XA_TEXT_ONE_PHASE] = {"XA COMMIT ", " ONE PHASE"},
    [XA_TEXT_ROLLBACK] = {"XA ROLLBACK ", ""},
};

/* Printable and nothing that a string literal would take for its end or an escape. */
static bool quotable(const char *text, size_t max)
{
    size_t n = strlen(text);
    for (const char *p = text; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '\'' || *p == '\\')
            return false;
    return n <= max;
}

void xa_text(struct buf *out, enum xa_text what, const char *gtrid, const char *bqual)
{
    CHECK(gtrid[0] && quotable(gtrid, XA_GTRID_MAX) && quotable(bqual, XA_BQUAL_MAX));
    buf_text(out, texts[what].before);
    buf_text(out, "'");
    buf_text(out, gtrid);
    buf_text(out, "','");
    buf_text(out, bqual);
    buf_text(out, "',1");
    buf_text(out, texts[what].after);
}

static void hex_literal(struct buf *out, struct slice bytes)
{
    buf_text(out, "X'");
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", bytes.at[i]);
    buf_text(out, "'");
}

void xa_text_raw(struct buf *out, enum xa_text what, struct slice gtrid, struct slice bqual)
{
    CHECK(gtrid.len >= 1 && gtrid.len <= XA_GTRID_MAX && bqual.len <= XA_BQUAL_MAX);
    buf_text(out, texts[what].before);
    hex_literal(out, gtrid);
    buf_text(out, ",");
    hex_literal(out, bqual);
    buf_text(out, ",1");
    buf_text(out, texts[what].after);
}
