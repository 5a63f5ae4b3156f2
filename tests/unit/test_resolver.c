/* What the resolver does on a real server (FAMILY) with what a dead or a living process left there. */
#include "base/clock.h"
#include "tests/unit/resolver_side.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool safe(void)
{
    return SIDE_WAIT(side_backends.at[0].safety == BACKEND_SAFE);
}

static int next_id = 1;

/* --- what is listed ------------------------------------------------------------------------------------------------------ */

static void test_settles_by_the_log(void)
{
    struct xa_gtrid decided, undecided;
    int a = next_id++, b = next_id++;
    side_new_log();
    side_open();
    side_name(&decided);
    side_name(&undecided);
    server_close(side_prepare(decided.text, "1:one", 1, a));
    server_close(side_prepare(undecided.text, "1:one", 1, b));
    side_decide(&decided, "1:one", false, clock_wall_ms());
    side_end();

    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(!side_listed(decided.text) && !side_listed(undecided.text)));
    CU_ASSERT(SIDE_WAIT(side_row(a) == 1));
    CU_ASSERT_EQUAL(side_row(b), 0);
    CU_ASSERT(SIDE_WAIT(!xa_registry_find(journal_registry(side_journal), decided.text, NULL, NULL)));
    CU_ASSERT(SIDE_WAIT(side_counters().committed == 1));
    CU_ASSERT(SIDE_WAIT(side_counters().rolled_back == 1));
    CU_ASSERT(SIDE_WAIT(side_counters().in_doubt == 0));
    side_end();
}

static void test_leaves_others_alone(void)
{
    static const char other_node[] = "xap1:other:01234567:1:1-0123456789abcdef",
                      other_log[] = "xap1:unit:01234567:1:1-0123456789abcdef";
    int a = next_id++, b = next_id++, c = next_id++;
    server_close(side_prepare(other_node, "1:one", 1, a));
    server_close(side_prepare(other_log, "1:one", 1, b));
    server_close(side_prepare("somebody", "else", 1, c));
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_counters().foreign == 2));
    CU_ASSERT(SIDE_WAIT(side_seen(other_log).found));
    clock_sleep_ms(500); /* some sweeps more */
    CU_ASSERT(side_listed(other_node) && side_listed(other_log) && side_listed("somebody"));
    CU_ASSERT_STRING_EQUAL(side_seen(other_log).fate, "OTHER_LOG");
    CU_ASSERT_STRING_EQUAL(side_seen("somebody").fate, "FOREIGN");

    /* until people say what is to become of them */
    struct xa_person_verdict v = {.commit = true, .at_ms = clock_wall_ms(), .who = "dba", .why = "test"};
    snprintf(v.gtrid.text, sizeof v.gtrid.text, "%s", other_log);
    journal_person_verdict(side_journal, &v);
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(!side_listed(other_log)));
    CU_ASSERT_EQUAL(side_row(b), 1);
    CU_ASSERT(SIDE_WAIT(!journal_person_said(side_journal, other_log, &v)));
    side_end();
    struct server *s = side_root();
    side_sql(s, "XA ROLLBACK '%s','1:one',1", other_node);
    side_sql(s, "XA ROLLBACK 'somebody','else',1");
    server_close(s);
}

static void test_adopted_log_is_settled(void)
{
    static const char other_log[] = "xap1:unit:89abcdef:1:1-0123456789abcdef";
    int a = next_id++;
    server_close(side_prepare(other_log, "1:one", 1, a));
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_seen(other_log).found));
    journal_adopt(side_journal, "89abcdef", "dba");
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(!side_listed(other_log)));
    CU_ASSERT_EQUAL(side_row(a), 0);
    side_end();
}

static void test_waits_for_living_transactions(void)
{
    struct xa_gtrid gtrid;
    int a = next_id++;
    side_open();
    side_name(&gtrid);
    side_live(gtrid.text);
    server_close(side_prepare(gtrid.text, "1:one", 1, a));
    side_run();
    CU_ASSERT(safe());
    clock_sleep_ms(600);
    CU_ASSERT(side_listed(gtrid.text));
    CU_ASSERT(!side_seen(gtrid.text).found); /* nothing out of the ordinary */

    side_live("?"); /* nobody answers: nothing may be concluded */
    CU_ASSERT(SIDE_WAIT(side_counters().failures > 0));
    CU_ASSERT(side_listed(gtrid.text));

    side_live(NULL);
    CU_ASSERT(SIDE_WAIT(!side_listed(gtrid.text)));
    CU_ASSERT_EQUAL(side_row(a), 0);
    side_end();
}

static void test_session_keeps_what_it_owns(void)
{
    struct xa_gtrid gtrid;
    int a = next_id++;
    side_open();
    side_name(&gtrid);
    server_close(side_prepare(gtrid.text, "1:one", 1, a));
    side_decide(&gtrid, "1:one", false, clock_wall_ms());
    side_run();
    CU_ASSERT(safe());
    clock_sleep_ms(500);
    CU_ASSERT(side_listed(gtrid.text));
    xa_registry_hand_over(journal_registry(side_journal), gtrid.text);
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(!side_listed(gtrid.text)));
    CU_ASSERT(SIDE_WAIT(side_row(a) == 1));
    side_end();
}

/* --- connections ---------------------------------------------------------------------------------------------------------- */

static void remember_connection(struct server *s)
{
    struct xa_connection c = {.backend = "one", .account = "app", .connection_id = server_connection_id(s),
                              .opened_ms = server_opened_ms(s)};
    wal_wait(journal_wal(side_journal), journal_connection_opened(side_journal, &c));
}

static void test_old_connection_is_ended(void)
{
    struct xa_gtrid gtrid;
    struct xa_connection left;
    int a = next_id++;
    side_open();
    side_name(&gtrid);
    struct server *holds = side_prepare(gtrid.text, "1:one", 1, a);
    remember_connection(holds);
    side_decide(&gtrid, "1:one", false, clock_wall_ms());
    side_end();

    side_open();
    CU_ASSERT_EQUAL(journal_old_connections(side_journal, "one", &left, 1), 1);
    side_run();
    CU_ASSERT(SIDE_WAIT(!side_listed(gtrid.text)));
    CU_ASSERT(SIDE_WAIT(side_row(a) == 1));
    CU_ASSERT(SIDE_WAIT(side_counters().kills == 1));
    CU_ASSERT_EQUAL(journal_old_connections(side_journal, "one", &left, 1), 0);
    CU_ASSERT_NOT_EQUAL(server_ask(holds, "SELECT 1", NULL, NULL), 0);
    server_close(holds);
    side_end();
}

static void test_given_up_connection_is_ended(void)
{
    struct xa_gtrid gtrid;
    int a = next_id++;
    side_open();
    side_name(&gtrid);
    side_run();
    CU_ASSERT(safe());
    struct server *holds = side_prepare(gtrid.text, "1:one", 1, a);
    side_decide(&gtrid, "1:one", false, clock_wall_ms());
    resolver_kill_connection(side_resolver, 0, server_connection_id(holds), server_opened_ms(holds));
    xa_registry_hand_over(journal_registry(side_journal), gtrid.text);
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(!side_listed(gtrid.text)));
    CU_ASSERT(SIDE_WAIT(side_row(a) == 1));
    server_close(holds);
    side_end();
}

static void test_strangers_connection_is_spared(void)
{
    struct server *s = side_root(), *later = side_app();
    side_open();
    struct xa_connection c = {.backend = "one", .account = "nobody", .connection_id = server_connection_id(s),
                              .opened_ms = server_opened_ms(s)};
    wal_wait(journal_wal(side_journal), journal_connection_opened(side_journal, &c));
    /* our account too, but the server has begun anew since: its ids begin anew as well */
    c = (struct xa_connection){
        .backend = "one", .account = "app", .connection_id = server_connection_id(later), .opened_ms = 1000};
    wal_wait(journal_wal(side_journal), journal_connection_opened(side_journal, &c));
    side_end();

    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(journal_old_connections(side_journal, "one", &c, 1) == 0));
    CU_ASSERT_EQUAL(side_counters().kills, 0);
    CU_ASSERT_EQUAL(server_ask(s, "SELECT 1", NULL, NULL), 0);
    CU_ASSERT_EQUAL(server_ask(later, "SELECT 1", NULL, NULL), 0);
    server_close(s);
    server_close(later);
    side_end();
}

/* Given up before the server began anew; its number belongs to another of ours now, which may come to hold a branch. */
static void test_next_connection_with_the_number_stays_on_record(void)
{
    struct xa_connection left;
    struct server *s = side_app();
    side_open();
    remember_connection(s);
    side_run();
    CU_ASSERT(safe());
    resolver_kill_connection(side_resolver, 0, server_connection_id(s), 1000);
    uint64_t before = side_counters().sweeps;
    CU_ASSERT(SIDE_WAIT(side_counters().sweeps >= before + 2));
    CU_ASSERT_EQUAL(side_counters().kills, 0);
    CU_ASSERT_EQUAL(server_ask(s, "SELECT 1", NULL, NULL), 0);
    side_end();

    side_open();
    CU_ASSERT_EQUAL(journal_old_connections(side_journal, "one", &left, 1), 1);
    side_run();
    CU_ASSERT(SIDE_WAIT(side_counters().kills == 1));
    CU_ASSERT(SIDE_WAIT(journal_old_connections(side_journal, "one", &left, 1) == 0));
    server_close(s);
    side_end();
}

/* The sweeps' own: runners log in as the same user for moments. */
static long lock_holder(void)
{
    return side_number("SELECT COALESCE(IS_USED_LOCK('xaproxy:%s'), 0)", journal_log_id(side_journal));
}

/* A server that begins anew within a second or two gives the numbers of before to others, the resolver among them. */
static void test_resolver_spares_itself(void)
{
    side_open();
    side_run();
    CU_ASSERT(safe());
    long id = lock_holder();
    CU_ASSERT_FATAL(id > 0);
    resolver_kill_connection(side_resolver, 0, (uint64_t)id, clock_wall_ms());
    uint64_t before = side_counters().sweeps;
    CU_ASSERT(SIDE_WAIT(side_counters().sweeps >= before + 2));
    CU_ASSERT_EQUAL(side_counters().kills, 0);
    CU_ASSERT_EQUAL(lock_holder(), id);
    side_end();
}

/* --- what is not listed --------------------------------------------------------------------------------------------------- */

/* A decided branch that the server does not have; the decision is that old. */
static void absent_branch(struct xa_gtrid *gtrid, int64_t decided_ms)
{
    side_open();
    side_name(gtrid);
    side_decide(gtrid, "1:one", false, decided_ms);
    side_end();
    side_open();
    side_run();
}

static bool forgotten(const struct xa_gtrid *gtrid)
{
    return SIDE_WAIT(!xa_registry_find(journal_registry(side_journal), gtrid->text, NULL, NULL));
}

static void test_absent_without_restart_is_settled(void)
{
    struct xa_gtrid gtrid;
    absent_branch(&gtrid, clock_wall_ms() + 10000);
    CU_ASSERT(forgotten(&gtrid));
    CU_ASSERT_EQUAL(side_counters().presumed, 0);
    CU_ASSERT(SIDE_WAIT(side_counters().committed == 1));
    side_end();
}

static void test_absent_after_restart_is_presumed(void)
{
    struct xa_gtrid gtrid;
    absent_branch(&gtrid, 1000);
    CU_ASSERT(forgotten(&gtrid));
    CU_ASSERT(SIDE_WAIT(side_counters().presumed == 1));
    side_end();
}

static void test_absent_on_unclean_server_is_shown(void)
{
    struct xa_gtrid gtrid;
    struct server *s = side_root();
    side_sql(s, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    side_rows[0].allow_unsafe = true;
    absent_branch(&gtrid, 1000);
    CU_ASSERT(SIDE_WAIT(side_counters().heuristic == 1));
    clock_sleep_ms(500); /* told once, shown on */
    CU_ASSERT(SIDE_WAIT(side_counters().heuristic == 1));
    struct side_seen seen = side_seen(gtrid.text);
    CU_ASSERT_STRING_EQUAL(seen.fate, "HEURISTIC");
    CU_ASSERT_STRING_EQUAL(seen.decision, "commit");
    CU_ASSERT_STRING_EQUAL(seen.who, "app@10.0.0.1");

    struct xa_person_verdict v = {.gtrid = gtrid, .commit = true, .at_ms = clock_wall_ms(), .who = "dba", .why = "mended"};
    journal_person_verdict(side_journal, &v);
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(forgotten(&gtrid));
    CU_ASSERT(SIDE_WAIT(!side_seen(gtrid.text).found));
    CU_ASSERT(SIDE_WAIT(!journal_person_said(side_journal, gtrid.text, &v)));
    side_end();
    side_rows[0].allow_unsafe = false;
    side_sql(s, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    server_close(s);
}

static void test_unreachable_connection_forbids_conclusions(void)
{
    struct xa_gtrid gtrid;
    struct server *s = side_root(), *worker = side_app();
    side_sql(s, "CREATE USER 'weak'@'%%' IDENTIFIED BY 'weak-secret'");
    side_sql(s,
             side_is_mariadb() ? "GRANT PROCESS ON *.* TO 'weak'@'%%'" : "GRANT PROCESS, XA_RECOVER_ADMIN ON *.* TO 'weak'@'%%'");
    side_sql(s, "GRANT ALL ON xaproxy.* TO 'weak'@'%%'");
    struct config_backend strong = side_rows[0];
    static char user[] = "weak", password[] = "weak-secret";
    side_rows[0].resolver_user = user; /* sees the connection, may not end it */
    side_rows[0].resolver_password = password;
    side_open();
    side_name(&gtrid);
    remember_connection(worker);
    side_decide(&gtrid, "1:one", false, clock_wall_ms() + 10000);
    side_end();
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(strstr(side_seen(gtrid.text).why, "old connection") != NULL));
    CU_ASSERT_EQUAL(side_backends.at[0].safety, BACKEND_SINGLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(side_verdict(0), "may not end connections"));
    CU_ASSERT(xa_registry_find(journal_registry(side_journal), gtrid.text, NULL, NULL));
    server_close(worker); /* ends by itself */
    CU_ASSERT(forgotten(&gtrid));
    side_end();
    side_rows[0] = strong;
    side_sql(s, "DROP USER 'weak'@'%%'");
    server_close(s);
}

/* --- verdicts ------------------------------------------------------------------------------------------------------------- */

static void test_another_server_is_refused_until_accepted(void)
{
    struct xa_identity identity = {.backend = "one", .server = "another-server"};
    struct xa_connection left;
    struct server *s = side_app();
    side_open();
    remember_connection(s); /* to the other server, with a number that is somebody else's on this one */
    side_end();
    side_open();
    journal_identity_set(side_journal, &identity);
    side_run();
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety == BACKEND_REFUSED));
    CU_ASSERT_PTR_NOT_NULL(strstr(side_verdict(0), "xactl accept-failover one"));
    resolver_accept_failover(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety == BACKEND_SAFE));
    CU_ASSERT(journal_identity(side_journal, "one", &identity));
    CU_ASSERT_STRING_NOT_EQUAL(identity.server, "another-server");
    CU_ASSERT(SIDE_WAIT(journal_old_connections(side_journal, "one", &left, 1) == 0));
    CU_ASSERT_EQUAL(server_ask(s, "SELECT 1", NULL, NULL), 0);
    CU_ASSERT_EQUAL(side_counters().kills, 0);
    server_close(s);
    side_end();
}

static void test_two_names_for_one_server(void)
{
    side_new_log();
    side_config.n_backends = 2;
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety != BACKEND_UNKNOWN && side_backends.at[1].safety != BACKEND_UNKNOWN));
    CU_ASSERT_EQUAL((side_backends.at[0].safety == BACKEND_REFUSED) + (side_backends.at[1].safety == BACKEND_REFUSED), 1);
    side_end();
    side_config.n_backends = 1;
    side_new_log();
}

static void test_settings_that_lose_data_are_unsafe(void)
{
    struct server *s = side_root();
    side_sql(s, "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety == BACKEND_SINGLE));
    CU_ASSERT_PTR_NOT_NULL(strstr(side_verdict(0), "innodb_flush_log_at_trx_commit=0"));
    side_sql(s, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety == BACKEND_SAFE)); /* looked at again by itself */
    side_end();
    server_close(s);
}

static void test_another_process_of_the_log_keeps_its_lock(void)
{
    struct xa_gtrid gtrid;
    int a = next_id++;
    struct server *other = side_root();
    side_open();
    side_name(&gtrid);
    side_sql(other, "DO GET_LOCK('xaproxy:%s', 0)", journal_log_id(side_journal));
    server_close(side_prepare(gtrid.text, "1:one", 1, a));
    side_run();
    CU_ASSERT(SIDE_WAIT(side_backends.at[0].safety == BACKEND_SINGLE));
    CU_ASSERT_PTR_NOT_NULL(strstr(side_verdict(0), "another resolver of this log"));
    clock_sleep_ms(500);
    CU_ASSERT(side_listed(gtrid.text)); /* its business */
    server_close(other);
    CU_ASSERT(SIDE_WAIT(!side_listed(gtrid.text)));
    CU_ASSERT(side_backends.at[0].safety == BACKEND_SAFE);
    side_end();
}

/* --- servers that die ------------------------------------------------------------------------------------------------------ */

static void test_server_returns(void)
{
    struct xa_gtrid decided, undecided;
    int a = next_id++, b = next_id++;
    side_open();
    side_run();
    CU_ASSERT(safe());
    side_name(&decided);
    side_name(&undecided);
    side_live(undecided.text);
    server_close(side_prepare(undecided.text, "1:one", 1, b));
    server_close(side_prepare(decided.text, "1:one", 1, a));
    side_decide(&decided, "1:one", false, clock_wall_ms());
    CU_ASSERT_EQUAL(side_server("crash"), 0);
    side_live(NULL);
    xa_registry_hand_over(journal_registry(side_journal), decided.text);
    resolver_sweep_backend(side_resolver, 0);
    CU_ASSERT(SIDE_WAIT(!side_backends.at[0].reachable));
    CU_ASSERT(side_seen(decided.text).found); /* shown although nobody sees the server */
    CU_ASSERT(SIDE_WAIT(side_counters().in_doubt == 1));
    CU_ASSERT_EQUAL(side_server("start"), 0);
    CU_ASSERT(SIDE_WAIT(!side_listed(decided.text) && !side_listed(undecided.text)));
    CU_ASSERT(SIDE_WAIT(side_row(a) == 1));
    CU_ASSERT_EQUAL(side_row(b), 0);
    CU_ASSERT(side_backends.at[0].restarts > 0 || side_backends.at[0].server_start_s > 0);
    side_end();
}

static void test_lost_connection_is_replaced(void)
{
    side_open();
    side_run();
    CU_ASSERT(safe());
    long id = lock_holder();
    struct server *s = side_root();
    side_sql(s, "KILL CONNECTION %ld", id);
    server_close(s);
    CU_ASSERT(SIDE_WAIT(lock_holder() > id));
    CU_ASSERT(safe());
    side_end();
}

/* The server is stopped in the midst of everything: it takes connections and answers nothing. */
static void test_ends_in_time_beside_a_stuck_server(void)
{
    side_open();
    side_run();
    CU_ASSERT(safe());
    CU_ASSERT_EQUAL(side_server_signal(SIGSTOP), 0);
    clock_sleep_ms(400); /* a sweep is under way */
    int64_t began = clock_mono_ms();
    side_end();
    CU_ASSERT(clock_mono_ms() - began < SIDE_PATIENCE_MS);
    CU_ASSERT_EQUAL(side_server_signal(SIGCONT), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what is decided is committed, what is not is rolled back", test_settles_by_the_log},
        {"branches of others are shown and left alone until a person speaks", test_leaves_others_alone},
        {"an adopted log's branches are rolled back", test_adopted_log_is_settled},
        {"what a worker has in hand is left alone; no answer proves nothing", test_waits_for_living_transactions},
        {"a session finishes its own decision until it hands over", test_session_keeps_what_it_owns},
        {"a dead process's connection that holds a branch is ended", test_old_connection_is_ended},
        {"a connection that was given up is ended, its branch committed", test_given_up_connection_is_ended},
        {"a connection id that is somebody else's now is spared", test_strangers_connection_is_spared},
        {"the next connection with its number stays on record", test_next_connection_with_the_number_stays_on_record},
        {"the resolver does not end its own connection", test_resolver_spares_itself},
        {"decided, absent, no restart: settled", test_absent_without_restart_is_settled},
        {"decided, absent after a restart of a clean server: presumed", test_absent_after_restart_is_presumed},
        {"decided, absent after a restart of an unclean server: shown until a person speaks",
         test_absent_on_unclean_server_is_shown},
        {"an old connection that cannot be ended forbids conclusions", test_unreachable_connection_forbids_conclusions},
        {"another server behind a known name is refused until accepted", test_another_server_is_refused_until_accepted},
        {"two names for one server: one is refused", test_two_names_for_one_server},
        {"settings that lose data make a server unsafe, and are looked at again", test_settings_that_lose_data_are_unsafe},
        {"another living process of this log keeps its lock, nothing is settled", test_another_process_of_the_log_keeps_its_lock},
        {"a server that crashed is settled when it is back", test_server_returns},
        {"a lost connection is replaced", test_lost_connection_is_replaced},
        {"the resolver ends in time beside a stuck server", test_ends_in_time_beside_a_stuck_server},
        {NULL, NULL},
    };
    int status = side_start(FAMILY);
    if (status)
        return status;
    status = unit_main("resolver on " FAMILY, tests);
    side_stop();
    return status;
}
