/* What the configuration says of a user beyond its password: from where it may come, with which certificate, to which schemas.
 * Leaves what an account may do on a server to that server. */
#include <string.h>
#include <strings.h>

#include "base/network.h"
#include "proxy/session/session.h"

/* --- coming in --- */

static bool lists(char *const *words, const char *word)
{
    for (; words && *words; words++)
        if (!strcmp(*words, word))
            return true;
    return false;
}

static bool shows_certificate(const struct session *s, const struct config_user *u)
{
    if (!u->require_cert && !u->cert_subject && !u->cert_issuer)
        return true;
    return net_conn_certificate_is(s->net, u->cert_subject, u->cert_issuer);
}

bool rights_to_enter(const struct session *s, const struct config_user *u)
{
    return (!u->listeners || lists(u->listeners, session_listener(s)->name)) &&
           (!u->addresses || network_list_has(u->addresses, s->peer)) && shows_certificate(s, u);
}

bool rights_by_certificate(const struct session *s, const struct config_user *u)
{
    return u->cert_identity && net_conn_certificate_names(s->net, u->cert_identity);
}

/* --- schemas --- */

bool rights_to_schema(const struct session *s, const struct config_user *u, const char *schema)
{
    if (!u->schemas || lists(u->schemas, schema) || statement_is_system_schema(schema))
        return true;
    int redis = config_redis(s->world->config, schema);
    return redis >= 0 && lists(u->schemas, s->world->config->redis[redis].name);
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

bool rights_refuse_statement(struct session *s, const struct sql_statement *statement)
{
    if (!s->user->schemas)
        return false;
    for (unsigned i = 0; i < statement->n_schemas; i++)
        if (!rights_to_schema(s, s->user, statement->schema[i]))
            return refuse(s, statement->schema[i]);
    if (statement->kind == SQL_REDIS_CALL)
        return rights_refuse_schema(s, statement->name);
    return statement->schemas_overflow && refuse(s, "(more schemas than can be told)");
}
