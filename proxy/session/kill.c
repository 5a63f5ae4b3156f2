/* KILL: who may end what, and how a session or its statement is ended in each phase; also by its user's statement_timeout. The
 * proxy's ids are found by asking all workers. Servers are asked by the resolver, and what runs on a connection next waits for
 * the answer, so that a KILL never hits anything else. Leaves what COMMIT does about it to ending.c: once it is decided nothing
 * is undone. */
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/round.h"
#include "proxy/session/saga.h"
#include "proxy/session/tx.h"

#define GIVE_UP_MS 5000 /* a statement that a server does not end for so long is ended with its connection */

/* --- what the client is told -------------------------------------------------------------------------------------- */

static bool speaks_mariadb(const struct session *s)
{
    struct backend_texts texts;
    backend_texts(&s->world->backends.at[s->target >= 0 ? s->target : config_default_backend(s->world->config)], &texts);
    return strstr(texts.version, "MariaDB");
}

void kill_translate(const struct session *s, uint16_t *code, const char **sqlstate, const char **text)
{
    if (*code != 1317 || s->killed != SESSION_KILLED_LATE)
        return;
    bool mariadb = speaks_mariadb(s);
    *code = mariadb ? 1969 : 3024;
    *sqlstate = mariadb ? "70100" : "HY000";
    *text = mariadb ? "Query execution was interrupted (statement_timeout exceeded)"
                    : "Query execution was interrupted, maximum statement execution time exceeded (statement_timeout)";
}

void kill_answer(struct session *s)
{
    session_answer_error(s, 1317, "70100", "Query execution was interrupted");
}

/* --- servers ------------------------------------------------------------------------------------------------------ */

struct answer_letter {
    struct letter letter;
    struct worker *worker;
    uint64_t session, connection_id;
    unsigned backend;
};

void kill_resume(struct session *s)
{
    if (s->kills || !s->held)
        return;
    s->held = false;
    session_next(s);
}

static void deliver_answer(struct letter *letter, void *receiver)
{
    struct answer_letter *l = CONTAINER_OF(letter, struct answer_letter, letter);
    struct worker *w = receiver;
    struct session *s = w->ended ? NULL : worker_session(w, l->session);
    struct session_server *server = s ? &s->servers[l->backend] : NULL;
    if (server && server->killing && server->conn->connection_id == l->connection_id) {
        kill_answered(server);
        kill_resume(s);
    }
    free(l);
}

/* In the resolver's thread. */
static void on_answered(void *arg)
{
    struct answer_letter *l = arg;
    mailbox_post(net_loop_mailbox(l->worker->loop), &l->letter);
}

static void kill_on(struct session *s, struct session_server *server)
{
    struct answer_letter *l = calloc(1, sizeof *l);
    CHECK(l && !server->killing);
    *l = (struct answer_letter){.letter.deliver = deliver_answer,
                                .worker = s->worker,
                                .session = s->id,
                                .connection_id = server->conn->connection_id,
                                .backend = (unsigned)(server - s->servers)};
    list_init(&l->letter.link);
    server->killing = true;
    s->kills++;
    s->world->resolver->kill_query(s->world->resolver_arg, l->backend, l->connection_id, server->conn->opened_ms,
                                   on_answered, l);
}

void kill_answered(struct session_server *server)
{
    if (server->killing)
        server->session->kills--;
    server->killing = false;
}

bool kill_holds(struct session *s)
{
    if (!s->kills)
        return false;
    s->held = true;
    s->statement->text = (struct slice){NULL, 0}; /* what it points into may be gone with the statement */
    return true;
}

/* Every server where something runs for it. False: nowhere. */
static bool kill_on_servers(struct session *s)
{
    bool any = false;
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        if (!server->conn || server->parked || backend_conn_idle(server->conn))
            continue;
        any = true;
        if (!server->killing)
            kill_on(s, server);
    }
    return any;
}

/* --- one session -------------------------------------------------------------------------------------------------- */

static void on_deadline(void *arg);

static void start_timer(struct session *s, int64_t after_ms)
{
    if (!s->deadline.loop)
        net_timer_init(&s->deadline, s->worker->loop, on_deadline, s);
    net_timer_start(&s->deadline, after_ms);
}

/* COMMIT and ROLLBACK come to their end by themselves, as on a server; what a saga's waits for goes on without it. Behind a
 * complete answer there is nothing to kill but what follows in the same command. */
static void kill_query(struct session *s, enum session_killed by)
{
    if (s->phase == SESSION_ENDING && s->saga)
        saga_stop_waiting(s);
    if ((s->phase != SESSION_RUNNING && s->phase != SESSION_REDIS) || s->killed || s->held)
        return;
    s->killed = by;
    if (s->answered) {
        start_timer(s, GIVE_UP_MS);
        return;
    }
    if (by == SESSION_KILLED_LATE)
        s->world->count.statements_timed_out++;
    log_info("statement_killed", "session=%llu why=\"%s\"", (unsigned long long)s->id,
             by == SESSION_KILLED_LATE ? "timeout" : "KILL");
    if (s->phase == SESSION_REDIS) {
        redis_stop_waiting(s);
    } else if (kill_on_servers(s)) {
        start_timer(s, GIVE_UP_MS);
    } else if (s->round || target_stop_waiting(s)) {
        s->round = NULL;
        kill_answer(s);
    }
}

/* Who kills itself is told; to others the line is cut, as by servers. */
static void kill_session(struct session *s, bool itself)
{
    guests_gone(s);
    if (itself && speaks_mariadb(s))
        session_put_error(s, 1927, "70100", "Connection was killed");
    else if (itself)
        session_put_error(s, 1317, "70100", "Query execution was interrupted");
    session_close(s, "killed");
}

/* The server did not end it: its connection is given up, and with it what was open there. */
static void give_up(struct session *s)
{
    bool over = s->held || s->answered, in_row = s->relay.active && s->relay.packet_left;
    s->held = s->relay.active = false;
    link_give_up(s, "a statement could not be killed");
    if (over)
        session_next(s);
    else if (load_server_gone(s, "killed"))
        return;
    else if (in_row)
        session_close(s, "killed in the middle of a row");
    else
        kill_answer(s);
}

static void on_deadline(void *arg)
{
    struct session *s = arg;
    if (!s->killed)
        kill_query(s, SESSION_KILLED_LATE);
    else if (s->net && net_conn_above_water(s->net))
        start_timer(s, GIVE_UP_MS); /* it waits for its client, not for a server */
    else if (s->held || s->phase == SESSION_RUNNING)
        give_up(s);
}

void kill_command_begins(struct session *s)
{
    s->killed = SESSION_NOT_KILLED;
    s->statement->text = (struct slice){NULL, 0};
    kill_statement_begins(s);
}

void kill_statement_begins(struct session *s)
{
    s->statement_ms = net_loop_now_ms(s->worker->loop);
    if (s->user && s->user->statement_timeout_ms)
        start_timer(s, s->user->statement_timeout_ms);
}

void kill_command_over(struct session *s)
{
    net_timer_stop(&s->deadline);
}

/* --- the statement ------------------------------------------------------------------------------------------------ */

struct kill {
    struct round round;
    const struct config_user *user; /* who asks */
    bool query;
    bool by_user;
    uint64_t id;
    char name[SQL_NAME_SIZE]; /* by user */
    unsigned n;
    bool denied;
};

bool kill_may(const struct config_user *who, const struct session *whose)
{
    return who->admin || who->all_sessions || who == whose->user;
}

/* A greeting carries 32 bits of an id. */
static bool is_meant(const struct kill *k, const struct session *s)
{
    if (k->by_user)
        return s->user && !strcmp(s->user->name, k->name);
    return s->id == k->id || (k->id <= UINT32_MAX && (uint32_t)s->id == k->id);
}

static void visit(struct round *r, struct session *s)
{
    struct kill *k = CONTAINER_OF(r, struct kill, round);
    if (s->phase == SESSION_CLOSING || !is_meant(k, s))
        return;
    if (k->by_user && k->query && s->id == r->asker)
        return; /* it runs nothing but this */
    if (!kill_may(k->user, s)) {
        k->denied = true;
        return;
    }
    k->n++;
    s->world->count.kills++;
    if (k->query)
        kill_query(s, SESSION_KILLED);
    else
        kill_session(s, s->id == r->asker);
}

static void answer(struct round *r, struct session *s)
{
    struct kill *k = CONTAINER_OF(r, struct kill, round);
    if (k->n)
        session_answer_ok_with(s, k->by_user ? k->n : 0, 0, "");
    else if (k->denied && k->by_user)
        session_answer_error(s, 1095, "HY000", "You are not owner of thread %s", k->name);
    else if (k->denied)
        session_answer_error(s, 1095, "HY000", "You are not owner of thread %" PRIu64, k->id);
    else if (k->by_user)
        session_answer_ok(s);
    else
        session_answer_error(s, 1094, "HY000", "Unknown thread id: %" PRIu64, k->id);
}

static void free_kill(struct round *r)
{
    free(CONTAINER_OF(r, struct kill, round));
}

static struct kill *kill_new(const struct session *s)
{
    struct kill *k = calloc(1, sizeof *k);
    CHECK(k);
    k->round = (struct round){.visit = visit, .answer = answer, .free = free_kill};
    k->user = s->user;
    return k;
}

static void on_evaluated(struct session *s, uint64_t id)
{
    struct kill *k = kill_new(s);
    k->query = s->statement->kill_query;
    k->id = id;
    round_begin(s, &k->round);
}

/* No server takes it for a KILL. */
static bool is_an_error(const struct session *s)
{
    bool mariadb = s->world->backends.at[statement_home(s)].mariadb;
    return s->statement->kill_of_nobody || (!mariadb && s->statement->kill_in_words);
}

void kill_statement(struct session *s)
{
    const struct sql_statement *st = s->statement;
    if (!s->user->admin && is_an_error(s)) {
        s->statement->kind = SQL_PLAIN; /* for a server to complain about */
        statement_run(s);
        return;
    }
    bool evaluated = st->kill_expression.len && !s->user->admin; /* a DBA's session has no servers */
    if (!st->kill_by_id && !st->kill_by_user && !evaluated) {
        session_answer_error(s, 1235, "42000", "KILL takes the id of a connection or USER and a name here, no QUERY ID");
        return;
    }
    if (evaluated) {
        kill_evaluate(s, on_evaluated);
        return;
    }
    struct kill *k = kill_new(s);
    k->query = st->kill_query;
    k->by_user = st->kill_by_user;
    k->id = st->kill_id;
    bool own = !strcasecmp(st->name, "CURRENT_USER");
    snprintf(k->name, sizeof k->name, "%s", own ? s->user->name : st->name);
    round_begin(s, &k->round);
}

void kill_process(struct session *s, struct slice argument)
{
    struct cursor c = cursor_make(argument.at, argument.len);
    struct kill *k = kill_new(s);
    k->id = cursor_u32le(&c);
    round_begin(s, &k->round);
}
