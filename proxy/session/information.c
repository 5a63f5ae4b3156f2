/* A session's own answers put into a text that asks for them: ROW_COUNT(), DATABASE(), @@warning_count and their like. Leaves
 * finding the questions to sql/information.c, LAST_INSERT_ID() to insert_id.c. */
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/information.h"
#include "proxy/sql/quote.h"

struct putting {
    struct session *session;
    const char *schema;
    bool by_servers_ids; /* as WHERE id = CONNECTION_ID() in the server's own tables: its connections have its ids there */
    bool prepared;       /* LAST_INSERT_ID() is brought to it */
    bool again;          /* between the last statement and this one there is a PREPARE, so that the server knows less */
    bool changing_only;  /* not what an EXECUTE never finds changed: the schema of the PREPARE, the id */
};

/* On MariaDB in place of USER(), whose collation does not follow the session's, either. */
static bool put_schema(struct session *s, const char *schema, struct buf *literal)
{
    if (!strcmp(schema, target_conn(s)->schema))
        return false;
    bool as_user = *schema && diagnostics_like_mariadb(s);
    if (as_user)
        buf_text(literal, "LEFT(INSERT(USER(),1,999,");
    if (*schema)
        sql_quote_text(literal, (struct slice){(const uint8_t *)schema, strlen(schema)}, &s->dialect);
    else
        buf_text(literal, "NULL");
    if (as_user)
        buf_text(literal, "),64)");
    return true;
}

/* By read-only variables of the same type that say so on every server that can be reached over the network. */
static const char *as_variable(bool on)
{
    return on ? "@@global.large_files_support" : "@@global.skip_networking";
}

static bool put_count(const struct putting *p, bool errors, struct buf *literal)
{
    struct session *s = p->session;
    bool stay = target_conn(s)->mariadb || target_is_quiet(s); /* MariaDB's over what precedes the statement */
    if (p->prepared && sql_names_tables(s->statement)) /* they are forgotten before it begins */
        return false;
    if (!s->diag.own && !s->diag.moved && s->diag.server == s->target && stay)
        return false;
    buf_printf(literal, "CAST(%u AS UNSIGNED)", diagnostics_counted(s, errors));
    return true;
}

static bool put_row_count(const struct putting *p, struct buf *literal)
{
    if (!p->again && diagnostics_knows_counts(p->session) && !insert_id_comes_first(p->session))
        return false;
    buf_printf(literal, "%lld", (long long)p->session->diag.row_count);
    return true;
}

static bool put_found_rows(const struct session *s, struct buf *literal)
{
    uint64_t rows = s->diag.found_rows;
    if (s->diag.found_server >= 0 && !s->diag.found_moved)
        return false;
    if (s->diag.found_server >= 0)
        rows = s->servers[s->diag.found_server].memory.found_rows;
    buf_printf(literal, "%llu", (unsigned long long)rows);
    return true;
}

static bool put_insert_id(const struct session *s, struct buf *literal)
{
    uint64_t id;
    if (!insert_id_of_another(s, &id))
        return false;
    buf_printf(literal, "CAST(%llu AS UNSIGNED)", (unsigned long long)id);
    return true;
}

/* A text as long as MariaDB would say that it is; MySQL's variables have all the same length. */
static void put_text(const struct session *s, struct slice text, bool null, const char *name, struct buf *literal)
{
    buf_text(literal, "IF(1,");
    if (null)
        buf_text(literal, "NULL");
    else
        sql_quote_text(literal, text, &s->dialect);
    buf_printf(literal, null || !diagnostics_like_mariadb(s) ? ",@@session.%s)" : ",NULL)", name);
}

/* The connection's are the proxy's. */
static bool put_tracking(const struct session *s, const char *name, struct buf *literal)
{
    struct buf value = {0};
    CHECK(tracking_show(s, (struct slice){(const uint8_t *)name, strlen(name)}, &value));
    struct slice text = {buf_at(&value), buf_len(&value)};
    if (strstr(name, "schema") || strstr(name, "change"))
        buf_text(literal, as_variable(slice_is_word(text, "ON")));
    else
        put_text(s, text, s->track.null && strstr(name, "variables"), name, literal);
    buf_fini(&value);
    return true;
}

static bool put_changing(const struct putting *p, enum sql_information which, struct buf *literal)
{
    struct session *s = p->session;
    switch (which) {
    case SQL_INFORMATION_ROW_COUNT:
        return put_row_count(p, literal);
    case SQL_INFORMATION_FOUND_ROWS:
        return put_found_rows(s, literal);
    case SQL_INFORMATION_LAST_INSERT_ID:
    case SQL_INFORMATION_LAST_INSERT_ID_VARIABLE:
    case SQL_INFORMATION_IDENTITY:
        return !p->prepared && put_insert_id(s, literal);
    case SQL_INFORMATION_AUTOCOMMIT:
        buf_text(literal, as_variable(s->autocommit));
        return true;
    case SQL_INFORMATION_IN_TRANSACTION:
        buf_printf(literal, "CAST(%d AS UNSIGNED)", session_in_transaction(s));
        return target_conn(s)->mariadb;
    case SQL_INFORMATION_XA_MODE:
        buf_text(literal, s->own[SESSION_OWN_XA_MODE] ? "'saga'" : "'xa'");
        return true;
    case SQL_INFORMATION_XA_TIMEOUT:
        buf_printf(literal, "%d", s->own[SESSION_OWN_XA_TIMEOUT]);
        return true;
    case SQL_INFORMATION_TRACK_SCHEMA:
        return put_tracking(s, "session_track_schema", literal);
    case SQL_INFORMATION_TRACK_CHANGE:
        return put_tracking(s, "session_track_state_change", literal);
    case SQL_INFORMATION_TRACK_TRANSACTION:
        return put_tracking(s, "session_track_transaction_info", literal);
    case SQL_INFORMATION_TRACK_VARIABLES:
        return put_tracking(s, "session_track_system_variables", literal);
    case SQL_INFORMATION_WARNING_COUNT:
    case SQL_INFORMATION_ERROR_COUNT:
        return put_count(p, which == SQL_INFORMATION_ERROR_COUNT, literal);
    default:
        return false;
    }
}

static bool put(void *arg, enum sql_information which, struct buf *literal)
{
    const struct putting *p = arg;
    if (which == SQL_INFORMATION_DATABASE || which == SQL_INFORMATION_SCHEMA)
        return !p->changing_only && put_schema(p->session, p->schema, literal);
    if (which != SQL_INFORMATION_CONNECTION_ID && which != SQL_INFORMATION_PSEUDO_THREAD_ID)
        return put_changing(p, which, literal);
    if (p->by_servers_ids || p->changing_only)
        return false;
    buf_printf(literal, "CAST(%llu AS UNSIGNED)", (unsigned long long)p->session->id);
    return true;
}

static bool see_insert_id(void *arg, enum sql_information which, struct buf *literal)
{
    (void)literal;
    *(bool *)arg |= which == SQL_INFORMATION_LAST_INSERT_ID || which == SQL_INFORMATION_LAST_INSERT_ID_VARIABLE ||
                    which == SQL_INFORMATION_IDENTITY;
    return false;
}

static bool see_counts(void *arg, enum sql_information which, struct buf *literal)
{
    (void)literal;
    *(bool *)arg |= which == SQL_INFORMATION_WARNING_COUNT || which == SQL_INFORMATION_ERROR_COUNT;
    return false;
}

static bool see_found_rows(void *arg, enum sql_information which, struct buf *literal)
{
    (void)literal;
    *(bool *)arg |= which == SQL_INFORMATION_FOUND_ROWS;
    return false;
}

static bool asks(const struct session *s, sql_information_value *see)
{
    struct buf nothing = {0};
    bool seen = false;
    if (s->statement->asks_session)
        (void)sql_put_information(s->statement->text, &s->dialect, see, &seen, &nothing);
    buf_fini(&nothing);
    return seen;
}

bool information_asks_insert_id(const struct session *s)
{
    return asks(s, see_insert_id);
}

bool information_asks_counts(const struct session *s)
{
    return asks(s, see_counts);
}

bool information_asks_found_rows(const struct session *s)
{
    return asks(s, see_found_rows);
}

/* What is stored in a schema is not this session's question. */
static bool may_ask(const struct sql_statement *statement)
{
    enum sql_kind k = statement->kind;
    return statement->asks_session && !statement->compound && (k == SQL_READ || k == SQL_PLAIN || k == SQL_SET);
}

/* IS_USED_LOCK('name') = CONNECTION_ID(): is it mine? */
static bool asks_lock_owner(const struct session *s, const struct sql_statement *statement)
{
    struct sql_tokens in;
    if (!statement->user_locks)
        return false;
    sql_tokens_init(&in, statement->text, &s->dialect);
    while (in.ahead.kind != SQL_END && !sql_is_word(&in.ahead, "IS_USED_LOCK"))
        sql_take(&in);
    return in.ahead.kind != SQL_END;
}

static bool by_servers_ids(const struct session *s, const struct sql_statement *statement)
{
    bool own_default = statement->unqualified_table && *s->schema && statement_is_system_schema(s->schema);
    return statement->own_schema || own_default || asks_lock_owner(s, statement);
}

static bool put_all(struct putting *p, const struct sql_statement *statement, struct slice text, struct buf *out)
{
    p->by_servers_ids = by_servers_ids(p->session, statement);
    return may_ask(statement) && sql_put_information(text, &p->session->dialect, put, p, out);
}

bool information_put(struct session *s, const struct sql_statement *statement, struct slice text, struct buf *out)
{
    return put_all(&(struct putting){.session = s, .schema = s->schema}, statement, text, out);
}

bool information_put_prepared(struct session *s, const struct information_text *t, bool again, struct buf *out)
{
    struct putting p = {.session = s, .schema = t->prepared_in, .prepared = true, .again = again};
    return put_all(&p, t->statement, t->text, out);
}

static void put_answers(struct session *s, const struct information_text *t, bool again, struct buf *out)
{
    struct putting p = {.session = s, .prepared = true, .again = again, .changing_only = true};
    (void)put_all(&p, t->statement, t->text, out);
}

void information_answers(struct session *s, const struct information_text *t, bool again, struct buf *answers)
{
    buf_clear(answers);
    put_answers(s, t, again, answers);
}

bool information_is_as_prepared(struct session *s, const struct information_text *t, const struct buf *answers)
{
    struct buf now = {0};
    put_answers(s, t, false, &now);
    size_t len = buf_len(&now);
    bool same = len == buf_len(answers) && (!len || !memcmp(buf_at(&now), buf_at(answers), len));
    buf_fini(&now);
    return same;
}
