/* Redis' protocol as both clients of this folder need it: commands as bytes, a reader with limits, what a reply says
 * about the function library. hiredis does the parsing and formatting. */
#ifndef PROXY_REDIS_RESP_H
#define PROXY_REDIS_RESP_H

#include <stdbool.h>

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "compensate/argv.h"
#include "proxy/redis/resource.h"

/* Appends a command as Redis reads it. At least one argument. */
void redis_format(struct buf *out, const struct comp_argv *argv);
void redis_format_texts(struct buf *out, const char *const *texts, size_t n);

/* Makes a reader refuse arrays beyond REDIS_ELEMENTS_MAX before it allocates them. Lives as long as the reader. */
struct redis_reader_limits {
    redisReplyObjectFunctions functions;
#if HIREDIS_MAJOR >= 1
    void *(*create_array)(const redisReadTask *task, size_t elements);
#else
    void *(*create_array)(const redisReadTask *task, int elements);
#endif
};
void redis_reader_limit(redisReader *reader, struct redis_reader_limits *limits);

bool redis_reply_is_error(const redisReply *reply);
/* "Function not found": nothing was executed. */
bool redis_reply_says_no_function(const redisReply *reply);
/* The reply to FUNCTION LOAD: is the library there now? Somebody else may have loaded it. */
bool redis_reply_says_loaded(const redisReply *reply);
/* Where a refused call should go instead; nothing was executed. */
enum redis_detour {
    REDIS_DETOUR_NONE,   /* it is an answer */
    REDIS_DETOUR_MOVED,  /* the slot is at another node */
    REDIS_DETOUR_ASK,    /* this key may be, ASKING */
    REDIS_DETOUR_AGAIN,  /* the slot is on its way, or the cluster not whole: the same a little later */
    REDIS_DETOUR_MASTER, /* this is a replica now */
};
/* asked: who said it; to: filled for MOVED and ASK. Both may be NULL. */
enum redis_detour redis_reply_detour(const redisReply *reply, const struct redis_node *asked, struct redis_node *to);
/* What is wrong with a reply to the hello: an error, or ROLE says that it is no master. NULL: nothing. */
const char *redis_hello_objection(const redisReply *reply);
/* An error reply's text, for people. */
const char *redis_reply_text(const redisReply *reply);

/* AUTH, SELECT, ROLE (behind Sentinels), CLIENT SETNAME, CLIENT ID as one run of commands: returns how many replies will come.
 * The last one is the id, none of them may be an error. */
unsigned redis_format_hello(struct buf *out, const struct config_redis *config, const struct redis_options *options);
/* AUTH, if there is a password: 0 or 1 reply. */
unsigned redis_format_sentinel_hello(struct buf *out, const struct config_redis *config);
void redis_format_load(struct buf *out, const struct redis_options *options);

#endif
