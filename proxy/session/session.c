/* A session's life: made at accept, one command at a time, freed when nothing of it is open any more. Leaves each phase's work to
 * its own file. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/client_xa.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/saga.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

static const char *const phase_texts[] = {
#define X(name, text) text,
    SESSION_PHASES(X)
#undef X
};

const char *session_phase_text(enum session_phase phase)
{
    return phase_texts[phase];
}

const struct config_listener *session_listener(const struct session *s)
{
    return &s->world->config->listeners[s->listener];
}

/* --- phases ---------------------------------------------------------------------------------------------------- */

static bool may_enter(enum session_phase from, enum session_phase to)
{
    if (from == SESSION_CLOSING)
        return false;
    if (to == SESSION_CLOSING)
        return true;
    return from == SESSION_LOGIN || from == SESSION_ENDING || to != SESSION_LOGIN || from == SESSION_RUNNING;
}

/* On the loop's clock; only where one is open. */
static int64_t transaction_began_ms(const struct session *s)
{
    if (s->saga)
        return saga_began_ms(s->saga);
    return s->tx ? s->tx->began_ms : s->xa->began_ms;
}

/* 0 = never. */
static int64_t transaction_limit_ms(const struct session *s)
{
    int64_t most_s = s->world->config->transaction_timeout_s;
    if (s->own[SESSION_OWN_XA_TIMEOUT] && (!most_s || s->own[SESSION_OWN_XA_TIMEOUT] < most_s))
        most_s = s->own[SESSION_OWN_XA_TIMEOUT];
    return most_s * 1000;
}

/* When a phase is looked at again; 0 = never. Running statements are bounded by the backend's own limits: what is looked at is
 * whether the client reads. */
static int64_t phase_limit_ms(const struct session *s, enum session_phase phase)
{
    const struct config *c = s->world->config;
    if (phase == SESSION_LOGIN)
        return c->login_timeout_ms;
    if (phase == SESSION_CLOSING)
        return 0;
    if (phase != SESSION_IDLE)
        return c->write_timeout_ms;
    int64_t idle_ms = (int64_t)(s->wait_timeout_s ? s->wait_timeout_s : c->idle_timeout_s) * 1000;
    if ((!s->tx && !s->xa) || !transaction_limit_ms(s))
        return idle_ms;
    int64_t left_ms = transaction_began_ms(s) + transaction_limit_ms(s) - s->since_ms;
    if (left_ms < 1)
        left_ms = 1;
    return idle_ms && idle_ms < left_ms ? idle_ms : left_ms;
}

void session_enter(struct session *s, enum session_phase phase, const char *why)
{
    CHECK(may_enter(s->phase, phase));
    log_debug("session_phase", "session=%llu from=\"%s\" to=\"%s\" why=\"%s\"", (unsigned long long)s->id,
              phase_texts[s->phase], phase_texts[phase], why);
    s->phase = phase;
    s->since_ms = net_loop_now_ms(s->worker->loop);
    if (s->net)
        s->written = s->net->bytes_out;
    int64_t limit = phase_limit_ms(s, phase);
    if (limit)
        net_timer_start(&s->timer, limit);
    else
        net_timer_stop(&s->timer);
}

/* Its transaction holds locks, and a server's connection waits in the middle of an answer. */
static void look_whether_it_reads(struct session *s)
{
    if (s->net && buf_len(&s->net->out) && s->net->bytes_out == s->written) {
        s->world->count.sessions_timed_out++;
        s->world->count.timed_out_write++;
        session_close(s, "client does not read");
        return;
    }
    if (load_is_stuck(s)) {
        s->world->count.sessions_timed_out++;
        session_close(s, "client does not send its file");
        return;
    }
    s->written = s->net ? s->net->bytes_out : 0;
    net_timer_start(&s->timer, s->world->config->write_timeout_ms);
}

static bool transaction_is_late(const struct session *s)
{
    int64_t most_ms = transaction_limit_ms(s);
    return most_ms && (s->tx || s->xa) && net_loop_now_ms(s->worker->loop) - transaction_began_ms(s) >= most_ms;
}

static void on_idle_timeout(struct session *s)
{
    bool late = transaction_is_late(s);
    s->world->count.sessions_timed_out++;
    ++*(late ? &s->world->count.timed_out_transaction : &s->world->count.timed_out_idle);
    if (s->net && s->face->say_idle)
        s->face->say_idle(s);
    session_close(s, late ? "transaction timeout" : "idle timeout");
}

static void say_idle(struct session *s)
{
    if (!s->world->backends.at[config_default_backend(s->world->config)].mariadb) {
        /* 4031 is what MySQL says before it closes an idle connection; MariaDB says nothing, and its drivers expect that */
        s->seq = 0;
        wire_err_packet(&s->net->out, &s->seq, s->caps, 4031, "HY000",
                        "The client was disconnected by the server because of inactivity. See wait_timeout and interactive_timeout "
                        "for configuring this behavior.");
    }
}

static void on_phase_timeout(void *arg)
{
    struct session *s = arg;
    if (s->phase == SESSION_LOGIN)
        s->face->on_login_timeout(s);
    else if (s->phase == SESSION_IDLE)
        on_idle_timeout(s);
    else
        look_whether_it_reads(s);
}

/* --- the client's socket --------------------------------------------------------------------------------------- */

/* More than one command may come at once: beyond this they wait in the kernel. */
static size_t input_limit(const struct session *s)
{
    return (size_t)s->world->config->max_packet + 65536;
}

/* Of a session between commands; in memory that cannot be written. */
static const struct sql_statement no_statement;

static void statement_new(struct session *s)
{
    if (s->statement != &no_statement)
        return;
    s->statement = calloc(1, sizeof *s->statement);
    CHECK(s->statement);
}

static void statement_free(struct session *s)
{
    if (s->statement != &no_statement)
        free(s->statement);
    s->statement = (struct sql_statement *)(uintptr_t)&no_statement;
}

/* No command follows for now: most clients are idle, and ten thousand of them are to cost little. Not before the turn's end, for
 * who answered a command may still look at it. */
static void give_back(struct session *s)
{
    statement_free(s);
    buf_fini(&s->command);
}

bool session_is_free(const struct session *s)
{
    return s->phase == SESSION_IDLE && !s->tx && !s->xa && !(s->face->keeps && s->face->keeps(s));
}

void session_rests(struct session *s)
{
    if (s->phase == SESSION_IDLE)
        give_back(s);
    if (guests_wait(s)) { /* half a command is no reason to wait */
        guests_knock(s);
        net_defer(s->worker->loop, &s->next);
    }
    if (s->world->draining && session_is_free(s) && !buf_len(&s->net->in))
        session_close(s, "shutdown");
}

void session_begin_command(struct session *s)
{
    s->next_due = false;
    statement_new(s);
}

#define BIG_COMMAND (1 << 20)

/* A command is copied on its way to a server. One for which there is no memory is refused while nothing depends on it. */
bool session_has_memory_for(size_t len)
{
    void *volatile probe = len < BIG_COMMAND ? NULL : malloc(2 * len); /* volatile: else a compiler sees that nobody uses it */
    free(probe);
    return len < BIG_COMMAND || probe;
}

static void refuse_packet(struct session *s, unsigned code, const char *state, const char *text, const char *why)
{
    s->seq = 1;
    wire_err_packet(&s->net->out, &s->seq, s->caps, (uint16_t)code, state, "%s", text);
    session_close(s, why);
}

static void take_command(struct session *s)
{
    struct slice payload;
    size_t limit = (size_t)s->world->config->max_packet;
    enum wire_gather got = wire_gather(&s->gatherer, &s->net->in, limit, &payload);
    if (got == WIRE_GATHERED && !session_has_memory_for(payload.len))
        got = WIRE_NO_MEMORY;
    if (got != WIRE_MORE)
        net_conn_answer(s->net);
    switch (got) {
    case WIRE_MORE:
        session_rests(s);
        return;
    case WIRE_TOO_BIG:
        s->seq = 1;
        wire_err_packet(&s->net->out, &s->seq, s->caps, 1153, "08S01",
                        "Got a packet bigger than 'max_packet' bytes (%zu)", limit);
        session_close(s, "packet too big");
        return;
    case WIRE_BAD_SEQUENCE:
        refuse_packet(s, 1156, "08S01", "Got packets out of order", "packets out of order");
        return;
    case WIRE_NO_MEMORY:
        refuse_packet(s, 1041, "HY000", "Out of memory: there is none for a statement of this size", "no memory for a statement");
        return;
    case WIRE_GATHERED:
        break;
    }
    wire_gather_take(&s->gatherer, &s->net->in, &s->command);
    s->seq = s->gatherer.next_seq;
    s->binary = false;
    s->executing = NULL;
    s->more = false;
    s->rest = (struct slice){NULL, 0};
    session_begin_command(s);
    command_run(s);
}

/* Who does not read answers gets no new ones. */
static void go_on(struct session *s)
{
    if (!s->net || !s->next_due || net_conn_above_water(s->net) || sharing_waits(s))
        return;
    if (s->more) {
        s->next_due = false;
        statement_next(s);
    } else if (!guests_run(s)) {
        s->knocks = false;
        s->face->take_command(s);
    }
}

static void on_next(struct net_deferred *d)
{
    go_on(CONTAINER_OF(d, struct session, next));
}

static void on_read(void *arg)
{
    struct session *s = arg;
    guests_knock(s);
    if (s->phase == SESSION_LOGIN)
        s->face->on_login_read(s);
    else if (s->load.open)
        load_on_read(s);
    else
        go_on(s);
    if (s->net && buf_len(&s->net->in) > input_limit(s))
        net_conn_pause(s->net);
}

static void on_drained(void *arg)
{
    struct session *s = arg;
    struct backend_conn *conn = s->phase == SESSION_RUNNING && s->target >= 0 ? s->servers[s->target].conn : NULL;
    if (conn)
        backend_resume(conn);
    go_on(s);
}

static void on_tls(void *arg)
{
    struct session *s = arg;
    s->face->on_tls(s);
}

static void on_client_closed(void *arg, const char *why)
{
    struct session *s = arg;
    s->net = NULL;
    s->vanished = true;
    session_close(s, why);
}

static const struct net_conn_ops client_ops = {
    .on_tls = on_tls, .on_read = on_read, .on_drained = on_drained, .on_closed = on_client_closed};

static void put_error(struct session *s, uint16_t code, const char *sqlstate, const char *text)
{
    kill_translate(s, &code, &sqlstate, &text);
    diagnostics_own(s, code, sqlstate, text, -1);
    wire_err_packet(&s->net->out, &s->seq, s->caps, code, sqlstate, "%s", text);
}

static const struct session_face mysql_face = {.begin = login_begin,
                                               .on_tls = login_on_tls,
                                               .on_login_read = login_on_read,
                                               .on_login_timeout = login_on_timeout,
                                               .take_command = take_command,
                                               .put_error = put_error,
                                               .say_idle = say_idle};

/* --- life ------------------------------------------------------------------------------------------------------ */

static void free_session(struct net_deferred *d)
{
    struct session *s = CONTAINER_OF(d, struct session, closing);
    if (s->tx || s->owed.taken)
        return; /* their end defers us again */
    saga_client_gone(s);
    link_release_all(s);
    list_remove(&s->next.link);
    columns_forget(s);
    conditions_forget(s);
    list_remove(&s->link);
    list_remove(&s->id_link);
    s->world->clients--;
    s->world->listener_clients[s->listener]--;
    if (s->stays)
        callers_gone(s->world->callers, s->peer);
    if (s->user)
        s->world->user_clients[s->user - s->world->config->users]--;
    prepared_free_all(s);
    settings_free(s);
    tracking_free(s);
    tx_free_savepoints(&s->early_savepoints);
    readback_free(s);
    wire_gather_fini(&s->gatherer);
    buf_fini(&s->attributes);
    statement_free(s);
    buf_fini(&s->command);
    buf_fini(&s->made);
    buf_fini(&s->made_of_list);
    free(s->action_options);
    if (s->face->fini)
        s->face->fini(s);
    net_timer_fini(&s->timer);
    net_timer_fini(&s->retry);
    net_timer_fini(&s->deadline);
    for (size_t i = 0; i < s->world->backends.n; i++)
        sharing_forget(&s->servers[i]);
    free(s->servers);
    struct worker *w = s->worker;
    free(s);
    worker_session_over(w);
}

struct session *session_new(struct worker *w, int fd, unsigned listener, const char *peer, bool counted)
{
    struct session *s = calloc(1, sizeof *s);
    CHECK(s);
    s->worker = w;
    s->world = w->world;
    s->id = ++w->world->next_session_id;
    s->listener = listener;
    s->face = session_listener(s)->redis ? w->world->redis_face : &mysql_face;
    s->statement = (struct sql_statement *)(uintptr_t)&no_statement;
    s->autocommit = true;
    s->target = s->last_server = -1;
    diagnostics_reset(s);
    snprintf(s->peer, sizeof s->peer, "%s", peer);
    list_init(&s->closing.link);
    list_init(&s->next.link);
    list_init(&s->relay.turn.link);
    list_init(&s->texts);
    list_init(&s->guests);
    list_init(&s->early_savepoints);
    s->closing.run = free_session;
    s->next.run = on_next;
    s->relay.turn.run = columns_on_turn;
    s->servers = calloc(w->world->backends.n ? w->world->backends.n : 1, sizeof *s->servers);
    CHECK(s->servers);
    for (size_t i = 0; i < w->world->backends.n; i++) {
        s->servers[i].session = s;
        s->servers[i].branch = -1;
        list_init(&s->servers[i].request.link);
        list_init(&s->servers[i].prepared);
    }
    net_timer_init(&s->timer, w->loop, on_phase_timeout, s);
    list_push_back(&w->sessions, &s->link);
    list_push_back(&w->by_id[s->id % WORKER_BUCKETS], &s->id_link);
    w->n_sessions++;
    s->net = net_conn_accept(w->loop, fd, &client_ops, s);
    (void)FAILPOINT(accept);
    s->phase = SESSION_LOGIN;
    session_enter(s, SESSION_LOGIN, "accepted");
    s->face->begin(s, counted);
    return s;
}

void session_close(struct session *s, const char *why)
{
    if (s->phase == SESSION_CLOSING)
        return;
    /* said before the client can see it: who looks for the reason finds it */
    log_info("session_closed", "session=%llu user=%s peer=%s why=\"%s\"", (unsigned long long)s->id,
             s->user ? s->user->name : "-", s->peer, why);
    if (s->net) {
        net_conn_close(s->net, true);
        s->net = NULL;
    }
    s->was_ending = s->phase == SESSION_ENDING;
    enum session_phase was = s->phase;
    if (was == SESSION_LOGIN)
        login_free(s);
    session_enter(s, SESSION_CLOSING, why);
    s->more = false;
    s->round = NULL;
    s->after = SESSION_AFTER_NOTHING;
    kill_command_over(s);
    guests_gone(s);
    redis_abandon(s);
    xa_call_abandon(s);
    if (s->face->closing)
        s->face->closing(s);
    link_cancel(s);
    tx_client_gone(s);
    net_defer(s->worker->loop, &s->closing);
}

static void become_idle(struct session *s)
{
    session_enter(s, SESSION_IDLE, "answered");
    sharing_park(s);
    if (!wire_gather_is_open(&s->gatherer)) /* a guest's command may have come between the frames of a long one */
        s->gatherer.next_seq = 0;
    buf_fini(&s->made);
    buf_fini(&s->made_of_list);
    if (buf_len(&s->net->in) <= input_limit(s))
        net_conn_resume(s->net);
}

/* What comes next waits for the end of the turn: who answers may go on with what it has in hand, and a client that sent a
 * million commands at once costs no stack. */
void session_next(struct session *s)
{
    if (s->phase == SESSION_CLOSING) {
        net_defer(s->worker->loop, &s->closing);
        return;
    }
    s->answered = s->conditions.unclear = false;
    redis_abandon(s);
    xa_call_abandon(s);
    target_idle(s);
    prepared_command_over(s);
    if (kill_holds(s)) {
        session_flush(s);
        return;
    }
    kill_command_over(s);
    if (s->xa_lost) {
        client_xa_end_lost(s);
        return;
    }
    if (!s->more)
        become_idle(s);
    session_flush(s);
    s->next_due = true;
    net_defer(s->worker->loop, &s->next);
}
