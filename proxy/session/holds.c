/* What a statement leaves on its connection that cannot follow the session, and when that ends: the connection is kept as long.
 * Leaves temporary tables to temporary.c, user locks to user_locks.c, variables to readback.c, cursors to prepared.c, table locks
 * to locks.c, and what becomes of a kept connection to sharing.c. */
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

/* --- counts -------------------------------------------------------------------------------------------------------------- */

/* HANDLER t OPEN ..., HANDLER t CLOSE: each fails where it does not change anything. */
static void count_handlers(struct session *s, struct session_server *server, const struct backend_outcome *outcome)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (outcome->error || !sql_accept_word(&in, "HANDLER"))
        return;
    sql_take(&in);
    if (sql_accept_punct(&in, '.'))
        sql_take(&in);
    if (sql_accept_word(&in, "OPEN"))
        server->handlers++;
    else if (sql_accept_word(&in, "CLOSE") && server->handlers)
        server->handlers--;
}

static void hold_while(struct session_server *server, bool there, enum session_hold hold)
{
    server->holds = there ? server->holds | hold : server->holds & ~(unsigned)hold;
}

/* --- routines ------------------------------------------------------------------------------------------------------------ */

/* Behind " does not exist", or with too many arguments or too few. */
static const char *end_of_name(const struct backend_outcome *outcome)
{
    enum { ER_SP_DOES_NOT_EXIST = 1305, ER_SP_WRONG_NO_OF_ARGS = 1318 };
    if (outcome->error == ER_SP_DOES_NOT_EXIST)
        return strstr(outcome->message, " does not exist");
    return outcome->error == ER_SP_WRONG_NO_OF_ARGS ? strstr(outcome->message, "; expected") : NULL;
}

bool holds_found_no_routine(const struct session *s, const struct backend_outcome *outcome)
{
    const char *end = end_of_name(outcome), *name = end;
    while (name && name > outcome->message && name[-1] != '.' && name[-1] != ' ')
        name--;
    struct slice text = s->statement->text;
    return name && memmem(text.at, text.len, name, (size_t)(end - name));
}

/* Once for each server; what it means for others is counted always. */
static void tell_of_routines(struct session *s, const struct session_server *server)
{
    struct backend *b = server->conn->backend;
    s->world->count.held_by_routines++;
    if (!atomic_exchange(&b->told_of_routines, true))
        log_warn("routines_hold", "backend=%s session=%llu why=\"a routine may have taken a lock (GET_LOCK), so its session "
                 "keeps the connection until it ends or resets; where no routine does, say routines_hold = off\"",
                 b->config->name, (unsigned long long)s->id);
}

void holds_note(struct session *s, struct session_server *server, const struct backend_outcome *outcome)
{
    const struct sql_statement *st = s->statement;
    unsigned before = server->holds;
    if (!server->conn)
        return;
    hold_while(server, user_locks_held(s, server, outcome->error), SESSION_HOLD_USER_LOCK);
    if (st->leaves & SQL_LEAVES_UNKNOWN && !holds_found_no_routine(s, outcome)) {
        server->conn->role_in_doubt = true;
        hold_while(server, server->conn->backend->config->routines_hold, SESSION_HOLD_ROUTINE);
    }
    if (st->changes_schema && !outcome->error)
        atomic_fetch_add(&server->conn->backend->schemas_changed, 1);
    temporary_note(s, server, outcome);
    hold_while(server, server->temporary, SESSION_HOLD_TEMPORARY_TABLE);
    if (st->leaves & SQL_LEAVES_HANDLER)
        count_handlers(s, server, outcome);
    hold_while(server, server->handlers, SESSION_HOLD_HANDLER);
    if (server->holds & ~before & SESSION_HOLD_ROUTINE)
        tell_of_routines(s, server);
    if (server->holds & ~before)
        log_debug("connection_held", "session=%llu backend=%s holds=0x%x", (unsigned long long)s->id,
                  server->conn->backend->config->name, server->holds);
}

void holds_forget(struct session_server *server)
{
    server->holds = server->temporary = server->handlers = server->locks = 0;
    server->untracked = server->locks_uncounted = false;
    buf_fini(&server->temporary_names);
}
