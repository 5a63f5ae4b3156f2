/* Log-in at a server: greeting, TLS, proof of the password by any of three plugins, a switch between them. TLS that is
 * configured and not offered ends the attempt before anything secret was said. Leaves cryptography to wire/auth, time
 * to conn.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/backend/impl.h"
#include "proxy/wire/auth.h"
#include "proxy/wire/handshake.h"

#define PACKET_MAX 65536u         /* greetings, switches and RSA keys have a few hundred bytes */
#define MAX_PACKET_SAID (1u << 30) /* what we say we take: rows pass through in parts */

/* Without these there is no telling who wrote: MariaDB drops the trackers of result sets without DEPRECATE_EOF. */
#define CAPS_REQUIRED                                                                                                  \
    (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_SESSION_TRACK |               \
     WIRE_CAP_DEPRECATE_EOF)
#define CAPS_WANTED                                                                                                    \
    (CAPS_REQUIRED | WIRE_CAP_LONG_FLAG | WIRE_CAP_TRANSACTIONS | WIRE_CAP_PS_MULTI_RESULTS | WIRE_CAP_CONNECT_ATTRS)

struct backend_login {
    struct wire_gatherer gatherer;
    uint8_t scramble[WIRE_NONCE]; /* a nonce, or the WIRE_SCRAMBLE bytes of the other plugins */
    enum wire_plugin plugin;
    bool greeted;
    bool secure;    /* nobody listens: TLS, or a local socket */
    bool key_asked; /* the next data is the server's RSA key */
    struct buf attributes; /* of the client */
};

struct backend_login *backend_login_new(void)
{
    struct backend_login *l = calloc(1, sizeof *l);
    CHECK(l);
    return l;
}

void backend_login_free(struct backend_login *l)
{
    if (l) {
        wire_gather_fini(&l->gatherer);
        buf_fini(&l->attributes);
    }
    free(l);
}

static const char *password(const struct backend_conn *c)
{
    return c->account->password ? c->account->password : "";
}

static void say(struct backend_conn *c, const void *payload, size_t len)
{
    wire_packet_write(&c->net->out, &c->impl->login->gatherer.next_seq, payload, len);
    net_conn_flush(c->net);
}

/* --- our side --- */

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

void backend_conn_say(struct backend_conn *c, struct slice attributes)
{
    if (c->impl->login)
        buf_append(&c->impl->login->attributes, attributes.at, attributes.len);
}

static void put_attribute(struct buf *out, const char *name, const char *value)
{
    wire_lenenc_str_write(out, name, strlen(name));
    wire_lenenc_str_write(out, value, strlen(value));
}

/* Ours first, since a server keeps the first 512 bytes only; then those of the client for whom the connection is opened. */
static void put_attributes(const struct backend_conn *c, struct buf *out)
{
    const struct buf *client = &c->impl->login->attributes;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    put_attribute(out, "proxy_name", PACKAGE_NAME);
    put_attribute(out, "proxy_version", PACKAGE_VERSION);
    put_attribute(out, "proxy_pid", pid);
    put_attribute(out, "proxy_user", c->account->user);
    if (buf_len(client))
        buf_append(out, buf_at(client), buf_len(client));
    else
        put_attribute(out, "program_name", PACKAGE_NAME);
}

static void say_login(struct backend_conn *c)
{
    struct backend_login *l = c->impl->login;
    struct buf payload = {0}, attrs = {0};
    uint8_t proof[WIRE_PROOF_MAX];
    put_attributes(c, &attrs);
    const struct wire_login login = {
        .caps = c->caps,
        .max_packet = MAX_PACKET_SAID,
        .charset = WIRE_CHARSET_UTF8MB4,
        .user = text_slice(c->account->backend_user),
        .auth = {proof, wire_proof(l->plugin, password(c), l->scramble, proof)},
        .plugin = text_slice(wire_plugin_name(l->plugin)),
        .attributes = {buf_at(&attrs), buf_len(&attrs)},
    };
    wire_login_write(&payload, &login);
    say(c, buf_at(&payload), buf_len(&payload));
    wire_wipe(proof, sizeof proof);
    buf_fini(&payload);
    buf_fini(&attrs);
}

static void say_clear_password(struct backend_conn *c)
{
    struct buf payload = {0};
    buf_append(&payload, password(c), strlen(password(c)) + 1);
    say(c, buf_at(&payload), buf_len(&payload));
    wire_wipe(buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

static void say_encrypted_password(struct backend_conn *c, struct slice key)
{
    struct buf payload = {0};
    if (wire_rsa_proof(password(c), c->impl->login->scramble, key, &payload))
        say(c, buf_at(&payload), buf_len(&payload));
    else
        backend_conn_died(c, "its RSA key cannot be used for the password; tls = on needs none");
    buf_fini(&payload);
}

/* --- the server's side --- */

/* The server's text names the account there and our address: for the log, not for clients. */
static void log_refusal(struct backend_conn *c, const struct wire_err *err)
{
    char quoted[256];
    log_warn("backend_login_refused", "backend=%s account=%s code=%u text=%s", c->backend->config->name,
             c->account->backend_user, err->code, log_quote(quoted, sizeof quoted, err->message.at, err->message.len));
}

static void refused(struct backend_conn *c, struct slice payload)
{
    struct wire_err err;
    if (!wire_err_read(payload, c->caps, &err)) {
        backend_conn_died(c, "not a MySQL answer at log-in");
        return;
    }
    log_refusal(c, &err);
    if (err.code == 1040 || err.code == 1203 || err.code == 1226)
        backend_conn_failed(c, 1040, "08004", "too many connections (%u)", err.code);
    else
        backend_conn_died(c, "log-in refused (%u); the proxy's log says more", err.code);
}

/* Answers are passed on as the client was promised them: with extended capabilities there is no less. LONG_PASSWORD says that
 * there are none to MariaDB, which itself does not offer the bit. */
static bool take_caps(struct backend_conn *c, uint64_t offered)
{
    uint64_t extended = c->impl->client_caps & WIRE_CAPS_EXTENDED;
    c->backend->lacks = WIRE_CAPS_EXTENDED & ~offered;
    if (extended & ~offered) {
        backend_conn_died(c, "server no longer offers the extended capabilities that the client has: connect again");
        return false;
    }
    c->caps = (CAPS_WANTED | c->impl->client_caps) & offered;
    if (!extended)
        c->caps |= WIRE_CAP_LONG_PASSWORD;
    return true;
}

static bool take_greeting(struct backend_conn *c, struct slice payload)
{
    struct wire_greeting g;
    struct backend_login *l = c->impl->login;
    if (!wire_greeting_read(payload, &g)) {
        backend_conn_died(c, "not a MySQL greeting");
        return false;
    }
    if ((g.caps & CAPS_REQUIRED) != CAPS_REQUIRED) {
        backend_conn_died(c, "server %.40s is too old: no session tracking", g.version);
        return false;
    }
    _Static_assert(sizeof c->version == sizeof g.version, "one is copied to the other");
    memcpy(c->version, g.version, sizeof c->version);
    memcpy(l->scramble, g.scramble, sizeof g.scramble);
    c->connection_id = g.connection_id;
    c->opened_ms = clock_wall_ms();
    c->mariadb = g.mariadb;
    if (!take_caps(c, g.caps))
        return false;
    l->plugin = wire_plugin_of(text_slice(g.plugin));
    if (l->plugin == WIRE_PLUGIN_UNKNOWN || l->plugin == WIRE_PLUGIN_ED25519)
        l->plugin = WIRE_PLUGIN_NATIVE; /* the server will ask for what the account has, with a nonce where it takes one */
    l->greeted = true;
    if (c->impl->tls && !(g.caps & WIRE_CAP_SSL)) {
        backend_conn_died(c, "server offers no TLS, and tls is on");
        return false;
    }
    return true;
}

static void start_tls(struct backend_conn *c)
{
    const struct config_backend *config = c->backend->config;
    struct buf payload = {0};
    c->caps |= WIRE_CAP_SSL;
    wire_tls_request_write(&payload, c->caps, MAX_PACKET_SAID, WIRE_CHARSET_UTF8MB4);
    say(c, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    const char *name = config->tls_name ? config->tls_name : config->address;
    net_conn_tls_client(c->net, c->impl->tls, config->tls_verify ? name : NULL);
}

void backend_login_tls(struct backend_conn *c)
{
    c->impl->login->secure = true;
    say_login(c);
}

static void on_greeting(struct backend_conn *c, struct slice payload)
{
    if (payload.len && payload.at[0] == 0xFF) {
        refused(c, payload);
        return;
    }
    if (!take_greeting(c, payload))
        return;
    if (c->impl->tls && buf_len(&c->net->in)) { /* in clear, and nobody's word: it is not to be read */
        backend_conn_died(c, "bytes before the TLS handshake");
        return;
    }
    if (c->impl->tls) {
        start_tls(c);
        return;
    }
    c->impl->login->secure = c->backend->config->address[0] == '/';
    say_login(c);
}

/* Without TLS the password goes encrypted for the server's own key. */
static void ask_for_key(struct backend_conn *c, uint8_t request)
{
    c->impl->login->key_asked = true;
    say(c, &request, 1);
}

/* MySQL's sha256_password, which has no proof: the password itself, always. */
static void say_sha256_password(struct backend_conn *c, const struct wire_auth_switch *s)
{
    struct backend_login *l = c->impl->login;
    if (s->data.len < WIRE_SCRAMBLE) {
        backend_conn_died(c, "asks for a log-in method that is too old or not understood");
        return;
    }
    memcpy(l->scramble, s->data.at, WIRE_SCRAMBLE);
    if (l->secure || !*password(c))
        say_clear_password(c);
    else
        ask_for_key(c, WIRE_SHA256_REQUEST_KEY);
}

static void on_switch(struct backend_conn *c, struct slice payload)
{
    struct backend_login *l = c->impl->login;
    struct wire_auth_switch s;
    if (!wire_auth_switch_read(payload, &s)) {
        backend_conn_died(c, "asks for a log-in method that is too old or not understood");
        return;
    }
    if (slice_is(s.plugin, "sha256_password")) {
        say_sha256_password(c, &s);
        return;
    }
    l->plugin = wire_plugin_of(s.plugin);
    if (l->plugin == WIRE_PLUGIN_UNKNOWN) {
        backend_conn_died(
            c, "its account logs in by %.*s; caching_sha2_password, sha256_password, mysql_native_password and ed25519 are spoken",
            (int)(s.plugin.len < 40 ? s.plugin.len : 40), (const char *)s.plugin.at);
        return;
    }
    if (s.data.len < wire_scramble_size(l->plugin)) {
        backend_conn_died(c, "asks for a log-in method that is too old or not understood");
        return;
    }
    memcpy(l->scramble, s.data.at, wire_scramble_size(l->plugin));
    uint8_t proof[WIRE_PROOF_MAX];
    say(c, proof, wire_proof(l->plugin, password(c), l->scramble, proof));
    wire_wipe(proof, sizeof proof);
}

/* caching_sha2_password goes on: the server knew the proof, or wants the password itself. */
static void on_more(struct backend_conn *c, struct slice payload)
{
    struct backend_login *l = c->impl->login;
    struct slice data;
    if (!wire_auth_more_read(payload, &data) || !data.len) {
        backend_conn_died(c, "not a MySQL answer at log-in");
    } else if (l->key_asked) {
        l->key_asked = false;
        say_encrypted_password(c, data);
    } else if (data.at[0] == WIRE_SHA2_FULL && l->secure) {
        say_clear_password(c);
    } else if (data.at[0] == WIRE_SHA2_FULL) {
        ask_for_key(c, WIRE_SHA2_REQUEST_KEY);
    } else if (data.at[0] != WIRE_SHA2_FAST_OK) {
        backend_conn_died(c, "unknown word %u at log-in", data.at[0]);
    }
}

static void on_ok(struct backend_conn *c)
{
    backend_login_free(c->impl->login);
    c->impl->login = NULL;
    backend_settings_send(c, false);
}

static void on_packet(struct backend_conn *c, struct slice payload)
{
    if (!c->impl->login->greeted) {
        on_greeting(c, payload);
        return;
    }
    switch (payload.len ? payload.at[0] : 0xFD) {
    case 0x00:
        on_ok(c);
        break;
    case 0x01:
        on_more(c, payload);
        break;
    case 0xFE:
        on_switch(c, payload);
        break;
    case 0xFF:
        refused(c, payload);
        break;
    default:
        backend_conn_died(c, "not a MySQL answer at log-in");
    }
}

/* Each packet is copied out and consumed before it is acted upon: TLS starts only over an empty buffer. */
static bool read_packet(struct backend_conn *c)
{
    struct wire_gatherer *g = &c->impl->login->gatherer;
    struct slice payload;
    enum wire_gather gathered = wire_gather(g, &c->net->in, PACKET_MAX, &payload);
    if (gathered == WIRE_MORE)
        return false;
    if (gathered != WIRE_GATHERED) {
        backend_conn_died(c, "does not speak MySQL's protocol");
        return false;
    }
    char *copy = slice_dup(payload);
    wire_gather_done(g, &c->net->in);
    on_packet(c, (struct slice){(const uint8_t *)copy, payload.len});
    free(copy);
    return true;
}

void backend_login_read(struct backend_conn *c)
{
    while (backend_conn_alive(c) && c->impl->login && read_packet(c))
        continue;
}
