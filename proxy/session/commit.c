/* Performs what xa_step asks of branches and the log, and feeds it what comes of it: beside the resolver, the only place that
 * does. Leaves Redis to undo.c and what the client is told to ending.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

static void perform(struct session_tx *tx, const struct xa_action *action);

/* --- events in, actions out ------------------------------------------------------------------------------------------ */

struct queued_event {
    struct list link;
    struct xa_event event;
};

/* Performing an action may raise an event at once; it waits until the list of actions is done (xa/transaction.h). */
static bool queue_event(struct session_tx *tx, const struct xa_event *event)
{
    if (!tx->stepping)
        return false;
    struct queued_event *q = calloc(1, sizeof *q);
    CHECK(q);
    q->event = *event;
    list_push_back(&tx->events, &q->link);
    return true;
}

static bool next_event(struct session_tx *tx, struct xa_event *event)
{
    struct list *first = list_first(&tx->events);
    if (!first)
        return false;
    struct queued_event *q = CONTAINER_OF(first, struct queued_event, link);
    *event = q->event;
    list_remove(first);
    free(q);
    return true;
}

/* The session is its own again before it is told: the answer may begin the next transaction. */
static void end(struct session_tx *tx)
{
    struct session *s = tx->session;
    struct xa_event dropped;
    void (*then)(struct session *) = tx->then;
    while (next_event(tx, &dropped))
        ;
    tx_free(tx);
    if (then)
        then(s);
    else if (s->phase == SESSION_ENDING && s->saga)
        saga_step_lost(s);
    else if (s->phase == SESSION_ENDING)
        tx_go_on(s); /* of a deadlock its victim knows already */
    else if (s->phase == SESSION_CLOSING)
        net_defer(s->worker->loop, &s->closing);
}

void tx_event(struct session_tx *tx, const struct xa_event *first)
{
    if (queue_event(tx, first))
        return;
    struct xa_event event = *first;
    struct xa_actions actions;
    bool ended = false;
    check_context = tx->gtrid.text;
    tx->stepping = true;
    do {
        actions.n = 0;
        xa_step(&tx->machine, &event, &actions);
        for (unsigned i = 0; i < actions.n; i++) {
            if (actions.action[i].kind == XA_ACTION_FORGET)
                ended = true;
            else
                perform(tx, &actions.action[i]);
        }
    } while (!ended && next_event(tx, &event));
    tx->stepping = false;
    check_context = NULL;
    if (ended)
        end(tx);
}

static void branch_event(struct session_branch *b, enum xa_event_kind kind, enum xa_verdict verdict)
{
    net_timer_stop(&b->deadline);
    tx_event(b->tx, &(struct xa_event){.kind = kind, .branch = b->index, .verdict = verdict});
}

void tx_branch_lost(struct session_branch *b)
{
    b->conn = NULL;
    branch_event(b, XA_EVENT_LOST, XA_VERDICT_UNKNOWN);
}

/* --- branches -------------------------------------------------------------------------------------------------------- */

static struct session_server *server_of(struct session_branch *b)
{
    return &b->tx->session->servers[b->backend];
}

/* The branch has ended on its connection. */
static void conn_is_free(struct session_branch *b)
{
    if (b->conn)
        b->conn->xa = BACKEND_XA_NONE;
    b->conn = NULL;
}

static void answered(struct session_branch *b, enum xa_asked asked, const struct backend_outcome *outcome)
{
    enum xa_verdict v = xa_verdict_of(asked, outcome->error, 0);
    if (v != XA_VERDICT_OK)
        log_warn("branch_answer", "gtrid=%s bqual=%s asked=%d error=%u verdict=\"%s\"", b->tx->gtrid.text, b->bqual.text, asked,
                 outcome->error, xa_verdict_text(v));
    branch_event(b, XA_EVENT_REPLY, v);
}

static void on_prepared(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    if (!outcome->error && b->conn)
        b->conn->xa = BACKEND_XA_PREPARED;
    (void)FAILPOINT(vote_in);
    answered(b, XA_ASKED_PREPARE, outcome);
}

static void on_one_phase(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    if (!outcome->error)
        conn_is_free(b);
    answered(b, XA_ASKED_ONE_PHASE, outcome);
}

static void on_committed(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    if (!outcome->error)
        conn_is_free(b);
    (void)FAILPOINT(commit_in);
    answered(b, XA_ASKED_COMMIT, outcome);
}

static void on_rolled_back(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    if (!outcome->error || outcome->error == 1397)
        conn_is_free(b);
    answered(b, XA_ASKED_ROLLBACK, outcome);
}

static const struct backend_sink end_sink = {0}; /* what matters is the answer to what follows it */
static const struct backend_sink prepare_sink = {.done = on_prepared};
static const struct backend_sink one_phase_sink = {.done = on_one_phase};
static const struct backend_sink commit_sink = {.done = on_committed};
static const struct backend_sink rollback_sink = {.done = on_rolled_back};

/* A reader's release: nobody waits, the transaction may be over before the answer comes, so its sink knows only the server. */
static void on_released(void *arg, const struct backend_outcome *outcome)
{
    struct session_server *server = arg;
    if (server->conn && outcome->error)
        server->conn->broken = true;
    sharing_released(server);
}
static const struct backend_sink release_sink = {.done = on_released};

static void send_xa(struct session_branch *b, enum xa_text what, const struct backend_sink *sink, void *arg)
{
    struct buf text = {0};
    xa_text(&text, what, b->tx->gtrid.text, b->bqual.text);
    backend_send_query(b->conn, (const char *)buf_at(&text), buf_len(&text), sink, arg);
    buf_fini(&text);
}

static void on_deadline(void *arg)
{
    struct session_branch *b = arg;
    log_warn("branch_deadline", "gtrid=%s bqual=%s state=\"%s\"", b->tx->gtrid.text, b->bqual.text,
             xa_branch_state_text(b->tx->machine.branch[b->index].state));
    branch_event(b, XA_EVENT_DEADLINE, XA_VERDICT_UNKNOWN);
}

static void start_deadline(struct session_branch *b)
{
    struct session *s = b->tx->session;
    if (!b->deadline.loop)
        net_timer_init(&b->deadline, s->worker->loop, on_deadline, b);
    net_timer_start(&b->deadline, s->world->config->backends[b->backend].commit_timeout_ms);
}

/* Crash points stand behind the kernel's acceptance of the bytes; without them everything leaves at the end of the turn. */
#ifdef ENABLE_FAILPOINTS
#define SENT(b, point)                                                      \
    do {                                                                    \
        if ((b)->conn->net && net_conn_flush_now((b)->conn->net) == 0)      \
            (void)FAILPOINT(point);                                         \
    } while (0)
#else
#define SENT(b, point) ((void)0)
#endif

static void send_pair(struct session_branch *b, enum xa_text second, const struct backend_sink *sink)
{
    send_xa(b, XA_TEXT_END, &end_sink, NULL);
    b->conn->xa = BACKEND_XA_IDLE;
    send_xa(b, second, sink, b);
    start_deadline(b);
}

static void release(struct session_branch *b)
{
    struct session_server *server = server_of(b);
    send_xa(b, XA_TEXT_END, &end_sink, NULL);
    send_xa(b, XA_TEXT_ONE_PHASE, &release_sink, server);
    b->conn->xa = BACKEND_XA_NONE; /* until the answer, commands under way keep it from others */
    b->conn = NULL;
}

/* The connection is given up: the server-side thread may hold the branch or still be at work on it. */
static void close_branch(struct session_branch *b)
{
    struct session *s = b->tx->session;
    net_timer_stop(&b->deadline);
    CHECK(!b->conn || server_of(b)->conn == b->conn);
    if (b->conn)
        link_drop(server_of(b), "its branch was given up");
    b->conn = NULL;
    s->world->resolver->kill_connection(s->world->resolver_arg, b->backend, b->connection_id, b->opened_ms);
}

/* --- the decision ---------------------------------------------------------------------------------------------------- */

static void describe(const struct session_tx *tx, struct xa_decision *d)
{
    const struct session *s = tx->session;
    memset(d, 0, sizeof *d);
    d->gtrid = tx->gtrid;
    d->decided_ms = clock_wall_ms();
    _Static_assert(CONFIG_USER_MAX + sizeof s->peer < sizeof d->who, "whole");
    snprintf(d->who, sizeof d->who, "%s@%s", s->user->name, s->peer);
    if (saga_ends(s))
        snprintf(d->saga, sizeof d->saga, "%s", saga_gtrid(s->saga));
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        if (tx->machine.branch[i].state != XA_BRANCH_PREPARED)
            continue;
        struct xa_decision_branch *b = &d->branch[d->n_branches++];
        snprintf(b->backend, sizeof b->backend, "%s", s->world->config->backends[tx->branch[i]->backend].name);
        b->bqual = tx->branch[i]->bqual;
    }
    for (unsigned i = 0; i < tx->n_parts; i++) {
        struct xa_decision_slot *slot = &d->slot[d->n_slots++];
        snprintf(slot->resource, sizeof slot->resource, "%s", s->world->config->redis[tx->parts[i]->index].name);
        slot->slot = tx->parts[i]->slot;
    }
}

static void on_decision_durable(struct session_tx *tx)
{
    (void)FAILPOINT(decided);
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_DURABLE, .branch = XA_NO_BRANCH});
}

static void append_decision(struct session_tx *tx)
{
    struct xa_decision d;
    (void)FAILPOINT(all_votes);
    describe(tx, &d);
    tx_wait_durable(tx, journal_decide(tx->session->world->journal, &d), on_decision_durable);
}

static void append_done(const struct session_tx *tx)
{
    (void)FAILPOINT(all_in);
    journal_done(tx->session->world->journal, tx->gtrid.text);
}

/* --- handing over ---------------------------------------------------------------------------------------------------- */

/* What is settled already is said to the registry, so that the rest is known. */
static void hand_over_decided(struct session_tx *tx)
{
    struct session *s = tx->session;
    struct xa_registry *r = journal_registry(s->world->journal);
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        struct session_branch *b = tx->branch[i];
        struct session_server *server = server_of(b);
        if (tx->machine.branch[i].state == XA_BRANCH_SETTLED) {
            (void)xa_registry_branch_settled(r, tx->gtrid.text, session_backend_name(s, b->backend), b->bqual.text);
        } else if (tx->machine.branch[i].state == XA_BRANCH_HANDED_OVER) {
            snprintf(server->in_doubt, sizeof server->in_doubt, "%s", tx->gtrid.text);
            server->in_doubt_bqual = b->bqual;
        }
    }
    for (unsigned i = 0; tx->machine.redis == XA_REDIS_SETTLED && i < tx->n_parts; i++)
        (void)xa_registry_slot_settled(r, tx->gtrid.text, s->world->config->redis[tx->parts[i]->index].name, tx->parts[i]->slot);
    xa_registry_hand_over(r, tx->gtrid.text);
}

static bool writes_to(const struct session_tx *tx, unsigned resource)
{
    for (unsigned i = 0; i < tx->n_parts; i++)
        if (tx->parts[i]->index == resource)
            return true;
    return false;
}

static void hand_over_redis(struct session_tx *tx)
{
    struct world *w = tx->session->world;
    for (unsigned i = 0; i < w->redis.n; i++) {
        if (!writes_to(tx, i))
            continue;
        journal_undo_left(w->journal, &tx->live, w->config->redis[i].name);
        w->resolver->sweep_redis(w->resolver_arg, i);
    }
}

static void hand_over(struct session_tx *tx)
{
    struct world *w = tx->session->world;
    w->count.handed_over++;
    log_warn("handed_over", "session=%llu gtrid=%s decided=%d", (unsigned long long)tx->session->id, tx->gtrid.text,
             tx->machine.decided);
    if (tx->machine.decided)
        hand_over_decided(tx);
    for (unsigned i = 0; i < tx->machine.n_branches; i++)
        if (tx->machine.branch[i].state == XA_BRANCH_HANDED_OVER)
            w->resolver->sweep_backend(w->resolver_arg, tx->branch[i]->backend);
    if (tx->machine.redis == XA_REDIS_HANDED_OVER)
        hand_over_redis(tx);
}

/* --- every action ---------------------------------------------------------------------------------------------------- */

static void perform(struct session_tx *tx, const struct xa_action *action)
{
    struct session_branch *b = action->branch < tx->machine.n_branches ? tx->branch[action->branch] : NULL;
    switch (action->kind) {
    case XA_ACTION_END_PREPARE:
        send_pair(b, XA_TEXT_PREPARE, &prepare_sink);
        SENT(b, end_prepare_sent);
        break;
    case XA_ACTION_ONE_PHASE:
        send_pair(b, XA_TEXT_ONE_PHASE, &one_phase_sink);
        SENT(b, one_phase_sent);
        break;
    case XA_ACTION_COMMIT:
        send_xa(b, XA_TEXT_COMMIT, &commit_sink, b);
        start_deadline(b);
        SENT(b, commit_sent);
        break;
    case XA_ACTION_END_ROLLBACK:
        send_pair(b, XA_TEXT_ROLLBACK, &rollback_sink);
        SENT(b, rollback_sent);
        break;
    case XA_ACTION_ROLLBACK:
        send_xa(b, XA_TEXT_ROLLBACK, &rollback_sink, b);
        start_deadline(b);
        SENT(b, rollback_sent);
        break;
    case XA_ACTION_RELEASE:
        release(b);
        break;
    case XA_ACTION_CLOSE:
        close_branch(b);
        break;
    case XA_ACTION_HAND_OVER:
        hand_over(tx);
        break;
    case XA_ACTION_REDIS_VOTE:
        undo_vote(tx);
        break;
    case XA_ACTION_REDIS_COMMIT:
        undo_end(tx, true);
        break;
    case XA_ACTION_REDIS_ROLLBACK:
        undo_end(tx, false);
        break;
    case XA_ACTION_APPEND_DECISION:
        append_decision(tx);
        break;
    case XA_ACTION_APPEND_DONE:
        append_done(tx);
        break;
    case XA_ACTION_ANSWER:
        tx_answer(tx, action->answer);
        break;
    case XA_ACTION_FORGET:
        break;
    }
}
