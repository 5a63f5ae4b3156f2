/* What stands in the log's directory:
 *
 *   lock                    held (an open-file-description lock) by the process that owns the log
 *   log-<id>                empty; exists once the first segment of the log was durable. Its name is all it says, so it
 *                           cannot be torn; without it a directory holds at most a log whose making was cut short
 *   <number>-<salt>.wal     segments, both in 8 hex digits; number << 32 | salt is the segment's id
 */
#ifndef WAL_DIR_H
#define WAL_DIR_H

#include "wal/error.h"
#include "wal/file.h"

#define WAL_ID_MAX 9 /* the log's id with its NUL */
#define WAL_NAME_MAX 24

struct wal_listing {
    uint64_t *segment; /* ids, ascending; heap */
    size_t n;
    char log_id[WAL_ID_MAX]; /* of the mark; empty where there is none */
};

static inline uint32_t wal_segment_number(uint64_t id) { return (uint32_t)(id >> 32); }
void wal_segment_name(char out[static WAL_NAME_MAX], uint64_t id);
bool wal_segment_parse_name(const char *name, uint64_t *id);

enum wal_status wal_dir_list(const struct wal_dir *dir, struct wal_listing *out, struct wal_error *error) MUST_USE;
void wal_listing_fini(struct wal_listing *listing);

/* The descriptor holds the lock until it is closed. */
enum wal_status wal_dir_lock(const struct wal_dir *dir, int *fd, struct wal_error *error) MUST_USE;
/* Makes the log's mark, durably. */
enum wal_status wal_dir_mark(const struct wal_dir *dir, const char *log_id, struct wal_error *error) MUST_USE;
/* Removes the segments numbered first..last. What cannot be removed is logged and left: it does no harm but fill the
 * disk. */
void wal_dir_remove(const struct wal_dir *dir, uint32_t first, uint32_t last);

#endif
