/* Room that is promised before it is needed: whoever begins a transaction reserves what its end will write, so that a
 * full disk or limit refuses the new and lets those under way finish. */
#include "wal/state.h"

/* What is left of the current segment and of the one made ahead, whose head will be about as long as the last. A head
 * that turns out longer is no danger: keeper.c then makes a larger segment before the change. */
int64_t wal_room(const struct wal *wal)
{
    int64_t room = (int64_t)(wal->current_end - wal->end);
    if (wal->next_ready)
        room += (int64_t)(wal->next.bytes - wal->head_bytes);
    return room;
}

bool wal_reserve(struct wal *wal, size_t bytes)
{
    pthread_mutex_lock(&wal->lock);
    bool fits = wal_room(wal) >= (int64_t)(wal->reserved + bytes);
    if (fits)
        wal->reserved += bytes;
    else
        wal->stats.refused++;
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
