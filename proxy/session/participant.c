/* All Redis resources of a transaction as the one participant that the commit machine knows: vote, end, savepoints. Leaves each
 * of them to undo.c. */
#include <stdlib.h>

#include "proxy/session/tx.h"

/* --- the resources ------------------------------------------------------------------------------------------------------- */

struct session_resource *undo_resource(struct session_tx *tx, unsigned index)
{
    struct world *w = tx->session->world;
    if (!tx->resources) {
        tx->resources = calloc(w->redis.n, sizeof *tx->resources);
        CHECK(tx->resources);
        for (size_t i = 0; i < w->redis.n; i++) {
            tx->resources[i].tx = tx;
            tx->resources[i].index = (unsigned)i;
        }
    }
    return &tx->resources[index];
}

unsigned undo_resources_used(const struct session_tx *tx)
{
    unsigned n = 0;
    for (size_t i = 0; tx->resources && i < tx->session->world->redis.n; i++)
        n += tx->resources[i].used;
    return n;
}

/* --- what they said ------------------------------------------------------------------------------------------------------ */

static void report_votes(struct session_tx *tx)
{
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_REDIS_VOTE, .branch = XA_NO_BRANCH, .yes = tx->redis_yes});
}

static void report_end(struct session_tx *tx)
{
    tx_event(tx, &(struct xa_event){.kind = tx->redis_yes ? XA_EVENT_REDIS_ENDED : XA_EVENT_REDIS_LOST, .branch = XA_NO_BRANCH});
}

/* The last of all resources reports. */
void undo_counted(struct session_resource *res, bool yes)
{
    struct session_tx *tx = res->tx;
    int doing = res->doing;
    res->doing = RESOURCE_IDLE;
    tx->redis_yes = tx->redis_yes && yes;
    if (--tx->redis_pending)
        return;
    if (doing == RESOURCE_VOTING)
        report_votes(tx);
    else if (doing == RESOURCE_ENDING)
        report_end(tx);
    else
        tx->on_redis_partial(tx->session, tx->redis_yes);
}

/* --- what they are asked ------------------------------------------------------------------------------------------------- */

static void feed_all(struct session_tx *tx, int doing, enum comp_event_kind kind, const uint32_t *marks)
{
    size_t n = tx->session->world->redis.n;
    tx->redis_yes = true;
    tx->redis_pending = 1; /* held until all are under way: an early answer must not be taken for the last */
    for (size_t i = 0; tx->resources && i < n; i++)
        if (tx->resources[i].used) {
            tx->redis_pending++;
            tx->resources[i].doing = doing;
            undo_feed(&tx->resources[i], &(struct comp_event){.kind = kind, .mark = marks ? marks[i] : 0});
        }
}

void undo_vote(struct session_tx *tx)
{
    feed_all(tx, RESOURCE_VOTING, COMP_EVENT_VOTE, NULL);
    if (!--tx->redis_pending)
        report_votes(tx);
}

void undo_end(struct session_tx *tx, bool commit)
{
    feed_all(tx, RESOURCE_ENDING, commit ? COMP_EVENT_COMMIT : COMP_EVENT_ROLLBACK, NULL);
    if (!--tx->redis_pending)
        report_end(tx);
}

void undo_marks(struct session_tx *tx, uint32_t *marks)
{
    for (size_t i = 0; i < tx->session->world->redis.n; i++)
        marks[i] = tx->resources ? comp_tx_mark(&tx->resources[i].machine) : 0;
}

bool undo_back_to(struct session_tx *tx, const uint32_t *marks, void (*on_done)(struct session *s, bool ok))
{
    if (!tx->redis_used)
        return false;
    tx->on_redis_partial = on_done;
    feed_all(tx, RESOURCE_PARTIAL, COMP_EVENT_ROLLBACK_TO, marks);
    if (!--tx->redis_pending)
        on_done(tx->session, tx->redis_yes);
    return true;
}

void undo_free(struct session_tx *tx)
{
    for (size_t i = 0; tx->resources && i < tx->session->world->redis.n; i++) {
        struct session_resource *res = &tx->resources[i];
        undo_cancel(res);
        net_timer_fini(&res->timer);
        comp_tx_fini(&res->machine);
    }
    free(tx->resources);
    tx->resources = NULL;
}
