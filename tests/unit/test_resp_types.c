/* On a real server: what Redis answers in RESP2, read by the parser of the backend's connections, with or without a function in
 * between, and written again in RESP2 or RESP3, is byte for byte what Redis itself sends in either. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compensate/command.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/types.h"
#include "tests/unit/comp_lines.h"
#include "tests/unit/comp_server.h"
#include "tests/unit/unit.h"

static redisContext *plain[4]; /* by protocol: 2 and 3 */

/* --- what the server itself says --- */

#define END "and that was the reply"

/* The reply's bytes, whatever they are: an ECHO behind it shows where they end. */
static void ask(struct buf *bytes, unsigned proto, const struct comp_argv *argv)
{
    static const char end[] = "\r\n$22\r\n" END "\r\n";
    const char *arg[64];
    size_t len[64];
    char *request, chunk[4096];
    for (size_t i = 0; i < argv->n; i++) {
        struct slice s = comp_argv_at(argv, i);
        arg[i] = (const char *)s.at;
        len[i] = s.len;
    }
    long long n = redisFormatCommandArgv(&request, (int)argv->n, arg, len);
    CHECK(write(plain[proto]->fd, request, (size_t)n) == n);
    redisFreeCommand(request);
    n = redisFormatCommand(&request, "ECHO %s", END);
    CHECK(write(plain[proto]->fd, request, (size_t)n) == n);
    redisFreeCommand(request);
    do {
        n = read(plain[proto]->fd, chunk, sizeof chunk);
        CHECK(n > 0);
        buf_append(bytes, chunk, (size_t)n);
    } while (buf_len(bytes) < sizeof end || memcmp(buf_at(bytes) + buf_len(bytes) - (sizeof end - 1), end, sizeof end - 1));
    buf_truncate(bytes, buf_len(bytes) - (sizeof end - 1) + 2);
}

static void connect_in(unsigned proto)
{
    struct comp_argv hello = {0};
    struct buf answer = {0};
    plain[proto] = redisConnectUnix(server_socket());
    CHECK(plain[proto] && !plain[proto]->err);
    argv_of_line(&hello, proto == 3 ? "HELLO 3" : "HELLO 2");
    ask(&answer, proto, &hello);
    CHECK(*buf_at(&answer) != '-');
    comp_argv_fini(&hello);
    buf_fini(&answer);
}

/* --- and what we make of it --- */

enum way { PLAIN, FUNCTION };

static redisReply *through(enum way way, const struct comp_argv *command)
{
    static struct comp_command_use use;
    struct comp_refusal why;
    struct comp_argv call = {0};
    if (way == PLAIN || !comp_command_check(command, false, &use, &why) || use.class == COMP_CLASS_OUTSIDE ||
        (use.class == COMP_CLASS_READ && !use.n_keys))
        return server_call(command);
    if (use.class == COMP_CLASS_WRITE)
        comp_call_run(&call, command, &use);
    else
        comp_call_get(&call, "", command, &use);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return r;
}

static void write_again(struct buf *bytes, unsigned proto, const struct comp_argv *command, redisReply *r)
{
    const char *type = resp_type_of(command);
    if (r->type == REDIS_REPLY_ERROR && comp_reply_of_error((struct slice){(const uint8_t *)r->str, (size_t)r->len}) == COMP_REPLY_EMPTY)
        resp_put_nil(bytes, proto, type);
    else
        resp_put_reply(bytes, proto, r, type);
    freeReplyObject(r);
}

/* --- the same? --- */

/* Replies of chance and of time: their kinds and counts are compared. */
static bool is_of_chance(const struct comp_argv *command)
{
    static const char *const names[] = {"SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "VRANDMEMBER", "RANDOMKEY", "XADD", "TIME", "INFO",
                                        "MEMORY", "XPENDING", "XINFO", "CLIENT", "ROLE", "LASTSAVE", "OBJECT", "FUNCTION", "ACL", "PTTL",
                                        "TTL", "LOLWUT", "HTTL", "HPTTL", "VINFO", "VLINKS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is_word(comp_argv_at(command, 0), names[i]))
            return true;
    return false;
}

/* Leaves the letters that say what kind of reply it is, and how many elements it has. */
static void reduce(struct buf *bytes)
{
    struct buf kinds = {0};
    struct cursor c = cursor_make(buf_at(bytes), buf_len(bytes));
    while (cursor_left(&c)) {
        uint8_t kind = cursor_u8(&c);
        char line[64] = "";
        size_t n = 0;
        for (uint8_t x = cursor_u8(&c); x != '\r' && !c.bad; x = cursor_u8(&c))
            if (n + 1 < sizeof line)
                line[n++] = (char)x;
        cursor_u8(&c);
        bool long_text = kind == '$' || kind == '=';
        if (long_text && line[0] != '-')
            cursor_skip(&c, strtoul(line, NULL, 10) + 2);
        buf_printf(&kinds, "%c%s ", kind, strchr("*%~", kind) || (long_text && line[0] == '-') ? line : "");
    }
    buf_fini(bytes);
    *bytes = kinds;
}

static bool begins(struct buf *b, const char *text)
{
    return !strncmp(buf_cstr(b), text, strlen(text));
}

static bool same(struct buf *theirs, struct buf *ours, enum way way)
{
    if (way == FUNCTION && begins(theirs, "-ERR") && begins(ours, "-ERR"))
        return true; /* it cannot always say it in the same words */
    return buf_len(theirs) == buf_len(ours) && !memcmp(buf_cstr(theirs), buf_cstr(ours), buf_len(ours));
}

static void ask_twice(struct buf *theirs, struct buf *ours, unsigned proto, const struct comp_argv *command, enum way way)
{
    buf_clear(theirs);
    buf_clear(ours);
    server_seed();
    ask(theirs, proto, command);
    server_seed();
    write_again(ours, proto, command, through(way, command));
}

static void one_line(const char *line, enum way way, unsigned proto)
{
    struct comp_argv command = {0};
    struct buf theirs = {0}, ours = {0};
    argv_of_line(&command, line);
    bool chance = is_of_chance(&command), found = false;
    for (int tries = chance ? 100 : 1; tries && !found; tries--) {
        ask_twice(&theirs, &ours, proto, &command, way);
        if (chance) {
            reduce(&theirs);
            reduce(&ours);
        }
        found = same(&theirs, &ours, way);
    }
    if (!found)
        fprintf(stderr, "\n%s, RESP%u%s\n--- the server\n%.2000s\n--- written again\n%.2000s\n", line, proto,
                way == FUNCTION ? ", by a function" : "", buf_cstr(&theirs), buf_cstr(&ours));
    CU_ASSERT_TRUE(found);
    buf_fini(&theirs);
    buf_fini(&ours);
    comp_argv_fini(&command);
}

static void every_write(void)
{
    struct dice dice = {7};
    for (size_t i = 0; comp_lines()[i]; i++)
        for (int round = 0; round < 3; round++) {
            char line[256];
            if (!strncmp(comp_lines()[i], "EVAL", 4))
                continue; /* the function's own words about scripts: test_comp_redis.c */
            comp_line_fill(line, sizeof line, comp_lines()[i], &dice);
            one_line(line, FUNCTION, 2);
            one_line(line, FUNCTION, 3);
        }
}

static const char *const reads[] = {
#define R(line) line,
#include "tests/unit/resp_reads.def"
#undef R
    NULL};

static void every_read(void)
{
    for (size_t i = 0; reads[i]; i++)
        for (unsigned proto = 2; proto <= 3; proto++) {
            one_line(reads[i], PLAIN, proto);
            one_line(reads[i], FUNCTION, proto);
        }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every write", every_write},
        {"every read", every_read},
        {NULL, NULL},
    };
    server_start();
    connect_in(2);
    connect_in(3);
    int result = unit_main("resp types", tests);
    redisFree(plain[2]);
    redisFree(plain[3]);
    server_stop();
    return result;
}
