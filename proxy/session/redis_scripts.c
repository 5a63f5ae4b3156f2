/* Scripts that a CALL names instead of writing them: EVALSHA by what was run or loaded through the proxy, FCALL by asking the
 * server for its library. Both become an EVAL of the text, since only what is seen can be kept to its keys. Leaves running it to
 * redis.c and library/scripts.lua. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/redis/reply.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/redis_rows.h"
#include "proxy/session/scripts.h"

static struct scripts *cache_of(const struct session *s)
{
    return s->world->scripts;
}

static struct slice argument(const struct session *s, size_t i)
{
    return comp_argv_at(&s->redis->args.command, i);
}

/* EVALSHA and FCALL as EVAL, EVALSHA_RO and FCALL_RO as EVAL_RO: name, text, all else as it was. */
static void become(struct session *s, struct slice text)
{
    struct session_redis *c = s->redis;
    struct comp_argv with_text = {0};
    struct comp_refusal refusal;
    comp_argv_text(&with_text, c->use.class == COMP_CLASS_READ ? "EVAL_RO" : "EVAL");
    comp_argv_add(&with_text, text.at, text.len);
    for (size_t i = 2; i < c->args.command.n; i++)
        comp_argv_add(&with_text, argument(s, i).at, argument(s, i).len);
    comp_argv_fini(&c->args.command);
    c->args.command = with_text;
    CHECK(comp_command_check(&c->args.command, false, &c->use, &refusal)); /* the keys are where they were */
    redis_call_checked(s);
}

/* --- by digest ------------------------------------------------------------------------------------------------------------ */

static void run_digest(struct session *s)
{
    struct buf text = {0};
    if (scripts_find(cache_of(s), argument(s, 1), &text))
        become(s, (struct slice){buf_at(&text), buf_len(&text)});
    else
        redis_call_error(s, 1644, "45000", "NOSCRIPT No matching script. Please use EVAL", "");
    buf_fini(&text);
}

static void answer_exists(struct session *s)
{
    size_t n = s->redis->args.command.n - 2;
    bool *known = calloc(n, sizeof *known);
    CHECK(known);
    for (size_t i = 0; i < n; i++)
        known[i] = scripts_find(cache_of(s), argument(s, 2 + i), NULL);
    if (s->redis->hearer)
        s->redis->hearer->flags(s, known, n);
    else
        redis_rows_flags(s, known, n, s->redis->as_do);
    free(known);
}

/* --- functions of a library ------------------------------------------------------------------------------------------------ */

/* What stands behind a name in a flat list of names and values; NULL: nothing. */
static const struct redisReply *field(const struct redisReply *map, const char *name)
{
    for (size_t i = 0; i + 1 < redis_reply_count(map); i += 2)
        if (slice_is(redis_reply_bytes(redis_reply_at(map, i)), name))
            return redis_reply_at(map, i + 1);
    return NULL;
}

static struct slice text_field(const struct redisReply *map, const char *name)
{
    const struct redisReply *value = field(map, name);
    return value ? redis_reply_bytes(value) : (struct slice){(const uint8_t *)"", 0};
}

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && !strncasecmp((const char *)a.at, (const char *)b.at, a.len);
}

/* The function's name as its library writes it: FCALL does not look at the case of letters. False: not in this library. */
static bool has_function(const struct redisReply *library, struct slice wanted, struct slice *name)
{
    const struct redisReply *functions = field(library, "functions");
    for (size_t i = 0; functions && i < redis_reply_count(functions); i++) {
        *name = text_field(redis_reply_at(functions, i), "name");
        if (same_name(*name, wanted))
            return true;
    }
    return false;
}

static const struct redisReply *library_of(const struct redisReply *list, struct slice wanted, struct slice *name)
{
    for (size_t i = 0; i < redis_reply_count(list); i++)
        if (has_function(redis_reply_at(list, i), wanted, name))
            return redis_reply_at(list, i);
    return NULL;
}

/* Its own first line names the engine and the library; ours says which of its functions is to be called. */
static void run_function(struct session *s, struct slice name, struct slice code)
{
    struct buf text = {0};
    const uint8_t *line_end = memchr(code.at, '\n', code.len);
    size_t skipped = line_end ? (size_t)(line_end - code.at) : code.len;
    buf_printf(&text, "#!lua function=%.*s", (int)name.len, (const char *)name.at);
    buf_append(&text, code.at + skipped, code.len - skipped);
    become(s, (struct slice){buf_at(&text), buf_len(&text)});
    buf_fini(&text);
}

static void ask_for_library(struct session *s, const struct slice *library);

static void on_libraries(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session_redis *c = CONTAINER_OF(call, struct session_redis, call);
    struct session *s = c->session;
    struct slice name;
    c->calling = false;
    if (result != REDIS_REPLIED) {
        redis_call_error(s, 1105, "HY000", "unreachable, nothing was done", why);
        return;
    }
    if (redis_reply_kind(reply) == REDIS_ERROR) {
        redis_call_reply(s, reply);
        return;
    }
    const struct redisReply *library = library_of(reply, argument(s, 1), &name);
    struct slice code = library ? text_field(library, "library_code") : (struct slice){NULL, 0};
    struct slice title = library ? text_field(library, "library_name") : code;
    if (!library)
        redis_call_error(s, 1644, "45000", "ERR Function not found", "");
    else if (!slice_is_word(text_field(library, "engine"), "LUA"))
        redis_call_error(s, 1235, "42000", "only functions in Lua can be kept to the keys that they declare", "");
    else if (code.len)
        run_function(s, name, code);
    else
        ask_for_library(s, &title);
}

/* All by name only, then the one that has the function with its text; both anew each time, since libraries are replaced. */
static void ask_for_library(struct session *s, const struct slice *library)
{
    struct session_redis *c = s->redis;
    struct comp_argv ask = {0};
    comp_argv_text(&ask, "FUNCTION");
    comp_argv_text(&ask, "LIST");
    if (library) {
        comp_argv_text(&ask, "LIBRARYNAME");
        comp_argv_add(&ask, library->at, library->len);
        comp_argv_text(&ask, "WITHCODE");
    }
    c->call = (struct redis_call){.resource = c->resource, .slot = c->use.slot, .on_reply = on_libraries};
    c->calling = true;
    redis_send(s->worker->redis, &c->call, &ask);
    comp_argv_fini(&ask);
}

static void ask_for_function(struct session *s)
{
    session_enter(s, SESSION_REDIS, "which function");
    ask_for_library(s, NULL);
}

/* --- which ---------------------------------------------------------------------------------------------------------------- */

bool redis_script(struct session *s, bool checked)
{
    static const struct {
        const char *name;
        size_t text;                     /* the argument that is worth noting; 0 = none */
        bool plain;                      /* where it is not checked, the server may have it */
        void (*resolve)(struct session *s);
    } rows[] = {
        {"EVAL", 1, false, NULL},          {"EVAL_RO", 1, false, NULL},
        {"EVALSHA", 0, false, run_digest}, {"EVALSHA_RO", 0, true, run_digest},
        {"FCALL", 0, false, ask_for_function}, {"FCALL_RO", 0, true, ask_for_function},
        {"SCRIPT LOAD", 2, false, NULL},   {"SCRIPT EXISTS", 0, false, answer_exists},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, s->redis->use.row->name))
            continue;
        if (rows[i].text)
            scripts_note(cache_of(s), argument(s, rows[i].text));
        if (!rows[i].resolve || (rows[i].plain && !checked))
            return false;
        rows[i].resolve(s);
        return true;
    }
    return false;
}

void redis_script_flush(struct session *s)
{
    if (s->redis->args.command.n > 1 && slice_is_word(argument(s, 0), "SCRIPT") && slice_is_word(argument(s, 1), "FLUSH"))
        scripts_forget(cache_of(s));
}
