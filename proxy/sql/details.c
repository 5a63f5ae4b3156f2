/* One small reader for each kind that the proxy acts on itself. Leaves SET's assignments to set.c, calls to call.c. */
#include "proxy/sql/details.h"

#include "proxy/sql/bytes.h"

static bool at_end(const struct sql_tokens *in)
{
    return in->ahead.kind == SQL_END || sql_is_punct(&in->ahead, ';');
}

static bool take_name(struct sql_tokens *in, struct sql_statement *out)
{
    if (!sql_is_name(&in->ahead) || in->ahead.unfinished)
        return false;
    struct sql_token name = sql_take(in);
    return sql_token_name(&in->lexer, &name, out->name) && out->name[0];
}

/* READ ONLY, READ WRITE: true when one of them is there. */
static bool accept_access_mode(struct sql_tokens *in, struct sql_statement *out)
{
    if (!sql_accept_word(in, "READ"))
        return false;
    if (sql_accept_word(in, "ONLY"))
        return out->read_only = true;
    return out->read_write = sql_accept_word(in, "WRITE");
}

static bool accept_snapshot(struct sql_tokens *in, struct sql_statement *out)
{
    if (!sql_accept_word(in, "WITH"))
        return false;
    out->consistent_snapshot = sql_accept_word(in, "CONSISTENT") && sql_accept_word(in, "SNAPSHOT");
    return out->consistent_snapshot;
}

static bool accept_isolation(struct sql_tokens *in)
{
    if (!sql_accept_word(in, "ISOLATION") || !sql_accept_word(in, "LEVEL"))
        return false;
    if (sql_accept_word(in, "REPEATABLE"))
        return sql_accept_word(in, "READ");
    if (sql_accept_word(in, "READ"))
        return sql_accept_word(in, "COMMITTED") || sql_accept_word(in, "UNCOMMITTED");
    return sql_accept_word(in, "SERIALIZABLE");
}

static bool read_begin(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    bool has_options = row->words[0] == 'S' && !at_end(in); /* START TRANSACTION, not BEGIN */
    while (has_options) {
        bool known = sql_is_word(&in->ahead, "WITH") ? accept_snapshot(in, out) : accept_access_mode(in, out);
        if (!known)
            return false;
        has_options = sql_accept_punct(in, ',');
    }
    return at_end(in) && !(out->read_only && out->read_write);
}

static bool read_set_transaction(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    (void)row;
    do {
        bool known = sql_is_word(&in->ahead, "READ") ? accept_access_mode(in, out) : accept_isolation(in);
        if (!known)
            return false;
    } while (sql_accept_punct(in, ','));
    return at_end(in) && !(out->read_only && out->read_write);
}

/* [WORK] [AND [NO] CHAIN] [[NO] RELEASE] */
static bool read_end(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    (void)row;
    sql_accept_word(in, "WORK");
    if (sql_accept_word(in, "AND")) {
        out->no_chain = sql_accept_word(in, "NO");
        if (!sql_accept_word(in, "CHAIN"))
            return false;
        out->chain = !out->no_chain;
    }
    out->no_release = sql_accept_word(in, "NO");
    bool release = sql_accept_word(in, "RELEASE");
    out->release = release && !out->no_release;
    return at_end(in) && release >= out->no_release && !(out->chain && out->release);
}

static bool read_name(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    (void)row;
    return take_name(in, out) && at_end(in);
}

/* ROLLBACK TO savepoint is one of that name, since the word is not reserved. */
static bool read_rollback_to(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    struct sql_tokens behind = *in;
    if (sql_accept_word(&behind, "SAVEPOINT") && !at_end(&behind))
        *in = behind;
    return read_name(in, row, out);
}

static bool read_nothing(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    (void)row, (void)out;
    return at_end(in);
}

static uint64_t plain_number(struct slice text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_is_digit(text.at[i]) || number > (UINT64_MAX - 9) / 10)
            return 0;
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    }
    return number;
}

static bool is_plain_number(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!byte_is_digit(text.at[i]))
            return false;
    return text.len;
}

/* name, 'name', name@host: a session of the proxy has no host to be told apart by. */
static bool take_kill_user(struct sql_tokens *in, struct sql_statement *out)
{
    struct sql_token user = in->ahead;
    if ((user.kind != SQL_STRING && !sql_is_name(&user)) || user.unfinished)
        return false;
    sql_take(in);
    if (!sql_token_name(&in->lexer, &user, out->name))
        return false;
    while (!at_end(in))
        sql_take(in);
    return out->name[0];
}

/* From this token on to the end. */
static struct slice take_expression(struct sql_tokens *in, const struct sql_token *first)
{
    struct slice whole = first->text;
    while (!at_end(in)) {
        struct sql_token t = sql_take(in);
        whole.len = (size_t)(t.text.at + t.text.len - whole.at);
    }
    return whole;
}

/* Not as the name of a function. */
static bool take_kill_word(struct sql_tokens *in, const char *word, struct sql_statement *out)
{
    struct sql_tokens look = *in;
    if (!sql_accept_word(&look, word))
        return false;
    out->kill_in_words |= !sql_is_punct(&look.ahead, '(');
    *in = look;
    return true;
}

/* [HARD|SOFT] [CONNECTION | QUERY] number or expression, or USER name; QUERY ID is none of them. */
static bool read_kill(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    (void)row;
    if (!take_kill_word(in, "HARD", out))
        take_kill_word(in, "SOFT", out);
    out->kill_query = sql_accept_word(in, "QUERY");
    if (!out->kill_query)
        sql_accept_word(in, "CONNECTION");
    if (take_kill_word(in, "USER", out)) {
        out->kill_of_nobody = at_end(in);
        out->kill_by_user = take_kill_user(in, out);
        return true;
    }
    out->kill_of_nobody = at_end(in);
    if (out->kill_of_nobody || (out->kill_query && take_kill_word(in, "ID", out)))
        return true;
    struct sql_token id = sql_take(in);
    out->kill_by_id = id.kind == SQL_NUMBER && at_end(in) && is_plain_number(id.text);
    if (out->kill_by_id)
        out->kill_id = plain_number(id.text);
    else
        out->kill_expression = take_expression(in, &id);
    return true;
}

static bool read_show_processlist(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    out->full = row->words[sizeof "SHOW " - 1] == 'F';
    return at_end(in);
}

static bool read_ddl(struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    if (!(row->shape & SQL_SHAPE_OBJECT))
        return true;
    if (sql_accept_word(in, "OR"))
        sql_accept_word(in, "REPLACE");
    out->changes_schema = sql_accept_word(in, "DATABASE") || sql_accept_word(in, "SCHEMA");
    return true;
}

bool sql_details(const struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out)
{
    static bool (*const readers[])(struct sql_tokens *, const struct sql_keyword *, struct sql_statement *) = {
        [SQL_BEGIN] = read_begin,
        [SQL_COMMIT] = read_end,
        [SQL_ROLLBACK] = read_end,
        [SQL_SAVEPOINT] = read_name,
        [SQL_ROLLBACK_TO] = read_rollback_to,
        [SQL_RELEASE_SAVEPOINT] = read_name,
        [SQL_SET_TRANSACTION] = read_set_transaction,
        [SQL_USE] = read_name,
        [SQL_UNLOCK_TABLES] = read_nothing,
        [SQL_KILL] = read_kill,
        [SQL_IMPLICIT_COMMIT] = read_ddl,
        [SQL_SHOW_PROCESSLIST] = read_show_processlist,
    };
    struct sql_tokens rest = *in;
    if ((size_t)row->kind >= sizeof readers / sizeof *readers || !readers[row->kind])
        return true;
    return readers[row->kind](&rest, row, out);
}
