/* Variables whose value only a server knows, since it computed it: remembered by name, read back when the session turns to
 * another server, then followed like any literal. What cannot be read keeps its connection. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/sql/assigned.h"
#include "proxy/sql/quote.h"

#define OWED_MAX 256 /* names at a time; who has more is held */

struct session_reading {
    struct session *session;
    char name[SQL_NAME_SIZE + 1];
    struct wire_column column;
    bool unset;      /* nobody has assigned it: GET DIAGNOSTICS for instance had nothing to assign */
    struct buf row;  /* as it comes */
    struct buf text; /* "SET ..." without the SET, once it is known */
    size_t plain_len;
    struct buf then; /* a statement behind it */
};

void readback_pin(struct session *s, int server, const char *why)
{
    if (s->servers[server].untracked || !s->servers[server].conn)
        return;
    s->servers[server].untracked = true;
    s->servers[server].holds |= SESSION_HOLD_SETTING;
    log_info("session_held", "session=%llu backend=%s why=\"%.160s\"", (unsigned long long)s->id,
             session_backend_name(s, server), why);
}

void readback_free(struct session *s)
{
    for (unsigned i = 0; i < s->owed.n; i++) {
        buf_fini(&s->owed.at[i].row);
        buf_fini(&s->owed.at[i].text);
        buf_fini(&s->owed.at[i].then);
    }
    free(s->owed.at);
    memset(&s->owed, 0, sizeof s->owed);
}

/* Answers that are on their way come when it was taken, and never when it was closed. */
void readback_server_gone(struct session *s, int server)
{
    if (s->owed.n && !s->owed.taken && s->owed.server == server)
        readback_free(s);
}

static bool is_owed(const struct session *s, const char *name)
{
    for (unsigned i = 0; i < s->owed.n; i++)
        if (!strcmp(s->owed.at[i].name, name))
            return true;
    return false;
}

void readback_owe(struct session *s, int server, const char *name)
{
    if (!s->servers[server].conn || (s->owed.n && s->owed.server == server && is_owed(s, name)))
        return;
    if (s->owed.n == OWED_MAX || (s->owed.n && s->owed.server != server) || strchr(name, '.')) {
        readback_pin(s, server, name);
        return;
    }
    void *grown = realloc(s->owed.at, (s->owed.n + 1) * sizeof *s->owed.at);
    CHECK(grown);
    s->owed.at = grown;
    s->owed.server = server;
    struct session_reading *r = &s->owed.at[s->owed.n++];
    *r = (struct session_reading){0};
    snprintf(r->name, sizeof r->name, "%s", name);
    s->servers[server].holds |= SESSION_HOLD_SETTING;
}

bool readback_due(const struct session *s)
{
    return s->owed.n && s->owed.server != s->target;
}

/* --- a value as a literal --------------------------------------------------------------------------------------------------- */

static void put_name(const struct session_reading *r, struct buf *out)
{
    bool user = *r->name == '@';
    buf_text(out, user ? "@" : "SESSION ");
    sql_quote_name(out, r->name + user, &r->session->dialect);
}

/* MariaDB gives a variable the character set of an assignment that is never made: so bytes may be there that are none of its
 * texts, which no literal can say. */
static bool put_no_text(struct session_reading *r, struct slice hex, struct slice collation, size_t charset)
{
    if (charset < 4 || memcmp(collation.at, "utf8", 4) || sql_hex_is_utf8(hex))
        return false;
    buf_printf(&r->text, "_binary X'%.*s'", (int)hex.len, (const char *)hex.at);
    r->plain_len = buf_len(&r->text);
    buf_text(&r->then, "DO IF(0,");
    put_name(r, &r->then);
    buf_printf(&r->then, ":=_%.*s'' COLLATE %.*s,0)", (int)charset, (const char *)collation.at, (int)collation.len,
               (const char *)collation.at);
    return true;
}

/* The bytes as they are, in the character set that the collation belongs to; utf8mb4 has the names of system variables and all
 * they hold. */
static void put_string(struct session_reading *r, struct slice hex, struct slice collation)
{
    bool user = *r->name == '@';
    size_t charset = 0;
    while (charset < collation.len && collation.at[charset] != '_')
        charset++;
    if (user && put_no_text(r, hex, collation, charset))
        return;
    buf_u8(&r->text, '_');
    if (user)
        buf_append(&r->text, collation.at, charset);
    else
        buf_text(&r->text, "utf8mb4");
    buf_printf(&r->text, " X'%.*s'", (int)hex.len, (const char *)hex.at);
    r->plain_len = buf_len(&r->text);
    if (user && charset < collation.len)
        buf_printf(&r->text, " COLLATE %.*s", (int)collation.len, (const char *)collation.at);
}

static void put_number(struct session_reading *r, struct slice value)
{
    if (r->column.type == WIRE_TYPE_LONGLONG && r->column.flags & WIRE_COLUMN_UNSIGNED && *r->name == '@') { /* 0 - 1 is an error with it */
        buf_printf(&r->text, "CAST(%.*s AS UNSIGNED)", (int)value.len, (const char *)value.at);
        return;
    }
    buf_append(&r->text, value.at, value.len);
    if (r->column.type == WIRE_TYPE_DOUBLE && !memchr(value.at, 'e', value.len))
        buf_text(&r->text, "e0"); /* else it would be a decimal */
    if (r->column.type == WIRE_TYPE_NEWDECIMAL && !memchr(value.at, '.', value.len))
        buf_u8(&r->text, '.'); /* else an integer */
}

static bool is_number(enum wire_type type)
{
    return type <= WIRE_TYPE_DOUBLE || type == WIRE_TYPE_LONGLONG || type == WIRE_TYPE_INT24 || type == WIRE_TYPE_YEAR ||
           type == WIRE_TYPE_NEWDECIMAL;
}

static void put_typed(struct session_reading *r, struct slice value, struct slice hex, struct slice collation)
{
    if (is_number(r->column.type))
        put_number(r, value);
    else
        put_string(r, hex, collation);
}

/* It has the type of the value before, which a client sees: a variable keeps it when it is set to NULL. */
static void put_null(struct session_reading *r, bool typed)
{
    if (typed) {
        buf_text(&r->text, ", ");
        put_name(r, &r->text);
        buf_u8(&r->text, '=');
    }
    buf_text(&r->text, "NULL");
    r->plain_len = buf_len(&r->text);
}

/* As servers describe what has never been assigned: MySQL by its type, MariaDB by its length. */
static bool is_unset(const struct session_reading *r)
{
    return *r->name == '@' && (r->column.type == WIRE_TYPE_VAR_STRING || r->column.length == 1 << 24);
}

static bool is_made_of(struct slice text, const char *marks)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] >= 0x80 || (!isalnum(text.at[i]) && (!text.at[i] || !strchr(marks, text.at[i]))))
            return false;
    return true;
}

/* They go unquoted into the text for another server, where one server may have nothing else said. */
static bool are_plain(const struct session_reading *r, struct slice value, struct slice hex, struct slice collation)
{
    return (!is_number(r->column.type) || is_made_of(value, "+-.")) && is_made_of(hex, "") && is_made_of(collation, "_");
}

/* value, HEX(value), COLLATION(value) */
static void take_row(struct session_reading *r, struct slice row)
{
    struct cursor c = cursor_make(row.at, row.len);
    bool null, no_hex, no_collation;
    struct slice value = wire_lenenc_str(&c, &null), hex = wire_lenenc_str(&c, &no_hex);
    struct slice collation = wire_lenenc_str(&c, &no_collation);
    bool typed = !null || is_number(r->column.type) || !slice_is(collation, "binary");
    if (c.bad || (!null && !is_number(r->column.type) && !hex.at)) /* HEX() of much is NULL with a warning */
        return;
    if (!are_plain(r, value, hex, collation))
        return;
    r->unset = null && !typed && is_unset(r);
    put_name(r, &r->text);
    buf_u8(&r->text, '=');
    if (typed)
        put_typed(r, null ? (struct slice){(const uint8_t *)"0", 1} : value, hex, collation);
    if (null)
        put_null(r, typed);
    if (!r->plain_len)
        r->plain_len = buf_len(&r->text);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void adopt(struct session *s, struct session_server *server)
{
    bool up_to_date = server->settings_seen == s->settings_generation, all = true;
    for (unsigned i = 0; i < s->owed.n; i++) {
        struct session_reading *r = &s->owed.at[i];
        size_t len = buf_len(&r->text);
        if (r->unset)
            continue;
        if (len && settings_have_room(s, r->name, len))
            settings_remember(s, r->name, (struct slice){buf_at(&r->text), len}, r->plain_len);
        else
            all = false;
        if (buf_len(&r->then) && settings_names(s, r->name))
            settings_then(s, r->name, buf_cstr(&r->then));
    }
    if (!server->conn) {
        if (!all)
            sharing_note_lost(server, SESSION_HOLD_SETTING);
        return;
    }
    if (up_to_date)
        server->settings_seen = s->settings_generation;
    if (!all)
        readback_pin(s, s->owed.server, "a variable's value cannot be read back");
    if (!server->untracked)
        server->holds &= ~(unsigned)SESSION_HOLD_SETTING;
}

static void one_less(struct session *s)
{
    if (--s->owed.pending)
        return;
    void (*then)(struct session *s) = s->owed.then;
    adopt(s, &s->servers[s->owed.server]);
    readback_free(s);
    if (s->phase == SESSION_CLOSING)
        net_defer(s->worker->loop, &s->closing);
    else if (s->phase == SESSION_RUNNING)
        then(s);
    else
        sharing_answered(s);
}

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session_reading *r = arg;
    bool last = offset + part.len == frame_len;
    if (kind == WIRE_PACKET_COLUMN && !offset && last && !r->column.length)
        r->column = wire_column_read(part, r->session->caps);
    if (kind != WIRE_PACKET_ROW || frame_len > (size_t)r->session->world->config->max_packet) /* that one stays where it is */
        return;
    buf_append(&r->row, part.at, part.len);
    if (last)
        take_row(r, (struct slice){buf_at(&r->row), buf_len(&r->row)});
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session_reading *r = arg;
    if (outcome->error)
        buf_clear(&r->text);
    one_less(r->session);
}

/* The connection took the values along, as it would have taken them from a client of the server's own. */
static void on_lost(void *arg, const char *why)
{
    (void)why;
    one_less(((struct session_reading *)arg)->session);
}

static const struct backend_sink reading_sink = {.frame = on_frame, .done = on_done, .lost = on_lost};

static void send_reading(struct session_reading *r, struct backend_conn *conn)
{
    struct buf name = {0}, text = {0};
    bool user = *r->name == '@';
    buf_text(&name, user ? "@" : "@@session.");
    sql_quote_name(&name, r->name + user, &r->session->dialect);
    buf_printf(&text, "SELECT %s,HEX(%s),COLLATION(%s)", buf_cstr(&name), buf_cstr(&name), buf_cstr(&name));
    backend_send_query(conn, (const char *)buf_at(&text), buf_len(&text), &reading_sink, r);
    buf_fini(&name);
    buf_fini(&text);
}

void readback_run(struct session *s, void (*then)(struct session *s))
{
    struct backend_conn *conn = s->owed.n ? s->servers[s->owed.server].conn : NULL;
    if (!conn) {
        readback_free(s);
        then(s);
        return;
    }
    sharing_take_back(&s->servers[s->owed.server]);
    if (!s->owed.taken) /* else it was asked for with the last questions */
        found_rows_save(s, s->owed.server);
    s->owed.then = then;
    s->owed.pending = s->owed.n;
    for (unsigned i = 0; i < s->owed.n; i++) {
        s->owed.at[i].session = s;
        send_reading(&s->owed.at[i], conn);
    }
}

/* --- statements that are no SET ----------------------------------------------------------------------------------- */

static void note_user_variables(struct session *s)
{
    struct slice text = s->statement->text;
    struct sql_assigned it;
    struct sql_context ctx;
    char name[SQL_NAME_SIZE + 1] = "@";
    if (!memchr(text.at, '@', text.len))
        return;
    statement_context(s, &ctx);
    sql_assigned_begin(&it, text, &ctx);
    while (sql_assigned_next(&it, name + 1))
        readback_owe(s, s->target, name);
}

/* What MySQL's hint assigns is for its SELECT alone, but told as a change. */
static bool sets_for_itself(const struct session *s)
{
    static const char mark[] = "/*+";
    struct sql_tokens in, hint;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (s->statement->leaves & SQL_LEAVES_UNKNOWN || !sql_is_word(&in.ahead, "SELECT"))
        return false;
    struct sql_token select = sql_take(&in);
    const uint8_t *from = select.text.at + select.text.len;
    const uint8_t *at = memmem(from, (size_t)(in.ahead.text.at - from), mark, sizeof mark - 1);
    if (!at)
        return false;
    at += sizeof mark - 1;
    sql_tokens_init(&hint, (struct slice){at, (size_t)(in.ahead.text.at - at)}, &s->dialect);
    while (hint.ahead.kind != SQL_END && !sql_is_word(&hint.ahead, "SET_VAR"))
        sql_take(&hint);
    return hint.ahead.kind != SQL_END;
}

/* What a write reads and nobody has set MySQL sets to NULL for its binary log, and tells so. False: there is none. */
static bool owe_unset(struct session *s)
{
    struct sql_lexer l;
    char name[SQL_NAME_SIZE + 1] = "@";
    bool any = false;
    sql_lexer_init(&l, s->statement->text, &s->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l)) {
        bool user = t.kind == SQL_VARIABLE && !t.unfinished && t.text.len > 1 && t.text.at[1] != '@';
        if (!user || !sql_token_name(&l, &t, name + 1) || settings_names(s, name))
            continue;
        readback_owe(s, s->target, name);
        any = true;
    }
    return any;
}

/* Of a routine no error tells what it had done before it failed. */
static bool changed_unseen(const struct session *s, const struct backend_outcome *outcome)
{
    struct sql_tokens in;
    if (diagnostics_is_get(s) || sets_for_itself(s)) /* the first may have run as a SET of user variables */
        return false;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (sql_accept_word(&in, "SET")) /* SET STATEMENT reports what it takes back silently, SET RESOURCE GROUP reports nothing */
        return !outcome->error && sql_accept_word(&in, "RESOURCE");
    return outcome->state_changed ||
           (outcome->error && sql_accept_word(&in, "CALL") && !holds_found_no_routine(s, outcome));
}

/* A routine or trigger changes what it likes: what the server names follows the session, what it does not name stays there.
 * sql_mode and the client's character set are put back at the end of a routine, which the server does not report. */
void readback_note(struct session *s, const struct backend_outcome *outcome)
{
    struct session_server *server = &s->servers[s->target];
    enum sql_kind kind = s->statement->kind;
    if (!server->conn)
        return;
    server->conn->ansi_quotes = s->dialect.ansi_quotes;
    server->conn->no_backslash_escapes = s->dialect.no_backslash_escapes;
    memcpy(server->conn->client_charset, s->charset_there, sizeof s->charset_there);
    if (kind == SQL_TEMPORARY_TABLE || kind == SQL_IMPLICIT_COMMIT)
        return;
    note_user_variables(s);
    bool writes = kind == SQL_PLAIN && !(s->statement->leaves & SQL_LEAVES_UNKNOWN) && !server->conn->mariadb;
    if (!changed_unseen(s, outcome) || (writes && outcome->state_changed && owe_unset(s)))
        return;
    readback_pin(s, s->target, "what a statement changed in the session cannot be told");
    for (unsigned i = 0; i < BACKEND_N_TRACKED; i++)
        if (outcome->changed & (1u << i) && i != BACKEND_TRACKED_autocommit_BIT)
            readback_owe(s, s->target, backend_tracked_name(i));
}
