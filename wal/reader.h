/* Reading a log without touching it: one segment record by record, or a directory with its verdict. Takes no lock, so
 * that waldump can look at a log in use; what is then being written may look torn. */
#ifndef WAL_READER_H
#define WAL_READER_H

#include "wal/head.h"

struct wal_entry {
    struct wal_record_header header;
    struct slice payload; /* within the bytes that are walked */
    uint64_t offset;      /* in the segment */
};

/* A walk over the records of one segment, up to the first that is torn, foreign or out of place. */
struct wal_walk {
    struct slice bytes;
    uint64_t id;            /* of the segment, from its name */
    uint64_t offset;        /* where the next record must begin; at the end: where the records end */
    struct wal_epoch epoch; /* known (not all zero) once the first record was read */
};
void wal_walk_start(struct wal_walk *walk, struct slice bytes, uint64_t id);
bool wal_walk_next(struct wal_walk *walk, struct wal_entry *entry);
/* Position of the next record; that of the segment's beginning while the walk is in its head. */
wal_pos wal_walk_position(const struct wal_walk *walk);

/* All that the bytes of one segment say. */
struct wal_scan {
    struct wal_walk walk; /* at its end */
    bool epoch_ok;        /* the EPOCH record is good */
    bool head_ok;         /* the whole head is */
    uint64_t records;
    wal_pos durable; /* the greatest durable position that any good record names, behind a bad one too */
    bool stray_body; /* a good record of the body stands behind a bad one */
};
void wal_scan(struct slice bytes, uint64_t id, struct wal_scan *out);

/* What a directory says. */
struct wal_found {
    bool exists; /* false: no log, or one whose making was cut short: nobody was ever promised anything */
    char log_id[WAL_ID_MAX];
    uint64_t epoch;       /* the greatest ever begun */
    uint32_t last_number; /* of a segment's file; 0 = none */
    uint64_t live;        /* id of the newest segment whose head is whole: it says everything that is open */
    struct buf image;     /* its bytes */
    uint64_t end_offset;  /* where the log ends in it: nothing past this is read */
    wal_pos end;
    wal_pos durable; /* known to have been durable */
};
/* WAL_CORRUPT with file, offset and remedy; WAL_IO. A file that vanishes meanwhile (a running log removes segments) is
 * looked for again. wal_found_fini after WAL_OK only. */
enum wal_status wal_find(const struct wal_dir *dir, struct wal_found *out, struct wal_error *error) MUST_USE;
void wal_found_fini(struct wal_found *found);

#endif
