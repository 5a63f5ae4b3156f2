/* Log-in of a client: greeting, TLS where the listener wants it, a proof by one of three plugins against the user's verifiers.
 * A wrong password and an unknown user look and cost the same. Leaves proofs to wire/auth. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/session.h"
#include "proxy/wire/proxy_header.h"

/* What we can do. What changes the bytes that pass undecoded is not offered: optional metadata, query attributes, MariaDB's extended and
 * cached metadata, bulk execution and progress. */
#define OFFERED                                                                                                              \
    (WIRE_CAP_FOUND_ROWS | WIRE_CAP_LONG_FLAG | WIRE_CAP_CONNECT_WITH_DB | WIRE_CAP_ODBC | WIRE_CAP_IGNORE_SPACE |             \
     WIRE_CAP_PROTOCOL_41 | WIRE_CAP_INTERACTIVE | WIRE_CAP_IGNORE_SIGPIPE | WIRE_CAP_TRANSACTIONS | WIRE_CAP_RESERVED |       \
     WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_MULTI_STATEMENTS | WIRE_CAP_MULTI_RESULTS | WIRE_CAP_PS_MULTI_RESULTS |             \
     WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_CONNECT_ATTRS | WIRE_CAP_PLUGIN_AUTH_LENENC | WIRE_CAP_EXPIRED_PASSWORDS |                \
     WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF)
#define COMPRESSED (WIRE_CAP_COMPRESS | WIRE_CAP_ZSTD)

#define LOGIN_PACKET_MAX 16384

enum login_step {
    LOGIN_WAIT_ANSWER,   /* the log-in packet, or a request for TLS */
    LOGIN_WAIT_TLS,
    LOGIN_WAIT_SWITCHED, /* the proof for the plugin we switched to */
    LOGIN_WAIT_PASSWORD, /* clear text over TLS: the full exchange of caching_sha2_password */
    LOGIN_DENIED,        /* and the client is to wait for it */
};

struct session_login {
    bool counted; /* among the callers of its address; until then a PROXY header may come */
    enum login_step step;
    uint8_t scramble[WIRE_NONCE]; /* the greeting's WIRE_SCRAMBLE bytes, or ed25519's nonce */
    char *user;
    const struct config_user *found; /* NULL: unknown, and the client does not learn it */
    enum wire_plugin plugin;
    char *schema_text;
    uint8_t zstd_level;
    bool again; /* COM_CHANGE_USER: what was agreed on at the first log-in stays */
};

/* As servers do, the offer comes before it is known who asks. */
static bool files_wanted(const struct config *c)
{
    for (size_t i = 0; i < c->n_users; i++)
        if (c->users[i].local_infile)
            return true;
    return false;
}

static uint32_t offered(const struct session *s)
{
    return OFFERED | (s->world->listener_tls[s->listener] ? WIRE_CAP_SSL : 0) | (session_listener(s)->compression ? COMPRESSED : 0) |
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

void login_begin(struct session *s, bool counted)
{
    struct session_login *l = s->login = calloc(1, sizeof *l);
    CHECK(l);
    l->counted = counted;
    wire_scramble_make(l->scramble);
    struct wire_greeting g = {.connection_id = (uint32_t)s->id,
                              .caps = offered(s),
                              .charset = WIRE_CHARSET_UTF8MB4,
                              .status = s->world->backends.at[config_default_backend(s->world->config)].no_autocommit ? 0
                                        : WIRE_STATUS_AUTOCOMMIT};
    server_version(s, g.version, sizeof g.version);
    if (!strstr(g.version, "MariaDB")) /* whose servers leave it out, by which its clients know them */
        g.caps |= WIRE_CAP_LONG_PASSWORD;
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
    free(l->user);
    free(l->schema_text);
    wire_wipe(l, sizeof *l);
    free(l);
    s->login = NULL;
}

static void refuse(struct session *s, uint16_t code, const char *sqlstate, const char *text, const char *why)
{
    s->seq = s->gatherer.next_seq;
    wire_err_packet(&s->net->out, &s->seq, s->caps, code, sqlstate, "%s", text);
    session_close(s, why);
}

static void answer_denied(struct session *s)
{
    char text[256];
    snprintf(text, sizeof text, "Access denied for user '%.64s'@'%s' (using password: YES)", s->login->user, s->peer);
    refuse(s, 1045, "28000", text, "access denied");
}

static void deny(struct session *s)
{
    char quoted[128];
    int delay_ms = callers_failed(s->world->callers, s->peer, net_loop_now_ms(s->worker->loop));
    s->world->count.logins_failed++;
    log_warn("login_denied", "session=%llu user=%s peer=%s delay_ms=%d", (unsigned long long)s->id,
             log_quote(quoted, sizeof quoted, s->login->user, strlen(s->login->user)), s->peer, delay_ms);
    if (!delay_ms) {
        answer_denied(s);
        return;
    }
    s->world->count.logins_delayed++;
    s->login->step = LOGIN_DENIED;
    net_conn_pause(s->net);
    net_timer_start(&s->timer, delay_ms);
}

void login_on_timeout(struct session *s)
{
    if (s->login->step == LOGIN_DENIED) {
        answer_denied(s);
        return;
    }
    s->world->count.sessions_timed_out++;
    session_close(s, "login timeout");
}

/* Behind the OK; where a client asks for both, it gets what every client knows, as servers do. */
static void compress(struct session *s, uint8_t zstd_level)
{
    if (!(s->caps & COMPRESSED))
        return;
    s->gatherer.any_seq = true;
    net_conn_compress(s->net, s->caps & WIRE_CAP_COMPRESS ? NET_COMPRESSION_ZLIB : NET_COMPRESSION_ZSTD, zstd_level);
}

static void welcome(struct session *s)
{
    struct session_login *l = s->login;
    _Atomic unsigned *mine = &s->world->user_clients[l->found - s->world->config->users];
    unsigned n = ++*mine;
    s->user = l->found; /* from here on counted: the session's end gives the place back */
    if (l->found->max_connections && n > (unsigned)l->found->max_connections) {
        refuse(s, 1226, "42000", "User has exceeded the 'max_connections' resource", "too many connections of this user");
        return;
    }
    const char *schema = l->schema_text && *l->schema_text ? l->schema_text : l->found->default_schema;
    if (schema && !rights_to_schema(s, l->found, schema)) {
        char text[256];
        snprintf(text, sizeof text, "Access denied for user '%.64s'@'%s' to database '%.64s'", s->user->name, s->peer, schema);
        refuse(s, 1044, "42000", text, "schema not allowed");
        return;
    }
    if (schema && !l->found->admin && statement_backend_of_schema(s, schema) < 0) {
        char text[256];
        snprintf(text, sizeof text, "Unknown database '%.64s'", schema);
        refuse(s, 1049, "42000", text, "unknown schema");
        return;
    }
    if (schema)
        snprintf(s->schema, sizeof s->schema, "%s", schema);
    log_info("login", "session=%llu user=%s peer=%s tls=%d", (unsigned long long)s->id, s->user->name, s->peer, s->net->tls);
    variables_reset(s);
    net_conn_read_limit(s->net, 0);
    s->seq = s->gatherer.next_seq;
    uint8_t zstd_level = l->zstd_level;
    bool again = l->again;
    login_free(s);
    (void)FAILPOINT(auth_ok);
    session_answer_ok(s);
    if (!again)
        compress(s, zstd_level);
}

static void send_more(struct session *s, uint8_t word)
{
    s->seq = s->gatherer.next_seq;
    size_t at = wire_packet_begin(&s->net->out);
    wire_auth_more_write(&s->net->out, &word, 1);
    wire_packet_end(&s->net->out, at, &s->seq);
    s->gatherer.next_seq = s->seq;
    session_flush(s);
}

/* In clear text the full exchange of caching_sha2_password, which a first log-in needs, is impossible. */
static bool sends_clear_text(const struct session *s)
{
    return !s->net->tls && strcmp(s->peer, "unix");
}

static void judge_sha2(struct session *s, struct slice proof)
{
    struct session_login *l = s->login;
    struct wire_fast_secret secret = {.known = false};
    if (l->found) {
        pthread_mutex_lock(&s->world->secrets_lock);
        secret = s->world->fast_secrets[l->found - s->world->config->users];
        pthread_mutex_unlock(&s->world->secrets_lock);
    }
    bool good = wire_check_fast(&secret, l->scramble, proof);
    wire_wipe(&secret, sizeof secret);
    if (good) {
        send_more(s, WIRE_SHA2_FAST_OK);
        welcome(s);
        return;
    }
    /* A wrong proof goes the same way as a secret not yet known: the full exchange tells. */
    if (sends_clear_text(s)) {
        refuse(s, 1045, "28000", "Access denied: this log-in needs TLS for its first time; connect with TLS", "no TLS for password");
        return;
    }
    l->step = LOGIN_WAIT_PASSWORD;
    send_more(s, WIRE_SHA2_FULL);
}

static void judge_full(struct session *s, struct slice password)
{
    struct session_login *l = s->login;
    struct wire_fast_secret learned = {.known = false};
    if (!wire_check_full(l->found ? l->found->password_verifier : NULL, password, &learned)) {
        deny(s);
        return;
    }
    pthread_mutex_lock(&s->world->secrets_lock);
    s->world->fast_secrets[l->found - s->world->config->users] = learned;
    pthread_mutex_unlock(&s->world->secrets_lock);
    wire_wipe(&learned, sizeof learned);
    welcome(s);
}

/* An empty password has no proof; where the user has none, it costs what others cost. */
static bool is_empty(struct slice proof)
{
    return !proof.len || (proof.len == 1 && !*proof.at);
}

/* By a plugin that needs one proof only. */
static bool proves(const struct session_login *l, struct slice proof)
{
    const struct config_user *u = l->found;
    bool good = l->plugin == WIRE_PLUGIN_ED25519 ? wire_check_ed25519(u ? u->ed25519_verifier : NULL, l->scramble, proof)
                                                 : wire_check_native(u ? u->native_verifier : NULL, l->scramble, proof);
    return good && u;
}

static void judge(struct session *s, struct slice proof)
{
    struct wire_fast_secret none;
    if (is_empty(proof) && s->login->found && s->login->found->empty_password) {
        welcome(s);
    } else if (is_empty(proof)) {
        (void)wire_check_full(NULL, (struct slice){(const uint8_t *)"-", 1}, &none);
        deny(s);
    } else if (s->login->plugin == WIRE_PLUGIN_SHA2) {
        judge_sha2(s, proof);
    } else if (proves(s->login, proof)) {
        welcome(s);
    } else {
        deny(s);
    }
}

/* Whom an unknown user looks like: always the same one, so that the plugin asked for tells nobody who exists. */
static const struct config_user *decoy(const struct session *s, struct slice name)
{
    const struct config *c = s->world->config;
    size_t first = wire_decoy(s->world->decoy_key, name) % c->n_users;
    for (size_t i = 0; i < c->n_users; i++) {
        const struct config_user *u = &c->users[(first + i) % c->n_users];
        if (u->admin == session_listener(s)->admin)
            return u;
    }
    CHECK(!"a listener where nobody may log in");
}

/* What the client came with, where the user has a verifier for it; else what most clients know. In clear text
 * caching_sha2_password is the last resort. */
static enum wire_plugin plugin_for(const struct config_user *u, enum wire_plugin offered, bool clear_text)
{
    const bool has[] = {[WIRE_PLUGIN_NATIVE] = u->native_verifier,
                        [WIRE_PLUGIN_SHA2] = u->password_verifier,
                        [WIRE_PLUGIN_ED25519] = u->ed25519_verifier,
                        [WIRE_PLUGIN_UNKNOWN] = false};
    if (has[offered] && !(clear_text && offered == WIRE_PLUGIN_SHA2))
        return offered;
    if (has[WIRE_PLUGIN_SHA2] && !clear_text)
        return WIRE_PLUGIN_SHA2;
    return has[WIRE_PLUGIN_NATIVE] ? WIRE_PLUGIN_NATIVE : has[WIRE_PLUGIN_ED25519] ? WIRE_PLUGIN_ED25519 : WIRE_PLUGIN_SHA2;
}

/* caching_sha2_password waits for its own word after a proof. */
static void welcome_by_certificate(struct session *s, enum wire_plugin offered, struct slice proof)
{
    if (offered == WIRE_PLUGIN_SHA2 && !is_empty(proof))
        send_more(s, WIRE_SHA2_FAST_OK);
    welcome(s);
}

static void ask_for_plugin(struct session *s)
{
    struct session_login *l = s->login;
    if (l->plugin == WIRE_PLUGIN_ED25519)
        wire_nonce_make(l->scramble);
    l->step = LOGIN_WAIT_SWITCHED;
    s->seq = s->gatherer.next_seq;
    size_t at = wire_packet_begin(&s->net->out);
    wire_auth_switch_write(&s->net->out, wire_plugin_name(l->plugin), l->scramble, wire_scramble_size(l->plugin));
    wire_packet_end(&s->net->out, at, &s->seq);
    s->gatherer.next_seq = s->seq;
    session_flush(s);
}

/* Who is it, and how shall they prove it? False: by what is still to come. */
static bool meet(struct session *s, const struct wire_login *in, enum wire_plugin *wanted)
{
    struct session_login *l = s->login;
    l->user = slice_dup(in->user);
    l->found = config_user(s->world->config, (const char *)in->user.at, in->user.len, session_listener(s)->admin);
    if (in->schema.at)
        l->schema_text = slice_dup(in->schema);
    *wanted = in->plugin.at ? wire_plugin_of(in->plugin) : WIRE_PLUGIN_NATIVE;
    if (l->found && !rights_to_enter(s, l->found))
        l->found = NULL; /* a wrong password looks the same */
    if (l->found && rights_by_certificate(s, l->found)) {
        welcome_by_certificate(s, *wanted, in->auth);
        return true;
    }
    l->plugin = plugin_for(l->found ? l->found : decoy(s, in->user), *wanted, sends_clear_text(s));
    return false;
}

static void take_proof(struct session *s, struct slice proof, enum wire_plugin wanted)
{
    if (wanted == s->login->plugin && wanted != WIRE_PLUGIN_ED25519 && proof.len) /* nobody had a nonce yet */
        judge(s, proof);
    else
        ask_for_plugin(s);
}

static bool take_charset(struct session *s, uint16_t charset)
{
    s->charset = charset ? charset : WIRE_CHARSET_UTF8MB4;
    if (!sql_charset_is_wide(s->charset))
        return true;
    refuse(s, 1231, "42000", "Variable 'character_set_client' can't be set to a character set whose characters are two or four bytes",
           "character set");
    return false;
}

static void take_answer(struct session *s, struct slice payload)
{
    struct session_login *l = s->login;
    enum wire_plugin wanted;
    struct wire_login in;
    if (!wire_login_read(payload, &in) || in.user.len > 256) {
        refuse(s, 1043, "08S01", "Bad handshake", "bad handshake");
        return;
    }
    if (session_listener(s)->tls_required && !s->net->tls) {
        refuse(s, 3159, "HY000", "Connections using insecure transport are prohibited: connect with TLS", "no TLS");
        return;
    }
    s->caps = in.caps & offered(s);
    l->zstd_level = in.zstd_level;
    if ((s->caps & COMPRESSED) == WIRE_CAP_ZSTD && (in.zstd_level < 1 || in.zstd_level > NET_COMPRESSION_LEVEL_MAX)) {
        refuse(s, 1043, "08S01", "Bad handshake: zstd knows levels 1 to 22", "bad zstd level");
        return;
    }
    if (take_charset(s, in.charset) && !meet(s, &in, &wanted))
        take_proof(s, in.auth, wanted);
}

static void take_packet(struct session *s, struct slice payload)
{
    switch (s->login->step) {
    case LOGIN_WAIT_ANSWER:
        take_answer(s, payload);
        break;
    case LOGIN_WAIT_SWITCHED:
        judge(s, payload);
        break;
    case LOGIN_WAIT_PASSWORD:
        judge_full(s, payload);
        break;
    case LOGIN_WAIT_TLS:
    case LOGIN_DENIED:
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

/* The greeting goes out at once, since a balancer's client may wait for it: the header comes before the answer. False: it is not
 * complete, or the session is being closed. */
static bool take_proxy_header(struct session *s)
{
    char address[WIRE_PROXY_ADDRESS];
    size_t n;
    switch (wire_proxy_read((struct slice){buf_at(&s->net->in), buf_len(&s->net->in)}, address, &n)) {
    case WIRE_PROXY_MORE:
        net_conn_read_limit(s->net, n);
        return false;
    case WIRE_PROXY_BAD:
        refuse(s, 1043, "08S01", "Bad handshake", "bad PROXY header");
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
    refuse(s, 1040, "08004", "Too many connections", "max_unauthenticated, of one address");
    return false;
}

void login_on_read(struct session *s)
{
    if (!s->login->counted && !take_proxy_header(s))
        return;
    while (s->phase == SESSION_LOGIN && s->login->step != LOGIN_WAIT_TLS && s->login->step != LOGIN_DENIED) {
        struct slice payload;
        enum wire_gather got = wire_gather(&s->gatherer, &s->net->in, LOGIN_PACKET_MAX, &payload);
        if (got == WIRE_MORE)
            break;
        if (got != WIRE_GATHERED) {
            refuse(s, 1043, "08S01", "Bad handshake", "bad handshake");
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

/* --- another user on the same connection ------------------------------------------------------------------------------- */

static void become_nobody(struct session *s)
{
    s->world->user_clients[s->user - s->world->config->users]--;
    s->user = NULL;
    s->schema[0] = '\0';
    s->world->unauthenticated++;
    s->login = calloc(1, sizeof *s->login);
    CHECK(s->login);
    s->login->again = s->login->counted = true; /* a PROXY header comes first of all or never */
    memcpy(s->login->scramble, s->scramble, sizeof s->scramble);
    session_enter(s, SESSION_LOGIN, "another user");
}

/* By the greeting's scramble, as with servers: clients do not look at another. */
void login_again(struct session *s)
{
    struct wire_login in;
    enum wire_plugin wanted;
    if (!wire_change_user_read((struct slice){buf_at(&s->command), buf_len(&s->command)}, s->caps, &in) || in.user.len > 256) {
        refuse(s, 1047, "08S01", "Unknown command: a COM_CHANGE_USER that cannot be read", "bad change of user");
        return;
    }
    if (!callers_enter(s->world->callers, s->peer)) {
        refuse(s, 1040, "08004", "Too many connections", "too many log-ins of one address");
        return;
    }
    become_nobody(s);
    if (!take_charset(s, in.charset) || meet(s, &in, &wanted))
        return;
    if (wanted != s->login->plugin && !(s->caps & WIRE_CAP_PLUGIN_AUTH)) {
        refuse(s, 1251, "08004", "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
               "a client without plugins");
        return;
    }
    take_proof(s, in.auth, wanted);
    if (s->phase == SESSION_LOGIN)
        login_on_read(s);
}
