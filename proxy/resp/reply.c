/* Replies written. A type is read from left to right beside the reply it describes; each put_… returns what stands behind it. */
#include "proxy/resp/reply.h"

#include <inttypes.h>
#include <string.h>

#include "proxy/redis/reply.h"
#include "proxy/resp/types.h"

/* --- one by one --- */

static void put_count(struct buf *out, char kind, size_t n)
{
    buf_printf(out, "%c%zu\r\n", kind, n);
}

static void put_line(struct buf *out, char kind, struct slice text)
{
    buf_u8(out, (uint8_t)kind);
    for (size_t i = 0; i < text.len; i++)
        buf_u8(out, text.at[i] == '\r' || text.at[i] == '\n' ? ' ' : text.at[i]);
    buf_text(out, "\r\n");
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

void resp_put_status(struct buf *out, const char *text)
{
    put_line(out, '+', slice_of(text));
}

void resp_put_error(struct buf *out, const char *text)
{
    put_line(out, '-', slice_of(text));
}

void resp_put_integer(struct buf *out, int64_t v)
{
    buf_printf(out, ":%" PRId64 "\r\n", v);
}

void resp_put_bulk(struct buf *out, struct slice bytes)
{
    put_count(out, '$', bytes.len);
    buf_append(out, bytes.at, bytes.len);
    buf_text(out, "\r\n");
}

void resp_put_text(struct buf *out, const char *text)
{
    resp_put_bulk(out, slice_of(text));
}

void resp_put_null(struct buf *out, unsigned proto)
{
    buf_text(out, proto == 3 ? "_\r\n" : "$-1\r\n");
}

void resp_put_null_array(struct buf *out, unsigned proto)
{
    buf_text(out, proto == 3 ? "_\r\n" : "*-1\r\n");
}

void resp_put_array(struct buf *out, size_t elements)
{
    put_count(out, '*', elements);
}

void resp_put_map(struct buf *out, unsigned proto, size_t pairs)
{
    put_count(out, proto == 3 ? '%' : '*', proto == 3 ? pairs : pairs * 2);
}

static void put_set(struct buf *out, unsigned proto, size_t elements)
{
    put_count(out, proto == 3 ? '~' : '*', elements);
}

void resp_put_flags(struct buf *out, const bool *set, size_t n)
{
    resp_put_array(out, n);
    for (size_t i = 0; i < n; i++)
        resp_put_integer(out, set[i]);
}

static void put_verbatim(struct buf *out, struct slice text)
{
    put_count(out, '=', text.len + 4);
    buf_text(out, "txt:");
    buf_append(out, text.at, text.len);
    buf_text(out, "\r\n");
}

/* --- by type --- */

struct writer {
    struct buf *out;
    unsigned proto;
    const char *scope; /* the ( or { around: what ^ means */
};
static const char *put(struct writer *w, const struct redisReply *r, const char *type);

/* Behind a type that nothing is written by. */
static const char *skip(const char *type)
{
    switch (*type) {
    case 'N': case '*': case '~': case '%': case '@': case '&':
        return skip(type + 1);
    case '(':
        for (type++; *type != ')';)
            type = skip(type);
        return type + 1;
    case '{':
        while (*type != '}')
            type = skip(strchr(type, '=') + 1);
        return type + 1;
    default:
        return type + 1;
    }
}

static void put_plain(struct writer *w, const struct redisReply *r)
{
    switch (redis_reply_kind(r)) {
    case REDIS_NIL:
        resp_put_null(w->out, w->proto);
        break;
    case REDIS_INTEGER:
        resp_put_integer(w->out, redis_reply_integer(r));
        break;
    case REDIS_STRING:
        resp_put_bulk(w->out, redis_reply_bytes(r));
        break;
    case REDIS_STATUS:
        put_line(w->out, '+', redis_reply_bytes(r));
        break;
    case REDIS_ERROR:
        put_line(w->out, '-', redis_reply_bytes(r));
        break;
    case REDIS_ARRAY:
        resp_put_array(w->out, redis_reply_count(r));
        for (size_t i = 0; i < redis_reply_count(r); i++)
            put_plain(w, redis_reply_at(r, i));
        break;
    }
}

static bool is_number(struct slice s)
{
    size_t digits = 0;
    for (size_t i = s.len && *s.at == '-'; i < s.len && s.at[i] >= '0' && s.at[i] <= '9'; i++)
        digits++;
    return digits && digits + (*s.at == '-') == s.len;
}

/* What is no string, or not in RESP3, stays as it is. */
static void put_scalar(struct writer *w, const struct redisReply *r, char type)
{
    enum redis_kind kind = redis_reply_kind(r);
    if (kind == REDIS_STRING && type == ':' && is_number(redis_reply_bytes(r)))
        put_line(w->out, ':', redis_reply_bytes(r));
    else if (kind == REDIS_STRING && type == ',' && w->proto == 3)
        put_line(w->out, ',', redis_reply_bytes(r));
    else if (kind == REDIS_STRING && type == '=' && w->proto == 3)
        put_verbatim(w->out, redis_reply_bytes(r));
    else if (kind == REDIS_INTEGER && type == '#' && w->proto == 3)
        buf_text(w->out, redis_reply_integer(r) ? "#t\r\n" : "#f\r\n");
    else
        put_plain(w, r);
}

static void put_elements(struct writer *w, const struct redisReply *r, const char *each)
{
    for (size_t i = 0; i < redis_reply_count(r); i++)
        put(w, redis_reply_at(r, i), each);
}

/* type: at its ( */
static void put_tuple(struct writer *w, const struct redisReply *r, const char *type)
{
    const char *outer = w->scope, *types = type + 1;
    resp_put_array(w->out, redis_reply_count(r));
    w->scope = type;
    for (size_t i = 0; i < redis_reply_count(r); i++) {
        const char *next = put(w, redis_reply_at(r, i), types);
        if (*next != ')')
            types = next;
    }
    w->scope = outer;
}

/* The type of a field's value, of a list "{a=x b=y}". */
static const char *type_of_field(const char *list, const struct redisReply *field)
{
    struct slice name = redis_reply_kind(field) == REDIS_STRING ? redis_reply_bytes(field) : (struct slice){NULL, 0};
    while (*list != '}') {
        const char *begin = list + 1, *end = strchr(begin, '=');
        if (name.at && name.len == (size_t)(end - begin) && !memcmp(name.at, begin, name.len))
            return end + 1;
        list = skip(end + 1);
    }
    return ".";
}

/* type: at its { */
static void put_record(struct writer *w, const struct redisReply *r, const char *type)
{
    const char *outer = w->scope;
    w->scope = type;
    resp_put_map(w->out, w->proto, redis_reply_count(r) / 2);
    for (size_t i = 0; i < redis_reply_count(r); i += 2) {
        const struct redisReply *field = redis_reply_at(r, i);
        put_plain(w, field);
        put(w, redis_reply_at(r, i + 1), type_of_field(type, field));
    }
    w->scope = outer;
}

static void put_map(struct writer *w, const struct redisReply *r, const char *values)
{
    resp_put_map(w->out, w->proto, redis_reply_count(r) / 2);
    for (size_t i = 0; i < redis_reply_count(r); i += 2) {
        put_plain(w, redis_reply_at(r, i));
        put(w, redis_reply_at(r, i + 1), values);
    }
}

static bool are_pairs(const struct redisReply *r)
{
    for (size_t i = 0; i < redis_reply_count(r); i++)
        if (redis_reply_count(redis_reply_at(r, i)) != 2)
            return false;
    return true;
}

static void put_map_of_pairs(struct writer *w, const struct redisReply *r, const char *values)
{
    if (w->proto == 3)
        resp_put_map(w->out, 3, redis_reply_count(r));
    else
        resp_put_array(w->out, redis_reply_count(r));
    for (size_t i = 0; i < redis_reply_count(r); i++) {
        const struct redisReply *pair = redis_reply_at(r, i);
        if (w->proto == 2)
            resp_put_array(w->out, 2);
        put_plain(w, redis_reply_at(pair, 0));
        put(w, redis_reply_at(pair, 1), values);
    }
}

static void put_pairs(struct writer *w, const struct redisReply *r, const char *values)
{
    size_t n = redis_reply_count(r);
    resp_put_array(w->out, w->proto == 3 ? n / 2 : n);
    for (size_t i = 0; i < n; i += 2) {
        if (w->proto == 3)
            resp_put_array(w->out, 2);
        put_plain(w, redis_reply_at(r, i));
        put(w, redis_reply_at(r, i + 1), values);
    }
}

static void put_array(struct writer *w, const struct redisReply *r, const char *type)
{
    bool even = redis_reply_count(r) % 2 == 0;
    if (*type == '*' || *type == '~') {
        (*type == '*' ? put_count(w->out, '*', redis_reply_count(r)) : put_set(w->out, w->proto, redis_reply_count(r)));
        put_elements(w, r, type + 1);
    } else if (*type == '(') {
        put_tuple(w, r, type);
    } else if (*type == '{' && even) {
        put_record(w, r, type);
    } else if (*type == '%' && even) {
        put_map(w, r, type + 1);
    } else if (*type == '@' && are_pairs(r)) {
        put_map_of_pairs(w, r, type + 1);
    } else if (*type == '&' && even) {
        put_pairs(w, r, type + 1);
    } else {
        put_plain(w, r);
    }
}

void resp_put_nil(struct buf *out, unsigned proto, const char *type)
{
    (*type == 'N' ? resp_put_null_array : resp_put_null)(out, proto);
}

static const char *put(struct writer *w, const struct redisReply *r, const char *type)
{
    const char *behind = skip(type);
    if (redis_reply_kind(r) == REDIS_NIL)
        resp_put_nil(w->out, w->proto, type);
    else if (*type == 'N')
        put(w, r, type + 1);
    else if (*type == '^')
        put(w, r, w->scope);
    else if (redis_reply_kind(r) == REDIS_ARRAY)
        put_array(w, r, type);
    else
        put_scalar(w, r, *type);
    return behind;
}

void resp_put_reply(struct buf *out, unsigned proto, const struct redisReply *reply, const char *type)
{
    struct writer w = {out, proto, type};
    put(&w, reply, type);
}
