/* What follows a good proof: limits, the default schema, the OK. Leaves whether a server has that schema to entering.c. */
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/login_impl.h"
#include "proxy/session/phases.h"

/* --- the OK ------------------------------------------------------------------------------------------------------------ */

/* Behind the OK; where a client asks for both, it gets what every client knows, as servers do. */
static void compress(struct session *s, uint8_t zstd_level)
{
    if (!(s->caps & LOGIN_COMPRESSED))
        return;
    s->gatherer.any_seq = true;
    net_conn_compress(s->net, s->caps & WIRE_CAP_COMPRESS ? NET_COMPRESSION_ZLIB : NET_COMPRESSION_ZSTD, zstd_level);
}

static void settle(struct session *s)
{
    struct session_login *l = s->login;
    log_info("login", "session=%llu user=%s peer=%s tls=%d", (unsigned long long)s->id, s->user->name, s->peer, s->net->tls);
    variables_reset(s);
    net_conn_read_limit(s->net, 0);
    s->seq = s->gatherer.next_seq;
    uint8_t zstd_level = l->zstd_level;
    bool again = l->before;
    login_free(s);
    (void)FAILPOINT(auth_ok);
    session_answer_ok(s);
    if (!again)
        compress(s, zstd_level);
}

/* --- the default schema --------------------------------------------------------------------------------------------------- */

enum { ACCESS_DENIED = 1044 };

static void refuse_rights(struct session *s, const char *schema)
{
    char text[256];
    snprintf(text, sizeof text, "Access denied for user '%.64s'@'%s' to database '%.64s'", s->user->name, s->peer, schema);
    login_refuse(s, ACCESS_DENIED, "42000", text, "schema not allowed");
}

/* The account is a matter between the proxy and the server. */
static void on_entered(struct session *s, const struct backend_outcome *refused)
{
    if (!refused)
        settle(s);
    else if (refused->error == ACCESS_DENIED)
        refuse_rights(s, s->schema);
    else
        login_refuse(s, refused->error, refused->sqlstate, refused->message, "schema refused");
}

static void enter(struct session *s, const char *schema)
{
    struct session_login *l = s->login;
    int backend = statement_backend_of_schema(s, schema);
    char text[256];
    if (!rights_to_schema(s, s->user, schema)) {
        refuse_rights(s, schema);
    } else if (backend < 0) {
        snprintf(text, sizeof text, "Unknown database '%.64s'", schema);
        login_refuse(s, 1049, "42000", text, "unknown schema");
    } else if (entering_is_due(s, backend, schema)) {
        l->step = LOGIN_WAIT_SCHEMA;
        l->entering = entering_new(s, backend, schema, on_entered);
        entering_ask(l->entering);
    } else {
        settle(s);
    }
}

/* --- limits ------------------------------------------------------------------------------------------------------------- */

/* A DBA must get in, and local sockets have no address. */
static bool stays(struct session *s)
{
    if (s->stays || s->user->admin || !strcmp(s->peer, "unix"))
        return true;
    s->stays = callers_stay(s->world->callers, s->peer);
    return s->stays;
}

const struct login_objection *login_admit(struct session *s)
{
    static const struct login_objection of_user = {1226, "42000", "User has exceeded the 'max_connections' resource",
                                                   "too many connections of this user"};
    static const struct login_objection of_address = {
        1040, "08004", "Too many connections from this address: [proxy] max_clients_per_address", "too many of one address"};
    const struct config_user *user = s->login->found;
    unsigned n = login_become(s, user);
    if (user->max_connections && n > (unsigned)user->max_connections) {
        s->world->count.refused_user++;
        return &of_user;
    }
    if (!stays(s)) {
        s->world->count.refused_address++;
        return &of_address;
    }
    return NULL;
}

void login_welcome(struct session *s)
{
    struct session_login *l = s->login;
    const struct login_objection *objection = login_admit(s);
    if (objection) {
        login_refuse(s, objection->code, objection->sqlstate, objection->text, objection->why);
        return;
    }
    const char *schema = l->schema_text && *l->schema_text ? l->schema_text : l->found->default_schema;
    if (schema)
        snprintf(s->schema, sizeof s->schema, "%s", schema);
    if (schema && !s->user->admin)
        enter(s, schema);
    else
        settle(s);
}
