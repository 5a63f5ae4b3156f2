/* The end of a saga's step that is one server's own transaction, without XA. Its decision goes into the log before its COMMIT, and a
 * row of the barrier lies in the transaction: where nobody heard what became of that COMMIT, a probe asks for the row before anything
 * takes the step back.
 *
 *   row in the barrier ─ probe armed, decision ─ durable ─ COMMIT ─ the next step, or the saga's decision
 *
 * Leaves the step's statements to local.c, the saga to saga.c, the probe to the resolver. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/journal/actions.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

static struct backend_conn *conn_of(const struct session *s)
{
    return s->servers[s->tx->local_server].conn;
}

/* --- may it be? --------------------------------------------------------------------------------------------------------- */

bool local_step_may_mark(struct session *s)
{
    const char *backend = session_backend_name(s, s->tx->local_server);
    const struct config_account *account = config_account(s->world->config, s->user->name, backend);
    if (account && backends_barrier(&s->world->backends, account) >= 0)
        return true;
    if (account)
        backends_doubt_barrier(&s->world->backends, account);
    session_answer_error(s, 1235, "42000",
                         "this step is local to backend '%s', and whether it has committed could not be told after a crash: let your account "
                         "there use the barrier table (docs/operating.md; this is looked at again at once)", backend);
    return false;
}

/* Between its commit and the saga's a crash takes the saga back, which must be possible for this step, too. */
bool local_step_may_end(struct session *s)
{
    const struct session_tx *tx = s->tx;
    if (saga_asks_step(s) || !tx->local_wrote || tx->last_undo || !saga_mark(s->saga) || tx->local_failed)
        return true;
    session_answer_error(s, 1235, "42000",
                         "backend '%s' takes no part in XA, so the saga's last step commits there before the saga does, and has "
                         "registered nothing that takes it back: say CALL xa.on_rollback, or CALL xa.step if it may stand alone",
                         session_backend_name(s, tx->local_server));
    return false;
}

/* --- how it went -------------------------------------------------------------------------------------------------------- */

static void answer_error(struct session *s)
{
    session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
}

static void note(struct session *s, uint16_t code, const char *sqlstate, const char *message)
{
    s->setup_error = code;
    snprintf(s->setup_sqlstate, sizeof s->setup_sqlstate, "%s", sqlstate);
    snprintf(s->setup_message, sizeof s->setup_message, "%s", message);
}

static void note_answer(struct session *s, enum xa_answer answer)
{
    note(s, xa_answer_code(answer), xa_answer_sqlstate(answer), xa_answer_text(answer));
}

/* With `code` noted before, or none. */
static void end(struct session *s, bool success)
{
    tx_remember_chain(s, s->tx);
    tx_free(s->tx);
    saga_go_on(s, success, s->setup_error ? answer_error : tx_go_on);
}

static void committed(struct session *s)
{
    bool asks_step = saga_asks_step(s);
    tx_remember_chain(s, s->tx);
    tx_free(s->tx);
    if (asks_step)
        saga_go_on(s, true, tx_go_on);
    else
        saga_decide(s);
}

/* --- COMMIT and ROLLBACK there ------------------------------------------------------------------------------------------ */

static void on_ended(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (s->local_commit)
        (void)FAILPOINT(saga_step_committed);
    if (outcome->error && s->local_commit) {
        s->tx->step_sent = false;
        note(s, outcome->error, outcome->sqlstate, outcome->message);
    }
    if (s->local_commit && !outcome->error)
        committed(s);
    else
        end(s, !s->local_commit && !s->setup_error);
}

/* Nobody knows whether that step happened, so nothing can be built upon it: the saga ends, and the probe tells. A rollback needs no
 * answer. */
static void on_end_lost(void *arg, const char *why)
{
    struct session *s = arg;
    if (s->local_commit) {
        log_warn("saga_step_unknown", "session=%llu gtrid=%s step=%s backend=%s why=\"%s\"", (unsigned long long)s->id,
                 saga_gtrid(s->saga), s->tx->gtrid.text, session_backend_name(s, s->tx->local_server), why);
        note_answer(s, XA_ANSWER_UNKNOWN);
        saga_ask_rollback(s);
    }
    end(s, !s->setup_error);
}

static const struct backend_sink end_sink = {.done = on_ended, .lost = on_end_lost};

static void send_end(struct session *s)
{
    const char *text = s->local_commit ? "COMMIT" : "ROLLBACK";
    struct backend_conn *conn = conn_of(s);
    if (!conn) { /* which took it along */
        on_ended(s, &(struct backend_outcome){0});
        return;
    }
    backend_send_query(conn, text, strlen(text), &end_sink, s);
}

/* Nothing was sent that could commit it. */
static void give_up(struct session *s)
{
    s->local_commit = false;
    send_end(s);
}

/* --- what precedes COMMIT ----------------------------------------------------------------------------------------------- */

static void on_decided(struct session_tx *tx)
{
    struct session *s = tx->session;
    (void)FAILPOINT(saga_step_decided);
    if (!conn_of(s)) {
        note_answer(s, XA_ANSWER_VOTE_LOST);
        give_up(s);
        return;
    }
    tx->step_sent = true;
    send_end(s);
#ifdef ENABLE_FAILPOINTS
    if (conn_of(s)->net && net_conn_flush_now(conn_of(s)->net) == 0)
        (void)FAILPOINT(saga_step_sent);
#endif
}

/* The last of the step's actions by its number, so on the way back the first. */
static bool arm_probe(struct session *s)
{
    static const char body[] = "-- did this step commit here?";
    struct action a;
    wal_pos at;
    action_init(&a, ACTION_ON_ROLLBACK, ACTION_SQL);
    a.probe = true;
    a.body = (struct slice){(const uint8_t *)body, sizeof body - 1};
    snprintf(a.user, sizeof a.user, "%s", s->user->name);
    snprintf(a.resource, sizeof a.resource, "%s", session_backend_name(s, s->tx->local_server));
    saga_own(s->saga, s->tx, &a);
    return journal_action_arm(s->world->journal, &a, &at);
}

/* The decision of a step without branches is settled as soon as it is there. */
static void decide(struct session *s)
{
    struct session_tx *tx = s->tx;
    struct journal *j = s->world->journal;
    struct xa_decision d = {.gtrid = tx->gtrid, .decided_ms = clock_wall_ms()};
    tx->reserved = journal_reserve(j, 0, 0);
    if (!tx->reserved || !arm_probe(s)) {
        note_answer(s, XA_ANSWER_NO_LOG_ROOM);
        give_up(s);
        return;
    }
    snprintf(d.who, sizeof d.who, "%s@%s", s->user->name, s->peer);
    wal_pos at = journal_decide(j, &d);
    journal_done(j, tx->gtrid.text);
    tx_wait_durable(tx, at, on_decided);
}

static void on_marked(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error) {
        note(s, outcome->error, outcome->sqlstate, outcome->message);
        give_up(s);
        return;
    }
    (void)FAILPOINT(saga_step_marked);
    decide(s);
}

static void on_mark_lost(void *arg, const char *why)
{
    struct session *s = arg;
    (void)why;
    note_answer(s, XA_ANSWER_VOTE_LOST);
    s->local_commit = false;
    end(s, false);
}

static const struct backend_sink mark_sink = {.done = on_marked, .lost = on_mark_lost};

static void mark(struct session *s)
{
    struct buf text = {0};
    buf_printf(&text, "INSERT INTO `%s`.barrier (gtrid, seq, op) VALUES ('%s', 0, 'act')",
               s->world->config->backends[s->tx->local_server].barrier_schema, s->tx->gtrid.text);
    backend_send_query(conn_of(s), (const char *)buf_at(&text), buf_len(&text), &mark_sink, s);
    buf_fini(&text);
}

void local_step_end(struct session *s, bool commit)
{
    s->setup_error = 0;
    s->local_commit = commit && !s->tx->local_failed;
    if (commit && s->tx->local_failed)
        note_answer(s, XA_ANSWER_FAILED);
    if (s->local_commit && s->tx->actions)
        mark(s);
    else
        send_end(s);
}
