/* XA statements of a client, which is a transaction manager itself: passed on to one server, where its branch then has the
 * session's connection for itself. What would endanger branches of others is refused: other formatIDs (MySQL loses what it has
 * prepared under several of them at a crash), names of the proxy's own. What states allow is the server's to judge. */
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/client_xa.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"
#include "proxy/sql/xa.h"

static const char *const state_texts[] = {
    [CLIENT_XA_ACTIVE] = "ACTIVE", [CLIENT_XA_IDLE] = "IDLE", [CLIENT_XA_PREPARED] = "PREPARED"};

/* --- what is open ------------------------------------------------------------------------------------------------- */

static bool same_xid(const struct sql_xid *a, const struct sql_xid *b)
{
    return a->gtrid_len == b->gtrid_len && a->bqual_len == b->bqual_len && !memcmp(a->gtrid, b->gtrid, a->gtrid_len) &&
           !memcmp(a->bqual, b->bqual, a->bqual_len);
}

static void begin(struct session *s, const struct sql_xid *xid)
{
    s->xa = calloc(1, sizeof *s->xa);
    CHECK(s->xa);
    s->xa->server = s->target;
    s->xa->xid = *xid;
    s->xa->began_ms = net_loop_now_ms(s->worker->loop);
    s->servers[s->target].holds |= SESSION_HOLD_CLIENT_XA;
}

void client_xa_forget(struct session *s)
{
    free(s->xa);
    s->xa = NULL;
}

static void over(struct session *s)
{
    s->servers[s->xa->server].holds &= ~SESSION_HOLD_CLIENT_XA;
    client_xa_forget(s);
}

void client_xa_server_gone(struct session *s, const struct session_server *server)
{
    if (!s->xa || s->xa->server != server - s->servers)
        return;
    client_xa_forget(s);
    s->xa_lost = true;
}

void client_xa_end_lost(struct session *s)
{
    if (s->phase == SESSION_IDLE) {
        s->seq = 0;
        session_put_error(s, 2013, "HY000", "Lost connection to the server of this session's XA transaction");
    }
    session_close(s, "its XA transaction was lost with a server");
}

void client_xa_note(struct session *s, const struct backend_outcome *outcome)
{
    if (s->xa && s->target == s->xa->server && !outcome->error && !(outcome->status & WIRE_STATUS_IN_TRANS))
        over(s);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void answer_state(struct session *s)
{
    session_answer_error(s, 1399, "XAE07",
                         "XAER_RMFAIL: The command cannot be executed when global transaction is in the  %s state",
                         state_texts[s->xa->state]);
}

bool client_xa_refuses(struct session *s)
{
    enum sql_kind k = s->statement->kind;
    if (!s->xa || (k != SQL_BEGIN && k != SQL_COMMIT && k != SQL_ROLLBACK))
        return false;
    answer_state(s);
    return true;
}

bool client_xa_elsewhere(struct session *s)
{
    if (!s->xa || s->xa->server == s->target)
        return false;
    const struct config_backend *backends = s->world->config->backends;
    session_answer_error(s, 1399, "XAE07",
                         "XAER_RMFAIL: this XA transaction is on backend '%s' alone and cannot reach '%s' in its %s state:"
                         " end it first",
                         backends[s->xa->server].name, backends[s->target].name, state_texts[s->xa->state]);
    return true;
}

static bool has_prefix(struct slice bytes, const char *prefix)
{
    return bytes.len >= strlen(prefix) && !memcmp(bytes.at, prefix, strlen(prefix));
}

/* The server's own transactions have such names: it would roll back what is prepared under one at a crash. */
static bool is_servers_own(const struct sql_xid *xid)
{
    return xid->gtrid_len == 24 && !xid->bqual_len && has_prefix((struct slice){xid->gtrid, xid->gtrid_len}, "MySQLXid");
}

static bool is_ours(const struct sql_xid *xid)
{
    return has_prefix((struct slice){xid->gtrid, xid->gtrid_len}, XA_GTRID_PREFIX);
}

static bool refuses_xid(struct session *s, const struct sql_xa *xa)
{
    if (xa->xid.format_id != 1)
        session_answer_error(s, 1398, "XAE05",
                             "XAER_INVAL: formatID %" PRIu64
                             " is not possible here: with several of them on one server MySQL loses prepared"
                             " transactions at a crash; use 1, which is the default",
                             xa->xid.format_id);
    else if (is_ours(&xa->xid) && xa->verb == SQL_XA_START)
        session_answer_error(s, 1398, "XAE05", "XAER_INVAL: names that begin with '" XA_GTRID_PREFIX "' are the proxy's own");
    else if (is_ours(&xa->xid))
        session_answer_error(s, 1397, "XAE04",
                             "XAER_NOTA: this is a transaction of a proxy, which settles it by itself; people do so with xactl");
    else if (is_servers_own(&xa->xid) || !xa->xid.gtrid_len)
        session_answer_error(s, 1398, "XAE05", "XAER_INVAL: Invalid arguments (or unsupported command)");
    else
        return false;
    return true;
}

/* Work of a transaction of ours is open. */
static bool refuses_inside(struct session *s, const struct sql_xa *xa)
{
    if (s->world->draining && xa->verb == SQL_XA_START)
        session_answer_error(s, 1053, "08S01", "Server shutdown in progress");
    else if (s->tx && xa->verb == SQL_XA_START)
        session_answer_error(s, 1400, "XAE09", "XAER_OUTSIDE: Some work is done outside global transaction");
    else if (s->tx)
        session_answer_error(s, 1399, "XAE07",
                             "XAER_RMFAIL: The command cannot be executed when global transaction is in the  NON-EXISTING state");
    else
        return false;
    return true;
}

/* --- passing on --------------------------------------------------------------------------------------------------- */

static void read_again(struct session *s, struct sql_xa *out)
{
    struct sql_context ctx;
    statement_context(s, &ctx);
    CHECK(sql_xa_read(s->statement, &ctx, out)); /* nothing was kept over the round trip */
}

/* Rolled back, or not there any more: what the transaction was is over. */
static bool is_over(const struct sql_xa *xa, uint16_t error)
{
    return (xa->verb == SQL_XA_COMMIT || xa->verb == SQL_XA_ROLLBACK) &&
           (!error || error == 1397 || error == 1402 || error == 1613 || error == 1614);
}

static void note(struct session *s, const struct sql_xa *xa, const struct backend_outcome *outcome)
{
    bool mine = s->xa && same_xid(&s->xa->xid, &xa->xid);
    if (mine && is_over(xa, outcome->error))
        over(s);
    else if (outcome->error)
        return;
    else if (xa->verb == SQL_XA_START && !s->xa)
        begin(s, &xa->xid);
    else if (mine && xa->verb == SQL_XA_START)
        s->xa->state = CLIENT_XA_ACTIVE;
    else if (mine && xa->verb == SQL_XA_END)
        s->xa->state = CLIENT_XA_IDLE;
    else if (mine && xa->verb == SQL_XA_PREPARE)
        s->xa->state = CLIENT_XA_PREPARED;
    client_xa_note(s, outcome); /* MySQL detaches what is prepared: the connection is free for others */
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct sql_xa xa;
    if (s->start_failed) { /* what it did, it did under other settings */
        link_drop(&s->servers[s->target], "an XA transaction could not be started as asked");
        session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
        return;
    }
    read_again(s, &xa);
    note(s, &xa, outcome);
    if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else
        session_answer_ok_with(s, 0, outcome->warnings, "");
}

static const struct backend_sink sink = {.done = on_done, .lost = link_on_lost};

static void send(struct session *s)
{
    static const enum xa_text texts[] = {[SQL_XA_START] = XA_TEXT_START,
                                         [SQL_XA_END] = XA_TEXT_END,
                                         [SQL_XA_PREPARE] = XA_TEXT_PREPARE,
                                         [SQL_XA_COMMIT] = XA_TEXT_COMMIT,
                                         [SQL_XA_ROLLBACK] = XA_TEXT_ROLLBACK};
    struct sql_xa xa;
    struct buf text = {0};
    read_again(s, &xa);
    xa_text_raw(&text, xa.one_phase ? XA_TEXT_ONE_PHASE : texts[xa.verb], (struct slice){xa.xid.gtrid, xa.xid.gtrid_len},
                (struct slice){xa.xid.bqual, xa.xid.bqual_len});
    buf_text(&text, xa.option);
    if (!s->xa) {
        target_begin_aside(s);
        characteristics_send(s, &s->one_shot);
        s->one_shot = (struct session_characteristics){.access = ""};
    }
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &sink, s);
    buf_fini(&text);
}

/* --- XA RECOVER --------------------------------------------------------------------------------------------------- */

/* A transaction manager that finds a proxy's branches among its own might think that they are for it to end. */
static bool is_row_of_ours(struct session *s, struct slice row)
{
    (void)s;
    static const char *const begins[] = {XA_GTRID_PREFIX, "'" XA_GTRID_PREFIX, "0x" XA_GTRID_PREFIX_HEX,
                                         "X'" XA_GTRID_PREFIX_HEX};
    struct cursor c = cursor_make(row.at, row.len);
    struct slice data = {NULL, 0};
    for (int column = 0; column < 4; column++)
        data = wire_lenenc_str(&c, NULL);
    for (size_t i = 0; !c.bad && data.at && i < sizeof begins / sizeof *begins; i++)
        if (data.len >= strlen(begins[i]) && !strncasecmp((const char *)data.at, begins[i], strlen(begins[i])))
            return true;
    return false;
}

static void on_recovered(struct session *s, const struct backend_outcome *outcome)
{
    (void)outcome;
    session_next(s);
}

static void send_recover(struct session *s)
{
    relay_query(s, s->statement->text, on_recovered);
    s->relay.takes_row = is_row_of_ours;
}

bool client_xa_is_recover(struct session *s)
{
    struct sql_context ctx;
    struct sql_xa xa;
    statement_context(s, &ctx);
    return s->statement->kind == SQL_XA && sql_xa_read(s->statement, &ctx, &xa) && xa.verb == SQL_XA_RECOVER;
}

/* --- the statement ------------------------------------------------------------------------------------------------ */

/* A hint, else where its transaction is, else where the default schema lives; -1: answered. */
static int server_of(struct session *s)
{
    if (!*s->statement->hint_backend)
        return s->xa ? s->xa->server : statement_home(s);
    int backend = config_backend(s->world->config, s->statement->hint_backend);
    if (backend < 0)
        session_answer_error(s, 1049, "42000", "there is no backend '%s' in the configuration", s->statement->hint_backend);
    return backend;
}

void client_xa_run(struct session *s)
{
    struct sql_context ctx;
    struct sql_xa xa;
    statement_context(s, &ctx);
    if (!sql_xa_read(s->statement, &ctx, &xa)) {
        session_answer_error(s, 1064, "42000", "You have an error in your SQL syntax; this XA statement is not well-formed");
        return;
    }
    if (xa.verb != SQL_XA_RECOVER && (refuses_xid(s, &xa) || refuses_inside(s, &xa)))
        return;
    int backend = server_of(s);
    if (backend >= 0)
        target_prepare(s, backend, false, xa.verb == SQL_XA_RECOVER ? send_recover : send);
}
