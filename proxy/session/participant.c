/* All parts of a transaction in Redis as the one participant that the commit machine knows: vote, end, savepoints. Leaves each
 * of them to undo.c. */
#include <stdlib.h>

#include "proxy/session/tx.h"
#include "proxy/session/waits.h"

/* --- the parts ----------------------------------------------------------------------------------------------------------- */

struct session_resource *undo_find_part(const struct session_tx *tx, unsigned resource, uint16_t slot)
{
    for (unsigned i = 0; i < tx->n_parts; i++)
        if (tx->parts[i]->index == resource && tx->parts[i]->slot == slot)
            return tx->parts[i];
    return NULL;
}

struct session_resource *undo_add_part(struct session_tx *tx, unsigned resource, uint16_t slot)
{
    struct session_resource *part = calloc(1, sizeof *part);
    tx->parts = realloc(tx->parts, (tx->n_parts + 1) * sizeof *tx->parts);
    CHECK(part && tx->parts);
    part->tx = tx;
    part->index = resource;
    part->slot = slot;
    tx->parts[tx->n_parts++] = part;
    return part;
}

/* --- what they said ------------------------------------------------------------------------------------------------------ */

static void report_votes(struct session_tx *tx)
{
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_REDIS_VOTE, .branch = XA_NO_BRANCH, .yes = tx->redis_yes});
}

static void report_end(struct session_tx *tx)
{
    waits_part(tx->session->world->waits, &tx->party);
    tx_event(tx, &(struct xa_event){.kind = tx->redis_yes ? XA_EVENT_REDIS_ENDED : XA_EVENT_REDIS_LOST, .branch = XA_NO_BRANCH});
}

/* The last of all parts reports. */
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

/* sp: where ROLLBACK TO goes back to; a part that came later goes back to its beginning. */
static void feed_all(struct session_tx *tx, int doing, enum comp_event_kind kind, const struct session_savepoint *sp)
{
    tx->redis_yes = true;
    tx->redis_pending = 1; /* held until all are under way: an early answer must not be taken for the last */
    for (unsigned i = 0; i < tx->n_parts; i++) {
        uint32_t mark = sp && i < sp->n_redis_marks ? sp->redis_marks[i] : 0;
        tx->redis_pending++;
        tx->parts[i]->doing = doing;
        undo_feed(tx->parts[i], &(struct comp_event){.kind = kind, .mark = mark});
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

void undo_mark(const struct session_tx *tx, struct session_savepoint *sp)
{
    sp->n_redis_marks = tx->n_parts;
    sp->redis_marks = calloc(tx->n_parts + 1, sizeof *sp->redis_marks);
    CHECK(sp->redis_marks);
    for (unsigned i = 0; i < tx->n_parts; i++)
        sp->redis_marks[i] = comp_tx_mark(&tx->parts[i]->machine);
}

bool undo_back_to(struct session_tx *tx, const struct session_savepoint *sp, void (*on_done)(struct session *s, bool ok))
{
    if (!tx->redis_used)
        return false;
    tx->on_redis_partial = on_done;
    feed_all(tx, RESOURCE_PARTIAL, COMP_EVENT_ROLLBACK_TO, sp);
    if (!--tx->redis_pending)
        on_done(tx->session, tx->redis_yes);
    return true;
}

void undo_free(struct session_tx *tx)
{
    for (unsigned i = 0; i < tx->n_parts; i++) {
        undo_cancel(tx->parts[i]);
        comp_keyset_fini(&tx->parts[i]->held);
        comp_keyset_fini(&tx->parts[i]->written);
        buf_fini(&tx->parts[i]->written_names);
        comp_tx_fini(&tx->parts[i]->machine);
        free(tx->parts[i]);
    }
    waits_part(tx->session->world->waits, &tx->party);
    free(tx->parts);
    tx->parts = NULL;
    tx->n_parts = 0;
}
