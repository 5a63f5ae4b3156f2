/* The world in which the commit machine is explored: one transaction, one client, up to three servers, a Redis, the log,
 * and the resolver. Plain bytes, so that a state can be hashed. The real parts are xa_step, xa_verdict_of and
 * xa_recovery_*; everything around them is played here as the servers were measured to behave.
 *
 *   client -- session (xa_step, commit_proxy.c) == socket/thread == servers (commit_servers.c)
 *                     |                                               |
 *                    log, registry ------- resolver (commit_resolver.c)
 */
#ifndef TESTS_MODEL_COMMIT_WORLD_H
#define TESTS_MODEL_COMMIT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xa/transaction.h"

#define MAX_SERVERS 3

/* --- what is asked of a server; the first five on the branch's own connection --- */
enum request { REQUEST_NONE, REQUEST_PREPARE, REQUEST_ONE_PHASE, REQUEST_COMMIT, REQUEST_END_ROLLBACK, REQUEST_ROLLBACK,
               REQUEST_RELEASE };

/* COMMITTING: in the midst of XA COMMIT, not listed any more, but prepared again after a crash. FORGOTTEN: nobody can end it,
 * and its locks stay. */
enum branch_place { BRANCH_GONE, BRANCH_ACTIVE, BRANCH_PREPARED, BRANCH_COMMITTING, BRANCH_FORGOTTEN };
/* CLOSING: others may end its prepared branch, says the server, but InnoDB has not detached it (MariaDB). */
enum thread { THREAD_GONE, THREAD_LIVES, THREAD_CLOSING };
enum session { SESSION_OWN, SESSION_RESOLVER, SESSION_LATE }; /* who asks; LATE: a resolver's that was given up */
enum outcome { OUTCOME_OPEN, OUTCOME_COMMITTED, OUTCOME_ROLLED_BACK };

struct server {
    uint8_t branch;         /* enum branch_place: GONE holds no locks */
    uint8_t committing;     /* enum session: whose COMMIT it is in the midst of */
    uint8_t outcome;        /* what became of its writes */
    uint8_t socket;         /* the proxy's side of the branch's connection is open */
    uint8_t thread;         /* enum thread, the server's side: it may be long in noticing that the other side is gone */
    uint8_t request;        /* under way, or in the server's buffer: outlives the proxy */
    uint8_t reply_to;       /* the request that was answered, answer not read yet */
    uint8_t reply;          /* index into reply_codes */
    uint8_t asked;          /* resolver: COMMIT or ROLLBACK under way on its own connection */
    uint8_t asked_reply_to; /* resolver: answered, not read yet */
    uint8_t asked_reply;
    uint8_t late;           /* bits 1 << request: resolver requests whose connection is given up; they may still land */
    uint8_t sweep;          /* the resolver's look at this server, and what it has seen */
    uint8_t seen_before, seen_now, was_live, was_open, old_gone, held;
    uint8_t restarted;      /* since the branch's connection was opened */
    uint8_t was_prepared;
};

enum redis_place { REDIS_EMPTY, REDIS_UNDO, REDIS_KEPT, REDIS_UNDONE }; /* UNDO: effect and undo record lie there */
enum redis_request { REDIS_ASK_NOTHING, REDIS_ASK_VOTE, REDIS_ASK_KEEP, REDIS_ASK_UNDO };
struct redis {
    uint8_t place;
    uint8_t request;
    uint8_t reply_to, yes;
    uint8_t late; /* bits 1 << request: given up, may still land */
};

/* Two actions of the transaction, one for each outcome. Its runner goes by what the log says, or the registry of the living. */
enum due { DUE_UNKNOWN, DUE_ON_COMMIT, DUE_ON_ROLLBACK };
struct registered_actions {
    uint8_t on_commit;    /* enum log_place of its record: appended right before the decision */
    uint8_t due;          /* enum due: the outcome, as far as the runner knows */
    uint8_t committed_ran, rolled_back_ran;
};

enum log_place { LOG_NOTHING, LOG_APPENDED, LOG_SYNCED };
enum life { LIFE_BEFORE, LIFE_LIVE, LIFE_FORGOTTEN };
enum client { CLIENT_WORKS, CLIENT_WAITS, CLIENT_ANSWERED, CLIENT_VANISHED, CLIENT_CUT_OFF };
enum registered { REGISTERED_NO, REGISTERED_SESSION, REGISTERED_RESOLVER };
enum sweep { SWEEP_IDLE, SWEEP_LISTED, SWEEP_ASKED, SWEEP_LISTED_TWICE };

struct world {
    /* the session's volatile state: the live table and struct xa_tx, packed */
    uint8_t life;
    uint8_t tx_state, tx_redis, tx_answer, tx_answer_due, tx_decided;
    uint8_t tx_branch[MAX_SERVERS];
    uint8_t client, answer; /* answer valid with CLIENT_ANSWERED */
    /* the log, and the registry with what is settled */
    uint8_t decision, done;
    uint8_t log_full;
    uint8_t in_decision; /* bits: branches that the decision names; bit 7: Redis */
    uint8_t registered;
    uint8_t settled; /* bits as above */
    struct server server[MAX_SERVERS];
    struct redis redis;
    struct registered_actions actions;
    /* what fate may still do */
    uint8_t faults_left, crashes_left, losses_left, server_crashes_left, refusals_left, vanishings_left;
    uint8_t broken; /* enum breach found while a step was taken */
};
#define REDIS_BIT 0x80

#define BREACHES(X) \
    X(NONE, "") \
    X(ANSWER_TO_NOBODY, "an answer was given to a client that did not wait for one") \
    X(FALSE_COMMITTED, "the client was told COMMITTED before every writer had committed") \
    X(FALSE_LATER, "the client was told COMMITTED_LATER without a durable decision") \
    X(FALSE_HEURISTIC, "HEURISTIC was answered, and nobody had damaged anything") \
    X(DONE_EARLY, "the decision was forgotten before everything was settled") \
    X(READER_EARLY, "a reader was released before the outcome was known") \
    X(FORGET_NOT_LAST, "FORGET was not the last action, or not at the end") \
    X(TWO_REQUESTS, "a second request on a connection that was not answered yet") \
    X(ACTION_LOST, "the decision is durable, and the action that was registered with it is not known") \
    X(DIRTY_CONNECTION, "a connection with a branch on it went back to the pool")
enum breach {
#define X(name, text) BREACH_##name,
    BREACHES(X)
#undef X
};

/* --- one exploration's constants --- */

struct scene_server {
    bool mariadb; /* PREPARED stays bound to its connection; ROLLBACK is not flushed */
    bool writes;  /* in truth */
    bool tracked; /* the answer to XA START carried the tracker */
};
struct scene {
    const char *name;
    unsigned n_servers;
    struct scene_server server[MAX_SERVERS];
    bool redis;
    bool one_phase_off;
    bool actions; /* one on commit, one on rollback, registered before the client ends it */
    unsigned sweeps; /* how many servers are swept side by side */
    uint8_t faults, crashes, losses, server_crashes, refusals, vanishings; /* the first bounds their sum */
};

/* --- mistakes that can be switched on around the machine: each must be caught --- */
#define MUTANTS(X) \
    X(NONE, 0, "") \
    X(COMMIT_BEFORE_DURABLE, 0, "XA COMMIT is sent when the decision is appended, not when it is durable") \
    X(ANSWER_BEFORE_DURABLE, 0, "the client gets its OK when the decision is appended") \
    X(NOTA_IS_DONE, 0, "1397 to XA COMMIT is taken for done while the old connection lives") \
    X(LOST_PREPARE_IS_YES, 0, "a lost PREPARE is taken for a yes") \
    X(UNSYNCED_NOT_LIVE, 0, "an appended, unsynced decision is in nobody's hand: abort is presumed") \
    X(DONE_EARLY, 0, "DONE is appended as soon as the decision is durable") \
    X(ROLLBACK_AFTER_DECISION, 0, "a branch lost while the decision is on its way makes the rest roll back") \
    X(SEEN_ONCE, 0, "the resolver rolls back what it saw in one list only") \
    X(STALE_ABSENCE, 0, "a branch handed over after the list was made is taken for absent from it") \
    X(CLOSING_IS_GONE, 0, "a thread that is not listed any more is taken for detached from its branch") \
    X(GIVEN_UP_SINCE, 0, "a connection that was given up after the look is not thought of") \
    X(ABSENCE_UNPROVEN, 0, "not listed is taken for done while somebody may be in the midst of its COMMIT") \
    X(RESTART_IS_PROOF, 0, "a restart is taken for proof that nobody is in the midst of a COMMIT") \
    X(LIVE_IGNORED, 0, "the resolver does not ask the workers") \
    X(PAGE_CACHE_TRUSTED, 0, "a start acts upon an unsynced decision without syncing it first") \
    X(OLD_CONNECTION_SPARED, 0, "connections that were given up are never killed") \
    X(HAND_OVER_IGNORED, 0, "the registry is not told that the resolver owns what is left") \
    X(LATE_ANSWER_DROPPED, 0, "no answer where a server will only follow") \
    X(UNPROVEN_READER, 1, "a branch without proof is taken for read-only") \
    X(LOST_ONE_PHASE_IS_OK, 2, "the lost reply to COMMIT ONE PHASE is taken for OK") \
    X(REDIS_VOTE_IGNORED, 3, "Redis' no is taken for a yes") \
    X(ACTION_UNTOLD, 11, "the machine is not told of an action, and commits in one phase") \
    X(ACTION_BEHIND_DECISION, 11, "an action is appended behind the decision") \
    X(ACTION_BEFORE_DURABLE, 11, "an action is run when its decision is appended") \
    X(ACTION_ON_ROLLBACK_EARLY, 11, "what is for a rollback is run when COMMIT is asked")
enum mutant {
#define X(name, scene, text) MUTANT_##name,
    MUTANTS(X)
#undef X
    MUTANT_COUNT
};

extern const struct scene *scene;
extern enum mutant mutant;

/* --- commit_servers.c --- */
extern const uint16_t reply_codes[];
enum reply_index { REPLY_OK, REPLY_NOTA, REPLY_RMFAIL, REPLY_RBROLLBACK, REPLY_READ_ONLY, REPLY_INTERRUPTED };
/* How a server may answer when it does not simply do it. */
enum refusal { REFUSAL_NONE, REFUSAL_ROLLED_BACK, REFUSAL_UNCHANGED, REFUSAL_UNCLEAR_DONE, REFUSAL_UNCLEAR_NOT_DONE };
bool server_can_refuse(const struct server *s, enum refusal how);
/* The branch's own connection; the resolver's; a resolver's that was given up. A COMMIT takes two of these. */
void server_process(struct world *w, unsigned i, enum refusal how);
void server_process_asked(struct world *w, unsigned i);
void server_land(struct world *w, unsigned i, enum request what);
void server_give_up_asked(struct server *s);
bool server_thread_can_end(const struct server *s);
void server_thread_ends(struct world *w, unsigned i); /* the connection was noticed dead, or killed */
void server_crash(struct world *w, unsigned i, bool rollback_forgotten);
bool server_may_forget_rollback(const struct world *w, unsigned i);

/* --- commit_proxy.c --- */
void proxy_unpack(const struct world *w, struct xa_tx *tx);
void proxy_begin(struct world *w);
/* Feeds an event and performs what the machine asks; with a cut, the proxy dies after that many actions. Returns how
 * many actions there were. */
unsigned proxy_feed(struct world *w, struct xa_event event, unsigned cut, unsigned kept);
void proxy_crash(struct world *w, unsigned kept); /* of the unsynced records the first `kept` survive */
void proxy_append_done(struct world *w);
void proxy_run_action(struct world *w); /* the runner does what is due */
void proxy_settled(struct world *w, uint8_t bit); /* resolver: one part of a registered decision */

/* --- commit_resolver.c --- */
bool resolver_wanted(const struct world *w, unsigned i);
void resolver_sweep(struct world *w, unsigned i); /* its next step, the first where it is idle */
void resolver_idle(struct server *s);
void resolver_reply(struct world *w, unsigned i);
bool resolver_redis_wanted(const struct world *w);
void resolver_redis(struct world *w);

/* --- commit_promises.c --- */
const char *world_broken(const void *world);
bool world_settled(const void *world);
/* Where a mistake is built in, only its consequences count as caught: what became of data and of the client's answer. */
extern bool outcomes_only;

/* --- commit_take.c, commit_offer.c, commit_tell.c --- */
struct explore_steps;
void world_offer(const void *world, struct explore_steps *steps);
void world_take(void *world, uint32_t step);
void world_tell(const void *before, uint32_t step, const void *after, char *out, size_t size);

#endif
