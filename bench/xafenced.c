/* What the fenced write costs beside the bare command, by class of command: slices of both in turn on one connection, the latency
 * of each write and the processor time that Redis took. Leaves starting Redis and judging the figures to bench/fenced. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

#include "bench/die.h"
#include "compensate/calls.h"

#define WRITES 4 /* of a transaction; the processor time of its end is theirs in equal parts */
#define MOST_SAMPLES 65536

struct class {
    const char *name;
    const char *setup[6]; /* once, bare */
    const char *lines[4]; /* in turn */
};
static const struct class classes[] = {
    {"counter", {"HSET h n 0 f x g y"}, {"HINCRBY h n 1"}},
    {"string of 6 bytes", {"SET s before"}, {"SET s value1", "SET s value2"}},
    {"string of 10 KB", {"SETRANGE long 10000 x"}, {"SETRANGE long 5000 y", "APPEND long z"}},
    {"field", {"HSET h n 0 f x g y"}, {"HSET h f v1", "HSET h f v2 g w"}},
    {"field of a hash of 10,000", {"fill 10000 HSET big"}, {"HSET big 77 v1", "HSET big 78 v2"}},
    {"member of a set", {"SADD e a b c"}, {"SADD e m", "SREM e m"}},
    {"member of a sorted set", {"ZADD z 1 a 2 b"}, {"ZADD z 5 m", "ZINCRBY z 2.5 m"}},
    {"list", {"RPUSH l a b c"}, {"RPUSH l x", "LPOP l"}},
    {"time to live", {"SET t v"}, {"EXPIRE t 100000", "EXPIRE t 200000"}},
    {"delete and set", {"SET d v"}, {"DEL d", "SET d v"}},
    {"entry of a stream", {"XADD x * f v"}, {"XADD x * f v"}},
    {"whole key of 10", {"fill 10 SADD e0", "fill 10 SADD e1"}, {"SUNIONSTORE out e0 e1"}},
    {"whole key of 1,000", {"fill 1000 SADD m0", "fill 1000 SADD m1"}, {"SUNIONSTORE out m0 m1"}},
    {"script", {"SET s v"}, {"EVAL return(redis.call('SET',KEYS[1],ARGV[1])) 1 s v"}},
};

static redisContext *link_to;
static const struct comp_limits limits = COMP_LIMITS_DEFAULT;
static struct comp_origin who = {.gtrid = "xap1:bench:x:1:1-0123456789abcdef", .node = "bench", .epoch = 1};

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "xafenced: %s: %s\n", what, why);
    exit(1);
}

static redisReply *send_argv(const struct comp_argv *argv)
{
    const char *arg[64];
    size_t len[64];
    for (size_t i = 0; i < argv->n && i < 64; i++) {
        struct slice s = comp_argv_at(argv, i);
        arg[i] = (const char *)s.at;
        len[i] = s.len;
    }
    redisReply *r = argv->n < 64 ? redisCommandArgv(link_to, (int)argv->n, arg, len) : NULL;
    if (!r || r->type == REDIS_REPLY_ERROR)
        die("Redis", r ? r->str : link_to->errstr);
    return r;
}

static void words(struct comp_argv *out, const char *line)
{
    comp_argv_clear(out);
    for (const char *word = line; word;) {
        size_t n = strcspn(word, " ");
        comp_argv_add(out, word, n);
        word = word[n] ? word + n + 1 : NULL;
    }
}

static void bare(const char *line)
{
    struct comp_argv argv = {0};
    words(&argv, line);
    freeReplyObject(send_argv(&argv));
    comp_argv_fini(&argv);
}

/* "fill N COMMAND KEY": numbers, as members or as fields of themselves. */
static void fill(const char *line)
{
    char command[16], key[16], one[64];
    int n;
    if (sscanf(line, "fill %d %15s %15s", &n, command, key) != 3)
        die("setup", line);
    for (int i = 0; i < n; i++) {
        snprintf(one, sizeof one, strcmp(command, "HSET") ? "%s %s %d" : "%s %s %d v", command, key, i);
        bare(one);
    }
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double processor_us(void)
{
    redisReply *r = redisCommand(link_to, "INFO cpu");
    double user, sys;
    const char *at = r ? strstr(r->str, "used_cpu_sys:") : NULL;
    if (!at || sscanf(at, "used_cpu_sys:%lf\r\nused_cpu_user:%lf", &sys, &user) != 2)
        die("INFO cpu", "no figures");
    freeReplyObject(r);
    return (user + sys) * 1e6;
}

static void fenced(const char *line, uint32_t seq)
{
    struct comp_argv command = {0}, call = {0};
    struct comp_command_use use;
    struct comp_refusal why;
    words(&command, line);
    if (!comp_command_check(&command, true, &use, &why))
        die(line, why.text);
    comp_call_do(&call, &who, seq, &limits, &command, &use);
    freeReplyObject(send_argv(&call));
    comp_argv_fini(&command);
    comp_argv_fini(&call);
}

static void end_transaction(void)
{
    struct comp_argv call = {0};
    struct comp_end end = {.mode = COMP_END_COMMIT, .first = 1, .last = WRITES};
    comp_call_end(&call, &who, &end);
    freeReplyObject(send_argv(&call));
    comp_argv_fini(&call);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* One line: class, way, median latency in ns, processor time a write in us. */
static void slice(const struct class *c, bool is_fenced, int n)
{
    static uint32_t took[MOST_SAMPLES];
    double busy = processor_us();
    size_t n_lines = 0;
    while (n_lines < 4 && c->lines[n_lines])
        n_lines++;
    for (int i = 0; i < n; i++) {
        const char *line = c->lines[(size_t)i % n_lines];
        int64_t begun = now_ns();
        if (is_fenced)
            fenced(line, (uint32_t)(i % WRITES) + 1);
        else
            bare(line);
        took[i] = (uint32_t)(now_ns() - begun);
        if (is_fenced && i % WRITES == WRITES - 1)
            end_transaction();
    }
    busy = processor_us() - busy;
    qsort(took, (size_t)n, sizeof *took, by_size);
    printf("%s\t%s\t%u\t%.2f\n", c->name, is_fenced ? "fenced" : "bare", took[n / 2], busy / n);
}

static void prepare(const struct class *c)
{
    for (size_t i = 0; i < sizeof c->setup / sizeof *c->setup && c->setup[i]; i++)
        (strncmp(c->setup[i], "fill", 4) ? bare : fill)(c->setup[i]);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 0, n = argc > 3 ? atoi(argv[3]) / WRITES * WRITES : 0;
    if (rounds < 1 || n < WRITES || n > MOST_SAMPLES)
        die("usage", "xafenced PORT ROUNDS WRITES_A_SLICE");
    link_to = redisConnect("127.0.0.1", atoi(argv[1]));
    if (!link_to || link_to->err)
        die("connect", link_to ? link_to->errstr : "no memory");
    struct comp_argv load = {0};
    comp_call_load(&load);
    freeReplyObject(send_argv(&load));
    comp_argv_fini(&load);
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
            prepare(&classes[i]);
            slice(&classes[i], round % 2, n);
            slice(&classes[i], !(round % 2), n);
        }
    redisFree(link_to);
    return 0;
}
