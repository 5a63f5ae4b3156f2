/* What to do with what comp_call_scan found in a slot: pure judgement over a row and what the log says. The caller has raised
 * the epoch in that slot before it scanned. */
#ifndef COMPENSATE_REPLAY_H
#define COMPENSATE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "compensate/calls.h"
#include "compensate/journal.h"

#define COMP_FATES(X) \
    X(COMMIT, "ours and decided: end it, effects stay") \
    X(ROLLBACK, "ours, not decided, nobody works on it: take it back") \
    X(WAIT, "ours and live, or seen for the first time: look again") \
    X(NOTHING, "only a tombstone is left") \
    X(FOREIGN, "not ours: show, never touch") \
    X(OTHER_LOG, "our node's name, another log: show; a person decides") \
    X(ORPHAN, "below the forget horizon: its decision may be forgotten; show, never take back")
enum comp_fate {
#define X(name, text) COMP_FATE_##name,
    COMP_FATES(X)
#undef X
};
const char *comp_fate_text(enum comp_fate fate);
const char *comp_fate_name(enum comp_fate fate);

struct comp_scanned { /* one row of the scan */
    struct slice gtrid;
    uint32_t first, last; /* seqs; 0 where there is no record */
    uint32_t n_records, n_locks;
    bool tombstone;
};
struct comp_gtrid_parts {
    struct slice node, log_id;
    uint64_t epoch, counter;
};

struct comp_replay_view {
    const char *node, *log_id;
    bool (*parse)(void *arg, struct slice gtrid, struct comp_gtrid_parts *out); /* false: not a name of ours */
    bool (*live)(void *arg, struct slice gtrid);    /* some worker has it in hand */
    bool (*decided)(void *arg, struct slice gtrid); /* the log holds a decision to commit */
    void *arg;
    struct comp_horizon_record horizon;             /* of the resource; all-zero = none */
    bool seen_before; /* it was in the list before the workers were asked as well */
};
enum comp_fate comp_replay_fate(const struct comp_replay_view *view, const struct comp_scanned *row);
/* The end to send for COMMIT and ROLLBACK; always with a tombstone, since nobody knows what is still on its way. */
struct comp_end comp_replay_end(const struct comp_scanned *row, enum comp_fate fate, enum comp_dirty dirty);

#endif
