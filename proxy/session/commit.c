/* The end of a transaction: performs what xa_step asks, feeds it what comes of it. The only place, beside the resolver, that does. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/session.h"
#include "proxy/session/tx.h"

static void perform(struct session *s, struct session_tx *tx, const struct xa_action *action);

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

static void forget(struct session *s, struct session_tx *tx)
{
    struct xa_event dropped;
    while (next_event(tx, &dropped))
        ;
    if (s->tx == tx)
        s->tx = NULL;
    tx_free(tx);
    if (s->phase == SESSION_CLOSING)
        net_defer(s->worker->loop, &s->closing);
}

void tx_event(struct session *s, struct session_tx *tx, const struct xa_event *first)
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
                perform(s, tx, &actions.action[i]);
        }
    } while (!ended && next_event(tx, &event));
    tx->stepping = false;
    check_context = NULL;
    void (*then)(struct session *) = tx->then;
    tx->then = NULL;
    if (ended)
        forget(s, tx);
    if (then)
        then(s); /* the answer; it may begin the next transaction, so it comes last */
}

static void branch_event(struct session_branch *b, enum xa_event_kind kind, enum xa_verdict verdict)
{
    net_timer_stop(&b->deadline);
    tx_event(b->tx->session, b->tx, &(struct xa_event){.kind = kind, .branch = b->index, .verdict = verdict});
}

/* --- branches -------------------------------------------------------------------------------------------------------- */

static struct session_server *server_of(struct session_branch *b)
{
    return &b->tx->session->servers[b->backend];
}

/* The branch has ended on its connection; a further transaction of the session may have begun there meanwhile. */
static void conn_is_free(struct session_branch *b)
{
    struct session *s = b->tx->session;
    bool next_began = s->tx && s->tx != b->tx && server_of(b)->branch >= 0;
    if (b->conn && !next_began)
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

/* A reader's release: nobody waits, the transaction may be freed before the answer comes, so its sink knows only the server. */
static void on_released(void *arg, const struct backend_outcome *outcome)
{
    struct session_server *server = arg;
    if (!server->conn)
        return;
    if (outcome->error)
        server->conn->broken = true;
    if (server->branch < 0)
        server->conn->xa = BACKEND_XA_NONE;
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
    b->conn = NULL;
}

/* The connection is given up: the server-side thread may hold the branch or still be at work on it. */
static void close_branch(struct session_branch *b)
{
    struct session *s = b->tx->session;
    net_timer_stop(&b->deadline);
    struct backend_conn *conn = b->conn;
    b->conn = NULL;
    if (conn) {
        struct session_server *server = server_of(b);
        if (server->conn == conn) {
            server->conn = NULL;
            server->settings_seen = 0;
            prepared_server_gone(s, conn);
        }
        backend_conn_close(conn, "its branch was given up");
    }
    s->world->resolver->kill_connection(s->world->resolver_arg, b->backend, b->connection_id);
}

/* --- the decision ---------------------------------------------------------------------------------------------------- */

static void describe(const struct session *s, const struct session_tx *tx, struct xa_decision *d)
{
    memset(d, 0, sizeof *d);
    d->gtrid = tx->gtrid;
    d->decided_ms = clock_wall_ms();
    snprintf(d->who, sizeof d->who, "%s@%s", s->user->name, s->peer);
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        if (tx->machine.branch[i].state != XA_BRANCH_PREPARED)
            continue;
        struct xa_decision_branch *b = &d->branch[d->n_branches++];
        snprintf(b->backend, sizeof b->backend, "%s", s->world->config->backends[tx->branch[i]->backend].name);
        b->bqual = tx->branch[i]->bqual;
    }
    for (size_t i = 0; tx->resources && i < s->world->redis.n; i++)
        if (tx->resources[i].used) {
            struct xa_decision_slot *slot = &d->slot[d->n_slots++];
            snprintf(slot->resource, sizeof slot->resource, "%s", s->world->config->redis[i].name);
            slot->slot = 0;
        }
}

static void on_decision_durable(struct session_tx *tx)
{
    tx_event(tx->session, tx, &(struct xa_event){.kind = XA_EVENT_DURABLE, .branch = XA_NO_BRANCH});
}

static void append_decision(struct session *s, struct session_tx *tx)
{
    struct xa_decision d;
    (void)FAILPOINT(all_votes);
    describe(s, tx, &d);
    tx_wait_durable(tx, journal_decide(s->world->journal, &d), on_decision_durable);
}

static void append_done(struct session *s, struct session_tx *tx)
{
    (void)FAILPOINT(all_in);
    journal_done(s->world->journal, tx->gtrid.text);
}

/* The resolver has it from here; what is settled already is said to the registry, so that the rest is known. */
static void hand_over(struct session *s, struct session_tx *tx)
{
    struct xa_registry *r = journal_registry(s->world->journal);
    s->world->count.handed_over++;
    log_warn("handed_over", "session=%llu gtrid=%s decided=%d", (unsigned long long)s->id, tx->gtrid.text, tx->machine.decided);
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        struct session_branch *b = tx->branch[i];
        const char *backend = s->world->config->backends[b->backend].name;
        bool handed = tx->machine.branch[i].state == XA_BRANCH_HANDED_OVER;
        if (tx->machine.decided && tx->machine.branch[i].state == XA_BRANCH_SETTLED)
            (void)xa_registry_branch_settled(r, tx->gtrid.text, backend, b->bqual.text);
        if (handed && tx->machine.decided)
            snprintf(server_of(b)->in_doubt, sizeof server_of(b)->in_doubt, "%s", tx->gtrid.text);
    }
    if (tx->machine.decided && tx->machine.redis == XA_REDIS_SETTLED)
        for (size_t i = 0; i < s->world->redis.n; i++)
            if (tx->resources[i].used)
                (void)xa_registry_slot_settled(r, tx->gtrid.text, s->world->config->redis[i].name, 0);
    if (tx->machine.decided)
        xa_registry_hand_over(r, tx->gtrid.text);
    for (unsigned i = 0; i < tx->machine.n_branches; i++)
        if (tx->machine.branch[i].state == XA_BRANCH_HANDED_OVER)
            s->world->resolver->sweep_backend(s->world->resolver_arg, tx->branch[i]->backend);
    for (size_t i = 0; tx->resources && i < s->world->redis.n; i++)
        if (tx->resources[i].used && tx->machine.redis == XA_REDIS_HANDED_OVER)
            s->world->resolver->sweep_redis(s->world->resolver_arg, (unsigned)i);
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

/* From here on the session is free for its next transaction; this one finishes behind its back. */
void tx_detach(struct session *s, struct session_tx *tx)
{
    if (s->tx != tx)
        return;
    s->tx = NULL;
    list_push_back(&s->ending, &tx->link);
    for (size_t i = 0; i < s->world->backends.n; i++)
        s->servers[i].branch = -1;
}

static void acknowledged(struct session *s)
{
#ifdef ENABLE_FAILPOINTS
    if (s->net && net_conn_flush_now(s->net) == 0)
        (void)FAILPOINT(after_ack);
#else
    (void)s;
#endif
}

static void begin_chained(struct session *s)
{
    struct session_tx *tx = tx_open(s);
    tx->begun = true;
    tx->read_only = s->chain_read_only;
    tx->read_write = s->chain_read_write;
    snprintf(tx->characteristics, sizeof tx->characteristics, "%s", s->chain_characteristics);
}

static void go_on(struct session *s)
{
    uint16_t warnings = *s->warning ? 1 : 0;
    switch (s->after) {
    case SESSION_AFTER_CHAIN:
        begin_chained(s);
        session_answer_ok_with(s, 0, warnings, s->warning);
        break;
    case SESSION_AFTER_OK:
        session_answer_ok_with(s, 0, warnings, s->warning);
        acknowledged(s);
        break;
    case SESSION_AFTER_RELEASE:
        s->more = false;
        session_enter(s, SESSION_RUNNING, "released");
        session_answer_ok_with(s, 0, warnings, s->warning);
        session_close(s, "COMMIT RELEASE");
        break;
    case SESSION_AFTER_STATEMENT:
        session_enter(s, SESSION_RUNNING, "implicit commit done");
        statement_run(s);
        break;
    case SESSION_AFTER_CALL:
        s->after_rollback(s);
        break;
    case SESSION_AFTER_NOTHING:
        session_next(s);
        break;
    }
}

static void answer_failure(struct session *s)
{
    session_answer_error(s, xa_answer_code(s->answer), xa_answer_sqlstate(s->answer), "%s (transaction %s)",
                         xa_answer_text(s->answer), s->answer_gtrid);
}

static bool is_success(enum xa_answer a)
{
    return a == XA_ANSWER_COMMITTED || a == XA_ANSWER_ROLLED_BACK || a == XA_ANSWER_COMMITTED_LATER;
}

static void answer(struct session *s, struct session_tx *tx, enum xa_answer what)
{
    (void)FAILPOINT(before_ack);
    s->chain_read_only = tx->read_only;
    s->chain_read_write = tx->read_write;
    snprintf(s->chain_characteristics, sizeof s->chain_characteristics, "%s", tx->characteristics);
    tx_detach(s, tx);
    s->answer = what;
    snprintf(s->answer_gtrid, sizeof s->answer_gtrid, "%s", tx->gtrid.text);
    *s->warning = '\0';
    if (what == XA_ANSWER_COMMITTED_LATER)
        snprintf(s->warning, sizeof s->warning, "committed; a server that cannot be reached now will follow (transaction %s)",
                 tx->gtrid.text);
    if (what == XA_ANSWER_UNKNOWN)
        s->world->count.outcome_unknown++;
    else if (!is_success(what))
        s->world->count.commits_refused++;
    else if (what == XA_ANSWER_ROLLED_BACK)
        s->world->count.rollbacks++;
    else if (tx->machine.decided)
        s->world->count.commits_two_phase++;
    else
        s->world->count.commits_one_phase++;
    if (s->phase != SESSION_CLOSING)
        tx->then = is_success(what) ? go_on : answer_failure;
}

static void perform(struct session *s, struct session_tx *tx, const struct xa_action *action)
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
        hand_over(s, tx);
        break;
    case XA_ACTION_REDIS_VOTE:
        tx_redis_vote(tx);
        break;
    case XA_ACTION_REDIS_COMMIT:
        tx_redis_end(tx, true);
        break;
    case XA_ACTION_REDIS_ROLLBACK:
        tx_redis_end(tx, false);
        break;
    case XA_ACTION_APPEND_DECISION:
        append_decision(s, tx);
        break;
    case XA_ACTION_APPEND_DONE:
        append_done(s, tx);
        break;
    case XA_ACTION_ANSWER:
        answer(s, tx, action->answer);
        break;
    case XA_ACTION_FORGET:
        break;
    }
}

/* --- what sessions ask for --------------------------------------------------------------------------------------------- */

static void on_local_end(struct session *s, const struct backend_outcome *outcome)
{
    struct session_tx *tx = s->tx;
    (void)outcome;
    s->tx = NULL;
    tx_free(tx);
}

static void on_local_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (!s->tx)
        return;
    s->chain_read_only = s->tx->read_only;
    s->chain_read_write = s->tx->read_write;
    snprintf(s->chain_characteristics, sizeof s->chain_characteristics, "%s", s->tx->characteristics);
    bool failed = s->tx->local_failed;
    on_local_end(s, outcome);
    *s->warning = '\0';
    if (s->phase == SESSION_CLOSING)
        net_defer(s->worker->loop, &s->closing);
    else if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else if (failed && s->local_commit)
        session_answer_error(s, 1402, "XA100", "%s", xa_answer_text(XA_ANSWER_FAILED));
    else
        go_on(s);
}

static void on_local_lost(void *arg, const char *why)
{
    struct session *s = arg;
    if (!s->tx)
        return;
    on_local_end(s, NULL);
    if (s->phase == SESSION_CLOSING)
        net_defer(s->worker->loop, &s->closing);
    else if (s->local_commit)
        session_answer_error(s, 1105, "HY000", "%s (%s)", xa_answer_text(XA_ANSWER_UNKNOWN), why);
    else
        go_on(s);
}

static const struct backend_sink local_sink = {.done = on_local_done, .lost = on_local_lost};

/* A transaction that never was anything but one server's own. */
static void end_local(struct session *s, bool commit)
{
    struct backend_conn *conn = s->servers[s->tx->local_server].conn;
    s->local_commit = commit;
    if (!conn) {
        struct backend_outcome gone = {0};
        on_local_done(s, &gone);
        return;
    }
    const char *text = commit && !s->tx->local_failed ? "COMMIT" : "ROLLBACK";
    backend_send_query(conn, text, strlen(text), &local_sink, s);
}

static void ask_commit(struct session_tx *tx)
{
    struct session *s = tx->session;
    if (xa_needs_log(&tx->machine)) {
        if (!journal_reserve(s->world->journal)) {
            tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_NO_ROOM, .branch = XA_NO_BRANCH});
            return;
        }
        tx->reserved = true;
    }
    tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_COMMIT, .branch = XA_NO_BRANCH});
}

/* The ids of the connections that may come to hold prepared branches: durable before the first PREPARE, so that recovery can
 * kill them. They were appended when the connections were opened; hardly ever is there something to wait for. */
static wal_pos connections_logged_at(const struct session_tx *tx)
{
    wal_pos at = 0;
    for (unsigned i = 0; i < tx->machine.n_branches; i++)
        if (tx->branch[i]->conn && tx->branch[i]->conn->logged_at > at)
            at = tx->branch[i]->conn->logged_at;
    return at;
}

void tx_commit(struct session *s, enum session_after after)
{
    s->after = after;
    *s->warning = '\0';
    session_enter(s, SESSION_ENDING, "commit");
    struct session_tx *tx = s->tx;
    if (!tx)
        go_on(s);
    else if (tx->local && tx->local_server >= 0)
        end_local(s, true);
    else if (connections_logged_at(tx) > wal_durable(journal_wal(s->world->journal)))
        tx_wait_durable(tx, connections_logged_at(tx), ask_commit);
    else
        ask_commit(tx);
}

void tx_rollback(struct session *s, enum session_after after)
{
    s->after = after;
    *s->warning = '\0';
    session_enter(s, SESSION_ENDING, "rollback");
    struct session_tx *tx = s->tx;
    if (!tx)
        go_on(s);
    else if (tx->local && tx->local_server >= 0)
        end_local(s, false);
    else
        tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_ROLLBACK, .branch = XA_NO_BRANCH});
}

void tx_client_gone(struct session *s)
{
    struct session_tx *tx = s->tx;
    if (!tx)
        return;
    if (tx->local) {
        /* no XA there: the server rolls back when the connection closes */
        struct session_server *server = tx->local_server >= 0 ? &s->servers[tx->local_server] : NULL;
        struct backend_conn *conn = server ? server->conn : NULL;
        if (conn) {
            server->conn = NULL;
            backend_conn_close(conn, "the client went away in a transaction");
        }
        on_local_end(s, NULL);
        return;
    }
    if (tx->on_durable == ask_commit)
        list_remove(&tx->wait_link); /* COMMIT was not asked yet, and is not any more */
    tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_CLIENT_GONE, .branch = XA_NO_BRANCH});
    if (s->tx)
        tx_detach(s, s->tx);
}

void tx_server_gone(struct session *s, struct session_server *server, const char *why)
{
    for (int pass = 0; pass < 2; pass++) {
        /* a step may free transactions: look again after each */
        struct session_tx *tx = s->tx;
        struct session_branch *found = NULL;
        for (unsigned i = 0; tx && i < tx->machine.n_branches && !found; i++)
            if (tx->branch[i]->backend == (unsigned)(server - s->servers) && tx->branch[i]->conn)
                found = tx->branch[i];
        LIST_FOR(it, &s->ending)
        {
            tx = CONTAINER_OF(it, struct session_tx, link);
            for (unsigned i = 0; i < tx->machine.n_branches && !found; i++)
                if (tx->branch[i]->backend == (unsigned)(server - s->servers) && tx->branch[i]->conn)
                    found = tx->branch[i];
        }
        if (!found)
            break;
        found->conn = NULL;
        log_warn("branch_lost", "gtrid=%s bqual=%s why=\"%s\"", found->tx->gtrid.text, found->bqual.text, why);
        branch_event(found, XA_EVENT_LOST, XA_VERDICT_UNKNOWN);
    }
    if (s->tx && s->tx->local && s->tx->local_server == (int)(server - s->servers))
        s->tx->local_failed = true;
}

void tx_redis_voted(struct session_tx *tx, bool yes)
{
    tx_event(tx->session, tx, &(struct xa_event){.kind = XA_EVENT_REDIS_VOTE, .branch = XA_NO_BRANCH, .yes = yes});
}

void tx_redis_ended(struct session_tx *tx, bool settled)
{
    tx_event(tx->session, tx,
             &(struct xa_event){.kind = settled ? XA_EVENT_REDIS_ENDED : XA_EVENT_REDIS_LOST, .branch = XA_NO_BRANCH});
}
