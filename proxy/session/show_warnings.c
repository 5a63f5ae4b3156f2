/* SHOW WARNINGS, SHOW ERRORS and their counts: asked for where the last statement ran, or answered here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

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

static void put_rows(struct session *s, struct wire_resultset *rs, const struct show *show)
{
    struct diagnostics_condition c;
    uint64_t row = 0;
    for (unsigned i = 1; diagnostics_condition(s, i, &c); i++) {
        const struct slice values[3] = {c.level, c.code, c.text};
        bool wanted = (!show->errors || slice_is(c.level, "Error")) && row++ >= show->skip;
        if (wanted && row - show->skip <= show->limit)
            wire_resultset_row(rs, values);
    }
}

/* To be asked as often as one likes: what the last statement left stays. */
static void begin_rows(struct session *s, struct wire_resultset *rs, const struct wire_column *columns, unsigned n)
{
    struct session_diagnostics kept = s->diag;
    session_answer_rows(s, rs, columns, n);
    s->diag = kept;
    s->diag.told = s->diag.own_row_count = true;
    s->diag.row_count = -1;
}

static const struct wire_column show_columns[] = {
    {.name = "Level", .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_UTF8MB4, .length = 28, .flags = WIRE_COLUMN_NOT_NULL},
    {.name = "Code", .type = WIRE_TYPE_LONG, .charset = WIRE_CHARSET_BINARY, .length = 5,
     .flags = WIRE_COLUMN_NOT_NULL | WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY},
    {.name = "Message", .type = WIRE_TYPE_VAR_STRING, .charset = WIRE_CHARSET_UTF8MB4, .length = 2048,
     .flags = WIRE_COLUMN_NOT_NULL}};

static void answer_rows(struct session *s, const struct show *show)
{
    struct wire_resultset rs;
    begin_rows(s, &rs, show_columns, 3);
    put_rows(s, &rs, show);
    session_answer_rows_end(s, &rs);
}

/* Behind the columns that a server has told. */
static void put_rows_at_end(struct session *s)
{
    struct show show;
    CHECK(read_show(s, &show));
    columns_first_row(s);
    struct wire_resultset rs = {.out = columns_out(s), .seq = &s->seq, .caps = s->caps, .binary = s->binary,
                                .columns = show_columns, .n_columns = 3};
    put_rows(s, &rs, &show);
}

/* A server tells the columns as this client sees them, in its character set. */
static void send_show(struct session *s)
{
    static const char text[] = "SHOW WARNINGS LIMIT 0";
    relay_query(s, (struct slice){(const uint8_t *)text, sizeof text - 1}, tx_statement_done);
    s->relay.at_end = put_rows_at_end;
    s->diag.asked_counts = true;
}

static void answer_count(struct session *s, const struct show *show)
{
    struct wire_column column = {.name = show->errors ? "@@session.error_count" : "@@session.warning_count",
                                 .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY, .length = 21,
                                 .flags = WIRE_COLUMN_UNSIGNED | WIRE_COLUMN_BINARY};
    char text[16];
    struct wire_resultset rs;
    snprintf(text, sizeof text, "%u", diagnostics_counted(s, show->errors));
    const struct slice value = {(const uint8_t *)text, strlen(text)};
    begin_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    found_rows_are(s, 1);
    session_answer_rows_end(s, &rs);
}

bool show_warnings_asked(const struct session *s)
{
    struct show show;
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    return read_show(s, &show) || sql_accept_word(&in, "GET");
}

/* It leaves all as it is, and runs where that is. */
static void ask_there(struct session *s)
{
    s->diag.asked_counts = true;
    if (!s->diag.own && !s->diag.moved && s->diag.server >= 0)
        s->last_server = s->diag.server;
}

/* SELECT @@warning_count, @@error_count: of nothing else than system variables. */
static bool selects_counts(const struct session *s)
{
    struct sql_tokens in;
    bool only = true;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SELECT"))
        return false;
    for (struct sql_token t = sql_take(&in); t.kind != SQL_END; t = sql_take(&in))
        only &= t.kind == SQL_SYSTEM_VARIABLE || sql_is_punct(&t, ',');
    return only && information_asks_counts(s);
}

/* Behind an error: it does not tell how many conditions came with it, its server does. To MySQL a SELECT is a new statement. */
static void ask_counts_there(struct session *s)
{
    if (s->diag.errors && !diagnostics_is_here(s) && diagnostics_like_mariadb(s) && selects_counts(s))
        ask_there(s);
}

bool show_warnings_answer(struct session *s)
{
    struct show show;
    if (diagnostics_is_get(s))
        ask_there(s);
    else
        ask_counts_there(s);
    if (s->statement->kind != SQL_READ || !read_show(s, &show))
        return false;
    int server = statement_anywhere(s);
    if (!diagnostics_is_here(s)) {
        ask_there(s);
        return false;
    }
    if (show.count)
        answer_count(s, &show);
    else if (s->world->backends.at[server].reachable)
        target_prepare(s, server, tx_is_on(s, server), send_show);
    else
        answer_rows(s, &show);
    return true;
}
