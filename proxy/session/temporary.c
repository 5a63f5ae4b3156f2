/* Temporary tables on a connection, counted: what is made is never counted as too little, what is dropped never as too much.
 * Those whose names are known are dropped by a plain DROP TABLE too, of which servers say nothing. Leaves the hold to holds.c. */
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

#define NAMES_MOST 4096 /* bytes of their names on one connection; more are only counted */

/* --- names: a schema and a table, each with a zero behind it; each stands for one of the count ---------------------- */

/* As it is written; false: its name cannot be told. */
static bool read_table(const struct session *s, struct sql_tokens *in, struct buf *out)
{
    char schema[SQL_NAME_SIZE], table[SQL_NAME_SIZE];
    struct sql_token t = sql_take(in);
    if (!sql_is_name(&t) || !sql_token_name(&in->lexer, &t, table))
        return false;
    memcpy(schema, s->schema, sizeof schema);
    if (sql_accept_punct(in, '.')) {
        memcpy(schema, table, sizeof schema);
        t = sql_take(in);
        if (!sql_is_name(&t) || !sql_token_name(&in->lexer, &t, table))
            return false;
    }
    buf_clear(out);
    buf_append(out, schema, strlen(schema) + 1);
    buf_append(out, table, strlen(table) + 1);
    return *schema;
}

static size_t length_at(const struct buf *names, size_t at)
{
    const char *schema = (const char *)buf_at(names) + at;
    size_t len = strlen(schema) + 1;
    return len + strlen(schema + len) + 1;
}

static unsigned count(const struct buf *names)
{
    unsigned n = 0;
    for (size_t at = 0; at < buf_len(names); at += length_at(names, at))
        n++;
    return n;
}

/* Where it begins; buf_len: it is not there. */
static size_t find(const struct buf *names, const struct buf *table)
{
    size_t at = 0;
    for (; at < buf_len(names); at += length_at(names, at))
        if (length_at(names, at) == buf_len(table) && !memcmp(buf_at(names) + at, buf_at(table), buf_len(table)))
            break;
    return at;
}

static bool forget(struct buf *names, const struct buf *table)
{
    size_t at = find(names, table), len = buf_len(table);
    if (at == buf_len(names))
        return false;
    memmove(buf_at(names) + at, buf_at(names) + at + len, buf_len(names) - at - len);
    buf_truncate(names, buf_len(names) - len);
    return true;
}

/* --- what is made --------------------------------------------------------------------------------------------------------- */

/* in: behind CREATE. */
static void note_made(const struct session *s, struct session_server *server, struct sql_tokens *in)
{
    struct buf table = {0}, *names = &server->temporary_names;
    if (sql_accept_word(in, "OR"))
        sql_take(in); /* REPLACE */
    if (!sql_accept_word(in, "TEMPORARY")) /* an index of one is none */
        return;
    sql_take(in); /* TABLE, SEQUENCE */
    if (sql_accept_word(in, "IF")) {
        sql_accept_word(in, "NOT");
        sql_accept_word(in, "EXISTS");
    }
    bool named = read_table(s, in, &table);
    if (!named || find(names, &table) == buf_len(names)) {
        server->temporary++;
        if (named && buf_len(names) + buf_len(&table) <= NAMES_MOST)
            buf_append(names, buf_at(&table), buf_len(&table));
    }
    buf_fini(&table);
}

/* --- what is dropped -------------------------------------------------------------------------------------------------------- */

/* [TEMPORARY] TABLE [IF EXISTS] name, name ...; in: behind DROP. Of those without a known name, a DROP TEMPORARY has
 * dropped as many as it names where none was missing. Where notes are off that is not told, so that the server must say
 * that something has changed. */
static void note_dropped(const struct session *s, struct session_server *server, struct sql_tokens *in,
                         const struct backend_outcome *outcome)
{
    struct buf table = {0}, *names = &server->temporary_names;
    bool all = sql_accept_word(in, "TEMPORARY") && !outcome->warnings;
    unsigned unknown = 0;
    sql_take(in); /* TABLE, TABLES, SEQUENCE */
    if (sql_accept_word(in, "IF")) {
        sql_accept_word(in, "EXISTS");
        all = all && outcome->state_changed && !settings_names(s, "sql_notes");
    }
    do {
        if (read_table(s, in, &table) && forget(names, &table))
            server->temporary--;
        else
            unknown++;
        while (in->ahead.kind != SQL_END && !sql_is_punct(&in->ahead, ','))
            sql_take(in);
    } while (sql_accept_punct(in, ','));
    unsigned others = server->temporary - count(names);
    if (all)
        server->temporary -= unknown < others ? unknown : others;
    buf_fini(&table);
}

/* --- a statement is over ---------------------------------------------------------------------------------------------------- */

void temporary_note(const struct session *s, struct session_server *server, const struct backend_outcome *outcome)
{
    const struct sql_statement *st = s->statement;
    struct sql_tokens in;
    /* what other DDL changes in the session is a temporary sequence */
    bool ddl = st->kind == SQL_IMPLICIT_COMMIT, makes = ddl && outcome->state_changed && !outcome->schema_changed;
    sql_tokens_init(&in, st->text, &s->dialect);
    bool renames = sql_accept_word(&in, "ALTER") || sql_accept_word(&in, "RENAME");
    if (renames || st->leaves & SQL_LEAVES_UNKNOWN)
        buf_clear(&server->temporary_names); /* they may have others now */
    if (outcome->error || renames || (st->kind != SQL_TEMPORARY_TABLE && !ddl))
        return;
    if (sql_accept_word(&in, "DROP"))
        note_dropped(s, server, &in, outcome);
    else if ((st->kind == SQL_TEMPORARY_TABLE || makes) && sql_accept_word(&in, "CREATE"))
        note_made(s, server, &in);
}
