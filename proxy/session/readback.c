/* Variables whose value only a server knows, since it computed it: remembered by name, read back when the session turns to
 * another server, then followed like any literal. What cannot be read keeps its connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/settings.h"
#include "proxy/sql/assigned.h"
#include "proxy/sql/quote.h"

#define OWED_MAX 256 /* names at a time; who has more is held */

struct session_reading {
    struct session *session;
    char name[SQL_NAME_SIZE + 1];
    uint8_t type;    /* of its column */
    uint16_t flags;
    struct buf row;  /* as it comes */
    struct buf text; /* "SET ..." without the SET, once it is known */
    size_t plain_len;
};

void readback_pin(struct session *s, int server, const char *why)
{
    if (s->servers[server].untracked || !s->servers[server].conn)
        return;
    s->servers[server].untracked = true;
    s->servers[server].holds |= SESSION_HOLD_SETTING;
    log_info("session_held", "session=%llu backend=%s why=\"%.160s\"", (unsigned long long)s->id,
             s->world->config->backends[server].name, why);
}

void readback_free(struct session *s)
{
    for (unsigned i = 0; i < s->owed.n; i++) {
        buf_fini(&s->owed.at[i].row);
        buf_fini(&s->owed.at[i].text);
    }
    free(s->owed.at);
    memset(&s->owed, 0, sizeof s->owed);
}

void readback_server_gone(struct session *s, int server)
{
    if (s->owed.n && !s->owed.pending && s->owed.server == server)
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

static void put_name(struct buf *out, const char *name)
{
    bool user = *name == '@';
    buf_text(out, user ? "@" : "SESSION ");
    sql_quote_name(out, name + user);
}

/* The bytes as they are, in the character set that the collation belongs to; utf8mb4 has the names of system variables and all
 * they hold. */
static void put_string(struct session_reading *r, struct slice hex, struct slice collation)
{
    bool user = *r->name == '@';
    size_t charset = 0;
    while (charset < collation.len && collation.at[charset] != '_')
        charset++;
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
    if (r->type == WIRE_TYPE_LONGLONG && r->flags & WIRE_COLUMN_UNSIGNED && *r->name == '@') { /* 0 - 1 is an error with it */
        buf_printf(&r->text, "CAST(%.*s AS UNSIGNED)", (int)value.len, (const char *)value.at);
        return;
    }
    buf_append(&r->text, value.at, value.len);
    if (r->type == WIRE_TYPE_DOUBLE && !memchr(value.at, 'e', value.len))
        buf_text(&r->text, "e0"); /* else it would be a decimal */
    if (r->type == WIRE_TYPE_NEWDECIMAL && !memchr(value.at, '.', value.len))
        buf_u8(&r->text, '.'); /* else an integer */
}

static bool is_number(uint8_t type)
{
    return type <= WIRE_TYPE_DOUBLE || type == WIRE_TYPE_LONGLONG || type == WIRE_TYPE_INT24 || type == WIRE_TYPE_YEAR ||
           type == WIRE_TYPE_NEWDECIMAL;
}

/* value, HEX(value), COLLATION(value) */
static void take_row(struct session_reading *r, struct slice row)
{
    struct cursor c = cursor_make(row.at, row.len);
    bool null, no_hex, no_collation;
    struct slice value = wire_lenenc_str(&c, &null), hex = wire_lenenc_str(&c, &no_hex);
    struct slice collation = wire_lenenc_str(&c, &no_collation);
    if (c.bad || (!null && !is_number(r->type) && !hex.at)) /* HEX() of much is NULL with a warning */
        return;
    put_name(&r->text, r->name);
    buf_u8(&r->text, '=');
    if (null)
        buf_text(&r->text, "NULL");
    else if (is_number(r->type))
        put_number(r, value);
    else
        put_string(r, hex, collation);
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
        if (len && settings_have_room(s, r->name, len))
            settings_remember(s, r->name, (struct slice){buf_at(&r->text), len}, r->plain_len);
        else
            all = false;
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
    if (kind == WIRE_PACKET_COLUMN && !offset && last && !r->type)
        r->type = wire_column_type(part, r->session->caps, &r->flags);
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
    sql_quote_name(&name, r->name + user);
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

/* Of a routine no error tells what it had done before it failed. */
static bool changed_unseen(const struct session *s, const struct backend_outcome *outcome)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (sql_accept_word(&in, "SET")) /* SET STATEMENT reports what it takes back silently, SET RESOURCE GROUP reports nothing */
        return !outcome->error && sql_accept_word(&in, "RESOURCE");
    return outcome->state_changed || (outcome->error && sql_accept_word(&in, "CALL"));
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
    if (!changed_unseen(s, outcome))
        return;
    readback_pin(s, s->target, "what a statement changed in the session cannot be told");
    for (unsigned i = 0; i < BACKEND_N_TRACKED; i++)
        if (outcome->changed & (1u << i) && i != BACKEND_TRACKED_autocommit_BIT)
            readback_owe(s, s->target, backend_tracked_name(i));
}
