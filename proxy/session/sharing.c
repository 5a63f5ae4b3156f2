/* Connections that a session does not need now: parked, taken back, or taken by the pool for another session, after the last
 * questions. What must stay on its connection is a hold. Leaves getting connections to target.c, settings to variables.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

#define WARNINGS_KEPT 65536 /* bytes of rows of SHOW WARNINGS */

/* --- the last questions --------------------------------------------------------------------------------------------- */

/* On the heap, since its session may end before the answers come. */
struct session_farewell {
    struct session_server *server; /* NULL: nobody wants to know any more */
    struct session_memory memory;
};

static void farewell_over(struct session_farewell *f)
{
    struct session_server *server = f->server;
    if (server) {
        buf_fini(&server->memory.warnings);
        server->memory = f->memory;
        f->memory.warnings = (struct buf){0};
        server->farewell = NULL;
        sharing_answered(server->session);
    }
    buf_fini(&f->memory.warnings);
    free(f);
}

static void on_warning_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct buf *rows = &((struct session_farewell *)arg)->memory.warnings;
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len || buf_len(rows) + part.len > WARNINGS_KEPT)
        return;
    buf_u32le(rows, (uint32_t)part.len);
    buf_append(rows, part.at, part.len);
}

static uint64_t number(struct cursor *c)
{
    char text[24];
    struct slice value = wire_lenenc_str(c, NULL);
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.at);
    return *text == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
}

static void on_memory_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session_farewell *f = arg;
    struct cursor c = cursor_make(part.at, part.len);
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    f->memory.insert_id = number(&c);
    f->memory.found_rows = number(&c);
    f->memory.valid = !c.bad;
}

static void on_memory_done(void *arg, const struct backend_outcome *outcome)
{
    (void)outcome;
    farewell_over(arg);
}

static void on_memory_lost(void *arg, const char *why)
{
    (void)why;
    farewell_over(arg);
}

static const struct backend_sink warnings_sink = {.frame = on_warning_frame};
static const struct backend_sink memory_sink = {.frame = on_memory_frame, .done = on_memory_done, .lost = on_memory_lost};

static void ask(struct backend_conn *conn, const char *text, const struct backend_sink *sink, struct session_farewell *f)
{
    backend_send_query(conn, text, strlen(text), sink, f);
}

/* SHOW WARNINGS first: it leaves the others as they are. */
static void say_farewell(struct session_server *server)
{
    struct session_farewell *f = calloc(1, sizeof *f);
    const struct session_diagnostics *diag = &server->session->diag;
    CHECK(f && !server->farewell);
    f->server = server;
    server->farewell = f;
    if (diag->server == server - server->session->servers && diag->warnings) /* not the connection's: a ping may have come since */
        ask(server->conn, "SHOW WARNINGS", &warnings_sink, f);
    ask(server->conn, "SELECT LAST_INSERT_ID(),FOUND_ROWS()", &memory_sink, f);
}

bool sharing_waits(const struct session *s)
{
    for (size_t i = 0; i < s->world->backends.n; i++)
        if (s->servers[i].farewell)
            return true;
    return s->owed.taken;
}

void sharing_answered(struct session *s)
{
    if (sharing_waits(s))
        return;
    if (!s->awaits_memory) {
        net_defer(s->worker->loop, &s->next);
        return;
    }
    s->awaits_memory = false;
    target_go_on(s);
}

void sharing_forget(struct session_server *server)
{
    if (server->farewell)
        server->farewell->server = NULL;
    server->farewell = NULL;
    buf_fini(&server->memory.warnings);
    server->memory = (struct session_memory){.valid = false};
}

void sharing_replay(struct session *s, struct session_server *server,
                    void (*send)(struct session *s, struct backend_conn *conn, struct buf *text))
{
    struct buf text = {0};
    if (server->memory.insert_id) {
        buf_printf(&text, "SET last_insert_id=%llu", (unsigned long long)server->memory.insert_id);
        send(s, server->conn, &text);
    }
    buf_fini(&text);
}

/* --- parking ---------------------------------------------------------------------------------------------------------- */

/* Variables that the server has computed: it may go when they have been read. */
static bool owes_values(const struct session_server *server)
{
    const struct session *s = server->session;
    return s->owed.n && !s->owed.pending && s->owed.server == (int)(server - s->servers) && !server->untracked;
}

/* The pool has found somebody who needs it more. */
static void on_taken(struct backend_conn *conn)
{
    struct session_server *server = conn->owner;
    log_debug("connection_taken", "session=%llu backend=%s id=%llu", (unsigned long long)server->session->id,
              conn->backend->config->name, (unsigned long long)conn->connection_id);
    say_farewell(server);
    if (owes_values(server)) {
        server->session->owed.taken = true;
        readback_run(server->session, sharing_answered);
    }
    target_forget(server);
}

static bool may_be_parked(const struct session *s, const struct session_server *server)
{
    const struct backend_conn *conn = server->conn;
    int i = (int)(server - s->servers);
    unsigned holds = owes_values(server) ? server->holds & ~(unsigned)SESSION_HOLD_SETTING : server->holds;
    return conn && !server->parked && !server->killing && !holds && !tx_is_on(s, i) && !conn->broken &&
           conn->xa == BACKEND_XA_NONE && backend_conn_idle(conn) && !backend_conn_in_trans(conn);
}

static void park(struct session_server *server)
{
    server->parked = true;
    server->conn->on_taken = on_taken;
    backend_park(server->session->worker->backends, server->conn);
}

void sharing_park(struct session *s)
{
    for (size_t i = 0; i < s->world->backends.n; i++)
        if (may_be_parked(s, &s->servers[i]))
            park(&s->servers[i]);
}

void sharing_released(struct session_server *server)
{
    if (server->session->phase == SESSION_IDLE && may_be_parked(server->session, server))
        park(server);
}

void sharing_take_back(struct session_server *server)
{
    if (!server->parked)
        return;
    server->parked = false;
    backend_take_back(server->session->worker->backends, server->conn);
}

/* --- what holds a connection: all but variables, which are readback.c's, and cursors, which are prepared.c's ------ */

static unsigned holds_of(const struct sql_statement *st, const struct backend_outcome *outcome, bool routines_hold)
{
    unsigned holds = 0;
    if (st->leaves & SQL_LEAVES_LOCK)
        holds |= SESSION_HOLD_USER_LOCK;
    if (st->leaves & SQL_LEAVES_HANDLER)
        holds |= SESSION_HOLD_HANDLER;
    if (st->leaves & SQL_LEAVES_UNKNOWN && routines_hold)
        holds |= SESSION_HOLD_ROUTINE;
    bool ddl = st->kind == SQL_IMPLICIT_COMMIT; /* what changes the session by that is a temporary sequence */
    if (st->kind == SQL_TEMPORARY_TABLE || (ddl && outcome->state_changed && !outcome->schema_changed))
        holds |= SESSION_HOLD_TEMPORARY_TABLE;
    return holds;
}

void sharing_note(struct session *s, struct session_server *server, const struct backend_outcome *outcome)
{
    const struct sql_statement *st = s->statement;
    unsigned before = server->holds;
    if (!server->conn)
        return;
    if (st->leaves & SQL_FREES_LOCKS && !(st->leaves & SQL_LEAVES_LOCK) && !outcome->error)
        server->holds &= ~(unsigned)SESSION_HOLD_USER_LOCK;
    server->holds |= holds_of(st, outcome, server->conn->backend->config->routines_hold);
    if (server->holds & ~before)
        log_debug("connection_held", "session=%llu backend=%s holds=0x%x", (unsigned long long)s->id,
                  server->conn->backend->config->name, server->holds);
}

/* --- what went with a connection --------------------------------------------------------------------------------------- */

void sharing_note_lost(struct session_server *server, unsigned holds)
{
    struct session *s = server->session;
    s->lost_holds |= holds;
    s->lost_server = (int)(server - s->servers);
}

/* As from a server of its own, which would have taken all of the session along: who goes on without knowing would work without
 * its lock, or on another table of the same name. */
bool sharing_tells_lost(struct session *s)
{
    static const char *const texts[] = {
#define X(name, text) text,
        SESSION_HOLDS(X)
#undef X
    };
    if (!s->lost_holds)
        return false;
    const char *what = texts[__builtin_ctz(s->lost_holds)];
    s->lost_holds = 0;
    session_answer_error(s, 2013, "HY000", "Lost connection to backend '%s', and with it what the session had there: %s",
                         s->world->config->backends[s->lost_server].name, what);
    return true;
}
