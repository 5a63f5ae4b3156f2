/* Session settings as state, not as a log of commands: what a SET said last of each name follows the session to every server it uses. What
 * cannot follow pins the session to the server that knows it. autocommit is the proxy's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/session.h"
#include "proxy/session/tx.h"

/* What the statement under way will mean once its server has accepted it. */
struct set_plan {
    struct buf text;        /* what the server is sent, without "SET " */
    int autocommit;         /* -1: not named */
    bool one_shot;          /* SET TRANSACTION, or a transaction_... without scope: for the next transaction */
    bool mode;              /* sql_mode is named: how statements are read changes */
    unsigned n;             /* assignments */
    bool failed;            /* the error was answered */
};

#define SETTINGS_MAX 1024 /* names a session, and assignments a statement: each is compared with each */

static void forget_setting(struct session_setting *setting)
{
    free(setting->text);
}

static struct session_setting *find_setting(const struct session *s, const char *name)
{
    for (unsigned i = 0; i < s->n_settings; i++)
        if (!strcmp(s->settings[i].name, name))
            return &s->settings[i];
    return NULL;
}

void variables_free(struct session *s)
{
    for (unsigned i = 0; i < s->n_settings; i++)
        forget_setting(&s->settings[i]);
    free(s->settings);
    s->settings = NULL;
    s->n_settings = 0;
    s->settings_generation = 0;
    s->settings_bytes = 0;
    free(s->sql_mode);
    s->sql_mode = NULL;
}

static void remember(struct session *s, const char *name, const char *text)
{
    struct session_setting *found = find_setting(s, name);
    if (!found) {
        found = realloc(s->settings, (s->n_settings + 1) * sizeof *found);
        CHECK(found);
        s->settings = found;
        found = &s->settings[s->n_settings++];
        *found = (struct session_setting){.text = NULL};
        snprintf(found->name, sizeof found->name, "%s", name);
    }
    s->settings_bytes -= found->len;
    free(found->text);
    found->text = strdup(text);
    CHECK(found->text);
    found->len = strlen(text);
    s->settings_bytes += found->len;
    found->generation = ++s->settings_generation;
}

bool variables_names_set(const struct session *s)
{
    for (unsigned i = 0; i < s->n_settings; i++)
        if (!strcmp(s->settings[i].name, "names") || !strcmp(s->settings[i].name, "character set"))
            return true;
    return false;
}

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

/* In the order in which they were said, since a later one may overrule an earlier one of another name (NAMES, sql_mode). */
void variables_replay(struct session *s, struct session_server *server,
                      void (*send)(struct session *s, struct backend_conn *conn, struct buf *text))
{
    struct buf text = {0};
    uint64_t seen = server->settings_seen;
    for (struct session_setting *it; (it = next_setting(s, seen)); seen = it->generation) {
        bool alone = !strncmp(it->name, "transaction ", 12) || !strcmp(it->name, "role");
        if (alone && buf_len(&text))
            send(s, server->conn, &text);
        buf_printf(&text, "%s%s", buf_len(&text) ? ", " : "SET ", it->text);
        if (alone)
            send(s, server->conn, &text);
    }
    if (buf_len(&text))
        send(s, server->conn, &text);
    buf_fini(&text);
}

/* --- character sets --------------------------------------------------------------------------------------------------- */

bool variables_charset_unsafe(uint16_t c)
{
    return c == 1 || c == 84 || c == 13 || c == 88 || c == 28 || c == 87 || c == 95 || c == 96 || (c >= 248 && c <= 250);
}

/* By name or number; what only the server could evaluate may be one of them. */
static bool sets_unsafe_charset(const struct sql_set *set)
{
    static const char *const unsafe[] = {"big5", "sjis", "gbk", "cp932", "gb18030"};
    char value[128];
    bool variable = set->scope == SQL_SET_SESSION || set->scope == SQL_SET_ONE_SHOT;
    if (!variable || (strcmp(set->name, "names") && strcmp(set->name, "character set") &&
                      strcmp(set->name, "character_set_client")))
        return false;
    if (set->value.len >= sizeof value)
        return true;
    snprintf(value, sizeof value, "%.*s", (int)set->value.len, (const char *)set->value.at);
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        if (strcasestr(value, unsafe[i]))
            return true;
    return (!set->literal && !strcmp(set->name, "character_set_client")) ||
           variables_charset_unsafe((uint16_t)strtoul(value, NULL, 10));
}

/* --- SET -------------------------------------------------------------------------------------------------------------- */

/* An expression that every server answers alike: nothing of user variables, tables, or the moment. */
static bool same_everywhere(const struct session *s, const struct sql_set *set)
{
    if (set->literal)
        return true;
    struct sql_lexer l;
    sql_lexer_init(&l, set->value, s->ansi_quotes, s->no_backslash_escapes);
    for (;;) {
        struct sql_token t = sql_next(&l);
        if (t.kind == SQL_END)
            return true;
        if (t.kind == SQL_VARIABLE || t.kind == SQL_SYSTEM_VARIABLE || sql_is_punct(&t, '('))
            return false; /* a value of this server or this moment, or a function of whatever it likes */
    }
}

static void setting_name(const struct sql_set *set, char *out, size_t size)
{
    snprintf(out, size, "%s%s", set->scope == SQL_SET_USER ? "@" : "", set->name);
}

static void setting_text(const struct sql_set *set, struct buf *out)
{
    if (set->scope == SQL_SET_USER)
        buf_printf(out, "@`%s`=", set->name);
    else if (set->scope == SQL_SET_GLOBAL)
        buf_printf(out, "GLOBAL %s=", set->name);
    else if (!strcmp(set->name, "names"))
        buf_text(out, "NAMES ");
    else if (!strcmp(set->name, "character set"))
        buf_text(out, "CHARACTER SET ");
    else if (!strcmp(set->name, "role"))
        buf_text(out, "ROLE ");
    else
        buf_printf(out, "SESSION %s=", set->name);
    buf_append(out, set->value.at, set->value.len);
}

static bool is_transaction_characteristic(const char *name)
{
    return !strcmp(name, "transaction_isolation") || !strcmp(name, "tx_isolation") || !strcmp(name, "transaction_read_only") ||
           !strcmp(name, "tx_read_only");
}

static bool is_sql_mode(const struct sql_set *set)
{
    return (set->scope == SQL_SET_SESSION || set->scope == SQL_SET_ONE_SHOT) && !strcmp(set->name, "sql_mode");
}

static void fail(struct session *s, struct set_plan *plan, uint16_t code, const char *sqlstate, const char *text)
{
    plan->failed = true;
    session_answer_error(s, code, sqlstate, "%s", text);
}

static void plan_autocommit(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    plan->autocommit = slice_is_word(set->value, "default") ? 1 : sql_bool_value(set->value);
    if (plan->autocommit < 0)
        fail(s, plan, 1231, "42000", "Variable 'autocommit' can't be set to this value: the proxy takes 0, 1, ON and OFF");
}

/* What follows the session is kept, looked through at each SET and sent again to each new server. */
static bool has_room(const struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    char name[SQL_NAME_SIZE + 1];
    setting_name(set, name, sizeof name);
    const struct session_setting *known = find_setting(s, name);
    size_t others = s->settings_bytes - (known ? known->len : 0);
    return plan->n++ < SETTINGS_MAX && (known || s->n_settings < SETTINGS_MAX) &&
           others + buf_len(&plan->text) + set->value.len <= (size_t)s->world->config->max_packet;
}

static void plan_one(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    bool session_scope = set->scope == SQL_SET_SESSION || set->scope == SQL_SET_ONE_SHOT;
    if (session_scope && !strcmp(set->name, "autocommit")) {
        plan_autocommit(s, plan, set);
        return;
    }
    if (session_scope && !strncmp(set->name, "session_track_", 14))
        return; /* the proxy's own are in force on its connections, and clients are not offered tracking */
    if (session_scope && !strcmp(set->name, "xa_detach_on_prepare")) {
        fail(s, plan, 1235, "42000", "xa_detach_on_prepare belongs to the proxy");
        return;
    }
    if (sets_unsafe_charset(set)) {
        fail(s, plan, 1115, "42000", "this character set is not supported: its characters hide quotes; use utf8mb4");
        return;
    }
    if (set->scope == SQL_SET_ONE_SHOT && is_transaction_characteristic(set->name)) {
        if (s->tx) {
            fail(s, plan, 1568, "25001", "Transaction characteristics can't be changed while a transaction is in progress");
            return;
        }
        plan->one_shot = true;
        snprintf(s->one_shot, sizeof s->one_shot, "SET @@%.30s=%.*s", set->name, (int)(set->value.len < 40 ? set->value.len : 40),
                 (const char *)set->value.at);
        return;
    }
    if (!has_room(s, plan, set)) {
        fail(s, plan, 1235, "42000", "too many variables, or too long ones, to follow the session from server to server");
        return;
    }
    if (buf_len(&plan->text))
        buf_text(&plan->text, ", ");
    setting_text(set, &plan->text);
    plan->mode = plan->mode || is_sql_mode(set);
}

static void make_plan(struct session *s, struct set_plan *plan)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    *plan = (struct set_plan){.autocommit = -1};
    statement_context(s, &ctx);
    sql_set_begin(&reader, &s->statement, &ctx);
    while (!plan->failed && sql_set_next(&reader, &set))
        plan_one(s, plan, &set);
    if (reader.bad && !plan->failed) {
        /* a server shall complain about it */
        buf_clear(&plan->text);
        buf_append(&plan->text, s->statement.text.at, s->statement.text.len);
        plan->autocommit = -2;
    }
}

/* What the server made of it, since a mode may be a number, an expression, or stand for several others. */
static void adopt_sql_mode(struct session *s)
{
    struct buf text = {0};
    s->ansi_quotes = strstr(s->sql_mode, "ANSI_QUOTES");
    s->no_backslash_escapes = strstr(s->sql_mode, "NO_BACKSLASH_ESCAPES");
    buf_printf(&text, "SESSION sql_mode='%s'", s->sql_mode);
    remember(s, "sql_mode", buf_cstr(&text));
    buf_fini(&text);
}

/* The server has accepted it: from now on it is the session's. */
static void adopt(struct session *s)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    struct session_server *server = s->target >= 0 ? &s->servers[s->target] : NULL;
    bool up_to_date = server && server->settings_seen == s->settings_generation;
    statement_context(s, &ctx);
    sql_set_begin(&reader, &s->statement, &ctx);
    while (sql_set_next(&reader, &set)) {
        bool ours = !strcmp(set.name, "autocommit") || !strncmp(set.name, "session_track_", 14);
        if (set.scope == SQL_SET_GLOBAL || (set.scope != SQL_SET_USER && ours) ||
            (set.scope == SQL_SET_ONE_SHOT && is_transaction_characteristic(set.name)))
            continue;
        if (is_sql_mode(&set) && s->sql_mode) {
            adopt_sql_mode(s);
            continue;
        }
        char name[SQL_NAME_SIZE + 1];
        setting_name(&set, name, sizeof name);
        if (!same_everywhere(s, &set)) {
            s->pinned_server = s->target;
            snprintf(s->pinned_why, sizeof s->pinned_why, "variable %.60s was set from an expression", name);
            log_info("session_pinned", "session=%llu why=\"%s\"", (unsigned long long)s->id, s->pinned_why);
            continue;
        }
        struct buf text = {0};
        setting_text(&set, &text);
        remember(s, name, buf_cstr(&text));
        buf_fini(&text);
    }
    if (up_to_date)
        server->settings_seen = s->settings_generation;
}

static void finish(struct session *s, int autocommit)
{
    bool commits = autocommit == 1 && !s->autocommit && s->tx;
    if (autocommit >= 0)
        s->autocommit = autocommit;
    if (commits)
        tx_commit(s, SESSION_AFTER_OK);
    else
        session_answer_ok(s);
}

/* The answer is kept back until autocommit's part is done too. */
static void complete(struct session *s, const struct backend_outcome *outcome)
{
    if (outcome->error)
        session_put_error(s, outcome->error, outcome->sqlstate, outcome->message);
    if (!tx_note(s, outcome, false))
        return;
    if (outcome->error) {
        session_next(s);
        return;
    }
    struct set_plan plan;
    make_plan(s, &plan); /* again, for autocommit: nothing was kept over the round trip */
    adopt(s);
    buf_fini(&plan.text);
    finish(s, plan.autocommit);
}

static void on_set_done(void *arg, const struct backend_outcome *outcome)
{
    complete(arg, outcome);
}

static void on_mode_set(void *arg, const struct backend_outcome *outcome)
{
    ((struct session *)arg)->set_outcome = *outcome;
}

static void on_mode_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct cursor c = cursor_make(part.at, part.len);
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    struct slice mode = wire_lenenc_str(&c, NULL);
    free(s->sql_mode);
    s->sql_mode = c.bad || memchr(mode.at, '\'', mode.len) ? NULL : slice_dup(mode);
}

static void on_mode_read(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    complete(s, outcome->error ? outcome : &s->set_outcome);
}

static const struct backend_sink set_sink = {.done = on_set_done, .lost = target_on_lost};
static const struct backend_sink mode_set_sink = {.done = on_mode_set, .lost = target_on_lost};
static const struct backend_sink mode_sink = {.frame = on_mode_frame, .done = on_mode_read, .lost = target_on_lost};

static void send_query(struct session *s, const struct buf *text, const struct backend_sink *sink)
{
    backend_send_query(target_conn(s), (const char *)buf_at(text), buf_len(text), sink, s);
}

static void send_set(struct session *s)
{
    struct set_plan plan;
    make_plan(s, &plan);
    struct buf text = {0};
    buf_text(&text, plan.autocommit == -2 ? "" : "SET ");
    buf_append(&text, buf_at(&plan.text), buf_len(&plan.text));
    target_begin_aside(s);
    if (plan.mode) {
        free(s->sql_mode);
        s->sql_mode = NULL;
        send_query(s, &text, &mode_set_sink);
        buf_clear(&text);
        buf_text(&text, "SELECT @@sql_mode");
        send_query(s, &text, &mode_sink);
    } else {
        send_query(s, &text, &set_sink);
    }
    buf_fini(&text);
    buf_fini(&plan.text);
}

void variables_set(struct session *s)
{
    struct set_plan plan;
    make_plan(s, &plan);
    size_t to_send = buf_len(&plan.text);
    buf_fini(&plan.text);
    if (plan.failed)
        return;
    if (!to_send) {
        adopt(s);
        finish(s, plan.autocommit);
        return;
    }
    int backend = statement_route(s);
    if (backend >= 0)
        target_prepare(s, backend, false, send_set);
}

void variables_set_transaction(struct session *s)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    statement_context(s, &ctx);
    sql_set_begin(&reader, &s->statement, &ctx);
    bool well_formed = sql_set_next(&reader, &set);
    if (well_formed && set.scope == SQL_SET_ONE_SHOT) {
        if (s->tx)
            session_answer_error(s, 1568, "25001",
                                 "Transaction characteristics can't be changed while a transaction is in progress");
        else if (s->statement.text.len >= sizeof s->one_shot)
            session_answer_error(s, 1064, "42000", "SET TRANSACTION is too long");
        else {
            snprintf(s->one_shot, sizeof s->one_shot, "%.*s", (int)s->statement.text.len, (const char *)s->statement.text.at);
            session_answer_ok(s);
        }
        return;
    }
    if (!well_formed || s->statement.text.len > 150) {
        session_answer_error(s, 1064, "42000", "You have an error in your SQL syntax near 'TRANSACTION'");
        return;
    }
    /* SET SESSION TRANSACTION: a setting like others, in its own words, sent before the next use of each server */
    char text[192];
    snprintf(text, sizeof text, "SESSION TRANSACTION %.*s", (int)set.value.len, (const char *)set.value.at);
    remember(s, strcasestr(text, "isolation") ? "transaction isolation" : "transaction mode", text);
    session_answer_ok(s);
}
