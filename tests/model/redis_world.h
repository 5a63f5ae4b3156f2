/* The world in which the Redis machine is explored: one transaction in one slot, its session and client, the log, a Redis
 * that keeps the contract of library/, the sweep of the resolver, and a rival who holds the key at first. Plain bytes,
 * so that a state can be hashed. The real parts are comp_step, comp_replay_fate and comp_replay_end.
 *
 *   client -- session (comp_step, redis_session.c) == requests in flight == Redis (redis_contract.c)
 *                     |                                                     |
 *                    log ---------------- sweep (redis_session.c) ----------+
 */
#ifndef TESTS_MODEL_REDIS_WORLD_H
#define TESTS_MODEL_REDIS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "compensate/undo.h"
#include "tests/model/explore.h"

#define MAX_SEQ 4
#define MAX_FLIGHT 6
#define FIRST_EPOCH 5

enum record { RECORD_NONE, RECORD_STANDS, RECORD_HUSK };
struct redis {
    int8_t effect[MAX_SEQ + 1];   /* how often write n is in the data: 0 or 1, or something went wrong */
    uint8_t record[MAX_SEQ + 1];
    uint8_t tombstone, locked, lowest_epoch;
};

enum request_kind { REQUEST_NONE, REQUEST_DO, REQUEST_PARTIAL, REQUEST_VOTE, REQUEST_END };
struct request {
    uint8_t kind, epoch, first, last; /* first: also the seq of a DO */
    uint8_t commit, tombstone, acked;
    uint8_t awaited;                  /* the session waits for the answer */
};

enum waiting { WAITING_NOT, WAITING_CALL, WAITING_TOUCH, WAITING_KILL, WAITING_LOCK, WAITING_LOG };
enum durable { LOG_NOTHING, LOG_APPENDED, LOG_DURABLE, LOG_FORGOTTEN };
enum session { SESSION_OPEN, SESSION_ENDED, SESSION_DIED };

struct world {
    struct redis redis, disk; /* what it holds, and what it would hold after losing the tail of its file */
    struct request flight[MAX_FLIGHT];
    uint8_t reply;            /* 1 + enum comp_reply, on its way back */
    /* the machine */
    uint8_t state, last, acked, traces, fence, mode_commit;
    /* session and client */
    uint8_t session, waiting, writes, marked, mark, restored, failed, believed;
    /* the process and its log */
    uint8_t dead, epoch, raised, touch, decision, horizon, ended;
    uint8_t fate, fate_last;  /* the sweep: 1 + enum comp_fate of what it has seen and will act upon */
    /* others */
    uint8_t rival;
    /* what the promises need to know */
    uint8_t voted, was_decided, lost_tail, lost_after_vote, took_back_committed, landed_late;
    uint8_t faults_left, crashes_left, redis_crashes_left;
};

struct scene {
    const char *name;
    uint8_t writes, savepoint, rival, faults, crashes, redis_crashes;
};
extern const struct scene *scene;

/* X(name, scene, text) */
#define MUTANTS(X) \
    X(NONE, 0, "as it is") \
    X(BLIND_UNDO, 0, "inverses are applied whether or not the write was: no record decides") \
    X(LOCAL_UNDO, 1, "what was acknowledged is undone from the coordinator's memory") \
    X(NO_DUPLICATE_CHECK, 0, "a resent write is applied again") \
    X(NO_FENCE, 0, "no tombstone: a late write finds an ended transaction open") \
    X(NO_EPOCH, 0, "recovery does not raise the lowest epoch") \
    X(VOTE_SKIPPED, 1, "commit without asking whether the records are still there") \
    X(FORGET_EARLY, 0, "the decision is forgotten before the end is acknowledged") \
    X(FORGET_NO_HORIZON, 1, "a forgotten decision leaves no horizon behind") \
    X(RECORDS_STAY, 0, "records are not deleted as they are done") \
    X(END_BEFORE_DURABLE, 0, "the end goes out before the decision is durable") \
    X(WRITE_BEFORE_TOUCH, 0, "the write goes out before the touch record is durable") \
    X(KILL_LIES, 2, "the old connection is taken for dead without killing it") \
    X(VICTIM_STAYS, 2, "the victim of a deadlock is told so, but its end is not sent") \
    X(SWEEP_LIVE, 0, "the sweep does not ask whether somebody works on it")
enum mutant {
#define X(name, scene, text) MUTANT_##name,
    MUTANTS(X)
#undef X
    MUTANT_COUNT
};
extern enum mutant mutant;

/* What can happen; the argument is an index into flight where there is one. */
#define STEPS(X) \
    X(REPLY, "the reply arrives") \
    X(DELIVER, "Redis executes a request") \
    X(DELIVER_ERROR, "Redis executes a write, whose command fails") \
    X(LOSE, "a request vanishes on its way") \
    X(LOSE_REPLY, "the reply vanishes on its way") \
    X(TIMEOUT, "the session gives the call up") \
    X(NOT_SENT, "the request never leaves") \
    X(TOUCH_DURABLE, "the touch record is durable") \
    X(TOUCH_REFUSED, "the log has no room for the touch record") \
    X(KILLED, "the old connection is killed") \
    X(KILL_FAILED, "the old connection cannot be killed") \
    X(RIVAL_LEAVES, "the rival releases the key") \
    X(LOCK_RETRY, "the session asks for the key again") \
    X(LOCK_TIMEOUT, "the session has waited long enough for the key") \
    X(DEADLOCK, "the session would wait for ever") \
    X(WRITE, "client: a write") \
    X(WRITE_QUEUED, "client: a write, which must not overtake others") \
    X(TOUCH_DURABLE_QUEUED, "the touch record is durable, others wait for the key") \
    X(MARK, "client: SAVEPOINT") \
    X(ROLLBACK_TO, "client: ROLLBACK TO SAVEPOINT") \
    X(COMMIT, "client: COMMIT") \
    X(ROLLBACK, "client: ROLLBACK, or it vanishes") \
    X(DECISION_DURABLE, "the decision is durable") \
    X(CRASH, "the coordinator dies") \
    X(RESTART, "the coordinator starts again") \
    X(RAISE, "recovery raises the lowest epoch in the slot") \
    X(SCAN, "the sweep lists what is open") \
    X(SWEEP_END, "the sweep ends what it has seen") \
    X(FORGET, "the decision is forgotten") \
    X(REDIS_SYNC, "Redis' file catches up") \
    X(REDIS_CRASH, "Redis loses the tail of its file and all connections")
enum step {
#define X(name, text) STEP_##name,
    STEPS(X)
#undef X
};

/* redis_contract.c: what library/ promises. Answers what the function would. */
enum comp_reply redis_execute(struct world *w, const struct request *r, bool command_fails);
bool redis_has_anything(const struct redis *r);
/* redis_session.c: the performer of comp_step, the client, the process, the sweep. */
void session_event(struct world *w, const struct comp_event *event);
enum comp_fate sweep_fate(const struct world *w);
void sweep_end(struct world *w);
/* redis_steps.c: what can happen, and what happens then. */
void world_start(void *world);
void world_offer(const void *world, struct explore_steps *steps);
void world_take(void *world, uint32_t step);
void world_tell(const void *before, uint32_t step, const void *after, char *out, size_t size);
bool world_settled(const void *world);
const char *world_broken(const void *world);

#endif
