/* What a client is told of its session in OK packets, as its own session_track_* settings ask: what servers report of its
 * statements, and what only the proxy knows, the transaction and autocommit. The servers' settings are the proxy's; clients
 * never set those. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

enum { TRACK_VARIABLE, TRACK_SCHEMA, TRACK_CHANGE, TRACK_GTIDS, TRACK_CHARACTERISTICS, TRACK_TRANSACTION };
#define AS_SERVERS_BEGIN "autocommit,character_set_client,character_set_connection,character_set_results,time_zone"
#define LIST "session_track_system_variables"
#define LIST_MAX 4096

void tracking_free(struct session *s)
{
    free(s->track.variables);
    free(s->track.told_characteristics);
    buf_fini(&s->track.pending);
    memset(&s->track, 0, sizeof s->track);
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
static void union_for_servers(const char *wanted, struct buf *out)
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
    if (more)
        buf_printf(out, "SESSION " LIST "='%s'", is_listed(wanted, text_of("*")) ? "*" : buf_cstr(&all));
    buf_fini(&all);
}

/* --- the client's settings ------------------------------------------------------------------------------------------------ */

/* The text of a literal; NULL where it is none that the proxy can read. The caller frees. */
static char *literal(const struct session *s, struct slice value)
{
    struct sql_tokens in;
    struct buf text = {0};
    sql_tokens_init(&in, value, &s->dialect);
    struct sql_token t = sql_take(&in);
    bool fine = (t.kind == SQL_STRING || t.kind == SQL_WORD || t.kind == SQL_NUMBER) && in.ahead.kind == SQL_END;
    if (fine)
        sql_token_value(&in.lexer, &t, &text);
    fine = fine && buf_len(&text) < LIST_MAX && !memchr(buf_cstr(&text), '\0', buf_len(&text)) &&
           !strpbrk(buf_cstr(&text), "'\\");
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

bool tracking_plan(const struct session *s, const struct sql_set *set, struct buf *for_server)
{
    char *value = slice_is_word(set->value, "NULL") ? strdup("") : literal(s, set->value);
    bool fine = value && (!strcmp(set->name, LIST)                      ? true
                          : strstr(set->name, "transaction_info") ? level_of(value) >= 0
                                                                      : switch_of(value, true) >= 0);
    if (fine && !strcmp(set->name, LIST) && strcasecmp(value, "DEFAULT"))
        union_for_servers(value, for_server);
    free(value);
    return fine;
}

static void adopt_list(struct session *s, char *value)
{
    struct buf text = {0};
    bool by_default = !strcasecmp(value, "DEFAULT");
    free(s->track.variables);
    s->track.variables = by_default ? NULL : strdup(value);
    CHECK(by_default || s->track.variables);
    if (!by_default)
        union_for_servers(value, &text);
    if (buf_len(&text))
        settings_remember(s, LIST, (struct slice){buf_at(&text), buf_len(&text)}, buf_len(&text));
    buf_fini(&text);
}

void tracking_adopt(struct session *s, const struct sql_set *set)
{
    char *value = slice_is_word(set->value, "NULL") ? strdup("") : literal(s, set->value);
    CHECK(value); /* it was planned */
    if (!strcmp(set->name, LIST)) {
        adopt_list(s, value);
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
    return is_listed(s->track.variables ? s->track.variables : AS_SERVERS_BEGIN, name);
}

void tracking_autocommit(struct session *s)
{
    if (!wants(s))
        return;
    if (is_tracked(s, text_of("autocommit")))
        put_variable(s, text_of("autocommit"), text_of(s->autocommit ? "ON" : "OFF"), false);
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
