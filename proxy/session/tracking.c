/* What a client is told of its session in OK packets, as its own session_track_* settings ask: what servers report of its
 * statements, and what only the proxy knows, the transaction and autocommit. The servers' settings are the proxy's; clients
 * never set those. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

enum { TRACK_VARIABLE, TRACK_SCHEMA, TRACK_CHANGE, TRACK_GTIDS, TRACK_CHARACTERISTICS, TRACK_TRANSACTION };
#define AS_MARIADB_BEGINS "autocommit,character_set_client,character_set_connection,character_set_results,time_zone"
#define AS_MYSQL_BEGINS "time_zone,autocommit,character_set_client,character_set_results,character_set_connection"
#define LIST "session_track_system_variables"
#define LIST_MAX 4096

void tracking_free(struct session *s)
{
    free(s->track.variables);
    free(s->track.told_characteristics);
    buf_fini(&s->track.pending);
    memset(&s->track, 0, sizeof s->track);
}

static bool is_mariadb(const struct session *s)
{
    return s->world->backends.at[statement_home(s)].mariadb;
}

static const char *list_of(const struct session *s)
{
    return s->track.variables ? s->track.variables : is_mariadb(s) ? AS_MARIADB_BEGINS : AS_MYSQL_BEGINS;
}

/* --- lists of variables ------------------------------------------------------------------------------------------------ */

/* The next name of a list, without the space around it; false at its end. */
static bool next_name(struct slice *list, struct slice *name)
{
    while (list->len && (*list->at == ',' || *list->at == ' '))
        *list = (struct slice){list->at + 1, list->len - 1};
    size_t n = 0;
    while (n < list->len && list->at[n] != ',')
        n++;
    *name = (struct slice){list->at, n};
    *list = (struct slice){list->at + n, list->len - n};
    while (name->len && name->at[name->len - 1] == ' ')
        name->len--;
    return name->len;
}

static struct slice text_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static bool is_listed(const char *text, struct slice wanted)
{
    struct slice list = text_of(text), name;
    while (next_name(&list, &name))
        if (slice_is(name, "*") ||
            (name.len == wanted.len && !strncasecmp((const char *)name.at, (const char *)wanted.at, name.len)))
            return true;
    return false;
}

/* The assignment that makes servers track what they do not for us; nothing where that is enough. */
static void union_for_servers(const struct session *s, const char *wanted, struct buf *out)
{
    struct buf all = {0};
    bool more = false;
    struct slice list = text_of(wanted), name;
    for (unsigned i = 0; i < BACKEND_N_TRACKED; i++)
        buf_printf(&all, "%s%s", i ? "," : "", backend_tracked_name(i));
    while (next_name(&list, &name))
        if (!is_listed(buf_cstr(&all), name)) {
            buf_printf(&all, ",%.*s", (int)name.len, (const char *)name.at);
            more = true;
        }
    if (more) {
        buf_text(out, "SESSION " LIST "=");
        sql_quote_text(out, text_of(is_listed(wanted, text_of("*")) ? "*" : buf_cstr(&all)), &s->dialect);
    }
    buf_fini(&all);
}

/* --- the client's settings ------------------------------------------------------------------------------------------------ */

/* @@LIST, of the session or the global one, which is taken to be as servers begin. */
static bool take_list(const struct session *s, struct sql_tokens *in, struct buf *out)
{
    struct sql_token t = sql_take(in);
    bool global = slice_is_word(t.text, "@@GLOBAL");
    if (global || slice_is_word(t.text, "@@SESSION") || slice_is_word(t.text, "@@LOCAL")) {
        if (!sql_accept_punct(in, '.') || !sql_accept_word(in, LIST))
            return false;
    } else if (!slice_is_word(t.text, "@@" LIST)) {
        return false;
    }
    buf_text(out, !global ? list_of(s) : is_mariadb(s) ? AS_MARIADB_BEGINS : AS_MYSQL_BEGINS);
    return true;
}

static bool take_part(const struct session *s, struct sql_tokens *in, struct buf *out)
{
    if (in->ahead.kind != SQL_STRING)
        return take_list(s, in, out);
    struct sql_token t = sql_take(in);
    sql_token_value(&in->lexer, &t, out);
    return true;
}

/* A literal, or what drivers make of the list: CONCAT(@@LIST, ',more'). */
static bool take_value(const struct session *s, struct sql_tokens *in, struct buf *out)
{
    if (sql_accept_word(in, "CONCAT")) {
        bool fine = sql_accept_punct(in, '(');
        do
            fine = fine && take_part(s, in, out);
        while (sql_accept_punct(in, ','));
        return fine && sql_accept_punct(in, ')');
    }
    if (in->ahead.kind != SQL_WORD && in->ahead.kind != SQL_NUMBER)
        return take_part(s, in, out);
    struct sql_token t = sql_take(in);
    sql_token_value(&in->lexer, &t, out);
    return true;
}

/* NULL where it is none that the proxy can read. The caller frees. */
static char *value_of(const struct session *s, struct slice value)
{
    struct sql_tokens in;
    struct buf text = {0};
    sql_tokens_init(&in, value, &s->dialect);
    bool fine = take_value(s, &in, &text) && in.ahead.kind == SQL_END;
    fine = fine && buf_len(&text) < LIST_MAX && !memchr(buf_cstr(&text), '\0', buf_len(&text)) &&
           !strchr(buf_cstr(&text), '\\'); /* which sql_mode may make another text when it is sent again */
    char *out = fine ? strdup(buf_cstr(&text)) : NULL;
    buf_fini(&text);
    return out;
}

static int level_of(const char *value)
{
    static const char *const levels[][2] = {{"0", "OFF"}, {"1", "STATE"}, {"2", "CHARACTERISTICS"}};
    for (int i = 0; i < 3; i++)
        if (!strcasecmp(value, levels[i][0]) || !strcasecmp(value, levels[i][1]))
            return i;
    return strcasecmp(value, "DEFAULT") ? -1 : 0;
}

static int switch_of(const char *value, bool by_default)
{
    return strcasecmp(value, "DEFAULT") ? sql_bool_value(text_of(value)) : by_default;
}

bool tracking_is_setting(const char *name)
{
    return !strcmp(name, "session_track_schema") || !strcmp(name, "session_track_state_change") ||
           !strcmp(name, "session_track_transaction_info") || !strcmp(name, LIST);
}

static bool is_null(const struct sql_set *set)
{
    return slice_is_word(set->value, "NULL");
}

static bool is_number(const struct session *s, const struct sql_set *set)
{
    struct sql_tokens in;
    sql_tokens_init(&in, set->value, &s->dialect);
    return sql_take(&in).kind == SQL_NUMBER && in.ahead.kind == SQL_END;
}

static bool has_a_type_for_it(const struct session *s, const struct sql_set *set)
{
    bool list = !strcmp(set->name, LIST);
    return is_null(set) ? list && !is_mariadb(s) : !list || !is_number(s, set);
}

uint16_t tracking_refusal(const struct session *s, const struct sql_set *set, char *text, size_t size)
{
    char *value = is_null(set) ? strdup("NULL") : value_of(s, set->value);
    bool wrong_type = !is_null(set) && !has_a_type_for_it(s, set);
    if (wrong_type)
        snprintf(text, size, "Incorrect argument type to variable '%s'", set->name);
    else if (value)
        snprintf(text, size, "Variable '%s' can't be set to the value of '%s'", set->name, value);
    else
        snprintf(text, size, "Variable '%s' can't be set to this value: the proxy takes literals and CONCAT", set->name);
    free(value);
    return wrong_type ? 1232 : 1231;
}

bool tracking_plan(const struct session *s, const struct sql_set *set, struct buf *for_server)
{
    char *value = is_null(set) ? strdup("") : value_of(s, set->value);
    bool fine = value && has_a_type_for_it(s, set) && (!strcmp(set->name, LIST)                      ? true
                          : strstr(set->name, "transaction_info") ? level_of(value) >= 0
                                                                      : switch_of(value, true) >= 0);
    if (fine && !strcmp(set->name, LIST) && strcasecmp(value, "DEFAULT"))
        union_for_servers(s, value, for_server);
    free(value);
    return fine;
}

static void adopt_list(struct session *s, char *value, bool null)
{
    struct buf text = {0};
    bool by_default = !strcasecmp(value, "DEFAULT");
    s->track.null = null;
    free(s->track.variables);
    s->track.variables = by_default ? NULL : strdup(value);
    CHECK(by_default || s->track.variables);
    if (!by_default)
        union_for_servers(s, value, &text);
    if (buf_len(&text))
        settings_remember(s, LIST, (struct slice){buf_at(&text), buf_len(&text)}, buf_len(&text));
    buf_fini(&text);
}

void tracking_adopt(struct session *s, const struct sql_set *set)
{
    char *value = is_null(set) ? strdup("") : value_of(s, set->value);
    CHECK(value); /* it was planned */
    if (!strcmp(set->name, LIST)) {
        adopt_list(s, value, is_null(set));
    } else if (strstr(set->name, "transaction_info")) {
        s->track.transaction = level_of(value);
        *s->track.told = '\0';
    } else if (!strcmp(set->name, "session_track_schema")) {
        s->track.no_schema = !switch_of(value, true);
    } else {
        s->track.change = switch_of(value, false);
    }
    free(value);
}

bool tracking_show(const struct session *s, struct slice name, struct buf *value)
{
    static const char *const levels[] = {"OFF", "STATE", "CHARACTERISTICS"};
    if (slice_is_word(name, "session_track_schema"))
        buf_text(value, s->track.no_schema ? "OFF" : "ON");
    else if (slice_is_word(name, "session_track_state_change"))
        buf_text(value, s->track.change ? "ON" : "OFF");
    else if (slice_is_word(name, "session_track_transaction_info"))
        buf_text(value, levels[s->track.transaction]);
    else if (slice_is_word(name, LIST))
        buf_text(value, list_of(s));
    else
        return false;
    return true;
}

/* --- what goes into the next OK -------------------------------------------------------------------------------------------- */

static void put_entry(struct session *s, uint8_t type, const struct buf *data)
{
    buf_u8(&s->track.pending, type);
    wire_lenenc_str_write(&s->track.pending, buf_at(data), buf_len(data));
}

static bool wants(const struct session *s)
{
    return (s->caps & WIRE_CAP_SESSION_TRACK) && s->user && !s->user->admin;
}

static void note_change(struct session *s)
{
    static const uint8_t entry[] = {TRACK_CHANGE, 1, '1'};
    if (s->track.change)
        buf_append(&s->track.pending, entry, sizeof entry);
}

static void put_variable(struct session *s, struct slice name, struct slice value, bool null)
{
    struct buf data = {0};
    wire_lenenc_str_write(&data, name.at, name.len);
    if (null)
        buf_u8(&data, 0xFB);
    else
        wire_lenenc_str_write(&data, value.at, value.len);
    put_entry(s, TRACK_VARIABLE, &data);
    buf_fini(&data);
}

static bool is_tracked(const struct session *s, struct slice name)
{
    return is_listed(list_of(s), name);
}

void tracking_autocommit(struct session *s)
{
    if (!wants(s))
        return;
    if (is_tracked(s, text_of("autocommit")))
        put_variable(s, text_of("autocommit"), text_of(s->autocommit ? "ON" : "OFF"), false);
    note_change(s);
}

/* Servers before MariaDB 11.1 call it tx_..., MySQL transaction_...: a client that asks for one of them means that. */
void tracking_characteristic(struct session *s, const char *what, const char *value)
{
    static const char *const prefixes[] = {"tx_", "transaction_"};
    char name[32];
    if (!wants(s))
        return;
    bool all = is_tracked(s, text_of("*"));
    for (size_t i = all && !is_mariadb(s); i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", prefixes[i], what);
        if (!is_tracked(s, text_of(name)))
            continue;
        put_variable(s, text_of(name), text_of(value), false);
        break;
    }
    note_change(s);
}

/* MariaDB puts several variables into an entry, which not every client reads: each gets one of its own. A server's autocommit
 * is what the proxy needs it to be. */
static void note_variables(struct session *s, struct slice data)
{
    struct cursor c = cursor_make(data.at, data.len);
    while (!c.bad && cursor_left(&c)) {
        bool null;
        struct slice name = wire_lenenc_str(&c, NULL), value = wire_lenenc_str(&c, &null);
        if (!c.bad && is_tracked(s, name) && !slice_is_word(name, "autocommit"))
            put_variable(s, name, value, null);
    }
}

/* What the transaction has done anywhere is what it has done. */
static void note_transaction(struct session *s, struct slice data)
{
    struct cursor c = cursor_make(data.at, data.len);
    struct slice state = wire_lenenc_str(&c, NULL);
    for (size_t i = 1; !c.bad && i < state.len && i < sizeof s->track.done; i++)
        if (state.at[i] != '_')
            s->track.done[i] = (char)state.at[i];
}

void tracking_note(struct session *s, struct slice block)
{
    struct cursor c = cursor_make(block.at, block.len);
    while (block.len && wants(s) && cursor_left(&c)) {
        const uint8_t *entry = c.at;
        uint8_t type = cursor_u8(&c);
        struct slice data = wire_lenenc_str(&c, NULL);
        if (c.bad)
            return;
        if (type == TRACK_VARIABLE)
            note_variables(s, data);
        else if (type == TRACK_TRANSACTION)
            note_transaction(s, data);
        else if (type == TRACK_GTIDS || (type == TRACK_SCHEMA && !s->track.no_schema) ||
                 (type == TRACK_CHANGE && s->track.change))
            buf_append(&s->track.pending, entry, (size_t)(c.at - entry));
    }
}

void tracking_on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct wire_ok ok;
    if (kind == WIRE_PACKET_OK && !offset && part.len == frame_len && wire_ok_read(part, target_conn(s)->caps, &ok))
        tracking_note(s, ok.session);
}

void tracking_tx_ended(struct session *s)
{
    memset(s->track.done, 0, sizeof s->track.done);
}

/* --- the transaction -------------------------------------------------------------------------------------------------------- */

/* The statements that would begin it again. */
static void put_characteristics(const struct session *s, struct buf *text)
{
    const struct session_characteristics *c = s->tx ? &s->tx->characteristics : &s->one_shot;
    bool begun = s->tx && s->tx->begun;
    if (*c->isolation)
        buf_printf(text, "%s;%s", c->isolation, begun || *c->access ? " " : "");
    if (begun)
        buf_printf(text, "START TRANSACTION%s;", !*c->access ? "" : c->read_only ? " READ ONLY" : " READ WRITE");
    else if (*c->access)
        buf_printf(text, "%s;", c->access);
}

static void tell_characteristics(struct session *s)
{
    struct buf text = {0}, data = {0};
    put_characteristics(s, &text);
    if (!s->track.told_characteristics || strcmp(s->track.told_characteristics, buf_cstr(&text))) {
        free(s->track.told_characteristics);
        s->track.told_characteristics = strdup(buf_cstr(&text));
        CHECK(s->track.told_characteristics);
        wire_lenenc_str_write(&data, buf_at(&text), buf_len(&text));
        put_entry(s, TRACK_CHARACTERISTICS, &data);
    }
    buf_fini(&text);
    buf_fini(&data);
}

static void tell_state(struct session *s)
{
    char state[] = "________";
    if (s->tx && (s->tx->begun || tx_visible(s))) {
        state[0] = s->tx->begun ? 'T' : 'I';
        for (size_t i = 1; i < sizeof s->track.done; i++)
            state[i] = s->track.done[i] ? s->track.done[i] : '_';
    }
    if (!strcmp(state, s->track.told))
        return;
    struct buf data = {0};
    memcpy(s->track.told, state, sizeof state);
    wire_lenenc_str_write(&data, state, sizeof state - 1);
    put_entry(s, TRACK_TRANSACTION, &data);
    buf_fini(&data);
}

struct slice tracking_block(struct session *s)
{
    if (!wants(s))
        return (struct slice){NULL, 0};
    if (s->track.transaction > 1)
        tell_characteristics(s);
    if (s->track.transaction)
        tell_state(s);
    return (struct slice){buf_at(&s->track.pending), buf_len(&s->track.pending)};
}

void tracking_told(struct session *s)
{
    buf_fini(&s->track.pending);
}
