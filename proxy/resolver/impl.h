/* What the files of this folder share: the resolver, a job for each server, a job for each Redis resource. A job belongs to its
 * thread; what others may look at is under the resolver's lock. */
#ifndef PROXY_RESOLVER_IMPL_H
#define PROXY_RESOLVER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "proxy/journal/actions.h"
#include "proxy/redis/fleet.h"
#include "proxy/resolver/live.h"
#include "proxy/resolver/picture.h"
#include "proxy/resolver/resolver.h"
#include "proxy/resolver/server.h"

#define AGAIN_MS 50            /* a row seen for the first time is looked at again so soon */
#define ASK_WORKERS_MS 1000    /* a worker's loop answers within a turn */
#define LOST_MAX 8             /* connections, one after another, that a server that stands still may have of us */
#define RETRY_FAST_MS 100      /* between attempts to connect, with as much again at random ... */
#define RETRY_FAST_FOR_MS 10000
#define RETRY_SLOW_MS 1500     /* ... and so long after that: no branch may be in doubt for 5 s once a server is back */

struct conflict_row {
    char id[64], gtrid[PICTURE_NAME_MAX], key[128], command[64], outcome[32], detail[200];
    int64_t at_ms;
};

/* When to try to connect again; the same for servers and Redis. */
struct retry {
    int64_t failing_since_ms; /* monotonic; 0 = connected, or never tried */
    int64_t next_ms;
};
void retry_failed(struct retry *t);
int retry_wait_ms(const struct retry *t); /* 0 = now */

struct resolver;

/* A connection of ours that must be gone before a branch's absence from the list means anything. */
struct pending_kill {
    struct list link;
    uint64_t connection_id;
    int64_t opened_ms;        /* wall clock */
    char account[97];         /* "" = any of ours */
    bool listed, stranger;    /* at the last look: as a process of ours, of another account */
    bool bound;               /* InnoDB may have a transaction of it that others cannot end yet */
    bool told;                /* that it could not be killed */
};

struct backend_job {
    struct resolver *resolver;
    struct backend *backend;
    struct mailbox box;
    pthread_t thread;
    struct server *server;    /* NULL: not connected */
    _Atomic int socket;       /* of it, under the resolver's lock for who shuts it down; -1 = none */
    uint64_t lost[LOST_MAX];  /* connections of ours that may have GET_LOCK of our log and whose end we did not see, the latest
                               * first; 0 = no more */
    struct retry retry;
    struct list kills;        /* pending_kill */
    struct list query_kills;  /* asked for by letter; kill.c */
    struct list lock_questions; /* likewise; lock_waits.c */
    bool lock_waits_told;     /* that they cannot be answered */
    uint64_t detach_looks;    /* a number for each; detach.c */
    bool old_listed;          /* the connections of earlier epochs are among the kills */
    bool has_lock;            /* GET_LOCK of our log */
    bool asked_lock;          /* by the present connection: it may have it without our knowing */
    uint64_t killed_holder;   /* who had it, by the present connection; 0 = none */
    bool clean;               /* the verdict has no reservation */
    bool foreign_format;      /* ever seen: crash recovery there may lose what it prepared */
    bool accept_identity;     /* a person said so */
    int64_t accepted_ms;      /* wall clock: since then the name is another server's; 0 = it always was this one's */
    int64_t judged_ms;        /* monotonic time of the last verdict; 0 = none on this connection */
    int64_t first_judged_ms;  /* of the first one in this process: how long to wait for a dead process's lock */
    int64_t again_ms;         /* back-off of sweeps that achieve nothing */
    struct picture heuristic; /* branches whose damage a person must look at: never judged again */
    struct picture seen;      /* as of the last sweep; under the resolver's lock */
    bool swept;               /* at least once; under the resolver's lock */
    _Atomic int64_t swept_ms; /* when the last sweep began that came to its end; 0 = none */
};

struct redis_job {
    struct resolver *resolver;
    struct redis_resource *resource;
    struct mailbox box;
    pthread_t thread;
    struct redis_fleet *redis;    /* all its masters; NULL: not connected */
    struct retry retry;
    bool horizon_moved;
    bool unfenced;                /* a slot was on its way when the others were fenced */
    bool judged;                  /* usable, on these connections */
    int64_t connected_ms, judged_ms, tombs_swept_ms, conflicts_read_ms;
    int64_t sweep_due_ms;         /* monotonic; 0: now */
    _Atomic int64_t swept_ms;     /* when the last sweep began that came to its end; 0 = none */
    int64_t again_ms;
    bool found[COMP_SLOTS];       /* by a search */
    size_t searched_for;          /* so many reasons */
    size_t unsearched;            /* masters that did not answer then */
    char why[256];                /* of the last call that failed */
    struct picture seen;          /* under the resolver's lock, as are the two below */
    struct conflict_row *conflicts;
    size_t n_conflicts;
};

struct resolver {
    struct resolver_options o;
    struct backend_job *backends;
    struct redis_job *redis;
    struct runner *runners;        /* runner.h */
    size_t n_runners;
    pthread_mutex_t lock;          /* for pictures, conflicts and sockets */
    pthread_mutex_t identity_lock; /* two names for one server must not both find it free */
    _Atomic bool stopping;
    bool started;
    struct {
#define X(name, text) _Atomic uint64_t name;
        RESOLVER_COUNTERS(X)
#undef X
    } count;
};

/* What sweeps of both kinds share (common.c). */
struct slice slice_of_text(const char *text);
uint64_t number_of(struct slice digits); /* up to what is none; capped */
/* `fd` (-1: none) is what a thread waits on from now on, remembered in `place`. Who begins to wait after the stop does not. */
void waits_on(struct resolver *r, _Atomic int *place, int fd);
bool ask_workers(struct resolver *r, struct live_set *out);
void describe_row(struct resolver *r, struct picture_row *row, const char *gtrid);
void publish(struct resolver *r, struct picture *place, struct picture *fresh);
/* A person's verdict was carried out here; it is over when nothing in doubt anywhere bears the name. */
void person_carried_out(struct resolver *r, const char *gtrid);

/* Those who do actions (runner.c). */
void runners_start(struct resolver *r);
void runners_interrupt(struct resolver *r); /* the resolver's lock is held */
void runners_join(struct resolver *r);
/* barrier.c: for how long what says that an action was done must stand: none that still waits may ask for an older one. */
int64_t barrier_keep_ms(struct journal *j);
/* Makes its table where there is none: a session may need it as soon as the server is judged, before a runner looks after it. */
void barrier_provide(struct server *s, const char *schema);

void *backend_thread(void *job);
void *redis_thread(void *job);

/* Threads of servers that must be gone (kill.c). */
void kill_later(struct backend_job *job, uint64_t connection_id, int64_t opened_ms, const char *account);
void kill_old_connections(struct backend_job *job);
bool kill_pending(struct backend_job *job); /* true: none is left; false: some live, or the connection was lost */
void kill_forget(struct backend_job *job);
/* detach.c: notes which of the connections to be gone still have a transaction. False: it cannot be told now, each
 * counts as bound; ask again DETACH_PAUSE_MS later. */
#define DETACH_PAUSE_MS 110
bool detach_look(struct backend_job *job) MUST_USE;
/* No branch may be ended on that server as long as there is one: it could be the branch of that connection. */
bool detach_pending(const struct backend_job *job);
/* Single statements: each asked for is answered, where there is no connection, and has been none for a moment, by doing nothing.
 * False: the connection was lost. */
bool kill_queries(struct backend_job *job);
/* Who waits for whom; the same. */
bool lock_questions(struct backend_job *job);

/* The start-up verdict (verdict.c) and its parts (identity.c, lock.c). False: the connection was lost. */
bool verdict_judge(struct backend_job *job);
struct verdict {
    bool mariadb;
    int version;          /* 10.11.19 = 101119 */
    char version_text[64], identity[64];
    bool never, unsafe, refused;
    char text[512];
};
void verdict_never(struct verdict *v, const char *fmt, ...) PRINTF_LIKE(2, 3);  /* not even with allow_unsafe */
void verdict_note(struct verdict *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void verdict_identity(struct backend_job *job, struct verdict *v);
void verdict_lock(struct backend_job *job, struct verdict *v);
void lock_lost(struct backend_job *job);   /* with the connection, which goes now */
void lock_forget(struct backend_job *job); /* who may have it: nobody of ours any more */

/* How long to wait until the next sweep, or -1: the connection was lost. */
int backend_sweep(struct backend_job *job);

/* Of the slot's master: the reply, which redis_reply_free frees; NULL: an error reply, or a connection is lost (then job->redis
 * is NULL too); job->why says it. The others: of that master. */
struct redisReply *redis_job_call(struct redis_job *job, uint16_t slot, const struct comp_argv *argv);
struct redisReply *redis_job_ask(struct redis_job *job, size_t master, const struct comp_argv *argv);
/* Several in one write: replies, each freed by the caller, errors among them. False with job->why: there are none. */
bool redis_job_ask_several(struct redis_job *job, size_t master, const struct comp_argv *argv, size_t n, struct redisReply **replies);
struct redisReply *redis_job_line(struct redis_job *job, size_t master, const char *line); /* words with a blank between */
/* Slots with control hashes (redis_slots.c), as uint16_t: those that any start of this log wrote to, and with them those where
 * another log of this node may have. */
void redis_touched_slots(struct redis_job *job, struct buf *out);
void redis_slots(struct redis_job *job, struct buf *out);
void redis_search_slots(struct redis_job *job); /* for the latter, where there is a reason */
/* The verdict (redis_verdict.c) and its parts (redis_rights.c, redis_fence.c). Also fences what dead epochs may still send.
 * False: not usable (said in the verdict), or the connection is lost. */
bool redis_judge(struct redis_job *job);
enum redis_rights { REDIS_RIGHTS_GOOD, REDIS_RIGHTS_LACKING, REDIS_RIGHTS_UNKNOWN };
enum redis_rights redis_rights(struct redis_job *job, size_t master, char *why, size_t why_size); /* why: unless GOOD */
bool redis_fence(struct redis_job *job); /* of all masters; false with job->why */
void redis_each_line(struct slice text, void (*each)(void *arg, struct slice line), void *arg); /* without its end */
struct comp_scanned;
/* redis_scan.c: rows of what is open in a slot; NULL: not known, job->why says why. */
struct redisReply *redis_scan(struct redis_job *job, uint16_t slot);
bool redis_scanned_at(const struct redisReply *rows, size_t i, struct comp_scanned *out); /* false: not such a row */
bool redis_scanned_has(const struct redisReply *rows, size_t start, struct slice gtrid);
bool redis_scanned_any(const struct redisReply *rows);
int redis_sweep(struct redis_job *job);  /* how long to wait until the next, or -1: the connection was lost */
void redis_read_conflicts(struct redis_job *job);
void redis_kill_client(struct redis_job *job, size_t master, uint64_t client_id);
/* A letter: nothing happens while not connected. */
void redis_settle_conflict(struct redis_job *job, const char *id, enum comp_settle how);

#endif
