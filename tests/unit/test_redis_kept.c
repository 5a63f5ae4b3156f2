/* A connection that is kept for one caller: what WATCH remembers holds up to EXEC, goes with the connection, and is nobody else's
 * afterwards. */
#include "tests/unit/redis_side.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/redis/redis.h"

static struct net_loop *loop;
static struct redis_pools *pools;

struct asked {
    struct redis_call call;
    bool answered;
    enum redis_result result;
    int type;
    long long integer; /* of the first element, if it is an array */
};

static void on_reply(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct asked *a = CONTAINER_OF(call, struct asked, call);
    (void)why;
    a->answered = true;
    a->result = result;
    a->type = reply ? reply->type : 0;
    if (reply)
        a->integer = reply->type == REDIS_REPLY_ARRAY && reply->elements ? reply->element[0]->integer : reply->integer;
    net_loop_stop(loop);
}

static struct asked *fresh(struct asked *a, unsigned resource)
{
    *a = (struct asked){.call = {.resource = resource, .on_reply = on_reply}};
    return a;
}

static void wait_for(const struct asked *a)
{
    while (!a->answered)
        net_loop_run(loop);
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

static void watch(struct asked *a, struct redis_kept *kept)
{
    redis_send_keeping(pools, &fresh(a, SIDE_MAIN)->call, side_words("WATCH", "k", NULL), kept);
    wait_for(a);
    CU_ASSERT_EQUAL(a->type, REDIS_REPLY_STATUS);
    CU_ASSERT_PTR_NOT_NULL(kept->conn);
}

static void exec(struct asked *a, struct redis_kept *kept)
{
    redis_send_exec(pools, &fresh(a, SIDE_MAIN)->call, side_words("INCR", "k", NULL), kept);
    CU_ASSERT_PTR_NULL(kept->conn);
    wait_for(a);
    CU_ASSERT_EQUAL(a->result, REDIS_REPLIED);
}

static void exec_runs_where_nobody_came_between(void)
{
    struct redis_kept kept = {0};
    struct asked a, other;
    up();
    watch(&a, &kept);
    uint64_t id = a.call.client_id;
    redis_send(pools, &fresh(&other, SIDE_MAIN)->call, side_words("GET", "k", NULL));
    wait_for(&other);
    CU_ASSERT_NOT_EQUAL(other.call.client_id, id); /* it is nobody else's meanwhile */
    exec(&a, &kept);
    CU_ASSERT(a.type == REDIS_REPLY_ARRAY && a.integer == 1);
    watch(&a, &kept);
    redis_keep_end(&kept);
    down();
}

static void exec_does_nothing_where_somebody_came_between(void)
{
    struct redis_kept kept = {0};
    struct asked a;
    up();
    watch(&a, &kept);
    watch(&a, &kept); /* again, on the same one */
    side_cli("SET k 5");
    exec(&a, &kept);
    CU_ASSERT_EQUAL(a.type, REDIS_REPLY_NIL);
    CU_ASSERT_STRING_EQUAL(side_cli("GET k"), "5");
    watch(&a, &kept);
    exec(&a, &kept);
    CU_ASSERT(a.type == REDIS_REPLY_ARRAY && a.integer == 6);
    down();
}

static void what_was_watched_goes_with_the_connection(void)
{
    struct redis_kept kept = {0};
    struct asked a;
    up();
    watch(&a, &kept);
    side_cli("CLIENT KILL TYPE normal");
    fresh(&a, SIDE_MAIN);
    redis_send(pools, &a.call, side_words("GET", "k", NULL)); /* the death is heard of before its reply */
    wait_for(&a);
    CU_ASSERT(!kept.conn && kept.died);
    redis_keep_end(&kept);
    CU_ASSERT_FALSE(kept.died);
    down();
}

static void who_leaves_leaves_nothing_watched(void)
{
    struct redis_kept kept = {0};
    struct asked a;
    up();
    watch(&a, &kept);
    redis_keep_end(&kept);
    side_cli("SET k 5");
    for (int i = 0; i < 2; i++) { /* the connection that was kept is free again */
        watch(&a, &kept);
        exec(&a, &kept);
        CU_ASSERT_EQUAL(a.type, REDIS_REPLY_ARRAY);
    }
    redis_send_keeping(pools, &fresh(&a, SIDE_MAIN)->call, side_words("WATCH", "k", NULL), &kept);
    redis_cancel(&a.call); /* before its connection is known */
    redis_keep_end(&kept);
    struct asked b;
    redis_send(pools, &fresh(&b, SIDE_MAIN)->call, side_words("INCR", "k", NULL));
    wait_for(&b);
    CU_ASSERT_EQUAL(b.integer, 8);
    CU_ASSERT_PTR_NULL(kept.conn);
    down();
}

static void not_all_connections_may_be_kept(void)
{
    struct redis_kept kept = {0};
    struct asked a;
    up();
    CU_ASSERT_TRUE(redis_may_keep(pools, SIDE_MAIN));
    CU_ASSERT_FALSE(redis_may_keep(pools, SIDE_NARROW)); /* it has one */
    unsigned n = (unsigned)side_config.redis[SIDE_MAIN].max_connections / 2;
    struct redis_kept *many = calloc(n, sizeof *many);
    for (unsigned i = 0; i < n; i++) {
        CU_ASSERT_TRUE(redis_may_keep(pools, SIDE_MAIN));
        watch(&a, &many[i]);
    }
    CU_ASSERT_FALSE(redis_may_keep(pools, SIDE_MAIN));
    redis_keep_end(&many[0]);
    watch(&a, &kept);
    for (unsigned i = 0; i < n; i++)
        redis_keep_end(&many[i]);
    redis_keep_end(&kept);
    free(many);
    down();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"EXEC runs where nobody came between", exec_runs_where_nobody_came_between},
        {"EXEC does nothing where somebody came between", exec_does_nothing_where_somebody_came_between},
        {"what was watched goes with the connection", what_was_watched_goes_with_the_connection},
        {"who leaves leaves nothing watched", who_leaves_leaves_nothing_watched},
        {"not all connections may be kept", not_all_connections_may_be_kept},
        {NULL, NULL},
    };
    int status = side_start();
    if (status)
        return status;
    status = unit_main("redis kept", tests);
    side_stop();
    return status;
}
