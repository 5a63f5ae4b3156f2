/* What may be registered for later: a statement on a server or a command on Redis, checked now as far as the proxy can, for later
 * nobody is there to be told. Leaves registering to actions.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compensate/command.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_args.h"
#include "proxy/session/rights.h"
#include "proxy/session/xa_call.h"

/* --- the resource --------------------------------------------------------------------------------------------------------- */

static bool refuse(struct session *s, const char *why)
{
    session_answer_error(s, 1235, "42000", "this cannot be an action: %s", why);
    return false;
}

/* The keys of today: a prefix that is configured otherwise when it is done is not its. */
void action_set_prefix(struct action *a, const struct config_redis *config)
{
    _Static_assert(CONFIG_KEY_PREFIX_MAX <= ACTION_SCHEMA_MAX, "an action carries it whole");
    if (config->key_prefix)
        snprintf(a->schema, sizeof a->schema, "%s", config->key_prefix);
}

/* A Redis resource, a backend, or a schema that lies on one. */
static bool find_resource(struct session *s, const char *name, struct action *a)
{
    const struct config *c = s->world->config;
    int redis = config_redis(c, name), backend = config_backend(c, name);
    bool schema = redis < 0 && backend < 0;
    if (schema)
        backend = config_backend_of_schema(c, name);
    if (redis < 0 && backend < 0) {
        session_answer_error(s, 1049, "42000",
                             "Unknown resource '%.64s': an action names a Redis resource, a backend or a schema", name);
        return false;
    }
    a->kind = redis >= 0 ? ACTION_REDIS : ACTION_SQL;
    snprintf(a->resource, sizeof a->resource, "%s", redis >= 0 ? c->redis[redis].name : c->backends[backend].name);
    if (schema)
        snprintf(a->schema, sizeof a->schema, "%.*s", ACTION_SCHEMA_MAX, name);
    else if (redis < 0 && *s->schema && statement_backend_of_schema(s, s->schema) == backend)
        snprintf(a->schema, sizeof a->schema, "%.*s", ACTION_SCHEMA_MAX, s->schema);
    else if (redis >= 0)
        action_set_prefix(a, &c->redis[redis]);
    return backend >= 0 && !schema ? true : !rights_refuse_schema(s, name);
}

/* --- values --------------------------------------------------------------------------------------------------------------- */

static struct action_value number_value(struct slice text)
{
    char digits[32], *end;
    if (text.len >= sizeof digits || memchr(text.at, '.', text.len)) /* a decimal stays exact */
        return (struct action_value){.kind = ACTION_BYTES, .bytes = text};
    snprintf(digits, sizeof digits, "%.*s", (int)text.len, (const char *)text.at);
    errno = 0;
    int64_t i = strtoll(digits, &end, 10);
    if (!errno && !*end)
        return (struct action_value){.kind = ACTION_INT, .i = i};
    errno = 0;
    uint64_t u = *digits == '-' ? 0 : strtoull(digits, &end, 10);
    if (*digits != '-' && !errno && !*end)
        return (struct action_value){.kind = ACTION_UINT, .u = u};
    return (struct action_value){.kind = ACTION_BYTES, .bytes = text};
}

static struct action_value value_of(const struct call_args *args, unsigned i)
{
    const struct call_value *v = call_args_value(args, i);
    struct slice text = call_args_at(args, i);
    if (v->null)
        return (struct action_value){.kind = ACTION_NULL};
    return v->number ? number_value(text) : (struct action_value){.kind = ACTION_BYTES, .bytes = text};
}

/* --- a statement ---------------------------------------------------------------------------------------------------------- */

static unsigned count_placeholders(struct session *s, struct slice text)
{
    struct sql_lexer l;
    unsigned n = 0;
    sql_lexer_init(&l, text, &s->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        n += t.kind == SQL_PARAMETER;
    return n;
}

static bool lives_there(struct session *s, const struct sql_statement *body, const struct action *a)
{
    int backend = config_backend(s->world->config, a->resource);
    for (unsigned i = 0; i < body->n_schemas; i++)
        if (statement_backend_of_schema(s, body->schema[i]) != backend) {
            session_answer_error(s, 1235, "42000", "this cannot be an action: schema '%.64s' is not on backend '%s'",
                                 body->schema[i], a->resource);
            return false;
        }
    if (body->unqualified_table && !*a->schema)
        return refuse(s, "its table has no schema; name it, or the schema instead of the backend");
    return true;
}

static bool kind_fits(struct session *s, const struct sql_statement *body)
{
    if (body->kind != SQL_PLAIN || body->compound)
        return refuse(s, "it must be an INSERT, UPDATE, DELETE, REPLACE or CALL of a procedure");
    if (body->resource_inside)
        return refuse(s, "it names a Redis resource within a statement");
    if (body->leaves & (SQL_LEAVES_LOCK | SQL_FREES_LOCKS | SQL_LEAVES_HANDLER))
        return refuse(s, "it is about the session that runs it");
    return true;
}

static bool one_statement(struct session *s, struct slice text, struct sql_statement *body)
{
    static _Thread_local struct sql_statement second;
    struct sql_context ctx;
    statement_context(s, &ctx);
    if (!sql_next_statement(&text, &ctx, body) || body->kind == SQL_EMPTY)
        return refuse(s, "it is empty");
    return !sql_next_statement(&text, &ctx, &second) || refuse(s, "it is more than one statement");
}

static bool check_statement(struct session *s, struct action *a)
{
    static _Thread_local struct sql_statement body;
    if (!one_statement(s, a->body, &body) || !kind_fits(s, &body) || !lives_there(s, &body, a) ||
        rights_refuse_statement(s, &body))
        return false;
    a->body = body.text;
    a->ansi_quotes = s->dialect.ansi_quotes;
    a->no_backslash_escapes = s->dialect.no_backslash_escapes;
    unsigned wanted = count_placeholders(s, a->body);
    if (wanted == a->n_args)
        return true;
    session_answer_error(s, 1318, "42000", "Incorrect number of arguments for the body of an action; expected %u, got %u", wanted,
                         a->n_args);
    return false;
}

/* The character set that texts of this session come in: as a server calls it, else as it was said at the log-in. MariaDB numbers
 * its variants without padding 1024 further; what lies elsewhere from 255 up is utf8mb4. */
static void take_charset(const struct session *s, struct action *a)
{
    unsigned id = s->charset >= 1024 && s->charset < 2048 ? s->charset - 1024U : s->charset;
    const char *name = s->charset_name;
    for (size_t i = 0; i < s->world->backends.n && !*name; i++)
        if (s->servers[i].conn && s->servers[i].settings_seen == s->settings_generation)
            name = s->servers[i].conn->client_charset;
    if (*name)
        snprintf(a->charset, sizeof a->charset, "%s", name);
    else if (id != WIRE_CHARSET_UTF8MB4 && id < 255)
        snprintf(a->charset, sizeof a->charset, "%u", id);
}

/* --- a command ------------------------------------------------------------------------------------------------------------ */

static bool check_words(struct session *s, unsigned resource, const struct comp_argv *command)
{
    struct comp_command_use use;
    struct comp_refusal refusal;
    if (!comp_command_check(command, false, &use, &refusal))
        session_answer_error(s, (uint16_t)refusal.code, refusal.sqlstate, "%s", refusal.text);
    else if (rights_refuse_command(s, resource, command, &use))
        return false;
    else if (use.class == COMP_CLASS_READ)
        return refuse(s, "the command changes nothing");
    else if (!comp_command_can_wait(&use))
        return refuse(s, "the command only means something within a transaction, or is a script");
    else
        return true;
    return false;
}

static bool check_command(struct session *s, const struct call_args *args, const struct action *a)
{
    struct comp_argv command = {0};
    char why[256];
    comp_argv_add(&command, a->body.at, a->body.len);
    uint16_t code = redis_args_append(args, 2, &command, why, sizeof why);
    bool good = !code && check_words(s, (unsigned)config_redis(s->world->config, a->resource), &command);
    if (code)
        session_answer_error(s, code, "23000", "%s", why);
    comp_argv_fini(&command);
    return good;
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

static bool take_name(struct session *s, const struct call_args *args, char *name, size_t size)
{
    struct slice text = call_args_at(args, 0);
    if (!text.at || !text.len || text.len >= size) {
        session_answer_error(s, 1049, "42000", "an action names its resource: a Redis resource, a backend or a schema");
        return false;
    }
    snprintf(name, size, "%.*s", (int)text.len, (const char *)text.at);
    return true;
}

bool action_body_read(struct session *s, const struct call_args *args, struct action *a)
{
    char name[ACTION_SCHEMA_MAX + 1];
    a->body = call_args_at(args, 1);
    if (!take_name(s, args, name, sizeof name) || !find_resource(s, name, a))
        return false;
    if (!a->body.at || !a->body.len)
        return refuse(s, "it is empty");
    a->n_args = args->n - 2;
    for (unsigned i = 0; i < a->n_args; i++)
        a->args[i] = a->kind == ACTION_SQL ? value_of(args, i + 2)
                                           : (struct action_value){.kind = ACTION_BYTES, .bytes = call_args_at(args, i + 2)};
    if (a->kind == ACTION_SQL)
        take_charset(s, a);
    if (a->kind == ACTION_SQL ? !check_statement(s, a) : !check_command(s, args, a))
        return false;
    if (!action_fits(a)) {
        session_answer_error(s, 1153, "08S01", "an action, with its arguments, is at most %d bytes", ACTION_BYTES_MAX);
        return false;
    }
    return true;
}
