/* A log's life: open (read the old, under the lock), start (a new segment of a new epoch), close. Leaves what happens
 * in between to writer.c and keeper.c. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "wal/state.h"

#define SEGMENT_BYTES_MIN (64 * 1024)

static enum wal_status deliver(struct wal *wal, struct wal_error *error)
{
    struct wal_found *found = &wal->found;
    struct wal_walk walk;
    struct wal_entry entry;
    char why[256] = "refused", name[WAL_NAME_MAX];
    wal_walk_start(&walk, (struct slice){buf_at(&found->image), found->end_offset}, found->live);
    wal_segment_name(name, found->live);
    CHECK(wal_walk_next(&walk, &entry)); /* the EPOCH record, our own business */
    while (wal_walk_next(&walk, &entry)) {
        struct wal_record record = {.type = entry.header.type,
                                    .epoch = entry.header.epoch,
                                    .at = entry.header.position,
                                    .payload = entry.payload};
        if (!wal->options.on_record(wal->options.arg, &record, why, sizeof why))
            return wal_error_set(error, WAL_CORRUPT, "the record at offset %" PRIu64 " of %s/%s is not understood: %s",
                                 entry.offset, wal->dir.path, name, why);
    }
    CHECK(walk.offset == found->end_offset);
    return WAL_OK;
}

static enum wal_status read_old_log(struct wal *wal, struct wal_error *error)
{
    enum wal_status status = wal_find(&wal->dir, &wal->found, error);
    if (status != WAL_OK)
        return status;
    wal->epoch = wal->found.epoch + 1;
    if (!wal->found.exists) {
        random_hex(wal->id, (WAL_ID_MAX - 1) / 2);
        return WAL_OK;
    }
    memcpy(wal->id, wal->found.log_id, sizeof wal->id);
    log_info("log_read", "log=%s epoch=%" PRIu64 " end=%" PRIu64, wal->id, wal->found.epoch, wal->found.end);
    return deliver(wal, error);
}

static void init_waiting(struct wal *wal)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&wal->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wal->work, &monotonic);
    pthread_cond_init(&wal->moved, &monotonic);
    pthread_cond_init(&wal->chores, &monotonic);
    pthread_cond_init(&wal->made, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void wal_free(struct wal *wal)
{
    if (wal->lock_fd >= 0)
        wal->dir.ops->close(wal->lock_fd);
    pthread_cond_destroy(&wal->work);
    pthread_cond_destroy(&wal->moved);
    pthread_cond_destroy(&wal->chores);
    pthread_cond_destroy(&wal->made);
    pthread_mutex_destroy(&wal->lock);
    buf_fini(&wal->filling);
    buf_fini(&wal->writing);
    wal_found_fini(&wal->found);
    free(wal);
}

enum wal_status wal_open(struct wal **out, const struct wal_options *options, struct wal_error *error)
{
    CHECK(options->on_record && options->on_snapshot);
    if (options->segment_bytes < SEGMENT_BYTES_MIN || options->max_bytes / 2 < options->segment_bytes)
        return wal_error_set(error, WAL_NO_SPACE, "a log needs segments of %d bytes at least, and room for two of them",
                             SEGMENT_BYTES_MIN);
    struct wal *wal = calloc(1, sizeof *wal);
    CHECK(wal);
    wal->options = *options;
    wal->dir = (struct wal_dir){options->dir, options->ops ? options->ops : &wal_file_real};
    wal->lock_fd = -1;
    init_waiting(wal);
    enum wal_status status = wal_dir_lock(&wal->dir, &wal->lock_fd, error);
    if (status == WAL_OK)
        status = read_old_log(wal, error);
    if (status == WAL_OK)
        *out = wal;
    else
        wal_free(wal);
    return status;
}

const char *wal_id(const struct wal *wal)
{
    return wal->id;
}

uint64_t wal_epoch(const struct wal *wal)
{
    return wal->epoch;
}

enum wal_status wal_begin_segment(struct wal *wal, struct wal_segment *segment, const struct wal_snapshot *snapshot,
                                  struct wal_epoch *epoch, wal_pos durable, struct wal_error *error)
{
    struct buf head = {0};
    memcpy(epoch->log_id, wal->id, sizeof epoch->log_id);
    epoch->epoch = wal->epoch;
    epoch->segment = segment->id;
    epoch->made_ms = clock_wall_ms();
    wal_head_make(&head, epoch, snapshot, durable);
    enum wal_status status = wal_segment_write(segment, &wal->dir, buf_at(&head), buf_len(&head), error);
    if (status == WAL_OK)
        status = wal_segment_sync(segment, &wal->dir, error);
    buf_fini(&head);
    if (status != WAL_OK)
        return status;
    pthread_mutex_lock(&wal->lock);
    wal->current = *segment;
    wal->next_head = epoch->head_bytes;
    wal->measured_at = epoch->base;
    wal->current_end = epoch->base + segment->bytes - segment->used;
    wal->old_segments = true;
    pthread_cond_signal(&wal->chores);
    pthread_mutex_unlock(&wal->lock);
    return WAL_OK;
}

static enum wal_status injected(enum failpoint_act act, const char *name, struct wal_error *error)
{
    return act == FAILPOINT_NOTHING ? WAL_OK : wal_error_set(error, WAL_IO, "crash point %s", name);
}

/* What stands behind the live segment was made ahead or begun in vain and says nothing (else wal_find had refused): it
 * is removed first, so that a full disk does not keep a log from starting that filled it. */
static enum wal_status start_segment(struct wal *wal, struct wal_snapshot *snapshot, struct wal_error *error)
{
    struct wal_found *found = &wal->found;
    struct wal_segment segment;
    struct wal_epoch epoch = {.base = found->end, .old_segment = found->live, .old_end = found->end_offset};
    uint64_t bytes = wal_segment_bytes_for(wal_head_bytes(snapshot), wal->options.segment_bytes);
    wal_dir_remove(&wal->dir, wal_segment_number(found->live) + 1, found->last_number);
    wal->last_number = found->last_number + 1;
    enum wal_status status =
        wal_segment_make(&segment, &wal->dir, wal->last_number,
                         bytes > wal->options.segment_bytes ? bytes : wal->options.segment_bytes, error);
    if (status != WAL_OK)
        return status;
    status = wal_begin_segment(wal, &segment, snapshot, &epoch, found->durable, error);
    if (status != WAL_OK)
        wal->dir.ops->close(segment.fd);
    else
        wal->stats.segments = 1;
    return status;
}

static enum wal_status begin_epoch(struct wal *wal, struct wal_error *error)
{
    struct wal_snapshot snapshot = {.base = wal->found.end};
    enum wal_status status = injected(FAILPOINT(recovery_read), "recovery_read", error);
    if (status != WAL_OK)
        return status;
    wal->options.on_snapshot(wal->options.arg, &snapshot);
    status = start_segment(wal, &snapshot, error);
    buf_fini(&snapshot.records);
    if (status == WAL_OK)
        status = wal_dir_mark(&wal->dir, wal->id, error);
    if (status == WAL_OK)
        status = injected(FAILPOINT(recovery_epoch), "recovery_epoch", error);
    return status;
}

/* Signals are for the main thread. */
static void start_threads(struct wal *wal)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&wal->keeper, NULL, wal_keeper_main, wal) == 0);
    CHECK(pthread_create(&wal->writer, NULL, wal_writer_main, wal) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(wal->keeper, "log-keeper");
    pthread_setname_np(wal->writer, "log");
}

enum wal_status wal_start(struct wal *wal, struct wal_error *error)
{
    CHECK(!wal->started);
    enum wal_status status = begin_epoch(wal, error);
    if (status != WAL_OK)
        return status;
    wal->end = wal->found.end;
    atomic_store(&wal->durable, wal->end);
    wal_found_fini(&wal->found);
    wal->started = true;
    start_threads(wal); /* the keeper's first chore is to remove the old segments */
    log_info("log_started", "log=%s epoch=%" PRIu64 " at=%" PRIu64, wal->id, wal->epoch, wal->end);
    return WAL_OK;
}

void wal_stats(struct wal *wal, struct wal_stats *out)
{
    pthread_mutex_lock(&wal->lock);
    *out = wal->stats;
    out->reserved = wal->reserved;
    pthread_mutex_unlock(&wal->lock);
}

static void stop_threads(struct wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    wal->writer_stops = true;
    pthread_cond_signal(&wal->work);
    pthread_cond_signal(&wal->chores);
    pthread_mutex_unlock(&wal->lock);
    pthread_join(wal->writer, NULL);
    pthread_mutex_lock(&wal->lock);
    wal->keeper_stops = true;
    pthread_cond_signal(&wal->chores);
    pthread_mutex_unlock(&wal->lock);
    pthread_join(wal->keeper, NULL);
}

void wal_close(struct wal *wal)
{
    if (wal->started) {
        stop_threads(wal);
        wal->dir.ops->close(wal->current.fd);
        if (wal->next_ready)
            wal->dir.ops->close(wal->next.fd);
    }
    wal_free(wal);
}
