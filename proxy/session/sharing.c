/* Connections that a session does not need now: parked, taken back, or taken by the pool for another session, after the last
 * questions. Leaves what keeps a connection to holds.c, getting one to target.c, settings to variables.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

#define WARNINGS_KEPT 65536 /* bytes of rows of SHOW WARNINGS */

/* --- the last questions --------------------------------------------------------------------------------------------- */

/* On the heap, since its session may end before the answers come. */
struct session_farewell {
    struct session_server *server; /* NULL: nobody wants to know any more */
    bool keeps_warnings, keeps_found_rows; /* those of an earlier connection there are still the last */
    struct session_memory memory;
};

static void farewell_over(struct session_farewell *f)
{
    struct session_server *server = f->server;
    if (server) {
        struct session_memory before = server->memory;
        server->memory = f->memory;
        if (f->keeps_found_rows)
            server->memory.found_rows = before.found_rows;
        if (f->keeps_warnings)
            server->memory.warnings = before.warnings;
        else
            buf_fini(&before.warnings);
        f->memory.warnings = (struct buf){0};
        server->farewell = NULL;
        sharing_answered(server->session);
    }
    buf_fini(&f->memory.warnings);
    free(f);
}

void sharing_keep_warning(struct buf *rows, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len || buf_len(rows) + part.len > WARNINGS_KEPT)
        return;
    buf_u32le(rows, (uint32_t)part.len);
    buf_append(rows, part.at, part.len);
}

static void on_warning_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    sharing_keep_warning(&((struct session_farewell *)arg)->memory.warnings, kind, part, offset, frame_len);
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

/* Warnings first: MySQL forgets them over a SELECT, and they leave what FOUND_ROWS() and LAST_INSERT_ID() say. */
static void say_farewell(struct session_server *server)
{
    struct session_farewell *f = calloc(1, sizeof *f);
    const struct session_diagnostics *diag = &server->session->diag;
    int number = (int)(server - server->session->servers);
    CHECK(f && !server->farewell);
    f->server = server;
    f->keeps_warnings = diag->server == number && diag->moved;
    f->keeps_found_rows = diag->found_server == number && diag->found_moved;
    server->farewell = f;
    if (diag->server == number && !diag->moved && diag->warnings) /* the connection does not know: a ping may have come since */
        ask(server->conn, "SHOW WARNINGS", &warnings_sink, f);
    bool found = diag->found_server == number && !diag->found_moved; /* MySQL warns of the question, which its next owner could see */
    ask(server->conn, found ? "SELECT LAST_INSERT_ID(),FOUND_ROWS()" : "SELECT LAST_INSERT_ID(),0", &memory_sink, f);
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
    link_forget(server);
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
                         session_backend_name(s, s->lost_server), what);
    return true;
}
