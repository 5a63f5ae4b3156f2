/* The function calls by which a transaction talks to Redis, built as argument lists. What the functions do is in library/;
 * who sends them is proxy/redis. */
#ifndef COMPENSATE_CALLS_H
#define COMPENSATE_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "compensate/argv.h"
#include "compensate/command.h"
#include "compensate/pipeline.h"
#include "compensate/reply.h"
#include "compensate/seqs.h"
#include "compensate/series.h"

/* In whose name a call is made. */
struct comp_origin {
    const char *gtrid;
    const char *node; /* whose epochs these are */
    uint64_t epoch; /* below 2^53 */
    uint16_t slot;
};
struct comp_limits {
    uint32_t image_max;       /* elements of a before-image */
    uint32_t image_max_bytes;
};
#define COMP_LIMITS_DEFAULT {10000, 1024 * 1024}

/* All of them append to `out`, which the caller emptied; strings are copied. `command` is what comp_command_check accepted. */

/* A write of a transaction. Reply: the command's own (an integer beyond 2^53 as a bulk string), or an error: see below. */
void comp_call_do(struct comp_argv *out, const struct comp_origin *who, uint32_t seq, const struct comp_limits *limits,
                  const struct comp_argv *command, const struct comp_command_use *use);
/* A write outside a transaction: refused while a transaction holds one of its keys. Never to be sent twice. */
void comp_call_run(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use);
/* A series outside a transaction, likewise. Reply: an array with the reply of each; the element of one that failed is an error,
 * that of one that waits and found nothing is nil. */
void comp_call_series(struct comp_argv *out, uint16_t slot, const struct comp_series *series);
/* A pipeline, likewise. Reply: an array with the reply of each that was done, the first so many; never LOCKED. */
void comp_call_pipeline(struct comp_argv *out, uint16_t slot, const struct comp_pipeline *pipeline);
/* An action: a write, or a command that may only run outside transactions; done once however often it is sent, by the mark
 * gtrid:seq. Refused (LOCKED) while another transaction than `locks_of` ("" = none) holds one of its keys. Reply: a status. */
void comp_call_act(struct comp_argv *out, const char *gtrid, uint32_t seq, const char *locks_of, const struct comp_argv *command,
                   const struct comp_command_use *use);
/* A read past all locks. One that waits for something to come does not: reply EMPTY where nothing has. A script keeps to its keys. */
void comp_call_peek(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use);
/* A read that waits for nobody: refused (LOCKED) while another transaction than `gtrid` ("" = none) holds one of its keys. */
void comp_call_get(struct comp_argv *out, const char *gtrid, const struct comp_argv *command,
                   const struct comp_command_use *use);

/* Are exactly these records there? Reply: status YES, or an error (MISSING, FENCED, STALE). `last`: greatest seq ever used.
 * writing: also writes (without changing anything), so that a WAIT behind it on the same connection means something. */
void comp_call_vote(struct comp_argv *out, const struct comp_origin *who, const struct comp_seqs *acknowledged, uint32_t last,
                    bool writing);

/* What becomes of a write whose key somebody has changed since, past the proxy. The numbers are known to library/. */
enum comp_dirty {
    COMP_DIRTY_DELTA, /* counters get their amount back all the same, everything else is left and kept as a conflict */
    COMP_DIRTY_SKIP,  /* counters too are left */
    COMP_DIRTY_FORCE, /* the former value is put over it */
};

enum comp_end_mode {
    COMP_END_COMMIT,   /* effects stay, records and locks go */
    COMP_END_ROLLBACK, /* effects are taken back, last first */
    COMP_END_PARTIAL,  /* ROLLBACK TO: effects of first..last are taken back, locks stay */
};
struct comp_end {
    enum comp_end_mode mode;
    enum comp_dirty dirty; /* policy of the resource */
    bool tombstone;  /* a write may still be on its way: fence it */
    bool all_locks;  /* look for locks without records too (recovery; walks the whole hash) */
    uint32_t first;  /* PARTIAL: mark + 1; else 1 */
    uint32_t last;   /* greatest seq ever sent; at recovery the scan's `last` */
    const struct buf *written; /* ROLLBACK by who wrote, NULL elsewhere: names of keys, each behind its length in 4 bytes. Where the
                                  whole control hash is gone they become conflicts; so such an end is sent once only */
};
/* Reply: array of integers: records ended, inverses done, of them by delta only, conflicts kept. */
void comp_call_end(struct comp_argv *out, const struct comp_origin *who, const struct comp_end *end);

/* Raises the lowest live epoch of a log: later writes of older epochs answer STALE. Reply: integer, what holds now. */
void comp_call_epoch(struct comp_argv *out, uint16_t slot, const char *node, uint64_t epoch);
/* Reply: array of arrays (gtrid, first seq, last seq, records, locks, tombstone "" | "C ms" | "R ms"): compensate/replay.h. */
void comp_call_scan(struct comp_argv *out, uint16_t slot);
/* Tombstones older than keep_ms and marks of actions older than marks_keep_ms go. Reply: integer, how many went. */
void comp_call_sweep(struct comp_argv *out, uint16_t slot, uint64_t keep_ms, uint64_t marks_keep_ms);
/* Reply: array of arrays (id, wall clock ms, gtrid, seq, key, command, outcome, detail): at most `limit`. */
void comp_call_conflicts(struct comp_argv *out, uint16_t slot, uint32_t limit);
/* A person's word on a conflict. The numbers are known to library/. */
enum comp_settle {
    COMP_SETTLE_DISMISS, /* forget it */
    COMP_SETTLE_RETRY,   /* as ROLLBACK would now: what stands in the way may be gone */
    COMP_SETTLE_FORCE,   /* take it back after all */
};
/* Reply: status with the outcome, an error where it is still a conflict; nil: no such. */
void comp_call_settle(struct comp_argv *out, uint16_t slot, struct slice id, enum comp_settle how, enum comp_dirty dirty);

/* Puts the library there, over one of the same name. */
void comp_call_load(struct comp_argv *out);
/* Kills the connection a call was lost on; its unread requests die with it. Reply: integer or "No such client". */
void comp_call_kill(struct comp_argv *out, uint64_t client_id);

const char *comp_library_name(void);
const char *comp_library_text(void);

#endif
