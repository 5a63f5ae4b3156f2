/* A running log, for the files of this folder that share it:
 *
 *   any thread                 log thread (writer.c)                           keeper thread (keeper.c)
 *   append -> filling  ==swap==>  writing -> current segment, sync, publish
 *                              full: takes `next`, writes its head   -------->  removes what is older, makes `next`
 */
#ifndef WAL_STATE_H
#define WAL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "wal/reader.h"
#include "wal/segment.h"

struct wal {
    struct wal_options options;
    struct wal_dir dir;
    int lock_fd;
    char id[WAL_ID_MAX];
    uint64_t epoch;
    struct wal_found found; /* what the old log said, until wal_start */
    bool started;
    pthread_t writer, keeper;

    pthread_mutex_t lock;  /* over all below, except where it says otherwise */
    pthread_cond_t work;   /* for the log thread: something is to be written */
    pthread_cond_t moved;  /* for wal_wait: the durable position */
    pthread_cond_t chores; /* for the keeper: segments to remove or to make */
    pthread_cond_t made;   /* for the log thread: `next` is there */
    struct buf filling;    /* records not yet taken by the log thread */
    wal_pos end;           /* of the last record appended */
    int64_t lazy_due_ms;   /* monotonic; when lazy records that nobody waits for must go */
    bool hurry;            /* somebody waits for what is in `filling` */
    bool writer_stops, keeper_stops;
    _Atomic wal_pos durable; /* written by the log thread only */

    struct buf writing;         /* the log thread's own */
    struct wal_segment current; /* its `used` is the log thread's own; the rest changes under the lock */
    wal_pos current_end;        /* position that would just fill the current segment */
    uint64_t next_head;         /* bytes of the next segment's head, had it been made at this position: */
    wal_pos measured_at;        /* what was appended since may have to be copied as well */
    int64_t measured_ms;        /* monotonic */
    bool measure;               /* somebody was refused: measure again, something may have ended */
    struct wal_segment next;
    bool next_ready;
    uint64_t next_wanted; /* the log thread waits for a segment of so many bytes; 0 = it does not */
    bool no_room;         /* the last try to make one (or a larger one) found the disk full */
    bool old_segments;    /* there are some to remove */
    uint32_t last_number; /* of the segment made last */

    uint64_t reserved;
    struct wal_stats stats;
};

/* keeper.c. For the log thread: gives a made segment for a head of so many bytes and some records behind it; where the
 * disk is full, one for the head and what is appended. Waits where there is none. */
void *wal_keeper_main(void *wal);
void wal_keeper_take(struct wal *wal, uint64_t head_bytes, struct wal_segment *out);

/* writer.c */
void *wal_writer_main(void *wal);

/* log.c. Writes and syncs the head of a made segment, then makes it the current one. `epoch` says where the old log
 * ended; the rest of it is filled in. */
enum wal_status wal_begin_segment(struct wal *wal, struct wal_segment *segment, const struct wal_snapshot *snapshot,
                                  struct wal_epoch *epoch, wal_pos durable, struct wal_error *error) MUST_USE;

#endif
