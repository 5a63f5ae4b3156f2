/* The library's contract, in the abstract: each call is one atomic step. */
#include "tests/model/redis_world.h"

#include "base/check.h"

static enum comp_reply execute_do(struct world *w, const struct request *r, bool command_fails)
{
    struct redis *redis = &w->redis;
    uint8_t seq = r->first;
    if (r->epoch < redis->lowest_epoch)
        return COMP_REPLY_STALE;
    if (redis->tombstone)
        return COMP_REPLY_FENCED;
    if (redis->record[seq] == RECORD_HUSK)
        return COMP_REPLY_FENCED;
    if (redis->record[seq] == RECORD_STANDS && mutant != MUTANT_NO_DUPLICATE_CHECK)
        return COMP_REPLY_OK;
    if (w->rival)
        return COMP_REPLY_LOCKED;
    if (command_fails)
        return COMP_REPLY_ERROR;
    redis->effect[seq]++;
    w->landed_late |= !w->dead && w->raised && r->epoch < w->epoch;
    redis->record[seq] = RECORD_STANDS;
    redis->locked = 1;
    return COMP_REPLY_OK;
}

static bool undoes(const struct world *w, const struct request *r, uint8_t seq)
{
    if (mutant == MUTANT_BLIND_UNDO && r->kind == REQUEST_END)
        return true;
    if (mutant == MUTANT_LOCAL_UNDO && r->kind == REQUEST_END)
        return r->acked >> seq & 1;
    return w->redis.record[seq] == RECORD_STANDS;
}

static void end_record(struct world *w, const struct request *r, uint8_t seq)
{
    bool partial = r->kind == REQUEST_PARTIAL;
    if (!r->commit && undoes(w, r, seq)) {
        w->redis.effect[seq]--;
        w->took_back_committed |= w->was_decided && !partial;
    }
    if (mutant == MUTANT_RECORDS_STAY && !r->commit && !partial)
        return;
    if (partial)
        w->redis.record[seq] = w->redis.record[seq] ? RECORD_HUSK : RECORD_NONE;
    else
        w->redis.record[seq] = RECORD_NONE;
}

static enum comp_reply execute_end(struct world *w, const struct request *r)
{
    for (uint8_t seq = r->last; seq >= r->first; seq--)
        end_record(w, r, seq);
    if (r->kind == REQUEST_END) {
        w->redis.locked = 0;
        w->redis.tombstone |= r->tombstone && mutant != MUTANT_NO_FENCE;
    }
    return COMP_REPLY_OK;
}

static enum comp_reply execute_vote(struct world *w, const struct request *r)
{
    if (r->epoch < w->redis.lowest_epoch)
        return COMP_REPLY_STALE;
    if (w->redis.tombstone)
        return COMP_REPLY_FENCED;
    for (uint8_t seq = 1; seq <= r->last; seq++)
        if ((w->redis.record[seq] == RECORD_STANDS) != (r->acked >> seq & 1))
            return COMP_REPLY_MISSING;
    w->voted = 1;
    return COMP_REPLY_OK;
}

enum comp_reply redis_execute(struct world *w, const struct request *r, bool command_fails)
{
    switch (r->kind) {
    case REQUEST_DO:
        return execute_do(w, r, command_fails);
    case REQUEST_VOTE:
        return execute_vote(w, r);
    default:
        CHECK(r->kind == REQUEST_PARTIAL || r->kind == REQUEST_END);
        return execute_end(w, r);
    }
}

bool redis_has_anything(const struct redis *r)
{
    for (int seq = 1; seq <= MAX_SEQ; seq++)
        if (r->record[seq])
            return true;
    return r->locked;
}
