/* SET taken apart: what its server is sent, what the proxy does itself or refuses. Leaves sending it, and what becomes of it then, to
 * variables.c. */
#include "proxy/session/set_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/own.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

/* Words that mean something else each time, though they look like literals. */
static bool is_moment(struct slice word)
{
    static const char *const begins[] = {"current", "local", "utc_", "sysdate", "now"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (word.len >= strlen(begins[i]) && !strncasecmp((const char *)word.at, begins[i], strlen(begins[i])))
            return true;
    return false;
}

/* An expression that every server answers alike: nothing of variables, tables, functions, or the moment. */
bool set_is_same_everywhere(const struct session *s, const struct sql_set *set)
{
    struct sql_lexer l;
    sql_lexer_init(&l, set->value, &s->dialect);
    for (;;) {
        struct sql_token t = sql_next(&l);
        if (t.kind == SQL_END)
            return true;
        if (t.kind == SQL_VARIABLE || t.kind == SQL_SYSTEM_VARIABLE || sql_is_punct(&t, '(') ||
            (t.kind == SQL_WORD && is_moment(t.text)))
            return false;
    }
}

void set_name(const struct sql_set *set, char *out, size_t size)
{
    snprintf(out, size, "%s%s", set->scope == SQL_SET_USER ? "@" : "", set->name);
}

void set_text(const struct session *s, const struct sql_set *set, struct buf *out)
{
    static const char *const scopes[] = {[SQL_SET_SESSION] = "SESSION ", [SQL_SET_ONE_SHOT] = "SESSION ",
                                         [SQL_SET_GLOBAL] = "GLOBAL ",
                                         [SQL_SET_PERSIST] = "PERSIST ", [SQL_SET_PERSIST_ONLY] = "PERSIST_ONLY ",
                                         [SQL_SET_USER] = "@"};
    if (!strcmp(set->name, "names"))
        buf_text(out, "NAMES ");
    else if (!strcmp(set->name, "character set"))
        buf_text(out, "CHARACTER SET ");
    else if (!strcmp(set->name, "role"))
        buf_text(out, "ROLE ");
    else {
        buf_text(out, scopes[set->scope]);
        if (set->scope == SQL_SET_USER)
            sql_quote_name(out, set->name, &s->dialect);
        else
            buf_text(out, set->name);
        buf_u8(out, '=');
    }
    buf_append(out, set->value.at, set->value.len);
}

bool set_is_access(const char *name)
{
    return !strcmp(name, "transaction_read_only") || !strcmp(name, "tx_read_only");
}

static bool is_transaction_characteristic(const char *name)
{
    return !strcmp(name, "transaction_isolation") || !strcmp(name, "tx_isolation") || set_is_access(name);
}

bool set_is_of_session(const struct sql_set *set)
{
    return set->scope == SQL_SET_SESSION || set->scope == SQL_SET_ONE_SHOT;
}

bool set_is_one_shot(const struct sql_set *set)
{
    return set->scope == SQL_SET_ONE_SHOT && is_transaction_characteristic(set->name);
}

static void fail(struct session *s, struct set_plan *plan, uint16_t code, const char *sqlstate, const char *text)
{
    if (plan->again)
        return;
    plan->failed = true;
    session_answer_error(s, code, sqlstate, "%s", text);
}

static void plan_autocommit(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    bool usual = !s->world->backends.at[statement_home(s)].no_autocommit;
    plan->autocommit = slice_is_word(set->value, "default") ? usual : sql_bool_value(set->value);
    plan->autocommit_expression = plan->autocommit < 0 ? set->value : (struct slice){0};
}

static void plan_one_shot(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    struct session_characteristics c = {.access = ""};
    char *text = set_is_access(set->name) ? c.access : c.isolation;
    size_t size = set_is_access(set->name) ? sizeof c.access : sizeof c.isolation;
    if (plan->again)
        return;
    if (characteristics_refused(s)) {
        fail(s, plan, 1568, "25001", "Transaction characteristics can't be changed while a transaction is in progress");
    } else if (set->value.len > 40) {
        fail(s, plan, 1231, "42000", "SET of a transaction's characteristics takes a value or a variable");
    } else {
        snprintf(text, size, "SET @@%.30s=%.*s", set->name, (int)set->value.len, (const char *)set->value.at);
        c.read_only = sql_bool_value(set->value) == 1;
        characteristics_take(s, &c);
    }
}

/* What follows the session is kept, looked through at each SET and sent again to each new server. */
static bool has_room(const struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    char name[SQL_NAME_SIZE + 1];
    set_name(set, name, sizeof name);
    return plan->n++ < SETTINGS_MAX && settings_have_room(s, name, buf_len(&plan->text) + set->value.len);
}

/* The proxy's own are in force on its connections. */
static void plan_tracking(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    struct buf text = {0};
    char why[512];
    if (!tracking_plan(s, set, &text))
        fail(s, plan, tracking_refusal(s, set, why, sizeof why), "42000", why);
    else if (buf_len(&text))
        buf_printf(&plan->text, "%s%s", buf_len(&plan->text) ? ", " : "", buf_cstr(&text));
    buf_fini(&text);
}

static void plan_own(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    char why[320];
    if (sql_set_is_global(set->scope)) {
        snprintf(why, sizeof why, "Variable '%s' is a SESSION variable and can't be used with SET GLOBAL", set->name);
        fail(s, plan, 1228, "HY000", why);
    } else if (!own_variable_fits(s, set)) {
        own_variable_refusal(set, why, sizeof why);
        fail(s, plan, 1231, "42000", why);
    } else if (s->tx && !strcmp(set->name, "xa_mode")) {
        fail(s, plan, 1568, "25001", "xa_mode can't be changed while a transaction is in progress");
    }
}

/* A parameter is not its variable: to MySQL a text is one in the character set of the connection then, MariaDB takes a NULL for one
 * that leaves what is assigned of the type that it had. */
static bool is_parameter(struct session *s, const struct sql_set *set)
{
    return set->scope == SQL_SET_USER && own_is_of_list(s, set->value) && !set_is_same_everywhere(s, set);
}

static void plan_setting(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    static const uint8_t parameter = '?';
    struct sql_set as_parameter = *set;
    bool listed = is_parameter(s, set);
    if (listed) {
        as_parameter.value = (struct slice){&parameter, 1};
        buf_text(&plan->list, buf_len(&plan->list) ? ", " : "");
        buf_append(&plan->list, set->value.at, set->value.len);
    }
    if (buf_len(&plan->text))
        buf_text(&plan->text, ", ");
    set_text(s, &as_parameter, &plan->text);
}

static void plan_one(struct session *s, struct set_plan *plan, const struct sql_set *set)
{
    if (set_is_of_session(set) && !strcmp(set->name, "autocommit"))
        plan_autocommit(s, plan, set);
    else if (set_is_of_session(set) && tracking_is_setting(set->name))
        plan_tracking(s, plan, set);
    else if ((set_is_of_session(set) || sql_set_is_global(set->scope)) && own_variable_is(set->name))
        plan_own(s, plan, set);
    else if (set_is_of_session(set) && !strcmp(set->name, "xa_detach_on_prepare"))
        fail(s, plan, 1235, "42000", "xa_detach_on_prepare belongs to the proxy");
    else if (set_is_one_shot(set))
        plan_one_shot(s, plan, set);
    else if (!plan->again && !has_room(s, plan, set))
        fail(s, plan, 1235, "42000", "too many variables, or too long ones, to follow the session from server to server");
    else
        plan_setting(s, plan, set);
}

void set_plan_fini(struct set_plan *plan)
{
    buf_fini(&plan->text);
    buf_fini(&plan->list);
}

static void make(struct session *s, struct set_plan *plan, bool again)
{
    struct sql_context ctx;
    struct sql_set_reader reader;
    struct sql_set set;
    *plan = (struct set_plan){.autocommit = -1, .again = again};
    statement_context(s, &ctx);
    sql_set_begin(&reader, s->statement, &ctx);
    while (!plan->failed && sql_set_next(&reader, &set))
        plan_one(s, plan, &set);
    if (plan->failed || !reader.bad)
        return;
    /* a server shall complain about it, or knows more than we do */
    buf_clear(&plan->text);
    buf_clear(&plan->list);
    buf_append(&plan->text, s->statement->text.at, s->statement->text.len);
    plan->autocommit = -1;
    plan->autocommit_expression = (struct slice){0};
    plan->verbatim = true;
}

void set_plan_make(struct session *s, struct set_plan *plan)
{
    s->one_shot_before = s->one_shot;
    make(s, plan, false);
    if (plan->failed)
        set_plan_refused(s);
}

/* A transaction that it has begun has it. */
void set_plan_refused(struct session *s)
{
    if (!s->tx)
        s->one_shot = s->one_shot_before;
}

void set_plan_again(struct session *s, struct set_plan *plan)
{
    make(s, plan, true);
}
