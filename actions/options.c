/* A reader of one flat JSON object, and a table of what its members mean. */
#include "actions/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum json_kind { JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE };
struct json_value {
    enum json_kind kind;
    char text[ACTION_KEY_MAX + 1]; /* a string's characters, or the number as it stands */
};

struct reader {
    struct cursor in;
    char *why;
    size_t why_size;
};

static bool refuse(struct reader *r, const char *text)
{
    snprintf(r->why, r->why_size, "%s", text);
    return false;
}

static int peek(struct reader *r)
{
    while (cursor_left(&r->in) && isspace(*r->in.at))
        cursor_skip(&r->in, 1);
    return cursor_left(&r->in) ? *r->in.at : -1;
}

static bool accept(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    cursor_skip(&r->in, 1);
    return true;
}

/* \u stays out: keys are compared as bytes, and JSON may hold every character as it is. */
static bool take_escaped(struct reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = cursor_left(&r->in) ? strchr(from, *r->in.at) : NULL;
    if (!at || !*at)
        return refuse(r, "an escape of this kind cannot stand in a string here");
    *out = to[at - from];
    cursor_skip(&r->in, 1);
    return true;
}

static bool take_string(struct reader *r, char *out, size_t size)
{
    size_t n = 0;
    if (!accept(r, '"'))
        return refuse(r, "expected a string in double quotes");
    while (cursor_left(&r->in) && *r->in.at != '"') {
        char c = (char)cursor_u8(&r->in);
        if (c == '\\' && !take_escaped(r, &c))
            return false;
        if (!c || n + 1 == size)
            return refuse(r, "a string is too long, or has a NUL in it");
        out[n++] = c;
    }
    out[n] = '\0';
    return accept(r, '"') || refuse(r, "the closing quote is missing");
}

static bool is_of_word(uint8_t c)
{
    return isalnum(c) || c == '+' || c == '-' || c == '.';
}

/* A number, true or false: told apart by whoever wants one. */
static bool take_word(struct reader *r, struct json_value *v)
{
    size_t n = 0;
    for (; cursor_left(&r->in) && is_of_word(*r->in.at) && n + 1 < sizeof v->text; n++)
        v->text[n] = (char)cursor_u8(&r->in);
    v->text[n] = '\0';
    v->kind = !strcmp(v->text, "true") ? JSON_TRUE : !strcmp(v->text, "false") ? JSON_FALSE : JSON_NUMBER;
    if (n && (v->kind != JSON_NUMBER || isdigit((unsigned char)v->text[0])))
        return true;
    return refuse(r, "a value is a string, a number, true or false");
}

static bool take_value(struct reader *r, struct json_value *v)
{
    if (peek(r) != '"')
        return take_word(r, v);
    v->kind = JSON_STRING;
    return take_string(r, v->text, sizeof v->text);
}

typedef bool take_member(struct reader *r, const char *name, const struct json_value *v, void *arg);

static bool read_object(struct reader *r, take_member *take, void *arg)
{
    char name[32];
    struct json_value v;
    if (!accept(r, '{'))
        return refuse(r, "expected a JSON object: {\"name\": value, ...}");
    if (accept(r, '}'))
        return peek(r) < 0 || refuse(r, "nothing may stand behind the object");
    do {
        if (!take_string(r, name, sizeof name))
            return false;
        if (!accept(r, ':'))
            return refuse(r, "a name is followed by a colon and its value");
        if (!take_value(r, &v) || !take(r, name, &v, arg))
            return false;
    } while (accept(r, ','));
    if (!accept(r, '}'))
        return refuse(r, "members are separated by commas, and } is the end");
    return peek(r) < 0 || refuse(r, "nothing may stand behind the object");
}

/* --- what members mean ------------------------------------------------------------------------------------------------------ */

static bool bad_value(struct reader *r, const char *name, const char *expected)
{
    snprintf(r->why, r->why_size, "\"%s\" is %s", name, expected);
    return false;
}

/* A number of seconds, or a string with a unit: 500ms, 5s, 10m, 24h, 7d. */
static bool read_time(const struct json_value *v, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    if (v->kind > JSON_NUMBER || !isdigit((unsigned char)v->text[0]) || strlen(v->text) > 12)
        return false;
    int64_t n = strtoll(v->text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].unit) && n <= INT64_MAX / units[i].ms / 1000) {
            *ms = n * units[i].ms;
            return true;
        }
    return false;
}

static bool read_count(const struct json_value *v, uint32_t *out)
{
    char *end;
    if (v->kind != JSON_NUMBER || strlen(v->text) > 9)
        return false;
    *out = (uint32_t)strtoul(v->text, &end, 10);
    return !*end;
}

static bool read_truth(struct reader *r, const char *name, const struct json_value *v, bool *out)
{
    *out = v->kind == JSON_TRUE;
    return v->kind >= JSON_TRUE || bad_value(r, name, "true or false");
}

static bool take_order(struct reader *r, const struct json_value *v, struct action *a)
{
    a->parallel = !strcmp(v->text, "parallel");
    bool known = a->parallel || !strcmp(v->text, "strict");
    return (v->kind == JSON_STRING && known) || bad_value(r, "order", "\"strict\" or \"parallel\"");
}

static bool take_timeout(struct reader *r, const struct json_value *v, struct action *a)
{
    int64_t ms;
    if (!read_time(v, &ms) || ms < 1 || ms > INT32_MAX)
        return bad_value(r, "timeout", "a time like \"5s\", of at least a millisecond and at most 24 days");
    a->timeout_ms = (int32_t)ms;
    return true;
}

static bool take_option(struct reader *r, const char *name, const struct json_value *v, void *arg)
{
    struct action *a = arg;
    if (!strcmp(name, "key")) {
        snprintf(a->key, sizeof a->key, "%s", v->text);
        return (v->kind == JSON_STRING && *v->text) || bad_value(r, name, "a string of 1 to 64 bytes");
    }
    if (!strcmp(name, "max_attempts"))
        return read_count(v, &a->max_attempts) || bad_value(r, name, "a whole number; 0 = no limit");
    if (!strcmp(name, "max_age"))
        return read_time(v, &a->max_age_ms) || bad_value(r, name, "a time like \"24h\"; 0 = for ever");
    if (!strcmp(name, "timeout"))
        return take_timeout(r, v, a);
    if (!strcmp(name, "order"))
        return take_order(r, v, a);
    if (!strcmp(name, "idempotent"))
        return read_truth(r, name, v, &a->idempotent);
    snprintf(r->why, r->why_size,
             "there is no option \"%s\"; there are key, max_attempts, max_age, timeout, order, idempotent", name);
    return false;
}

static bool take_step_option(struct reader *r, const char *name, const struct json_value *v, void *arg)
{
    if (!strcmp(name, "retriable"))
        return read_truth(r, name, v, arg);
    snprintf(r->why, r->why_size, "there is no option \"%s\" of a step; there is retriable", name);
    return false;
}

bool action_options_read(struct slice json, struct action *a, char *why, size_t why_size)
{
    struct reader r = {cursor_make(json.at, json.len), why, why_size};
    return read_object(&r, take_option, a);
}

bool action_step_options_read(struct slice json, bool *retriable, char *why, size_t why_size)
{
    struct reader r = {cursor_make(json.at, json.len), why, why_size};
    return read_object(&r, take_step_option, retriable);
}
