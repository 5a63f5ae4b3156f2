/* Variables of a session that no server has, where a statement asks for one of them alone, and SELECT @@autocommit: inside a branch
 * a server would call it 0. Leaves autocommit within larger statements to information.c, in SHOW VARIABLES to shown.c, and what it
 * does to variables.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"

static const struct {
    const char *name, *words;
} rows[] = {
#define X(NAME, name, words) {name, words},
    SESSION_OWN_VARIABLES(X)
#undef X
};
enum { N_ROWS = sizeof rows / sizeof *rows, AUTOCOMMIT = N_ROWS, NONE };

static int find(const char *name)
{
    for (int i = 0; i < N_ROWS; i++)
        if (!strcasecmp(rows[i].name, name))
            return i;
    return strcasecmp(name, "autocommit") ? NONE : AUTOCOMMIT;
}

/* The i-th word of a row. */
static struct slice word(int row, unsigned i)
{
    const char *at = rows[row].words;
    for (; i; i--)
        at = strchr(at, '|') + 1;
    return (struct slice){(const uint8_t *)at, strcspn(at, "|")};
}

static unsigned n_words(int row)
{
    unsigned n = 1;
    for (const char *at = rows[row].words; (at = strchr(at, '|')); at++)
        n++;
    return n;
}

/* --- SET ------------------------------------------------------------------------------------------------------------------ */

bool own_variable_is(const char *name)
{
    return find(name) < N_ROWS;
}

/* Up to a year; -1: no such number. */
static int seconds_of(struct slice value)
{
    char text[12], *end;
    if (slice_is_word(value, "default"))
        return 0;
    snprintf(text, sizeof text, "%.*s", value.len < sizeof text ? (int)value.len : 0, (const char *)value.at);
    long n = strtol(text, &end, 10);
    return *text && !*end && n >= 0 && n <= 31536000 ? (int)n : -1;
}

/* The word's number, or the seconds; -1: neither. */
static int value_of(const struct session *s, const struct sql_set *set)
{
    int row = find(set->name), value = -1;
    char text[SQL_NAME_SIZE];
    if (!*rows[row].words)
        return seconds_of(set->value);
    struct sql_tokens in;
    sql_tokens_init(&in, set->value, &s->dialect);
    struct sql_token t = sql_take(&in);
    bool literal = (t.kind == SQL_WORD || t.kind == SQL_STRING) && in.ahead.kind == SQL_END;
    if (!literal || !sql_token_name(&in.lexer, &t, text))
        return -1;
    for (unsigned i = 0; i < n_words(row); i++) {
        struct slice w = word(row, i);
        if (strlen(text) == w.len && !strncasecmp(text, (const char *)w.at, w.len))
            value = (int)i;
    }
    return value < 0 && !strcasecmp(text, "DEFAULT") ? 0 : value;
}

bool own_variable_fits(const struct session *s, const struct sql_set *set)
{
    return value_of(s, set) >= 0;
}

void own_variable_refusal(const struct sql_set *set, char *text, size_t size)
{
    int row = find(set->name);
    struct slice value = set->value;
    if (value.len > 1 && (*value.at == '\'' || *value.at == '"'))
        value = (struct slice){value.at + 1, value.len - 2};
    int len = snprintf(text, size, "Variable '%s' can't be set to the value of '%.*s': it takes ", rows[row].name,
                       (int)(value.len < 64 ? value.len : 64), (const char *)value.at);
    if (!*rows[row].words) {
        snprintf(text + len, size - (size_t)len, "a number of seconds, 0 = no limit, at most 31536000");
        return;
    }
    for (unsigned i = 0; i < n_words(row); i++) {
        struct slice w = word(row, i);
        len += snprintf(text + len, size - (size_t)len, "%s'%.*s'", i ? ", " : "", (int)w.len, (const char *)w.at);
    }
}

void own_variable_adopt(struct session *s, const struct sql_set *set)
{
    s->own[find(set->name)] = value_of(s, set);
}

/* --- what is asked for alone ------------------------------------------------------------------------------------------------ */

static struct slice value_now(const struct session *s, int which, char scratch[static 12])
{
    if (which < N_ROWS && *rows[which].words)
        return word(which, (unsigned)s->own[which]);
    if (which < N_ROWS)
        return (struct slice){(const uint8_t *)scratch, (size_t)snprintf(scratch, 12, "%d", s->own[which])};
    return (struct slice){(const uint8_t *)(s->autocommit ? "1" : "0"), 1};
}

/* SELECT @@[SESSION.]name: what it asks for, and the variable as it is written. */
static int selected(const struct session *s, struct slice *written)
{
    static const char *const scopes[] = {"@@", "@@session.", "@@local."};
    char text[SQL_NAME_SIZE];
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SELECT"))
        return NONE;
    *written = in.ahead.text;
    while (in.ahead.kind != SQL_END) {
        struct slice part = sql_take(&in).text;
        written->len = (size_t)(part.at + part.len - written->at);
    }
    for (int which = 0; which < NONE; which++)
        for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
            snprintf(text, sizeof text, "%s%s", scopes[i], which < N_ROWS ? rows[which].name : "autocommit");
            if (slice_is_word(*written, text))
                return which;
        }
    return NONE;
}

static void answer_select(struct session *s, int which, struct slice written)
{
    char name[64], scratch[12];
    snprintf(name, sizeof name, "%.*s", (int)written.len, (const char *)written.at);
    struct wire_column column = {.name = name, .type = WIRE_TYPE_VAR_STRING, .charset = s->charset, .length = 256};
    if (which == AUTOCOMMIT)
        column = (struct wire_column){
            .name = name, .type = WIRE_TYPE_LONGLONG, .charset = WIRE_CHARSET_BINARY, .length = 1, .flags = WIRE_COLUMN_BINARY};
    struct slice value = value_now(s, which, scratch);
    struct wire_resultset rs;
    session_answer_rows(s, &rs, &column, 1);
    wire_resultset_row(&rs, &value);
    found_rows_are(s, 1);
    session_answer_rows_end(s, &rs);
}

/* SHOW [SESSION] VARIABLES LIKE 'name', of those that no server has. */
static int shown(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SHOW"))
        return NONE;
    if (!sql_accept_word(&in, "SESSION"))
        sql_accept_word(&in, "LOCAL");
    if (!sql_accept_word(&in, "VARIABLES") || !sql_accept_word(&in, "LIKE"))
        return NONE;
    char name[SQL_NAME_SIZE];
    struct sql_token pattern = sql_take(&in);
    bool alone = pattern.kind == SQL_STRING && in.ahead.kind == SQL_END && sql_token_name(&in.lexer, &pattern, name);
    return alone && own_variable_is(name) ? find(name) : NONE;
}

static void answer_show(struct session *s, int which)
{
    const char *name = rows[which].name;
    char scratch[12];
    const struct wire_column columns[] = {
        {.name = "Variable_name", .type = WIRE_TYPE_VAR_STRING, .charset = s->charset, .length = 256,
         .flags = WIRE_COLUMN_NOT_NULL},
        {.name = "Value", .type = WIRE_TYPE_VAR_STRING, .charset = s->charset, .length = 8192}};
    struct slice row[] = {{(const uint8_t *)name, strlen(name)}, value_now(s, which, scratch)};
    struct wire_resultset rs;
    session_answer_rows(s, &rs, columns, 2);
    wire_resultset_row(&rs, row);
    found_rows_are(s, 1);
    session_answer_rows_end(s, &rs);
}

bool own_variable_answer(struct session *s)
{
    struct slice written;
    int which = selected(s, &written);
    if (which < NONE) {
        answer_select(s, which, written);
        return true;
    }
    which = s->statement->kind == SQL_READ ? shown(s) : NONE;
    if (which < NONE)
        answer_show(s, which);
    return which < NONE;
}
