/* What must be in force on a server before a statement, and is waited for: schema, character set, settings, how it reads texts.
 * Leaves the settings' own texts to settings.c, what goes out in the statement's own write to target.c. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

void setup_command_failed(struct session *s, const struct backend_outcome *outcome)
{
    if (s->setup_failed)
        return;
    s->setup_failed = true;
    s->setup_error = outcome->error;
    memcpy(s->setup_sqlstate, outcome->sqlstate, sizeof s->setup_sqlstate);
    snprintf(s->setup_message, sizeof s->setup_message, "backend '%s' does not take the session's state: %.180s",
             session_backend_name(s, s->target), outcome->message);
}

void setup_command_answered(struct session *s)
{
    if (--s->setup_pending || s->phase != SESSION_RUNNING)
        return;
    if (s->setup_failed) {
        /* half set up is worse than none: the next statement begins afresh */
        struct session_server *server = &s->servers[s->target];
        server->settings_seen = 0;
        server->conn->charset = 0;
        server->conn->schema[0] = '\0';
        if (!tx_is_on(s, s->target))
            link_drop(server, "session settings were refused");
        session_answer_error(s, s->setup_error, s->setup_sqlstate, "%s", s->setup_message);
        return;
    }
    target_go_on(s);
}

static void on_setup_done(void *arg, const struct backend_outcome *outcome)
{
    if (outcome->error)
        setup_command_failed(arg, outcome);
    setup_command_answered(arg);
}

static const struct backend_sink setup_sink = {.done = on_setup_done, .lost = link_on_lost};

static void setup_query(struct session *s, struct backend_conn *conn, struct buf *text)
{
    s->setup_pending++;
    backend_send_query(conn, (const char *)buf_at(text), buf_len(text), &setup_sink, s);
    buf_clear(text);
}

#define CHARSET_OF_SERVER UINT16_MAX /* no collation's number */

/* The default schema to be set there; NULL: none. Where the session's is another server's, a function must not be found in the
 * one that somebody else has left. */
static const char *schema_wanted(const struct session *s, const struct backend_conn *conn)
{
    bool old = s->servers[s->target].fresh && backend_schema_old(conn);
    const char *wanted = s->schema;
    if (!*s->schema)
        return NULL;
    if (statement_backend_of_schema(s, s->schema) != s->target) {
        wanted = s->statement->unqualified_routine && *conn->schema ? "information_schema" : conn->schema;
        old = false;
    }
    return old || strcmp(wanted, conn->schema) ? wanted : NULL;
}

/* The other family's numbers, as what comes nearest: MySQL's 0900 collations from 255 up; MariaDB's without padding from 1024 up,
 * its uca1400 ones from 2048 up, 256 a character set. */
static uint16_t charset_known_to(const struct backend_conn *conn, uint16_t charset)
{
    if (conn->mariadb)
        return charset >= 255 && charset < 1024 ? WIRE_CHARSET_UTF8MB4 : charset;
    if (charset < 1024)
        return charset;
    return charset < 2048 ? (uint16_t)(charset - 1024) : charset < 2048 + 256 ? WIRE_CHARSET_UTF8MB3 : WIRE_CHARSET_UTF8MB4;
}

static uint16_t wanted_charset(const struct session *s, const struct backend_conn *conn)
{
    return s->charset_of_server && !conn->mariadb ? CHARSET_OF_SERVER : s->charset;
}

bool setup_mode_fits(const struct session *s, const struct backend_conn *conn)
{
    return conn->ansi_quotes == s->dialect.ansi_quotes && conn->no_backslash_escapes == s->dialect.no_backslash_escapes;
}

/* The servers' global modes differ, or one of them has refused the session's: a statement must mean there what was read here.
 * Where ANSI stands as well it would bring its parts back. */
static void send_mode(struct session *s, struct backend_conn *conn)
{
    struct buf text = {0};
    buf_text(&text, "SET sql_mode=");
    buf_text(&text, s->dialect.ansi_quotes ? "CONCAT(" : "REPLACE(REPLACE(");
    buf_text(&text, s->dialect.no_backslash_escapes ? "CONCAT(@@sql_mode,',NO_BACKSLASH_ESCAPES')"
                                            : "REPLACE(@@sql_mode,'NO_BACKSLASH_ESCAPES','')");
    buf_text(&text, s->dialect.ansi_quotes ? ",',ANSI_QUOTES')" : ",'ANSI_QUOTES',''),'ANSI','')");
    s->mode_sent = true;
    setup_query(s, conn, &text);
    buf_fini(&text);
}

static void on_charset_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error && sql_charset_of_collation(s->charset) != SQL_CHARSET_PLAIN)
        setup_command_failed(s, outcome);
    else if (outcome->error) /* as servers take what they do not know at log-in: their default */
        log_info("session_charset_unknown", "session=%llu backend=%s collation=%u", (unsigned long long)s->id,
                 session_backend_name(s, s->target), s->charset);
    setup_command_answered(s);
}

static void on_exact_charset_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    s->servers[s->target].collation_refused = outcome->error;
    setup_command_answered(s);
}

static const struct backend_sink charset_sink = {.done = on_charset_done, .lost = link_on_lost};
static const struct backend_sink exact_charset_sink = {.done = on_exact_charset_done, .lost = link_on_lost};

static void send_charset_query(struct session *s, struct backend_conn *conn, const char *text, const struct backend_sink *sink)
{
    s->setup_pending++;
    backend_send_query(conn, text, strlen(text), sink, s);
}

/* MariaDB takes a character set by the number of its default collation only: it is asked for its name there. */
static void send_one_charset(struct session *s, struct backend_conn *conn, uint16_t charset, const struct backend_sink *sink)
{
    char text[128];
    if (conn->mariadb) {
        snprintf(text, sizeof text, "SET collation_connection=%u", charset);
        send_charset_query(s, conn, text, sink);
        send_charset_query(s, conn,
                           "SET character_set_client=@@character_set_connection,character_set_results=@@character_set_connection",
                           &setup_sink);
        return;
    }
    snprintf(text, sizeof text, "SET character_set_client=%u,character_set_results=%u,collation_connection=%u", charset, charset,
             charset);
    send_charset_query(s, conn, text, sink);
}

/* A newer server may know more of the other family's than we think: it is asked for the very one, once. */
static void send_charset(struct session *s, struct backend_conn *conn)
{
    if (wanted_charset(s, conn) == CHARSET_OF_SERVER) {
        struct buf text = {0};
        buf_text(&text, "SET character_set_client=@@global.character_set_client,"
                        "character_set_results=@@global.character_set_results,"
                        "collation_connection=@@global.collation_connection");
        setup_query(s, conn, &text);
        buf_fini(&text);
        return;
    }
    uint16_t known = charset_known_to(conn, s->charset);
    send_one_charset(s, conn, known, &charset_sink);
    if (known != s->charset && !s->servers[s->target].collation_refused)
        send_one_charset(s, conn, s->charset, &exact_charset_sink);
}

/* True where something was sent and must be waited for: a statement must not run in the wrong schema or character set. */
bool setup_run(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    struct backend_conn *conn = server->conn;
    s->setup_failed = false;
    if (conn->charset != wanted_charset(s, conn) && !settings_name_charset(s))
        send_charset(s, conn);
    conn->charset = wanted_charset(s, conn);
    const char *schema = schema_wanted(s, conn);
    if (schema) {
        s->setup_pending++;
        backend_enter_schema(conn, schema, &setup_sink, s);
    }
    if (server->fresh) {
        sharing_replay(s, server, setup_query);
        server->fresh = false;
    }
    if (server->settings_seen != s->settings_generation)
        settings_replay(s);
    else if (!setup_mode_fits(s, conn) && !s->mode_sent)
        send_mode(s, conn);
    return s->setup_pending;
}
