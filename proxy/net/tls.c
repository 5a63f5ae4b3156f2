/* TLS contexts from files, and what is wrong with the files in words that help. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/net/tls_impl.h"

/* Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else anyway. */
static const char ciphers_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";

void net_tls_error(char *out, size_t out_size)
{
    unsigned long code = ERR_peek_last_error();
    const char *text =
        ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    snprintf(out, out_size, "%s", text ? text : "unknown error");
    ERR_clear_error();
}

/* A prompt for a passphrase on the terminal would hang a daemon. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)writing;
    (void)arg;
    if (size > 0)
        *buf = '\0';
    return 0;
}

/* The file may be missing (errno says it) or not be what it should be (OpenSSL says it). */
static int say_unusable(const char *what, const char *file, const char *remedy, char *why, size_t why_size)
{
    char reason[128];
    FILE *f = fopen(file, "r");
    if (f) {
        fclose(f);
        net_tls_error(reason, sizeof reason);
    } else {
        snprintf(reason, sizeof reason, "%s", strerror(errno));
    }
    ERR_clear_error();
    snprintf(why, why_size, "%s %s: %s; %s", what, file, reason, remedy);
    return -1;
}

static void print_end(const X509 *cert, char *out, size_t out_size)
{
    struct tm end = {0};
    snprintf(out, out_size, "?");
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end))
        strftime(out, out_size, "%Y-%m-%dT%H:%M:%SZ", &end);
}

static void warn_of_dates(const char *file, SSL_CTX *ctx)
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);
    char text[32];
    print_end(cert, text, sizeof text);
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        log_warn("tls_certificate_expired", "file=%s since=%s remedy=\"have it renewed, then SIGHUP\"", file, text);
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        log_warn("tls_certificate_not_yet_valid", "file=%s remedy=\"check this machine's clock\"", file);
}

static void warn_of_open_key(const char *file)
{
    struct stat st;
    if (!stat(file, &st) && st.st_mode & S_IROTH)
        log_warn("tls_key_readable_by_all", "file=%s remedy=\"chmod 600\"", file);
}

static int say_mismatch(const struct net_tls_options *o, char *why, size_t why_size)
{
    ERR_clear_error();
    snprintf(why, why_size, "key %s does not belong to certificate %s; give the pair that was made together", o->key,
             o->cert);
    return -1;
}

static int use_key(SSL_CTX *ctx, const struct net_tls_options *o, char *why, size_t why_size)
{
    if (SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1) {
        if (ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509)
            return say_mismatch(o, why, why_size);
        return say_unusable("key", o->key, "it must be PEM, without a passphrase, readable for this user", why,
                            why_size);
    }
    /* A key of another kind than the certificate's is taken without a word: it is a pair that lacks its certificate. */
    return SSL_CTX_check_private_key(ctx) == 1 ? 0 : say_mismatch(o, why, why_size);
}

static int use_own_certificate(SSL_CTX *ctx, const struct net_tls_options *o, char *why, size_t why_size)
{
    if (!o->cert || !o->key) {
        snprintf(why, why_size, "a certificate and a key are both needed (for a first try: certs/make-dev-certs)");
        return -1;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1)
        return say_unusable("certificate", o->cert, "it must be PEM, our own certificate first, then its issuers", why,
                            why_size);
    if (use_key(ctx, o, why, why_size))
        return -1;
    warn_of_dates(o->cert, ctx);
    warn_of_open_key(o->key);
    return 0;
}

static int trust(SSL_CTX *ctx, bool server, const char *ca, char *why, size_t why_size)
{
    if (!ca) {
        if (!server)
            SSL_CTX_set_default_verify_paths(ctx);
        return 0;
    }
    if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        return say_unusable("CA file", ca, "it must be PEM, the certificates whose signatures count", why, why_size);
    if (server)
        SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
    return 0;
}

static int verify_mode(bool server, const struct net_tls_options *o)
{
    if (!server)
        return o->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (o->verify)
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return o->ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

/* A ticket holds the certificate that its client showed: it counts only while the same authorities do. */
static void set_session_context(SSL_CTX *ctx, const char *ca)
{
    unsigned char digest[EVP_MAX_MD_SIZE], part[4096];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    FILE *f = ca ? fopen(ca, "r") : NULL;
    CHECK(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL));
    for (size_t got; f && (got = fread(part, 1, sizeof part, f)) > 0;)
        EVP_DigestUpdate(md, part, got);
    if (f)
        fclose(f);
    CHECK(EVP_DigestFinal_ex(md, digest, &n) && n <= SSL_MAX_SID_CTX_LENGTH);
    SSL_CTX_set_session_id_context(ctx, digest, n);
    EVP_MD_CTX_free(md);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    net_tls_stream_keep_session(SSL_get_app_data(ssl), session);
    return 1; /* taken */
}

/* Servers keep nothing: what a client needs to resume is in its ticket. */
static void set_up_resumption(SSL_CTX *ctx, bool server, const struct net_tls_options *o)
{
    SSL_CTX_set_session_cache_mode(ctx, server ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (server)
        set_session_context(ctx, o->ca);
    else
        SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

static int set_up(SSL_CTX *ctx, bool server, const struct net_tls_options *o, char *why, size_t why_size)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Partial writes: what is out is consumed from the buffer at once, and the buffer may grow and move meanwhile.
     * Release: an idle connection holds no record buffers. Read-ahead: one system call a record, not two. */
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_verify(ctx, verify_mode(server, o), NULL);
    set_up_resumption(ctx, server, o);
    if (SSL_CTX_set_cipher_list(ctx, ciphers_1_2) != 1) {
        net_tls_error(why, why_size);
        return -1;
    }
    if ((server || o->cert || o->key) && use_own_certificate(ctx, o, why, why_size))
        return -1;
    return trust(ctx, server, o->ca, why, why_size);
}

static SSL_CTX *context_new(bool server, const struct net_tls_options *options, char *why, size_t why_size)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    CHECK(ctx);
    if (!set_up(ctx, server, options, why, why_size))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* --- life --- */

static const char *copy_of(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    CHECK(copy || !text);
    return copy;
}

struct net_tls *net_tls_new(bool server, const struct net_tls_options *options, char *why, size_t why_size)
{
    SSL_CTX *ctx = context_new(server, options, why, why_size);
    if (!ctx)
        return NULL;
    struct net_tls *tls = calloc(1, sizeof *tls);
    CHECK(tls);
    tls->users = 1;
    tls->server = server;
    tls->options = (struct net_tls_options){copy_of(options->cert), copy_of(options->key), copy_of(options->ca), options->verify};
    tls->ctx = ctx;
    tls->loaded_ms = clock_wall_ms();
    pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

struct net_tls *net_tls_use(struct net_tls *tls)
{
    tls->users++;
    return tls;
}

void net_tls_free(struct net_tls *tls)
{
    if (!tls || --tls->users)
        return;
    SSL_CTX_free(tls->ctx);
    SSL_SESSION_free(tls->session);
    free((char *)(uintptr_t)tls->options.cert);
    free((char *)(uintptr_t)tls->options.key);
    free((char *)(uintptr_t)tls->options.ca);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* --- what is in force, and its replacement --- */

SSL *net_tls_ssl_new(struct net_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->ctx); /* counts the context: it lives as long as this conversation */
    pthread_mutex_unlock(&tls->lock);
    CHECK(ssl);
    return ssl;
}

/* The tickets that are out open with the new context too. */
static void inherit_ticket_keys(SSL_CTX *from, SSL_CTX *to)
{
    unsigned char keys[80];
    CHECK(SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0) == sizeof keys);
    CHECK(SSL_CTX_get_tlsext_ticket_keys(from, keys, sizeof keys) && SSL_CTX_set_tlsext_ticket_keys(to, keys, sizeof keys));
    OPENSSL_cleanse(keys, sizeof keys);
}

static void put_in_force(struct net_tls *tls, SSL_CTX *ctx)
{
    if (tls->server)
        inherit_ticket_keys(tls->ctx, ctx);
    SSL_CTX_free(tls->ctx);
    SSL_SESSION_free(tls->session); /* it stands for a verification by the old authorities */
    tls->session = NULL;
    tls->ctx = ctx;
    tls->loaded_ms = clock_wall_ms();
    tls->error[0] = '\0';
}

int net_tls_reload(struct net_tls *tls, char *why, size_t why_size)
{
    SSL_CTX *ctx = context_new(tls->server, &tls->options, why, why_size);
    pthread_mutex_lock(&tls->lock);
    if (ctx)
        put_in_force(tls, ctx);
    else
        snprintf(tls->error, sizeof tls->error, "%s", why);
    pthread_mutex_unlock(&tls->lock);
    return ctx ? 0 : -1;
}

void net_tls_state(struct net_tls *tls, struct net_tls_state *out)
{
    *out = (struct net_tls_state){.handshakes = tls->handshakes, .resumed = tls->resumed};
    pthread_mutex_lock(&tls->lock);
    const X509 *cert = SSL_CTX_get0_certificate(tls->ctx);
    if (cert) {
        X509_NAME_oneline(X509_get_subject_name(cert), out->subject, sizeof out->subject);
        print_end(cert, out->not_after, sizeof out->not_after);
    }
    out->loaded_ms = tls->loaded_ms;
    memcpy(out->error, tls->error, sizeof out->error);
    pthread_mutex_unlock(&tls->lock);
}

/* --- sessions of a client --- */

SSL_SESSION *net_tls_session(struct net_tls *tls, const char *host)
{
    pthread_mutex_lock(&tls->lock);
    SSL_SESSION *session = tls->session && !strcmp(tls->session_host, host) ? tls->session : NULL;
    if (session)
        SSL_SESSION_up_ref(session);
    pthread_mutex_unlock(&tls->lock);
    return session;
}

void net_tls_keep_session(struct net_tls *tls, const char *host, const SSL_CTX *ctx, SSL_SESSION *session)
{
    pthread_mutex_lock(&tls->lock);
    if (ctx == tls->ctx) {
        SSL_SESSION *old = tls->session;
        tls->session = session;
        snprintf(tls->session_host, sizeof tls->session_host, "%s", host);
        session = old;
    }
    pthread_mutex_unlock(&tls->lock);
    SSL_SESSION_free(session);
}

void net_tls_drop_session(struct net_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL_SESSION_free(tls->session);
    tls->session = NULL;
    pthread_mutex_unlock(&tls->lock);
}
