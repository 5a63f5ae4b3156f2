/* One TLS conversation: OpenSSL between a BIO of ours, which meters and counts, and the connection. */
#include "proxy/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/net/address.h"
#include "proxy/net/tls_impl.h"

/* Handshake messages after the handshake are key updates, tickets and attempts to renegotiate. An honest peer sends few
 * of them or a key update every some GiB; each costs us more than the peer. */
enum { LATE_MESSAGES_FREE = 32 };
#define BYTES_A_LATE_MESSAGE (1u << 20)

struct net_tls_stream {
    struct net_tls *tls;
    SSL *ssl;
    int fd;
    uint64_t *writes;
    size_t allowed;         /* bytes the socket may still give in this turn */
    uint64_t received;      /* through the whole conversation, as on the wire */
    unsigned late_messages; /* handshake messages since it was established */
    bool established;
    bool eof;
    bool broken; /* OpenSSL forbids a goodbye after a fatal error */
    char *socket_why; /* why the socket died, NULL = it did not */
    char host[];      /* whose certificate is expected; "" = nobody's */
};

/* The first reason counts: the alert about a death that reading has noticed cannot be sent either. */
static void note_death(struct net_tls_stream *s, const char *why)
{
    if (!s->socket_why)
        s->socket_why = strdup(why);
}

/* --- the BIO --- */

static int bio_read(BIO *bio, char *to, int n)
{
    struct net_tls_stream *s = BIO_get_data(bio);
    size_t room = (size_t)n < s->allowed ? (size_t)n : s->allowed, got = 0;
    char why[NET_WHY_SIZE];
    BIO_clear_retry_flags(bio);
    enum net_io end = room ? net_socket_recv(s->fd, to, room, &got, why) : NET_IO_WANT_READ;
    if (end == NET_IO_WANT_READ) {
        BIO_set_retry_read(bio);
        return -1;
    }
    s->allowed -= got;
    s->received += got;
    s->eof = end == NET_IO_DEAD;
    if (s->eof)
        note_death(s, why);
    return (int)got;
}

static int bio_write(BIO *bio, const char *from, int n)
{
    struct net_tls_stream *s = BIO_get_data(bio);
    size_t moved = 0;
    char why[NET_WHY_SIZE];
    BIO_clear_retry_flags(bio);
    switch (net_socket_send(s->fd, from, (size_t)n, &moved, why)) {
    case NET_IO_DONE:
        ++*s->writes;
        return (int)moved;
    case NET_IO_DEAD:
        note_death(s, why);
        return -1;
    default:
        BIO_set_retry_write(bio);
        return -1;
    }
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct net_tls_stream *s = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return s->eof;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net");
    CHECK(method);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

/* --- life --- */

static void count_late_messages(int sent, int version, int type, const void *bytes, size_t n, SSL *ssl, void *arg)
{
    struct net_tls_stream *s = arg;
    (void)version;
    (void)bytes;
    (void)n;
    (void)ssl;
    if (!sent && type == SSL3_RT_HANDSHAKE && s->established)
        s->late_messages++;
}

static bool expect_host(struct net_tls_stream *s, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
    if (net_address_is_numeric(host))
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(s->ssl, host) == 1;
}

static void offer_session(struct net_tls_stream *s)
{
    SSL_SESSION *session = net_tls_session(s->tls, s->host);
    if (session)
        SSL_set_session(s->ssl, session);
    SSL_SESSION_free(session);
}

void net_tls_stream_keep_session(struct net_tls_stream *s, SSL_SESSION *session)
{
    net_tls_keep_session(s->tls, s->host, SSL_get_SSL_CTX(s->ssl), session);
}

struct net_tls_stream *net_tls_stream_new(struct net_tls *tls, int fd, const char *host, uint64_t *writes, char *why)
{
    pthread_once(&method_once, make_method);
    struct net_tls_stream *s = calloc(1, sizeof *s + (host ? strlen(host) : 0) + 1);
    BIO *bio = BIO_new(method);
    CHECK(s && bio);
    strcpy(s->host, host ? host : "");
    s->fd = fd;
    s->writes = writes;
    s->tls = net_tls_use(tls);
    s->ssl = net_tls_ssl_new(tls);
    SSL_set_app_data(s->ssl, s);
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_msg_callback(s->ssl, count_late_messages);
    SSL_set_msg_callback_arg(s->ssl, s);
    if (tls->server)
        SSL_set_accept_state(s->ssl);
    else
        SSL_set_connect_state(s->ssl);
    if (host && !expect_host(s, host)) {
        snprintf(why, NET_WHY_SIZE, "TLS: \"%.100s\" is no name that a certificate could have", host);
        net_tls_stream_free(s);
        return NULL;
    }
    if (!tls->server)
        offer_session(s);
    return s;
}

void net_tls_stream_free(struct net_tls_stream *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    net_tls_free(s->tls);
    free(s->socket_why);
    free(s);
}

/* --- outcomes --- */

static void say_tls_error(struct net_tls_stream *s, char *why)
{
    char reason[128];
    long verdict = SSL_get_verify_result(s->ssl);
    bool cut = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    net_tls_error(reason, sizeof reason);
    if (!s->established && verdict != X509_V_OK)
        snprintf(why, NET_WHY_SIZE, "TLS: certificate of %.60s refused: %s", *s->host ? s->host : "the peer",
                 X509_verify_cert_error_string(verdict));
    else if (cut || s->socket_why)
        snprintf(why, NET_WHY_SIZE, "%.120s%s", s->socket_why ? s->socket_why : "peer closed the connection",
                 s->established ? " (no TLS goodbye)" : " (during the TLS handshake)");
    else
        snprintf(why, NET_WHY_SIZE, "TLS: %s", reason);
}

static enum net_io outcome(struct net_tls_stream *s, int ret, char *why)
{
    switch (SSL_get_error(s->ssl, ret)) {
    case SSL_ERROR_NONE:
        return NET_IO_DONE;
    case SSL_ERROR_WANT_READ:
        return NET_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return NET_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        snprintf(why, NET_WHY_SIZE, "peer closed the connection");
        return NET_IO_DEAD;
    default:
        s->broken = true;
        say_tls_error(s, why);
        return NET_IO_DEAD;
    }
}

enum net_io net_tls_stream_handshake(struct net_tls_stream *s, char *why)
{
    ERR_clear_error();
    net_tls_stream_allow(s, SSL3_RT_MAX_PACKET_SIZE);
    enum net_io end = outcome(s, SSL_do_handshake(s->ssl), why);
    if (end == NET_IO_DONE) {
        s->established = true;
        s->tls->handshakes++;
        s->tls->resumed += (unsigned)SSL_session_reused(s->ssl);
    } else if (end == NET_IO_DEAD && !s->tls->server) {
        net_tls_drop_session(s->tls); /* should it be the reason, it is not the next one's */
    }
    return end;
}

enum net_io net_tls_stream_read(struct net_tls_stream *s, void *to, size_t n, size_t *moved, char *why)
{
    ERR_clear_error();
    enum net_io end = outcome(s, SSL_read_ex(s->ssl, to, n, moved), why);
    if (s->late_messages <= LATE_MESSAGES_FREE + s->received / BYTES_A_LATE_MESSAGE)
        return end;
    snprintf(why, NET_WHY_SIZE, "TLS: too many handshake messages");
    return NET_IO_DEAD;
}

enum net_io net_tls_stream_write(struct net_tls_stream *s, const void *from, size_t n, size_t *moved, char *why)
{
    ERR_clear_error();
    return outcome(s, SSL_write_ex(s->ssl, from, n, moved), why);
}

const SSL *net_tls_stream_ssl(const struct net_tls_stream *s)
{
    return s->ssl;
}

bool net_tls_stream_has_pending(const struct net_tls_stream *s)
{
    return SSL_has_pending(s->ssl);
}

void net_tls_stream_allow(struct net_tls_stream *s, size_t bytes)
{
    s->allowed = bytes;
}

void net_tls_stream_shutdown(struct net_tls_stream *s)
{
    if (!s->established || s->broken)
        return;
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}
