/* Where the masters are, as Redis says it: slot maps, addresses, replies that send a call elsewhere, and what is
 * none of these. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/redis/resp.h"
#include "proxy/redis/topology.h"

static const struct redis_node asked = {.host = "10.0.0.9", .port = 7009};

static redisReply *reply_of(const char *bytes)
{
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    CHECK(reader && redisReaderFeed(reader, bytes, strlen(bytes)) == REDIS_OK);
    CHECK(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    redisReaderFree(reader);
    return reply;
}

static bool read_map(struct redis_topology *t, const char *bytes)
{
    redisReply *reply = reply_of(bytes);
    bool good = redis_topology_read(t, reply, &asked);
    freeReplyObject(reply);
    return good;
}

/* "host:port" of the slot's master. */
static const char *owner(const struct redis_topology *t, unsigned slot)
{
    static char text[REDIS_NODE_TEXT];
    const struct redis_node *node = redis_topology_owner(t, comp_slot_of_number(slot));
    return node ? redis_node_text(node, text) : "nobody";
}

#define NODE(host, port) "*3\r\n" host ":" port "\r\n$2\r\nid\r\n"
#define ONE NODE("$8\r\n10.0.0.1\r\n", "7001")
#define TWO NODE("$2\r\n::\r\n", "7002")
#define SELF NODE("$-1\r\n", "7003")
#define EMPTY NODE("$0\r\n\r\n", "7004")

static void slots_have_their_master(void)
{
    struct redis_topology t = {0};
    CU_ASSERT_TRUE_FATAL(read_map(&t, "*4\r\n*4\r\n:0\r\n:99\r\n" ONE TWO "*3\r\n:100\r\n:100\r\n" TWO
                                      "*3\r\n:200\r\n:16383\r\n" SELF "*3\r\n:150\r\n:151\r\n" EMPTY));
    CU_ASSERT_EQUAL(t.n, 4);
    CU_ASSERT_STRING_EQUAL(owner(&t, 0), "10.0.0.1:7001");
    CU_ASSERT_STRING_EQUAL(owner(&t, 99), "10.0.0.1:7001");
    CU_ASSERT_STRING_EQUAL(owner(&t, 100), "[::]:7002");
    CU_ASSERT_STRING_EQUAL(owner(&t, 101), "nobody");
    CU_ASSERT_STRING_EQUAL(owner(&t, 150), "10.0.0.9:7004");
    CU_ASSERT_STRING_EQUAL(owner(&t, 16383), "10.0.0.9:7003");
    redis_topology_fini(&t);
}

static void other_replies_are_no_map(void)
{
    static const char *const others[] = {
        "*0\r\n", "$-1\r\n", "-ERR no\r\n", ":1\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n" ONE, "*1\r\n*3\r\n:-1\r\n:1\r\n" ONE, "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n" ONE,
        "*1\r\n*3\r\n:0\r\n:1\r\n" NODE("$1\r\na\r\n", "0"), "*1\r\n*3\r\n:0\r\n:1\r\n" NODE("$1\r\na\r\n", "65536"),
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
    };
    struct redis_topology t = {0};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CU_ASSERT_FALSE(read_map(&t, others[i]));
    redis_topology_fini(&t);
}

static void maps_are_compared_and_copied(void)
{
    struct redis_topology a = {0}, b = {0};
    CU_ASSERT_TRUE(read_map(&a, "*1\r\n*3\r\n:0\r\n:16383\r\n" ONE));
    redis_topology_copy(&b, &a);
    CU_ASSERT_TRUE(redis_topology_same(&a, &b));
    CU_ASSERT_TRUE(redis_topology_has(&b, &a.node[0]));
    CU_ASSERT_FALSE(redis_topology_has(&b, &asked));
    CU_ASSERT_TRUE(read_map(&b, "*1\r\n*3\r\n:0\r\n:16382\r\n" ONE));
    CU_ASSERT_FALSE(redis_topology_same(&a, &b));
    redis_topology_single(&b, &asked);
    CU_ASSERT_FALSE(redis_topology_same(&a, &b));
    CU_ASSERT_STRING_EQUAL(owner(&b, 4711), "10.0.0.9:7009");
    CU_ASSERT_PTR_NOT_NULL(redis_topology_owner(&b, COMP_SLOT_ALONE));
    redis_topology_fini(&a);
    redis_topology_fini(&b);
}

/* The detour, and where to. */
static const char *detour(const char *bytes)
{
    static const char *const names[] = {"none", "moved", "ask", "again", "master"};
    static char out[REDIS_NODE_TEXT + 8];
    char text[REDIS_NODE_TEXT];
    struct redis_node to = {.port = 0};
    redisReply *reply = reply_of(bytes);
    enum redis_detour d = redis_reply_detour(reply, &asked, &to);
    freeReplyObject(reply);
    snprintf(out, sizeof out, "%s%s%s", names[d], to.port ? " " : "", to.port ? redis_node_text(&to, text) : "");
    return out;
}

static void errors_that_send_elsewhere(void)
{
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999 127.0.0.1:6381\r\n"), "moved 127.0.0.1:6381");
    CU_ASSERT_STRING_EQUAL(detour("-ASK 3999 shard.example:6381\r\n"), "ask shard.example:6381");
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999 ::1:6381\r\n"), "moved [::1]:6381");
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999 :6381\r\n"), "moved 10.0.0.9:6381");
    CU_ASSERT_STRING_EQUAL(detour("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"), "again");
    CU_ASSERT_STRING_EQUAL(detour("-CLUSTERDOWN Hash slot not served\r\n"), "again");
    CU_ASSERT_STRING_EQUAL(detour("-READONLY You can't write against a read only replica.\r\n"), "master");
    CU_ASSERT_STRING_EQUAL(detour("+OK\r\n"), "none");
    CU_ASSERT_STRING_EQUAL(detour("$5\r\nMOVED\r\n"), "none");
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999\r\n"), "none");
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999 nowhere\r\n"), "none");
    CU_ASSERT_STRING_EQUAL(detour("-MOVED 3999 host:70000\r\n"), "none");
}

static const char *objection(const char *bytes)
{
    static char out[64];
    redisReply *reply = reply_of(bytes);
    const char *what = redis_hello_objection(reply);
    snprintf(out, sizeof out, "%s", what ? what : "");
    freeReplyObject(reply);
    return out;
}

static void only_a_master_is_spoken_to(void)
{
    CU_ASSERT_STRING_EQUAL(objection("*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n"), "");
    CU_ASSERT_STRING_EQUAL(objection("*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:1\r\n"), "it is not the master");
    CU_ASSERT_STRING_EQUAL(objection("-NOAUTH first\r\n"), "NOAUTH first");
    CU_ASSERT_STRING_EQUAL(objection(":7\r\n"), "");
}

static void addresses_in_one_word(void)
{
    static const char *const wrong[] = {"", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:+1", "[::1]", "[::1]1",
                                        "/s:1", "::1:6379"};
    char host[256];
    int port;
    CU_ASSERT_TRUE(config_address_read("redis.example:6379", host, &port) && port == 6379 && !strcmp(host, "redis.example"));
    CU_ASSERT_TRUE(config_address_read("[::1]:7000", host, &port) && port == 7000 && !strcmp(host, "::1"));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_FALSE(config_address_read(wrong[i], host, &port));
}

static void what_is_near(void)
{
    static const char *const near[] = {"127.0.0.1", "127.1.2.3", "::1", "localhost", "/run/redis.sock"};
    static const char *const far[] = {"10.0.0.1", "redis.example", "::", "localhost.example", "127.0.0.1.example"};
    struct redis_node n;
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_TRUE(redis_node_set(&n, near[i], strlen(near[i]), 1) && redis_node_is_near(&n));
        CU_ASSERT_TRUE(redis_node_set(&n, far[i], strlen(far[i]), 1) && !redis_node_is_near(&n));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"slots have their master", slots_have_their_master},
        {"other replies are no map", other_replies_are_no_map},
        {"maps are compared and copied", maps_are_compared_and_copied},
        {"errors that send elsewhere", errors_that_send_elsewhere},
        {"only a master is spoken to", only_a_master_is_spoken_to},
        {"addresses in one word", addresses_in_one_word},
        {"what is near", what_is_near},
        {NULL, NULL},
    };
    return unit_main("redis, where its masters are", tests);
}
