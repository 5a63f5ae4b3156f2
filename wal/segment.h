/* A segment that is written: made ahead, then begun with its head, then appended to. */
#ifndef WAL_SEGMENT_H
#define WAL_SEGMENT_H

#include "wal/head.h"

struct wal_segment {
    uint64_t id;
    int fd;
    uint64_t bytes; /* of the file, all zero-filled and allocated */
    uint64_t used;  /* so many are written; 0 = not begun */
};

/* Makes a zero-filled file of at least `bytes` under a new name (a random salt makes it unlike any before), syncs it
 * and the directory. What was half made is removed again. */
enum wal_status wal_segment_make(struct wal_segment *out, const struct wal_dir *dir, uint32_t number, uint64_t bytes,
                                 struct wal_error *error) MUST_USE;
/* Writes `bytes` behind what is there; they must fit. Durable only after wal_segment_sync. */
enum wal_status wal_segment_write(struct wal_segment *segment, const struct wal_dir *dir, const void *bytes, size_t n,
                                  struct wal_error *error) MUST_USE;
enum wal_status wal_segment_sync(struct wal_segment *segment, const struct wal_dir *dir,
                                 struct wal_error *error) MUST_USE;
/* How large a segment must be for a head of so many bytes: behind it there must be room for the greatest record, and
 * for half of an ordinary segment, else changing would not pay. */
uint64_t wal_segment_bytes_for(uint64_t head_bytes, uint64_t segment_bytes);

#endif
