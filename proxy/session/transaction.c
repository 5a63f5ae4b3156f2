/* The client's transaction while it is open: BEGIN, branches as servers are touched, savepoints, what statements do to it. Leaves its end
 * to commit.c and its Redis part to redis.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/session.h"
#include "proxy/session/tx.h"

/* --- life ---------------------------------------------------------------------------------------------------------- */

struct session_tx *tx_open(struct session *s)
{
    if (s->tx)
        return s->tx;
    struct session_tx *tx = calloc(1, sizeof *tx);
    CHECK(tx);
    tx->session = s;
    tx->worker = s->worker;
    tx->local_server = -1;
    tx->started_ms = clock_wall_ms();
    list_init(&tx->link);
    list_init(&tx->savepoints);
    list_init(&tx->wait_link);
    list_init(&tx->live.link);
    list_init(&tx->events);
    journal_next_gtrid(s->world->journal, &tx->gtrid);
    xa_tx_init(&tx->machine, !s->world->config->one_phase);
    snprintf(tx->characteristics, sizeof tx->characteristics, "%s", s->one_shot);
    s->one_shot[0] = '\0';
    s->tx = tx;
    return tx;
}

static void free_savepoint(struct session_savepoint *sp)
{
    list_remove(&sp->link);
    free(sp->redis_marks);
    free(sp);
}

void tx_free(struct session_tx *tx)
{
    LIST_FOR_SAFE(it, &tx->savepoints)
        free_savepoint(CONTAINER_OF(it, struct session_savepoint, link));
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        net_timer_fini(&tx->branch[i]->deadline);
        free(tx->branch[i]);
    }
    if (tx->live_entered)
        journal_live_leave(tx->session->world->journal, &tx->live);
    if (tx->reserved)
        journal_unreserve(tx->session->world->journal);
    tx_redis_free(tx);
    list_remove(&tx->link);
    list_remove(&tx->wait_link);
    free(tx);
}

const char *tx_gtrid(const struct session *s)
{
    return s->tx ? s->tx->gtrid.text : "";
}

bool tx_visible(const struct session *s)
{
    return s->tx && (s->tx->begun || s->tx->machine.n_branches || s->tx->local_server >= 0 || tx_redis_used(s->tx));
}

bool tx_refuses(struct session *s)
{
    if (!s->tx || !(s->tx->machine.state == XA_TX_FAILED || s->tx->local_failed))
        return false;
    session_answer_error(s, 1402, "XA100",
                         "XA_RBROLLBACK: this transaction (%s) has failed and cannot go on: ROLLBACK it", s->tx->gtrid.text);
    return true;
}

bool tx_may_be_local(const struct session *s)
{
    const struct session_tx *tx = s->tx;
    return !tx || (!tx->machine.n_branches && !tx_redis_used(tx));
}

bool tx_uses(const struct session *s, const struct backend_conn *conn)
{
    LIST_FOR(it, &s->ending)
    {
        const struct session_tx *tx = CONTAINER_OF(it, struct session_tx, link);
        for (unsigned i = 0; i < tx->machine.n_branches; i++)
            if (tx->branch[i]->conn == conn)
                return true;
    }
    /* while it ends, the machine decides about its connections */
    for (unsigned i = 0; s->tx && s->was_ending && i < s->tx->machine.n_branches; i++)
        if (s->tx->branch[i]->conn == conn)
            return true;
    return false;
}

/* --- entering a server --------------------------------------------------------------------------------------------- */

static void on_start_done(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    struct session *s = b->tx->session;
    if (outcome->error) {
        if (!s->start_failed) {
            s->start_failed = true;
            s->setup_error = outcome->error;
            memcpy(s->setup_sqlstate, outcome->sqlstate, sizeof s->setup_sqlstate);
            snprintf(s->setup_message, sizeof s->setup_message, "%s", outcome->message);
        }
        return;
    }
    if (outcome->has_tracker && !outcome->saw_write)
        tx_event(s, b->tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_TRACKED, .branch = b->index});
}

static const struct backend_sink start_sink = {.done = on_start_done};

static void send_characteristics(struct session *s, const struct session_tx *tx)
{
    if (*tx->characteristics)
        target_send_first(s, tx->characteristics);
    if (tx->read_only)
        target_send_first(s, "SET TRANSACTION READ ONLY");
    else if (tx->read_write)
        target_send_first(s, "SET TRANSACTION READ WRITE");
}

static void quote_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*name);
    }
    buf_u8(out, '`');
}

static void send_savepoints(struct session *s, struct session_tx *tx)
{
    struct buf text = {0};
    LIST_FOR(it, &tx->savepoints)
    {
        buf_clear(&text);
        buf_text(&text, "SAVEPOINT ");
        quote_name(&text, CONTAINER_OF(it, struct session_savepoint, link)->name);
        target_send_first(s, buf_cstr(&text));
    }
    buf_fini(&text);
}

static void start_local(struct session *s, struct session_tx *tx)
{
    send_characteristics(s, tx);
    target_send_first(s, "START TRANSACTION");
    tx->local = true;
    tx->local_server = s->target;
    send_savepoints(s, tx);
}

static void start_branch(struct session *s, struct session_tx *tx)
{
    struct session_server *server = &s->servers[s->target];
    struct session_branch *b = calloc(1, sizeof *b);
    CHECK(b && tx->machine.n_branches < XA_MAX_BRANCHES);
    *b = (struct session_branch){.tx = tx,
                                 .index = tx->machine.n_branches,
                                 .backend = (unsigned)s->target,
                                 .conn = server->conn,
                                 .connection_id = server->conn->connection_id};
    xa_bqual_make(&b->bqual, b->index, s->world->config->backends[s->target].name);
    tx->branch[b->index] = b;
    server->branch = (int)b->index;
    tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_STARTED, .branch = b->index});
    if (server->conn->autocommit) {
        /* a failing XA START must not let the statement behind it commit by itself (xa-facts 5.3) */
        target_send_first(s, "SET autocommit=0");
        server->conn->autocommit = false;
    }
    send_characteristics(s, tx);
    struct buf text = {0};
    xa_text(&text, XA_TEXT_START, tx->gtrid.text, b->bqual.text);
    backend_send_query(server->conn, (const char *)buf_at(&text), buf_len(&text), &start_sink, b);
    buf_fini(&text);
    server->conn->xa = BACKEND_XA_ACTIVE;
    send_savepoints(s, tx);
}

/* Behind target_prepare: queues what begins the transaction on this server, where it has not begun there. */
void tx_enter(struct session *s)
{
    struct session_tx *tx = tx_open(s);
    bool local = tx->local || s->world->backends.at[s->target].safety == BACKEND_SINGLE;
    if (local && tx->local_server < 0)
        start_local(s, tx);
    else if (!local && s->servers[s->target].branch < 0)
        start_branch(s, tx);
}

/* --- BEGIN --------------------------------------------------------------------------------------------------------- */

static void on_snapshot_taken(struct session *s, const struct backend_outcome *outcome)
{
    if (outcome->error) {
        struct session_tx *tx = s->tx;
        s->tx = NULL;
        tx_free(tx);
    }
    session_next(s);
}

/* The snapshot is of this moment, so the server is asked at once; it is the server's own transaction from here on. */
static void take_snapshot(struct session *s)
{
    struct session_tx *tx = s->tx;
    s->start_failed = false;
    send_characteristics(s, tx);
    tx->local = true;
    tx->local_server = s->target;
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_QUERY);
    buf_text(&payload, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
    relay_send(s, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), on_snapshot_taken);
    buf_fini(&payload);
}

void tx_begin(struct session *s, const struct sql_statement *begin)
{
    if (s->world->draining) {
        session_answer_error(s, 1053, "08S01", "Server shutdown in progress");
        return;
    }
    struct session_tx *tx = tx_open(s);
    tx->begun = true;
    tx->snapshot = begin->consistent_snapshot;
    tx->read_only = begin->read_only;
    tx->read_write = begin->read_write;
    if (tx->snapshot)
        target_prepare(s, statement_home(s), true, take_snapshot);
    else
        session_answer_ok(s);
}

/* What precedes the statement was refused: whatever the statement did, it did outside the branch and cannot be kept. */
void tx_start_failed(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    struct backend_conn *conn = server->conn;
    if (!conn)
        return;
    server->conn = NULL;
    server->settings_seen = 0;
    prepared_server_gone(s, conn);
    tx_server_gone(s, server, "the transaction could not be started there");
    backend_conn_close(conn, "a transaction could not be started");
}

/* --- what statements do -------------------------------------------------------------------------------------------- */

static void local_statement_done(struct session *s, const struct backend_outcome *outcome)
{
    bool ended = outcome->error == 1213 ||
                 (outcome->error == 1205 && s->world->backends.at[s->target].rollback_on_timeout);
    if (!ended)
        return;
    struct session_tx *tx = s->tx;
    s->tx = NULL;
    tx_free(tx);
}

static void global_statement_done(struct session *s, const struct backend_outcome *outcome)
{
    unsigned branch = (unsigned)s->servers[s->target].branch;
    struct session_tx *tx = s->tx;
    if (outcome->saw_write || outcome->error || s->statement.kind != SQL_READ)
        tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_WROTE, .branch = branch});
    if (!outcome->error)
        return;
    enum xa_verdict v =
        xa_verdict_of(XA_ASKED_STATEMENT, outcome->error, s->world->backends.at[s->target].rollback_on_timeout);
    if (v == XA_VERDICT_TX_FAILED || v == XA_VERDICT_DEADLOCK) {
        log_info("transaction_failed", "session=%llu gtrid=%s backend=%s error=%u verdict=\"%s\"", (unsigned long long)s->id,
                 tx->gtrid.text, s->world->config->backends[s->target].name, outcome->error, xa_verdict_text(v));
        tx_event(s, tx, &(struct xa_event){.kind = XA_EVENT_STATEMENT_FAILED, .branch = branch, .verdict = v});
        if (v == XA_VERDICT_DEADLOCK)
            tx_detach(s, tx); /* as natively: the error has ended it */
    }
}

void tx_statement_done(struct session *s, const struct backend_outcome *outcome)
{
    if (s->target_in_tx && s->tx && s->tx->local)
        local_statement_done(s, outcome);
    else if (s->target_in_tx && s->tx && s->servers[s->target].branch >= 0)
        global_statement_done(s, outcome);
    session_next(s);
}

/* --- savepoints ---------------------------------------------------------------------------------------------------- */

static struct session_savepoint *find_savepoint(struct session_tx *tx, const char *name)
{
    LIST_FOR(it, &tx->savepoints)
    {
        struct session_savepoint *sp = CONTAINER_OF(it, struct session_savepoint, link);
        if (!strcasecmp(sp->name, name))
            return sp;
    }
    return NULL;
}

static void drop_after(struct session_tx *tx, struct session_savepoint *sp, bool itself)
{
    while (sp->link.next != &tx->savepoints)
        free_savepoint(CONTAINER_OF(sp->link.next, struct session_savepoint, link));
    if (itself)
        free_savepoint(sp);
}

static void remember_savepoint(struct session *s, const char *name)
{
    struct session_savepoint *sp = find_savepoint(s->tx, name);
    if (sp)
        free_savepoint(sp); /* a second one of the same name replaces the first */
    sp = calloc(1, sizeof *sp);
    CHECK(sp);
    snprintf(sp->name, sizeof sp->name, "%s", name);
    sp->redis_marks = calloc(s->world->redis.n + 1, sizeof *sp->redis_marks);
    CHECK(sp->redis_marks);
    tx_redis_marks(s->tx, sp->redis_marks);
    list_push_back(&s->tx->savepoints, &sp->link);
}

/* A savepoint that failed on a part leaves the parts different: only ROLLBACK is left. */
static bool fan_answered_error(struct session *s)
{
    if (!s->fan.error)
        return false;
    if (s->tx)
        tx_fail(s, XA_VERDICT_TX_FAILED);
    session_answer_error(s, s->fan.error, s->fan.sqlstate, "%s", s->fan.message);
    return true;
}

static void on_savepoint_set(struct session *s)
{
    if (!fan_answered_error(s))
        session_answer_ok(s);
}

static void send_savepoint_text(struct session *s, const char *verb, void (*on_done)(struct session *))
{
    struct buf text = {0};
    buf_text(&text, verb);
    quote_name(&text, s->statement.name);
    if (!fan_out(s, buf_cstr(&text), on_done))
        on_done(s);
    buf_fini(&text);
}

void tx_savepoint(struct session *s)
{
    if (!s->tx && s->autocommit) {
        session_answer_ok(s); /* as servers do: outside a transaction it means nothing */
        return;
    }
    tx_open(s);
    remember_savepoint(s, s->statement.name);
    send_savepoint_text(s, "SAVEPOINT ", on_savepoint_set);
}

static bool no_such_savepoint(struct session *s)
{
    if (s->tx && find_savepoint(s->tx, s->statement.name))
        return false;
    session_answer_error(s, 1305, "42000", "SAVEPOINT %s does not exist", s->statement.name);
    return true;
}

void tx_release_savepoint(struct session *s)
{
    if (no_such_savepoint(s))
        return;
    drop_after(s->tx, find_savepoint(s->tx, s->statement.name), true);
    send_savepoint_text(s, "RELEASE SAVEPOINT ", on_savepoint_set);
}

static void on_redis_rolled_back_to(struct session *s, bool ok)
{
    if (ok) {
        session_answer_ok(s);
        return;
    }
    session_answer_error(s, 1402, "XA100", "XA_RBROLLBACK: Redis could not be rolled back to the savepoint: ROLLBACK the transaction");
}

static void on_rolled_back_to(struct session *s)
{
    if (fan_answered_error(s))
        return;
    struct session_savepoint *sp = find_savepoint(s->tx, s->statement.name);
    if (!tx_redis_rollback_to(s->tx, sp->redis_marks, on_redis_rolled_back_to))
        session_answer_ok(s);
}

void tx_rollback_to(struct session *s)
{
    if (no_such_savepoint(s))
        return;
    drop_after(s->tx, find_savepoint(s->tx, s->statement.name), false);
    send_savepoint_text(s, "ROLLBACK TO SAVEPOINT ", on_rolled_back_to);
}

void tx_fail(struct session *s, enum xa_verdict verdict)
{
    if (s->tx->local)
        s->tx->local_failed = true;
    else
        tx_event(s, s->tx,
                 &(struct xa_event){.kind = XA_EVENT_STATEMENT_FAILED, .branch = XA_NO_BRANCH, .verdict = verdict});
}
