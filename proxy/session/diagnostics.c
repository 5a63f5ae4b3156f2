/* Answers about the last statement. A server knows them as long as it was the last to answer and its connection has stayed; else
 * the session does. Leaves finding the questions in a text to sql/information.c, memories of connections to sharing.c. */
#include "proxy/session/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/information.h"
#include "proxy/sql/quote.h"

/* --- what happened ---------------------------------------------------------------------------------------------------------- */

void diagnostics_reset(struct session *s)
{
    s->diag = (struct session_diagnostics){.server = -1, .insert_server = -1};
}

/* MariaDB forgets warnings only for a statement that uses tables or has its own, which BEGIN and COMMIT are not. */
void diagnostics_own(struct session *s, uint16_t code, bool is_error, const char *text, int64_t row_count)
{
    s->diag.own_row_count = true;
    s->diag.row_count = row_count;
    if (!code && s->user && s->world->backends.n && s->world->backends.at[statement_home(s)].mariadb)
        return;
    s->diag.own = true;
    s->diag.code = code;
    s->diag.is_error = is_error;
    snprintf(s->diag.text, sizeof s->diag.text, "%s", text);
}

void diagnostics_server(struct session *s, const struct backend_outcome *outcome)
{
    s->diag.own_row_count = false;
    s->diag.row_count = outcome->error || outcome->had_rows ? -1 : (int64_t)outcome->affected_rows;
    if (!s->diag.asked_counts) { /* a question about the last statement leaves it the last */
        s->diag.own = s->diag.moved = false;
        s->diag.server = s->target;
        s->diag.warnings = outcome->warnings + (outcome->error != 0);
        s->diag.errors = outcome->error != 0;
    }
    s->diag.asked_counts = false;
    /* in rows no server tells it */
    if ((outcome->last_insert_id || s->statement->gives_insert_id) && !outcome->error) {
        s->diag.insert_server = s->target;
        s->diag.insert_known = false;
    }
}

void diagnostics_server_forgotten(struct session *s, int server)
{
    if (s->diag.server == server)
        s->diag.moved = true;
}

static const struct session_memory *memory(const struct session *s)
{
    return s->diag.server >= 0 ? &s->servers[s->diag.server].memory : NULL;
}

/* --- SHOW WARNINGS and its like ----------------------------------------------------------------------------------- */

struct show {
    bool errors, count;
    uint64_t skip, limit;
    uint64_t row;
};

static bool read_number(struct sql_tokens *in, uint64_t *out)
{
    char text[24];
    struct sql_token t = sql_take(in);
    snprintf(text, sizeof text, "%.*s", (int)t.text.len, (const char *)t.text.at);
    *out = strtoull(text, NULL, 10);
    return t.kind == SQL_NUMBER && t.text.len < sizeof text;
}

/* LIMIT n, LIMIT skip, n */
static bool read_limit(struct sql_tokens *in, struct show *out)
{
    if (!sql_accept_word(in, "LIMIT"))
        return true;
    if (!read_number(in, &out->limit))
        return false;
    if (!sql_accept_punct(in, ','))
        return true;
    out->skip = out->limit;
    return read_number(in, &out->limit);
}

static bool read_show(const struct session *s, struct show *out)
{
    struct sql_tokens in;
    *out = (struct show){.limit = UINT64_MAX};
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SHOW"))
        return false;
    out->count = sql_accept_word(&in, "COUNT");
    if (out->count && !(sql_accept_punct(&in, '(') && sql_accept_punct(&in, '*') && sql_accept_punct(&in, ')')))
        return false;
    out->errors = sql_accept_word(&in, "ERRORS");
    return (out->errors || sql_accept_word(&in, "WARNINGS")) && read_limit(&in, out) && in.ahead.kind == SQL_END;
}

static unsigned count(const struct session *s, bool errors)
{
    if (s->diag.own)
        return s->diag.code && (!errors || s->diag.is_error);
    return errors ? s->diag.errors : s->diag.warnings;
}

static void put_row(struct wire_resultset *rs, struct show *show, const struct slice row[3])
{
    bool wanted = (!show->errors || slice_is(row[0], "Error")) && show->row++ >= show->skip;
    if (wanted && show->row <= show->skip + show->limit)
        wire_resultset_row(rs, row);
}

static void put_own_row(struct session *s, struct wire_resultset *rs, struct show *show)
{
    char code[8];
    const char *level = s->diag.is_error ? "Error" : "Warning";
    snprintf(code, sizeof code, "%u", s->diag.code);
    const struct slice row[3] = {{(const uint8_t *)level, strlen(level)}, {(const uint8_t *)code, strlen(code)},
                                 {(const uint8_t *)s->diag.text, strlen(s->diag.text)}};
    if (s->diag.code)
        put_row(rs, show, row);
}

static void put_remembered_rows(struct session *s, struct wire_resultset *rs, struct show *show)
{
    const struct buf *rows = &memory(s)->warnings;
    struct cursor c = cursor_make(buf_at(rows), buf_len(rows));
    while (cursor_left(&c)) {
        struct slice packet = cursor_bytes(&c, cursor_u32le(&c));
        struct cursor in = cursor_make(packet.at, packet.len);
        struct slice row[3];
        for (int i = 0; i < 3; i++)
            row[i] = wire_lenenc_str(&in, NULL);
        if (!in.bad)
            put_row(rs, show, row);
    }
}

/* To be asked as often as one likes: what the last statement left stays. */
static void begin_rows(struct session *s, struct wire_resultset *rs, const struct wire_column *columns, unsigned n)
{
    struct session_diagnostics kept = s->diag;
    session_answer_rows(s, rs, columns, n);
    s->diag = kept;
    s->diag.row_count = -1;
}

static void answer_rows(struct session *s, struct show *show)
{
    bool mariadb = s->world->backends.at[statement_home(s)].mariadb; /* whose columns an application would see */
    uint16_t charset = settings_name_charset(s) ? WIRE_CHARSET_UTF8MB4 : s->charset;
    uint8_t decimals = mariadb ? 39 : 31;
    const struct wire_column columns[] = {
        {.name = "Level", .type = WIRE_TYPE_VAR_STRING, .charset = charset, .length = 28, .flags = WIRE_COLUMN_NOT_NULL,
         .decimals = decimals},
        {.name = "Code", .type = WIRE_TYPE_LONG, .charset = WIRE_CHARSET_BINARY, .length = mariadb ? 4 : 5,
         .flags = WIRE_COLUMN_NOT_NULL | WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY},
        {.name = "Message", .type = WIRE_TYPE_VAR_STRING, .charset = charset, .length = 2048, .flags = WIRE_COLUMN_NOT_NULL,
         .decimals = decimals}};
    struct wire_resultset rs;
    begin_rows(s, &rs, columns, 3);
    if (s->diag.own)
        put_own_row(s, &rs, show);
    else
        put_remembered_rows(s, &rs, show);
    session_answer_rows_end(s, &rs);
}

static void answer_count(struct session *s, const struct show *show)
{
    struct wire_column column = {.name = show->errors ? "@@session.error_count" : "@@session.warning_count",
                                 .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY, .length = 21,
                                 .flags = WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY};
    char text[16];
    struct wire_resultset rs;
    snprintf(text, sizeof text, "%u", count(s, show->errors));
    const struct slice value = {(const uint8_t *)text, strlen(text)};
    begin_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    session_answer_rows_end(s, &rs);
}

bool diagnostics_answer(struct session *s)
{
    struct show show;
    if (s->statement->kind != SQL_READ || !read_show(s, &show))
        return false;
    if (!s->diag.own && !s->diag.moved) {
        s->diag.asked_counts = true;
        return false;
    }
    if (show.count)
        answer_count(s, &show);
    else
        answer_rows(s, &show);
    return true;
}

/* --- LAST_INSERT_ID() of another server --------------------------------------------------------------------------- */

bool diagnostics_due(const struct session *s)
{
    return s->statement->asks_session && s->diag.insert_server >= 0 && s->diag.insert_server != s->target &&
           !s->diag.insert_known;
}

static void fetched(struct session *s)
{
    s->diag.insert_known = true;
    if (s->phase == SESSION_RUNNING)
        s->diag.then(s);
}

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct cursor c = cursor_make(part.at, part.len);
    char text[24];
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    struct slice value = wire_lenenc_str(&c, NULL);
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.at);
    s->diag.insert_id = strtoull(text, NULL, 10);
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    (void)outcome;
    fetched(arg);
}

static void on_lost(void *arg, const char *why)
{
    (void)why;
    fetched(arg);
}

static const struct backend_sink fetch_sink = {.frame = on_frame, .done = on_done, .lost = on_lost};

void diagnostics_fetch(struct session *s, void (*then)(struct session *s))
{
    static const char text[] = "SELECT LAST_INSERT_ID()";
    struct session_server *server = &s->servers[s->diag.insert_server];
    s->diag.then = then;
    s->diag.insert_id = server->memory.insert_id;
    if (!server->conn) {
        fetched(s);
        return;
    }
    sharing_take_back(server);
    backend_send_query(server->conn, text, sizeof text - 1, &fetch_sink, s);
}

/* --- put into a text ---------------------------------------------------------------------------------------------- */

struct putting {
    struct session *session;
    bool kept;
};

static bool put_schema(struct session *s, struct buf *literal)
{
    if (!strcmp(s->schema, target_conn(s)->schema))
        return false;
    if (*s->schema)
        sql_quote_text(literal, (struct slice){(const uint8_t *)s->schema, strlen(s->schema)}, &s->dialect);
    else
        buf_text(literal, "NULL");
    return true;
}

/* The target was the last server to answer, and nothing of ours comes between. */
static bool knows_itself(struct session *s)
{
    bool there = !s->diag.moved && s->diag.server == s->target;
    return there && (tx_is_on(s, s->target) || (target_conn(s)->autocommit && !s->target_in_tx));
}

static bool put_count(struct session *s, bool errors, struct buf *literal)
{
    s->diag.asked_counts = true;
    if (!s->diag.own && knows_itself(s))
        return false;
    buf_printf(literal, "CAST(%u AS UNSIGNED)", count(s, errors));
    return true;
}

static bool put_row_count(struct session *s, struct buf *literal)
{
    if (!s->diag.own_row_count && knows_itself(s))
        return false;
    buf_printf(literal, "%lld", (long long)s->diag.row_count);
    return true;
}

static bool put_found_rows(const struct session *s, struct buf *literal)
{
    if (!s->diag.moved || !memory(s))
        return false;
    buf_printf(literal, "%llu", (unsigned long long)memory(s)->found_rows);
    return true;
}

static bool put_insert_id(const struct session *s, struct buf *literal)
{
    if (s->diag.insert_server < 0 || s->diag.insert_server == s->target || !s->diag.insert_known)
        return false;
    buf_printf(literal, "CAST(%llu AS UNSIGNED)", (unsigned long long)s->diag.insert_id);
    return true;
}

static bool put_changing(struct session *s, enum sql_information which, struct buf *literal)
{
    switch (which) {
    case SQL_INFORMATION_ROW_COUNT:
        return put_row_count(s, literal);
    case SQL_INFORMATION_FOUND_ROWS:
        return put_found_rows(s, literal);
    case SQL_INFORMATION_LAST_INSERT_ID:
    case SQL_INFORMATION_LAST_INSERT_ID_VARIABLE:
    case SQL_INFORMATION_IDENTITY:
        return put_insert_id(s, literal);
    case SQL_INFORMATION_DATABASE:
    case SQL_INFORMATION_SCHEMA:
        return put_schema(s, literal);
    case SQL_INFORMATION_AUTOCOMMIT:
        buf_u8(literal, s->autocommit ? '1' : '0');
        return true;
    case SQL_INFORMATION_IN_TRANSACTION:
        buf_u8(literal, tx_visible(s) ? '1' : '0');
        return target_conn(s)->mariadb;
    case SQL_INFORMATION_WARNING_COUNT:
    case SQL_INFORMATION_ERROR_COUNT:
        return put_count(s, which == SQL_INFORMATION_ERROR_COUNT, literal);
    default:
        return false;
    }
}

static bool put(void *arg, enum sql_information which, struct buf *literal)
{
    const struct putting *p = arg;
    if (which != SQL_INFORMATION_CONNECTION_ID && which != SQL_INFORMATION_PSEUDO_THREAD_ID)
        return !p->kept && put_changing(p->session, which, literal);
    buf_printf(literal, "CAST(%llu AS UNSIGNED)", (unsigned long long)p->session->id);
    return true;
}

/* What is stored in a schema is not this session's question. */
static bool may_ask(const struct sql_statement *statement)
{
    enum sql_kind k = statement->kind;
    return statement->asks_session && !statement->compound && (k == SQL_READ || k == SQL_PLAIN || k == SQL_SET);
}

bool diagnostics_put(struct session *s, const struct sql_statement *statement, struct slice text, bool kept, struct buf *out)
{
    struct putting p = {s, kept};
    return may_ask(statement) && sql_put_information(text, &s->dialect, put, &p, out);
}
