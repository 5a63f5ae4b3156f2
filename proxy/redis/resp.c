/* Commands as bytes, the reader's limits, and the few replies that this folder itself understands. */
#include "proxy/redis/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void redis_format_texts(struct buf *out, const char *const *texts, size_t n)
{
    struct comp_argv argv = {0};
    for (size_t i = 0; i < n; i++)
        comp_argv_text(&argv, texts[i]);
    redis_format(out, &argv);
    comp_argv_fini(&argv);
}

void redis_format(struct buf *out, const struct comp_argv *argv)
{
    CHECK(argv->n);
    const char **args = calloc(argv->n, sizeof *args);
    size_t *lens = calloc(argv->n, sizeof *lens);
    CHECK(args && lens);
    for (size_t i = 0; i < argv->n; i++) {
        struct slice arg = comp_argv_at(argv, i);
        args[i] = (const char *)arg.at;
        lens[i] = arg.len;
    }
    char *bytes = NULL;
    long long n = redisFormatCommandArgv(&bytes, (int)argv->n, args, lens);
    CHECK(n > 0);
    buf_append(out, bytes, (size_t)n);
    redisFreeCommand(bytes);
    free(args);
    free(lens);
}

/* --- reading --- */

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t elements)
#else
static void *create_array(const redisReadTask *task, int elements)
#endif
{
    const struct redis_reader_limits *limits = task->privdata;
    if ((unsigned long long)elements > REDIS_ELEMENTS_MAX)
        return NULL;
    return limits->create_array(task, elements);
}

void redis_reader_limit(redisReader *reader, struct redis_reader_limits *limits)
{
    limits->functions = *reader->fn;
    limits->create_array = reader->fn->createArray;
    limits->functions.createArray = create_array;
    reader->fn = &limits->functions;
    reader->privdata = limits;
}

bool redis_reply_is_error(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR;
}

static bool error_begins(const redisReply *reply, const char *with)
{
    return redis_reply_is_error(reply) && strncmp(reply->str, with, strlen(with)) == 0;
}

bool redis_reply_says_no_function(const redisReply *reply)
{
    return error_begins(reply, "ERR Function not found");
}

bool redis_reply_says_loaded(const redisReply *reply)
{
    return !redis_reply_is_error(reply) || (error_begins(reply, "ERR Library") && strstr(reply->str, "already exists"));
}

/* "MOVED 3999 127.0.0.1:6381": the address may be IPv6 without brackets; without one it is that of who was asked. */
static bool read_address(const redisReply *reply, const struct redis_node *asked, struct redis_node *to)
{
    const char *space = strrchr(reply->str, ' '), *colon = strrchr(reply->str, ':');
    if (!space || !colon || colon < space)
        return false;
    if (colon == space + 1)
        return redis_node_set(to, asked->host, strlen(asked->host), atol(colon + 1));
    return redis_node_set(to, space + 1, (size_t)(colon - space - 1), atol(colon + 1));
}

enum redis_detour redis_reply_detour(const redisReply *reply, const struct redis_node *asked, struct redis_node *to)
{
    if (error_begins(reply, "MOVED ") || error_begins(reply, "ASK ")) {
        bool moved = *reply->str == 'M';
        if (to && !read_address(reply, asked, to))
            return REDIS_DETOUR_NONE;
        return moved ? REDIS_DETOUR_MOVED : REDIS_DETOUR_ASK;
    }
    if (error_begins(reply, "TRYAGAIN") || error_begins(reply, "CLUSTERDOWN"))
        return REDIS_DETOUR_AGAIN;
    return error_begins(reply, "READONLY") ? REDIS_DETOUR_MASTER : REDIS_DETOUR_NONE;
}

const char *redis_hello_objection(const redisReply *reply)
{
    if (redis_reply_is_error(reply))
        return reply->str;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements && reply->element[0]->str &&
        strcmp(reply->element[0]->str, "master") != 0)
        return "it is not the master";
    return NULL;
}

const char *redis_reply_text(const redisReply *reply)
{
    return redis_reply_is_error(reply) ? reply->str : "";
}

/* --- presenting ourselves --- */

static unsigned format_auth(struct buf *out, const char *user, const char *password)
{
    if (password && user)
        redis_format_texts(out, (const char *const[]){"AUTH", user, password}, 3);
    else if (password)
        redis_format_texts(out, (const char *const[]){"AUTH", password}, 2);
    return password != NULL;
}

unsigned redis_format_sentinel_hello(struct buf *out, const struct config_redis *config)
{
    return format_auth(out, config->sentinel_user, config->sentinel_password);
}

unsigned redis_format_hello(struct buf *out, const struct config_redis *config, const struct redis_options *options)
{
    unsigned replies = format_auth(out, config->user, config->password);
    if (config->db) {
        char db[16];
        snprintf(db, sizeof db, "%d", config->db);
        redis_format_texts(out, (const char *const[]){"SELECT", db}, 2);
        replies++;
    }
    if (config->mode == CONFIG_REDIS_SENTINEL) {
        redis_format_texts(out, (const char *const[]){"ROLE"}, 1);
        replies++;
    }
    redis_format_texts(out, (const char *const[]){"CLIENT", "SETNAME", options->client_name}, 3);
    redis_format_texts(out, (const char *const[]){"CLIENT", "ID"}, 2);
    return replies + 2;
}

void redis_format_load(struct buf *out, const struct redis_options *options)
{
    redis_format_texts(out, (const char *const[]){"FUNCTION", "LOAD", options->library_text}, 3);
}
