/* The private server: process, connection, calls, and a fingerprint taken inside the server. */
#include "tests/unit/comp_server.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
    pid_t pid;
    char dir[64], socket[80], log_path[128];
    bool durable;
    redisContext *link;
} server;

static void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "test_comp: %s: %s\n", what, detail);
    server_stop();
    exit(99);
}

static void run_server(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves nobody behind */
    const char *program = getenv("REDIS_SERVER") ? getenv("REDIS_SERVER") : "redis-server";
    execlp(program, program, "--port", "0", "--unixsocket", server.socket, "--save", "", "--appendonly",
           server.durable ? "yes" : "no", "--appendfsync", "no", /* a sync under way would put off what is written */
           "--dir", server.dir, "--logfile", "log", (char *)NULL);
    perror(program);
    _exit(127);
}

/* Not before it has read its file: until then it answers LOADING. */
static bool connected(void)
{
    server.link = redisConnectUnix(server.socket);
    redisReply *r = server.link && !server.link->err ? redisCommand(server.link, "PING") : NULL;
    bool ready = r && r->type == REDIS_REPLY_STATUS;
    if (r)
        freeReplyObject(r);
    if (!ready && server.link) {
        redisFree(server.link);
        server.link = NULL;
    }
    return ready;
}

static void load_library(void)
{
    struct comp_argv load = {0};
    comp_call_load(&load);
    redisReply *r = server_call(&load);
    if (r->type != REDIS_REPLY_STRING || strcmp(r->str, comp_library_name()))
        give_up("the library does not load", r->str ? r->str : "?");
    freeReplyObject(r);
    comp_argv_fini(&load);
}

void server_again(void)
{
    server.pid = fork();
    if (!server.pid)
        run_server();
    for (int tries = 0; tries < 1000 && !connected(); tries++)
        clock_sleep_ms(10);
    if (!server.link)
        give_up("the server does not answer", server.socket);
}

void server_start(void)
{
    snprintf(server.dir, sizeof server.dir, "/tmp/comp-redis-XXXXXX"); /* a socket's path must be short */
    if (!mkdtemp(server.dir))
        give_up("mkdtemp", server.dir);
    snprintf(server.socket, sizeof server.socket, "%s/s", server.dir);
    snprintf(server.log_path, sizeof server.log_path, "%s/appendonlydir/appendonly.aof.1.incr.aof", server.dir);
    server_again();
    load_library();
}

void server_start_durable(void)
{
    server.durable = true;
    server_start();
}

const char *server_socket(void) { return server.socket; }
const char *server_log_path(void) { return server.log_path; }

void server_crash(void)
{
    if (server.link)
        redisFree(server.link);
    if (server.pid > 0) {
        kill(server.pid, SIGKILL);
        waitpid(server.pid, NULL, 0);
    }
    server.link = NULL;
    server.pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

void server_stop(void)
{
    server_crash();
    if (server.dir[0])
        nftw(server.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

redisReply *server_call(const struct comp_argv *argv)
{
    const char **arg = calloc(argv->n, sizeof *arg);
    size_t *len = calloc(argv->n, sizeof *len);
    CHECK(arg && len);
    for (size_t i = 0; i < argv->n; i++) {
        struct slice s = comp_argv_at(argv, i);
        arg[i] = (const char *)s.at;
        len[i] = s.len;
    }
    redisReply *r = redisCommandArgv(server.link, (int)argv->n, arg, len);
    free(arg);
    free(len);
    if (!r)
        give_up("connection lost", server.link->errstr);
    return r;
}

void argv_of_line(struct comp_argv *out, const char *line)
{
    for (const char *word = line;;) {
        const char *space = strchr(word, ' ');
        size_t n = space ? (size_t)(space - word) : strlen(word);
        if (n == 2 && !memcmp(word, "\"\"", 2))
            comp_argv_add(out, "", 0);
        else
            comp_argv_add(out, word, n);
        if (!space)
            return;
        word = space + 1;
    }
}

redisReply *server_line(const char *line)
{
    struct comp_argv argv = {0};
    argv_of_line(&argv, line);
    redisReply *r = server_call(&argv);
    comp_argv_fini(&argv);
    return r;
}

void server_must(const char *line)
{
    redisReply *r = server_line(line);
    if (r->type == REDIS_REPLY_ERROR)
        give_up(line, r->str);
    freeReplyObject(r);
}

long long server_integer(const char *line)
{
    redisReply *r = server_line(line);
    long long n = r->type == REDIS_REPLY_INTEGER ? r->integer : r->type == REDIS_REPLY_STRING ? atoll(r->str) : -99;
    freeReplyObject(r);
    return n;
}

static struct comp_origin origin(const char *gtrid)
{
    return (struct comp_origin){gtrid, "n", 5, 0};
}

redisReply *tx_do_argv(const char *gtrid, uint32_t seq, const struct comp_argv *command)
{
    static const struct comp_limits limits = COMP_LIMITS_DEFAULT;
    struct comp_command_use use;
    struct comp_refusal why;
    struct comp_argv call = {0};
    if (!comp_command_check(command, true, &use, &why))
        give_up("refused", why.text);
    struct comp_origin who = origin(gtrid);
    comp_call_do(&call, &who, seq, &limits, command, &use);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return r;
}

redisReply *tx_do(const char *gtrid, uint32_t seq, const char *line)
{
    struct comp_argv command = {0};
    argv_of_line(&command, line);
    redisReply *r = tx_do_argv(gtrid, seq, &command);
    comp_argv_fini(&command);
    return r;
}

redisReply *tx_end_with(const char *gtrid, const struct comp_end *end)
{
    struct comp_argv call = {0};
    struct comp_origin who = origin(gtrid);
    comp_call_end(&call, &who, end);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return r;
}

redisReply *tx_end(const char *gtrid, enum comp_end_mode mode, uint32_t first, uint32_t last)
{
    return tx_end_with(gtrid, &(struct comp_end){.mode = mode, .first = first, .last = last});
}

redisReply *tx_vote(const char *gtrid, uint32_t acknowledged_to, uint32_t last, bool writing)
{
    struct comp_argv call = {0};
    struct comp_origin who = origin(gtrid);
    struct comp_seqs acked = {0};
    for (uint32_t seq = 1; seq <= acknowledged_to; seq++)
        comp_seqs_add(&acked, seq);
    comp_call_vote(&call, &who, &acked, last, writing);
    redisReply *r = server_call(&call);
    comp_seqs_fini(&acked);
    comp_argv_fini(&call);
    return r;
}

enum comp_reply reply_class(redisReply *r)
{
    enum comp_reply class = COMP_REPLY_OK;
    if (r->type == REDIS_REPLY_ERROR)
        class = comp_reply_of_error((struct slice){(const uint8_t *)r->str, (size_t)r->len});
    freeReplyObject(r);
    return class;
}

/* Sorted where order means nothing. Ids that a stream has used up are not content, nor is when somebody last asked it. */
static const char fingerprint[] =
    "local function join(t) return table.concat(t, '\\1') end "
    "local function pairs_sorted(t) local o = {} for i = 1, #t, 2 do o[#o + 1] = t[i] .. '\\2' .. t[i + 1] end "
    "  table.sort(o) return join(o) end "
    "local function flat(v) if type(v) ~= 'table' then return tostring(v) end "
    "  local o = {} for i, e in ipairs(v) do o[i] = flat(e) end return '[' .. table.concat(o, ',') .. ']' end "
    "local function named(t) local o = {} for i = 1, #t, 2 do o[t[i]] = t[i + 1] end return o end "
    "local function groups(k) local o = {} "
    "  for _, g in ipairs(named(redis.call('XINFO', 'STREAM', k, 'FULL', 'COUNT', 0)).groups) do g = named(g) "
    "    o[#o + 1] = flat({g.name, g['last-delivered-id'], g['entries-read'] or 'none'}) "
    "    for _, p in ipairs(g.pending) do o[#o + 1] = flat({p[1], p[2], p[4]}) end "
    "    for _, c in ipairs(g.consumers) do c = named(c) o[#o + 1] = flat({c.name, c['pel-count']}) end "
    "  end return join(o) end "
    "local read = {"
    "  string = function(k) return redis.call('GET', k) end,"
    "  hash = function(k) local t = redis.call('HGETALL', k) local s = pairs_sorted(t)"
    "    local names = redis.call('HKEYS', k) table.sort(names)"
    "    local e = redis.pcall('HPEXPIRETIME', k, 'FIELDS', #names, unpack(names))"
    "    return s .. (e.err and '' or flat(e)) end,"
    "  list = function(k) return join(redis.call('LRANGE', k, 0, -1)) end,"
    "  set = function(k) local t = redis.call('SMEMBERS', k) table.sort(t) return join(t) end,"
    "  zset = function(k) return join(redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')) end,"
    "  stream = function(k) return flat(redis.call('XRANGE', k, '-', '+')) .. groups(k) end,"
    "  vectorset = function(k) return redis.call('VCARD', k) .. flat(redis.call('VEMB', k, 'm0')) .."
    "    tostring(redis.call('VGETATTR', k, 'm0')) end}"
    "local keys, out = redis.call('KEYS', '*'), {} table.sort(keys) "
    "for _, k in ipairs(keys) do if k:sub(1, 4) ~= 'xa:{' then "
    "  local kind = redis.call('TYPE', k).ok "
    "  out[#out + 1] = k .. ' ' .. kind .. ' ' .. string.format('%.0f', redis.call('PEXPIRETIME', k)) .. ' ' .. read[kind](k) "
    "end end return table.concat(out, '\\n')";

char *server_fingerprint(void)
{
    redisReply *r = redisCommand(server.link, "EVAL %s 0", fingerprint);
    if (!r || r->type != REDIS_REPLY_STRING)
        give_up("fingerprint", r ? r->str : "connection lost");
    char *text = slice_dup((struct slice){(const uint8_t *)r->str, (size_t)r->len});
    for (int i = 0; i < (int)r->len; i++)
        if (!text[i])
            text[i] = '\3'; /* compared as a C string */
    freeReplyObject(r);
    return text;
}

long long server_leftovers(void)
{
    redisReply *r = server_line("KEYS xa:{*");
    long long n = (long long)r->elements;
    freeReplyObject(r);
    return n;
}

void server_seed(void)
{
    static const char *const lines[] = {
        "FLUSHALL",
        "MSET s0 5 s1 hello s2 -17 s3 1.5 s4 abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
        "PEXPIREAT s2 33000000000000", "PEXPIREAT s4 33000000000001",
        "HSET h0 f0 1 f1 x f2 -3 f3 2.5", "HSET h1 f0 7", "PEXPIREAT h1 33000000000002",
        "SADD e0 m0 m1 m2 m3", "SADD e1 m1 m4", "SADD e2 m5", "PEXPIREAT e2 33000000000003",
        "ZADD z0 1 m0 2 m1 2.5 m2 -1 m3", "ZADD z1 10 m1", "PEXPIREAT z1 33000000000004", "ZADD z2 0 m0 0 m1 0 m2",
        "RPUSH l0 a b c a b", "RPUSH l1 v1", "PEXPIREAT l1 33000000000005", "RPUSH l2 x y z",
        "PFADD p0 a b c", "PFADD p1 c d", "GEOADD g0 13.36 38.11 m0 15.08 37.5 m1",
        "XADD x0 1-1 f v", "XADD x0 2-1 f w", "XADD x0 3-1 f u", "XGROUP CREATE x0 gr 0",
        "XREADGROUP GROUP gr c0 COUNT 1 STREAMS x0 >", "XGROUP CREATE x0 gx 1-1 ENTRIESREAD 1",
        "XREADGROUP GROUP gx c1 STREAMS x0 >", "XCLAIM x0 gx c2 0 3-1 TIME 1700000000000 RETRYCOUNT 7",
        "XADD x1 5-1 a b", "PEXPIREAT x1 33000000000007", "SET d0 x",
        "HPEXPIREAT h0 33000000000006 FIELDS 1 f3", "VADD v0 VALUES 2 0.25 0.5 m0", /* newer servers only: errors on others */
    };
    size_t n = sizeof lines / sizeof lines[0];
    for (size_t i = 0; i < n; i++)
        redisAppendCommand(server.link, lines[i]); /* none holds a percent sign */
    for (size_t i = 0; i < n; i++) {
        redisReply *r;
        if (redisGetReply(server.link, (void **)&r) != REDIS_OK || (r->type == REDIS_REPLY_ERROR && i + 2 < n))
            give_up("seed", lines[i]);
        freeReplyObject(r);
    }
}
