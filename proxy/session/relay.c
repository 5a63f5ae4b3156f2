/* Passes a server's answer to the client as it comes: rows undecoded, OK, EOF and ERR rewritten to the proxy's own truth and to
 * what the client can read. Stops the server while the client does not read. */
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

/* --- towards the client ------------------------------------------------------------------------------------------- */

static void put_header(struct session *s, struct buf *out, uint32_t len)
{
    buf_u24le(out, len);
    buf_u8(out, s->seq++);
}

static void put_end(struct session *s, uint16_t status, uint16_t warnings)
{
    struct wire_ok ok = {.status = status, .warnings = warnings};
    if (s->caps & WIRE_CAP_DEPRECATE_EOF) /* an EOF says nothing of the session: the next OK does */
        ok.session = tracking_block(s);
    size_t at = wire_packet_begin(&s->net->out);
    wire_end_write(&s->net->out, s->caps, &ok);
    wire_packet_end(&s->net->out, at, &s->seq);
    if (s->caps & WIRE_CAP_DEPRECATE_EOF)
        tracking_told(s);
}

static void put_eof(struct session *s, uint16_t warnings, uint16_t status)
{
    size_t at = wire_packet_begin(&s->net->out);
    wire_eof_write(&s->net->out, warnings, status);
    wire_packet_end(&s->net->out, at, &s->seq);
}

static uint16_t status_for_client(const struct session *s, uint16_t server_status)
{
    const uint16_t passed = WIRE_STATUS_MORE_RESULTS | WIRE_STATUS_CURSOR | WIRE_STATUS_LAST_ROW | WIRE_STATUS_NO_GOOD_INDEX |
                            WIRE_STATUS_NO_INDEX | WIRE_STATUS_DB_DROPPED | WIRE_STATUS_NO_BACKSLASH_ESCAPES |
                            WIRE_STATUS_METADATA_CHANGED | WIRE_STATUS_WAS_SLOW | WIRE_STATUS_OUT_PARAMETERS |
                            WIRE_STATUS_ANSI_QUOTES;
    return (uint16_t)((server_status & passed) | session_status(s));
}

static uint64_t caps_of_target(struct session *s)
{
    return target_conn(s)->caps;
}

/* A procedure began a transaction of its own and left it open: it is nobody's, so it is taken back, and the client told. */
static bool left_open(struct session *s, uint16_t server_status)
{
    return !s->target_in_tx && !s->relay.prepare && s->servers[s->target].branch < 0 && !(s->tx && s->tx->local) &&
           !s->xa && (server_status & WIRE_STATUS_IN_TRANS) && !(server_status & WIRE_STATUS_MORE_RESULTS);
}

static void relay_ok(struct session *s, struct slice payload)
{
    struct wire_ok ok;
    if (!wire_ok_read(payload, caps_of_target(s), &ok))
        return;
    if (left_open(s, ok.status)) {
        s->more = false;
        wire_err_packet(&s->net->out, &s->seq, s->caps, 1235, "42000",
                        "the statement left a transaction open inside the server; it was rolled back: begin it in the client");
        target_conn(s)->broken = true;
        return;
    }
    ok.status = status_for_client(s, ok.status);
    if (*buf_at(&s->command) == WIRE_COM_INIT_DB)
        ok.warnings = diagnostics_repeated(s);
    tracking_note(s, ok.session);
    session_write_ok(s, &ok);
}

static void relay_rows_end(struct session *s, struct slice payload)
{
    struct wire_ok ok;
    if (!wire_end_read(payload, caps_of_target(s), &ok))
        return;
    uint16_t status = status_for_client(s, ok.status);
    if (s->relay.at_end)
        s->relay.at_end(s);
    /* only of an EXECUTE that asked for one: a routine's own cursors set the status too */
    bool cursor_only = s->executing && s->cursor_asked && s->relay.columns_open && (ok.status & WIRE_STATUS_CURSOR) &&
                       !(ok.status & WIRE_STATUS_LAST_ROW);
    if (cursor_only && !(s->caps & WIRE_CAP_DEPRECATE_EOF))
        s->relay.columns_open = false; /* the one EOF behind the columns says that a cursor is there */
    columns_end(s, status, ok.warnings);
    tracking_note(s, ok.session);
    put_end(s, status, ok.warnings);
}

/* MySQL's ER_XA_TEMP_TABLE; MariaDB says with this number that a sequence is unknown. */
static bool is_temp_table(struct session *s, const struct wire_err *err)
{
    return err->code == 4091 && !target_conn(s)->mariadb;
}

/* What a server says of a branch means little to who has said BEGIN. */
static const char *remedy(const struct session *s, const struct wire_err *err)
{
    if (s->servers[s->target].branch < 0)
        return "";
    if (err->code == 1399 && memmem(err->message.at, err->message.len, "ACTIVE", 6))
        return ": within a transaction of this proxy nothing may begin or commit one by itself; call it before BEGIN or after "
               "COMMIT";
    return "";
}

static void relay_err(struct session *s, struct slice payload)
{
    struct wire_err err;
    if (!wire_err_read(payload, caps_of_target(s), &err))
        return;
    struct buf quoting = {0};
    if (syntax_quote(s, &err, &quoting))
        err.message = (struct slice){buf_at(&quoting), buf_len(&quoting)};
    s->more = false;
    columns_break(s);
    if (err.code == 1317 && s->killed)
        session_put_error(s, err.code, err.sqlstate, "Query execution was interrupted");
    else if (is_temp_table(s, &err))
        session_put_error(s, err.code, err.sqlstate,
                          "XA: temporary tables cannot be used in this transaction: make them before it begins, and grant "
                          "SESSION_VARIABLES_ADMIN to the account on the server, or use them outside of transactions");
    else
        wire_err_packet(&s->net->out, &s->seq, s->caps, err.code, err.sqlstate, "%.*s%s", (int)err.message.len,
                        (const char *)err.message.at, remedy(s, &err));
    buf_fini(&quoting);
}

static void relay_prepare_ok(struct session *s, struct slice payload)
{
    struct wire_prepare_ok ok;
    if (!wire_prepare_ok_read(payload, &ok))
        return;
    s->relay.sections_left[0] = ok.n_params;
    s->relay.sections_left[1] = ok.n_columns;
    s->relay.prepare_warnings = ok.warnings;
    ok.statement_id = prepared_answered(s, &ok);
    size_t at = wire_packet_begin(&s->net->out);
    wire_prepare_ok_write(&s->net->out, &ok);
    wire_packet_end(&s->net->out, at, &s->seq);
}

static void relay_raw(struct session *s, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct buf *out = columns_out(s);
    if (!offset)
        put_header(s, out, frame_len);
    buf_append(out, part.at, part.len);
    s->relay.packet_left = frame_len - offset - (uint32_t)part.len;
}

/* After each definition of a PREPARE: is this the last of parameters or columns? */
static void count_section(struct session *s)
{
    unsigned *left = s->relay.sections_left[0] ? &s->relay.sections_left[0] : &s->relay.sections_left[1];
    if (*left && !--*left && !(s->caps & WIRE_CAP_DEPRECATE_EOF))
        put_eof(s, s->relay.prepare_warnings, session_status(s));
}

static void relay_column(struct session *s, struct slice part, uint32_t offset, uint32_t frame_len)
{
    relay_raw(s, part, offset, frame_len);
    if (offset + part.len != frame_len)
        return;
    if (s->relay.prepare)
        count_section(s);
    else if (!s->relay.fields)
        s->relay.columns_open = true;
}

static void relay_count(struct session *s, struct slice part, uint32_t frame_len)
{
    struct wire_count count;
    if (!wire_count_read(part, caps_of_target(s), &count))
        return;
    s->relay.rows = 0;
    if (!prepared_tells_columns(s, &count))
        relay_raw(s, part, 0, frame_len);
    s->relay.columns_open |= !count.follows;
}

/* --- from the server ------------------------------------------------------------------------------------------------ */

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    if (s->relay.active && s->start_failed && kind == WIRE_PACKET_INFILE)
        backend_file_head(target_conn(s), 0);
    if (!s->relay.active || !s->net || s->start_failed)
        return;
    switch (kind) {
    case WIRE_PACKET_OK:
        if (*buf_at(&s->command) == WIRE_COM_DEBUG) /* answered as rows end */
            relay_rows_end(s, part);
        else
            relay_ok(s, part);
        break;
    case WIRE_PACKET_ROWS_END:
        relay_rows_end(s, part);
        break;
    case WIRE_PACKET_ERR:
        relay_err(s, part);
        break;
    case WIRE_PACKET_PREPARE_OK:
        relay_prepare_ok(s, part);
        break;
    case WIRE_PACKET_INFILE:
        load_begin(s, part);
        break;
    case WIRE_PACKET_COUNT:
        relay_count(s, part, frame_len);
        break;
    case WIRE_PACKET_COLUMN:
        relay_column(s, part, offset, frame_len);
        break;
    case WIRE_PACKET_ROW:
        s->relay.rows += !offset;
        if (s->relay.takes_row && part.len == frame_len && s->relay.takes_row(s, part))
            break;
        if (!offset)
            columns_first_row(s);
        relay_raw(s, part, offset, frame_len);
        break;
    default:
        relay_raw(s, part, offset, frame_len);
    }
    if (!s->net) /* closed for what it had sent instead of a file */
        return;
    net_conn_flush(s->net);
    if (net_conn_above_water(s->net) && target_conn(s))
        backend_pause(target_conn(s));
}

static void drop_if_broken(struct session *s)
{
    if (target_conn(s)->broken)
        link_drop(&s->servers[s->target], "a statement left a transaction open");
}

/* What is answered here next is another's. */
static void forget_command(struct session *s)
{
    s->relay.prepare = s->relay.fields = false;
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (!s->relay.active)
        return;
    s->relay.active = false;
    backend_resume(target_conn(s)); /* the last packet may have made it pause: the next answer is another's */
    if (s->start_failed) {
        tx_start_failed(s);
        return;
    }
    if (outcome->schema_changed)
        snprintf(s->schema, sizeof s->schema, "%s", target_conn(s)->schema);
    diagnostics_server(s, outcome);
    drop_if_broken(s);
    if (!s->relay.prepare)
        holds_note(s, &s->servers[s->target], outcome);
    forget_command(s);
    if (!conditions_ask(s, outcome))
        s->relay.on_done(s, outcome);
}

static const struct backend_sink relay_sink = {.frame = on_frame, .done = on_done, .lost = link_on_lost};

void relay_on_gone(struct session *s, const char *why)
{
    if (load_server_gone(s, why))
        return;
    s->relay.active = false;
    forget_command(s);
    s->setup_pending = 0;
    const char *backend = session_backend_name(s, s->target);
    if (s->net)
        columns_break(s);
    if (s->relay.packet_left) /* no error fits into the middle of a row */
        session_close(s, "lost a server in the middle of a row");
    else if (s->target_in_tx && s->tx)
        session_answer_error(s, 1402, "XA100",
                             "XA_RBROLLBACK: lost connection to backend '%s' (%s): the transaction can only be rolled back",
                             backend, why);
    else
        session_answer_error(s, 2013, "HY000", "Lost connection to backend '%s' during query (%s): its outcome is not known",
                             backend, why);
}

static void begin(struct session *s, enum wire_response_kind kind,
                  void (*done_fn)(struct session *s, const struct backend_outcome *outcome))
{
    s->relay.active = true;
    columns_forget(s);
    s->relay.packet_left = 0;
    s->relay.prepare = kind == WIRE_RESPONSE_PREPARE;
    s->relay.fields = kind == WIRE_RESPONSE_FIELDS;
    s->relay.takes_row = user_locks_rows(s);
    if (!s->relay.takes_row)
        s->relay.takes_row = shown_rows(s);
    s->relay.at_end = NULL;
    s->relay.on_done = done_fn;
}

static void allow_file(struct session *s)
{
    if (load_expected(s))
        backend_allow_file(target_conn(s));
}

void relay_send(struct session *s, enum wire_response_kind kind, const void *payload, size_t len,
                void (*done_fn)(struct session *s, const struct backend_outcome *outcome))
{
    begin(s, kind, done_fn);
    backend_send(target_conn(s), kind, payload, len, &relay_sink, s);
    if (kind == WIRE_RESPONSE_QUERY)
        allow_file(s);
}

void relay_query(struct session *s, struct slice text, void (*done_fn)(struct session *, const struct backend_outcome *))
{
    bool first = s->target_in_tx && s->servers[s->target].branch < 0;
    target_begin(s);
    begin(s, WIRE_RESPONSE_QUERY, done_fn);
    backend_send_query(target_conn(s), (const char *)text.at, text.len, &relay_sink, s);
    allow_file(s);
    relay_sent(s, first);
}

/* Crash points stand behind the kernel's acceptance of the bytes, else they would show nothing. */
void relay_sent(struct session *s, bool first)
{
#ifdef ENABLE_FAILPOINTS
    if (!s->target_in_tx)
        return;
    struct backend_conn *conn = target_conn(s);
    if (conn->net && net_conn_flush_now(conn->net) == 0)
        (void)(first ? FAILPOINT(xa_start_sent) : FAILPOINT(stmt_sent));
#else
    (void)s;
    (void)first;
#endif
}
