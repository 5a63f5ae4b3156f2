/* Commands out of bytes: arrays here, lines of words in inline.c. */
#include "proxy/resp/request.h"

#include <stdio.h>
#include <string.h>

#include "proxy/resp/inline.h"

#define BROKEN(text) "ERR Protocol error: " text

void resp_request_fini(struct resp_request *r)
{
    comp_argv_fini(&r->argv);
    *r = (struct resp_request){0};
}

static enum resp_parsed broken(const char **why, const char *text)
{
    *why = text;
    return RESP_BROKEN;
}

/* A line that ends with `end` and, behind a \r, one byte more, as Redis reads it. RESP_BROKEN: it is too long. */
static enum resp_parsed take_line(struct buf *in, char end, size_t limit, struct slice *line)
{
    const uint8_t *at = buf_at(in);
    const uint8_t *stop = buf_len(in) ? memchr(at, end, buf_len(in)) : NULL;
    size_t n = stop ? (size_t)(stop - at) : buf_len(in), behind = end == '\r' ? 2 : 1;
    if (n > limit)
        return RESP_BROKEN;
    if (!stop || n + behind > buf_len(in))
        return RESP_PARTIAL;
    *line = (struct slice){at, n};
    buf_consume(in, n + behind);
    return RESP_COMMAND;
}

/* Strict, as Redis is: no plus, no leading zero, nothing behind it. False: no number, or one beyond `limit` on either side. */
static bool read_count(struct slice s, int64_t limit, int64_t *out)
{
    bool negative = s.len && *s.at == '-';
    size_t i = negative;
    int64_t v = 0;
    if (i == s.len || (s.at[i] == '0' && s.len > 1))
        return false;
    for (; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || v > limit / 10)
            return false;
        v = v * 10 + (s.at[i] - '0');
    }
    *out = negative ? -v : v;
    return v <= limit;
}

/* --- arrays --- */

/* RESP_COMMAND: an array begins, of `awaited` arguments, perhaps none. */
static enum resp_parsed read_array(struct resp_request *r, struct buf *in, const struct resp_limits *limits, const char **why)
{
    struct slice line;
    int64_t n;
    enum resp_parsed taken = take_line(in, '\r', limits->line, &line);
    if (taken != RESP_COMMAND)
        return taken == RESP_BROKEN ? broken(why, BROKEN("too big mbulk count string")) : taken;
    if (!read_count((struct slice){line.at + 1, line.len - 1}, INT32_MAX, &n))
        return broken(why, BROKEN("invalid multibulk length"));
    if (n > 0 && (size_t)n > limits->args)
        return broken(why, limits->strange ? BROKEN("unauthenticated multibulk length") : BROKEN("invalid multibulk length"));
    r->awaited = n > 0 ? (size_t)n : 0;
    return RESP_COMMAND;
}

static enum resp_parsed no_dollar(struct resp_request *r, uint8_t got, const char **why)
{
    snprintf(r->why, sizeof r->why, BROKEN("expected '$', got '%c'"), got >= ' ' && got < 127 ? got : ' ');
    return broken(why, r->why);
}

static enum resp_parsed begin_bulk(struct resp_request *r, struct buf *in, const struct resp_limits *limits, const char **why)
{
    struct slice line;
    int64_t n;
    if (buf_len(in) && *buf_at(in) != '$')
        return no_dollar(r, *buf_at(in), why);
    enum resp_parsed taken = take_line(in, '\r', limits->line, &line);
    if (taken != RESP_COMMAND)
        return taken == RESP_BROKEN ? broken(why, BROKEN("too big bulk count string")) : taken;
    if (!read_count((struct slice){line.at + 1, line.len - 1}, INT64_MAX / 16, &n) || n < 0)
        return broken(why, BROKEN("invalid bulk length"));
    if ((size_t)n > limits->bulk)
        return broken(why, limits->strange ? BROKEN("unauthenticated bulk length") : BROKEN("invalid bulk length"));
    if ((size_t)n > limits->total - buf_len(&r->argv.bytes))
        return broken(why, BROKEN("too big command"));
    if (!buf_try_reserve(&r->argv.bytes, (size_t)n))
        return broken(why, "OOM there is no memory for a command of this size");
    r->bulk = (size_t)n;
    r->in_bulk = true;
    comp_argv_add(&r->argv, "", 0);
    return RESP_COMMAND;
}

/* Takes what is there; false: the argument and its line end have not come whole. */
static bool read_bulk(struct resp_request *r, struct buf *in)
{
    size_t n = buf_len(in) < r->bulk ? buf_len(in) : r->bulk;
    if (n)
        comp_argv_extend(&r->argv, buf_at(in), n);
    buf_consume(in, n);
    r->bulk -= n;
    if (r->bulk || buf_len(in) < 2)
        return false;
    buf_consume(in, 2); /* Redis does not look at them either */
    r->in_bulk = false;
    r->awaited--;
    return true;
}

static enum resp_parsed read_arguments(struct resp_request *r, struct buf *in, const struct resp_limits *limits,
                                       const char **why)
{
    while (r->awaited) {
        enum resp_parsed parsed = r->in_bulk ? RESP_COMMAND : begin_bulk(r, in, limits, why);
        if (parsed != RESP_COMMAND)
            return parsed;
        if (!read_bulk(r, in))
            return RESP_PARTIAL;
    }
    return RESP_COMMAND;
}

/* --- lines --- */

static enum resp_parsed read_inline(struct resp_request *r, struct buf *in, const struct resp_limits *limits, const char **why)
{
    struct slice line;
    enum resp_parsed taken = take_line(in, '\n', limits->line, &line);
    if (taken != RESP_COMMAND)
        return taken == RESP_BROKEN ? broken(why, BROKEN("too big inline request")) : taken;
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    if (line.len > limits->total)
        return broken(why, BROKEN("too big inline request"));
    return resp_inline_split(line, &r->argv) ? RESP_COMMAND : broken(why, BROKEN("unbalanced quotes in request"));
}

/* --- either --- */

/* RESP_COMMAND: argv is what came, perhaps nothing. */
static enum resp_parsed read_one(struct resp_request *r, struct buf *in, const struct resp_limits *limits, const char **why)
{
    if (!r->awaited) {
        if (!buf_len(in))
            return RESP_PARTIAL;
        if (*buf_at(in) != '*')
            return read_inline(r, in, limits, why);
        enum resp_parsed parsed = read_array(r, in, limits, why);
        if (parsed != RESP_COMMAND)
            return parsed;
    }
    return read_arguments(r, in, limits, why);
}

enum resp_parsed resp_request_read(struct resp_request *r, struct buf *in, const struct resp_limits *limits, const char **why)
{
    enum resp_parsed parsed;
    if (r->complete)
        comp_argv_clear(&r->argv);
    r->complete = false;
    do {
        parsed = read_one(r, in, limits, why);
    } while (parsed == RESP_COMMAND && !r->argv.n);
    r->complete = parsed == RESP_COMMAND;
    return parsed;
}
