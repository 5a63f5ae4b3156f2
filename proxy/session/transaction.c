/* The client's transaction while it is open: BEGIN, branches as servers are touched, what statements do to it. Leaves savepoints
 * to savepoint.c, Redis to undo.c, a server's own transaction to local.c, and the end to ending.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

/* --- life ---------------------------------------------------------------------------------------------------------- */

struct session_tx *tx_new(struct session *s)
{
    CHECK(!s->tx);
    struct session_tx *tx = calloc(1, sizeof *tx);
    CHECK(tx);
    tx->session = s;
    tx->worker = s->worker;
    tx->began_ms = net_loop_now_ms(s->worker->loop);
    tx->local_server = -1;
    list_init(&tx->savepoints);
    list_init(&tx->wait_link);
    list_init(&tx->live.link);
    list_init(&tx->events);
    journal_begin(s->world->journal, &tx->live, &tx->gtrid);
    xa_tx_init(&tx->machine, !s->world->config->one_phase);
    tx->read_only = s->read_only;
    tx_set_characteristics(tx, &s->one_shot);
    s->one_shot = (struct session_characteristics){.access = ""};
    tx_move_savepoints(&s->early_savepoints, &tx->savepoints);
    s->tx = tx;
    return tx;
}

struct session_tx *tx_open(struct session *s)
{
    if (s->tx)
        return s->tx;
    tx_new(s);
    if (s->own[SESSION_OWN_XA_MODE] && !s->saga)
        saga_open(s);
    return s->tx;
}

void tx_set_characteristics(struct session_tx *tx, const struct session_characteristics *c)
{
    characteristics_add(&tx->characteristics, c);
    if (*c->access)
        tx->read_only = c->read_only;
}

void tx_take_begin(struct session_tx *tx, const struct sql_statement *begin)
{
    struct session_characteristics c = {.access = ""};
    if (begin->read_only || begin->read_write)
        characteristics_set_access(&c, begin->read_only);
    tx_set_characteristics(tx, &c);
    tx->begun = true;
}

void tx_free(struct session_tx *tx)
{
    struct session *s = tx->session;
    CHECK(s->tx == tx);
    actions_tx_ended(tx);
    guests_tell_ended(tx);
    s->tx = NULL;
    s->locks_began = false;
    tracking_tx_ended(s);
    for (size_t i = 0; i < s->world->backends.n; i++)
        s->servers[i].branch = -1;
    for (unsigned i = 0; i < tx->machine.n_branches; i++) {
        net_timer_fini(&tx->branch[i]->deadline);
        free(tx->branch[i]);
    }
    tx_free_savepoints(&tx->savepoints);
    undo_free(tx);
    if (tx->reserved)
        journal_unreserve(s->world->journal, tx->reserved);
    journal_end(s->world->journal, &tx->live);
    list_remove(&tx->wait_link);
    free(tx);
}

const char *tx_gtrid(const struct session *s)
{
    return s->tx ? s->tx->gtrid.text : "";
}

/* With autocommit off a server begins a transaction when the first table is touched, not with SELECT 1. */
static bool touched(const struct session_tx *tx)
{
    for (unsigned i = 0; i < tx->machine.n_branches; i++)
        if (!tx->branch[i]->conn || tx->branch[i]->conn->touched)
            return true;
    return false;
}

bool tx_visible(const struct session *s)
{
    return s->tx && (s->tx->begun || s->tx->local || s->tx->redis_used || s->tx->actions || touched(s->tx));
}

bool tx_refuses(struct session *s)
{
    if (!s->tx || !(s->tx->machine.state == XA_TX_FAILED || s->tx->local_failed))
        return false;
    session_answer_error(s, 1402, "XA100",
                         "XA_RBROLLBACK: this transaction (%s) has failed and cannot go on: ROLLBACK it", s->tx->gtrid.text);
    return true;
}

void tx_fail(struct session *s)
{
    if (s->tx->local)
        s->tx->local_failed = true;
    else
        tx_event(s->tx, &(struct xa_event){.kind = XA_EVENT_STATEMENT_FAILED,
                                           .branch = XA_NO_BRANCH,
                                           .verdict = XA_VERDICT_TX_FAILED});
}

bool tx_may_be_local(const struct session *s)
{
    const struct session_tx *tx = s->tx;
    bool registered = tx && (s->saga ? tx->undoes_aside : tx->actions);
    return !tx || (!registered && !tx->machine.n_branches && !tx->redis_used);
}

bool tx_is_on(const struct session *s, int server)
{
    return s->servers[server].branch >= 0 || (s->tx && s->tx->local && s->tx->local_server == server);
}

bool tx_ends_on(const struct session *s, const struct session_server *server)
{
    const struct session_tx *tx = s->was_ending ? s->tx : NULL;
    if (tx && tx->local)
        return tx->local_server == server - s->servers;
    for (unsigned i = 0; tx && i < tx->machine.n_branches; i++)
        if (tx->branch[i]->conn && tx->branch[i]->conn == server->conn)
            return true;
    return false;
}

/* --- BEGIN --------------------------------------------------------------------------------------------------------- */

void tx_begin(struct session *s, const struct sql_statement *begin)
{
    if (s->world->draining) {
        session_answer_error(s, 1053, "08S01", "Server shutdown in progress");
        return;
    }
    locks_give_up(s);
    if (begin->consistent_snapshot && s->own[SESSION_OWN_XA_MODE]) {
        session_answer_error(s, 1235, "42000", "a transaction WITH CONSISTENT SNAPSHOT is local to one server, and cannot be a saga");
        return;
    }
    if (begin->consistent_snapshot) {
        target_prepare(s, statement_home(s), true, local_take_snapshot);
        return;
    }
    tx_take_begin(tx_open(s), begin);
    session_answer_ok(s);
}

/* --- entering a server --------------------------------------------------------------------------------------------- */

static void on_start_done(void *arg, const struct backend_outcome *outcome)
{
    struct session_branch *b = arg;
    if (outcome->error)
        target_note_start_failed(b->tx->session, outcome);
    else if (outcome->has_tracker && !outcome->saw_write)
        tx_event(b->tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_TRACKED, .branch = b->index});
}

static const struct backend_sink start_sink = {.done = on_start_done};

static struct session_branch *new_branch(struct session *s, struct session_tx *tx)
{
    struct session_server *server = &s->servers[s->target];
    struct session_branch *b = calloc(1, sizeof *b);
    CHECK(b && tx->machine.n_branches < XA_MAX_BRANCHES);
    *b = (struct session_branch){.tx = tx,
                                 .index = tx->machine.n_branches,
                                 .backend = (unsigned)s->target,
                                 .conn = server->conn,
                                 .connection_id = server->conn->connection_id,
                                 .opened_ms = server->conn->opened_ms};
    xa_bqual_make(&b->bqual, b->index, session_backend_name(s, s->target));
    tx->branch[b->index] = b;
    server->branch = (int)b->index;
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_STARTED, .branch = b->index});
    return b;
}

/* MySQL refuses temporary tables in branches that PREPARE takes off their connection. Where the account may not say so the
 * server's refusal of the table says what to do (relay.c). */
static void allow_temporary_tables(struct session *s, struct backend_conn *conn)
{
    static const struct backend_sink nobody = {.done = NULL};
    static const char text[] = "SET SESSION xa_detach_on_prepare=OFF";
    bool uses = s->servers[s->target].holds & SESSION_HOLD_TEMPORARY_TABLE || s->statement->kind == SQL_TEMPORARY_TABLE;
    if (uses && !conn->mariadb && s->world->backends.at[s->target].detach_on_prepare)
        backend_send_query(conn, text, sizeof text - 1, &nobody, NULL);
}

/* What the session was set to since the transaction began is for the next one. */
void tx_send_characteristics(struct session *s, const struct session_tx *tx)
{
    struct session_characteristics c = tx->characteristics;
    if (!*c.access && tx->read_only != s->read_only)
        characteristics_set_access(&c, tx->read_only);
    characteristics_send(s, &c);
}

static void start_branch(struct session *s, struct session_tx *tx)
{
    struct session_branch *b = new_branch(s, tx);
    allow_temporary_tables(s, b->conn);
    if (b->conn->autocommit) {
        /* a failing XA START must not let the statement behind it commit by itself */
        target_send_first(s, "SET autocommit=0");
        b->conn->autocommit = false;
    }
    tx_send_characteristics(s, tx);
    struct buf text = {0};
    xa_text(&text, XA_TEXT_START, tx->gtrid.text, b->bqual.text);
    backend_send_query(b->conn, (const char *)buf_at(&text), buf_len(&text), &start_sink, b);
    buf_fini(&text);
    b->conn->xa = BACKEND_XA_ACTIVE;
    tx_send_savepoints(s, tx);
}

/* Behind target_prepare: queues what begins the transaction on this server, where it has not begun there. */
void tx_enter(struct session *s)
{
    struct session_tx *tx = tx_open(s);
    if (tx_is_on(s, s->target))
        return;
    bool local = s->world->backends.at[s->target].safety == BACKEND_SINGLE || (locks_held(s, s->target) && !s->saga);
    if (local && tx_may_be_local(s))
        local_start(s, tx);
    else
        start_branch(s, tx);
}

static void give_up_connection(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    struct backend_conn *conn = link_forget(server);
    if (!conn)
        return;
    tx_server_gone(s, server, "the transaction could not be started there");
    backend_conn_close(conn, "a transaction could not be started");
}

/* What precedes the statement was refused: whatever the statement did, it did outside the branch and cannot be kept. */
void tx_start_failed(struct session *s)
{
    give_up_connection(s);
    session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
}

/* --- what statements do -------------------------------------------------------------------------------------------- */

static bool survives(struct session *s, const struct backend_outcome *outcome)
{
    struct session_tx *tx = s->tx;
    unsigned branch = (unsigned)s->servers[s->target].branch;
    enum xa_verdict v =
        xa_verdict_of(XA_ASKED_STATEMENT, outcome->error, s->world->backends.at[s->target].rollback_on_timeout);
    if (v != XA_VERDICT_TX_FAILED && v != XA_VERDICT_DEADLOCK)
        return true;
    log_info("transaction_failed", "session=%llu gtrid=%s backend=%s error=%u verdict=\"%s\"", (unsigned long long)s->id,
             tx->gtrid.text, session_backend_name(s, s->target), outcome->error, xa_verdict_text(v));
    if (v == XA_VERDICT_DEADLOCK) { /* as natively: it is over */
        s->after = SESSION_AFTER_NOTHING;
        session_enter(s, SESSION_ENDING, "deadlock");
    }
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_STATEMENT_FAILED, .branch = branch, .verdict = v});
    return v != XA_VERDICT_DEADLOCK;
}

/* Which MySQL finds while it resolves names, before it has the tables, though their SQLSTATE does not say so. */
static bool is_of_resolving(uint16_t error)
{
    static const uint16_t errors[] = {1093, 1111, 1210, 1222, 1241, 1267, 1270, 1271, 1443};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (error == errors[i])
            return true;
    return false;
}

/* An error brings no tracker. What could not be read or resolved has touched nothing, and READ ONLY refuses before. MariaDB looks
 * for columns when it has the tables, MySQL before it counts their values. Of MySQL's routines the next OK tells. */
static bool touches(const struct session *s, const struct backend_outcome *outcome)
{
    bool mariadb = s->world->backends.at[s->target].mariadb;
    if ((!s->statement->unqualified_table && !s->statement->n_schemas) || (!mariadb && statement_is_call(s)))
        return false;
    if (!strncmp(outcome->sqlstate, "42", 2))
        return mariadb && !strcmp(outcome->sqlstate, "42S22");
    return strncmp(outcome->sqlstate, "25", 2) &&
           (mariadb || (strcmp(outcome->sqlstate, "21S01") && !is_of_resolving(outcome->error)));
}

/* What commits by itself does so once it can be read; of a routine that was found nobody knows what it did. */
static bool has_not_begun(const struct session *s, const struct backend_outcome *outcome)
{
    enum { ER_PARSE_ERROR = 1064 };
    enum sql_kind k = s->statement->kind;
    bool plain = (k == SQL_READ || k == SQL_PLAIN) && (!statement_is_call(s) || holds_found_no_routine(s, outcome));
    return outcome->error == ER_PARSE_ERROR ? k != SQL_COMPOUND && !statement_is_call(s) : plain && !touches(s, outcome);
}

/* What SET TRANSACTION said is for the next statement where the one that took it along has not begun. */
static void keep_one_shot(struct session *s, const struct backend_outcome *outcome)
{
    struct session_characteristics brought = s->brought;
    s->brought = (struct session_characteristics){.access = ""};
    if (!outcome->error || !target_conn(s) || (!*brought.isolation && !*brought.access))
        return;
    target_conn(s)->transaction_said = true;
    if (has_not_begun(s, outcome))
        s->one_shot = brought;
}

bool tx_note(struct session *s, const struct backend_outcome *outcome, bool wrote)
{
    keep_one_shot(s, outcome);
    int branch = s->servers[s->target].branch;
    if (s->tx && s->tx->local && s->tx->local_server == s->target)
        local_statement_done(s, outcome, wrote);
    if (branch < 0)
        return true;
    if (outcome->error && touches(s, outcome))
        target_conn(s)->touched = true;
    if (wrote || outcome->saw_write || outcome->error)
        tx_event(s->tx, &(struct xa_event){.kind = XA_EVENT_BRANCH_WROTE, .branch = (unsigned)branch});
    return !outcome->error || survives(s, outcome);
}

bool tx_note_question(struct session *s, const struct backend_outcome *outcome)
{
    if (outcome->error)
        session_put_error(s, outcome->error, outcome->sqlstate, outcome->message);
    if (!tx_note(s, outcome, false))
        return false;
    if (outcome->error)
        session_next(s);
    return !outcome->error;
}

void tx_statement_done(struct session *s, const struct backend_outcome *outcome)
{
    client_xa_note(s, outcome);
    if (tx_note(s, outcome, s->statement->kind != SQL_READ))
        session_next(s);
}
