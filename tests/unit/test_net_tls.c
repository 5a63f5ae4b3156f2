/* TLS on connections: certificates that must be refused are, nothing plain slips into the encrypted part, everything
 * that was sent arrives whatever the limits and pauses, and a hostile handshaker is dropped. */
#include "tests/unit/unit.h"
#include "tests/unit/net_side.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

static char certs[] = "/tmp/test_net_tls.XXXXXX";
static char why[300];

static const char *file(const char *name)
{
    static char paths[8][100];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", certs, name);
    return path;
}

static struct net_tls *context(bool server, const char *name, const char *ca, bool verify)
{
    char cert[40], key[40];
    snprintf(cert, sizeof cert, "%s.crt", name ? name : "");
    snprintf(key, sizeof key, "%s.key", name ? name : "");
    struct net_tls_options o = {name ? file(cert) : NULL, name ? file(key) : NULL, ca ? file(ca) : NULL, verify};
    struct net_tls *tls = net_tls_new(server, &o, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tls);
    return tls;
}

static bool both_secured(void)
{
    return left.secured && right.secured;
}
static bool both_settled(void)
{
    return (left.secured || left.closed) && (right.secured || right.closed);
}
static bool left_settled(void)
{
    return left.secured || left.closed;
}
static bool right_closed(void)
{
    return right.closed;
}

/* A pair whose handshake has been started on both sides. */
static void start_tls_pair(struct net_tls *server, struct net_tls *client, const char *host)
{
    make_pair();
    net_conn_tls_server(right.c, server);
    net_conn_tls_client(left.c, client, host);
    net_tls_free(server); /* the connections keep what they need */
    net_tls_free(client);
}

static void secure_pair(void)
{
    start_tls_pair(context(true, "server", NULL, false), context(false, NULL, "ca.crt", true), "localhost");
    run_until(both_secured);
}

/* --- verification --- */

static void a_good_certificate_is_taken_by_name_and_by_address(void)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "::1", NULL};
    for (int n = 0; n < 4; n++) {
        fresh_loop();
        start_tls_pair(context(true, "server", NULL, false), context(false, NULL, "ca.crt", true), hosts[n]);
        CU_ASSERT_FALSE(left.c->tls);
        run_until(both_secured);
        CU_ASSERT_TRUE(left.c->tls && right.c->tls);
        drop_loop();
    }
}

static void check_refused(const char *server_name, const char *host, const char *ca, const char *reason)
{
    fresh_loop();
    log_set_level(LOG_LEVEL_ERROR);
    start_tls_pair(context(true, server_name, NULL, false), context(false, NULL, ca, true), host);
    log_set_level(LOG_LEVEL_INFO);
    run_until(left_settled);
    CU_ASSERT_EQUAL(left.secured, 0);
    CU_ASSERT_EQUAL(left.closed, 1);
    if (!strstr(left.why, reason))
        fprintf(stderr, "why=%s\n", left.why);
    CU_ASSERT_PTR_NOT_NULL(strstr(left.why, reason));
    drop_loop();
}

static void bad_certificates_are_refused_with_the_reason(void)
{
    check_refused("expired", "localhost", "ca.crt", "certificate of localhost refused: certificate has expired");
    check_refused("wrong-host", "localhost", "ca.crt", "certificate of localhost refused: hostname mismatch");
    check_refused("wrong-host", "127.0.0.1", "ca.crt", "certificate of 127.0.0.1 refused: IP address mismatch");
    check_refused("server", "127.0.0.2", "ca.crt", "IP address mismatch");
    check_refused("server", "localhost.example", "ca.crt", "hostname mismatch");
    check_refused("unknown-ca", "localhost", "ca.crt", "unable to get local issuer certificate");
    check_refused("server", "localhost", NULL, "unable to get local issuer certificate");
    check_refused("client", NULL, "ca.crt", "unsuitable certificate purpose");
}

static void without_verify_any_certificate_will_do(void)
{
    fresh_loop();
    log_set_level(LOG_LEVEL_ERROR);
    start_tls_pair(context(true, "expired", NULL, false), context(false, NULL, NULL, false), "elsewhere");
    log_set_level(LOG_LEVEL_INFO);
    run_until(both_secured);
    drop_loop();
}

static void check_client_certificate(const char *client_name, bool required, bool welcome)
{
    fresh_loop();
    start_tls_pair(context(true, "server", "ca.crt", required), context(false, client_name, "ca.crt", true),
                   "localhost");
    run_until(both_settled);
    CU_ASSERT_EQUAL(right.secured, welcome);
    CU_ASSERT_EQUAL(right.closed, !welcome);
    drop_loop();
}

static void a_server_may_ask_for_client_certificates(void)
{
    check_client_certificate("client", true, true);
    check_client_certificate(NULL, true, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(right.why, "peer did not return a certificate"));
    check_client_certificate("unknown-ca", true, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(right.why, "certificate of the peer refused"));
    check_client_certificate(NULL, false, true);
}

/* --- contexts --- */

static void check_unusable(bool server, struct net_tls_options o, const char *part)
{
    *why = '\0';
    CU_ASSERT_PTR_NULL(net_tls_new(server, &o, why, sizeof why));
    if (!strstr(why, part))
        fprintf(stderr, "why=%s\n", why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, part));
}

static void unusable_files_are_named_with_a_remedy(void)
{
    const char *cert = file("server.crt"), *key = file("server.key");
    check_unusable(true, (struct net_tls_options){0}, "make-dev-certs");
    check_unusable(false, (struct net_tls_options){.cert = cert}, "both needed");
    check_unusable(true, (struct net_tls_options){.cert = "/no/such", .key = key}, "/no/such: No such file");
    check_unusable(true, (struct net_tls_options){.cert = key, .key = key}, "must be PEM");
    check_unusable(true, (struct net_tls_options){.cert = cert, .key = cert}, "without a passphrase");
    check_unusable(true, (struct net_tls_options){.cert = cert, .key = file("client.key")}, "does not belong");
    check_unusable(true, (struct net_tls_options){.cert = cert, .key = file("rsa.key")}, "does not belong");
    check_unusable(true, (struct net_tls_options){.cert = cert, .key = file("locked.key")}, "without a passphrase");
    check_unusable(false, (struct net_tls_options){.ca = "/no/such", .verify = true}, "CA file /no/such");
    check_unusable(false, (struct net_tls_options){.ca = key, .verify = true}, "CA file");
}

/* --- plain and encrypted do not mix --- */

static void answer_ssl_request(struct side *s)
{
    if (s->c->tls || buf_len(&s->c->in) < 5)
        return;
    CU_ASSERT_EQUAL(buf_len(&s->c->in), 5);
    CU_ASSERT(!memcmp(buf_at(&s->c->in), "START", 5));
    buf_clear(&s->c->in);
    struct net_tls *tls = context(true, "server", NULL, false);
    net_conn_tls_server(s->c, tls);
    net_tls_free(tls);
}
static bool right_has_four(void)
{
    return right.c && right.c->tls && buf_len(&right.c->in) >= 4;
}

static void what_was_written_before_goes_plain_what_comes_after_goes_encrypted(void)
{
    fresh_loop();
    make_pair();
    right.react = answer_ssl_request;
    net_conn_read_limit(right.c, 5);
    struct net_tls *tls = context(false, NULL, "ca.crt", true);
    buf_text(&left.c->out, "START");
    net_conn_tls_client(left.c, tls, "localhost");
    buf_text(&left.c->out, "safe"); /* before the handshake has begun */
    net_conn_flush(left.c);
    net_tls_free(tls);
    run_until(right_has_four);
    CU_ASSERT(!memcmp(buf_at(&right.c->in), "safe", 4));
    CU_ASSERT_EQUAL(left.secured, 1);
    drop_loop();
}

static void bytes_smuggled_in_before_the_handshake_end_the_connection(void)
{
    fresh_loop();
    make_pair();
    struct net_tls *tls = context(true, "server", NULL, false);
    buf_text(&right.c->in, "injected");
    net_conn_tls_server(right.c, tls);
    net_tls_free(tls);
    run_until(right_closed);
    CU_ASSERT_STRING_EQUAL(right.why, "bytes before the TLS handshake");
    drop_loop();
}

static void a_peer_that_speaks_no_tls_is_refused(void)
{
    fresh_loop();
    struct net_tls *tls = context(true, "server", NULL, false);
    int raw = make_half(NULL);
    net_conn_tls_server(right.c, tls);
    CU_ASSERT_EQUAL(write(raw, "GET / HTTP/1.0\r\n\r\n", 18), 18);
    run_until(right_closed);
    CU_ASSERT_PTR_EQUAL(strstr(right.why, "TLS: "), right.why);
    CU_ASSERT_EQUAL(right.secured, 0);
    close(raw);
    raw = make_half(NULL);
    net_conn_tls_server(right.c, tls);
    net_tls_free(tls);
    close(raw);
    run_until(right_closed);
    CU_ASSERT_STRING_EQUAL(right.why, "peer closed the connection (during the TLS handshake)");
    drop_loop();
}

/* --- bytes --- */

enum { BULK = 6 << 20 };
static uint8_t byte_at(size_t n)
{
    return (uint8_t)(n * 2654435761u >> 13);
}
static size_t checked;
static bool intact;
static void check_bulk(struct side *s)
{
    const uint8_t *p = buf_at(&s->c->in);
    for (size_t n = 0; n < buf_len(&s->c->in); n++)
        intact &= p[n] == byte_at(checked++);
    buf_clear(&s->c->in);
    if (s->reads % 7 == 3)
        net_conn_pause(s->c);
}
static bool bulk_is_there(void)
{
    if (right.c && net_conn_paused(right.c))
        net_conn_resume(right.c);
    return checked >= BULK;
}

static void bulk_arrives_whole_through_pauses_and_full_sockets(void)
{
    fresh_loop();
    secure_pair();
    right.react = check_bulk;
    right.reads = 0;
    checked = 0;
    intact = true;
    uint8_t *to = buf_reserve(&left.c->out, BULK);
    for (size_t n = 0; n < BULK; n++)
        to[n] = byte_at(n);
    buf_added(&left.c->out, BULK);
    net_conn_flush(left.c);
    run_until(bulk_is_there);
    CU_ASSERT_TRUE(intact);
    CU_ASSERT_EQUAL(checked, BULK);
    CU_ASSERT(right.largest_read <= 64 * 1024);
    drop_loop();
}

static size_t wanted;
static bool right_has_wanted(void)
{
    return buf_len(&right.c->in) >= wanted;
}

/* The record is out of the kernel after the first bytes: no event will come for the rest. */
static void a_read_limit_inside_a_record_loses_nothing(void)
{
    static char bytes[10000];
    fresh_loop();
    secure_pair();
    net_conn_read_limit(right.c, 100);
    say(&left, bytes, sizeof bytes);
    wanted = 100;
    run_until(right_has_wanted);
    run_some_turns(5);
    CU_ASSERT_EQUAL(buf_len(&right.c->in), 100);
    net_conn_read_limit(right.c, 1000);
    wanted = 1100;
    run_until(right_has_wanted);
    net_conn_pause(right.c);
    net_conn_read_limit(right.c, 0);
    run_some_turns(5);
    CU_ASSERT_EQUAL(buf_len(&right.c->in), 1100);
    net_conn_resume(right.c);
    wanted = sizeof bytes;
    run_until(right_has_wanted);
    drop_loop();
}

static void echo(struct side *s)
{
    say(s, buf_at(&s->c->in), buf_len(&s->c->in));
    buf_clear(&s->c->in);
}
static bool left_has_wanted(void)
{
    return buf_len(&left.c->in) >= wanted;
}

static void a_turns_messages_are_one_record_and_one_write(void)
{
    fresh_loop();
    secure_pair();
    right.react = echo;
    run_some_turns(3);
    uint64_t before = left.c->writes;
    for (uint32_t n = 0; n < 3000; n++)
        say(&left, &n, sizeof n);
    wanted = 12000;
    run_until(left_has_wanted);
    CU_ASSERT_EQUAL(left.c->writes, before + 1);
    for (uint32_t n = 0; n < 3000; n++)
        CU_ASSERT(!memcmp(buf_at(&left.c->in) + n * sizeof n, &n, sizeof n));
    drop_loop();
}

/* --- ends --- */

static void close_after_flush_says_goodbye(void)
{
    static char bytes[300000];
    fresh_loop();
    secure_pair();
    buf_append(&right.c->out, bytes, sizeof bytes);
    net_conn_close(right.c, true);
    run_until(left_closed);
    CU_ASSERT_EQUAL(left.unused, sizeof bytes);
    CU_ASSERT_STRING_EQUAL(left.why, "peer closed the connection");
    drop_loop();
}

static void a_plain_close_says_goodbye_too(void)
{
    fresh_loop();
    secure_pair();
    net_conn_close(right.c, false);
    run_until(left_closed);
    CU_ASSERT_STRING_EQUAL(left.why, "peer closed the connection");
    drop_loop();
}

/* --- peers of another make: OpenSSL, blocking, in a thread --- */

struct stranger {
    int fd;
    int version;
    void (*act)(SSL *ssl);
    bool got_in;
    char protocol[16];
};

static void *be_stranger(void *arg)
{
    struct stranger *s = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, s->version);
    SSL_CTX_set_max_proto_version(ctx, s->version);
    SSL_CTX_set_security_level(ctx, 0);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, s->fd);
    s->got_in = SSL_connect(ssl) == 1;
    if (s->got_in) {
        snprintf(s->protocol, sizeof s->protocol, "%s", SSL_get_version(ssl));
        s->act(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    shutdown(s->fd, SHUT_RDWR);
    return NULL;
}

static void ping(SSL *ssl)
{
    char answer[4] = "";
    CU_ASSERT_EQUAL(SSL_write(ssl, "ping", 4), 4);
    CU_ASSERT_EQUAL(SSL_read(ssl, answer, 4), 4);
    CU_ASSERT(!memcmp(answer, "ping", 4));
}

static void update_keys_for_ever(SSL *ssl)
{
    for (int n = 0; n < 100000 && SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
         n++)
        ;
}

static void update_keys_now_and_then(SSL *ssl)
{
    for (int n = 0; n < 20; n++) {
        CU_ASSERT_EQUAL(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        ping(ssl);
    }
}

static void renegotiate(SSL *ssl)
{
    CU_ASSERT_EQUAL(SSL_renegotiate(ssl), 1);
    CU_ASSERT_NOT_EQUAL(SSL_do_handshake(ssl), 1);
}

static void meet(struct stranger *s)
{
    pthread_t thread;
    fresh_loop();
    s->fd = make_half(NULL);
    right.react = echo;
    struct net_tls *tls = context(true, "server", NULL, false);
    net_conn_tls_server(right.c, tls);
    net_tls_free(tls);
    pthread_create(&thread, NULL, be_stranger, s);
    run_until(right_closed);
    drop_loop(); /* a stranger that still writes sees the end */
    pthread_join(thread, NULL);
    close(s->fd);
}

static void tls_1_2_and_1_3_are_spoken_1_1_is_not(void)
{
    struct stranger old = {.version = TLS1_1_VERSION, .act = ping}, two = {.version = TLS1_2_VERSION, .act = ping},
                    three = {.version = TLS1_3_VERSION, .act = ping};
    meet(&old);
    CU_ASSERT_FALSE(old.got_in);
    CU_ASSERT_PTR_NOT_NULL(strstr(right.why, "unsupported protocol"));
    meet(&two);
    CU_ASSERT_STRING_EQUAL(two.protocol, "TLSv1.2");
    meet(&three);
    CU_ASSERT_STRING_EQUAL(three.protocol, "TLSv1.3");
    CU_ASSERT_STRING_EQUAL(right.why, "peer closed the connection (no TLS goodbye)");
}

static void renegotiation_is_not_to_be_had(void)
{
    struct stranger s = {.version = TLS1_2_VERSION, .act = renegotiate};
    meet(&s);
    CU_ASSERT_TRUE(s.got_in);
}

static void honest_key_updates_pass_a_flood_of_them_does_not(void)
{
    struct stranger honest = {.version = TLS1_3_VERSION, .act = update_keys_now_and_then},
                    hostile = {.version = TLS1_3_VERSION, .act = update_keys_for_ever};
    meet(&honest);
    CU_ASSERT_STRING_EQUAL(right.why, "peer closed the connection (no TLS goodbye)");
    meet(&hostile);
    CU_ASSERT_STRING_EQUAL(right.why, "TLS: too many handshake messages");
}

/* --- resumption and reload --- */

static bool left_has_read(void)
{
    return left.reads > 0;
}

/* A connection between the two: 1 where it was resumed, 0 where not. The first bytes bring the tickets along. */
static int resumes(struct net_tls *server, struct net_tls *client, const char *host)
{
    struct net_tls_state before, of_server, of_client;
    net_tls_state(server, &before);
    fresh_loop();
    make_pair();
    net_conn_tls_server(right.c, server);
    net_conn_tls_client(left.c, client, host);
    run_until(both_secured);
    buf_text(&right.c->out, "x");
    net_conn_flush(right.c);
    run_until(left_has_read);
    net_tls_state(server, &of_server);
    net_tls_state(client, &of_client);
    CU_ASSERT_EQUAL(of_server.handshakes, before.handshakes + 1);
    drop_loop();
    return (int)(of_server.resumed - before.resumed);
}

static void the_second_connection_resumes_the_first(void)
{
    struct net_tls *server = context(true, "server", "ca.crt", true), *client = context(false, "client", "ca.crt", true);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 1);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 1);
    net_tls_free(server);
    net_tls_free(client);
}

static void copy_file(const char *from, const char *to)
{
    char command[300];
    snprintf(command, sizeof command, "umask 077 && cat %s >%s", file(from), file(to));
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void reload(struct net_tls *tls, int expected)
{
    *why = '\0';
    CU_ASSERT_EQUAL(net_tls_reload(tls, why, sizeof why), expected);
    CU_ASSERT_EQUAL(*why != '\0', expected < 0);
}

static void tickets_outlive_a_reload_but_not_the_authorities(void)
{
    copy_file("ca.crt", "clients-ca.crt");
    struct net_tls *server = context(true, "server", "clients-ca.crt", false), *client = context(false, "client", "ca.crt", true);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    reload(server, 0);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 1);
    copy_file("other-ca.crt", "clients-ca.crt");
    reload(server, 0);
    char command[300];
    snprintf(command, sizeof command, "cat %s >>%s", file("ca.crt"), file("clients-ca.crt"));
    CU_ASSERT_EQUAL(system(command), 0);
    reload(server, 0); /* the client's authority counts again, but others do too: its ticket is of another time */
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 1);
    reload(client, 0); /* whom we trust may have changed: the server is looked at again */
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    net_tls_free(server);
    net_tls_free(client);
}

static void a_session_stands_for_one_name(void)
{
    struct net_tls *server = context(true, "server", NULL, false), *client = context(false, NULL, "ca.crt", true);
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    CU_ASSERT_EQUAL(resumes(server, client, "127.0.0.1"), 0);
    CU_ASSERT_EQUAL(resumes(server, client, "127.0.0.1"), 1);
    CU_ASSERT_EQUAL(resumes(server, client, NULL), 0);
    net_tls_free(server);
    net_tls_free(client);
}

static void a_bad_reload_leaves_the_old_files_in_force(void)
{
    struct net_tls_state state;
    copy_file("server.crt", "changing.crt");
    copy_file("server.key", "changing.key");
    struct net_tls *server = context(true, "changing", NULL, false), *client = context(false, NULL, "ca.crt", true);
    copy_file("client.key", "changing.key");
    reload(server, -1);
    net_tls_state(server, &state);
    CU_ASSERT_PTR_NOT_NULL(strstr(state.error, "does not belong"));
    CU_ASSERT_STRING_EQUAL(state.subject, "/CN=localhost");
    CU_ASSERT_EQUAL(resumes(server, client, "localhost"), 0);
    copy_file("wrong-host.crt", "changing.crt");
    copy_file("wrong-host.key", "changing.key");
    reload(server, 0);
    net_tls_state(server, &state);
    CU_ASSERT_STRING_EQUAL(state.error, "");
    CU_ASSERT_STRING_EQUAL(state.subject, "/CN=elsewhere.invalid");
    CU_ASSERT(strlen(state.not_after) == 20 && state.loaded_ms > 0);
    net_tls_free(server);
    net_tls_free(client);
}

static int make_certificates(void)
{
    char command[600];
    const char *source = getenv("srcdir");
    if (!mkdtemp(certs))
        return -1;
    snprintf(command, sizeof command,
             "'%s'/certs/make-dev-certs %s >/dev/null && cd %s &&"
             " openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null &&"
             " openssl ec -in server.key -aes128 -passout pass:secret -out locked.key 2>/dev/null",
             source ? source : ".", certs, certs);
    return system(command);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a good certificate is taken by name and by address", a_good_certificate_is_taken_by_name_and_by_address},
        {"bad certificates are refused with the reason", bad_certificates_are_refused_with_the_reason},
        {"without verify any certificate will do", without_verify_any_certificate_will_do},
        {"a server may ask for client certificates", a_server_may_ask_for_client_certificates},
        {"unusable files are named with a remedy", unusable_files_are_named_with_a_remedy},
        {"what was written before goes plain, what comes after goes encrypted",
         what_was_written_before_goes_plain_what_comes_after_goes_encrypted},
        {"bytes smuggled in before the handshake end the connection",
         bytes_smuggled_in_before_the_handshake_end_the_connection},
        {"a peer that speaks no TLS is refused", a_peer_that_speaks_no_tls_is_refused},
        {"bulk arrives whole through pauses and full sockets", bulk_arrives_whole_through_pauses_and_full_sockets},
        {"a read limit inside a record loses nothing", a_read_limit_inside_a_record_loses_nothing},
        {"a turn's messages are one record and one write", a_turns_messages_are_one_record_and_one_write},
        {"close after flush says goodbye", close_after_flush_says_goodbye},
        {"a plain close says goodbye too", a_plain_close_says_goodbye_too},
        {"TLS 1.2 and 1.3 are spoken, 1.1 is not", tls_1_2_and_1_3_are_spoken_1_1_is_not},
        {"renegotiation is not to be had", renegotiation_is_not_to_be_had},
        {"honest key updates pass, a flood of them does not", honest_key_updates_pass_a_flood_of_them_does_not},
        {"the second connection resumes the first", the_second_connection_resumes_the_first},
        {"tickets outlive a reload, but not the authorities", tickets_outlive_a_reload_but_not_the_authorities},
        {"a session stands for one name", a_session_stands_for_one_name},
        {"a bad reload leaves the old files in force", a_bad_reload_leaves_the_old_files_in_force},
        {NULL, NULL},
    };
    char command[100];
    signal(SIGPIPE, SIG_IGN); /* the strangers' OpenSSL writes with write(2) */
    if (make_certificates())
        return 99;
    int failed = unit_main("net_tls", tests);
    snprintf(command, sizeof command, "rm -r %s", certs);
    return system(command) ? 99 : failed;
}
