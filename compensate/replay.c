/* The judgement, first what forbids, then what decides. */
#include "compensate/replay.h"

#include "base/check.h"

static bool below_horizon(const struct comp_horizon_record *h, const struct comp_gtrid_parts *p)
{
    return p->epoch < h->epoch || (p->epoch == h->epoch && p->counter < h->counter);
}

enum comp_fate comp_replay_fate(const struct comp_replay_view *view, const struct comp_scanned *row)
{
    struct comp_gtrid_parts parts;
    if (!view->parse(view->arg, row->gtrid, &parts) || !slice_is(parts.node, view->node))
        return COMP_FATE_FOREIGN;
    if (!slice_is(parts.log_id, view->log_id))
        return COMP_FATE_OTHER_LOG;
    if (!row->n_records && !row->n_locks)
        return COMP_FATE_NOTHING;
    if (!view->seen_before || view->live(view->arg, row->gtrid))
        return COMP_FATE_WAIT;
    if (view->decided(view->arg, row->gtrid))
        return COMP_FATE_COMMIT;
    /* Failover can bring back the records of a transaction that was committed and forgotten long ago. */
    return below_horizon(&view->horizon, &parts) ? COMP_FATE_ORPHAN : COMP_FATE_ROLLBACK;
}

struct comp_end comp_replay_end(const struct comp_scanned *row, enum comp_fate fate, enum comp_dirty dirty)
{
    CHECK(fate == COMP_FATE_COMMIT || fate == COMP_FATE_ROLLBACK);
    return (struct comp_end){
        .mode = fate == COMP_FATE_COMMIT ? COMP_END_COMMIT : COMP_END_ROLLBACK,
        .dirty = dirty,
        .tombstone = true,
        .all_locks = true,
        .first = 1,
        .last = row->last,
    };
}

static const char *const names[] = {
#define X(name, text) #name,
    COMP_FATES(X)
#undef X
};
static const char *const texts[] = {
#define X(name, text) text,
    COMP_FATES(X)
#undef X
};

const char *comp_fate_name(enum comp_fate fate)
{
    CHECK((size_t)fate < sizeof names / sizeof names[0]);
    return names[fate];
}

const char *comp_fate_text(enum comp_fate fate)
{
    CHECK((size_t)fate < sizeof texts / sizeof texts[0]);
    return texts[fate];
}
