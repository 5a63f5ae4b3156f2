/* Room that is promised before it is needed: whoever begins a transaction reserves what its end will write, so that a
 * full disk or limit refuses the new and lets those under way finish. */
#include "wal/state.h"

/* What is left of the current segment and of the one made ahead, whose head is as long as it was when it was measured,
 * and longer by what was appended since. What is promised may have to stand in both: an eighth is kept for that. With the lock
 * held; may be negative. */
static int64_t room_in(const struct wal *wal)
{
    int64_t room = (int64_t)(wal->current_end - wal->end);
    int64_t ahead = wal->next_ready ? (int64_t)(wal->next.bytes - wal->options.segment_bytes / 8) : 0;
    ahead -= (int64_t)(wal->next_head + (wal->end - wal->measured_at));
    return ahead > 0 ? room + ahead : room;
}

static void refuse(struct wal *wal)
{
    wal->stats.refused++;
    wal->measure = true;
    pthread_cond_signal(&wal->work);
}

bool wal_reserve(struct wal *wal, size_t bytes)
{
    pthread_mutex_lock(&wal->lock);
    bool fits = room_in(wal) >= (int64_t)(wal->reserved + bytes);
    if (fits)
        wal->reserved += bytes;
    else
        refuse(wal);
    pthread_mutex_unlock(&wal->lock);
    return fits;
}

void wal_unreserve(struct wal *wal, size_t bytes)
{
    pthread_mutex_lock(&wal->lock);
    CHECK(bytes <= wal->reserved);
    wal->reserved -= bytes;
    pthread_mutex_unlock(&wal->lock);
}
