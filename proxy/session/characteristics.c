/* SET TRANSACTION: what it says of the next transaction is kept until that one begins on a server, what it says of the session is
 * a setting like others. Leaves the assignments of variables to variables.c. */
#include <stdio.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"

static const char *read_level(struct sql_tokens *in)
{
    if (sql_accept_word(in, "SERIALIZABLE"))
        return "SERIALIZABLE";
    if (sql_accept_word(in, "REPEATABLE"))
        return sql_accept_word(in, "READ") ? "REPEATABLE READ" : NULL;
    if (!sql_accept_word(in, "READ"))
        return NULL;
    return sql_accept_word(in, "COMMITTED") ? "READ COMMITTED" : sql_accept_word(in, "UNCOMMITTED") ? "READ UNCOMMITTED" : NULL;
}

void characteristics_set_access(struct session_characteristics *c, bool read_only)
{
    snprintf(c->access, sizeof c->access, "SET TRANSACTION READ %s", read_only ? "ONLY" : "WRITE");
    c->read_only = read_only;
}

static bool read_one(struct sql_tokens *in, struct session_characteristics *out)
{
    if (sql_accept_word(in, "ISOLATION")) {
        const char *level = sql_accept_word(in, "LEVEL") && !*out->isolation ? read_level(in) : NULL;
        snprintf(out->isolation, sizeof out->isolation, "SET TRANSACTION ISOLATION LEVEL %s", level ? level : "");
        return level;
    }
    if (*out->access || !sql_accept_word(in, "READ"))
        return false;
    bool only = sql_accept_word(in, "ONLY");
    characteristics_set_access(out, only);
    return only || sql_accept_word(in, "WRITE");
}

/* What follows TRANSACTION. */
static bool read_all(const struct session *s, struct slice text, struct session_characteristics *out)
{
    struct sql_tokens in;
    sql_tokens_init(&in, text, &s->dialect);
    *out = (struct session_characteristics){.access = ""};
    do {
        if (!read_one(&in, out))
            return false;
    } while (sql_accept_punct(&in, ','));
    return in.ahead.kind == SQL_END;
}

void characteristics_add(struct session_characteristics *to, const struct session_characteristics *more)
{
    if (*more->isolation)
        memcpy(to->isolation, more->isolation, sizeof to->isolation);
    if (*more->access) {
        memcpy(to->access, more->access, sizeof to->access);
        to->read_only = more->read_only;
    }
}

void characteristics_send(struct session *s, const struct session_characteristics *c)
{
    if (*c->isolation)
        target_send_first(s, c->isolation);
    if (*c->access)
        target_send_first(s, c->access);
}

/* "SET SESSION TRANSACTION ..." in the words of a setting, which come behind SET. */
static void remember(struct session *s, const char *name, const char *text)
{
    struct buf setting = {0};
    if (!*text)
        return;
    buf_printf(&setting, "SESSION %s", text + strlen("SET "));
    settings_remember(s, name, (struct slice){buf_at(&setting), buf_len(&setting)}, buf_len(&setting));
    buf_fini(&setting);
}

/* READ COMMITTED is READ-COMMITTED as a value. */
static void tell_isolation(struct session *s, const struct session_characteristics *c)
{
    char level[32];
    snprintf(level, sizeof level, "%s", c->isolation + strlen("SET TRANSACTION ISOLATION LEVEL "));
    for (char *space = strchr(level, ' '); space; space = strchr(space, ' '))
        *space = '-';
    tracking_characteristic(s, "isolation", level);
}

static void set_for_session(struct session *s, const struct session_characteristics *c)
{
    remember(s, "transaction isolation", c->isolation);
    remember(s, "transaction mode", c->access);
    if (*c->isolation)
        tell_isolation(s, c);
    if (*c->access) {
        s->read_only = c->read_only;
        tracking_characteristic(s, "read_only", c->read_only ? "ON" : "OFF");
    }
    session_answer_ok(s);
}

bool characteristics_refused(struct session *s)
{
    return session_in_transaction(s);
}

void characteristics_take(struct session *s, const struct session_characteristics *c)
{
    if (s->tx)
        tx_set_characteristics(s->tx, c);
    else
        characteristics_add(&s->one_shot, c);
}

static void set_for_next(struct session *s, const struct session_characteristics *c)
{
    if (characteristics_refused(s)) {
        session_answer_error(s, 1568, "25001", "Transaction characteristics can't be changed while a transaction is in progress");
        return;
    }
    characteristics_take(s, c);
    session_answer_ok(s);
}

void characteristics_set(struct session *s)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    struct session_characteristics c;
    statement_context(s, &ctx);
    sql_set_begin(&reader, s->statement, &ctx);
    if (!sql_set_next(&reader, &set) || !read_all(s, set.value, &c)) {
        s->statement->kind = SQL_PLAIN; /* for a server to complain about */
        statement_run(s);
    } else if (set.scope == SQL_SET_ONE_SHOT) {
        set_for_next(s, &c);
    } else {
        set_for_session(s, &c);
    }
}
