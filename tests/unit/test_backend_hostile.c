/* Servers that no honest program would be: each lie ends in a refusal or a lost command with words, never in a hang, a
 * leak of the password or a wrong answer. The server is a script on the same loop. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/backend/pool.h"
#include "proxy/net/listener.h"
#include "proxy/wire/handshake.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/resultset.h"

static struct net_loop *loop;
static struct backends backends;
static struct backend_pools *pools;
static char name[] = "liar", loopback[] = "127.0.0.1", user[] = "app", secret[] = "do not tell", any[] = "*";
static struct config_backend backend_row;
static struct config_account account_row = {.user = any, .backend = name, .backend_user = user, .password = secret};
static struct config config = {.backends = &backend_row, .n_backends = 1, .accounts = &account_row, .n_accounts = 1};

/* --- the liar --- */

enum { STEPS = 8 };
static struct buf script[STEPS];  /* [0]: said at once; [n]: said after the client's n-th packet */
static unsigned n_said, n_heard;
static struct buf heard;
static struct net_conn *liar;
static struct net_listener *listener;

static void say_step(void)
{
    unsigned step = n_said++;
    if (step >= STEPS || !buf_len(&script[step]))
        return;
    buf_append(&liar->out, buf_at(&script[step]), buf_len(&script[step]));
    net_conn_flush(liar);
}

static void on_heard(void *arg)
{
    (void)arg;
    buf_append(&heard, buf_at(&liar->in), buf_len(&liar->in));
    for (;;) {
        struct cursor c = cursor_make(buf_at(&liar->in), buf_len(&liar->in));
        uint32_t len = cursor_u24le(&c);
        cursor_skip(&c, (size_t)len + 1);
        if (c.bad)
            return;
        buf_consume(&liar->in, (size_t)len + WIRE_HEADER);
        n_heard++;
        say_step();
    }
}

static uintptr_t n_accepted;
static void on_gone(void *arg, const char *why)
{
    (void)why;
    if ((uintptr_t)arg == n_accepted)
        liar = NULL;
}

static void on_accept(void *arg, int fd, const char *peer)
{
    static const struct net_conn_ops ops = {.on_read = on_heard, .on_closed = on_gone};
    (void)arg;
    (void)peer;
    liar = net_conn_accept(loop, fd, &ops, (void *)++n_accepted);
    n_said = n_heard = 0;
    say_step();
}

/* --- what it says --- */

#define HONEST_CAPS                                                                                                     \
    (WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_PLUGIN_AUTH | WIRE_CAP_SESSION_TRACK |                \
     WIRE_CAP_DEPRECATE_EOF | WIRE_CAP_LONG_PASSWORD | WIRE_CAP_CONNECT_ATTRS)

static void script_packet(unsigned step, uint8_t seq, const void *payload, size_t len)
{
    wire_packet_write(&script[step], &seq, payload, len);
}

static void script_greeting(uint32_t caps, const char *plugin)
{
    struct wire_greeting g = {.connection_id = 7, .caps = caps, .charset = 45, .status = WIRE_STATUS_AUTOCOMMIT};
    struct buf payload = {0};
    snprintf(g.version, sizeof g.version, "8.4.0-liar");
    snprintf(g.plugin, sizeof g.plugin, "%s", plugin);
    memset(g.scramble, 'a', sizeof g.scramble);
    wire_greeting_write(&payload, &g);
    script_packet(0, 0, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
}

static void script_ok(unsigned step, uint8_t seq)
{
    const struct wire_ok ok = {.status = WIRE_STATUS_AUTOCOMMIT};
    wire_ok_packet(&script[step], &seq, HONEST_CAPS, &ok);
}

static void script_err(unsigned step, uint8_t seq, uint16_t code, const char *text)
{
    wire_err_packet(&script[step], &seq, HONEST_CAPS, code, "HY000", "%s", text);
}

/* A server that is honest up to the first command of ours. */
static void script_honest(void)
{
    script_greeting(HONEST_CAPS, "mysql_native_password");
    script_ok(1, 2); /* log-in */
    script_ok(2, 1); /* the role */
    script_ok(3, 1); /* settings */
}

/* --- the fixture --- */

static void up(bool tls)
{
    char why[128];
    log_set_level(LOG_LEVEL_ERROR);
    loop = net_loop_new();
    listener = net_listener_new(loop, loopback, 0, on_accept, NULL, why, sizeof why);
    CHECK(loop && listener);
    backend_row = (struct config_backend){.name = name,
                                          .address = loopback,
                                          .port = net_listener_port(listener),
                                          .tls = tls,
                                          .max_connections = 1,
                                          .connect_timeout_ms = 2000,
                                          .pool_idle_timeout_ms = 60000,
                                          .queue_timeout_ms = 4000,
                                          .lock_wait_s = 5};
    for (unsigned i = 0; i < STEPS; i++)
        buf_clear(&script[i]);
    buf_clear(&heard);
    liar = NULL;
    n_said = n_heard = 0;
    backends_init(&backends, &config);
    pools = backend_pools_new(loop, &config, &backends);
}

static void down(void)
{
    backend_pools_free(pools);
    net_listener_free(listener);
    if (liar)
        net_conn_close(liar, false);
    net_loop_free(loop);
    backends_fini(&backends);
    for (unsigned i = 0; i < STEPS; i++)
        buf_fini(&script[i]);
    buf_fini(&heard);
}

static bool answered;
static struct backend_conn *lent;
static uint16_t refused_code;
static char words[512];

static void stop(void)
{
    answered = true;
    net_loop_stop(loop);
}
static void on_ready(struct backend_request *r, struct backend_conn *c)
{
    (void)r;
    lent = c;
    stop();
}
static void on_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    (void)r;
    (void)sqlstate;
    refused_code = code;
    snprintf(words, sizeof words, "%s", text);
    stop();
}
static void on_guard(void *arg)
{
    (void)arg;
    net_loop_stop(loop);
}

static bool run(int64_t ms)
{
    struct net_timer guard;
    net_timer_init(&guard, loop, on_guard, NULL);
    net_timer_start(&guard, ms);
    net_loop_run(loop);
    net_timer_fini(&guard);
    return answered;
}

static void acquire(struct backend_request *r)
{
    *r = (struct backend_request){.account = &account_row, .on_ready = on_ready, .on_failed = on_failed};
    answered = false;
    lent = NULL;
    refused_code = 0;
    *words = '\0';
    backend_acquire(pools, r);
    if (!answered)
        CU_ASSERT_TRUE(run(5000));
}

static void expect_words(const char *what)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(words, what));
    if (!strstr(words, what))
        printf("\n  '%s' is not in '%s'\n", what, words);
}

static bool was_heard(const char *text)
{
    return buf_len(&heard) && memmem(buf_at(&heard), buf_len(&heard), text, strlen(text)) != NULL;
}

static void expect_refusal(uint16_t code, const char *what)
{
    struct backend_request r;
    acquire(&r);
    CU_ASSERT_PTR_NULL(lent);
    CU_ASSERT_EQUAL(refused_code, code);
    expect_words(what);
    CU_ASSERT_FALSE(was_heard(secret));
    down();
}

/* --- at log-in --- */

static void no_greeting_at_all(void)
{
    up(false);
    backend_row.connect_timeout_ms = 200;
    expect_refusal(1105, "within 200 ms");
}

static void a_greeting_of_another_protocol(void)
{
    up(false);
    buf_text(&script[0], "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    expect_refusal(1105, "MySQL");
}

static void a_greeting_cut_short(void)
{
    up(false);
    script_packet(0, 0, "\x0a" "8.4.0", 6);
    expect_refusal(1105, "not a MySQL greeting");
}

static void a_full_server_says_so_instead_of_a_greeting(void)
{
    static const char payload[] = "\xff\x10\x04Too many connections";
    up(false);
    script_packet(0, 0, payload, sizeof payload - 1);
    expect_refusal(1040, "too many connections");
}

static void a_server_without_trackers(void)
{
    up(false);
    script_greeting(HONEST_CAPS & ~(uint32_t)WIRE_CAP_SESSION_TRACK, "mysql_native_password");
    expect_refusal(1105, "too old");
}

static void no_tls_where_it_is_required_hears_nothing(void)
{
    struct backend_request r;
    up(true);
    script_greeting(HONEST_CAPS, "mysql_native_password");
    acquire(&r);
    expect_words("offers no TLS");
    CU_ASSERT_EQUAL(buf_len(&heard), 0);
    down();
}

static void bytes_before_tls_are_an_injection(void)
{
    struct backend_request r;
    up(true);
    script_greeting(HONEST_CAPS | WIRE_CAP_SSL, "mysql_native_password");
    script_ok(0, 2); /* "logged in", in clear, in front of the handshake */
    acquire(&r);
    CU_ASSERT_PTR_NULL(lent);
    CU_ASSERT_EQUAL(refused_code, 1105);
    CU_ASSERT_FALSE(was_heard(user));
    down();
}

/* A whole log-in in clear in front of the handshake, and the answer to whatever is asked first. */
static void a_log_in_before_tls_lends_nobody_a_connection(void)
{
    struct backend_request r;
    up(true);
    script_greeting(HONEST_CAPS | WIRE_CAP_SSL, "mysql_native_password");
    script_ok(0, 2);
    script_ok(0, 1);
    script_ok(0, 1);
    acquire(&r);
    CU_ASSERT_PTR_NULL(lent);
    CU_ASSERT_EQUAL(refused_code, 1105);
    expect_words("before the TLS handshake");
    CU_ASSERT_FALSE(was_heard(user));
    down();
}

static void plain_words_instead_of_tls(void)
{
    up(true);
    script_greeting(HONEST_CAPS | WIRE_CAP_SSL, "mysql_native_password");
    script_ok(1, 2);
    expect_refusal(1105, "");
}

static void the_clear_password_is_not_given_to_who_asks(void)
{
    static const char payload[] = "\xfemysql_clear_password\0aaaaaaaaaaaaaaaaaaaa";
    up(false);
    script_greeting(HONEST_CAPS, "caching_sha2_password");
    script_packet(1, 2, payload, sizeof payload);
    expect_refusal(1105, "mysql_clear_password");
}

static void the_old_password_is_not_given_to_who_asks(void)
{
    up(false);
    script_greeting(HONEST_CAPS, "caching_sha2_password");
    script_packet(1, 2, "\xfe", 1);
    expect_refusal(1105, "too old");
}

static void a_false_rsa_key(void)
{
    static const char key[] = "\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    up(false);
    script_greeting(HONEST_CAPS, "caching_sha2_password");
    script_packet(1, 2, "\x01\x04", 2);
    script_packet(2, 4, key, sizeof key - 1);
    expect_refusal(1105, "RSA key");
}

static void an_unknown_word_at_log_in(void)
{
    up(false);
    script_greeting(HONEST_CAPS, "caching_sha2_password");
    script_packet(1, 2, "\x01\x09", 2);
    expect_refusal(1105, "unknown word 9");
}

static void settings_that_are_refused(void)
{
    up(false);
    script_honest();
    buf_clear(&script[3]);
    script_err(3, 1, 1193, "Unknown system variable");
    expect_refusal(1105, "refuses our session settings: 1193");
}

/* Found by fuzzing: the client was told error 0. */
static void settings_answered_by_nonsense(void)
{
    up(false);
    script_honest();
    buf_clear(&script[3]);
    script_packet(3, 1, "\x00\x07", 2);
    expect_refusal(1105, "not a MySQL answer");
}

/* --- after it --- */

static char lost_words[256];
static void on_lost(void *arg, const char *why)
{
    (void)arg;
    snprintf(lost_words, sizeof lost_words, "%s", why);
    stop();
}
static void on_done(void *arg, const struct backend_outcome *outcome)
{
    *(struct backend_outcome *)arg = *outcome;
    stop();
}
static const struct backend_sink sink = {.done = on_done, .lost = on_lost};

/* Asks one question of a server whose answer is in script[4]. */
static void ask(struct backend_outcome *outcome)
{
    struct backend_request r;
    acquire(&r);
    CU_ASSERT_PTR_NOT_NULL(lent);
    answered = false;
    *lost_words = '\0';
    *outcome = (struct backend_outcome){.error = 0};
    if (lent)
        backend_send_query(lent, "SELECT 1", 8, &sink, outcome);
    CU_ASSERT_TRUE(run(5000));
}

static void expect_lost(const char *what)
{
    struct backend_outcome outcome;
    struct backend_pool_stats stats;
    ask(&outcome);
    CU_ASSERT_PTR_NOT_NULL(strstr(lost_words, what));
    if (!strstr(lost_words, what))
        printf("\n  '%s' is not in '%s'\n", what, lost_words);
    backend_pool_stats(pools, 0, &stats);
    CU_ASSERT_EQUAL(stats.lent + stats.idle, 0);
    down();
}

static void an_honest_answer(void)
{
    struct backend_outcome outcome;
    up(false);
    script_honest();
    script_err(4, 1, 1146, "no such table");
    ask(&outcome);
    CU_ASSERT_EQUAL(outcome.error, 1146);
    CU_ASSERT_STRING_EQUAL(outcome.message, "no such table");
    CU_ASSERT_TRUE(backend_conn_idle(lent));
    down();
}

static void last_words_are_not_an_answer(void)
{
    up(false);
    script_honest();
    script_err(4, 0, 4031, "disconnected by the server because of inactivity");
    expect_lost("server says 4031");
}

static void words_while_nobody_asked(void)
{
    struct backend_request r;
    struct backend_pool_stats stats;
    up(false);
    script_honest();
    acquire(&r);
    backend_release(pools, lent);
    script_ok(4, 1);
    say_step();
    run(50);
    backend_pool_stats(pools, 0, &stats);
    CU_ASSERT_EQUAL(stats.idle, 0);
    CU_ASSERT_EQUAL(stats.closed, 1);
    down();
}

/* Found by fuzzing: this was asked for connections again and again, as fast as it goes. */
static void words_right_after_log_in(void)
{
    struct backend_pool_stats stats;
    struct backend_request r;
    up(false);
    backend_row.queue_timeout_ms = 2000;
    script_honest();
    script_err(3, 0, 1053, "Server shutdown in progress");
    acquire(&r);
    CU_ASSERT_PTR_NULL(lent);
    CU_ASSERT_EQUAL(refused_code, 1105);
    expect_words("lost right after log-in: server says 1053");
    backend_pool_stats(pools, 0, &stats);
    CU_ASSERT(stats.opened >= 2 && stats.opened < 20);
    down();
}

static void an_answer_out_of_sequence(void)
{
    up(false);
    script_honest();
    script_ok(4, 2);
    expect_lost("out of sequence");
}

static void an_answer_about_a_packet_too_big_comes_early(void)
{
    struct backend_outcome outcome;
    up(false);
    script_honest();
    script_err(4, 5, 1153, "packet bigger than max_allowed_packet");
    ask(&outcome);
    CU_ASSERT_EQUAL(outcome.error, 1153);
    down();
}

static void a_request_for_a_file(void)
{
    up(false);
    script_honest();
    script_packet(4, 1, "\xfb/etc/passwd", 12);
    expect_lost("asks for a file");
}

static void an_ok_cut_short(void)
{
    up(false);
    script_honest();
    script_packet(4, 1, "\x00\xfc", 2);
    expect_lost("not a MySQL answer");
}

static void an_ok_of_2_mib(void)
{
    up(false);
    script_honest();
    buf_text(&script[4], "\x01\x01\x20\x01");
    buf_zeros(&script[4], 10);
    expect_lost("absurd");
}

static void trackers_cut_short(void)
{
    static const uint8_t payload[] = {0, 0, 0, 2, 0x40, 0, 0, 0, 4, 5, 9, 8, 'T'};
    up(false);
    script_honest();
    script_packet(4, 1, payload, sizeof payload);
    expect_lost("not a MySQL answer");
}

/* What the server changed besides is not known then: the connection has state that nobody can tell. */
static void more_variables_than_are_looked_at(void)
{
    const struct wire_ok ok = {.status = WIRE_STATUS_AUTOCOMMIT | WIRE_STATUS_SESSION_CHANGED};
    struct backend_outcome outcome;
    for (unsigned more = 0; more < 2; more++) {
        struct buf entries = {0};
        uint8_t seq = 1;
        for (unsigned i = 0; i < WIRE_TRACKED_MAX / 2 + more; i++)
            buf_append(&entries, "\0\4\1a\1b", 6);
        struct wire_ok said = ok;
        said.session = (struct slice){buf_at(&entries), buf_len(&entries)};
        up(false);
        script_honest();
        wire_ok_packet(&script[4], &seq, HONEST_CAPS, &said);
        ask(&outcome);
        CU_ASSERT_EQUAL(outcome.error, 0);
        CU_ASSERT_EQUAL(outcome.state_changed, more);
        buf_fini(&entries);
        down();
    }
}

static void silence_to_a_reset(void)
{
    struct backend_request r;
    up(false);
    backend_row.connect_timeout_ms = 200;
    script_honest();
    acquire(&r);
    lent->dirty = true;
    backend_release(pools, lent);
    acquire(&r); /* waits for the one that is being reset, and then for a new one */
    CU_ASSERT_PTR_NOT_NULL(lent);
    struct backend_pool_stats stats;
    backend_pool_stats(pools, 0, &stats);
    CU_ASSERT_EQUAL(stats.opened, 2);
    down();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"no greeting at all", no_greeting_at_all},
        {"a greeting of another protocol", a_greeting_of_another_protocol},
        {"a greeting cut short", a_greeting_cut_short},
        {"a full server says so instead of a greeting", a_full_server_says_so_instead_of_a_greeting},
        {"a server without trackers", a_server_without_trackers},
        {"no TLS where it is required: nothing is said", no_tls_where_it_is_required_hears_nothing},
        {"bytes before TLS are an injection", bytes_before_tls_are_an_injection},
        {"a log-in before TLS lends nobody a connection", a_log_in_before_tls_lends_nobody_a_connection},
        {"plain words instead of TLS", plain_words_instead_of_tls},
        {"the clear password is not given to who asks", the_clear_password_is_not_given_to_who_asks},
        {"the old password is not given to who asks", the_old_password_is_not_given_to_who_asks},
        {"a false RSA key", a_false_rsa_key},
        {"an unknown word at log-in", an_unknown_word_at_log_in},
        {"settings that are refused", settings_that_are_refused},
        {"settings answered by nonsense", settings_answered_by_nonsense},
        {"an honest answer", an_honest_answer},
        {"last words are not an answer", last_words_are_not_an_answer},
        {"words while nobody asked", words_while_nobody_asked},
        {"words right after log-in", words_right_after_log_in},
        {"an answer out of sequence", an_answer_out_of_sequence},
        {"an answer about a packet too big comes early", an_answer_about_a_packet_too_big_comes_early},
        {"a request for a file", a_request_for_a_file},
        {"an OK cut short", an_ok_cut_short},
        {"an OK of 2 MiB", an_ok_of_2_mib},
        {"trackers cut short", trackers_cut_short},
        {"more variables than are looked at", more_variables_than_are_looked_at},
        {"silence to a reset", silence_to_a_reset},
        {NULL, NULL},
    };
    return unit_main("backend, hostile servers", tests);
}
