/* SET: what the server is sent, what becomes of it when it was accepted. autocommit is the proxy's own, literals follow the
 * session at once (settings.c), what a server computed is read back (readback.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

/* What the statement under way is to its server, and to us. */
struct set_plan {
    struct buf text;         /* what the server is sent, without "SET " */
    int autocommit;          /* -1: not named, or an expression */
    struct slice autocommit_expression; /* for the server to compute; at == NULL: none */
    bool verbatim;           /* not read to its end: the server gets it as it is */
    unsigned n;              /* assignments */
    bool failed;             /* the error was answered */
};

void variables_reset(struct session *s)
{
    const struct backend *home = &s->world->backends.at[statement_home(s)];
    settings_free(s);
    readback_free(s);
    tracking_free(s);
    s->autocommit = !home->no_autocommit;
    s->one_shot = (struct session_characteristics){.access = ""};
    s->read_only = false;
    s->dialect = (struct sql_dialect){home->ansi_quotes, home->no_backslash_escapes, sql_charset_of_collation(s->charset)};
}

/* --- SET -------------------------------------------------------------------------------------------------------------- */

/* Words that mean something else each time, though they look like literals. */
static bool is_moment(struct slice word)
{
    static const char *const begins[] = {"current", "local", "utc_", "sysdate", "now"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (word.len >= strlen(begins[i]) && !strncasecmp((const char *)word.at, begins[i], strlen(begins[i])))
            return true;
    return false;
}

/* An expression that every server answers alike: nothing of variables, tables, functions, or the moment. */
static bool same_everywhere(const struct session *s, const struct sql_set *set)
{
    struct sql_lexer l;
    sql_lexer_init(&l, set->value, &s->dialect);
    for (;;) {
        struct sql_token t = sql_next(&l);
        if (t.kind == SQL_END)
            return true;
        if (t.kind == SQL_VARIABLE || t.kind == SQL_SYSTEM_VARIABLE || sql_is_punct(&t, '(') ||
            (t.kind == SQL_WORD && is_moment(t.text)))
            return false;
    }
}

static void setting_name(const struct sql_set *set, char *out, size_t size)
{
    snprintf(out, size, "%s%s", set->scope == SQL_SET_USER ? "@" : "", set->name);
}

static void setting_text(const struct sql_set *set, struct buf *out)
{
    static const char *const scopes[] = {[SQL_SET_SESSION] = "SESSION ", [SQL_SET_ONE_SHOT] = "SESSION ",
                                         [SQL_SET_GLOBAL] = "GLOBAL ",
                                         [SQL_SET_PERSIST] = "PERSIST ", [SQL_SET_PERSIST_ONLY] = "PERSIST_ONLY ",
                                         [SQL_SET_USER] = "@"};
    if (!strcmp(set->name, "names"))
        buf_text(out, "NAMES ");
    else if (!strcmp(set->name, "character set"))
        buf_text(out, "CHARACTER SET ");
    else if (!strcmp(set->name, "role"))
        buf_text(out, "ROLE ");
    else {
        buf_text(out, scopes[set->scope]);
        if (set->scope == SQL_SET_USER)
            sql_quote_name(out, set->name);
        else
            buf_text(out, set->name);
        buf_u8(out, '=');
    }
    buf_append(out, set->value.at, set->value.len);
}

static bool is_access(const char *name)
{
    return !strcmp(name, "transaction_read_only") || !strcmp(name, "tx_read_only");
}

static bool is_transaction_characteristic(const char *name)
{
    return !strcmp(name, "transaction_isolation") || !strcmp(name, "tx_isolation") || is_access(name);
}

static bool of_session(const struct sql_set *set)
{
    return set->scope == SQL_SET_SESSION || set->scope == SQL_SET_ONE_SHOT;
}

static bool is_one_shot(const struct sql_set *set)
{
    return set->scope == SQL_SET_ONE_SHOT && is_transaction_characteristic(set->name);
}

/* For the next statement there, or of that one thread: to follow the session would be to do it twice. */
static bool is_of_the_connection(const char *name)
{
    static const char *const names[] = {"insert_id", "last_insert_id", "identity", "rand_seed1", "rand_seed2", "gtid_next",
                                        "gtid_seq_no", "pseudo_thread_id", "pseudo_slave_mode", "pseudo_replica_mode"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static void fail(struct session *s, struct set_plan *plan, uint16_t code, const char *sqlstate, const char *text)
{
    plan->failed = true;
    session_answer_error(s, code, sqlstate, "%s", text);
}

static void plan_autocommit(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    bool usual = !s->world->backends.at[statement_home(s)].no_autocommit;
    plan->autocommit = slice_is_word(set->value, "default") ? usual : sql_bool_value(set->value);
    plan->autocommit_expression = plan->autocommit < 0 ? set->value : (struct slice){0};
}

static void plan_one_shot(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    struct session_characteristics c = {.access = ""};
    char *text = is_access(set->name) ? c.access : c.isolation;
    size_t size = is_access(set->name) ? sizeof c.access : sizeof c.isolation;
    if (s->tx || s->xa) {
        fail(s, plan, 1568, "25001", "Transaction characteristics can't be changed while a transaction is in progress");
    } else if (set->value.len > 40) {
        fail(s, plan, 1231, "42000", "SET of a transaction's characteristics takes a value or a variable");
    } else {
        snprintf(text, size, "SET @@%.30s=%.*s", set->name, (int)set->value.len, (const char *)set->value.at);
        c.read_only = sql_bool_value(set->value) == 1;
        characteristics_add(&s->one_shot, &c);
    }
}

/* What follows the session is kept, looked through at each SET and sent again to each new server. */
static bool has_room(const struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    char name[SQL_NAME_SIZE + 1];
    setting_name(set, name, sizeof name);
    return plan->n++ < SETTINGS_MAX && settings_have_room(s, name, buf_len(&plan->text) + set->value.len);
}

/* The proxy's own are in force on its connections. */
static void plan_tracking(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    struct buf text = {0};
    if (!tracking_plan(s, set, &text))
        fail(s, plan, 1231, "42000", "a session_track_... variable can't be set to this value: the proxy takes literals");
    else if (buf_len(&text))
        buf_printf(&plan->text, "%s%s", buf_len(&plan->text) ? ", " : "", buf_cstr(&text));
    buf_fini(&text);
}

static void plan_one(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    if (of_session(set) && !strcmp(set->name, "autocommit"))
        plan_autocommit(s, plan, set);
    else if (of_session(set) && tracking_is_setting(set->name))
        plan_tracking(s, plan, set);
    else if (of_session(set) && !strcmp(set->name, "xa_detach_on_prepare"))
        fail(s, plan, 1235, "42000", "xa_detach_on_prepare belongs to the proxy");
    else if (is_one_shot(set))
        plan_one_shot(s, plan, set);
    else if (!has_room(s, plan, set))
        fail(s, plan, 1235, "42000", "too many variables, or too long ones, to follow the session from server to server");
    else {
        if (buf_len(&plan->text))
            buf_text(&plan->text, ", ");
        setting_text(set, &plan->text);
    }
}

static void make_plan(struct session *s, struct set_plan *plan)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    *plan = (struct set_plan){.autocommit = -1};
    statement_context(s, &ctx);
    sql_set_begin(&reader, s->statement, &ctx);
    while (!plan->failed && sql_set_next(&reader, &set))
        plan_one(s, plan, &set);
    if (plan->failed || !reader.bad)
        return;
    /* a server shall complain about it, or knows more than we do */
    buf_clear(&plan->text);
    buf_append(&plan->text, s->statement->text.at, s->statement->text.len);
    plan->autocommit = -1;
    plan->autocommit_expression = (struct slice){0};
    plan->verbatim = true;
}

/* --- it was accepted ---------------------------------------------------------------------------------------------------- */

static size_t length_without_collation(const struct session *s, const struct sql_set *set, size_t len)
{
    struct sql_lexer l;
    sql_lexer_init(&l, set->value, &s->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        if (!strcmp(set->name, "names") && sql_is_word(&t, "COLLATE"))
            return len - (size_t)(set->value.at + set->value.len - t.text.at);
    return len;
}

static void adopt_one(struct session *s, const struct sql_set *set)
{
    char name[SQL_NAME_SIZE + 1];
    setting_name(set, name, sizeof name);
    if (s->target >= 0 && target_conn(s) && !strcmp(name, "role"))
        target_conn(s)->role_changed = true;
    if (of_session(set) && is_of_the_connection(set->name)) {
        readback_pin(s, s->target, name);
    } else if (same_everywhere(s, set)) {
        struct buf text = {0};
        setting_text(set, &text);
        settings_remember(s, name, (struct slice){buf_at(&text), buf_len(&text)},
                          length_without_collation(s, set, buf_len(&text)));
        buf_fini(&text);
    } else {
        readback_owe(s, s->target, name);
    }
}

/* The texts of strings were read in the character set and the mode that end here: they are read back as bytes. */
static void redo_strings(struct session *s)
{
    for (unsigned i = 0; i < s->n_settings; i++)
        if (*s->settings[i].name == '@' && strpbrk(s->settings[i].text, "'\""))
            readback_owe(s, s->target, s->settings[i].name);
}

static bool changes_reading(const struct sql_set *set)
{
    return of_session(set) && (settings_is_charset(set->name) || !strcmp(set->name, "sql_mode"));
}

/* How new sessions begin. Where it was not said as a literal the next look at the server tells. */
static void adopt_usual_autocommit(struct session *s, const struct sql_set *set)
{
    int value = slice_is_word(set->value, "default") ? 1 : sql_bool_value(set->value);
    if (value >= 0 && s->target >= 0)
        atomic_store(&s->world->backends.at[s->target].no_autocommit, !value);
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
    sql_set_begin(&reader, s->statement, &ctx);
    while (sql_set_next(&reader, &set)) {
        bool ours = of_session(&set) && (!strcmp(set.name, "autocommit") || tracking_is_setting(set.name));
        if (ours && set.name[0] == 's')
            tracking_adopt(s, &set);
        if (set.scope == SQL_SET_GLOBAL && !strcmp(set.name, "autocommit"))
            adopt_usual_autocommit(s, &set);
        if (ours || sql_set_is_global(set.scope) || is_one_shot(&set))
            continue;
        if (changes_reading(&set))
            redo_strings(s);
        if (of_session(&set) && is_access(set.name))
            s->read_only = sql_bool_value(set.value) == 1;
        adopt_one(s, &set);
    }
    if (up_to_date)
        server->settings_seen = s->settings_generation;
}

/* As the server reports it: a mode may be a number, an expression, or stand for several others; a character set likewise. */
static void adopt_dialect(struct session *s)
{
    const struct backend_conn *conn = s->target >= 0 ? target_conn(s) : NULL;
    if (!conn)
        return;
    s->dialect = (struct sql_dialect){conn->ansi_quotes, conn->no_backslash_escapes, sql_charset_named(conn->client_charset)};
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static void finish(struct session *s, int autocommit, uint16_t warnings)
{
    bool commits = autocommit == 1 && !s->autocommit && s->tx;
    if (autocommit >= 0) {
        s->autocommit = autocommit;
        tracking_autocommit(s);
    }
    if (commits) {
        tx_commit(s, SESSION_AFTER_OK);
        return;
    }
    session_put_ok(s, warnings, "");
    if (warnings) /* SHOW WARNINGS would find those of the reading: another time */
        session_next(s);
    else
        readback_run(s, session_next);
}

/* The answer is kept back until autocommit's part is done too. */
static void on_set_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct set_plan plan;
    if (outcome->error)
        session_put_error(s, outcome->error, outcome->sqlstate, outcome->message);
    if (!tx_note(s, outcome, false))
        return;
    if (outcome->error) {
        session_next(s);
        return;
    }
    make_plan(s, &plan); /* again: nothing was kept over the round trip */
    if (plan.verbatim)
        readback_pin(s, s->target, "a SET that the proxy cannot read");
    else
        adopt(s);
    adopt_dialect(s);
    buf_fini(&plan.text);
    finish(s, plan.autocommit_expression.at ? s->set_autocommit : plan.autocommit, outcome->warnings);
}

static void note_autocommit(struct session *s, struct slice value, const bool *null)
{
    if (*null)
        value = (struct slice){(const uint8_t *)"NULL", 4};
    s->set_autocommit = sql_bool_value(value);
    snprintf(s->set_autocommit_value, sizeof s->set_autocommit_value, "%.*s", (int)value.len, (const char *)value.at);
}

static void on_expression_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct cursor c = cursor_make(part.at, part.len);
    bool null = false;
    if (kind == WIRE_PACKET_ROW && !offset && part.len == frame_len)
        note_autocommit(s, wire_lenenc_str(&c, &null), &null);
}

static const struct backend_sink set_sink = {.frame = tracking_on_frame, .done = on_set_done, .lost = target_on_lost};

/* SET @old=@@autocommit: the session's, not the connection's. */
static void put_answers(struct session *s, struct buf *text)
{
    struct buf put = {0};
    if (diagnostics_put(s, s->statement, (struct slice){buf_at(text), buf_len(text)}, false, &put)) {
        struct buf asked = *text;
        *text = put;
        put = asked;
    }
    buf_fini(&put);
}

static void send_set(struct session *s)
{
    struct set_plan plan;
    make_plan(s, &plan);
    struct buf text = {0};
    buf_text(&text, plan.verbatim ? "" : "SET ");
    buf_append(&text, buf_at(&plan.text), buf_len(&plan.text));
    put_answers(s, &text);
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &set_sink, s);
    buf_fini(&text);
    buf_fini(&plan.text);
}

static void on_expression_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct set_plan plan;
    make_plan(s, &plan);
    size_t to_send = buf_len(&plan.text);
    buf_fini(&plan.text);
    if (outcome->error)
        on_set_done(s, outcome);
    else if (s->set_autocommit < 0)
        session_answer_error(s, 1231, "42000", "Variable 'autocommit' can't be set to the value of '%s'",
                             s->set_autocommit_value);
    else if (to_send)
        send_set(s);
    else
        on_set_done(s, outcome);
}

static const struct backend_sink expression_sink = {
    .frame = on_expression_frame, .done = on_expression_done, .lost = target_on_lost};

/* SET autocommit=@old: its value is the server's to compute, what it does is ours. */
static void send_expression(struct session *s)
{
    struct set_plan plan;
    struct buf text = {0};
    make_plan(s, &plan);
    s->set_autocommit = -1;
    buf_printf(&text, "SELECT %.*s", (int)plan.autocommit_expression.len, (const char *)plan.autocommit_expression.at);
    put_answers(s, &text);
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &expression_sink, s);
    buf_fini(&text);
    buf_fini(&plan.text);
}

void variables_set(struct session *s)
{
    struct set_plan plan;
    make_plan(s, &plan);
    bool computed = plan.autocommit_expression.at;
    size_t to_send = buf_len(&plan.text);
    buf_fini(&plan.text);
    if (plan.failed)
        return;
    if (!to_send && !computed) {
        adopt(s);
        finish(s, plan.autocommit, 0);
        return;
    }
    int backend = statement_route(s);
    if (backend >= 0)
        target_prepare(s, backend, false, computed ? send_expression : send_set);
}
