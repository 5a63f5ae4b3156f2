/* How a client of a Redis port comes in: a balancer's header, TLS from the first byte, then HELLO or AUTH by the users, limits
 * and delays of the MySQL side (proxy/session/proof.c). A wrong password and an unknown user look and cost the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"
#include "proxy/session/callers.h"
#include "proxy/session/login_impl.h"
#include "proxy/session/phases.h"

#define HEADER_BEGIN 4 /* bytes that tell a balancer's header from anything else */

static const char wrong[] = "WRONGPASS invalid username-password pair or user is disabled.";

static struct net_tls *tls_of(const struct session *s)
{
    return s->world->listener_tls[s->listener];
}

/* --- before the first command --------------------------------------------------------------------------------------- */

static void login_done(struct session *s)
{
    s->resp->locked = false;
    net_conn_read_limit(s->net, 0);
    login_free(s);
}

/* Bytes may come: of commands. */
static void open_door(struct session *s)
{
    net_conn_read_limit(s->net, 0);
    if (session_listener(s)->auth)
        return;
    login_done(s);
    session_next(s);
}

static void open_way(struct session *s)
{
    if (tls_of(s) && buf_len(&s->net->in)) {
        session_close(s, "no PROXY header before TLS");
    } else if (tls_of(s)) {
        s->login->step = LOGIN_WAIT_TLS;
        net_conn_tls_server(s->net, tls_of(s));
    } else {
        open_door(s);
    }
}

void resp_login_begin(struct session *s, bool counted)
{
    struct resp_client *c = s->resp = calloc(1, sizeof *c);
    s->login = calloc(1, sizeof *s->login);
    CHECK(c && s->login);
    c->proto = 2;
    c->resource = (unsigned)config_redis(s->world->config, session_listener(s)->redis);
    snprintf(s->schema, sizeof s->schema, "%s", session_listener(s)->redis);
    s->login->counted = counted;
    if (counted)
        open_way(s);
    else
        net_conn_read_limit(s->net, HEADER_BEGIN);
}

void resp_login_on_tls(struct session *s)
{
    s->login->step = LOGIN_WAIT_ANSWER;
    open_door(s);
}

void resp_login_on_timeout(struct session *s)
{
    if (s->login->step == LOGIN_DENIED) {
        resp_put_error(resp_out(s), wrong);
        session_close(s, "access denied");
        return;
    }
    s->world->count.sessions_timed_out++;
    s->world->count.timed_out_login++;
    session_close(s, "login timeout");
}

/* --- who is it ------------------------------------------------------------------------------------------------------ */

static bool proves(struct session *s, const struct config_user *u, struct slice password)
{
    struct wire_fast_secret secret = {.known = false};
    if (u && rights_by_certificate(s, u))
        return true;
    if (u && u->empty_password && !password.len)
        return true;
    if (u) {
        pthread_mutex_lock(&s->world->secrets_lock);
        secret = s->world->fast_secrets[u - s->world->config->users];
        pthread_mutex_unlock(&s->world->secrets_lock);
    }
    struct wire_verifiers v = {u ? u->password_verifier : NULL, u ? u->native_verifier : NULL, u ? u->ed25519_verifier : NULL};
    bool known = secret.known, right = wire_check_clear(&v, &secret, password) && u;
    if (right && !known && secret.known) {
        pthread_mutex_lock(&s->world->secrets_lock);
        s->world->fast_secrets[u - s->world->config->users] = secret;
        pthread_mutex_unlock(&s->world->secrets_lock);
    }
    wire_wipe(&secret, sizeof secret);
    return right;
}

static void deny(struct session *s)
{
    if (login_denied(s))
        return;
    resp_put_error(resp_out(s), wrong);
    session_close(s, "access denied");
}

static bool may_stay(struct session *s)
{
    const struct login_objection *objection = login_admit(s);
    if (objection) {
        login_refuse(s, objection->code, objection->sqlstate, objection->text, objection->why);
        return false;
    }
    if (rights_to_schema(s, s->user, s->schema))
        return true;
    resp_put_error(resp_out(s), "NOPERM this user may not use this Redis resource");
    session_close(s, "schema not allowed");
    return false;
}

/* A log-in of a client that has done so before is one anew: with its deadline, and counted. */
static bool begin_again(struct session *s)
{
    if (s->login)
        return true;
    s->login = calloc(1, sizeof *s->login);
    CHECK(s->login);
    s->world->unauthenticated++;
    session_enter(s, SESSION_LOGIN, "another log-in");
    bool counted = s->login->counted = callers_enter(s->world->callers, s->peer);
    if (!counted) /* which ends the log-in */
        login_refuse(s, 1040, "08004", "Too many connections", "too many log-ins of one address");
    return counted;
}

/* True: it is in, and its answer still to be given. */
static bool log_in(struct session *s, struct slice name, struct slice password)
{
    if (!begin_again(s))
        return false;
    struct session_login *l = s->login;
    free(l->user);
    l->user = slice_dup(name);
    l->found = config_user(s->world->config, (const char *)name.at, name.len, false);
    if (l->found && !rights_to_enter(s, l->found))
        l->found = NULL; /* a wrong password looks the same */
    if (!proves(s, l->found, password)) {
        deny(s);
        return false;
    }
    if (!may_stay(s))
        return false;
    log_info("login", "session=%llu user=%s peer=%s tls=%d redis=%s", (unsigned long long)s->id, s->user->name, s->peer,
             s->net->tls, s->schema);
    login_done(s);
    return true;
}

/* --- AUTH, HELLO ---------------------------------------------------------------------------------------------------- */

static void forget_words(struct session *s)
{
    struct comp_argv *argv = &s->resp->command;
    wire_wipe(buf_at(&argv->bytes), buf_len(&argv->bytes));
}

void resp_auth(struct session *s)
{
    static const struct slice nobody = {(const uint8_t *)"default", 7};
    const struct comp_argv *argv = resp_command(s);
    if (argv->n != 2 && argv->n != 3) {
        resp_answer_error(s, "ERR wrong number of arguments for 'auth' command");
    } else if (s->resp->joined) {
        resp_answer_error(s, "ERR AUTH is not possible in a transaction: XA.LEAVE it first");
    } else if (log_in(s, argv->n == 3 ? comp_argv_at(argv, 1) : nobody, comp_argv_at(argv, argv->n - 1))) {
        forget_words(s);
        resp_answer_ok(s);
    }
}

/* What HELLO says behind the version: AUTH user password, SETNAME name. */
struct hello {
    unsigned proto;
    struct slice user, password, name;
    const char *error;
};

static const char *read_proto(const struct comp_argv *argv, unsigned *proto)
{
    if (argv->n < 2)
        return NULL;
    struct slice word = comp_argv_at(argv, 1);
    if (!word.len || *word.at < '0' || *word.at > '9')
        return "ERR Protocol version is not an integer or out of range";
    if (word.len != 1 || *word.at < '2' || *word.at > '3')
        return "NOPROTO unsupported protocol version";
    *proto = (unsigned)(*word.at - '0');
    return NULL;
}

static void read_hello(const struct comp_argv *argv, struct hello *h)
{
    h->error = read_proto(argv, &h->proto);
    for (size_t i = 2; i < argv->n && !h->error;) {
        if (slice_is_word(comp_argv_at(argv, i), "AUTH") && i + 2 < argv->n) {
            h->user = comp_argv_at(argv, i + 1);
            h->password = comp_argv_at(argv, i + 2);
            i += 3;
        } else if (slice_is_word(comp_argv_at(argv, i), "SETNAME") && i + 1 < argv->n) {
            h->name = comp_argv_at(argv, i + 1);
            i += 2;
        } else {
            h->error = "ERR Syntax error in HELLO";
        }
    }
    if (!h->error && h->name.at && !resp_name_fits(h->name))
        h->error = "ERR Client names cannot contain spaces, newlines or special characters.";
}

static void put_version(struct session *s)
{
    struct redis_resource_texts texts;
    redis_resource_texts(&s->world->redis.at[s->resp->resource], &texts);
    const char *digit = strpbrk(texts.version, "0123456789");
    resp_put_text(resp_out(s), digit ? digit : "7.0.0");
}

static void say_hello(struct session *s)
{
    struct buf *out = resp_out(s);
    resp_put_map(out, s->resp->proto, 7);
    resp_put_text(out, "server");
    resp_put_text(out, "redis");
    resp_put_text(out, "version");
    put_version(s);
    resp_put_text(out, "proto");
    resp_put_integer(out, s->resp->proto);
    resp_put_text(out, "id");
    resp_put_integer(out, (int64_t)s->id);
    resp_put_text(out, "mode"); /* a cluster's client would look for the nodes */
    resp_put_text(out, "standalone");
    resp_put_text(out, "role");
    resp_put_text(out, "master");
    resp_put_text(out, "modules");
    resp_put_array(out, 0);
}

void resp_hello(struct session *s)
{
    struct hello h = {.proto = s->resp->proto};
    read_hello(resp_command(s), &h);
    if (h.error) {
        resp_answer_error(s, "%s", h.error);
        return;
    }
    if (h.user.at && s->resp->joined) {
        resp_answer_error(s, "ERR AUTH is not possible in a transaction: XA.LEAVE it first");
        return;
    }
    if (h.user.at && !log_in(s, h.user, h.password))
        return;
    if (s->login || s->resp->locked) {
        resp_answer_error(s, "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH"
                          " <user> <pass> option can be used to authenticate the client and select the RESP protocol version at"
                          " the same time");
        return;
    }
    if (h.name.at)
        resp_set_name(s->resp, h.name);
    s->resp->proto = h.proto;
    forget_words(s);
    say_hello(s);
    resp_answer_written(s);
}

/* --- the first commands --------------------------------------------------------------------------------------------- */

static void run(struct session *s)
{
    struct slice name = comp_argv_at(resp_command(s), 0);
    if (slice_is_word(name, "AUTH"))
        resp_auth(s);
    else if (slice_is_word(name, "HELLO"))
        resp_hello(s);
    else if (slice_is_word(name, "QUIT"))
        resp_quit(s);
    else
        resp_answer_error(s, "NOAUTH Authentication required.");
}

/* Until it has logged in, a client is a stranger: it may say little. */
static const struct resp_limits limits = {.args = 10, .bulk = 16384, .line = 16384, .total = 32768, .strange = true};

void resp_login_on_read(struct session *s)
{
    if (!s->login->counted) {
        if (login_take_proxy_header(s))
            open_way(s);
        if (s->phase != SESSION_LOGIN || !s->login->counted || s->login->step == LOGIN_WAIT_TLS)
            return;
    }
    while (s->phase == SESSION_LOGIN && s->login->step != LOGIN_DENIED) {
        const char *why;
        enum resp_parsed got = resp_request_read(&s->resp->request, &s->net->in, &limits, &why);
        if (got == RESP_PARTIAL)
            return;
        if (got == RESP_BROKEN) {
            resp_put_error(resp_out(s), why);
            session_close(s, "protocol error");
            return;
        }
        resp_take_request(s);
        run(s);
        if (s->phase == SESSION_LOGIN && net_conn_above_water(s->net))
            session_close(s, "a stranger does not read");
    }
}
