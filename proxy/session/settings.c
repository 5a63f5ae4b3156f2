/* What a session was set to, as state: the last text of each name, sent again to every server that has not seen it yet. Leaves
 * SET to variables.c, values that only a server knows to readback.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"

#define WAIT_TIMEOUT_MAX 31536000 /* as servers have it */

static struct session_setting *find(const struct session *s, const char *name)
{
    for (unsigned i = 0; i < s->n_settings; i++)
        if (!strcmp(s->settings[i].name, name))
            return &s->settings[i];
    return NULL;
}

void settings_free(struct session *s)
{
    for (unsigned i = 0; i < s->n_settings; i++) {
        free(s->settings[i].text);
        free(s->settings[i].then);
    }
    free(s->settings);
    s->settings = NULL;
    s->n_settings = 0;
    s->settings_generation = 0;
    s->settings_bytes = 0;
    s->wait_timeout_s = 0;
}

bool settings_have_room(const struct session *s, const char *name, size_t len)
{
    const struct session_setting *known = find(s, name);
    size_t others = s->settings_bytes - (known ? known->len : 0);
    return (known || s->n_settings < SETTINGS_MAX) && others + len <= (size_t)s->world->config->max_packet;
}

static struct session_setting *find_or_add(struct session *s, const char *name)
{
    struct session_setting *found = find(s, name);
    if (found)
        return found;
    void *grown = realloc(s->settings, (s->n_settings + 1) * sizeof *s->settings);
    CHECK(grown);
    s->settings = grown;
    found = &s->settings[s->n_settings++];
    *found = (struct session_setting){0};
    snprintf(found->name, sizeof found->name, "%s", name);
    return found;
}

/* "SESSION wait_timeout=60"; 0 for DEFAULT. */
static int seconds_of(struct slice text)
{
    const uint8_t *equals = memchr(text.at, '=', text.len);
    struct cursor c = cursor_make(equals + 1, text.len - (size_t)(equals + 1 - text.at));
    int seconds = 0;
    for (uint8_t digit = cursor_u8(&c); !c.bad && seconds <= WAIT_TIMEOUT_MAX; digit = cursor_u8(&c))
        if (digit >= '0' && digit <= '9')
            seconds = 10 * seconds + (digit - '0');
    return seconds < WAIT_TIMEOUT_MAX ? seconds : WAIT_TIMEOUT_MAX;
}

void settings_remember(struct session *s, const char *name, struct slice text, size_t plain_len)
{
    struct session_setting *setting = find_or_add(s, name);
    s->settings_bytes += text.len - setting->len;
    free(setting->text);
    free(setting->then);
    setting->then = NULL;
    setting->text = slice_dup(text);
    setting->len = text.len;
    setting->plain_len = plain_len;
    setting->generation = ++s->settings_generation;
    if (!strcmp(name, "wait_timeout"))
        s->wait_timeout_s = seconds_of(text);
}

void settings_then(struct session *s, const char *name, const char *statement)
{
    struct session_setting *setting = find_or_add(s, name);
    free(setting->then);
    setting->then = strdup(statement);
    CHECK(setting->then);
}

bool settings_names(const struct session *s, const char *name)
{
    return find(s, name);
}

struct slice settings_text(const struct session *s, const char *name)
{
    const struct session_setting *it = find(s, name);
    return it ? (struct slice){(const uint8_t *)it->text, it->len} : (struct slice){NULL, 0};
}

/* --- by name ------------------------------------------------------------------------------------------------------------ */

bool settings_is_charset(const char *name)
{
    return !strcmp(name, "names") || !strcmp(name, "character set") || !strncmp(name, "character_set_", 14) ||
           !strcmp(name, "collation_connection");
}

static bool is_client_charset(const char *name)
{
    return !strcmp(name, "names") || !strcmp(name, "character set") || !strcmp(name, "character_set_client");
}

bool settings_name_charset(const struct session *s)
{
    return find(s, "names") || find(s, "character set");
}

/* They change how the texts behind them are read, or have words of their own. */
static bool goes_alone(const char *name)
{
    return settings_is_charset(name) || !strcmp(name, "sql_mode") || !strcmp(name, "role") || !strncmp(name, "transaction ", 12);
}

/* The families call it differently, and MariaDB before 11.1 knows its own name only. */
static const char *name_on(const struct backend_conn *conn, const char *name)
{
    bool isolation = !strcmp(name, "transaction_isolation") || !strcmp(name, "tx_isolation");
    bool access = !strcmp(name, "transaction_read_only") || !strcmp(name, "tx_read_only");
    if (isolation)
        return conn->mariadb ? "tx_isolation" : "transaction_isolation";
    if (access)
        return conn->mariadb ? "tx_read_only" : "transaction_read_only";
    return NULL;
}

static void put_text(struct buf *out, struct backend_conn *conn, const struct session_setting *it, size_t len)
{
    const char *name = name_on(conn, it->name), *value = name ? memchr(it->text, '=', len) : NULL;
    conn->role_changed |= !strcmp(it->name, "role");
    buf_text(out, buf_len(out) ? ", " : "SET ");
    if (value)
        buf_printf(out, "SESSION %s%.*s", name, (int)(it->text + len - value), value);
    else
        buf_append(out, it->text, len);
}

/* --- replay --------------------------------------------------------------------------------------------------------------- */

static struct session_setting *next_setting(struct session *s, uint64_t after)
{
    struct session_setting *next = NULL;
    for (unsigned i = 0; i < s->n_settings; i++) {
        struct session_setting *it = &s->settings[i];
        if (it->generation > after && (!next || it->generation < next->generation))
            next = it;
    }
    return next;
}

static void on_batch_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct session_server *server = &s->servers[s->target];
    if (outcome->error) { /* one of them: all once more, each for itself */
        server->settings_one_by_one = true;
        server->settings_seen = 0;
    }
    setup_command_answered(s);
}

/* A server of the other family has no such variable, or no such collation: the session goes on without it there. */
static void on_optional_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        log_info("session_setting_skipped", "session=%llu backend=%s error=%u message=\"%s\"", (unsigned long long)s->id,
                 session_backend_name(s, s->target), outcome->error, outcome->message);
    setup_command_answered(s);
}

/* Statements would be read wrongly in another character set. */
static void on_charset_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        setup_command_failed(s, outcome);
    setup_command_answered(s);
}

static const struct backend_sink batch_sink = {.done = on_batch_done, .lost = link_on_lost};
static const struct backend_sink optional_sink = {.done = on_optional_done, .lost = link_on_lost};
static const struct backend_sink charset_sink = {.done = on_charset_done, .lost = link_on_lost};

static void send(struct session *s, struct buf *text, const struct backend_sink *sink)
{
    if (!buf_len(text))
        return;
    s->setup_pending++;
    backend_send_query(target_conn(s), (const char *)buf_at(text), buf_len(text), sink, s);
    buf_clear(text);
}

static void send_then(struct session *s, const struct session_setting *it, const struct backend_sink *sink)
{
    struct buf text = {0};
    if (it->then)
        buf_text(&text, it->then);
    send(s, &text, sink);
    buf_fini(&text);
}

static void send_batches(struct session *s, struct buf *text)
{
    uint64_t seen = s->servers[s->target].settings_seen;
    for (struct session_setting *it; (it = next_setting(s, seen)); seen = it->generation) {
        if (goes_alone(it->name))
            send(s, text, &batch_sink);
        put_text(text, target_conn(s), it, it->len);
        if (goes_alone(it->name) || it->then)
            send(s, text, &batch_sink);
        send_then(s, it, &batch_sink);
    }
    send(s, text, &batch_sink);
}

/* First without its collation, which the families share less than the character sets. */
static void send_one_by_one(struct session *s, struct buf *text)
{
    uint64_t seen = s->servers[s->target].settings_seen;
    for (struct session_setting *it; (it = next_setting(s, seen)); seen = it->generation) {
        put_text(text, target_conn(s), it, it->plain_len);
        send(s, text, is_client_charset(it->name) ? &charset_sink : &optional_sink);
        send_then(s, it, &optional_sink);
        if (it->plain_len == it->len)
            continue;
        put_text(text, target_conn(s), it, it->len);
        send(s, text, &optional_sink);
    }
}

/* In the order in which they were said, since a later one may overrule an earlier one of another name (NAMES, sql_mode). */
void settings_replay(struct session *s)
{
    struct session_server *server = &s->servers[s->target];
    struct buf text = {0};
    if (server->settings_one_by_one)
        send_one_by_one(s, &text);
    else
        send_batches(s, &text);
    server->settings_seen = s->settings_generation;
    buf_fini(&text);
}
