/* Statements outside of a transaction whose client has gone: they run to their end, since a server hears of its client's end only
 * when it answers, and their connections go back to the pool. Leaves what is stopped instead to target.c. */
#include <stdlib.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

struct abandoned {
    struct list link; /* of its worker */
    struct worker *worker;
    struct backend_conn *conn;
    bool shared;      /* nothing of the session is left there that a reset would not take back */
    struct net_timer deadline;
};

static void forget(struct abandoned *a)
{
    list_remove(&a->link);
    net_timer_fini(&a->deadline);
    free(a);
}

static void end(struct abandoned *a, const char *why)
{
    struct backend_conn *conn = a->conn;
    forget(a);
    backend_conn_close(conn, why);
}

/* Rows find nobody: the server stops as soon as it knows, which is when a client's own end would tell it. */
static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    (void)part;
    (void)offset;
    (void)frame_len;
    if (kind != WIRE_PACKET_OK && kind != WIRE_PACKET_ERR)
        end(arg, "rows for a client that has gone");
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct abandoned *a = arg;
    struct worker *w = a->worker;
    struct backend_conn *conn = a->conn;
    (void)outcome;
    if (!backend_conn_idle(conn))
        return;
    if (!a->shared) {
        end(a, "its client has gone");
        return;
    }
    forget(a);
    backend_release(w->backends, conn);
}

static void on_gone(struct backend_conn *conn, const char *why)
{
    (void)why;
    forget(conn->owner);
}

static void kill_there(struct worker *w, const struct backend_conn *conn)
{
    w->world->resolver->kill_connection(w->world->resolver_arg, (unsigned)conn->backend->index, conn->connection_id,
                                        conn->opened_ms);
}

/* statement_timeout holds for whom nobody waits, too. */
static void on_deadline(void *arg)
{
    struct abandoned *a = arg;
    a->worker->world->count.statements_timed_out++;
    kill_there(a->worker, a->conn);
    end(a, "statement_timeout, and its client has gone");
}

static const struct backend_sink nobody = {.frame = on_frame, .done = on_done};

/* --- which ones ------------------------------------------------------------------------------------------------------- */

/* What reads for nobody may be stopped; a routine may do more. */
static bool does_something(const struct sql_statement *st)
{
    switch (st->kind) {
    case SQL_PLAIN:
    case SQL_COMPOUND:
    case SQL_IMPLICIT_COMMIT:
    case SQL_LOAD_LOCAL:
        return !st->reads || st->leaves & SQL_LEAVES_UNKNOWN;
    default:
        return false;
    }
}

/* Clients that come, write and go shall not keep everybody else from the servers. */
static bool has_room(const struct worker *w, const struct backend_conn *conn)
{
    int n = 0;
    LIST_FOR(it, &w->abandoned) {
        const struct backend_conn *other = CONTAINER_OF(it, struct abandoned, link)->conn;
        n += other->backend == conn->backend && other->account == conn->account;
    }
    return n < (conn->backend->config->max_connections + 1) / 2;
}

bool abandoned_fits(const struct session *s, const struct session_server *server)
{
    bool under_way = server == &s->servers[s->target] && s->relay.active && !s->relay.prepare && !s->relay.columns_open &&
                     !s->load.open;
    bool alone = !s->tx && !s->xa && !s->target_in_tx && !s->start_failed;
    return s->vanished && under_way && alone && !s->killed && !server->killing && does_something(s->statement) &&
           has_room(s->worker, server->conn);
}

/* --- taking over ------------------------------------------------------------------------------------------------------ */

void abandoned_take(struct session *s, struct session_server *server, bool shared)
{
    struct abandoned *a = calloc(1, sizeof *a);
    CHECK(a);
    int64_t so_far_ms = net_loop_now_ms(s->worker->loop) - s->statement_ms, most_ms = s->user->statement_timeout_ms;
    *a = (struct abandoned){.worker = s->worker, .conn = link_forget(server), .shared = shared};
    list_push_back(&s->worker->abandoned, &a->link);
    net_timer_init(&a->deadline, s->worker->loop, on_deadline, a);
    if (most_ms)
        net_timer_start(&a->deadline, most_ms > so_far_ms ? most_ms - so_far_ms : 0);
    a->conn->role_in_doubt |= s->statement->leaves & SQL_LEAVES_UNKNOWN;
    a->conn->owner = a;
    a->conn->on_gone = on_gone;
    a->conn->on_drained = NULL;
    s->world->count.statements_abandoned++;
    log_info("statement_abandoned", "session=%llu backend=%s id=%llu", (unsigned long long)s->id, a->conn->backend->config->name,
             (unsigned long long)a->conn->connection_id);
    backend_conn_answer_to(a->conn, &nobody, a);
}

void abandoned_free_all(struct worker *w)
{
    LIST_FOR_SAFE(it, &w->abandoned)
        forget(CONTAINER_OF(it, struct abandoned, link));
}
