/* What runners do with actions on a real server (FAMILY): once, as the user, in order, whatever is lost; and with errors. */
#include "base/clock.h"
#include "proxy/journal/actions.h"
#include "tests/unit/resolver_side.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct slice text(const char *s) { return (struct slice){(const uint8_t *)s, strlen(s)}; }

/* One of user "app" on "one", armed; its options may be set before. */
static struct action next(const char *owner, uint32_t seq, enum action_on on, const char *body)
{
    struct action a;
    action_init(&a, on, ACTION_SQL);
    snprintf(a.owner, sizeof a.owner, "%s", owner);
    snprintf(a.resource, sizeof a.resource, "one");
    snprintf(a.user, sizeof a.user, "shop");
    snprintf(a.schema, sizeof a.schema, "test");
    a.seq = seq;
    a.body = text(body);
    return a;
}

static uint64_t arm(struct action a)
{
    wal_pos at;
    CU_ASSERT(journal_action_arm(side_journal, &a, &at));
    return a.id;
}

static enum action_state state_of(uint64_t id)
{
    struct action *a = journal_action_find(side_journal, id);
    enum action_state state = a ? a->state : ACTION_DONE;
    action_free(a);
    return state;
}

#define BECOMES(id, wanted) SIDE_WAIT(state_of(id) == (wanted))

static long count(const char *where)
{
    return side_number("SELECT COUNT(*) FROM test.done WHERE what %s", where);
}

static void begin_life(void)
{
    side_new_log();
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(backends_barrier(&side_backends, &side_config.accounts[0]) > 0));
}

static void run_sql(const char *sql)
{
    struct server *s = side_root();
    side_sql(s, "%s", sql);
    server_close(s);
}

static void test_runs_as_the_user_with_arguments(void)
{
    struct action_value args[] = {{.kind = ACTION_BYTES, .bytes = text("caf\xc3\xa9")},
                                  {.kind = ACTION_INT, .i = -7},
                                  {.kind = ACTION_NULL},
                                  {.kind = ACTION_DOUBLE, .d = 2.5},
                                  {.kind = ACTION_UINT, .u = UINT64_MAX}};
    struct action a = next("args", 1, ACTION_ON_COMMIT,
                           "INSERT INTO done SET what = ?, i = ?, n = ?, d = ?, u = ?, who = USER()");
    begin_life();
    a.args = args;
    a.n_args = 5;
    uint64_t id = arm(a);
    journal_outcome(side_journal, "args", true);
    CU_ASSERT(BECOMES(id, ACTION_DONE));
    CU_ASSERT_EQUAL(count("= 'caf\xc3\xa9' AND i = -7 AND n IS NULL AND d = 2.5 AND u = 18446744073709551615 "
                          "AND who LIKE 'app@%'"), 1);
    side_end();
}

/* What the log forgot is run again, and does nothing. */
static void test_runs_once(void)
{
    struct action a = next("once", 1, ACTION_ON_COMMIT, "INSERT INTO done SET what = 'once'");
    struct action back = next("twice", 1, ACTION_ON_ROLLBACK, "INSERT INTO done SET what = 'back'");
    for (int life = 0; life < 3; life++) {
        begin_life();
        uint64_t id = arm(a), other = arm(back);
        journal_outcome(side_journal, "once", true);
        journal_outcome(side_journal, "twice", false);
        CU_ASSERT(BECOMES(id, ACTION_DONE) && BECOMES(other, ACTION_DONE));
        side_end();
    }
    CU_ASSERT_EQUAL(count("= 'once'"), 1);
    CU_ASSERT_EQUAL(count("= 'back'"), 1);
}

static void test_error_is_dead_until_a_person_acts(void)
{
    begin_life();
    uint64_t id = arm(next("dead", 1, ACTION_ON_COMMIT, "INSERT INTO nowhere VALUES (1)"));
    uint64_t behind = arm(next("dead", 2, ACTION_ON_COMMIT, "INSERT INTO done SET what = 'behind'"));
    journal_outcome(side_journal, "dead", true);
    CU_ASSERT(BECOMES(id, ACTION_DEAD));
    struct action *a = journal_action_find(side_journal, id);
    CU_ASSERT(a && a->attempts == 3 && !strncmp(a->error, "1146 ", 5));
    action_free(a);
    CU_ASSERT_EQUAL(state_of(behind), ACTION_DUE);
    CU_ASSERT_EQUAL(journal_action_edit(side_journal, id, text("INSERT INTO done SET what = 'edited'"), NULL), ACTION_ASKED_OK);
    CU_ASSERT_EQUAL(journal_action_retry(side_journal, id, NULL), ACTION_ASKED_OK);
    CU_ASSERT(BECOMES(id, ACTION_DONE) && BECOMES(behind, ACTION_DONE));
    CU_ASSERT_EQUAL(count("IN ('edited', 'behind')"), 2);
    side_end();
}

static void test_waits_for_a_row_lock(void)
{
    begin_life();
    struct server *holder = side_app();
    run_sql("INSERT INTO test.done SET what = 'held', i = 0");
    side_sql(holder, "BEGIN");
    side_sql(holder, "SELECT * FROM test.done WHERE what = 'held' FOR UPDATE");
    uint64_t id = arm(next("lock", 1, ACTION_ON_COMMIT, "UPDATE done SET i = i + 1 WHERE what = 'held'"));
    journal_outcome(side_journal, "lock", true);
    CU_ASSERT(BECOMES(id, ACTION_WAIT)); /* lock_wait is a second here */
    side_sql(holder, "COMMIT");
    server_close(holder);
    CU_ASSERT(BECOMES(id, ACTION_DONE));
    CU_ASSERT_EQUAL(count("= 'held' AND i = 1"), 1);
    side_end();
}

/* The attempt's time is over; what it left behind is ended, and the next one does it. */
static void test_slow_attempt_is_ended(void)
{
    struct action a = next("slow", 1, ACTION_ON_COMMIT,
                           "INSERT INTO done SELECT 'slow', SLEEP(IF(i, 30, 0)), NULL, NULL, NULL, NULL FROM done "
                           "WHERE what = 'sleepy'");
    begin_life();
    run_sql("INSERT INTO test.done SET what = 'sleepy', i = 1");
    a.timeout_ms = 1000;
    uint64_t id = arm(a);
    journal_outcome(side_journal, "slow", true);
    CU_ASSERT(BECOMES(id, ACTION_WAIT));
    run_sql("UPDATE test.done SET i = 0 WHERE what = 'sleepy'");
    CU_ASSERT(BECOMES(id, ACTION_DONE));
    CU_ASSERT_EQUAL(count("= 'slow'"), 1);
    side_end();
}

static void test_drains_after_an_outage_in_order(void)
{
    char owner[16], body[160];
    uint64_t last = 0;
    begin_life();
    run_sql("TRUNCATE TABLE test.done");
    CU_ASSERT_EQUAL(side_server("crash"), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(owner, sizeof owner, "o%d", i);
        for (uint32_t seq = 1; seq <= 3; seq++) {
            snprintf(body, sizeof body,
                     "INSERT INTO done SET what = '%s', i = %u, d = (SELECT COUNT(*) FROM done x WHERE what = '%s')",
                     owner, seq, owner);
            last = arm(next(owner, seq, ACTION_ON_COMMIT, body));
        }
        journal_outcome(side_journal, owner, true);
    }
    CU_ASSERT_EQUAL(side_server("start"), 0);
    CU_ASSERT(SIDE_WAIT(count("LIKE 'o%%'") == 300));
    CU_ASSERT(BECOMES(last, ACTION_DONE));
    CU_ASSERT_EQUAL(count("LIKE 'o%%' AND d = i - 1"), 300); /* each saw those before it */
    side_end();
}

/* The table is there, the account has no right to it: said at once for who asks, and by an error with its remedy in the log. */
static void test_without_rights_no_barrier(void)
{
    run_sql("REVOKE INSERT, SELECT ON xaproxy.barrier FROM 'app'@'%'");
    side_new_log();
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(backends_barrier(&side_backends, &side_config.accounts[0]) < 0));
    uint64_t refused = arm(next("norights", 1, ACTION_ON_COMMIT, "INSERT INTO done SET what = 'norights'"));
    struct action a = next("idem", 1, ACTION_ON_COMMIT, "INSERT INTO done SET what = 'idem'");
    a.idempotent = true;
    uint64_t idempotent = arm(a);
    journal_outcome(side_journal, "norights", true);
    journal_outcome(side_journal, "idem", true);
    CU_ASSERT(BECOMES(idempotent, ACTION_DONE));
    CU_ASSERT(BECOMES(refused, ACTION_WAIT)); /* not its own fault: it stays until the right is there */
    CU_ASSERT_EQUAL(count("= 'norights'"), 0);
    run_sql("GRANT INSERT, SELECT ON xaproxy.barrier TO 'app'@'%'");
    /* while it runs by itself nobody else can ask for it */
    CU_ASSERT(SIDE_WAIT(journal_action_retry(side_journal, refused, NULL) == ACTION_ASKED_OK || state_of(refused) == ACTION_DONE));
    CU_ASSERT(BECOMES(refused, ACTION_DONE));
    CU_ASSERT(backends_barrier(&side_backends, &side_config.accounts[0]) > 0);
    side_end();
}

/* Who is refused for want of the right brings a new look about, and no other does so soon. */
static void test_a_right_that_was_given_counts_when_it_is_needed(void)
{
    const struct config_account *account = &side_config.accounts[0];
    run_sql("REVOKE INSERT, SELECT ON xaproxy.barrier FROM 'app'@'%'");
    side_new_log();
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(backends_barrier(&side_backends, account) == -1));
    run_sql("GRANT INSERT, SELECT ON xaproxy.barrier TO 'app'@'%'");
    backends_doubt_barrier(&side_backends, account);
    CU_ASSERT(SIDE_WAIT(backends_barrier(&side_backends, account) == 1));
    backends_doubt_barrier(&side_backends, account);
    CU_ASSERT_EQUAL(backends_barrier(&side_backends, account), 1); /* where nobody was refused there is nothing to ask */
    side_end();
}

/* A step that is local to a server asks for it without a runner. Rights to it outlive it. */
static void test_the_barrier_is_there_when_the_server_is_judged(void)
{
    int runners = side_config.action_connections;
    run_sql("DROP TABLE xaproxy.barrier");
    side_config.action_connections = 0;
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety != BACKEND_UNKNOWN));
    CU_ASSERT_EQUAL(side_number("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'barrier'"), 1);
    side_end();
    side_config.action_connections = runners;
}

/* Ours, when nothing that waits is as old; nobody else's. */
static void test_old_rows_of_the_barrier_go(void)
{
    struct server *s = side_root();
    side_new_log();
    side_open();
    for (int i = 0; i < 500; i += 100)
        side_sql(s, "INSERT INTO xaproxy.barrier SELECT 'xap1:unit:%s:1:%d', seq + %d, 'fin', NOW() - INTERVAL 3 DAY FROM "
                    "(SELECT 1 AS seq UNION SELECT 2 UNION SELECT 3) x", journal_log_id(side_journal), i, i);
    side_sql(s, "INSERT INTO xaproxy.barrier VALUES ('xap1:unit:%s:1:new', 1, 'fin', NOW() - INTERVAL 1 DAY)",
             journal_log_id(side_journal));
    side_sql(s, "INSERT INTO xaproxy.barrier VALUES ('xap1:other:01234567:1:old', 1, 'undo', NOW() - INTERVAL 3 DAY)");
    server_close(s);
    side_run();
    CU_ASSERT(SIDE_WAIT(!side_number("SELECT COUNT(*) FROM xaproxy.barrier WHERE at < NOW() - INTERVAL 2 DAY AND gtrid LIKE "
                                     "'xap1:unit:%s%%'", journal_log_id(side_journal))));
    CU_ASSERT_EQUAL(side_number("SELECT COUNT(*) FROM xaproxy.barrier WHERE gtrid LIKE '%%:old' OR gtrid LIKE '%%:new'"), 2);
    side_end();
}

static void test_ends_in_time_beside_a_slow_action(void)
{
    begin_life();
    uint64_t id = arm(next("end", 1, ACTION_ON_COMMIT, "DO SLEEP(300)"));
    journal_outcome(side_journal, "end", true);
    CU_ASSERT(BECOMES(id, ACTION_RUNNING));
    clock_sleep_ms(100);
    int64_t began = clock_mono_ms();
    side_end();
    CU_ASSERT(clock_mono_ms() - began < SIDE_PATIENCE_MS);
}

/* Made before the runners look, so that rights can be given. */
static void prepare(void)
{
    struct server *s = side_root();
    side_sql(s, "CREATE TABLE test.done (what VARCHAR(40), i BIGINT, n INT, d DOUBLE, u BIGINT UNSIGNED, who VARCHAR(80), "
                "KEY (what)) CHARACTER SET utf8mb4 ENGINE=InnoDB");
    side_sql(s, "CREATE DATABASE IF NOT EXISTS xaproxy");
    side_sql(s, "CREATE TABLE xaproxy.barrier (gtrid VARBINARY(64) NOT NULL, seq INT UNSIGNED NOT NULL, "
                "op ENUM('undo','fin') NOT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), "
                "PRIMARY KEY (gtrid, seq, op), KEY (at)) ENGINE=InnoDB");
    side_sql(s, "CREATE USER 'app'@'%%'");
    side_sql(s, "GRANT ALL ON test.* TO 'app'@'%%'");
    side_sql(s, "GRANT INSERT, SELECT ON xaproxy.barrier TO 'app'@'%%'");
    server_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an action runs as its user's account, with its arguments", test_runs_as_the_user_with_arguments},
        {"what was done is not done again, whatever the log has lost", test_runs_once},
        {"an error is dead after three tries, and holds up those behind it until a person acts",
         test_error_is_dead_until_a_person_acts},
        {"an action waits for a row lock", test_waits_for_a_row_lock},
        {"an attempt that takes too long is ended, and tried again", test_slow_attempt_is_ended},
        {"what gathered while the server was away is done, in order", test_drains_after_an_outage_in_order},
        {"without rights to the barrier only idempotent actions are done", test_without_rights_no_barrier},
        {"a right that was given counts when it is needed", test_a_right_that_was_given_counts_when_it_is_needed},
        {"the barrier is there when the server is judged", test_the_barrier_is_there_when_the_server_is_judged},
        {"old rows of the barrier go, ours only", test_old_rows_of_the_barrier_go},
        {"runners end in time beside a slow action", test_ends_in_time_beside_a_slow_action},
        {0},
    };
    int status = side_start(FAMILY);
    if (status)
        return status;
    side_config.action_connections = 3;
    prepare();
    status = unit_main("runners on " FAMILY, tests);
    side_stop();
    return status;
}
