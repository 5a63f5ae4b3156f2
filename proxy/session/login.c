/* Log-in of a client: greeting, a balancer's header, TLS where the listener wants it, the packets of both sides up to the first
 * command; and the change to another user later. Leaves who may come in to proof.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/login_impl.h"
#include "proxy/session/phases.h"
#include "proxy/wire/proxy_header.h"

/* What we can do. What changes the bytes that pass undecoded is not offered: optional metadata, query attributes. */
#define OFFERED                                                                                                              \
    (WIRE_CAP_FOUND_ROWS | WIRE_CAP_LONG_FLAG | WIRE_CAP_CONNECT_WITH_DB | WIRE_CAP_ODBC | WIRE_CAP_IGNORE_SPACE |             \
     WIRE_CAP_PROTOCOL_41 | WIRE_CAP_INTERACTIVE | WIRE_CAP_IGNORE_SIGPIPE | WIRE_CAP_TRANSACTIONS | WIRE_CAP_RESERVED |       \
     WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_MULTI_STATEMENTS | WIRE_CAP_MULTI_RESULTS | WIRE_CAP_PS_MULTI_RESULTS |             \
     WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_CONNECT_ATTRS | WIRE_CAP_PLUGIN_AUTH_LENENC | WIRE_CAP_EXPIRED_PASSWORDS |                \
     WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF)

#define LOGIN_PACKET_MAX 16384

/* As servers do, the offer comes before it is known who asks. */
static bool files_wanted(const struct config *c)
{
    for (size_t i = 0; i < c->n_users; i++)
        if (c->users[i].local_infile)
            return true;
    return false;
}

/* What all servers can, as far as is known: answers of any of them are passed on as they come. */
static uint64_t extended_offered(const struct world *world)
{
    uint64_t all = world->backends.n ? WIRE_CAPS_EXTENDED : 0;
    for (size_t i = 0; i < world->backends.n; i++) {
        struct backend *b = &world->backends.at[i];
        struct backend_texts texts;
        backend_texts(b, &texts);
        all &= b->mariadb ? ~(uint64_t)b->lacks : 0;
        if (!strncmp(texts.version, "10.5.", 5))
            all &= ~WIRE_CAP_CACHE_METADATA;
    }
    return all;
}

static uint64_t offered(const struct session *s)
{
    return OFFERED | (s->world->listener_tls[s->listener] ? WIRE_CAP_SSL : 0) |
           (session_listener(s)->compression ? LOGIN_COMPRESSED : 0) |
           (files_wanted(s->world->config) ? WIRE_CAP_LOCAL_FILES : 0);
}

static bool has_tls(const struct session *s)
{
    return s->world->listener_tls[s->listener] != NULL;
}

/* The version that drivers judge dialects by: the configured one, else the default server's, where it is known. */
static void server_version(const struct session *s, char *out, size_t size)
{
    struct backend *b = s->world->backends.n ? &s->world->backends.at[config_default_backend(s->world->config)] : NULL;
    struct backend_texts texts = {.version = ""};
    if (b)
        backend_texts(b, &texts);
    const char *version = s->world->config->server_version ? s->world->config->server_version : texts.version;
    /* MariaDB before 11 puts 5.5.5- before its own version so that old clients see a number they know */
    snprintf(out, size, "%s%.50s", strstr(version, "MariaDB") && version[0] == '1' && version[1] == '0' ? "5.5.5-" : "",
             *version ? version : "8.0.36-xaproxy");
}

/* The default server's: clients that name no character set take this one. */
static uint8_t greeting_charset(const struct session *s)
{
    const struct world *w = s->world;
    uint8_t charset = w->backends.n ? w->backends.at[config_default_backend(w->config)].charset : 0;
    return charset ? charset : WIRE_CHARSET_UTF8MB4;
}

void login_begin(struct session *s, bool counted)
{
    struct session_login *l = s->login = calloc(1, sizeof *l);
    CHECK(l);
    l->counted = counted;
    wire_scramble_make(l->scramble);
    struct wire_greeting g = {.connection_id = (uint32_t)s->id,
                              .caps = offered(s),
                              .charset = greeting_charset(s),
                              .status = WIRE_STATUS_AUTOCOMMIT}; /* OK after the log-in says what is true, as with servers */
    server_version(s, g.version, sizeof g.version);
    /* MariaDB's servers leave LONG_PASSWORD out, by which its clients know them */
    g.caps |= strstr(g.version, "MariaDB") ? extended_offered(s->world) : (uint64_t)WIRE_CAP_LONG_PASSWORD;
    l->offered = g.caps;
    memcpy(g.scramble, l->scramble, sizeof g.scramble);
    memcpy(s->scramble, l->scramble, sizeof s->scramble);
    snprintf(g.plugin, sizeof g.plugin, "%s", wire_plugin_name(WIRE_PLUGIN_SHA2));
    size_t at = wire_packet_begin(&s->net->out);
    wire_greeting_write(&s->net->out, &g);
    wire_packet_end(&s->net->out, at, &s->seq);
    s->gatherer.next_seq = 1;
    s->caps = WIRE_CAP_PROTOCOL_41;
    /* One frame at a time: what follows a request for TLS belongs to the TLS layer, never to us. */
    net_conn_read_limit(s->net, WIRE_HEADER);
    session_flush(s);
}

void login_free(struct session *s)
{
    struct session_login *l = s->login;
    if (!l)
        return;
    s->world->unauthenticated--;
    if (l->counted)
        callers_leave(s->world->callers, s->peer);
    entering_free(l->entering);
    free(l->user);
    free(l->schema_text);
    wire_wipe(l, sizeof *l);
    free(l);
    s->login = NULL;
}

void login_refuse(struct session *s, uint16_t code, const char *sqlstate, const char *text, const char *why)
{
    s->seq = s->gatherer.next_seq;
    if (login_goes_on_as_before(s, code, sqlstate, text))
        return;
    s->face->put_error(s, code, sqlstate, text);
    session_close(s, why);
}

void login_on_timeout(struct session *s)
{
    if (s->login->step == LOGIN_DENIED) {
        login_answer_denied(s);
        return;
    }
    s->world->count.sessions_timed_out++;
    s->world->count.timed_out_login++;
    session_close(s, "login timeout");
}

bool login_take_charset(struct session *s, uint16_t charset)
{
    s->charset = charset && charset != WIRE_CHARSET_FILENAME ? charset : WIRE_CHARSET_UTF8MB4;
    s->charset_of_server = false;
    if (!sql_charset_is_wide(s->charset))
        return true;
    login_refuse(s, 1231, "42000",
                 "Variable 'character_set_client' can't be set to a character set whose characters are two or four bytes",
           "character set");
    return false;
}

static void take_answer(struct session *s, struct slice payload)
{
    struct session_login *l = s->login;
    enum wire_plugin wanted;
    struct wire_login in;
    if (!wire_login_read(payload, &in) || in.user.len > 256) {
        login_refuse(s, 1043, "08S01", "Bad handshake", "bad handshake");
        return;
    }
    if (session_listener(s)->tls_required && !s->net->tls) {
        login_refuse(s, 3159, "HY000", "Connections using insecure transport are prohibited: connect with TLS", "no TLS");
        return;
    }
    s->caps = in.caps & l->offered;
    l->zstd_level = in.zstd_level;
    if ((s->caps & LOGIN_COMPRESSED) == WIRE_CAP_ZSTD && (in.zstd_level < 1 || in.zstd_level > NET_COMPRESSION_LEVEL_MAX)) {
        login_refuse(s, 1043, "08S01", "Bad handshake: zstd knows levels 1 to 22", "bad zstd level");
        return;
    }
    if (login_take_charset(s, in.charset) && !login_meet(s, &in, &wanted))
        login_take_proof(s, in.auth, wanted);
}

static void take_packet(struct session *s, struct slice payload)
{
    switch (s->login->step) {
    case LOGIN_WAIT_ANSWER:
        take_answer(s, payload);
        break;
    case LOGIN_WAIT_SWITCHED:
        login_judge(s, payload);
        break;
    case LOGIN_WAIT_PASSWORD:
        login_judge_full(s, payload);
        break;
    case LOGIN_WAIT_TLS:
    case LOGIN_DENIED:
    case LOGIN_WAIT_SCHEMA:
        break;
    }
}

void login_on_tls(struct session *s)
{
    s->login->step = LOGIN_WAIT_ANSWER;
}

/* How much of the next frame is still to come: the reading limit before TLS. */
static void limit_reading(struct session *s)
{
    if (s->net->tls) {
        net_conn_read_limit(s->net, 0);
        return;
    }
    size_t have = buf_len(&s->net->in), want = WIRE_HEADER;
    if (have >= WIRE_HEADER) {
        struct cursor c = cursor_make(buf_at(&s->net->in), have);
        want += cursor_u24le(&c);
    }
    net_conn_read_limit(s->net, want > have ? want - have : 1);
}

/* Is the next packet the log-in's? */
static bool listens(const struct session *s)
{
    enum login_step step = s->login->step;
    return step != LOGIN_WAIT_TLS && step != LOGIN_DENIED && step != LOGIN_WAIT_SCHEMA;
}

/* The greeting goes out at once, since a balancer's client may wait for it: the header comes before the answer. */
bool login_take_proxy_header(struct session *s)
{
    char address[WIRE_PROXY_ADDRESS];
    size_t n;
    switch (wire_proxy_read((struct slice){buf_at(&s->net->in), buf_len(&s->net->in)}, address, &n)) {
    case WIRE_PROXY_MORE:
        net_conn_read_limit(s->net, n);
        return false;
    case WIRE_PROXY_BAD:
        login_refuse(s, 1043, "08S01", "Bad handshake", "bad PROXY header");
        return false;
    case WIRE_PROXY_READ:
        buf_consume(&s->net->in, n);
        log_debug("proxied", "session=%llu by=%s for=%s", (unsigned long long)s->id, s->peer, *address ? address : "itself");
        if (*address)
            snprintf(s->peer, sizeof s->peer, "%s", address);
        break;
    case WIRE_PROXY_NONE:
        break;
    }
    s->login->counted = callers_enter(s->world->callers, s->peer);
    if (s->login->counted)
        return true;
    s->world->count.clients_refused++;
    s->world->count.refused_unauthenticated++;
    login_refuse(s, 1040, "08004", "Too many connections", "max_unauthenticated, of one address");
    return false;
}

void login_on_read(struct session *s)
{
    if (!s->login->counted && !login_take_proxy_header(s))
        return;
    while (s->phase == SESSION_LOGIN && listens(s)) {
        struct slice payload;
        enum wire_gather got = wire_gather(&s->gatherer, &s->net->in, LOGIN_PACKET_MAX, &payload);
        if (got == WIRE_MORE)
            break;
        if (got != WIRE_GATHERED) {
            login_refuse(s, 1043, "08S01", "Bad handshake", "bad handshake");
            return;
        }
        if (s->login->step == LOGIN_WAIT_ANSWER && !s->net->tls && wire_login_is_tls_request(payload) && has_tls(s)) {
            wire_gather_done(&s->gatherer, &s->net->in);
            s->login->step = LOGIN_WAIT_TLS;
            net_conn_tls_server(s->net, s->world->listener_tls[s->listener]);
            return;
        }
        buf_clear(&s->command);
        buf_append(&s->command, payload.at, payload.len);
        wire_gather_done(&s->gatherer, &s->net->in);
        take_packet(s, (struct slice){buf_at(&s->command), buf_len(&s->command)});
    }
    if (s->phase == SESSION_LOGIN)
        limit_reading(s);
}
