/* Shapes of replies: one value, a list, pairs, a cursor with its page, JSON for what is nested. */
#include "proxy/session/redis_rows.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/calls.h"

static bool is_utf8(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        uint8_t c = s.at[i];
        size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
        if (!n || i + n > s.len)
            return false;
        for (size_t k = 1; k < n; k++)
            if ((s.at[i + k] & 0xC0) != 0x80)
                return false;
        if ((c == 0xE0 && s.at[i + 1] < 0xA0) || (c == 0xED && s.at[i + 1] > 0x9F) || (c == 0xF0 && s.at[i + 1] < 0x90) ||
            (c == 0xF4 && s.at[i + 1] > 0x8F))
            return false;
        i += n;
    }
    return true;
}

static struct wire_column text_column(const char *name, bool utf8)
{
    return (struct wire_column){.name = name,
                                .type = WIRE_TYPE_VAR_STRING,
                                .charset = utf8 ? WIRE_CHARSET_UTF8MB4 : WIRE_CHARSET_BINARY,
                                .length = 0x1FFFFFFF,
                                .flags = utf8 ? 0 : WIRE_COLUMN_BINARY};
}

static struct wire_column integer_column(const char *name)
{
    return (struct wire_column){
        .name = name, .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY, .length = 20, .flags = WIRE_COLUMN_BINARY};
}

/* The text of a leaf; `scratch` holds an integer's digits. at == NULL: nil. */
static struct slice leaf(const struct redisReply *r, char scratch[24])
{
    switch (redis_reply_kind(r)) {
    case REDIS_NIL:
        return (struct slice){NULL, 0};
    case REDIS_INTEGER:
        return (struct slice){(const uint8_t *)scratch, (size_t)snprintf(scratch, 24, "%" PRId64, redis_reply_integer(r))};
    default:
        return redis_reply_bytes(r);
    }
}

static bool all_utf8(const struct redisReply *r)
{
    char scratch[24];
    if (redis_reply_kind(r) != REDIS_ARRAY) {
        struct slice s = leaf(r, scratch);
        return !s.at || is_utf8(s);
    }
    for (size_t i = 0; i < redis_reply_count(r); i++)
        if (!all_utf8(redis_reply_at(r, i)))
            return false;
    return true;
}

static void json_text(struct buf *out, struct slice s)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_u8(out, c);
    }
    buf_u8(out, '"');
}

static void json(struct buf *out, const struct redisReply *r)
{
    char scratch[24];
    switch (redis_reply_kind(r)) {
    case REDIS_NIL:
        buf_text(out, "null");
        break;
    case REDIS_INTEGER: {
        struct slice s = leaf(r, scratch);
        buf_append(out, s.at, s.len);
        break;
    }
    case REDIS_ARRAY:
        buf_u8(out, '[');
        for (size_t i = 0; i < redis_reply_count(r); i++) {
            if (i)
                buf_u8(out, ',');
            json(out, redis_reply_at(r, i));
        }
        buf_u8(out, ']');
        break;
    default:
        json_text(out, redis_reply_bytes(r));
    }
}

/* --- one value ---------------------------------------------------------------------------------------------------------- */

static void answer_value(struct session *s, struct slice value, struct wire_column column)
{
    struct wire_resultset rs;
    session_answer_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    session_answer_rows_end(s, &rs);
}

/* One that a column of integers can hold. */
static bool is_integer_text(struct slice s)
{
    char digits[24], *end;
    if (!s.at || !s.len || s.len >= sizeof digits || !(s.at[0] == '-' || isdigit(s.at[0])))
        return false;
    memcpy(digits, s.at, s.len);
    digits[s.len] = '\0';
    errno = 0;
    strtoll(digits, &end, 10);
    return !errno && end == digits + s.len;
}

static void answer_leaf(struct session *s, const struct redisReply *r, bool integer, const char *name)
{
    char scratch[24];
    struct slice value = leaf(r, scratch);
    bool as_integer = integer && (!value.at || is_integer_text(value));
    if (as_integer || redis_reply_kind(r) == REDIS_INTEGER)
        answer_value(s, value, integer_column(name));
    else
        answer_value(s, value, text_column(name, !value.at || is_utf8(value)));
}

static void answer_json(struct session *s, const struct redisReply *r, const char *name)
{
    struct buf text = {0};
    bool utf8 = all_utf8(r);
    json(&text, r);
    struct wire_column column = text_column(name, utf8);
    answer_value(s, (struct slice){buf_at(&text), buf_len(&text)}, column);
    buf_fini(&text);
}

/* --- several ------------------------------------------------------------------------------------------------------------- */

static void answer_list(struct session *s, const struct redisReply *r)
{
    struct wire_column columns[] = {integer_column("i"), text_column("value", all_utf8(r))};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, columns, 2);
    for (size_t i = 0; i < redis_reply_count(r); i++) {
        char index[24], scratch[24];
        struct slice row[] = {{(const uint8_t *)index, (size_t)snprintf(index, sizeof index, "%zu", i)},
                              leaf(redis_reply_at(r, i), scratch)};
        wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
}

static void answer_pairs(struct session *s, const struct redisReply *r, const char *first, const char *second)
{
    bool utf8 = all_utf8(r);
    struct wire_column columns[] = {text_column(first, utf8), text_column(second, utf8)};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, columns, 2);
    for (size_t i = 0; i + 1 < redis_reply_count(r); i += 2) {
        char a[24], b[24];
        struct slice row[] = {leaf(redis_reply_at(r, i), a), leaf(redis_reply_at(r, i + 1), b)};
        wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
}

static void answer_cursor(struct session *s, const struct redisReply *r)
{
    const struct redisReply *page = redis_reply_at(r, 1);
    char scratch[24];
    struct slice cursor = leaf(redis_reply_at(r, 0), scratch);
    struct wire_column columns[] = {text_column("cursor", true), text_column("value", all_utf8(page))};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, columns, 2);
    if (!redis_reply_count(page)) {
        /* an empty page still has a cursor that the client must see */
        struct slice row[] = {cursor, {NULL, 0}};
        wire_resultset_row(&rs, row);
    }
    for (size_t i = 0; i < redis_reply_count(page); i++) {
        char value[24];
        struct slice row[] = {cursor, leaf(redis_reply_at(page, i), value)};
        wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
}

static bool is_flat(const struct redisReply *r)
{
    for (size_t i = 0; i < redis_reply_count(r); i++)
        if (redis_reply_kind(redis_reply_at(r, i)) == REDIS_ARRAY)
            return false;
    return true;
}

static void answer_error(struct session *s, const struct redisReply *r, const char *resource)
{
    struct slice text = redis_reply_bytes(r);
    const char *sqlstate;
    unsigned code = comp_reply_sql(comp_reply_of_error(text), &sqlstate);
    char quoted[400];
    size_t n = text.len < sizeof quoted - 1 ? text.len : sizeof quoted - 1;
    for (size_t i = 0; i < n; i++)
        quoted[i] = text.at[i] >= 0x20 ? (char)text.at[i] : ' ';
    quoted[n] = '\0';
    session_answer_error(s, (uint16_t)code, sqlstate, "Redis resource %s: %s", resource, quoted);
}

static void answer_do(struct session *s, const struct redisReply *r)
{
    int64_t n = redis_reply_kind(r) == REDIS_INTEGER ? redis_reply_integer(r) : 0;
    session_answer_ok_with(s, n > 0 ? (uint64_t)n : 0, 0, "");
}

void redis_rows_word(struct session *s, const char *word, bool as_do, const char *alias)
{
    if (as_do)
        session_answer_ok_with(s, 0, 0, "");
    else
        answer_value(s, (struct slice){(const uint8_t *)word, strlen(word)}, text_column(*alias ? alias : "reply", true));
}

void redis_rows_flags(struct session *s, const bool *flags, size_t n, bool as_do)
{
    struct wire_column columns[] = {integer_column("i"), integer_column("value")};
    struct wire_resultset rs;
    if (as_do) {
        session_answer_ok_with(s, 0, 0, "");
        return;
    }
    session_answer_rows(s, &rs, columns, 2);
    for (size_t i = 0; i < n; i++) {
        char index[24];
        struct slice row[] = {{(const uint8_t *)index, (size_t)snprintf(index, sizeof index, "%zu", i)},
                              {(const uint8_t *)(flags[i] ? "1" : "0"), 1}};
        wire_resultset_row(&rs, row);
    }
    session_answer_rows_end(s, &rs);
}

void redis_rows_nil(struct session *s, bool as_do, const char *alias)
{
    if (as_do)
        session_answer_ok_with(s, 0, 0, "");
    else
        answer_value(s, (struct slice){NULL, 0}, text_column(*alias ? alias : "reply", true));
}

void redis_rows_answer(struct session *s, const struct redisReply *r, enum comp_shape shape, bool as_do, const char *alias,
                       const char *resource)
{
    const char *name = *alias ? alias : "reply";
    enum redis_kind kind = redis_reply_kind(r);
    if (kind == REDIS_ERROR)
        answer_error(s, r, resource);
    else if (as_do)
        answer_do(s, r);
    else if (kind != REDIS_ARRAY)
        answer_leaf(s, r, shape == COMP_SHAPE_INTEGER, name);
    else if (shape == COMP_SHAPE_CURSOR && redis_reply_count(r) == 2 && is_flat(redis_reply_at(r, 1)))
        answer_cursor(s, r);
    else if (!is_flat(r) || shape == COMP_SHAPE_NESTED)
        answer_json(s, r, name);
    else if (shape == COMP_SHAPE_PAIRS)
        answer_pairs(s, r, "field", "value");
    else if (shape == COMP_SHAPE_SCORES)
        answer_pairs(s, r, "member", "score");
    else
        answer_list(s, r);
}
