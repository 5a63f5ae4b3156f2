/* A CALL of a Redis command while it is under way: shared by the files about it only. */
#ifndef PROXY_SESSION_REDIS_CALL_H
#define PROXY_SESSION_REDIS_CALL_H

#include "compensate/learn.h"
#include "compensate/series.h"
#include "compensate/streams.h"
#include "compensate/undo.h"
#include "proxy/session/redis_args.h"
#include "proxy/session/session.h"
#include "proxy/session/waits.h"

/* Who hears what becomes of a command that is no CALL. Each completes it. Errors are the session's (session_answer_error). */
struct redis_hearer {
    void (*reply)(struct session *s, const struct redisReply *reply); /* NULL: nothing came to a command that waits */
    void (*word)(struct session *s, const char *word);                /* a status of the proxy's own */
    void (*flags)(struct session *s, const bool *set, size_t n);      /* likewise an array of 0 and 1 */
};

struct session_redis {
    struct session *session;
    unsigned resource;
    struct redis_args args;
    struct comp_command_use use;
    struct comp_learned learned;   /* a row for what the table does not know */
    struct comp_refusal unknown;   /* what is answered where the server does not know it either */
    enum comp_shape shape;
    const struct redis_hearer *hearer; /* NULL: the client, who has said CALL */
    bool as_do;
    char alias[SQL_NAME_SIZE];
    struct redis_call call; /* outside a transaction, and reads */
    bool calling;
    bool is_write;
    bool is_raw;     /* it goes to Redis as it is, although it writes */
    bool asked_held; /* CALL cache.HELD(...) */
    bool is_checked; /* a read that waits while another transaction holds a key */
    bool asks_library; /* else a reply is the command's own, whatever it says: a script's may say anything */
    struct session_wait wait; /* for a key; inside a transaction and outside */

    /* A series: what `args` and `use` say is only for who waits */
    struct comp_series series;
    struct redis_kept *watcher; /* the connection that watches keys, until it is used; NULL: none */
    bool watched;               /* there was one */
    bool loads;                 /* nothing was done, but the function library is loaded now */
};

/* redis_learn.c: asks the server about a command that the table does not know; then redis_call_known, or an answer. */
void redis_learn(struct session *s);
void redis_call_known(struct session *s);   /* `use` says what it is: looks whether it may be said, then redis_call_checked */
void redis_call_checked(struct session *s); /* it may, with its keys as Redis has them */

/* redis_scripts.c: a script that is named and not written; what `use` says is checked, `checked` whether a read will be. True:
 * its text is on its way, then redis_call_checked again, or the CALL is answered. */
bool redis_script(struct session *s, bool checked);
void redis_script_flush(struct session *s); /* what is passed as it is: SCRIPT FLUSH ends what the proxy knows, too */

/* A command without SQL: takes what `command` holds. It is answered through the hearer, or by an error. */
void redis_call_run(struct session *s, unsigned resource, struct comp_argv *command, const struct redis_hearer *hearer);

/* The same for one that the table refuses, as it is. */
void redis_call_pass(struct session *s, unsigned resource, struct comp_argv *command, const struct redis_hearer *hearer);

/* Series as one step; takes what `series` holds. watcher: sent over that connection, which is not kept behind it; NULL: none. The
 * reply to the hearer is an array or an error; NULL: nothing was done, since what was watched has changed. */
void redis_call_series(struct session *s, unsigned resource, struct comp_series *series, uint16_t slot, struct redis_kept *watcher,
                       const struct redis_hearer *hearer);
struct session_redis *redis_call_new(struct session *s, unsigned resource, struct comp_argv *command,
                                     const struct redis_hearer *hearer);
#define REDIS_SCRIPTS_OFF "set scripts = declared, and name in each all keys that it touches"
/* Whether the resource's options let this command run. */
bool redis_scripts_allowed(const struct session *s, unsigned resource, const struct comp_command *row);
/* Whether a read waits while a transaction holds its keys. */
bool redis_reads_committed(const struct session *s, unsigned resource, const struct comp_command_use *use);
/* Whether a command outside a transaction goes past all locks, since the resource says so. */
bool redis_is_raw(const struct session *s, unsigned resource, const struct comp_command_use *use);
/* A message of that name is kept back for the commit: the resource says so. */
bool redis_waits_to_publish(const struct session *s, unsigned resource, struct slice name);
void redis_call_failed(struct session *s, enum redis_result result, const char *why); /* not REPLIED; completes it */

/* Both complete the CALL. `why`: "" = nothing more to say. */
void redis_call_reply(struct session *s, const struct redisReply *reply);
void redis_call_error(struct session *s, uint16_t code, const char *sqlstate, const char *what, const char *why);
/* The lock did not become free in time, nothing came, or somebody ended the wait. Completes the CALL. */
void redis_call_waited(struct session *s);
/* Before the command is sent: what its wait is for, who is told that it goes on. True: it rests already, behind others. */
bool redis_call_queues(struct session *s, const struct comp_keyset *held,
                       void (*on_turn)(struct session_wait *k, enum waits_turn turn));
enum waits_turn redis_call_refused(struct session *s, const struct redisReply *reply); /* because of a lock, or of nothing to take */

/* undo_keys.c, for undo.c: about s->redis, a write in this part of the transaction. */
struct session_resource;
bool undo_queues(struct session_resource *res); /* before it is sent: true = it rests, others wait already */
enum waits_turn undo_wait_lock(const struct session_resource *res); /* it rests already, or Redis has refused it */
enum comp_event_kind undo_event_of(enum waits_turn turn);           /* not of WAITS_ON */
void undo_note_keys(struct session_resource *res);                  /* it was done: the keys are the transaction's own */

#endif
