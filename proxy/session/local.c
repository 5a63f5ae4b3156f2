/* A transaction that is one server's own, without XA: on a server that takes part in no other, or WITH CONSISTENT SNAPSHOT. From
 * its beginning to its end; what statements do in it besides is statement.c's, the end of one that is a saga's step local_step.c's. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

/* --- its beginning ------------------------------------------------------------------------------------------------------ */

void local_start(struct session *s, struct session_tx *tx)
{
    tx_send_characteristics(s, tx);
    if (locks_held(s, s->target)) { /* which START TRANSACTION would release */
        target_send_first(s, "SET autocommit=0");
        target_conn(s)->autocommit = false;
    } else {
        target_send_first(s, "START TRANSACTION");
    }
    tx->local = true;
    tx->local_server = s->target;
    tx_send_savepoints(s, tx);
}

/* Without its snapshot nothing has begun. */
static void on_snapshot_taken(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (!outcome->error && !s->start_failed) {
        session_answer_ok_with(s, 0, outcome->warnings, ""); /* of an isolation level that knows no snapshot */
        return;
    }
    tx_free(s->tx);
    if (outcome->error) {
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    } else {
        link_drop(&s->servers[s->target], "a snapshot could not be taken as asked");
        session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
    }
}

static void on_snapshot_lost(void *arg, const char *why)
{
    struct session *s = arg;
    tx_free(s->tx);
    session_answer_error(s, 2013, "HY000", "Lost connection to backend '%s' (%s): no transaction was begun",
                         session_backend_name(s, s->target), why);
}

static const struct backend_sink snapshot_sink = {.done = on_snapshot_taken, .lost = on_snapshot_lost};

/* The snapshot is of this moment, so the server is asked at once. */
void local_take_snapshot(struct session *s)
{
    target_drop_what_was_said(s);
    struct session_tx *tx = tx_open(s);
    tx_take_begin(tx, s->statement);
    characteristics_send(s, &tx->characteristics);
    tx->local = true;
    tx->local_server = s->target;
    static const char text[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
    backend_send_query(target_conn(s), text, sizeof text - 1, &snapshot_sink, s);
}

/* --- its statements ----------------------------------------------------------------------------------------------------- */

/* As natively, a deadlock ends it; of a saga it is one step. A lock wait that rolled it back must not: its next statement would
 * commit by itself. */
void local_statement_done(struct session *s, const struct backend_outcome *outcome, bool wrote)
{
    s->tx->local_wrote = s->tx->local_wrote || wrote || outcome->saw_write;
    if (outcome->error == 1213 && s->saga)
        saga_step_again(s);
    else if (outcome->error == 1213)
        tx_free(s->tx);
    else if (outcome->error == 1205 && s->world->backends.at[s->target].rollback_on_timeout)
        s->tx->local_failed = true;
}

/* --- its end ------------------------------------------------------------------------------------------------------------ */

static void on_ended(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    bool failed = s->tx->local_failed;
    tx_remember_chain(s, s->tx);
    tx_free(s->tx);
    if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else if (failed && s->local_commit)
        session_answer_error(s, 1402, "XA100", "%s", xa_answer_text(XA_ANSWER_FAILED));
    else
        tx_go_on(s);
}

static void on_end_lost(void *arg, const char *why)
{
    struct session *s = arg;
    bool failed = s->tx->local_failed;
    tx_remember_chain(s, s->tx);
    tx_free(s->tx);
    if (!s->local_commit)
        tx_go_on(s);
    else if (failed)
        session_answer_error(s, 1402, "XA100", "%s", xa_answer_text(XA_ANSWER_FAILED));
    else
        session_answer_error(s, 1105, "HY000", "%s (%s)", xa_answer_text(XA_ANSWER_UNKNOWN), why);
}

static const struct backend_sink end_sink = {.done = on_ended, .lost = on_end_lost};

void local_end(struct session *s, bool commit)
{
    if (s->saga) {
        local_step_end(s, commit);
        return;
    }
    struct backend_conn *conn = s->servers[s->tx->local_server].conn;
    const char *text = commit && !s->tx->local_failed ? "COMMIT" : "ROLLBACK";
    s->local_commit = commit;
    if (conn)
        backend_send_query(conn, text, strlen(text), &end_sink, s);
    else
        on_ended(s, &(struct backend_outcome){0}); /* its connection took it along, and it was failed for that */
}

/* The server finishes a COMMIT that it has read, and rolls back when the connection closes otherwise. */
void local_client_gone(struct session *s)
{
    link_drop(&s->servers[s->tx->local_server], "the client went away in a transaction");
    tx_free(s->tx);
}
