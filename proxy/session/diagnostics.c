/* What the last statement left. A server knows it as long as it was the last to answer and its connection has stayed; else the
 * session does. Leaves answers to show_warnings.c and information.c, memories of connections to sharing.c. */
#include "proxy/session/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

/* --- what happened ---------------------------------------------------------------------------------------------------------- */

void diagnostics_reset(struct session *s)
{
    s->diag = (struct session_diagnostics){.server = -1, .last = -1, .found_server = -1};
    insert_id_reset(s);
}

bool diagnostics_like_mariadb(const struct session *s)
{
    return s->user && s->world->backends.n && s->world->backends.at[statement_home(s)].mariadb;
}

bool diagnostics_shows_tables(struct sql_tokens *in)
{
    static const char *const others[] = {"WARNINGS", "ERRORS", "COUNT", "GRANTS", "PROCESSLIST", "MASTER", "BINLOG", "BINARY",
                                         "SLAVE", "REPLICA", "ALL", "PROFILES", "PRIVILEGES", "CONTRIBUTORS", "AUTHORS",
                                         "ENGINE"};
    if (sql_accept_word(in, "CREATE"))
        return sql_is_word(&in->ahead, "TABLE") || sql_is_word(&in->ahead, "VIEW") || sql_is_word(&in->ahead, "SEQUENCE");
    (void)sql_accept_word(in, "FULL");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (sql_is_word(&in->ahead, others[i]))
            return false;
    return true;
}

static bool prepares(const struct session *s)
{
    return s->relay.prepare || (s->text_unfinished && !s->executing_text);
}

/* As far as MariaDB is concerned: derived tables and those of SHOW count too. */
static bool uses_tables(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (prepares(s) && sql_is_word(&in.ahead, "CALL"))
        return false;
    if (sql_accept_word(&in, "SHOW"))
        return diagnostics_shows_tables(&in);
    bool schema_only = sql_is_word(&in.ahead, "SELECT") && !s->statement->unqualified_table; /* perhaps a function's */
    if (!schema_only && sql_names_tables(s->statement))
        return s->statement->kind != SQL_USE;
    for (; in.ahead.kind != SQL_END; sql_take(&in))
        if (sql_accept_word(&in, "FROM") && !sql_is_word(&in.ahead, "DUAL"))
            return true;
    return false;
}

/* A command that is no statement: it leaves the warnings of the one before. */
static bool is_small(const struct session *s)
{
    static const uint8_t small[] = {WIRE_COM_PING, WIRE_COM_INIT_DB, WIRE_COM_STMT_RESET, WIRE_COM_STMT_FETCH,
                                    WIRE_COM_STATISTICS, WIRE_COM_DEBUG};
    return buf_len(&s->command) && memchr(small, *buf_at(&s->command), sizeof small);
}

/* MariaDB forgets warnings only for a statement that uses tables or has its own, MySQL for every statement. */
static bool forgets(const struct session *s)
{
    return !is_small(s) && (!diagnostics_like_mariadb(s) || (!s->relay.fields && uses_tables(s)));
}

static void note_small(struct session *s)
{
    uint8_t command = buf_len(&s->command) ? *buf_at(&s->command) : 0;
    s->diag.told |= command == WIRE_COM_STMT_RESET || command == WIRE_COM_STMT_FETCH;
}

void diagnostics_own(struct session *s, uint16_t code, const char *sqlstate, const char *text, int64_t row_count)
{
    s->diag.own_row_count = true;
    s->diag.row_count = row_count;
    note_small(s);
    if (!code && !forgets(s))
        return;
    s->diag.own = true;
    s->diag.told = false;
    s->diag.code = code;
    s->diag.is_error = *sqlstate;
    snprintf(s->diag.sqlstate, sizeof s->diag.sqlstate, "%s", sqlstate);
    snprintf(s->diag.text, sizeof s->diag.text, "%s", text);
}

void diagnostics_prepared(struct session *s)
{
    struct session_diagnostics before = s->diag;
    diagnostics_own(s, 0, "", "", 0);
    s->diag.own_row_count = before.own_row_count;
    s->diag.row_count = before.row_count;
}

/* MySQL warns of COM_FIELD_LIST without telling so in its answer. */
static unsigned untold_warnings(const struct session *s)
{
    bool there = !s->diag.own && !s->diag.moved && s->diag.server == s->target;
    return s->relay.fields && !diagnostics_like_mariadb(s) ? 1 + (there ? s->diag.warnings : 0) : 0;
}

void diagnostics_set_counts(struct session *s, unsigned warnings, unsigned errors)
{
    s->diag.own = s->diag.moved = false;
    s->diag.server = s->target;
    s->diag.errors = errors;
    s->diag.warnings = warnings;
    buf_fini(&s->servers[s->target].memory.warnings); /* of earlier ones */
}

static void note_conditions(struct session *s, const struct backend_outcome *outcome)
{
    unsigned untold = untold_warnings(s);
    if (!outcome->error && is_small(s)) { /* what MySQL tells is of the statement before, be it one of our own */
        note_small(s);
        return;
    }
    s->diag.told = s->diag.asked_counts;
    if (s->diag.asked_counts && !outcome->had_rows && outcome->warnings) { /* GET DIAGNOSTICS has found none */
        bool more = diagnostics_like_mariadb(s) && !s->diag.own && !s->diag.moved;
        s->diag.own = s->diag.moved = s->diag.told = false;
        s->diag.server = s->target;
        s->diag.warnings = (more ? s->diag.warnings : 0) + outcome->warnings;
        s->diag.errors = (more ? s->diag.errors : 0) + outcome->warnings;
        return;
    }
    if (s->diag.asked_counts || s->conditions.unclear || conditions_are_old(s, outcome) || !(outcome->error || outcome->warnings || untold || forgets(s)))
        return;
    unsigned errors = (outcome->error != 0) + (untold > 1 ? s->diag.errors : 0);
    diagnostics_set_counts(s, untold ? untold : outcome->warnings + errors, errors);
}

bool diagnostics_describes_table(const struct session *s)
{
    static const char *const words[] = {"COLUMNS", "FIELDS", "INDEX", "INDEXES", "KEYS"};
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (sql_accept_word(&in, "SHOW")) {
        (void)sql_accept_word(&in, "FULL");
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (sql_is_word(&in.ahead, words[i]))
                return true;
        return false;
    }
    if (!sql_accept_word(&in, "DESCRIBE") && !sql_accept_word(&in, "DESC") && !sql_accept_word(&in, "EXPLAIN"))
        return false;
    struct sql_token table = sql_take(&in);
    if (sql_accept_punct(&in, '.'))
        sql_take(&in);
    bool statement = sql_is_word(&table, "SELECT") || sql_is_word(&table, "TABLE"); /* that is explained */
    if (!statement && (sql_is_name(&in.ahead) || in.ahead.kind == SQL_STRING)) /* a column */
        sql_take(&in);
    return in.ahead.kind == SQL_END;
}

/* 1146, 1109: there is no such table. On the way to its own MariaDB leaves what ROW_COUNT() says. */
static bool keeps_row_count(const struct session *s, const struct backend_outcome *outcome)
{
    return (outcome->error == 1146 || outcome->error == 1109) && diagnostics_like_mariadb(s) && diagnostics_describes_table(s);
}

static void note_row_count(struct session *s, const struct backend_outcome *outcome)
{
    bool fetch = buf_len(&s->command) && *buf_at(&s->command) == WIRE_COM_STMT_FETCH;
    bool rows = (outcome->had_rows && !conditions_of_routine(s)) || s->relay.fields || fetch; /* a routine ends with an OK */
    if ((s->relay.prepare && !outcome->error) || keeps_row_count(s, outcome)) /* leave them as they are */
        return;
    if (diagnostics_is_get(s)) { /* so does this where it finds what it asks for, but it may have run as a SET */
        s->diag.own_row_count = true;
        s->diag.row_count = outcome->warnings ? -1 : s->diag.row_count;
        return;
    }
    s->diag.own_row_count = s->diag.last_moved = false;
    s->diag.row_count = outcome->error || rows ? -1 : (int64_t)outcome->affected_rows;
    s->diag.last = s->target;
    if (!outcome->error && (outcome->had_rows || !(is_small(s) || prepares(s))))
        found_rows_note(s, outcome->had_rows);
}

void diagnostics_server(struct session *s, const struct backend_outcome *outcome)
{
    note_conditions(s, outcome);
    s->diag.asked_counts = false;
    note_row_count(s, outcome);
    if (outcome->error)
        insert_id_failed(s);
    else
        insert_id_note(s, outcome->last_insert_id, outcome->had_rows);
}

void diagnostics_server_forgotten(struct session *s, int server)
{
    s->diag.moved |= s->diag.server == server;
    s->diag.last_moved |= s->diag.last == server;
    s->diag.found_moved |= s->diag.found_server == server;
}

static const struct session_memory *memory(const struct session *s)
{
    return s->diag.server >= 0 ? &s->servers[s->diag.server].memory : NULL;
}

/* The target was the last to answer, and nothing of ours comes between. */
bool diagnostics_knows_counts(struct session *s)
{
    return !s->diag.own_row_count && !s->diag.last_moved && s->diag.last == s->target && !target_conn(s)->pinged &&
           target_is_quiet(s);
}

void diagnostics_disturbed(struct session *s, int server)
{
    if (s->diag.last == server)
        s->diag.own_row_count = true;
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

bool diagnostics_read_condition(struct slice row, struct diagnostics_condition *out)
{
    struct cursor in = cursor_make(row.at, row.len);
    out->level = wire_lenenc_str(&in, NULL);
    out->code = wire_lenenc_str(&in, NULL);
    out->text = wire_lenenc_str(&in, NULL);
    return !in.bad;
}

static bool read_row(struct cursor *c, struct diagnostics_condition *out)
{
    struct slice row = cursor_bytes(c, cursor_u32le(c));
    return !c->bad && diagnostics_read_condition(row, out);
}

bool diagnostics_condition(struct session *s, unsigned number, struct diagnostics_condition *out)
{
    *out = (struct diagnostics_condition){.sqlstate = NULL};
    if (s->diag.own) {
        snprintf(out->own_code, sizeof out->own_code, "%u", s->diag.code);
        out->level = slice_of(s->diag.is_error ? "Error" : "Warning");
        out->code = slice_of(out->own_code);
        out->text = slice_of(s->diag.text);
        out->sqlstate = s->diag.is_error ? s->diag.sqlstate : "HY000";
        return s->diag.code && number == 1;
    }
    if (!memory(s))
        return false;
    const struct buf *rows = &memory(s)->warnings;
    struct cursor c = cursor_make(buf_at(rows), buf_len(rows));
    while (cursor_left(&c) && read_row(&c, out))
        if (!--number)
            return true;
    return false;
}

/* An ERR packet does not say how many warnings came before the error; the rows do, where they are here. */
unsigned diagnostics_counted(struct session *s, bool errors)
{
    struct diagnostics_condition c;
    unsigned rows = 0, counted = errors ? s->diag.errors : s->diag.warnings;
    if (s->diag.own)
        return s->diag.code && (!errors || s->diag.is_error);
    for (unsigned i = 1; s->diag.moved && diagnostics_condition(s, i, &c); i++)
        rows += !errors || slice_is(c.level, "Error");
    return rows > counted ? rows : counted;
}

uint16_t diagnostics_repeated(struct session *s)
{
    uint8_t command = *buf_at(&s->command);
    bool repeats = command == WIRE_COM_PING || command == WIRE_COM_INIT_DB;
    return repeats && !s->diag.told && !diagnostics_like_mariadb(s) ? (uint16_t)diagnostics_counted(s, false) : 0;
}

bool diagnostics_is_here(const struct session *s)
{
    return s->diag.own || s->diag.moved;
}

bool diagnostics_is_all_there(struct session *s)
{
    return !diagnostics_is_here(s) && s->diag.server == s->target && diagnostics_knows_counts(s);
}
