/* COM_CHANGE_USER: another user on the same connection, by a log-in without a greeting; what becomes of the client when it fails.
 * Leaves the log-in itself to login.c and proof.c. */
#include <stdlib.h>
#include <string.h>

#include "proxy/session/callers.h"
#include "proxy/session/login_impl.h"
#include "proxy/session/phases.h"

#define FAILED_CHANGES 3 /* on one connection */

unsigned login_become(struct session *s, const struct config_user *user)
{
    _Atomic unsigned *clients = s->world->user_clients;
    if (s->user)
        clients[s->user - s->world->config->users]--;
    s->user = user;
    return ++clients[user - s->world->config->users];
}

/* MariaDB's servers let it go on as who it was, with the character set that it asked for, a few times; MySQL's close. */
bool login_goes_on_as_before(struct session *s, uint16_t code, const char *sqlstate, const char *text)
{
    struct session_login *l = s->login;
    if (!l || !l->before || !s->world->backends.at[statement_home(s)].mariadb)
        return false;
    login_become(s, l->before);
    memcpy(s->schema, l->schema_before, sizeof s->schema);
    if (sql_charset_is_wide(s->charset)) /* which was refused */
        s->charset = l->charset_before;
    variables_reset(s);
    s->failed_changes++;
    net_conn_read_limit(s->net, 0);
    login_free(s);
    session_answer_error(s, code, sqlstate, "%s", text);
    return true;
}

/* By the greeting's scramble, as with servers: clients do not look at another. */
static void begin(struct session *s)
{
    struct session_login *l = s->login = calloc(1, sizeof *l);
    CHECK(l);
    l->counted = true; /* a PROXY header comes first of all or never */
    l->before = s->user;
    l->charset_before = s->charset;
    memcpy(l->schema_before, s->schema, sizeof l->schema_before);
    memcpy(l->scramble, s->scramble, sizeof s->scramble);
    s->schema[0] = '\0';
    s->world->unauthenticated++;
    session_enter(s, SESSION_LOGIN, "another user");
}

void login_again(struct session *s)
{
    struct wire_login in;
    enum wire_plugin wanted;
    if (!wire_change_user_read((struct slice){buf_at(&s->command), buf_len(&s->command)}, s->caps, &in) ||
        s->failed_changes == FAILED_CHANGES) {
        login_refuse(s, 1047, "08S01", "Unknown command: a COM_CHANGE_USER that cannot be read, or one too many",
                     "bad change of user");
        return;
    }
    if (!callers_enter(s->world->callers, s->peer)) {
        login_refuse(s, 1040, "08004", "Too many connections", "too many log-ins of one address");
        return;
    }
    begin(s);
    if (in.user.len > 256)
        in.user.len = 256; /* nobody's name */
    if (!login_take_charset(s, in.charset) || login_meet(s, &in, &wanted))
        return;
    if (wanted != s->login->plugin && !(s->caps & WIRE_CAP_PLUGIN_AUTH)) {
        login_refuse(s, 1251, "08004",
                     "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
                     "a client without plugins");
        return;
    }
    login_take_proof(s, in.auth, wanted);
    if (s->phase == SESSION_LOGIN)
        login_on_read(s);
}
