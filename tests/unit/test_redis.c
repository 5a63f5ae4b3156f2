/* Calls to Redis from a worker: one reply each, never sent twice but where nothing was executed, and honest words about
 * what is not known. On a real server; lies come from a script on the same loop. */
#include "tests/unit/redis_side.h"

#include <stdio.h>
#include <string.h>

#include "proxy/net/conn.h"
#include "proxy/net/listener.h"
#include "proxy/redis/redis.h"

static struct net_loop *loop;
static struct redis_pools *pools;
static int events;

static void up(void)
{
    loop = net_loop_new();
    CHECK(loop);
    pools = redis_pools_new(loop, &side_resources, &side_options);
    events = 0;
}

static void down(void)
{
    redis_pools_free(pools);
    net_loop_free(loop);
}

/* A call that waits; keeps what the reply said. */
struct asked {
    struct redis_call call;
    bool answered;
    int order;
    enum redis_result result;
    int type;
    long long integer;
    size_t elements, len;
    char text[256], why[200];
    int first_type;
    long long first_integer;
    void (*then)(struct asked *a);
};

static const bool *awaited;
static void look(void)
{
    if (awaited && *awaited)
        net_loop_stop(loop);
}

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct asked *a = CONTAINER_OF(call, struct asked, call);
    a->answered = true;
    a->order = events++;
    a->result = result;
    if (reply) {
        a->type = reply->type;
        a->integer = reply->integer;
        a->elements = reply->elements;
        a->len = reply->str ? reply->len : 0;
        snprintf(a->text, sizeof a->text, "%s", reply->str ? reply->str : "");
    }
    if (call->first) {
        a->first_type = call->first->type;
        a->first_integer = call->first->integer;
    }
    snprintf(a->why, sizeof a->why, "%s", why ? why : "");
    if (a->then)
        a->then(a);
    look();
}

static void prepare(struct asked *a, unsigned resource, int64_t after_ms)
{
    *a = (struct asked){.call = {.resource = resource, .on_reply = on_reply}};
    if (after_ms)
        a->call.deadline_ms = net_loop_now_ms(loop) + after_ms;
}

static void on_guard(void *arg)
{
    *(bool *)arg = true;
    net_loop_stop(loop);
}

static void run_for(const bool *flag, int64_t ms)
{
    struct net_timer guard;
    bool rang = false;
    awaited = flag;
    net_timer_init(&guard, loop, on_guard, &rang);
    net_timer_start(&guard, ms);
    while (!rang && !(flag && *flag))
        net_loop_run(loop);
    net_timer_fini(&guard);
    awaited = NULL;
}

static void wait_for(struct asked *a)
{
    run_for(&a->answered, 10000);
    CU_ASSERT_TRUE(a->answered);
}

static void ask(struct asked *a, unsigned resource, int64_t after_ms, const struct comp_argv *argv)
{
    prepare(a, resource, after_ms);
    redis_send(pools, &a->call, argv);
    CU_ASSERT_FALSE(a->answered); /* never from inside */
    wait_for(a);
}

static void expect_text(const char *text, const char *in)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(in, text));
    if (!strstr(in, text))
        printf("\n  '%s' is not in '%s'\n", text, in);
}

static struct redis_pool_stats stats_of(unsigned resource)
{
    struct redis_pool_stats stats;
    redis_pool_stats(pools, resource, &stats);
    return stats;
}

/* --- replies --- */

static void replies_of_every_kind_come_back(void)
{
    struct comp_argv argv = {0};
    struct asked a;
    up();
    comp_argv_text(&argv, "SET");
    comp_argv_text(&argv, "bytes");
    comp_argv_add(&argv, "\0\r\n\xff", 4);
    ask(&a, SIDE_MAIN, 0, &argv);
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_STATUS);
    comp_argv_fini(&argv);
    ask(&a, SIDE_MAIN, 0, side_words("GET", "bytes", NULL));
    CU_ASSERT_TRUE(a.type == REDIS_REPLY_STRING && a.len == 4);
    ask(&a, SIDE_MAIN, 0, side_words("GET", "not there", NULL));
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_NIL);
    ask(&a, SIDE_MAIN, 0, side_words("SET", "", "", NULL));
    CU_ASSERT_STRING_EQUAL(a.text, "OK");
    ask(&a, SIDE_MAIN, 0, side_words("STRLEN", "bytes", NULL));
    CU_ASSERT_EQUAL(a.integer, 4);
    ask(&a, SIDE_MAIN, 0, side_words("EVAL", "return {1,{2,{3}},'x'}", "0", NULL));
    CU_ASSERT_TRUE(a.type == REDIS_REPLY_ARRAY && a.elements == 3);
    ask(&a, SIDE_MAIN, 0, side_words("HGET", "bytes", "f", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_REPLIED);
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_ERROR);
    expect_text("WRONGTYPE", a.text);
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).opened, 1);
    down();
}

static void a_connection_presents_itself(void)
{
    struct asked a;
    char id[32];
    up();
    ask(&a, SIDE_LOGIN, 0, side_words("CLIENT", "INFO", NULL));
    expect_text(" name=xap-test-1 ", a.text);
    expect_text(" db=3 ", a.text);
    ask(&a, SIDE_LOGIN, 0, side_words("ACL", "WHOAMI", NULL));
    CU_ASSERT_STRING_EQUAL(a.text, "app");
    ask(&a, SIDE_LOGIN, 0, side_words("CLIENT", "ID", NULL));
    snprintf(id, sizeof id, "%lld", a.integer);
    CU_ASSERT_EQUAL((long long)a.call.client_id, a.integer);
    down();
}

static void a_wrong_password_is_not_sent(void)
{
    struct asked a;
    up();
    ask(&a, SIDE_WRONG, 0, side_words("INCR", "n", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_NOT_SENT);
    expect_text("WRONGPASS", a.why);
    CU_ASSERT_EQUAL(stats_of(SIDE_WRONG).opened, 0);
    down();
}

/* --- queueing --- */

static void calls_of_one_turn_go_to_several_connections(void)
{
    enum { LIMIT = 8, N = 12 };
    struct asked a[N];
    up();
    for (int i = 0; i < N; i++) {
        prepare(&a[i], SIDE_MAIN, 0);
        redis_send(pools, &a[i].call, side_words("BLPOP", "empty", "0.2", NULL));
    }
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).waiting, N);
    run_for(NULL, 100);
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).busy, LIMIT);
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).waiting, N - LIMIT);
    for (int i = 0; i < N; i++) {
        wait_for(&a[i]);
        CU_ASSERT_EQUAL(a[i].type, REDIS_REPLY_NIL);
    }
    for (int i = LIMIT; i < N; i++)
        CU_ASSERT(a[i].order >= LIMIT);
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).opened, LIMIT);
    down();
}

static void who_waits_too_long_was_not_sent(void)
{
    struct asked busy, late;
    up();
    side_cli("DEL n");
    prepare(&busy, SIDE_NARROW, 0);
    redis_send(pools, &busy.call, side_words("BLPOP", "empty", "0.5", NULL));
    ask(&late, SIDE_NARROW, 100, side_words("INCR", "n", NULL));
    CU_ASSERT_EQUAL(late.result, REDIS_NOT_SENT);
    CU_ASSERT_FALSE(busy.answered);
    wait_for(&busy);
    CU_ASSERT_EQUAL(busy.result, REDIS_REPLIED);
    CU_ASSERT_STRING_EQUAL(side_cli("EXISTS n"), "0");
    down();
}

static void who_cancels_hears_nothing(void)
{
    struct asked under_way, waiting, next;
    up();
    side_cli("DEL n m");
    ask(&next, SIDE_NARROW, 0, side_words("PING", NULL));
    prepare(&under_way, SIDE_NARROW, 0);
    redis_send(pools, &under_way.call, side_words("INCR", "n", NULL));
    redis_flush_now(&under_way.call);
    prepare(&waiting, SIDE_NARROW, 0);
    redis_send(pools, &waiting.call, side_words("INCR", "m", NULL));
    redis_cancel(&waiting.call);
    redis_cancel(&under_way.call);
    redis_cancel(&under_way.call); /* again: no effect */
    ask(&next, SIDE_NARROW, 0, side_words("GET", "n", NULL));
    CU_ASSERT_STRING_EQUAL(next.text, "1"); /* it had gone; its reply was nobody's, and this one is ours */
    CU_ASSERT_FALSE(under_way.answered || waiting.answered);
    CU_ASSERT_STRING_EQUAL(side_cli("EXISTS m"), "0");
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).opened, 1);
    down();
}

static struct asked second;
static void ask_again(struct asked *a)
{
    (void)a;
    redis_send(pools, &second.call, side_words("ECHO", "again", NULL));
}
static void a_call_from_inside_a_reply_uses_the_same_connection(void)
{
    struct asked a;
    up();
    prepare(&second, SIDE_NARROW, 0);
    prepare(&a, SIDE_NARROW, 0);
    a.then = ask_again;
    redis_send(pools, &a.call, side_words("ECHO", "once", NULL));
    wait_for(&second);
    CU_ASSERT_STRING_EQUAL(a.text, "once");
    CU_ASSERT_STRING_EQUAL(second.text, "again");
    CU_ASSERT_EQUAL(stats_of(SIDE_NARROW).opened, 1);
    down();
}

/* --- the library --- */

static void a_missing_library_is_loaded_and_the_call_made_once(void)
{
    struct asked a;
    up();
    side_cli("DEL count");
    side_cli("FUNCTION FLUSH");
    for (long long n = 1; n < 4; n++) {
        ask(&a, SIDE_MAIN, 0, side_words("FCALL", "side_count", "1", "count", NULL));
        CU_ASSERT_EQUAL(a.type, REDIS_REPLY_INTEGER);
        CU_ASSERT_EQUAL(a.integer, n);
        if (n == 2)
            side_cli("FUNCTION FLUSH"); /* as a fail-over to a server without it */
    }
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).loaded, 2);
    down();
}

static void a_library_that_somebody_loaded_meanwhile_will_do(void)
{
    struct asked a[2];
    up();
    side_cli("DEL count");
    side_cli("FUNCTION FLUSH");
    for (int i = 0; i < 2; i++) {
        prepare(&a[i], SIDE_MAIN, 0);
        redis_send(pools, &a[i].call, side_words("FCALL", "side_count", "1", "count", NULL));
    }
    wait_for(&a[0]);
    wait_for(&a[1]);
    CU_ASSERT_EQUAL(a[0].integer + a[1].integer, 3);
    down();
}

static void a_pair_is_answered_once_with_both_replies(void)
{
    struct asked a;
    struct comp_argv wait = {0};
    up();
    side_cli("DEL count");
    side_cli("FUNCTION FLUSH");
    comp_argv_text(&wait, "WAIT");
    comp_argv_number(&wait, 0);
    comp_argv_number(&wait, 100);
    for (long long n = 1; n < 3; n++) {
        prepare(&a, SIDE_MAIN, 0);
        redis_send_pair(pools, &a.call, side_words("FCALL", "side_count", "1", "count", NULL), &wait);
        wait_for(&a);
        CU_ASSERT_EQUAL(a.type, REDIS_REPLY_INTEGER);
        CU_ASSERT_EQUAL(a.first_type, REDIS_REPLY_INTEGER);
        CU_ASSERT_EQUAL(a.first_integer, n);
    }
    comp_argv_fini(&wait);
    ask(&a, SIDE_MAIN, 0, side_words("ECHO", "next", NULL));
    CU_ASSERT_STRING_EQUAL(a.text, "next");
    CU_ASSERT_PTR_NULL(a.call.first);
    down();
}

static void a_library_that_cannot_be_loaded_is_the_answer(void)
{
    const char *good = side_options.library_text;
    struct asked a;
    up();
    side_cli("FUNCTION FLUSH");
    side_options.library_text = "#!lua name=sidelib\nthis is no Lua";
    ask(&a, SIDE_MAIN, 0, side_words("FCALL", "side_count", "1", "count", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_REPLIED);
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_ERROR);
    expect_text("compil", a.text);
    side_options.library_text = good;
    ask(&a, SIDE_MAIN, 0, side_words("PING", NULL));
    CU_ASSERT_STRING_EQUAL(a.text, "PONG");
    down();
}

static void a_function_that_the_library_has_not_is_the_answer(void)
{
    struct asked a;
    up();
    ask(&a, SIDE_MAIN, 0, side_words("FCALL", "no_such", "0", NULL));
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_ERROR);
    expect_text("not found", a.text);
    down();
}

/* --- trouble --- */

static void no_reply_in_time_is_lost(void)
{
    struct asked a, next;
    char command[64];
    up();
    ask(&a, SIDE_MAIN, 100, side_words("BLPOP", "empty", "0", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_LOST);
    expect_text("in time", a.why);
    CU_ASSERT(a.call.client_id > 0);
    snprintf(command, sizeof command, "CLIENT KILL ID %llu", (unsigned long long)a.call.client_id);
    side_cli(command); /* it may be there still, or not */
    ask(&next, SIDE_MAIN, 0, side_words("ECHO", "next", NULL));
    CU_ASSERT_STRING_EQUAL(next.text, "next");
    CU_ASSERT(next.call.client_id != a.call.client_id);
    CU_ASSERT_EQUAL(stats_of(SIDE_MAIN).lost, 1);
    down();
}

static void nobody_there_is_not_sent(void)
{
    struct asked a, b;
    up();
    ask(&a, SIDE_NOWHERE, 0, side_words("PING", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_NOT_SENT);
    expect_text("refused", a.why);
    ask(&b, SIDE_NOWHERE, 0, side_words("PING", NULL)); /* in the back-off: no further attempt */
    CU_ASSERT_EQUAL(b.result, REDIS_NOT_SENT);
    CU_ASSERT_STRING_EQUAL(a.why, b.why);
    CU_ASSERT_EQUAL(stats_of(SIDE_NOWHERE).failed, 1);
    run_for(NULL, 120);
    ask(&b, SIDE_NOWHERE, 0, side_words("PING", NULL));
    CU_ASSERT_EQUAL(stats_of(SIDE_NOWHERE).failed, 2);
    down();
}

static void a_reply_beyond_the_limit_is_lost(void)
{
    struct asked a;
    up();
    side_cli("SETRANGE large 70000000 x");
    ask(&a, SIDE_MAIN, 0, side_words("GET", "large", NULL));
    CU_ASSERT_EQUAL(a.result, REDIS_LOST);
    expect_text("larger than", a.why);
    side_cli("DEL large");
    down();
}

static void a_killed_server_is_lost_then_not_sent_then_back(void)
{
    struct asked a, b;
    up();
    prepare(&a, SIDE_MAIN, 0);
    redis_send(pools, &a.call, side_words("BLPOP", "empty", "0", NULL));
    run_for(NULL, 50);
    CU_ASSERT_EQUAL(side_server("crash"), 0);
    wait_for(&a);
    CU_ASSERT_EQUAL(a.result, REDIS_LOST);
    ask(&b, SIDE_MAIN, 0, side_words("PING", NULL));
    CU_ASSERT_EQUAL(b.result, REDIS_NOT_SENT);
    CU_ASSERT_EQUAL(side_server("start"), 0);
    run_for(NULL, 100);
    ask(&b, SIDE_MAIN, 0, side_words("PING", NULL));
    CU_ASSERT_STRING_EQUAL(b.text, "PONG");
    down();
}

/* --- lies --- */

static struct net_conn *liar;
static const char *hello_says, *call_says;
static int heard;

static void liar_heard(void *arg)
{
    (void)arg;
    buf_clear(&liar->in);
    buf_text(&liar->out, heard++ ? call_says : hello_says);
    net_conn_flush(liar);
}
static void liar_accepts(void *arg, int fd, const char *peer)
{
    static const struct net_conn_ops ops = {.on_read = liar_heard};
    (void)arg;
    (void)peer;
    heard = 0;
    liar = net_conn_accept(loop, fd, &ops, NULL);
}

static void expect_lie(const char *hello, const char *call, enum redis_result result, const char *words)
{
    struct asked a;
    char why[128];
    up();
    struct net_listener *listener = net_listener_new(loop, "127.0.0.1", 0, liar_accepts, NULL, why, sizeof why);
    CHECK(listener);
    struct redis_topology map = {0};
    struct redis_node node = {.host = "127.0.0.1", .port = net_listener_port(listener)};
    redis_topology_single(&map, &node);
    redis_resource_publish(&side_resources.at[SIDE_LIAR], &map);
    redis_topology_fini(&map);
    hello_says = hello;
    call_says = call;
    ask(&a, SIDE_LIAR, 300, side_words("PING", NULL));
    CU_ASSERT_EQUAL(a.result, result);
    expect_text(words, a.why);
    net_listener_free(listener);
    down();
}

static void lies_are_lost_with_words(void)
{
    expect_lie("+OK\r\n:7\r\n", "+PONG\r\n", REDIS_REPLIED, "");
    expect_lie("+OK\r\n:7\r\n", "hello\r\n", REDIS_LOST, "not a Redis reply");
    expect_lie("+OK\r\n:7\r\n", "*9999999\r\n", REDIS_LOST, "not a Redis reply");
    expect_lie("+OK\r\n:7\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", REDIS_LOST,
               "not a Redis reply");
    expect_lie("+OK\r\n:7\r\n", "$100\r\nshort", REDIS_LOST, "in time");
    expect_lie("+OK\r\n:7\r\n", "", REDIS_LOST, "in time");
    expect_lie("+OK\r\n:7\r\n+more\r\n", "+PONG\r\n", REDIS_NOT_SENT, "without being asked");
    expect_lie("+OK\r\n+7\r\n", "", REDIS_NOT_SENT, "no number");
    expect_lie("-ERR max number of clients reached\r\n", "", REDIS_NOT_SENT, "max number of clients");
    expect_lie("HTTP/1.1 400 Bad Request\r\n", "", REDIS_NOT_SENT, "not a Redis reply");
    expect_lie("", "", REDIS_NOT_SENT, "in time");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"replies of every kind come back", replies_of_every_kind_come_back},
        {"a connection presents itself", a_connection_presents_itself},
        {"a wrong password: not sent", a_wrong_password_is_not_sent},
        {"calls of one turn go to several connections", calls_of_one_turn_go_to_several_connections},
        {"who waits too long was not sent", who_waits_too_long_was_not_sent},
        {"who cancels hears nothing", who_cancels_hears_nothing},
        {"a call from inside a reply uses the same connection", a_call_from_inside_a_reply_uses_the_same_connection},
        {"a missing library is loaded and the call made once", a_missing_library_is_loaded_and_the_call_made_once},
        {"a library that somebody loaded meanwhile will do", a_library_that_somebody_loaded_meanwhile_will_do},
        {"a pair is answered once with both replies", a_pair_is_answered_once_with_both_replies},
        {"a library that cannot be loaded is the answer", a_library_that_cannot_be_loaded_is_the_answer},
        {"a function that the library has not is the answer", a_function_that_the_library_has_not_is_the_answer},
        {"no reply in time is lost", no_reply_in_time_is_lost},
        {"nobody there is not sent", nobody_there_is_not_sent},
        {"a reply beyond the limit is lost", a_reply_beyond_the_limit_is_lost},
        {"a killed server: lost, then not sent, then back", a_killed_server_is_lost_then_not_sent_then_back},
        {"lies are lost, with words", lies_are_lost_with_words},
        {NULL, NULL},
    };
    int status = side_start();
    if (status)
        return status;
    status = unit_main("redis", tests);
    side_stop();
    return status;
}
