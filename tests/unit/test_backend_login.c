/* Ways in: by socket, plain and TLS, by each plugin; and ways to be refused, each with words for people. */
#include "tests/unit/backend_side.h"

#include <string.h>

static void expect_refusal(unsigned account, const char *words)
{
    struct side_request q;
    side_up();
    side_ask(&q, account, 0, 0);
    side_run(&q.answered);
    CU_ASSERT_PTR_NULL(q.c);
    CU_ASSERT_EQUAL(q.code, 1105);
    CU_ASSERT_STRING_EQUAL(q.sqlstate, "HY000");
    CU_ASSERT_PTR_NOT_NULL(strstr(q.text, words));
    if (!strstr(q.text, words))
        printf("\n  '%s' is not in '%s'\n", words, q.text);
    side_down();
}

static void logs_in_by_socket_plain_and_tls(void)
{
    static const unsigned ways[] = {SIDE_PLAIN, SIDE_LOCAL, SIDE_TLS};
    side_up();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct backend_conn *c = side_get(ways[i]);
        if (!c)
            continue;
        side_expect(c, "SELECT USER() LIKE 'app@%'", "1");
        CU_ASSERT_EQUAL(c->net->tls, ways[i] == SIDE_TLS);
        CU_ASSERT_EQUAL(c->mariadb, side_is_mariadb());
        CU_ASSERT(c->connection_id > 0);
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT CONNECTION_ID() = %llu", (unsigned long long)c->connection_id);
        side_expect(c, sql, "1");
        snprintf(sql, sizeof sql, "SELECT VERSION() LIKE '%.40s%%'", c->version);
        side_expect(c, sql, "1");
        backend_release(side_pools, c);
    }
    side_down();
}

static void the_account_without_password_logs_in(void)
{
    side_up();
    struct backend_conn *c = side_get(SIDE_EMPTY);
    if (c)
        side_expect(c, "SELECT USER() LIKE 'bare@%'", "1");
    side_down();
}

/* The first log-in after the server forgot its cache needs the password itself: under the server's RSA key where there
 * is no TLS, inside TLS where there is. The second is fast. */
static void sha2_in_full_and_fast(void)
{
    static const unsigned ways[] = {SIDE_PLAIN, SIDE_TLS, SIDE_LOCAL};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        side_up();
        struct backend_conn *root = side_get(SIDE_ROOT);
        side_do(root, "FLUSH PRIVILEGES");
        struct side_request full, fast;
        side_ask(&full, ways[i], 0, 0);
        side_run(&full.answered);
        side_ask(&fast, ways[i], 0, 0);
        side_run(&fast.answered);
        CU_ASSERT_PTR_NOT_NULL(full.c);
        CU_ASSERT_PTR_NOT_NULL(fast.c);
        /* Full takes an answer more than fast: of the password, or of the wish for the key and the password. */
        if (full.c && fast.c && ways[i] == SIDE_PLAIN)
            CU_ASSERT(full.c->net->writes > fast.c->net->writes);
        if (full.c)
            side_expect(full.c, "SELECT USER() LIKE 'app@%'", "1");
        side_down();
    }
}

static void ed25519_logs_in(void)
{
    side_up();
    struct backend_conn *c = side_is_mariadb() ? side_get(SIDE_CURVE) : NULL;
    if (c)
        side_expect(c, "SELECT USER() LIKE 'curve@%'", "1");
    side_down();
}

static void a_wrong_password_is_told(void)
{
    expect_refusal(SIDE_WRONG_PASSWORD, "1045");
}

static void a_method_that_is_not_spoken_is_named(void)
{
    if (side_is_mariadb())
        expect_refusal(SIDE_OTHER_PLUGIN, "dialog");
}

/* Without TLS: under the server's RSA key. */
static void sha256_password_logs_in(void)
{
    side_up();
    struct backend_conn *c = side_is_mariadb() ? NULL : side_get(SIDE_OTHER_PLUGIN);
    if (c)
        side_expect(c, "SELECT USER() LIKE 'other@%'", "1");
    side_down();
}

static void a_certificate_for_another_name_is_refused(void)
{
    expect_refusal(SIDE_WRONG_NAME, "mismatch");
}

static void a_certificate_of_another_authority_is_refused(void)
{
    expect_refusal(SIDE_WRONG_CA, "certificate");
}

static void a_dead_port_is_told_and_not_asked_again_at_once(void)
{
    expect_refusal(SIDE_NOWHERE, "refused");
    struct side_request first, second, third;
    struct backend_pool_stats stats;
    side_up();
    side_ask(&first, SIDE_NOWHERE, 0, 0);
    side_run(&first.answered);
    side_ask(&second, SIDE_NOWHERE, 0, 0);
    CU_ASSERT_TRUE(second.answered); /* from inside, with the words of the first */
    CU_ASSERT_STRING_EQUAL(second.text, first.text);
    backend_pool_stats(side_pools, SIDE_NOWHERE, &stats);
    CU_ASSERT_EQUAL(stats.failed, 1);
    side_sleep(120);
    side_ask(&third, SIDE_NOWHERE, 0, 0);
    side_run(&third.answered);
    backend_pool_stats(side_pools, SIDE_NOWHERE, &stats);
    CU_ASSERT_EQUAL(stats.failed, 2);
    CU_ASSERT_EQUAL(stats.opened, 0);
    side_down();
}

const struct unit_test backend_login_tests[] = {
    {"logs in by socket, plain and TLS", logs_in_by_socket_plain_and_tls},
    {"the account without password logs in", the_account_without_password_logs_in},
    {"ed25519 logs in", ed25519_logs_in},
    {"sha256_password logs in", sha256_password_logs_in},
    {"a wrong password is told", a_wrong_password_is_told},
    {"a method that is not spoken is named", a_method_that_is_not_spoken_is_named},
    {"a certificate for another name is refused", a_certificate_for_another_name_is_refused},
    {"a certificate of another authority is refused", a_certificate_of_another_authority_is_refused},
    {"a dead port is told and not asked again at once", a_dead_port_is_told_and_not_asked_again_at_once},
    {NULL, NULL},
};

const struct unit_test backend_sha2_tests[] = {
    {"caching_sha2_password in full and fast", sha2_in_full_and_fast},
    {NULL, NULL},
};
