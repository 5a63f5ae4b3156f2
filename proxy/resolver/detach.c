/* Whether connections that are gone from a server's list of processes have let go of their transactions. MariaDB ends a
 * connection in this order: the xid may be finished by anybody, the thread leaves the list, InnoDB detaches its transaction. An
 * XA COMMIT between the first and the last answers OK, commits nothing and forgets the xid (seen on 10.11.19 and 11.8.9;
 * sql/xa.cc, trans_xa_detach). InnoDB's own table names the connection until the last. MySQL, which detaches at the PREPARE, is
 * asked all the same: a session may have that off. */
#include "base/log.h"
#include "proxy/resolver/impl.h"

struct look {
    struct backend_job *job;
    bool fresh;
};

static void mark(struct backend_job *job, uint64_t connection_id)
{
    LIST_FOR(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        k->bound = k->bound || k->connection_id == connection_id;
    }
}

static void mark_all(struct backend_job *job, bool bound)
{
    LIST_FOR(it, &job->kills)
        CONTAINER_OF(it, struct pending_kill, link)->bound = bound;
}

static void on_transaction(void *arg, const struct slice *value, unsigned n)
{
    struct look *l = arg;
    uint64_t connection_id = n == 2 ? number_of(value[0]) : 0;
    if (connection_id == server_connection_id(l->job->server))
        l->fresh = slice_is(value[1], "1");
    else if (connection_id)
        mark(l->job, connection_id);
}

/* The table is a copy, made anew only when nobody has read it for 0.1 s (storage/innobase/trx/trx0i_s.cc). It is of now when our
 * own transaction is seen in it at this very question, whose number is in its text. */
static uint16_t ask(struct look *l)
{
    struct server *server = l->job->server;
    uint16_t code = server_ask(server, "START TRANSACTION WITH CONSISTENT SNAPSHOT", NULL, NULL);
    if (!code)
        code = server_askf(server, on_transaction, l,
                           "SELECT trx_mysql_thread_id, trx_query LIKE '%%(look %llu)%%' FROM information_schema.INNODB_TRX"
                           " WHERE trx_state <> 'ROLLING BACK'", /* may take long, and was not prepared */
                           (unsigned long long)++l->job->detach_looks);
    if (server_lost(server))
        return code;
    uint16_t ended = server_ask(server, "ROLLBACK", NULL, NULL);
    return code ? code : ended;
}

bool detach_look(struct backend_job *job)
{
    struct look l = {.job = job};
    mark_all(job, false);
    uint16_t code = ask(&l);
    if (code)
        log_warn("detach_unknown", "backend=%s code=%u why=\"%s\"", job->backend->config->name, code, server_error(job->server));
    if (code || !l.fresh)
        mark_all(job, true);
    return !code && l.fresh;
}

bool detach_pending(const struct backend_job *job)
{
    LIST_FOR(it, &job->kills)
        if (CONTAINER_OF(it, struct pending_kill, link)->bound)
            return true;
    return false;
}
