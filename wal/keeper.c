/* The keeper thread: removes segments whose open records were copied and synced, and makes the next one ahead of need,
 * so that the log thread never waits for either. A full disk is met here, before anything depends on it, and so is a
 * want of descriptors: the keeper tries again with a new file, and wal_reserve refuses meanwhile. */
#include <time.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "wal/state.h"

#define RETRY_STEP_MS 100 /* between tries while the log thread waits */
#define RETRY_STEPS 10    /* so many steps while it does not: each try fills what is left of the disk */

/* Larger than the last head asks for, so that the next head may grow. */
static uint64_t ahead_bytes(const struct wal *wal)
{
    uint64_t grown = wal_segment_bytes_for(2 * wal->next_head, wal->options.segment_bytes);
    return grown > wal->options.segment_bytes ? grown : wal->options.segment_bytes;
}

/* 0 = none is to be made. The limit holds for what is made ahead, not for what is needed at once: those under way
 * finish. */
static uint64_t bytes_to_make(const struct wal *wal)
{
    uint64_t ahead = ahead_bytes(wal);
    if (wal->next_wanted)
        return wal->next_wanted > ahead ? wal->next_wanted : ahead;
    if (wal->next_ready && wal->next.bytes >= wal_segment_bytes_for(wal->next_head, wal->options.segment_bytes))
        return 0;
    return wal->current.bytes + ahead <= wal->options.max_bytes ? ahead : 0;
}

static void remove_old(struct wal *wal)
{
    uint32_t before = wal_segment_number(wal->current.id);
    wal->old_segments = false;
    pthread_mutex_unlock(&wal->lock);
    struct wal_error error;
    if (FAILPOINT(checkpoint) != FAILPOINT_NOTHING) {
        wal_error_set(&error, WAL_IO, "crash point checkpoint");
        wal_die(&error);
    }
    wal_dir_remove(&wal->dir, 1, before - 1);
    pthread_mutex_lock(&wal->lock);
}

static void wait_before_retry(struct wal *wal)
{
    for (int step = 0; step < (wal->next_wanted ? 1 : RETRY_STEPS) && !wal->writer_stops; step++) {
        int64_t until_ms = clock_mono_ms() + RETRY_STEP_MS;
        struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&wal->chores, &wal->lock, &until);
    }
}

/* Told once, not at every try. */
static void tell_room(struct wal *wal, bool there, const char *why)
{
    if (there && wal->no_room)
        log_info("log_room_again", "dir=%s", wal->dir.path);
    else if (!there && !wal->no_room)
        log_warn("log_no_room", "why=\"%s\" consequence=\"new transactions are refused when the segment is full\"",
                 why);
    wal->no_room = !there;
}

/* The one made ahead has become too small for its head. */
static void discard_next(struct wal *wal)
{
    wal->next_ready = false;
    wal->dir.ops->close(wal->next.fd);
    uint32_t number = wal_segment_number(wal->next.id);
    wal_dir_remove(&wal->dir, number, number);
}

static void make_next(struct wal *wal, uint64_t bytes)
{
    struct wal_segment made;
    struct wal_error error;
    uint32_t number = ++wal->last_number;
    pthread_mutex_unlock(&wal->lock);
    enum wal_status status = wal_segment_make(&made, &wal->dir, number, bytes, &error);
    pthread_mutex_lock(&wal->lock);
    if (status == WAL_OK) {
        if (wal->next_ready)
            discard_next(wal);
        wal->next = made;
        wal->next_ready = true;
        wal->stats.segments++;
        tell_room(wal, true, NULL);
        pthread_cond_signal(&wal->made);
        return;
    }
    bool smaller_will_not_do = wal->no_room || !wal->next_ready;
    if (status != WAL_NO_SPACE || (wal->writer_stops && wal->next_wanted && smaller_will_not_do))
        wal_die(&error);
    tell_room(wal, false, error.text);
    pthread_cond_signal(&wal->made); /* perhaps the smaller one will do */
    wait_before_retry(wal);
}

void *wal_keeper_main(void *arg)
{
    struct wal *wal = arg;
    pthread_mutex_lock(&wal->lock);
    while (!wal->keeper_stops) {
        uint64_t bytes;
        if (wal->old_segments)
            remove_old(wal);
        else if ((bytes = bytes_to_make(wal)))
            make_next(wal, bytes);
        else
            pthread_cond_wait(&wal->chores, &wal->lock);
    }
    pthread_mutex_unlock(&wal->lock);
    return NULL;
}

/* What is appended and what is promised finds place behind the head. */
static bool is_enough(const struct wal *wal, uint64_t head_bytes)
{
    return wal->next.bytes >= head_bytes + (wal->end - wal_durable(wal)) + wal->reserved;
}

void wal_keeper_take(struct wal *wal, uint64_t head_bytes, struct wal_segment *out)
{
    uint64_t bytes = wal_segment_bytes_for(head_bytes, wal->options.segment_bytes);
    pthread_mutex_lock(&wal->lock);
    while (!wal->next_ready || (wal->next.bytes < bytes && !(wal->no_room && is_enough(wal, head_bytes)))) {
        wal->next_wanted = bytes;
        pthread_cond_signal(&wal->chores);
        pthread_cond_wait(&wal->made, &wal->lock);
    }
    wal->next_wanted = 0;
    wal->next_ready = false;
    *out = wal->next;
    /* What is not durable yet goes there: it is the room, also while its (perhaps long) head is being written. */
    wal->next_head = head_bytes;
    wal->measured_at = wal_durable(wal);
    wal->current_end = wal->measured_at + out->bytes - head_bytes;
    pthread_mutex_unlock(&wal->lock);
}
