/* The keys of a transaction's part in Redis: what it has locked and written, the wait for others' keys, and the end of who would
 * wait for ever. Leaves the queue of all who wait to waits.c. */
#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/tx.h"

#define WRITTEN_NAMES_MAX 65536 /* bytes */

enum comp_event_kind undo_event_of(enum waits_turn turn)
{
    return turn == WAITS_ASK ? COMP_EVENT_LOCK_RETRY : turn == WAITS_OVER ? COMP_EVENT_LOCK_TIMEOUT : COMP_EVENT_DEADLOCK;
}

static void on_turn(struct session_wait *k, enum waits_turn turn)
{
    struct session *s = k->session;
    undo_feed(undo_find_part(s->tx, s->redis->resource, s->redis->use.slot), &(struct comp_event){.kind = undo_event_of(turn)});
}

bool undo_queues(struct session_resource *res)
{
    return redis_call_queues(res->tx->session, &res->held, on_turn);
}

enum waits_turn undo_wait_lock(const struct session_resource *res)
{
    struct session *s = res->tx->session;
    return s->redis->wait.rests ? WAITS_ON : redis_call_refused(s, res->reply);
}

/* Its name, too, for the case that Redis forgets what it knows of the transaction; not of every key where there are many. */
static void note_written(struct session_resource *res, const struct comp_command_use *use, struct slice key)
{
    if (!comp_command_counts(use))
        comp_keyset_add(&res->held, key);
    if (!comp_keyset_add(&res->written, key) || buf_len(&res->written_names) + key.len > WRITTEN_NAMES_MAX)
        return;
    buf_u32le(&res->written_names, (uint32_t)key.len);
    buf_append(&res->written_names, key.at, key.len);
}

void undo_note_keys(struct session_resource *res)
{
    const struct session_redis *c = res->tx->session->redis;
    for (unsigned i = 0; c && i < c->use.n_written; i++)
        note_written(res, &c->use, comp_argv_at(&c->args.command, c->use.key[i]));
}

/* As natively: the victim's transaction is over. */
void undo_die_of_deadlock(struct session *s)
{
    s->world->count.key_deadlocks++;
    log_info("transaction_failed", "session=%llu gtrid=%s resource=%s verdict=\"deadlock at a key\"", (unsigned long long)s->id,
             s->tx->gtrid.text, s->world->config->redis[s->redis->resource].name);
    guests_note_lost(s);
    session_put_error(s, xa_answer_code(XA_ANSWER_DEADLOCK), xa_answer_sqlstate(XA_ANSWER_DEADLOCK),
                      xa_answer_text(XA_ANSWER_DEADLOCK));
    s->after = SESSION_AFTER_NOTHING;
    session_enter(s, SESSION_ENDING, "deadlock");
    tx_event(s->tx, &(struct xa_event){
                        .kind = XA_EVENT_STATEMENT_FAILED, .branch = XA_NO_BRANCH, .verdict = XA_VERDICT_DEADLOCK});
}
