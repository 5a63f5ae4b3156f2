/* The horizon follows what has ended at a distance: a replica that lags brings transactions back that had ended in the master,
 * and below the horizon nobody knows any more how. Leaves keeping decisions to memory.c. */
#include "proxy/journal/horizon.h"

#include <string.h>

bool horizon_is_above(const struct comp_horizon_record *h, uint64_t epoch, uint64_t counter)
{
    return epoch < h->epoch || (epoch == h->epoch && counter < h->counter);
}

/* Where there is no room the horizon has to wait for a sweep anyway, and then finds a mark that is young enough. */
void horizon_note(struct horizon *h, int64_t now_ms, uint64_t counter, int64_t keep_ms)
{
    const struct horizon_mark *last = h->n ? &h->mark[h->n - 1] : NULL;
    bool close = last && now_ms - last->at_ms < keep_ms / (HORIZON_MARKS / 2);
    if (h->clean && h->n < HORIZON_MARKS && !close)
        h->mark[h->n++] = (struct horizon_mark){now_ms, counter};
}

static void move_to(struct horizon *h, size_t i, uint64_t epoch)
{
    if (!horizon_is_above(&h->record, epoch, h->mark[i].counter)) {
        h->record.epoch = epoch;
        h->record.counter = h->mark[i].counter;
    }
    h->n -= i + 1;
    memmove(h->mark, h->mark + i + 1, h->n * sizeof h->mark[0]);
}

void horizon_advance(struct horizon *h, uint64_t epoch, int64_t keep_ms)
{
    size_t ripe = 0;
    while (ripe < h->n && h->mark[ripe].at_ms + keep_ms <= h->swept_ms)
        ripe++;
    if (ripe)
        move_to(h, ripe - 1, epoch);
}

bool horizon_force(struct horizon *h, uint64_t epoch)
{
    if (!h->n)
        return false;
    move_to(h, 0, epoch);
    return true;
}
