/* Commands that go together over one connection: each reply is heard in its place, what is lost is told once, and nothing is sent
 * again. */
#include "tests/unit/redis_side.h"

#include <stdio.h>
#include <string.h>

#include "proxy/redis/redis.h"

#define MOST 8

static struct net_loop *loop;
static struct redis_pools *pools;

struct asked {
    struct redis_call call;
    bool answered;
    enum redis_result result;
    char said[256];    /* the replies */
    unsigned cancel_at; /* behind so many of them; 0: never */
    unsigned heard;
};

static void note(struct asked *a, const struct redisReply *reply)
{
    size_t n = strlen(a->said);
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(a->said + n, sizeof a->said - n, "%lld,", reply->integer);
    else
        snprintf(a->said + n, sizeof a->said - n, "%.12s,", reply->str ? reply->str : "nil");
    a->heard++;
}

static void on_part(struct redis_call *call, const struct redisReply *reply)
{
    struct asked *a = CONTAINER_OF(call, struct asked, call);
    note(a, reply);
    if (a->heard == a->cancel_at)
        redis_cancel(call);
}

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct asked *a = CONTAINER_OF(call, struct asked, call);
    (void)why;
    a->answered = true;
    a->result = result;
    if (reply)
        note(a, reply);
    net_loop_stop(loop);
}

static void wait_for(const struct asked *a)
{
    while (!a->answered)
        net_loop_run(loop);
}

/* Lines of words. */
static void send(struct asked *a, unsigned resource, const char *const *lines)
{
    struct comp_argv argv[MOST];
    const struct comp_argv *at[MOST];
    size_t n = 0;
    memset(argv, 0, sizeof argv);
    for (size_t i = 0; i < MOST; i++)
        at[i] = &argv[i];
    for (; lines[n]; n++) {
        for (const char *word = lines[n]; *word; word += strspn(word, " ")) {
            size_t len = strcspn(word, " ");
            comp_argv_add(&argv[n], word, len);
            word += len;
        }
    }
    a->call = (struct redis_call){.resource = resource, .on_part = on_part, .on_reply = on_reply};
    redis_send_several(pools, &a->call, at, n);
    for (size_t i = 0; i < n; i++)
        comp_argv_fini(&argv[i]);
}

static void up(void)
{
    loop = net_loop_new();
    CHECK(loop);
    pools = redis_pools_new(loop, &side_resources, &side_options);
    side_cli("FLUSHALL");
}

static void down(void)
{
    redis_pools_free(pools);
    net_loop_free(loop);
}

static void each_reply_in_its_place(void)
{
    struct asked a = {.answered = false}, b = {.answered = false};
    up();
    send(&a, SIDE_NARROW, (const char *const[]){"INCR n", "SET k v", "LPUSH k x", "GET none", "INCR n", NULL});
    send(&b, SIDE_NARROW, (const char *const[]){"INCR n", NULL});
    wait_for(&a);
    wait_for(&b);
    CU_ASSERT(a.result == REDIS_REPLIED && b.result == REDIS_REPLIED);
    CU_ASSERT_STRING_EQUAL(a.said, "1,OK,WRONGTYPE Op,nil,2,");
    CU_ASSERT_STRING_EQUAL(b.said, "3,");
    down();
}

static void a_missing_library_is_told_and_not_loaded(void)
{
    struct asked a = {.answered = false};
    struct redis_pool_stats stats;
    up();
    side_cli("FUNCTION FLUSH");
    send(&a, SIDE_MAIN, (const char *const[]){"INCR n", "FCALL nothing 0", "INCR n", NULL});
    wait_for(&a);
    CU_ASSERT_STRING_EQUAL(a.said, "1,ERR Function,2,");
    redis_pool_stats(pools, SIDE_MAIN, &stats);
    CU_ASSERT_EQUAL(stats.loaded, 0);
    down();
}

static void what_is_lost_is_told_once(void)
{
    struct asked a = {.answered = false};
    up();
    send(&a, SIDE_MAIN, (const char *const[]){"INCR n", "QUIT", "INCR n", "INCR n", NULL});
    wait_for(&a);
    CU_ASSERT_EQUAL(a.result, REDIS_LOST);
    CU_ASSERT_STRING_EQUAL(a.said, "1,OK,");
    CU_ASSERT_STRING_EQUAL(side_cli("GET n"), "1");
    down();
}

static void each_reply_has_its_time(void)
{
    struct asked a = {.answered = false}, b = {.answered = false};
    int *timeout_ms = &side_config.redis[SIDE_MAIN].timeout_ms, before_ms = *timeout_ms;
    up();
    *timeout_ms = 3000;
    send(&a, SIDE_MAIN, (const char *const[]){"BLPOP none 1.6", "BLPOP none 1.6", "INCR n", NULL});
    wait_for(&a);
    CU_ASSERT_EQUAL(a.result, REDIS_REPLIED);
    CU_ASSERT_STRING_EQUAL(a.said, "nil,nil,1,");
    *timeout_ms = 1500;
    send(&b, SIDE_MAIN, (const char *const[]){"BLPOP none 0.1", "BLPOP none 9", "INCR n", NULL});
    wait_for(&b);
    CU_ASSERT_EQUAL(b.result, REDIS_LOST);
    CU_ASSERT_STRING_EQUAL(b.said, "nil,");
    *timeout_ms = before_ms;
    down();
}

static void nobody_there_is_not_sent(void)
{
    struct asked a = {.answered = false};
    up();
    send(&a, SIDE_NOWHERE, (const char *const[]){"INCR n", "INCR n", NULL});
    wait_for(&a);
    CU_ASSERT_EQUAL(a.result, REDIS_NOT_SENT);
    down();
}

static void who_cancels_in_the_middle_hears_no_more(void)
{
    struct asked a = {.cancel_at = 2}, b = {.answered = false};
    up();
    send(&a, SIDE_NARROW, (const char *const[]){"INCR n", "INCR n", "INCR n", "INCR n", NULL});
    send(&b, SIDE_NARROW, (const char *const[]){"INCR n", NULL});
    wait_for(&b);
    CU_ASSERT_FALSE(a.answered);
    CU_ASSERT_STRING_EQUAL(a.said, "1,2,");
    CU_ASSERT_STRING_EQUAL(b.said, "5,");
    down();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each reply in its place", each_reply_in_its_place},
        {"a missing library is told and not loaded", a_missing_library_is_told_and_not_loaded},
        {"what is lost is told once", what_is_lost_is_told_once},
        {"each reply has its time", each_reply_has_its_time},
        {"nobody there is not sent", nobody_there_is_not_sent},
        {"who cancels in the middle hears no more", who_cancels_in_the_middle_hears_no_more},
        {NULL, NULL},
    };
    int result = side_start();
    if (!result)
        result = unit_main("redis several", tests);
    side_stop();
    return result;
}
