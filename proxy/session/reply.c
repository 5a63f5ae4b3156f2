/* The proxy's own answers: status flags are always the proxy's truth, an error drops the rest of a multi-statement. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

bool session_in_transaction(const struct session *s)
{
    return s->xa || tx_visible(s) || (s->locks_began && !s->autocommit);
}

uint16_t session_status(const struct session *s)
{
    uint16_t status = 0;
    if (s->autocommit)
        status |= WIRE_STATUS_AUTOCOMMIT;
    if (session_in_transaction(s))
        status |= WIRE_STATUS_IN_TRANS;
    if (tx_visible(s) && s->tx->read_only)
        status |= WIRE_STATUS_IN_TRANS_READONLY;
    if (s->more)
        status |= WIRE_STATUS_MORE_RESULTS;
    if (s->dialect.no_backslash_escapes) /* clients escape strings by it */
        status |= WIRE_STATUS_NO_BACKSLASH_ESCAPES;
    if (s->dialect.ansi_quotes && s->world->backends.at[statement_home(s)].mariadb)
        status |= WIRE_STATUS_ANSI_QUOTES;
    return status;
}

void session_flush(struct session *s)
{
    if (s->net)
        net_conn_flush(s->net);
}

void session_write_ok(struct session *s, struct wire_ok *ok)
{
    ok->session = tracking_block(s);
    wire_ok_packet(&s->net->out, &s->seq, s->caps, ok);
    tracking_told(s);
}

static void put_ok(struct session *s, uint64_t affected_rows, uint16_t warnings, const char *info)
{
    struct wire_ok ok = {.affected_rows = affected_rows,
                         .status = session_status(s),
                         .warnings = warnings ? warnings : diagnostics_repeated(s),
                         .info = {(const uint8_t *)info, strlen(info)}};
    if (warnings && !*info)
        diagnostics_server(s, &(struct backend_outcome){.warnings = warnings, .affected_rows = affected_rows});
    else
        diagnostics_own(s, warnings ? 1105 : 0, "", info, (int64_t)affected_rows);
    if (!s->net)
        return;
    session_write_ok(s, &ok);
    session_flush(s);
}

void session_put_ok(struct session *s, uint16_t warnings, const char *info)
{
    put_ok(s, 0, warnings, info);
}

void session_answer_ok_with(struct session *s, uint64_t affected_rows, uint16_t warnings, const char *info)
{
    put_ok(s, affected_rows, warnings, info);
    session_next(s);
}

void session_answer_ok(struct session *s)
{
    session_answer_ok_with(s, 0, 0, "");
}

void session_put_error(struct session *s, uint16_t code, const char *sqlstate, const char *text)
{
    if (guests_take_error(s, code, text))
        return;
    s->more = false;
    if (!s->net)
        return;
    s->face->put_error(s, code, sqlstate, text);
    session_flush(s);
}

void session_answer_error(struct session *s, uint16_t code, const char *sqlstate, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    session_put_error(s, code, sqlstate, text);
    session_next(s);
}

void session_answer_rows(struct session *s, struct wire_resultset *rs, const struct wire_column *columns, unsigned n)
{
    diagnostics_own(s, 0, "", "", -1);
    *rs = (struct wire_resultset){.out = &s->net->out,
                                  .seq = &s->seq,
                                  .caps = s->caps,
                                  .binary = s->binary,
                                  .columns = columns,
                                  .n_columns = n};
    wire_resultset_begin(rs, session_status(s));
}

/* As a server ends the results of a procedure, if the client can read more than one. */
static bool has_status_behind(const struct session *s)
{
    uint64_t needed = s->binary ? WIRE_CAP_PS_MULTI_RESULTS : WIRE_CAP_MULTI_RESULTS;
    return s->statement->says_call && s->user && s->user->call_status_packet && s->caps & needed;
}

void session_answer_rows_end(struct session *s, struct wire_resultset *rs)
{
    if (has_status_behind(s)) {
        wire_resultset_end(rs, session_status(s) | WIRE_STATUS_MORE_RESULTS, 0);
        session_answer_ok(s);
        return;
    }
    wire_resultset_end(rs, session_status(s), 0);
    session_flush(s);
    session_next(s);
}
