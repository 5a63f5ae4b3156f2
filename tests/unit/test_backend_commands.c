/* Commands and their answers: pipelined, counted, streamed, tracked; and what is told when the server or the connection
 * dies. */
#include "tests/unit/backend_side.h"

#include <string.h>

#include "proxy/wire/packet.h"

static void expect_kinds(struct side_answer *a, const char *kinds)
{
    CU_ASSERT_STRING_EQUAL(buf_cstr(&a->kinds), kinds);
    if (strcmp(buf_cstr(&a->kinds), kinds) != 0)
        printf("\n  %s, not %s\n", buf_cstr(&a->kinds), kinds);
}

/* The first statement of a branch, as the session sends it: one write, each answer to its own sink, in order. */
static void a_pipeline_goes_in_one_write_and_answers_in_order(void)
{
    enum { START, INSERT, SELECT, WRONG, N };
    static const char *const texts[] = {"XA START 'pipe','1',1", "INSERT INTO t.n VALUES (10, 1), (11, 1)",
                                        "SELECT v FROM t.n WHERE id = 2", "SELECT nothing"};
    struct side_answer a[N];
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    uint64_t writes = c->net->writes;
    for (int i = 0; i < N; i++)
        side_send(c, &a[i], texts[i]);
    CU_ASSERT_FALSE(backend_conn_idle(c));
    side_wait(&a[WRONG]);
    CU_ASSERT_EQUAL(c->net->writes, writes + 1);
    CU_ASSERT_TRUE(backend_conn_idle(c));
    for (int i = 0; i < N; i++)
        CU_ASSERT_TRUE(a[i].over && !a[i].lost && (!i || a[i].order == a[i - 1].order + 1));
    expect_kinds(&a[START], "o");
    expect_kinds(&a[INSERT], "o");
    expect_kinds(&a[SELECT], "cdre");
    expect_kinds(&a[WRONG], "x");
    CU_ASSERT_EQUAL(a[INSERT].outcome.affected_rows, 2);
    CU_ASSERT_TRUE(a[SELECT].outcome.had_rows && !a[INSERT].outcome.had_rows);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&a[SELECT].value), "2");
    CU_ASSERT_EQUAL(a[WRONG].outcome.error, 1054);
    CU_ASSERT_STRING_EQUAL(a[WRONG].outcome.sqlstate, "42S22");
    CU_ASSERT_PTR_NOT_NULL(strstr(a[WRONG].outcome.message, "nothing"));
    for (int i = 0; i < N; i++)
        side_answer_fini(&a[i]);
    side_do(c, "XA END 'pipe','1',1");
    side_do(c, "XA ROLLBACK 'pipe','1',1");
    side_down();
}

static struct side_answer asked(struct backend_conn *c, const char *sql)
{
    struct side_answer a;
    side_send(c, &a, sql);
    side_wait(&a);
    CU_ASSERT_EQUAL(a.outcome.error, 0);
    side_answer_fini(&a);
    return a;
}

static void trackers_tell_who_wrote(void)
{
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    CU_ASSERT_TRUE(asked(c, "XA START 'track','1',1").outcome.has_tracker);
    struct side_answer a = asked(c, "SELECT v FROM t.n");
    CU_ASSERT_TRUE(a.outcome.has_tracker && !a.outcome.saw_write);
    CU_ASSERT_EQUAL(a.outcome.tracker[2], 'R');
    a = asked(c, "UPDATE t.n SET v = v WHERE id = 1");
    CU_ASSERT_TRUE(a.outcome.has_tracker && a.outcome.saw_write);
    side_do(c, "XA END 'track','1',1");
    side_do(c, "XA ROLLBACK 'track','1',1");
    side_do(c, "XA START 'track2','1',1");
    CU_ASSERT_TRUE(
        asked(c, "SELECT v FROM t.n WHERE id = 1 FOR UPDATE").outcome.saw_write); /* in a result set's last OK */
    side_do(c, "XA END 'track2','1',1");
    side_do(c, "XA ROLLBACK 'track2','1',1");
    side_down();
}

static void a_call_has_several_results_and_one_end(void)
{
    struct side_answer a;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    side_send(c, &a, "CALL t.two()");
    side_wait(&a);
    expect_kinds(&a, "cdrecdreo");
    CU_ASSERT_TRUE(backend_conn_idle(c));
    CU_ASSERT_EQUAL(a.outcome.status & WIRE_STATUS_MORE_RESULTS, 0);
    side_answer_fini(&a);
    side_expect(c, "SELECT 'next'", "next");
    side_down();
}

static void statements_are_prepared_executed_and_closed(void)
{
    static const char prepare[] = "\x16SELECT v + ?, id FROM t.n WHERE id = ?";
    struct side_answer a, b;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    side_send_command(c, &a, WIRE_RESPONSE_PREPARE, prepare, sizeof prepare - 1);
    side_wait(&a);
    expect_kinds(&a, "pdddd");
    /* Statement 1 of this session; two LONGLONGs, 40 and 2. */
    static const uint8_t execute[] = {0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 8, 0,
                                      40,   0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t close[] = {0x19, 1, 0, 0, 0};
    side_send_command(c, &b, WIRE_RESPONSE_QUERY, execute, sizeof execute);
    backend_send_silent(c, close, sizeof close);
    side_wait(&b);
    expect_kinds(&b, "cddre");
    side_answer_fini(&a);
    side_answer_fini(&b);
    side_expect(c, "SELECT 'next'", "next");
    side_down();
}

/* 20 MiB in one row: never gathered, and the server waits while the reader does. */
static void a_large_row_comes_in_parts_and_can_be_paused(void)
{
    enum { BYTES = 20 << 20 };
    struct side_answer a;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    side_send(c, &a, "SELECT REPEAT('x', 20 * 1024 * 1024)");
    a.pause = c;
    side_run(&a.paused);
    uint64_t seen = a.row_bytes;
    side_sleep(300);
    CU_ASSERT_EQUAL(a.frames_while_paused, 0);
    CU_ASSERT_EQUAL(a.row_bytes, seen);
    CU_ASSERT(seen < 1 << 20);
    a.pause = NULL;
    a.paused = false;
    backend_resume(c);
    CU_ASSERT_EQUAL(a.row_bytes, seen); /* not from inside */
    side_wait(&a);
    CU_ASSERT_EQUAL(a.row_bytes, BYTES + 9); /* the length in front */
    CU_ASSERT(a.parts > 20 && a.largest_part < 2 << 20);
    CU_ASSERT(c->net->in.cap < 4 << 20);
    expect_kinds(&a, "cdrre"); /* two frames: 16 MiB - 1 and the rest */
    side_answer_fini(&a);
    side_expect(c, "SELECT 'next'", "next");
    side_down();
}

static void many_small_rows_are_paused_between_rows(void)
{
    struct side_answer a;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    side_send(c, &a, "SELECT REPEAT('y', 1000) FROM t.n p, t.n q, t.n r, t.n s, t.n u, t.n v, t.n w, t.n x");
    backend_pause(c);
    side_sleep(100);
    CU_ASSERT_EQUAL(buf_len(&a.kinds), 0);
    backend_resume(c);
    side_wait(&a);
    CU_ASSERT_EQUAL(a.parts, 256);
    CU_ASSERT_EQUAL(a.row_bytes, 256 * 1003);
    side_answer_fini(&a);
    side_down();
}

static void a_command_beyond_16_mib_is_sent_in_frames(void)
{
    enum { BYTES = 17 << 20 };
    struct side_answer a;
    struct buf sql = {0};
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN);
    buf_text(&sql, "SELECT LENGTH('");
    memset(buf_reserve(&sql, BYTES), 'z', BYTES);
    buf_added(&sql, BYTES);
    buf_text(&sql, "')");
    side_send(c, &a, buf_cstr(&sql));
    side_wait(&a);
    CU_ASSERT_EQUAL(a.outcome.error, 0);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&a.value), "17825792");
    side_answer_fini(&a);
    buf_fini(&sql);
    side_down();
}

static void a_killed_connection_tells_its_owner(void)
{
    struct side_owner owner;
    struct backend_pool_stats stats;
    char sql[64];
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *killer = side_get(SIDE_PLAIN);
    side_own(&owner, c);
    snprintf(sql, sizeof sql, "KILL CONNECTION %llu", (unsigned long long)c->connection_id);
    side_do(killer, sql);
    side_run(&owner.gone);
    CU_ASSERT(strlen(owner.why) > 0);
    side_turn();
    backend_pool_stats(side_pools, SIDE_PLAIN, &stats);
    CU_ASSERT_EQUAL(stats.lent, 1);
    CU_ASSERT_EQUAL(stats.closed, 1);
    side_down();
}

static void letting_go_from_inside_lost_is_allowed(void)
{
    struct side_owner owner;
    struct side_answer sleeping;
    char sql[64];
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *killer = side_get(SIDE_PLAIN);
    side_own(&owner, c);
    side_send(c, &sleeping, "DO SLEEP(30)");
    side_sleep(50);
    snprintf(sql, sizeof sql, "KILL CONNECTION %llu", (unsigned long long)c->connection_id);
    side_send(killer, &(struct side_answer){.over = false}, "DO 0");
    backend_conn_close(killer, "its answer is of no interest");
    killer = side_get(SIDE_PLAIN);
    side_do(killer, sql);
    side_wait(&sleeping); /* an error, or lost: servers differ */
    CU_ASSERT_TRUE(sleeping.lost || sleeping.outcome.error);
    if (!owner.gone)
        backend_conn_close(c, "test");
    side_turn();
    CU_ASSERT_FALSE(owner.gone && !sleeping.lost);
    side_answer_fini(&sleeping);
    side_down();
}

/* Last of all: the server goes for good. */
static void a_killed_server_loses_every_command_oldest_first(void)
{
    struct side_owner owner, idle_owner;
    struct side_answer a, b;
    struct side_request q;
    side_up();
    struct backend_conn *c = side_get(SIDE_PLAIN), *idle = side_get(SIDE_PLAIN);
    side_own(&owner, c);
    side_own(&idle_owner, idle);
    side_send(c, &a, "DO SLEEP(30)");
    side_send(c, &b, "DO 1");
    side_sleep(50);
    CU_ASSERT_EQUAL(side_server("crash"), 0);
    side_run(&owner.gone);
    side_run(&idle_owner.gone);
    CU_ASSERT_TRUE(a.lost && b.lost);
    CU_ASSERT(a.order < b.order && b.order < owner.order);
    side_ask(&q, SIDE_PLAIN, 0, 0);
    side_run(&q.answered);
    CU_ASSERT_EQUAL(q.code, 1105);
    CU_ASSERT_EQUAL(side_server("start"), 0);
    side_sleep(100); /* the back-off after one failure */
    c = side_get(SIDE_PLAIN);
    if (c)
        side_expect(c, "SELECT 'again'", "again");
    side_down();
}

const struct unit_test backend_command_tests[] = {
    {"a pipeline goes in one write and answers in order", a_pipeline_goes_in_one_write_and_answers_in_order},
    {"trackers tell who wrote", trackers_tell_who_wrote},
    {"a CALL has several results and one end", a_call_has_several_results_and_one_end},
    {"statements are prepared, executed and closed", statements_are_prepared_executed_and_closed},
    {"a large row comes in parts and can be paused", a_large_row_comes_in_parts_and_can_be_paused},
    {"many small rows can be paused", many_small_rows_are_paused_between_rows},
    {"a command beyond 16 MiB is sent in frames", a_command_beyond_16_mib_is_sent_in_frames},
    {"a killed connection tells its owner", a_killed_connection_tells_its_owner},
    {"letting go from inside lost is allowed", letting_go_from_inside_lost_is_allowed},
    {"a killed server loses every command, oldest first", a_killed_server_loses_every_command_oldest_first},
    {NULL, NULL},
};
