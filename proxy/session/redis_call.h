/* A CALL of a Redis command while it is under way: shared by redis.c and undo.c only. */
#ifndef PROXY_SESSION_REDIS_CALL_H
#define PROXY_SESSION_REDIS_CALL_H

#include "compensate/command.h"
#include "proxy/session/redis_args.h"
#include "proxy/session/session.h"

struct session_redis {
    struct session *session;
    unsigned resource;
    struct redis_args args;
    struct comp_command_use use;
    enum comp_shape shape;
    bool as_do;
    char alias[SQL_NAME_SIZE];
    struct redis_call call; /* outside a transaction, and reads */
    bool calling;
    bool is_write;
    struct net_timer timer;
    int64_t lock_deadline_ms;
    int64_t pause_ms;
};

/* Both complete the CALL. `why`: "" = nothing more to say. */
void redis_call_reply(struct session *s, const struct redisReply *reply);
void redis_call_error(struct session *s, uint16_t code, const char *sqlstate, const char *what, const char *why);
/* The lock did not become free in time, or before somebody ended the wait. Completes the CALL. */
void redis_call_waited(struct session *s);
int64_t redis_lock_pause(int64_t before_ms); /* until the key is asked for again */

#endif
