/* A client of a Redis port: a session (proxy/session) whose face this folder is. One command at a time, in order; of what a client
 * sends ahead those that need not wait for each other go to Redis together.
 *
 *   client.c   its life: begins, takes commands, says an error       login.c    HELLO and AUTH
 *   flight.c   commands sent ahead, together                          queue, plan: of them, pure
 *   command.c  which command is whose                                 joined.c   XA.JOIN, XA.DO: in the transaction of a session
 *   own.c      what is answered here: PING, CLIENT, SELECT ...        multi.c   MULTI, EXEC, WATCH
 *   the rest, and what is pure: request, reply, types
 */
#ifndef PROXY_RESP_CLIENT_H
#define PROXY_RESP_CLIENT_H

#include "compensate/series.h"
#include "proxy/redis/redis.h"
#include "proxy/resp/queue.h"
#include "proxy/resp/request.h"
#include "proxy/session/guests.h"
#include "proxy/session/session.h"

#define RESP_WORD 64       /* bytes of a command's name in error texts, with the NUL */
#define RESP_NAME_MAX 256 /* bytes of a client's name, and of its library's */

struct resp_multi {
    bool open;                  /* MULTI was said: commands are collected in `series` */
    bool broken;                /* one was refused */
    bool has_slot;              /* of a cluster: all keys are in `slot` */
    uint16_t slot;
    bool runs;                  /* in a transaction that the client has joined, one by one; `next` is the next */
    size_t next;
    struct comp_series series;
    bool watches;               /* keys; over the connection of `watcher`, unless that was lost */
    struct redis_kept watcher;
    struct redis_call watch;    /* WATCH under way */
};

struct resp_client {
    struct session *session;
    struct resp_request request; /* what comes */
    struct comp_argv command;    /* under way, or the last */
    struct resp_queue queue;     /* sent ahead */
    struct resp_flight *flight;  /* of them, under way together; NULL: none */
    const char *broken;          /* what comes behind them is no command; NULL: it may be one */
    char word[RESP_WORD];        /* the command's name, for the process list */
    unsigned proto;              /* 2 or 3 */
    unsigned resource;           /* index */
    bool locked;                 /* RESET: it must log in again */
    char *name, *lib_name, *lib_version; /* as it calls itself; NULL: not said */

    struct resp_multi multi;

    /* XA.JOIN */
    bool joined;
    bool ended; /* the transaction; what is said now would not be in it */
    struct guest_address transaction;
    char gtrid[XA_GTRID_MAX + 1];
    /* A command of its that is in another session's transaction; `number` counts them */
    bool awaits;
    struct guest_address where;
    uint64_t number;
};

extern const struct session_face resp_face;

static inline struct buf *resp_out(struct session *s) { return &s->net->out; }
static inline const struct comp_argv *resp_command(const struct session *s) { return &s->resp->command; }
/* The next command has come whole and is resp_command now. */
void resp_take_request(struct session *s);

/* --- client.c --- */
/* This command is under way, or several of which it is the first. */
void resp_begin(struct session *s, const struct comp_argv *command);
/* Each of these completes the command. */
void resp_answer_ok(struct session *s);
void resp_answer_error(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* with its code word */
void resp_answer_written(struct session *s); /* into resp_out */

/* --- flight.c --- */
/* The first of the queue together with others, where they may go together. False: nothing was sent. */
bool resp_flight_begin(struct session *s);
/* Its client is gone. No effect where none is under way. */
void resp_flight_stop(struct session *s);

/* --- login.c --- */
void resp_login_begin(struct session *s, bool counted);
void resp_login_on_tls(struct session *s);
void resp_login_on_read(struct session *s);
void resp_login_on_timeout(struct session *s);
void resp_hello(struct session *s); /* HELLO and AUTH at any time */
void resp_auth(struct session *s);

/* --- errors.c --- */
/* A MySQL error, as the session's files raise them, in the words of Redis. command: the name of the one it is
 * about; "" = none. */
void resp_put_sql_error(struct buf *out, const char *command, uint16_t code, const char *text);
void resp_copy_name(const struct comp_argv *command, char out[RESP_WORD]);

/* --- own.c --- */
/* Answered here, completely. False: it is not one of these. */
bool resp_own_run(struct session *s);
void resp_quit(struct session *s);
bool resp_name_fits(struct slice name);
void resp_set_name(struct resp_client *c, struct slice name); /* it fits; empty: none */
void resp_forget_names(struct resp_client *c);

/* --- command.c --- */
void resp_command_run(struct session *s);
bool resp_passes_as_it_is(const struct session *s); /* it administers the server, which this port's clients may */
bool resp_command_too_deep(const struct comp_argv *command); /* its reply is a tree deeper than can be read here */
extern const char resp_too_deep[];

/* --- multi.c --- */
bool resp_multi_run(struct session *s);     /* MULTI and its like, and what is collected. False: none of these */
bool resp_multi_goes_on(struct session *s); /* a reply of the transaction that was joined is there: it runs the next one of EXEC */
void resp_multi_end(struct session *s);     /* nothing is collected or watched any more */
void resp_multi_fini(struct session *s);

/* --- joined.c --- */
void resp_joined_visit(struct session *s, struct comp_argv *command); /* takes what it holds, into the transaction joined */
bool resp_joined_keeps(const struct session *s);
const char *resp_joined_transaction(const struct session *s);
bool resp_joined_run(struct session *s); /* XA.JOIN and its like, and any other of a client that has joined. False: none of these */
void resp_joined_stop(struct session *s); /* nobody waits any more for what is under way */

#endif
