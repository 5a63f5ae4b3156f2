/* The steps of the commit model and how one is written as a number. */
#ifndef TESTS_MODEL_COMMIT_STEPS_H
#define TESTS_MODEL_COMMIT_STEPS_H

#include "tests/model/commit_world.h"

/* X(name, does it concern one server?, who: what) */
#define STEPS(X) \
    X(CLIENT_BEGINS, false, "client: BEGIN, statements on all branches") \
    X(CLIENT_COMMITS, false, "client: COMMIT") \
    X(CLIENT_ROLLS_BACK, false, "client: ROLLBACK") \
    X(CLIENT_VANISHES, false, "client: vanishes") \
    X(DEADLOCK, true, "server: deadlock (1213), the branch is rolled back") \
    X(DOOM, true, "server: an error that dooms the transaction") \
    X(NO_ROOM_FOR_COMMIT, false, "client: COMMIT, and the log has no room") \
    X(LOG_FILLS, false, "log: fills up") \
    X(READ_REPLY, true, "session: reads the reply") \
    X(FIND_LOST, true, "session: finds the connection gone") \
    X(CUT, true, "network: the connection is lost") \
    X(LATE, true, "session: the reply takes too long") \
    X(READ_REDIS, false, "session: reads Redis' reply") \
    X(CUT_REDIS, false, "network: the connection to Redis is lost") \
    X(SYNC, false, "log: synced") \
    X(REFUSE_ROOM, false, "log: takes no record") \
    X(PROCESS, true, "server: does what it was asked") \
    X(REFUSE, true, "server: answers with an error") \
    X(THREAD_ENDS, true, "server: the old connection ends (noticed or killed)") \
    X(CRASH_SERVER, true, "server: crashes and restarts") \
    X(LAND, true, "server: a late request of the resolver lands") \
    X(PROCESS_REDIS, false, "redis: does what it was asked") \
    X(LOSE_DATA, false, "redis: loses the transaction's writes") \
    X(LAND_REDIS, false, "redis: a late end lands") \
    X(PROCESS_ASKED, true, "server: does what the resolver asked") \
    X(READ_ASKED, true, "resolver: reads the reply") \
    X(CUT_ASKED, true, "network: the resolver's connection is lost") \
    X(SWEEP, true, "resolver: lists / asks the workers / lists again / judges") \
    X(SWEEP_REDIS, false, "resolver: sweeps Redis") \
    X(RUN_ACTION, false, "runner: does the action that is due") \
    X(CRASH, false, "proxy: kill -9, restart")
enum step_kind {
#define X(name, at_server, text) STEP_##name,
    STEPS(X)
#undef X
};

/* kind, server or variant, variant; then for an event: after how many actions the proxy dies, which records survive */
#define STEP(kind, i, how) ((uint32_t)STEP_##kind | (uint32_t)(i) << 8 | (uint32_t)(how) << 12)
static inline uint32_t with_cut(uint32_t step, unsigned cut, unsigned kept) { return step | cut << 16 | kept << 24; }
static inline enum step_kind kind_of(uint32_t step) { return step & 0xff; }
static inline unsigned server_of(uint32_t step) { return step >> 8 & 0xf; }
static inline unsigned how_of(uint32_t step) { return step >> 12 & 0xf; }
static inline unsigned cut_of(uint32_t step) { return step >> 16 & 0xff; }
static inline unsigned kept_of(uint32_t step) { return step >> 24; }

/* Where a fault is paid from; NULL: it is none. */
uint8_t *purse_of(struct world *w, enum step_kind kind);
unsigned actions_of_last_event(void); /* of the event that world_take fed */

#endif
