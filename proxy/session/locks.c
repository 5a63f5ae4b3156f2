/* LOCK TABLES and its like: which servers hold locks of the session, and what ends them. A transaction under LOCK TABLES is a
 * local one (local.c), since servers begin no XA branch there. */
#include <string.h>

#include "proxy/session/phases.h"

static const unsigned any_lock = SESSION_HOLD_TABLE_LOCKS | SESSION_HOLD_READ_LOCK;

bool locks_held(const struct session *s, int server)
{
    for (size_t i = 0; i < s->world->backends.n; i++)
        if ((server < 0 || server == (int)i) && s->servers[i].holds & SESSION_HOLD_TABLE_LOCKS)
            return true;
    return false;
}

/* Nobody waits for the answer: whatever the connection is told next comes behind it. */
static void release(struct session_server *server, unsigned which)
{
    static const struct backend_sink nobody = {.done = NULL};
    static const char text[] = "UNLOCK TABLES";
    if (server->conn && server->holds & which)
        backend_send_query(server->conn, text, sizeof text - 1, &nobody, NULL);
    server->holds &= ~which;
}

void locks_give_up(struct session *s)
{
    s->locks_began = false;
    for (size_t i = 0; i < s->world->backends.n; i++)
        release(&s->servers[i], SESSION_HOLD_TABLE_LOCKS);
}

static void on_unlocked(struct session *s, const struct backend_outcome *outcome)
{
    (void)outcome;
    if (target_conn(s))
        s->servers[s->target].holds &= ~any_lock;
    session_next(s);
}

static void send_unlock(struct session *s)
{
    relay_query(s, s->statement->text, on_unlocked);
}

void locks_unlock(struct session *s)
{
    int last = -1;
    for (size_t i = 0; i < s->world->backends.n; i++) {
        if (!(s->servers[i].holds & any_lock))
            continue;
        if (last >= 0)
            release(&s->servers[last], any_lock);
        last = (int)i;
    }
    s->locks_began = false;
    if (last >= 0)
        target_prepare(s, last, false, send_unlock);
    else
        session_answer_ok(s);
}

static bool is_flush(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    return sql_accept_word(&in, "FLUSH");
}

static void on_locked(struct session *s, const struct backend_outcome *outcome)
{
    if (!outcome->error && target_conn(s))
        s->servers[s->target].holds |= is_flush(s) ? SESSION_HOLD_READ_LOCK : SESSION_HOLD_TABLE_LOCKS;
    else
        s->locks_began = false;
    session_next(s);
}

static void send_lock(struct session *s)
{
    bool flush = is_flush(s);
    for (size_t i = 0; !flush && i < s->world->backends.n; i++) /* the server itself gives up what the session has there */
        if ((int)i != s->target)
            release(&s->servers[i], SESSION_HOLD_TABLE_LOCKS);
    s->locks_began = !flush && !s->autocommit;
    relay_query(s, s->statement->text, on_locked);
}

void locks_lock(struct session *s)
{
    int backend = statement_route(s);
    if (backend >= 0)
        target_prepare(s, backend, false, send_lock);
}
