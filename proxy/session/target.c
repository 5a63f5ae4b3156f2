/* A server made ready for the next command: connection, schema, settings; then, in one write with the statement, what must
 * precede it. Leaves the statement's answer to relay.c and branches to transaction.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

#define RETRY_MS 20

static void advance(struct session *s);

struct backend_conn *target_conn(struct session *s)
{
    return s->servers[s->target].conn;
}

static const struct config_backend *config_of(const struct session *s, int backend)
{
    return &s->world->config->backends[backend];
}

/* --- a connection ----------------------------------------------------------------------------------------------- */

struct backend_conn *target_forget(struct session_server *server)
{
    struct session *s = server->session;
    struct backend_conn *conn = server->conn;
    prepared_server_gone(server);
    server->conn = NULL;
    server->settings_seen = 0;
    server->holds = 0;
    server->untracked = false;
    readback_server_gone(s, (int)(server - s->servers));
    diagnostics_server_forgotten(s, (int)(server - s->servers));
    kill_answered(server);
    server->parked = false;
    client_xa_server_gone(s, server);
    return conn;
}

void target_drop(struct session_server *server, const char *why)
{
    struct backend_conn *conn = target_forget(server);
    if (conn)
        backend_conn_close(conn, why);
}

void target_on_lost(void *arg, const char *why)
{
    struct session *s = arg;
    (void)why;
    s->target_lost = true;
}

/* The statement had not been sent, so that it may run on another connection: on one, lest what kills a connection kills
 * them all. */
static bool may_set_up_again(const struct session *s, const struct session_server *server)
{
    return s->setup_pending && !s->set_up_again && !s->relay.active && server == &s->servers[s->target] &&
           !tx_is_on(s, s->target) && !server->holds;
}

static void set_up_again(struct session *s)
{
    s->set_up_again = true;
    s->setup_pending = 0;
    s->mode_sent = false;
    advance(s);
}

static void on_conn_gone(struct backend_conn *conn, const char *why)
{
    struct session_server *server = conn->owner;
    struct session *s = server->session;
    bool was_asked = s->target_lost && s->phase == SESSION_RUNNING, again = was_asked && may_set_up_again(s, server);
    s->target_lost = false;
    sharing_note_lost(server, server->holds);
    target_forget(server);
    tx_server_gone(s, server, why);
    if (again)
        set_up_again(s);
    else if (was_asked)
        relay_on_gone(s, why);
    else if (s->xa_lost && s->phase == SESSION_IDLE)
        client_xa_end_lost(s);
    else
        kill_resume(s);
}

static void on_ready(struct backend_request *r, struct backend_conn *conn)
{
    struct session_server *server = CONTAINER_OF(r, struct session_server, request);
    server->acquiring = false;
    server->conn = conn;
    server->settings_seen = 0;
    server->fresh = true;
    conn->owner = server;
    conn->on_gone = on_conn_gone;
    conn->on_drained = load_on_drained;
    conn->dirty = true;
    advance(server->session);
}

static void on_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    struct session_server *server = CONTAINER_OF(r, struct session_server, request);
    server->acquiring = false;
    session_answer_error(server->session, code, sqlstate, "%s", text);
}

static void acquire(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    const struct config_account *account = config_account(s->world->config, s->user->name, config_of(s, s->target)->name);
    if (!account) {
        session_answer_error(s, 1044, "42000",
                             "User '%s' has no account on backend '%s': add a section [account %s@%s] to the configuration",
                             s->user->name, config_of(s, s->target)->name, s->user->name, config_of(s, s->target)->name);
        return;
    }
    server->request.account = account;
    server->request.backend = (unsigned)s->target;
    server->request.client_caps = s->caps & ~(load_allowed(s) ? 0 : (uint64_t)WIRE_CAP_LOCAL_FILES);
    server->request.attributes = (struct slice){buf_at(&s->attributes), buf_len(&s->attributes)};
    server->request.bare = !*s->schema;
    server->request.deadline_ms = 0;
    server->request.on_ready = on_ready;
    server->request.on_failed = on_failed;
    server->acquiring = true;
    backend_acquire(s->worker->backends, &server->request);
}

/* What must not be reset and given to others: its state goes with it. NULL: nothing. */
static const char *why_not_shared(const struct session_server *server)
{
    return server->holds & (SESSION_HOLD_TABLE_LOCKS | SESSION_HOLD_READ_LOCK) ? "held table locks"
           : server->holds & SESSION_HOLD_CLIENT_XA ? "an XA transaction of the client's own"
           : server->killing                        ? "a KILL is on its way"
                                                    : NULL;
}

void target_release_all(struct session *s)
{
    client_xa_forget(s);
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (server->acquiring)
            backend_cancel(&server->request);
        server->acquiring = false;
        const char *why = why_not_shared(server);
        struct backend_conn *conn = target_forget(server);
        if (conn && why)
            backend_conn_close(conn, why);
        else if (conn)
            backend_release(s->worker->backends, conn);
    }
}

void target_idle(struct session *s)
{
    net_timer_stop(&s->retry);
    s->retrying = false;
    s->awaits_memory = false;
}

static void stop_statement(struct session *s, struct session_server *server, const char *why)
{
    s->world->resolver->kill_connection(s->world->resolver_arg, (unsigned)(server - s->servers), server->conn->connection_id);
    struct backend_conn *conn = target_forget(server);
    tx_server_gone(s, server, why);
    backend_conn_close(conn, why);
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

void target_give_up(struct session *s, const char *why)
{
    s->setup_pending = 0;
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (server->conn && !server->parked && (server->killing || !backend_conn_idle(server->conn)))
            stop_statement(s, server, why);
    }
}

/* The client is gone: what runs for it on a server is stopped with its connection. */
void target_cancel(struct session *s)
{
    target_idle(s);
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (server->acquiring)
            backend_cancel(&server->request);
        server->acquiring = false;
        if (server->conn && !server->parked && !backend_conn_idle(server->conn) && !tx_ends_on(s, server))
            stop_statement(s, server, "the client went away while a statement ran");
    }
}

/* --- what must be in force before the statement, and is waited for ------------------------------------------------ */

void target_setup_failed(struct session *s, const struct backend_outcome *outcome)
{
    if (s->setup_failed)
        return;
    s->setup_failed = true;
    s->setup_error = outcome->error;
    memcpy(s->setup_sqlstate, outcome->sqlstate, sizeof s->setup_sqlstate);
    snprintf(s->setup_message, sizeof s->setup_message, "backend '%s' does not take the session's state: %.180s",
             config_of(s, s->target)->name, outcome->message);
}

void target_setup_answered(struct session *s)
{
    if (--s->setup_pending || s->phase != SESSION_RUNNING)
        return;
    if (s->setup_failed) {
        /* half set up is worse than none: the next statement begins afresh */
        struct session_server *server = &s->servers[s->target];
        server->settings_seen = 0;
        server->conn->charset = 0;
        server->conn->schema[0] = '\0';
        if (!tx_is_on(s, s->target))
            target_drop(server, "session settings were refused");
        session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
        return;
    }
    advance(s);
}

static void on_setup_done(void *arg, const struct backend_outcome *outcome)
{
    if (outcome->error)
        target_setup_failed(arg, outcome);
    target_setup_answered(arg);
}

static const struct backend_sink setup_sink = {.done = on_setup_done, .lost = target_on_lost};

static void setup_query(struct session *s, struct backend_conn *conn, struct buf *text)
{
    s->setup_pending++;
    backend_send_query(conn, (const char *)buf_at(text), buf_len(text), &setup_sink, s);
    buf_clear(text);
}

#define CHARSET_OF_SERVER UINT16_MAX /* no collation's number */

static bool schema_differs(const struct session *s, const struct backend_conn *conn)
{
    if (!*s->schema || !strcmp(s->schema, conn->schema))
        return false;
    return statement_backend_of_schema(s, s->schema) == s->target;
}

/* The other family's numbers, as what comes nearest: MySQL's 0900 collations from 255 up; MariaDB's without padding from 1024 up,
 * its uca1400 ones from 2048 up, 256 a character set. */
static uint16_t charset_known_to(const struct backend_conn *conn, uint16_t charset)
{
    if (conn->mariadb)
        return charset >= 255 && charset < 1024 ? WIRE_CHARSET_UTF8MB4 : charset;
    if (charset < 1024)
        return charset;
    return charset < 2048 ? (uint16_t)(charset - 1024) : charset < 2048 + 256 ? WIRE_CHARSET_UTF8MB3 : WIRE_CHARSET_UTF8MB4;
}

static uint16_t wanted_charset(const struct session *s, const struct backend_conn *conn)
{
    return s->charset_of_server && !conn->mariadb ? CHARSET_OF_SERVER : s->charset;
}

static bool same_mode(const struct session *s, const struct backend_conn *conn)
{
    return conn->ansi_quotes == s->dialect.ansi_quotes && conn->no_backslash_escapes == s->dialect.no_backslash_escapes;
}

/* The servers' global modes differ, or one of them has refused the session's: a statement must mean there what was read here.
 * Where ANSI stands as well it would bring its parts back. */
static void send_mode(struct session *s, struct backend_conn *conn)
{
    struct buf text = {0};
    buf_text(&text, "SET sql_mode=");
    buf_text(&text, s->dialect.ansi_quotes ? "CONCAT(" : "REPLACE(REPLACE(");
    buf_text(&text, s->dialect.no_backslash_escapes ? "CONCAT(@@sql_mode,',NO_BACKSLASH_ESCAPES')"
                                            : "REPLACE(@@sql_mode,'NO_BACKSLASH_ESCAPES','')");
    buf_text(&text, s->dialect.ansi_quotes ? ",',ANSI_QUOTES')" : ",'ANSI_QUOTES',''),'ANSI','')");
    s->mode_sent = true;
    setup_query(s, conn, &text);
    buf_fini(&text);
}

static void on_charset_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error && sql_charset_of_collation(s->charset) != SQL_CHARSET_PLAIN)
        target_setup_failed(s, outcome);
    else if (outcome->error) /* as servers take what they do not know at log-in: their default */
        log_info("session_charset_unknown", "session=%llu backend=%s collation=%u", (unsigned long long)s->id,
                 config_of(s, s->target)->name, s->charset);
    target_setup_answered(s);
}

static void on_exact_charset_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    s->servers[s->target].collation_refused = outcome->error;
    target_setup_answered(s);
}

static const struct backend_sink charset_sink = {.done = on_charset_done, .lost = target_on_lost};
static const struct backend_sink exact_charset_sink = {.done = on_exact_charset_done, .lost = target_on_lost};

static void send_one_charset(struct session *s, struct backend_conn *conn, uint16_t charset, const struct backend_sink *sink)
{
    char text[128];
    int len = snprintf(text, sizeof text, "SET character_set_client=%u,character_set_results=%u,collation_connection=%u", charset,
                       charset, charset);
    s->setup_pending++;
    backend_send_query(conn, text, (size_t)len, sink, s);
}

/* A newer server may know more of the other family's than we think: it is asked for the very one, once. */
static void send_charset(struct session *s, struct backend_conn *conn)
{
    if (wanted_charset(s, conn) == CHARSET_OF_SERVER) {
        struct buf text = {0};
        buf_text(&text, "SET character_set_client=@@global.character_set_client,"
                        "character_set_results=@@global.character_set_results,collation_connection=@@global.collation_connection");
        setup_query(s, conn, &text);
        buf_fini(&text);
        return;
    }
    uint16_t known = charset_known_to(conn, s->charset);
    send_one_charset(s, conn, known, &charset_sink);
    if (known != s->charset && !s->servers[s->target].collation_refused)
        send_one_charset(s, conn, s->charset, &exact_charset_sink);
}

/* True where something was sent and must be waited for: a statement must not run in the wrong schema or character set. */
static bool set_up(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    struct backend_conn *conn = server->conn;
    struct buf text = {0};
    s->setup_failed = false;
    if (conn->charset != wanted_charset(s, conn) && !settings_name_charset(s))
        send_charset(s, conn);
    conn->charset = wanted_charset(s, conn);
    if (schema_differs(s, conn)) {
        buf_u8(&text, WIRE_COM_INIT_DB);
        buf_text(&text, s->schema);
        s->setup_pending++;
        backend_send(conn, WIRE_RESPONSE_SIMPLE, buf_at(&text), buf_len(&text), &setup_sink, s);
        buf_clear(&text);
        snprintf(conn->schema, sizeof conn->schema, "%s", s->schema);
    }
    if (server->fresh) {
        sharing_replay(s, server, setup_query);
        server->fresh = false;
    }
    if (server->settings_seen != s->settings_generation)
        settings_replay(s);
    else if (!same_mode(s, conn) && !s->mode_sent)
        send_mode(s, conn);
    buf_fini(&text);
    return s->setup_pending;
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
                             config_of(s, tx->local_server)->name, b->config->name);
        return false;
    }
    if (locks_held(s, s->target) && !tx_may_be_local(s)) {
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
    if (!xa_registry_branch_open(journal_registry(s->world->journal), server->in_doubt, config_of(s, s->target)->name,
                                 server->in_doubt_bqual.text)) {
        *server->in_doubt = '\0';
        return true;
    }
    if (!wait_a_moment(s))
        session_answer_error(s, 1205, "HY000",
                             "transaction %s is committed and waits for backend '%s': its effects are not there yet, try again",
                             server->in_doubt, config_of(s, s->target)->name);
    return false;
}

static void advance(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
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
    if (diagnostics_due(s)) {
        diagnostics_fetch(s, advance);
        return;
    }
    if (client_xa_elsewhere(s) || (s->target_in_tx && !fit_for_branch(s)) || !settled_there(s))
        return;
    if (!server->conn) {
        acquire(s);
        return;
    }
    sharing_take_back(server);
    if (set_up(s))
        return;
    if (!same_mode(s, server->conn) || sql_charset_named(server->conn->client_charset) != s->dialect.charset) {
        session_answer_error(s, 1231, "42000",
                             "backend '%s' does not take the session's sql_mode or character set: SET one that both servers know",
                             config_of(s, s->target)->name);
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
    s->target_deadline_ms = net_loop_now_ms(s->worker->loop) + 1000 * config_of(s, backend)->lock_wait_s;
    advance(s);
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
    struct backend_conn *conn = target_conn(s);
    struct buf payload = {0};
    buf_u8(&payload, WIRE_COM_INIT_DB);
    buf_text(&payload, schema);
    snprintf(conn->schema, sizeof conn->schema, "%s", schema);
    backend_send(conn, WIRE_RESPONSE_SIMPLE, buf_at(&payload), buf_len(&payload), &begin_sink, s);
    buf_fini(&payload);
}

void target_send_first(struct session *s, const char *text)
{
    backend_send_query(target_conn(s), text, strlen(text), &begin_sink, s);
}

/* Outside a branch autocommit=1 is right for everything: DDL and its like commit by themselves, and what reads a table must not
 * leave a transaction behind. */
void target_begin_aside(struct session *s)
{
    struct backend_conn *conn = target_conn(s);
    if (conn->autocommit || tx_is_on(s, s->target))
        return;
    target_send_first(s, "SET autocommit=1");
    conn->autocommit = true;
}

void target_begin(struct session *s)
{
    if (s->target_in_tx) {
        tx_enter(s);
        return;
    }
    target_begin_aside(s);
    if (s->autocommit && !tx_is_on(s, s->target)) {
        characteristics_send(s, &s->one_shot);
        s->one_shot = (struct session_characteristics){.access = ""};
    }
}
