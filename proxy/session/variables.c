/* SET: sent as set_plan.c has it, and what becomes of it when it was accepted. autocommit is the proxy's own, literals follow the
 * session at once (settings.c), what a server computed is read back (readback.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/set_plan.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

void variables_reset(struct session *s)
{
    const struct backend *home = &s->world->backends.at[statement_home(s)];
    settings_free(s);
    readback_free(s);
    tracking_free(s);
    s->autocommit = !home->no_autocommit;
    memset(s->own, 0, sizeof s->own);
    free(s->action_options);
    s->action_options = NULL;
    s->one_shot = (struct session_characteristics){.access = ""};
    tx_free_savepoints(&s->early_savepoints);
    s->read_only = s->locks_began = false;
    *s->charset_name = '\0';
    s->dialect = (struct sql_dialect){.ansi_quotes = home->ansi_quotes,
                                      .no_backslash_escapes = home->no_backslash_escapes,
                                      .charset = sql_charset_of_collation(s->charset)};
}

/* --- it was accepted ---------------------------------------------------------------------------------------------------- */

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

static size_t length_without_collation(const struct session *s, const struct sql_set *set, size_t len)
{
    struct sql_lexer l;
    sql_lexer_init(&l, set->value, &s->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        if (!strcmp(set->name, "names") && sql_is_word(&t, "COLLATE"))
            return len - (size_t)(set->value.at + set->value.len - t.text.at);
    return len;
}

/* NULL has the type of the value before. */
static bool keeps_type(const struct session *s, const struct sql_set *set, const char *name)
{
    return *name == '@' && slice_is_word(set->value, "null") && settings_names(s, name);
}

static void adopt_one(struct session *s, const struct sql_set *set)
{
    char name[SQL_NAME_SIZE + 1];
    set_name(set, name, sizeof name);
    if (s->target >= 0 && target_conn(s) && !strcmp(name, "role"))
        target_conn(s)->role_changed = true;
    if (set_is_of_session(set) && is_of_the_connection(set->name)) {
        readback_pin(s, s->target, name);
        if (!strcmp(set->name, "last_insert_id") || !strcmp(set->name, "identity"))
            insert_id_assigned(s);
    } else if (set_is_same_everywhere(s, set) && !keeps_type(s, set, name)) {
        struct buf text = {0};
        set_text(s, set, &text);
        settings_remember(s, name, (struct slice){buf_at(&text), buf_len(&text)},
                          length_without_collation(s, set, buf_len(&text)));
        buf_fini(&text);
        if (!strcmp(name, "character set")) /* it takes the collation of the schema of this moment, elsewhere there may be another */
            readback_owe(s, s->target, "collation_connection");
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
    return set_is_of_session(set) && (settings_is_charset(set->name) || !strcmp(set->name, "sql_mode"));
}

/* How new sessions begin. Where it was not said as a literal the next look at the server tells. */
static void adopt_usual_autocommit(struct session *s, const struct sql_set *set)
{
    int value = slice_is_word(set->value, "default") ? 1 : sql_bool_value(set->value);
    if (value >= 0 && s->target >= 0)
        atomic_store(&s->world->backends.at[s->target].no_autocommit, !value);
}

/* Servers evaluate all that is assigned before they assign any of it: of several values the last is what counts. */
static bool comes_again(struct sql_set_reader reader, const char *name)
{
    struct sql_set set;
    while (sql_set_next(&reader, &set))
        if (set_is_of_session(&set) && !strcmp(set.name, name))
            return true;
    return false;
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
        bool own = set_is_of_session(&set) && own_variable_is(set.name);
        bool ours = own || (set_is_of_session(&set) && (!strcmp(set.name, "autocommit") || tracking_is_setting(set.name)));
        if (own)
            own_variable_adopt(s, &set);
        else if (ours && set.name[0] == 's' && !comes_again(reader, set.name))
            tracking_adopt(s, &set);
        if (sql_set_is_global(set.scope) && server)
            atomic_fetch_add(&s->world->backends.at[s->target].globals_changed, 1);
        if (set.scope == SQL_SET_GLOBAL && !strcmp(set.name, "autocommit"))
            adopt_usual_autocommit(s, &set);
        if (ours || sql_set_is_global(set.scope) || set_is_one_shot(&set))
            continue;
        if (changes_reading(&set))
            redo_strings(s);
        if (set_is_of_session(&set) && set_is_access(set.name))
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
    memcpy(s->charset_name, conn->client_charset, sizeof s->charset_name);
    s->dialect = (struct sql_dialect){.ansi_quotes = conn->ansi_quotes,
                                      .no_backslash_escapes = conn->no_backslash_escapes,
                                      .charset = sql_charset_named(conn->client_charset)};
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static void finish(struct session *s, int autocommit, uint16_t warnings)
{
    bool commits = autocommit == 1 && !s->autocommit && s->tx;
    if (autocommit == 1)
        tx_free_savepoints(&s->early_savepoints);
    if (autocommit >= 0) {
        s->autocommit = autocommit;
        tracking_autocommit(s);
    }
    if (commits) {
        tx_commit(s, SESSION_AFTER_OK);
        return;
    }
    session_put_ok(s, warnings, "");
    if (warnings) { /* SHOW WARNINGS would find those of the reading: another time */
        session_next(s);
        return;
    }
    s->answered = true;
    kill_command_over(s);
    readback_run(s, session_next);
}

/* Servers give a variable the character set of what it is to become before they find that something else cannot be set. */
static void owe_refused(struct session *s)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    char name[SQL_NAME_SIZE + 1];
    if (!target_conn(s))
        return;
    statement_context(s, &ctx);
    sql_set_begin(&reader, s->statement, &ctx);
    while (sql_set_next(&reader, &set)) {
        set_name(&set, name, sizeof name);
        if (set.scope == SQL_SET_USER)
            readback_owe(s, s->target, name);
    }
}

/* The answer is kept back until autocommit's part is done too. */
static void on_set_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct set_plan plan;
    if (s->start_failed) {
        tx_start_failed(s);
        return;
    }
    if (outcome->error)
        session_put_error(s, outcome->error, outcome->sqlstate, outcome->message);
    if (!tx_note(s, outcome, sql_names_tables(s->statement)))
        return;
    if (outcome->error) {
        owe_refused(s);
        set_plan_refused(s);
        session_next(s);
        return;
    }
    found_rows_note(s, false);
    set_plan_again(s, &plan);
    if (plan.verbatim)
        readback_pin(s, s->target, "a SET that the proxy cannot read");
    else
        adopt(s);
    adopt_dialect(s);
    set_plan_fini(&plan);
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

static const struct backend_sink set_sink = {.frame = tracking_on_frame, .done = on_set_done, .lost = link_on_lost};

/* SET @old=@@autocommit: the session's, not the connection's. */
static void put_answers(struct session *s, struct buf *text)
{
    struct buf put = {0};
    if (information_put(s, s->statement, (struct slice){buf_at(text), buf_len(text)}, &put)) {
        struct buf asked = *text;
        *text = put;
        put = asked;
    }
    buf_fini(&put);
}

/* MySQL has no EXECUTE IMMEDIATE: the statement is prepared first. It stays, since DEALLOCATE would forget the warnings. */
#define LISTED "`xaproxy SET`"

static void put_listed(struct session *s, struct buf *text, struct buf *list)
{
    struct buf listed = {0};
    bool prepares = !target_conn(s)->mariadb;
    buf_text(&listed, prepares ? "PREPARE " LISTED " FROM " : "EXECUTE IMMEDIATE ");
    sql_quote_text(&listed, (struct slice){buf_at(text), buf_len(text)}, &s->dialect);
    put_answers(s, list);
    if (!prepares)
        buf_printf(&listed, " USING %s", buf_cstr(list));
    buf_fini(text);
    *text = listed;
}

static void on_list_prepared(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct set_plan plan;
    struct buf text = {0};
    if (outcome->error || s->start_failed) {
        on_set_done(s, outcome);
        return;
    }
    set_plan_again(s, &plan);
    put_answers(s, &plan.list);
    buf_printf(&text, "EXECUTE " LISTED " USING %s", buf_cstr(&plan.list));
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &set_sink, s);
    buf_fini(&text);
    set_plan_fini(&plan);
}

static const struct backend_sink list_sink = {.done = on_list_prepared, .lost = link_on_lost};

static void send_set(struct session *s)
{
    struct set_plan plan;
    set_plan_again(s, &plan);
    struct buf text = {0};
    bool listed = buf_len(&plan.list), prepares = listed && !target_conn(s)->mariadb;
    buf_text(&text, plan.verbatim ? "" : "SET ");
    buf_append(&text, buf_at(&plan.text), buf_len(&plan.text));
    put_answers(s, &text);
    if (listed)
        put_listed(s, &text, &plan.list);
    if (sql_names_tables(s->statement))
        target_begin(s);
    else
        target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), prepares ? &list_sink : &set_sink, s);
    buf_fini(&text);
    set_plan_fini(&plan);
}

static void on_expression_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    struct set_plan plan;
    if (outcome->error || s->start_failed) {
        on_set_done(s, outcome);
        return;
    }
    set_plan_again(s, &plan);
    size_t to_send = buf_len(&plan.text);
    set_plan_fini(&plan);
    if (s->set_autocommit < 0) {
        set_plan_refused(s);
        session_answer_error(s, 1231, "42000", "Variable 'autocommit' can't be set to the value of '%s'",
                             s->set_autocommit_value);
    } else if (to_send) {
        send_set(s);
    } else {
        on_set_done(s, outcome);
    }
}

static const struct backend_sink expression_sink = {
    .frame = on_expression_frame, .done = on_expression_done, .lost = link_on_lost};

/* SET autocommit=@old: its value is the server's to compute, what it does is ours. */
static void send_expression(struct session *s)
{
    struct set_plan plan;
    struct buf text = {0};
    set_plan_again(s, &plan);
    s->set_autocommit = -1;
    buf_printf(&text, "SELECT %.*s", (int)plan.autocommit_expression.len, (const char *)plan.autocommit_expression.at);
    put_answers(s, &text);
    if (sql_names_tables(s->statement))
        target_begin(s);
    else
        target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &expression_sink, s);
    buf_fini(&text);
    set_plan_fini(&plan);
}

void variables_set(struct session *s)
{
    struct set_plan plan;
    set_plan_make(s, &plan);
    bool computed = plan.autocommit_expression.at;
    size_t to_send = buf_len(&plan.text);
    set_plan_fini(&plan);
    if (plan.failed)
        return;
    if (computed && rights_refuse_expression(s, plan.autocommit_expression)) {
        set_plan_refused(s);
        return;
    }
    if (!to_send && !computed) {
        adopt(s);
        finish(s, plan.autocommit, 0);
        return;
    }
    int backend = statement_route(s);
    if (backend >= 0)
        target_prepare(s, backend, sql_names_tables(s->statement) && statement_in_tx(s), computed ? send_expression : send_set);
}
