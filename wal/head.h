/* The head of a segment: the EPOCH record, then copies of everything still open. Positions count what was appended, so
 * the head takes none: its records carry the position at which the segment begins. */
#ifndef WAL_HEAD_H
#define WAL_HEAD_H

#include "wal/dir.h"
#include "wal/record.h"

/* Payload of the EPOCH record. */
struct wal_epoch {
    char log_id[WAL_ID_MAX];
    uint64_t epoch;       /* of the start that made the segment */
    uint64_t segment;     /* its own id */
    uint64_t base;        /* position of its first record behind the head; where the old log ended */
    uint64_t head_bytes;  /* length of the head, this record included */
    uint64_t old_segment; /* id of the segment that was in use before; 0 = none */
    uint64_t old_end;     /* offset in it at which the old log ended: nothing past it is ever read */
    int64_t made_ms;      /* wall clock, for people */
};

bool wal_epoch_read(struct slice payload, struct wal_epoch *out); /* false: not well-formed */

struct wal_snapshot { /* what wal_snapshot_add gathers */
    struct buf records;
    wal_pos base;
};

uint64_t wal_head_bytes(const struct wal_snapshot *snapshot); /* of the whole head that it will make */
/* Appends the whole sealed head to `out`; sets epoch->head_bytes. */
void wal_head_make(struct buf *out, struct wal_epoch *epoch, const struct wal_snapshot *snapshot, wal_pos durable);

#endif
