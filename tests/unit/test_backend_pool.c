/* Who gets which connection: reuse, resets, limits, queues, deadlines, hooks. */
#include "tests/unit/backend_side.h"

#include <string.h>

static struct backend_pool_stats stats_of(unsigned backend)
{
    struct backend_pool_stats stats;
    backend_pool_stats(side_pools, backend, &stats);
    return stats;
}

/* How busy the machine is proves nothing. */
#define WAIT(condition)                                         \
    do {                                                        \
        for (int turn = 0; turn < 3000 && !(condition); turn++) \
            side_sleep(10);                                     \
        CU_ASSERT_TRUE(condition);                              \
    } while (0)

static int opened, closed;
static void count_open(void *arg, struct backend_conn *c)
{
    (void)arg;
    CU_ASSERT(c->connection_id > 0);
    CU_ASSERT_EQUAL(stats_of(c->backend->index).lent, 0); /* before it is lent */
    opened++;
}
static void count_close(void *arg, struct backend_conn *c)
{
    (void)arg;
    (void)c;
    closed++;
}

static void a_clean_connection_is_lent_again_at_once(void)
{
    struct side_request q;
    opened = closed = 0;
    side_up();
    backend_pools_on_open(side_pools, count_open, count_close, NULL);
    struct backend_conn *c = side_get(SIDE_PLAIN);
    uint64_t id = c->connection_id, writes = c->net->writes;
    backend_release(side_pools, c);
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).idle, 1);
    side_ask(&q, SIDE_PLAIN, 0, 0);
    CU_ASSERT_TRUE(q.answered); /* from inside */
    CU_ASSERT_EQUAL(q.c->connection_id, id);
    CU_ASSERT_EQUAL(q.c->net->writes, writes); /* without a trip */
    CU_ASSERT_PTR_NULL(q.c->owner);
    CU_ASSERT_EQUAL(opened, 1);
    CU_ASSERT_EQUAL(closed, 0);
    side_down();
    CU_ASSERT_EQUAL(closed, 1);
}

static void a_dirty_connection_is_reset_and_set_again(void)
{
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    uint64_t id = c->connection_id, generation = c->statement_generation;
    side_expect(c, "SELECT @@innodb_lock_wait_timeout", "7");
    side_do(
        c, "SET innodb_lock_wait_timeout=99, session_track_transaction_info='OFF', autocommit=0, @mine=1, sql_mode=''");
    side_do(c, "SET NAMES latin1");
    side_do(c, "USE t");
    snprintf(c->schema, sizeof c->schema, "t");
    c->autocommit = false;
    c->dirty = true;
    backend_release(side_pools, c);
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).opening, 1);
    c = side_get(SIDE_PLAIN);
    CU_ASSERT_EQUAL(c->connection_id, id);
    CU_ASSERT_EQUAL(c->statement_generation, generation + 1);
    CU_ASSERT_TRUE(c->autocommit && !c->dirty);
    CU_ASSERT_EQUAL(c->charset, WIRE_CHARSET_UTF8MB4);
    side_expect(c,
                "SELECT CONCAT_WS(',', @@innodb_lock_wait_timeout, @@session_track_transaction_info, @@autocommit = 1, "
                "@@character_set_client, @@collation_connection, @@sql_mode = @@global.sql_mode)",
                "7,STATE,1,utf8mb4,utf8mb4_general_ci,1");
    side_expect(c, "SELECT @mine", "NULL");
    side_expect(c, "SELECT DATABASE()", c->schema); /* it outlives a reset, on both families */
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).resets, 1);
    side_down();
}

static void a_transaction_left_open_is_rolled_back_before_the_next(void)
{
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *other = side_get(SIDE_PLAIN);
    uint64_t id = c->connection_id;
    side_do(c, "BEGIN");
    side_do(c, "INSERT INTO t.n VALUES (20, 20)");
    backend_release(side_pools, c); /* nobody said dirty: the server's status did */
    c = side_get(SIDE_PLAIN);
    CU_ASSERT_EQUAL(c->connection_id, id);
    side_do(other, "INSERT INTO t.n VALUES (20, 21)"); /* no lock is left */
    side_expect(c, "SELECT v FROM t.n WHERE id = 20", "21");
    side_do(c, "DELETE FROM t.n WHERE id = 20");
    side_down();
}

static void what_cannot_be_lent_again_is_closed(void)
{
    struct side_answer a;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *busy = side_get(SIDE_PLAIN), *broken = side_get(SIDE_PLAIN);
    side_do(c, "XA START 'left','1',1");
    c->xa = BACKEND_XA_ACTIVE;
    backend_release(side_pools, c);
    side_send(busy, &a, "DO SLEEP(30)");
    backend_release(side_pools, busy);
    broken->broken = true;
    backend_release(side_pools, broken);
    side_turn();
    struct backend_pool_stats stats = stats_of(SIDE_PLAIN);
    CU_ASSERT_EQUAL(stats.closed, 3);
    CU_ASSERT_EQUAL(stats.idle + stats.lent + stats.opening, 0);
    CU_ASSERT_FALSE(a.over); /* forgotten without a callback */
    side_answer_fini(&a);
    side_down();
}

static void who_waits_is_served_in_order(void)
{
    struct side_request third, cancelled, fourth;
    side_up();
    struct backend_conn *a = side_get(SIDE_NARROW), *b = side_get(SIDE_NARROW);
    side_ask(&third, SIDE_NARROW, 0, 0);
    side_ask(&cancelled, SIDE_NARROW, 0, 0);
    side_ask(&fourth, SIDE_NARROW, 0, 0);
    side_sleep(50);
    CU_ASSERT_FALSE(third.answered);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).waiting, 3);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).opened, 2);
    backend_cancel(&cancelled.r);
    backend_release(side_pools, a);
    struct side_request late;
    side_ask(&late, SIDE_NARROW, 0, 0);
    CU_ASSERT_FALSE(late.answered || third.answered); /* nobody overtakes, nobody is called from inside a release */
    side_run(&third.answered);
    CU_ASSERT_PTR_EQUAL(third.c, a);
    backend_conn_close(b, "test"); /* its place is free for the next */
    side_run(&fourth.answered);
    CU_ASSERT_PTR_NOT_NULL(fourth.c);
    CU_ASSERT_FALSE(cancelled.answered || late.answered);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).opened, 3);
    backend_cancel(&late.r);
    backend_cancel(&late.r); /* again: no effect */
    side_down();
}

static void who_waits_too_long_is_told(void)
{
    struct side_request soon, sooner;
    side_up();
    side_get(SIDE_NARROW);
    side_get(SIDE_NARROW);
    int64_t now = net_loop_now_ms(side_loop);
    side_ask(&soon, SIDE_NARROW, 0, now + 200);
    side_ask(&sooner, SIDE_NARROW, 0, now + 100);
    side_run(&sooner.answered);
    CU_ASSERT(!soon.answered || net_loop_now_ms(side_loop) >= now + 200); /* a machine may stand still */
    CU_ASSERT_EQUAL(sooner.code, 1205);
    side_run(&soon.answered);
    CU_ASSERT(net_loop_now_ms(side_loop) >= now + 200);
    CU_ASSERT_EQUAL(soon.code, 1205);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).waiting, 0);
    side_down();
}

/* The server itself allows one connection: the second borrower waits for the first, and does not hammer the server. */
static void a_full_server_is_waited_for(void)
{
    struct side_request q;
    side_up();
    struct backend_conn *c = side_get(SIDE_FEW);
    side_ask(&q, SIDE_FEW, 0, 0);
    WAIT(stats_of(SIDE_PLAIN).failed);
    side_sleep(400);
    CU_ASSERT_FALSE(q.answered);
    uint64_t failed = stats_of(SIDE_PLAIN).failed;
    CU_ASSERT(failed >= 1 && failed <= 5);
    backend_release(side_pools, c);
    side_run(&q.answered);
    CU_ASSERT_PTR_EQUAL(q.c, c);
    backend_conn_close(q.c, "test");
    side_down();
}

static void a_full_server_is_1040_when_there_is_nothing_to_wait_for(void)
{
    side_up();
    struct backend_pools *others = side_pools;
    struct backend_conn *c = side_get(SIDE_FEW);
    CU_ASSERT_PTR_NOT_NULL(c);
    side_pools = backend_pools_new(side_loop, &side_config, &side_backends); /* another worker's */
    struct side_request q;
    side_ask(&q, SIDE_FEW, 0, 0);
    side_run(&q.answered);
    CU_ASSERT_EQUAL(q.code, 1040);
    CU_ASSERT_STRING_EQUAL(q.sqlstate, "08004");
    backend_pools_free(others);
    side_down();
}

static void clients_with_other_capabilities_share_nothing(void)
{
    struct side_request found, plain;
    struct side_answer a;
    side_up();
    side_ask(&found, SIDE_NARROW, WIRE_CAP_FOUND_ROWS | WIRE_CAP_COMPRESS, 0);
    side_run(&found.answered);
    CU_ASSERT_EQUAL(found.c->caps & (WIRE_CAP_FOUND_ROWS | WIRE_CAP_COMPRESS), WIRE_CAP_FOUND_ROWS);
    side_send(found.c, &a, "UPDATE t.n SET v = v WHERE id = 1");
    side_wait(&a);
    CU_ASSERT_EQUAL(a.outcome.affected_rows, 1); /* found, not changed */
    side_answer_fini(&a);
    uint64_t id = found.c->connection_id;
    backend_release(side_pools, found.c);
    struct backend_conn *first = side_get(SIDE_NARROW);
    CU_ASSERT(first->connection_id != id);
    side_send(first, &a, "UPDATE t.n SET v = v WHERE id = 1");
    side_wait(&a);
    CU_ASSERT_EQUAL(a.outcome.affected_rows, 0);
    side_answer_fini(&a);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).idle, 1);
    side_ask(&plain, SIDE_NARROW, 0, 0); /* the limit is two, and the idle one is of the other kind: it makes room */
    side_run(&plain.answered);
    CU_ASSERT_PTR_NOT_NULL(plain.c);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).idle, 0);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).lent, 2);
    side_down();
}

static void ignore_space_outlives_a_reset(void)
{
    struct side_request q;
    side_up();
    side_ask(&q, SIDE_PLAIN, WIRE_CAP_IGNORE_SPACE, 0);
    side_run(&q.answered);
    side_expect(q.c, "SELECT COUNT (*) FROM t.n WHERE id < 3", "2");
    q.c->dirty = true;
    backend_release(side_pools, q.c);
    side_ask(&q, SIDE_PLAIN, WIRE_CAP_IGNORE_SPACE, 0);
    side_run(&q.answered);
    side_expect(q.c, "SELECT COUNT (*) FROM t.n WHERE id < 3", "2");
    side_down();
}

static void an_idle_connection_that_the_server_closes_is_forgotten(void)
{
    char sql[64];
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *killer = side_get(SIDE_PLAIN);
    uint64_t id = c->connection_id;
    snprintf(sql, sizeof sql, "KILL CONNECTION %llu", (unsigned long long)id);
    backend_release(side_pools, c);
    side_do(killer, sql);
    WAIT(!stats_of(SIDE_PLAIN).idle);
    c = side_get(SIDE_PLAIN);
    CU_ASSERT(c && c->connection_id != id);
    side_down();
}

static void many_at_once_open_as_many_as_allowed(void)
{
    enum { LIMIT = 20, N = 40 };
    static struct side_request q[N];
    side_up();
    for (int i = 0; i < N; i++)
        side_ask(&q[i], SIDE_LOCAL, 0, 0);
    side_turn();
    CU_ASSERT_EQUAL(stats_of(SIDE_LOCAL).opening + stats_of(SIDE_LOCAL).lent, LIMIT);
    side_run(&q[LIMIT - 1].answered);
    for (int i = 0; i < N; i++) {
        side_run(&q[i].answered);
        CU_ASSERT_PTR_NOT_NULL(q[i].c);
        CU_ASSERT_EQUAL(q[i].order, i); /* in order, whichever connection came first */
        if (q[i].c)
            backend_release(side_pools, q[i].c);
    }
    CU_ASSERT_EQUAL(stats_of(SIDE_LOCAL).opened, LIMIT);
    side_down();
}

/* --- parked ---------------------------------------------------------------------------------------------------------- */

/* A borrower who parks; asks its last question when the connection is taken. */
struct lodger {
    struct side_answer last;
    int taken;
};

static void lodger_taken(struct backend_conn *c)
{
    struct lodger *l = c->owner;
    l->taken++;
    side_send(c, &l->last, "SELECT @mine");
}

static void lodge(struct lodger *l, struct backend_conn *c)
{
    *l = (struct lodger){.taken = 0};
    c->owner = l;
    c->on_taken = lodger_taken;
    c->dirty = true;
    backend_park(side_pools, c);
}

static void what_is_parked_comes_back_as_it_was(void)
{
    struct lodger l;
    side_up();
    struct backend_conn *c = side_get(SIDE_NARROW), *other = side_get(SIDE_NARROW);
    side_do(c, "SET @mine=5");
    lodge(&l, c);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).parked, 1);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).lent, 1);
    backend_release(side_pools, other);
    struct side_request q;
    side_ask(&q, SIDE_NARROW, 0, 0); /* there is an idle one: the parked one stays */
    side_run(&q.answered);
    uint64_t writes = c->net->writes;
    backend_take_back(side_pools, c);
    CU_ASSERT_EQUAL(c->net->writes, writes);
    CU_ASSERT_EQUAL(l.taken, 0);
    side_expect(c, "SELECT @mine", "5");
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).parked, 0);
    side_down();
}

static void at_the_limit_the_one_parked_longest_is_taken(void)
{
    struct lodger first, second;
    struct side_request q;
    side_up();
    struct backend_conn *a = side_get(SIDE_NARROW), *b = side_get(SIDE_NARROW);
    side_do(a, "SET @mine=5");
    lodge(&first, a);
    lodge(&second, b);
    side_ask(&q, SIDE_NARROW, 0, 0);
    CU_ASSERT_EQUAL(first.taken, 0); /* not from inside */
    side_run(&q.answered);
    CU_ASSERT_PTR_EQUAL(q.c, a);
    CU_ASSERT_EQUAL(first.taken, 1);
    CU_ASSERT_EQUAL(second.taken, 0);
    CU_ASSERT_TRUE(first.last.over && !first.last.lost);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&first.last.value), "5");
    CU_ASSERT_PTR_NULL(a->owner);
    side_expect(a, "SELECT @mine", "NULL");
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).taken, 1);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).opened, 2);
    side_answer_fini(&first.last);
    side_down();
}

static void who_waits_gets_what_is_parked_then(void)
{
    struct lodger l;
    struct side_request q;
    side_up();
    struct backend_conn *a = side_get(SIDE_NARROW), *b = side_get(SIDE_NARROW);
    side_ask(&q, SIDE_NARROW, 0, 0);
    side_sleep(20);
    CU_ASSERT_FALSE(q.answered);
    lodge(&l, b);
    CU_ASSERT_EQUAL(l.taken, 0);
    side_run(&q.answered);
    CU_ASSERT_PTR_EQUAL(q.c, b);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).waited, 1);
    CU_ASSERT_PTR_NOT_EQUAL(a, b);
    side_answer_fini(&l.last);
    side_down();
}

/* Its kind is not what those have who come and go: they do not keep it waiting. */
static void who_wants_another_kind_is_not_overtaken(void)
{
    struct lodger l;
    struct side_request other, later;
    side_up();
    struct backend_conn *a = side_get(SIDE_NARROW), *b = side_get(SIDE_NARROW);
    side_ask(&other, SIDE_NARROW, WIRE_CAP_FOUND_ROWS, 0);
    side_ask(&later, SIDE_NARROW, 0, 0);
    backend_release(side_pools, a);
    side_run(&other.answered);
    CU_ASSERT_FALSE(later.answered);
    lodge(&l, b);
    side_run(&later.answered);
    CU_ASSERT_PTR_EQUAL(later.c, b);
    side_answer_fini(&l.last);
    lodge(&l, later.c);
    side_ask(&other, SIDE_NARROW, WIRE_CAP_FOUND_ROWS, 0); /* what is parked has its last word before it makes room */
    side_run(&other.answered);
    CU_ASSERT_TRUE(l.last.over && !l.last.lost);
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).lent, 2);
    side_answer_fini(&l.last);
    side_down();
}

static void a_parked_connection_that_dies_is_told(void)
{
    char sql[64];
    struct side_owner o;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *killer = side_get(SIDE_PLAIN);
    snprintf(sql, sizeof sql, "KILL CONNECTION %llu", (unsigned long long)c->connection_id);
    side_own(&o, c);
    c->on_taken = lodger_taken;
    backend_park(side_pools, c);
    side_do(killer, sql);
    side_run(&o.gone);
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).parked, 0);
    side_down();
}

static void who_has_no_schema_gets_a_connection_without(void)
{
    struct side_request q;
    side_up();
    struct backend_conn *c = side_get(SIDE_NARROW);
    side_do(c, "USE t");
    CU_ASSERT_STRING_EQUAL(c->schema, "t"); /* the server said so */
    backend_release(side_pools, c);
    side_ask_bare(&q, SIDE_NARROW);
    side_run(&q.answered);
    CU_ASSERT_STRING_EQUAL(q.c->schema, "");
    side_expect(q.c, "SELECT DATABASE()", "NULL");
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).idle, 1); /* the other is for whom it fits */
    struct side_request second;
    side_ask_bare(&second, SIDE_NARROW); /* or makes room */
    side_run(&second.answered);
    side_expect(second.c, "SELECT DATABASE()", "NULL");
    side_down();
}

/* --- upkeep ----------------------------------------------------------------------------------------------------------- */

static void wait_idle(unsigned backend, unsigned n)
{
    WAIT(stats_of(backend).idle == n);
}

static void some_are_kept_warm_and_others_closed(void)
{
    struct config_backend *config = side_config.backends + SIDE_PLAIN;
    side_up();
    config->min_connections = 2;
    config->pool_idle_timeout_ms = 200;
    struct backend_conn *c[4];
    for (int i = 0; i < 4; i++)
        c[i] = side_get(SIDE_PLAIN);
    for (int i = 0; i < 4; i++)
        backend_release(side_pools, c[i]);
    wait_idle(SIDE_PLAIN, 2);
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).closed, 2);
    backend_conn_close(side_get(SIDE_PLAIN), "test");
    wait_idle(SIDE_PLAIN, 2); /* and made good */
    config->min_connections = 0;
    config->pool_idle_timeout_ms = 60000;
    side_down();
}

static void the_silent_are_asked_whether_they_live(void)
{
    struct config_backend *config = side_config.backends + SIDE_PLAIN;
    struct lodger l;
    side_up();
    config->ping_interval_ms = 100;
    struct backend_conn *idle = side_get(SIDE_PLAIN), *parked = side_get(SIDE_PLAIN), *lent = side_get(SIDE_PLAIN);
    backend_release(side_pools, idle);
    lodge(&l, parked);
    uint64_t writes = lent->net->writes;
    WAIT(stats_of(SIDE_PLAIN).pinged >= 4);
    CU_ASSERT_EQUAL(lent->net->writes, writes);
    backend_take_back(side_pools, parked);
    side_expect(parked, "SELECT 5", "5");
    CU_ASSERT_EQUAL(stats_of(SIDE_PLAIN).closed, 0);
    config->ping_interval_ms = 0;
    side_down();
}

const struct unit_test backend_pool_tests[] = {
    {"what is parked comes back as it was", what_is_parked_comes_back_as_it_was},
    {"at the limit the one parked longest is taken", at_the_limit_the_one_parked_longest_is_taken},
    {"who waits gets what is parked then", who_waits_gets_what_is_parked_then},
    {"who wants another kind is not overtaken", who_wants_another_kind_is_not_overtaken},
    {"a parked connection that dies is told", a_parked_connection_that_dies_is_told},
    {"who has no schema gets a connection without", who_has_no_schema_gets_a_connection_without},
    {"some are kept warm and others closed", some_are_kept_warm_and_others_closed},
    {"the silent are asked whether they live", the_silent_are_asked_whether_they_live},
    {"a clean connection is lent again at once", a_clean_connection_is_lent_again_at_once},
    {"a dirty connection is reset and set again", a_dirty_connection_is_reset_and_set_again},
    {"a transaction left open is rolled back before the next", a_transaction_left_open_is_rolled_back_before_the_next},
    {"what cannot be lent again is closed", what_cannot_be_lent_again_is_closed},
    {"who waits is served in order", who_waits_is_served_in_order},
    {"who waits too long is told", who_waits_too_long_is_told},
    {"a full server is waited for", a_full_server_is_waited_for},
    {"a full server is 1040 when there is nothing to wait for",
     a_full_server_is_1040_when_there_is_nothing_to_wait_for},
    {"clients with other capabilities share nothing", clients_with_other_capabilities_share_nothing},
    {"IGNORE_SPACE outlives a reset", ignore_space_outlives_a_reset},
    {"an idle connection that the server closes is forgotten", an_idle_connection_that_the_server_closes_is_forgotten},
    {"many at once open as many as allowed", many_at_once_open_as_many_as_allowed},
    {NULL, NULL},
};
