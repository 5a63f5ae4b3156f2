/* SHOW PROCESSLIST: the proxy's sessions, gathered from all workers, and what each of them is doing or waiting for. Leaves the
 * servers' own threads to information_schema.PROCESSLIST, which a server answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/round.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"

#define INFO_SHORT 100               /* characters, without FULL */
#define INFO_FULL (64 * 1024)        /* bytes */
#define GATHERED_MAX (16 << 20)      /* bytes of a whole list, then texts are cut short */

/* --- what a session does ------------------------------------------------------------------------------------------ */

static const char *server_name(const struct session *s)
{
    return s->target >= 0 ? session_backend_name(s, s->target) : "";
}

static void describe_running(const struct session *s, char *out, size_t size)
{
    if (s->round)
        snprintf(out, size, "asking the other threads");
    else if (s->kills)
        snprintf(out, size, "waiting for a KILL to arrive");
    else if (s->target >= 0 && s->servers[s->target].acquiring)
        snprintf(out, size, "waiting for a connection to %s", server_name(s));
    else if (s->retrying)
        snprintf(out, size, "waiting until %s can take part", server_name(s));
    else if (s->setup_pending)
        snprintf(out, size, "setting up %s", server_name(s));
    else if (s->net && net_conn_above_water(s->net))
        snprintf(out, size, "waiting for the client to read");
    else if (s->fan.pending)
        snprintf(out, size, "waiting for %u servers", s->fan.pending);
    else if (s->relay.active)
        snprintf(out, size, "running on %s", server_name(s));
    else
        snprintf(out, size, "running");
}

static bool waits_for_log(const struct session_tx *tx)
{
    return !list_empty(&tx->wait_link);
}

static void describe_ending(const struct session *s, char *out, size_t size)
{
    const struct session_tx *tx = s->tx;
    if (!tx)
        snprintf(out, size, "ending a transaction");
    else if (tx->local)
        snprintf(out, size, "waiting for %s", session_backend_name(s, tx->local_server));
    else
        snprintf(out, size, "%s%s", xa_tx_state_text(tx->machine.state), waits_for_log(tx) ? ": waiting for the log" : "");
}

static void describe_redis(const struct session *s, char *out, size_t size)
{
    if (!s->redis) {
        snprintf(out, size, "waiting for the session of its transaction");
        return;
    }
    const char *name = s->world->config->redis[s->redis->resource].name;
    snprintf(out, size, redis_waits_for_data(s)   ? "waiting for an element in Redis %s"
                        : redis_waits_for_lock(s) ? "waiting for a Redis lock in %s"
                                                  : "waiting for Redis %s", name);
}

void processlist_state(const struct session *s, char *out, size_t size)
{
    *out = '\0';
    switch (s->phase) {
    case SESSION_RUNNING:
        describe_running(s, out, size);
        break;
    case SESSION_ENDING:
        describe_ending(s, out, size);
        break;
    case SESSION_REDIS:
        describe_redis(s, out, size);
        break;
    case SESSION_LOGIN:
    case SESSION_CLOSING:
        snprintf(out, size, "%s", session_phase_text(s->phase));
        break;
    case SESSION_IDLE:
        break;
    }
}

static const char *command_text(const struct session *s)
{
    static const struct {
        uint8_t command;
        const char *text;
    } names[] = {{WIRE_COM_INIT_DB, "Init DB"},         {WIRE_COM_PING, "Ping"},
                 {WIRE_COM_STMT_PREPARE, "Prepare"},    {WIRE_COM_STMT_EXECUTE, "Execute"},
                 {WIRE_COM_STMT_BULK_EXECUTE, "Bulk_execute"},
                 {WIRE_COM_STMT_FETCH, "Fetch"},        {WIRE_COM_STMT_RESET, "Reset stmt"},
                 {WIRE_COM_CHANGE_USER, "Change user"}, {WIRE_COM_RESET_CONNECTION, "Reset connection"}};
    if (s->phase == SESSION_LOGIN)
        return "Connect";
    if (s->phase == SESSION_CLOSING)
        return "Killed";
    if (s->phase == SESSION_IDLE)
        return "Sleep";
    if (s->resp)
        return "Redis";
    for (size_t i = 0; buf_len(&s->command) && i < sizeof names / sizeof *names; i++)
        if (names[i].command == *buf_at(&s->command))
            return names[i].text;
    return "Query";
}

/* --- a row -------------------------------------------------------------------------------------------------------- */

/* How many bytes of UTF-8 one character takes here; 0 = it is none. */
static size_t character_at(struct slice text, size_t at)
{
    uint8_t first = text.at[at];
    bool begins = first >= 0xC2 && first < 0xF5;
    size_t n = first < 0x80 ? 1 : !begins ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (n > text.len - at)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text.at[at + i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* The client may speak another character set than the reader: what is not UTF-8 is a question mark. */
static void add_text(struct session_table *t, struct slice text, size_t most_characters, size_t most_bytes)
{
    struct buf out = {0};
    for (size_t at = 0, n; at < text.len && most_characters-- && at < most_bytes; at += n ? n : 1) {
        n = character_at(text, at);
        buf_append(&out, n ? text.at + at : (const uint8_t *)"?", n ? n : 1);
    }
    session_cell_bytes(t, (struct slice){(const uint8_t *)buf_cstr(&out), buf_len(&out)});
    buf_fini(&out);
}

static void add_info(struct session_table *t, const struct session *s, bool full)
{
    bool has = s->statement->text.at && (s->phase == SESSION_RUNNING || s->phase == SESSION_ENDING || s->phase == SESSION_REDIS);
    full = full && buf_len(&t->cells) < GATHERED_MAX;
    if (has)
        add_text(t, s->statement->text, full ? INFO_FULL : INFO_SHORT, INFO_FULL);
    else
        session_cell(t, NULL);
}

static void add_row(struct session_table *t, const struct session *s, bool full)
{
    char state[96];
    bool busy = s->phase == SESSION_RUNNING || s->phase == SESSION_ENDING || s->phase == SESSION_REDIS;
    int64_t since_ms = busy ? s->statement_ms : s->since_ms;
    processlist_state(s, state, sizeof state);
    session_cell_number(t, (int64_t)s->id);
    session_cell(t, s->user ? s->user->name : "unauthenticated user");
    session_cell(t, s->peer);
    session_cell(t, *s->schema ? s->schema : NULL);
    session_cell(t, command_text(s));
    session_cell_number(t, (net_loop_now_ms(s->worker->loop) - since_ms) / 1000);
    session_cell(t, state);
    add_info(t, s, full);
    session_cell(t, s->phase == SESSION_RUNNING && s->target >= 0 ? server_name(s) : NULL);
    session_cell(t, s->tx ? s->tx->gtrid.text : s->face->transaction ? s->face->transaction(s) : NULL);
}

/* --- the statement ------------------------------------------------------------------------------------------------ */

struct processlist {
    struct round round;
    const struct config_user *user; /* who asks */
    bool full;
    struct session_table table;
};

static void visit(struct round *r, struct session *s)
{
    struct processlist *p = CONTAINER_OF(r, struct processlist, round);
    if (kill_may(p->user, s))
        add_row(&p->table, s, p->full);
}

static void answer(struct round *r, struct session *s)
{
    session_table_answer(s, &CONTAINER_OF(r, struct processlist, round)->table);
}

static void free_list(struct round *r)
{
    struct processlist *p = CONTAINER_OF(r, struct processlist, round);
    buf_fini(&p->table.cells);
    free(p);
}

/* The servers' eight columns first, in their order: some drivers go by position. */
void processlist_show(struct session *s, bool full)
{
    static const char *const columns[] = {"Id",    "User",  "Host", "db",     "Command",
                                          "Time",  "State", "Info", "Server", "Transaction", NULL};
    struct processlist *p = calloc(1, sizeof *p);
    CHECK(p);
    p->round = (struct round){.visit = visit, .answer = answer, .free = free_list};
    p->user = s->user;
    p->full = full;
    session_table_init(&p->table, columns);
    p->table.numbers = 1u << 0 | 1u << 5;
    round_begin(s, &p->round);
}
