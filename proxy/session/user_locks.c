/* GET_LOCK and RELEASE_LOCK counted, so that who has released what it took keeps no connection. Only questions of one lock alone
 * are counted, `SELECT GET_LOCK('job', 0)`, as applications have them: their answer tells. After any other only
 * RELEASE_ALL_LOCKS() ends the hold. Leaves the hold to holds.c. */
#include "proxy/session/phases.h"

enum asked { NOTHING, GET, RELEASE };

/* Up to the end of the arguments; false where more is called in them. */
static bool skip_arguments(struct sql_tokens *in)
{
    if (!sql_accept_punct(in, '('))
        return false;
    for (struct sql_token t = sql_take(in); t.kind != SQL_END; t = sql_take(in)) {
        if (sql_is_punct(&t, ')'))
            return true;
        if (sql_is_punct(&t, '('))
            return false;
    }
    return false;
}

static enum asked what_is_asked(const struct session *s)
{
    struct sql_tokens in;
    enum asked asked = NOTHING;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SELECT"))
        return NOTHING;
    if (sql_accept_word(&in, "GET_LOCK"))
        asked = GET;
    else if (sql_accept_word(&in, "RELEASE_LOCK"))
        asked = RELEASE;
    if (!asked || !skip_arguments(&in))
        return NOTHING;
    if (sql_accept_word(&in, "AS"))
        sql_take(&in);
    return in.ahead.kind == SQL_END ? asked : NOTHING;
}

/* 1, neither 0 nor NULL; a number of whatever size in a binary row. */
static bool says_yes(const struct session *s, struct slice row)
{
    if (s->binary)
        return row.len > 2 && !(row.at[1] & 4) && row.at[2] == 1;
    return row.len == 2 && row.at[0] == 1 && row.at[1] == '1';
}

static bool on_get(struct session *s, struct slice row)
{
    struct session_server *server = &s->servers[s->target];
    server->lock_told = true;
    server->locks += says_yes(s, row);
    return false;
}

static bool on_release(struct session *s, struct slice row)
{
    struct session_server *server = &s->servers[s->target];
    if (server->locks && says_yes(s, row))
        server->locks--;
    return false;
}

bool (*user_locks_rows(struct session *s))(struct session *s, struct slice row)
{
    static bool (*const rows[])(struct session *s, struct slice row) = {[NOTHING] = NULL, [GET] = on_get, [RELEASE] = on_release};
    s->servers[s->target].lock_told = false;
    return rows[what_is_asked(s)];
}

bool user_locks_held(struct session *s, struct session_server *server, bool failed)
{
    unsigned leaves = s->statement->leaves;
    if (leaves & SQL_FREES_LOCKS && !(leaves & SQL_LEAVES_LOCK) && !failed) {
        server->locks = 0;
        server->locks_uncounted = false;
    }
    if (leaves & SQL_LEAVES_LOCK && !server->lock_told)
        server->locks_uncounted = true;
    return server->locks || server->locks_uncounted;
}
