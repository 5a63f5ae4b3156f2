/* Whether the ACL user may do what the function library does in its name: asked of Redis itself (ACL DRYRUN, all in one trip),
 * before the first transaction finds out in the middle of an undo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compensate/slot.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

/* A user who may do the first must be able to do the others, or what it wrote cannot be taken back. $c is the control hash, $s an
 * image beside it: what an application's own keys are called is not known here. */
#define ROW 10
static const char *const rights[][ROW] = {
    {"", "FCALL xa1_scan 1 $c", "HSET $c f v", "HMGET $c f", "HGET $c f", "HDEL $c f", "HKEYS $c", "HSCAN $c 0", "TIME"},
    {"", "EXISTS $s", "TYPE $s", "COPY $s $s", "RENAME $s $s", "UNLINK $s", "DEL $s", "PEXPIRETIME $s", "PEXPIREAT $s 1"},
    {"", "CLIENT LIST", "CLIENT KILL ID 1", "PERSIST $s", "ZADD $s 1 v", "ZSCORE $s v", "ZREMRANGEBYSCORE $s 0 1"},
    {"SET $s v", "GET $s", "GETRANGE $s 0 1", "SETRANGE $s 0 v", "STRLEN $s"},
    {"LPUSH $s v", "RPUSH $s v", "LPOP $s", "RPOP $s", "LSET $s 0 v", "LREM $s 0 v", "LRANGE $s 0 1", "LLEN $s", "LPOS $s v"},
    {"RPUSH $s v", "LPUSH $s v", "LINDEX $s 0", "LINSERT $s BEFORE v v", "LMOVE $s $s LEFT LEFT"},
    {"SADD $s v", "SREM $s v", "SMISMEMBER $s v"},
    {"SREM $s v", "SADD $s v", "SMISMEMBER $s v"},
    {"ZADD $s 1 v", "ZREM $s v", "ZMSCORE $s v", "ZCARD $s"},
    {"ZREM $s v", "ZADD $s 1 v", "ZMSCORE $s v", "ZCARD $s"},
    {"XADD $s * f v", "XDEL $s 1-1", "XINFO STREAM $s"},
    {"XACK $s g 1-1", "XPENDING $s g", "XRANGE $s - +", "XCLAIM $s g c 0 1-1"},
    {"XGROUP CREATE $s g 0", "XINFO GROUPS $s", "XGROUP DESTROY $s g"},
    {"HEXPIRE $s 1 FIELDS 1 f", "HPEXPIRETIME $s FIELDS 1 f", "HPEXPIREAT $s 1 FIELDS 1 f"},
};
#define ROWS (sizeof rights / sizeof *rights)

static bool has_line(size_t place)
{
    const char *line = rights[place / ROW][place % ROW];
    return line && *line;
}

struct inquiry {
    struct redis_job *job;
    size_t master;
    const char *user;
    struct comp_control control;
    bool unknown;      /* we may not even ask */
    bool keys;         /* our own keys are out of bounds */
    struct buf missing; /* " +command", as ACL SETUSER takes it */
};

static void add_word(const struct inquiry *q, struct comp_argv *argv, const char *word)
{
    char image[COMP_CONTROL_KEY_MAX + 8];
    snprintf(image, sizeof image, "%.*ss:probe", (int)strlen(q->control.key) - 1, q->control.key);
    comp_argv_text(argv, !strcmp(word, "$c") ? q->control.key : !strcmp(word, "$s") ? image : word);
}

static void dry_run(const struct inquiry *q, const char *line, struct comp_argv *argv)
{
    char copy[128], *rest = copy;
    comp_argv_text(argv, "ACL");
    comp_argv_text(argv, "DRYRUN");
    comp_argv_text(argv, q->user);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        add_word(q, argv, word);
}

/* "... has no permissions to access the 'k' key", or "... to run the 'c' command" */
static bool says_keys(struct slice text)
{
    return text.len && memmem(text.at, text.len, "access", 6);
}

/* CLIENT KILL is client|kill to ACL. */
static void note_missing(struct inquiry *q, const char *line)
{
    const char *space = strchr(line, ' ');
    size_t n = space ? (size_t)(space - line) : strlen(line);
    bool container = !strncmp(line, "CLIENT ", 7) || !strncmp(line, "XINFO ", 6) || !strncmp(line, "XGROUP ", 7);
    size_t second = container ? strcspn(space + 1, " ") : 0;
    char word[64];
    int len = container ? snprintf(word, sizeof word, " +%.*s|%.*s", (int)n, line, (int)second, space + 1)
                        : snprintf(word, sizeof word, " +%.*s", (int)n, line);
    for (int i = 0; i < len; i++)
        word[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + ('a' - 'A') : word[i]);
    if (!strstr(buf_cstr(&q->missing), word))
        buf_append(&q->missing, word, (size_t)len);
}

/* An older server does not have all commands: what it does not know nobody writes there, and no undo needs. */
static bool is_unknown_command(struct slice text)
{
    return text.len && memmem(text.at, text.len, "' not found", 11);
}

/* May it? Where Redis does not say, yes. */
static bool allowed(struct inquiry *q, const char *line, bool needed, const struct redisReply *reply)
{
    struct slice text = redis_reply_bytes(reply);
    if (redis_reply_kind(reply) == REDIS_ERROR && is_unknown_command(text))
        return false;
    if (redis_reply_kind(reply) == REDIS_ERROR) {
        q->unknown = true;
        snprintf(q->job->why, sizeof q->job->why, "%.*s", (int)text.len, (const char *)text.at);
        return true;
    }
    bool yes = slice_is(text, "OK"), keys = !yes && says_keys(text);
    if (needed && keys)
        q->keys = true;
    else if (needed && !yes)
        note_missing(q, line);
    return yes;
}

static void hear_all(struct inquiry *q, struct redisReply *const *reply)
{
    for (size_t i = 0; i < ROWS; i++, reply += ROW) {
        const char *const *row = rights[i];
        if (*row[0] && !allowed(q, row[0], false, reply[0]))
            continue;
        for (size_t k = 1; k < ROW && row[k]; k++)
            (void)allowed(q, row[k], true, reply[k]);
    }
}

/* Of each place in the table that has a line, its reply; elsewhere NULL. */
static void ask_all(struct inquiry *q)
{
    struct comp_argv call[ROWS * ROW] = {0};
    struct redisReply *heard[ROWS * ROW], *reply[ROWS * ROW] = {0};
    size_t n = 0, next = 0;
    for (size_t i = 0; i < ROWS * ROW; i++)
        if (has_line(i))
            dry_run(q, rights[i / ROW][i % ROW], &call[n++]);
    q->unknown = !redis_job_ask_several(q->job, q->master, call, n, heard);
    for (size_t i = 0; !q->unknown && i < ROWS * ROW; i++)
        if (has_line(i))
            reply[i] = heard[next++];
    if (!q->unknown)
        hear_all(q, reply);
    for (size_t i = 0; i < next; i++)
        redis_reply_free(heard[i]);
    for (size_t i = 0; i < n; i++)
        comp_argv_fini(&call[i]);
}

enum redis_rights redis_rights(struct redis_job *job, size_t master, char *why, size_t why_size)
{
    const struct config_redis *c = job->resource->config;
    struct inquiry q = {.job = job, .master = master, .user = c->user ? c->user : "default"};
    comp_control_of_slot(&q.control, COMP_SLOT_ALONE);
    ask_all(&q);
    bool lacking = q.keys || buf_len(&q.missing);
    if (lacking)
        snprintf(why, why_size, "user %s may not do what undo needs: ACL SETUSER %s%s%s", q.user, q.user,
                 q.keys ? " ~xa:*" : "", buf_cstr(&q.missing));
    else if (q.unknown)
        snprintf(why, why_size, "rights of user %s not checked: %.100s", q.user, job->why);
    buf_fini(&q.missing);
    return lacking ? REDIS_RIGHTS_LACKING : q.unknown ? REDIS_RIGHTS_UNKNOWN : REDIS_RIGHTS_GOOD;
}
