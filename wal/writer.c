/* Appending and the log thread. The batch is whatever was appended during the last sync: one write, one fdatasync for
 * everyone who waits, no timer and nothing to tune. Leaves making and removing segments to keeper.c. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "wal/state.h"
#include "wal/types.h"

#define LAZY_MS 200            /* lazy records wait so long at most for a batch to join */
#define LAZY_BYTES (64 * 1024) /* or until so many bytes are there */
#define BUFFER_KEPT (4 * 1024 * 1024)

static bool batch_is_due(const struct wal *wal)
{
    return wal->hurry || buf_len(&wal->filling) >= LAZY_BYTES || clock_mono_ms() >= wal->lazy_due_ms;
}

static wal_pos append(struct wal *wal, uint8_t type, const void *payload, size_t len, bool hurry)
{
    CHECK(wal->started && type != WAL_TYPE_EPOCH);
    pthread_mutex_lock(&wal->lock);
    bool was_empty = !buf_len(&wal->filling), was_due = !was_empty && batch_is_due(wal);
    if (was_empty)
        wal->lazy_due_ms = clock_mono_ms() + LAZY_MS;
    wal_record_append(&wal->filling, type, 0, wal->end, payload, len);
    wal->end += WAL_RECORD_HEADER + len;
    wal->hurry |= hurry;
    wal_pos end = wal->end;
    if (was_empty || (!was_due && batch_is_due(wal)))
        pthread_cond_signal(&wal->work); /* for lazy records too: the log thread sets its alarm clock once a batch */
    pthread_mutex_unlock(&wal->lock);
    return end;
}

wal_pos wal_append(struct wal *wal, uint8_t type, const void *payload, size_t len)
{
    return append(wal, type, payload, len, true);
}

wal_pos wal_append_lazy(struct wal *wal, uint8_t type, const void *payload, size_t len)
{
    return append(wal, type, payload, len, false);
}

wal_pos wal_durable(const struct wal *wal)
{
    return atomic_load(&wal->durable);
}

void wal_wait(struct wal *wal, wal_pos pos)
{
    pthread_mutex_lock(&wal->lock);
    CHECK(pos <= wal->end);
    while (wal_durable(wal) < pos) {
        if (buf_len(&wal->filling) && !wal->hurry) { /* perhaps lazy ones, which nobody waited for until now */
            wal->hurry = true;
            pthread_cond_signal(&wal->work);
        }
        pthread_cond_wait(&wal->moved, &wal->lock);
    }
    pthread_mutex_unlock(&wal->lock);
}

/* How long would the next head be? Asked every sixteenth of a segment, as it may outgrow the segment made ahead, and when
 * somebody was refused: then at most as often as lazy records are written, and nothing need be appended for it. */
static bool measure_is_due(const struct wal *wal)
{
    return wal->end - wal->measured_at >= wal->current.bytes / 16 ||
           (wal->measure && clock_mono_ms() >= wal->measured_ms + LAZY_MS);
}

static void measure_head(struct wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    bool due = measure_is_due(wal);
    pthread_mutex_unlock(&wal->lock);
    if (!due)
        return;
    wal_pos base = wal_durable(wal); /* of what was appended later, some may be in the snapshot: that counts twice */
    struct wal_snapshot snapshot = {.base = base};
    wal->options.on_snapshot(wal->options.arg, &snapshot);
    pthread_mutex_lock(&wal->lock);
    wal->next_head = wal_head_bytes(&snapshot);
    wal->measured_at = base;
    wal->measured_ms = clock_mono_ms();
    wal->measure = false;
    pthread_cond_signal(&wal->chores);
    pthread_mutex_unlock(&wal->lock);
    buf_fini(&snapshot.records);
}

/* Swaps the buffers; false when the log closes and all is written. */
static bool take_batch(struct wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    while (!wal->writer_stops && !(buf_len(&wal->filling) && batch_is_due(wal)) && !measure_is_due(wal)) {
        if (!buf_len(&wal->filling) && !wal->measure) {
            pthread_cond_wait(&wal->work, &wal->lock);
            continue;
        }
        int64_t due_ms = buf_len(&wal->filling) ? wal->lazy_due_ms : wal->measured_ms + LAZY_MS;
        struct timespec due = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
        pthread_cond_timedwait(&wal->work, &wal->lock, &due);
    }
    struct buf empty = wal->writing;
    wal->writing = wal->filling;
    wal->filling = empty;
    wal->hurry = false;
    bool goes_on = buf_len(&wal->writing) || !wal->writer_stops;
    pthread_mutex_unlock(&wal->lock);
    return goes_on;
}

static void die_at_failpoint(enum failpoint_act act, const char *name)
{
    struct wal_error error;
    if (act == FAILPOINT_NOTHING)
        return;
    wal_error_set(&error, WAL_IO, "crash point %s", name);
    wal_die(&error);
}

static void publish(struct wal *wal, size_t bytes, unsigned records)
{
    wal_pos durable = wal_durable(wal) + bytes;
    pthread_mutex_lock(&wal->lock);
    atomic_store(&wal->durable, durable);
    wal->stats.records += records;
    wal->stats.bytes += bytes;
    wal->stats.syncs++;
    pthread_cond_broadcast(&wal->moved);
    pthread_mutex_unlock(&wal->lock);
    if (wal->options.on_durable)
        wal->options.on_durable(wal->options.arg, durable);
}

static void write_and_sync(struct wal *wal, size_t bytes)
{
    struct wal_error error;
    struct wal_seal seal = {.epoch = wal->epoch, .segment = wal->current.id, .durable = wal_durable(wal)};
    unsigned records = wal_records_seal(buf_at(&wal->writing), bytes, &seal);
    if (wal_segment_write(&wal->current, &wal->dir, buf_at(&wal->writing), bytes, &error) != WAL_OK)
        wal_die(&error);
    die_at_failpoint(FAILPOINT(log_written), "log_written");
    if (wal_segment_sync(&wal->current, &wal->dir, &error) != WAL_OK)
        wal_die(&error);
    die_at_failpoint(FAILPOINT(log_synced), "log_synced");
    buf_consume(&wal->writing, bytes);
    publish(wal, bytes, records);
}

/* Everything written so far is synced. What is open is gathered before the new segment is taken, as its size depends on
 * it; what is decided meanwhile is still in the buffer and follows in the new segment. */
static void change_segment(struct wal *wal)
{
    wal_pos base = wal_durable(wal);
    struct wal_snapshot snapshot = {.base = base};
    struct wal_epoch epoch = {.base = base, .old_segment = wal->current.id, .old_end = wal->current.used};
    struct wal_segment segment;
    struct wal_error error;
    wal->options.on_snapshot(wal->options.arg, &snapshot);
    wal_keeper_take(wal, wal_head_bytes(&snapshot), &segment);
    int old = wal->current.fd;
    if (wal_begin_segment(wal, &segment, &snapshot, &epoch, base, &error) != WAL_OK)
        wal_die(&error);
    buf_fini(&snapshot.records);
    wal->dir.ops->close(old);
}

void *wal_writer_main(void *arg)
{
    struct wal *wal = arg;
    while (take_batch(wal)) {
        while (buf_len(&wal->writing)) {
            uint64_t room = wal->current.bytes - wal->current.used;
            size_t fit = wal_records_that_fit(buf_at(&wal->writing), buf_len(&wal->writing), room);
            if (fit)
                write_and_sync(wal, fit);
            else
                change_segment(wal);
        }
        if (wal->writing.cap > BUFFER_KEPT)
            buf_shrink(&wal->writing);
        measure_head(wal);
    }
    return NULL;
}
