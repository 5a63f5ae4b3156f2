/* The durable log: typed records in zero-filled segments, one writer thread, one fdatasync for everyone who waits.
 * Knows bytes and positions, no meaning: what a record says belongs to xa/ and compensate/. */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/cursor.h"

struct wal;
struct wal_file_ops; /* wal/file.h: the seam where tests make the n-th call fail */

/* Byte position in the log since its birth; 0 = nothing. Counts what was appended, snapshots take none. A record is
 * durable when wal_durable() >= the position that its append returned (the record's end). */
typedef uint64_t wal_pos;

enum wal_status {
    WAL_OK,
    WAL_CORRUPT,  /* a bad record below a position that was known durable: never start, tell the person */
    WAL_LOCKED,   /* another process holds the log */
    WAL_IO,       /* the operating system said no */
    WAL_NO_SPACE, /* not enough room (disk, descriptors) to go on safely, which may pass */
};

struct wal_error {
    enum wal_status status;
    char text[512]; /* what is wrong, where (file and offset), and the remedy */
};

struct wal_record {
    uint8_t type;         /* xa/ and compensate/ own the numbers: see the table in wal/types.h */
    uint64_t epoch;       /* of the start that wrote it */
    wal_pos at;           /* where it begins; of a snapshot's copy: where its segment begins */
    struct slice payload; /* valid during the call */
};

/* A sink for records: wal_open hands it every record that survives, in order: first the newest snapshot, then what was
 * appended since (a record may come twice, as a copy and as itself; EPOCH records are the log's own and do not come).
 * Returns false to refuse (the log is then WAL_CORRUPT with `why` as its text). */
typedef bool (*wal_read_fn)(void *arg, const struct wal_record *record, char *why, size_t why_size);

/* Called in the log thread at every change of segment (and inside wal_start): appends with wal_snapshot_add whatever is
 * still open. What it leaves out is forgotten once the segment is synced. */
struct wal_snapshot;
typedef void (*wal_snapshot_fn)(void *arg, struct wal_snapshot *out);
void wal_snapshot_add(struct wal_snapshot *out, uint8_t type, const void *payload, size_t len);

/* Called in the log thread after each sync with the new durable position: wakes the workers. Must not block. */
typedef void (*wal_durable_fn)(void *arg, wal_pos durable);

struct wal_options {
    const char *dir;        /* exists, owned by us, mode 0700 */
    uint64_t segment_bytes; /* >= 64 KiB */
    uint64_t max_bytes;     /* of all segments, >= 2 * segment_bytes; wal_reserve refuses beyond what fits */
    wal_read_fn on_record;
    wal_snapshot_fn on_snapshot;
    wal_durable_fn on_durable;
    void *arg;                      /* for the three above */
    const struct wal_file_ops *ops; /* NULL: the real ones */
};

/* Reads the old log (on_record for each record), takes the lock; makes a new log with a fresh id where the directory
 * has none. Nothing is written into old segments. The strings in options must outlive the log. */
enum wal_status wal_open(struct wal **out, const struct wal_options *options, struct wal_error *error) MUST_USE;

/* The log's random id (8 hex digits, made with the log) and the epoch of this start (1 + the greatest ever read). Both
 * known after wal_open, to be used after wal_start. */
const char *wal_id(const struct wal *wal);
uint64_t wal_epoch(const struct wal *wal);

/* Writes the new epoch and the snapshot into a new segment, syncs it, starts the log thread and the thread that removes
 * older segments and makes the next. Only after WAL_OK may anything that was read be acted upon; after anything else,
 * end the process. Zero-fills segment_bytes: choose small segments where starts must be fast. */
enum wal_status wal_start(struct wal *wal, struct wal_error *error) MUST_USE;

/* Any thread. Never blocks on the disk; copies the payload (<= 60 KiB). A failing write or sync stops the process in
 * the log thread (log_error, then _exit(70)): nobody ever learns "no". Returns the position to wait for.
 * wal_append_lazy is for records that nobody waits for (DONE): they go with the next batch, or after 200 ms or 64 KiB.
 */
wal_pos wal_append(struct wal *wal, uint8_t type, const void *payload, size_t len);
wal_pos wal_append_lazy(struct wal *wal, uint8_t type, const void *payload, size_t len);

wal_pos wal_durable(const struct wal *wal);
/* Blocks (resolver, start-up, tools; never a worker). */
void wal_wait(struct wal *wal, wal_pos pos);

/* Sets room aside for records that must find place later. False: no room, refuse the new transaction. Give back the
 * same number with wal_unreserve when they were written or are not needed any more. */
bool wal_reserve(struct wal *wal, size_t bytes) MUST_USE;
void wal_unreserve(struct wal *wal, size_t bytes);

struct wal_stats {
    uint64_t records, bytes; /* made durable since the start, snapshots not counted */
    uint64_t syncs;          /* batches */
    uint64_t segments;       /* made since the start */
    uint64_t reserved;       /* bytes set aside now */
    uint64_t refused;        /* wal_reserve said no so often */
};
void wal_stats(struct wal *wal, struct wal_stats *out);

/* Syncs what is there, stops the thread, releases the lock. */
void wal_close(struct wal *wal);

#endif
