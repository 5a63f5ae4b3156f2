/* COMMIT and ROLLBACK as a session asks for them, and what it is told: the answer, chains, warnings. Leaves the road between to
 * commit.c, a server's own transaction to local.c. */
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

/* --- the answer ------------------------------------------------------------------------------------------------------ */

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
    tx_set_characteristics(tx, &s->chain);
}

void tx_remember_chain(struct session *s, const struct session_tx *tx)
{
    s->chain = tx->characteristics;
    if (tx->read_only != s->read_only) /* the session's own was set otherwise meanwhile */
        characteristics_set_access(&s->chain, tx->read_only);
}

void tx_go_on(struct session *s)
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
        session_put_ok(s, warnings, s->warning);
        session_close(s, "COMMIT RELEASE");
        break;
    case SESSION_AFTER_STATEMENT:
        session_enter(s, SESSION_RUNNING, "implicit commit done");
        kill_statement_begins(s);
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

static void count(struct world *w, const struct session_tx *tx, enum xa_answer what)
{
    if (what == XA_ANSWER_UNKNOWN)
        w->count.outcome_unknown++;
    else if (!is_success(what))
        w->count.commits_refused++;
    else if (what == XA_ANSWER_ROLLED_BACK)
        w->count.rollbacks++;
    else if (tx->machine.decided)
        w->count.commits_two_phase++;
    else
        w->count.commits_one_phase++;
}

static void answer(struct session *s)
{
    if (is_success(s->answer))
        tx_go_on(s);
    else
        answer_failure(s);
}

static void go_on_with_saga(struct session *s)
{
    saga_go_on(s, is_success(s->answer), answer);
}

/* Said when the transaction is off the session's hands: tx->then. */
void tx_answer(struct session_tx *tx, enum xa_answer what)
{
    struct session *s = tx->session;
    (void)FAILPOINT(before_ack);
    tx_remember_chain(s, tx);
    count(s->world, tx, what);
    s->answer = what;
    snprintf(s->answer_gtrid, sizeof s->answer_gtrid, "%s", tx->gtrid.text);
    if (what == XA_ANSWER_COMMITTED_LATER)
        snprintf(s->warning, sizeof s->warning, "committed; a server that cannot be reached now will follow (transaction %s)",
                 tx->gtrid.text);
    tx->then = s->saga ? go_on_with_saga : answer;
}

/* --- what sessions ask for ------------------------------------------------------------------------------------------- */

void tx_ask_commit(struct session_tx *tx)
{
    bool log = xa_needs_log(&tx->machine);
    tx->on_durable = NULL;
    if (log)
        tx->reserved = journal_reserve(tx->session->world->journal, tx->machine.n_branches, tx->n_parts);
    tx_event(tx, &(struct xa_event){.kind = log && !tx->reserved ? XA_EVENT_NO_ROOM : XA_EVENT_COMMIT, .branch = XA_NO_BRANCH});
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

/* False: there is nothing that could be ended, and the session has gone on. */
static bool enter_ending(struct session *s, enum session_after after, const char *why)
{
    s->after = after;
    *s->warning = '\0';
    session_enter(s, SESSION_ENDING, why);
    if (s->tx)
        return true;
    s->chain = (struct session_characteristics){.access = ""};
    if (after != SESSION_AFTER_CHAIN) /* servers forget then what SET TRANSACTION has said, be there a transaction or not */
        s->one_shot = s->chain;
    tx_go_on(s); /* which may begin a chained one */
    return false;
}

void tx_commit(struct session *s, enum session_after after)
{
    if (s->saga && s->tx && s->tx->local && !local_step_may_end(s))
        return;
    if (!enter_ending(s, after, "commit"))
        return;
    if (s->saga)
        saga_ask_commit(s);
    if (s->tx->local)
        local_end(s, true);
    else if (connections_logged_at(s->tx) > wal_durable(journal_wal(s->world->journal)))
        tx_wait_durable(s->tx, connections_logged_at(s->tx), tx_ask_commit);
    else
        tx_ask_commit(s->tx);
}

void tx_rollback(struct session *s, enum session_after after)
{
    if (!enter_ending(s, after, "rollback"))
        return;
    if (s->saga)
        saga_ask_rollback(s);
    if (s->tx->local)
        local_end(s, false);
    else
        tx_event(s->tx, &(struct xa_event){.kind = XA_EVENT_ROLLBACK, .branch = XA_NO_BRANCH});
}

/* --- what happens to them -------------------------------------------------------------------------------------------- */

void tx_client_gone(struct session *s)
{
    struct session_tx *tx = s->tx;
    if (!tx)
        return;
    if (tx->local) {
        local_client_gone(s);
        return;
    }
    if (tx->on_durable == tx_ask_commit)
        list_remove(&tx->wait_link); /* COMMIT was not asked yet, and is not any more */
    tx_event(tx, &(struct xa_event){.kind = XA_EVENT_CLIENT_GONE, .branch = XA_NO_BRANCH});
}

void tx_server_gone(struct session *s, struct session_server *server, const char *why)
{
    struct session_tx *tx = s->tx;
    if (!tx)
        return;
    if (tx->local && tx->local_server == server - s->servers)
        tx->local_failed = true;
    struct session_branch *b = server->branch >= 0 ? tx->branch[server->branch] : NULL;
    if (!b || !b->conn)
        return;
    log_warn("branch_lost", "gtrid=%s bqual=%s why=\"%s\"", tx->gtrid.text, b->bqual.text, why);
    tx_branch_lost(b);
}
