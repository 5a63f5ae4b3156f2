/* Who may come in: the plugin that a user is asked for, the proof against its verifier, the refusal. A wrong password and an
 * unknown user look and cost the same. Leaves arithmetic to wire/auth, the order of messages to login.c, what follows a good
 * proof to welcome.c. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/callers.h"
#include "proxy/session/login_impl.h"
#include "proxy/session/phases.h"

void login_answer_denied(struct session *s)
{
    char text[256];
    snprintf(text, sizeof text, "Access denied for user '%.64s'@'%s' (using password: %s)", s->login->user, s->peer,
             s->login->no_password ? "NO" : "YES");
    login_refuse(s, 1045, "28000", text, "access denied");
}

int login_denied(struct session *s)
{
    char quoted[128];
    int delay_ms = callers_failed(s->world->callers, s->peer, net_loop_now_ms(s->worker->loop));
    s->world->count.logins_failed++;
    log_warn("login_denied", "session=%llu user=%s peer=%s delay_ms=%d", (unsigned long long)s->id,
             log_quote(quoted, sizeof quoted, s->login->user, strlen(s->login->user)), s->peer, delay_ms);
    if (!delay_ms)
        return 0;
    s->world->count.logins_delayed++;
    s->login->step = LOGIN_DENIED;
    net_conn_pause(s->net);
    net_timer_start(&s->timer, delay_ms);
    return delay_ms;
}

static void deny(struct session *s)
{
    if (!login_denied(s))
        login_answer_denied(s);
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
        login_welcome(s);
        return;
    }
    /* A wrong proof goes the same way as a secret not yet known: the full exchange tells. */
    if (sends_clear_text(s)) {
        login_refuse(s, 1045, "28000", "Access denied: this log-in needs TLS for its first time; connect with TLS",
                     "no TLS for password");
        return;
    }
    l->step = LOGIN_WAIT_PASSWORD;
    send_more(s, WIRE_SHA2_FULL);
}

void login_judge_full(struct session *s, struct slice password)
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
    login_welcome(s);
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

void login_judge(struct session *s, struct slice proof)
{
    struct wire_fast_secret none;
    s->login->no_password = is_empty(proof);
    if (s->login->no_password && s->login->found && s->login->found->empty_password) {
        login_welcome(s);
    } else if (s->login->no_password) {
        (void)wire_check_full(NULL, (struct slice){(const uint8_t *)"-", 1}, &none);
        deny(s);
    } else if (s->login->plugin == WIRE_PLUGIN_SHA2) {
        judge_sha2(s, proof);
    } else if (proves(s->login, proof)) {
        login_welcome(s);
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
    login_welcome(s);
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

bool login_meet(struct session *s, const struct wire_login *in, enum wire_plugin *wanted)
{
    struct session_login *l = s->login;
    l->user = slice_dup(in->user);
    l->found = config_user(s->world->config, (const char *)in->user.at, in->user.len, session_listener(s)->admin);
    if (in->schema.at)
        l->schema_text = slice_dup(in->schema);
    attributes_take(s, in->attributes);
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

void login_take_proof(struct session *s, struct slice proof, enum wire_plugin wanted)
{
    if (wanted == s->login->plugin && wanted != WIRE_PLUGIN_ED25519 && proof.len) /* nobody had a nonce yet */
        login_judge(s, proof);
    else
        ask_for_plugin(s);
}
