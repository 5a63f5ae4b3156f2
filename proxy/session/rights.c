/* What the configuration says of a user beyond its password: from where it may come, with which certificate, to which schemas,
 * and what it may do on a Redis. Leaves what an account may do on a server to that server. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/network.h"
#include "compensate/rights.h"
#include "proxy/session/phases.h"
#include "proxy/session/rights.h"

/* --- coming in --- */

static bool shows_certificate(const struct session *s, const struct config_user *u)
{
    if (!u->require_cert && !u->cert_subject && !u->cert_issuer)
        return true;
    return net_conn_certificate_is(s->net, u->cert_subject, u->cert_issuer);
}

bool rights_to_enter(const struct session *s, const struct config_user *u)
{
    return (!u->listeners || config_lists(u->listeners, session_listener(s)->name)) &&
           (!u->addresses || network_list_has(u->addresses, s->peer)) && shows_certificate(s, u);
}

bool rights_by_certificate(const struct session *s, const struct config_user *u)
{
    return u->cert_identity && net_conn_certificate_names(s->net, u->cert_identity);
}

/* --- schemas --- */

bool rights_to_schema(const struct session *s, const struct config_user *u, const char *schema)
{
    bool ours = !strcasecmp(schema, "xa"); /* which shows each user its own */
    if (!u->schemas || ours || config_lists(u->schemas, schema) || statement_is_system_schema(schema))
        return true;
    int redis = config_redis(s->world->config, schema);
    return redis >= 0 && config_lists(u->schemas, s->world->config->redis[redis].name);
}

static bool refuse(struct session *s, const char *schema)
{
    session_answer_error(s, 1044, "42000", "Access denied for user '%.64s'@'%s' to database '%.64s'", s->user->name, s->peer,
                         schema);
    return true;
}

bool rights_refuse_schema(struct session *s, const char *schema)
{
    return !rights_to_schema(s, s->user, schema) && refuse(s, schema);
}

static bool refuse_names(struct session *s, const struct sql_statement *statement)
{
    for (unsigned i = 0; i < statement->n_schemas; i++)
        if (!rights_to_schema(s, s->user, statement->schema[i]))
            return refuse(s, statement->schema[i]);
    if (statement->kind == SQL_REDIS_CALL)
        return rights_refuse_schema(s, statement->name);
    return statement->schemas_overflow && refuse(s, "(more schemas than can be told)");
}

/* 90704 of "9.7.4-2"; 0: not known yet. */
static unsigned version_of(struct backend *b)
{
    struct backend_texts texts;
    unsigned major = 0, minor = 0, patch = 0;
    backend_texts(b, &texts);
    if (sscanf(texts.version, "%2u.%2u.%2u", &major, &minor, &patch) < 2)
        return 0;
    return major * 10000 + minor * 100 + patch;
}

static bool refuse_as_read_by(struct session *s, struct backend *b, struct slice text)
{
    static _Thread_local struct sql_statement read;
    struct sql_context ctx;
    statement_context(s, &ctx);
    ctx.dialect.version = version_of(b);
    ctx.dialect.mariadb = b->mariadb;
    if (!ctx.dialect.version)
        return refuse(s, "(what a versioned comment is to a server that has not been reached yet)");
    while (sql_next_statement(&text, &ctx, &read))
        if (refuse_names(s, &read))
            return true;
    return false;
}

/* What is code to one server, is a comment to another: that may make a table of what follows it. */
static bool has_versioned_comment(struct slice text)
{
    return text.len && (memmem(text.at, text.len, "/*!", 3) || memmem(text.at, text.len, "/*M!", 4));
}

bool rights_refuse_statement(struct session *s, const struct sql_statement *statement)
{
    if (!s->user->schemas)
        return false;
    bool versioned = has_versioned_comment(statement->text), refused = refuse_names(s, statement);
    for (size_t i = 0; versioned && !refused && i < s->world->backends.n; i++)
        refused = refuse_as_read_by(s, &s->world->backends.at[i], statement->text);
    return refused;
}

bool rights_refuse_expression(struct session *s, struct slice expression)
{
    static _Thread_local struct sql_statement select;
    struct sql_context ctx;
    struct buf text = {0};
    buf_text(&text, "SELECT ");
    buf_append(&text, expression.at, expression.len);
    struct slice rest = {buf_at(&text), buf_len(&text)};
    statement_context(s, &ctx);
    bool refused = sql_next_statement(&rest, &ctx, &select) && rights_refuse_statement(s, &select);
    buf_fini(&text);
    return refused;
}

/* --- Redis ---------------------------------------------------------------------------------------------------------------- */

static bool PRINTF_LIKE(3, 4) deny(struct comp_refusal *why, unsigned code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    why->code = code;
    strcpy(why->sqlstate, "42000");
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return false;
}

static const struct config_grant *grant_of(const struct session *s, unsigned resource)
{
    return s->user ? config_grant(s->world->config, s->user->name, s->world->config->redis[resource].name) : NULL;
}

bool rights_are_limited(const struct session *s, unsigned resource)
{
    return grant_of(s, resource);
}

bool rights_to_keys(const struct session *s, unsigned resource, const struct comp_argv *command,
                    const struct comp_command_use *use, struct comp_refusal *why)
{
    const struct config_grant *grant = grant_of(s, resource);
    if (!grant || !grant->keys || comp_rights_to_keys(grant->keys, command, use))
        return true;
    return deny(why, 1142, "%s command denied to user '%.64s'@'%s' for these keys of '%s'", use->row->name, s->user->name, s->peer,
                s->world->config->redis[resource].name);
}

bool rights_to_command(const struct session *s, unsigned resource, const struct comp_argv *command,
                       const struct comp_command_use *use, struct comp_refusal *why)
{
    const struct config_grant *grant = grant_of(s, resource);
    if (grant && grant->commands && !comp_rights_to_command(grant->commands, use))
        return deny(why, 1370, "execute command denied to user '%.64s'@'%s' for routine '%s.%s'", s->user->name, s->peer,
                    s->world->config->redis[resource].name, use->row->name);
    return rights_to_keys(s, resource, command, use, why);
}

bool rights_refuse_command(struct session *s, unsigned resource, const struct comp_argv *command,
                           const struct comp_command_use *use)
{
    struct comp_refusal why;
    if (rights_to_command(s, resource, command, use, &why))
        return false;
    session_answer_error(s, (uint16_t)why.code, why.sqlstate, "%s", why.text);
    return true;
}

bool rights_check(const struct config *c, const char *path, struct buf *complaints)
{
    for (size_t n = 0; n < c->n_grants; n++)
        for (char *const *word = c->grants[n].commands; word && *word; word++)
            if (!comp_rights_word(*word))
                buf_printf(complaints, "%s: [grant %s@%s]: \"%.64s\" in commands is no category or command of Redis\n", path,
                           c->grants[n].user, c->grants[n].redis, *word);
    return !buf_len(complaints);
}
