/* A server made ready for the next command: a connection that is fit for it; then, in one write with the statement, what must
 * precede it. Leaves connections to links.c, the session's state there to setup.c, the statement's answer to relay.c, branches to
 * transaction.c. */
#include <stdio.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

#define RETRY_MS 20

static void advance(struct session *s);

struct backend_conn *target_conn(struct session *s)
{
    return s->servers[s->target].conn;
}

/* --- may this session use this server now? ------------------------------------------------------------------------ */

static void on_retry(void *arg)
{
    struct session *s = arg;
    s->retrying = false;
    if (s->phase == SESSION_RUNNING)
        advance(s);
}

/* True: come back in a moment. False: waited long enough. */
static bool wait_a_moment(struct session *s)
{
    if (net_loop_now_ms(s->worker->loop) >= s->target_deadline_ms)
        return false;
    if (!s->retry.loop)
        net_timer_init(&s->retry, s->worker->loop, on_retry, s);
    net_timer_start(&s->retry, RETRY_MS);
    s->retrying = true;
    return true;
}

static void answer_verdict(struct session *s, struct backend *b, uint16_t code, const char *what)
{
    struct backend_texts texts;
    backend_texts(b, &texts);
    session_answer_error(s, code, code == 1235 ? "42000" : "HY000", "backend '%s' %s: %.300s", b->config->name, what,
                         *texts.verdict ? texts.verdict : "it has not been checked yet");
}

/* Is the server fit for a (further) branch of the open transaction? False: waiting, or the error was answered. */
static bool fit_for_branch(struct session *s)
{
    struct backend *b = &s->world->backends.at[s->target];
    struct session_tx *tx = s->tx;
    if (tx_refuses(s)) /* it may have failed elsewhere while this statement waited for a connection */
        return false;
    if (tx_is_on(s, s->target))
        return true;
    if (tx && tx->local && tx->local_server >= 0) {
        session_answer_error(s, 1235, "42000",
                             "this transaction is local to backend '%s' and cannot reach '%s': COMMIT or ROLLBACK first",
                             session_backend_name(s, tx->local_server), b->config->name);
        return false;
    }
    if (locks_held(s, s->target) && (s->saga || !tx_may_be_local(s))) {
        session_answer_error(s, 1235, "42000",
                             "a transaction under LOCK TABLES of backend '%s' is local to it, and this one has begun elsewhere: "
                             "UNLOCK TABLES first",
                             b->config->name);
        return false;
    }
    if (tx && tx->machine.n_branches == XA_MAX_BRANCHES) {
        session_answer_error(s, 1235, "42000", "a transaction may reach at most %d backends", XA_MAX_BRANCHES);
        return false;
    }
    switch ((enum backend_safety)b->safety) {
    case BACKEND_SAFE:
        return true;
    case BACKEND_SINGLE:
        if (tx_may_be_local(s))
            return true;
        answer_verdict(s, b, 1235, "can take part in transactions of its own only");
        return false;
    case BACKEND_UNKNOWN:
        if (!wait_a_moment(s))
            answer_verdict(s, b, 1105, "has not been checked");
        return false;
    case BACKEND_REFUSED:
        break;
    }
    answer_verdict(s, b, 1105, "is not used");
    return false;
}

/* A transaction of this session is decided and not settled there: what it wrote must be seen by its own next statement. */
static bool settled_there(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    if (!*server->in_doubt)
        return true;
    if (!xa_registry_branch_open(journal_registry(s->world->journal), server->in_doubt, session_backend_name(s, s->target),
                                 server->in_doubt_bqual.text)) {
        *server->in_doubt = '\0';
        return true;
    }
    if (!wait_a_moment(s))
        session_answer_error(s, 1205, "HY000",
                             "transaction %s is committed and waits for backend '%s': its effects are not there yet, try again",
                             server->in_doubt, session_backend_name(s, s->target));
    return false;
}

static void advance(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    if (s->killed) { /* while it was prepared for */
        kill_answer(s);
        return;
    }
    if (s->world->backends.at[s->target].safety == BACKEND_REFUSED) {
        answer_verdict(s, &s->world->backends.at[s->target], 1105, "is not used");
        return;
    }
    if (sharing_waits(s)) {
        s->awaits_memory = true;
        return;
    }
    if (readback_due(s)) {
        readback_run(s, advance);
        return;
    }
    if (insert_id_due(s)) {
        insert_id_fetch(s, advance);
        return;
    }
    if (found_rows_due(s)) {
        found_rows_fetch(s);
        return;
    }
    if (client_xa_elsewhere(s) || (s->target_in_tx && !fit_for_branch(s)) || !settled_there(s))
        return;
    if (!server->conn) {
        link_acquire(s);
        return;
    }
    sharing_take_back(server);
    if (setup_run(s))
        return;
    if (!setup_mode_fits(s, server->conn) || sql_charset_named(server->conn->client_charset) != s->dialect.charset) {
        session_answer_error(s, 1231, "42000",
                             "backend '%s' does not take the session's sql_mode or character set: SET one that both servers know",
                             session_backend_name(s, s->target));
        return;
    }
    memcpy(s->charset_there, server->conn->client_charset, sizeof s->charset_there);
    s->last_server = s->target;
    server->memory.valid = false;
    s->on_target(s);
}

void target_go_on(struct session *s)
{
    advance(s);
}

void target_prepare(struct session *s, int backend, bool in_tx, void (*on_target)(struct session *s))
{
    s->target = backend;
    s->target_in_tx = in_tx;
    s->on_target = on_target;
    s->setup_pending = 0;
    s->start_failed = s->mode_sent = s->set_up_again = false;
    if (sharing_tells_lost(s))
        return;
    s->target_deadline_ms = net_loop_now_ms(s->worker->loop) + 1000 * s->world->config->backends[backend].lock_wait_s;
    advance(s);
}

void target_idle(struct session *s)
{
    net_timer_stop(&s->retry);
    s->retrying = false;
    s->awaits_memory = false;
}

bool target_stop_waiting(struct session *s)
{
    struct session_server *server = s->target >= 0 ? &s->servers[s->target] : NULL;
    bool acquiring = server && server->acquiring, waits = acquiring || s->retrying || s->awaits_memory;
    if (acquiring)
        backend_cancel(&server->request);
    if (acquiring)
        server->acquiring = false;
    target_idle(s);
    return waits;
}

/* --- what goes out in the same write as the statement -------------------------------------------------------------- */

/* The first error of those that precede a statement is the statement's. */
void target_note_start_failed(struct session *s, const struct backend_outcome *outcome)
{
    if (s->start_failed)
        return;
    s->start_failed = true;
    s->setup_error = outcome->error;
    memcpy(s->setup_sqlstate, outcome->sqlstate, sizeof s->setup_sqlstate);
    snprintf(s->setup_message, sizeof s->setup_message, "%s", outcome->message);
}

static void on_begin_done(void *arg, const struct backend_outcome *outcome)
{
    if (outcome->error)
        target_note_start_failed(arg, outcome);
}

static const struct backend_sink begin_sink = {.done = on_begin_done};

void target_send_schema(struct session *s, const char *schema)
{
    backend_enter_schema(target_conn(s), schema, &begin_sink, s);
}

void target_send_first(struct session *s, const char *text)
{
    backend_send_query(target_conn(s), text, strlen(text), &begin_sink, s);
}

static void set_autocommit(struct session *s, bool on)
{
    struct backend_conn *conn = target_conn(s);
    if (conn->autocommit == on)
        return;
    target_send_first(s, on ? "SET autocommit=1" : "SET autocommit=0");
    conn->autocommit = on;
}

/* Outside a branch autocommit=1 is right for everything: DDL and its like commit by themselves, and what reads a table must not
 * leave a transaction behind. */
void target_begin_aside(struct session *s)
{
    if (tx_is_on(s, s->target) || s->diag.asked_counts)
        return;
    set_autocommit(s, true);
}

/* The statement is the next transaction, by itself. */
static bool brings_one_shot(struct session *s)
{
    return s->autocommit && !tx_is_on(s, s->target) && !show_warnings_asked(s) && !statement_touches_nothing(s);
}

/* What it was to be is known here; there it would be of another one. SHOW WARNINGS begins none, and is to be told of the
 * error. */
static bool drops_what_was_said(struct session *s)
{
    return target_conn(s)->transaction_said && !s->xa && !tx_is_on(s, s->target) && !show_warnings_asked(s);
}

bool target_is_quiet(struct session *s)
{
    if (tx_is_on(s, s->target))
        return true;
    if (drops_what_was_said(s))
        return false;
    bool begins_nothing = statement_begins_nothing(s), told = *s->one_shot.isolation || *s->one_shot.access;
    return !s->target_in_tx && target_conn(s)->autocommit == !begins_nothing && (begins_nothing || !told || !brings_one_shot(s));
}

void target_drop_what_was_said(struct session *s)
{
    if (!drops_what_was_said(s))
        return;
    target_send_first(s, "COMMIT");
    target_conn(s)->transaction_said = false;
}

void target_begin(struct session *s)
{
    s->brought = (struct session_characteristics){.access = ""};
    target_drop_what_was_said(s);
    if (s->target_in_tx) {
        tx_enter(s);
        return;
    }
    if (statement_begins_nothing(s)) { /* and may look at autocommit itself */
        if (!show_warnings_asked(s)) /* which a SET makes MySQL forget */
            set_autocommit(s, false);
        return;
    }
    target_begin_aside(s);
    if (brings_one_shot(s)) {
        characteristics_send(s, &s->one_shot);
        s->brought = s->one_shot;
        s->one_shot = (struct session_characteristics){.access = ""};
    }
}
