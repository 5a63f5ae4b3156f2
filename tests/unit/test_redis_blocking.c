/* The resolver's blocking client: same presentation, same library, an honest NULL when nothing is known. */
#include "tests/unit/redis_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/redis/fleet.h"

static char why[200];

static struct redis_blocking *open_one(unsigned resource)
{
    return redis_blocking_open(&side_resources.at[resource], &side_resources.at[resource].node, &side_options, why, sizeof why);
}

static void it_presents_itself_and_calls(void)
{
    struct redis_blocking *b = open_one(SIDE_LOGIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    redisReply *reply = redis_blocking_call(b, side_words("CLIENT", "INFO", NULL), why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
    CU_ASSERT_PTR_NOT_NULL(strstr(reply->str, " name=xap-test-1 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(reply->str, " db=3 "));
    char id[32];
    snprintf(id, sizeof id, "id=%llu ", (unsigned long long)redis_blocking_client_id(b));
    CU_ASSERT_EQUAL(strncmp(reply->str, id, strlen(id)), 0);
    freeReplyObject(reply);
    redis_blocking_close(b);
}

static void it_loads_the_missing_library(void)
{
    side_cli("DEL count");
    side_cli("FUNCTION FLUSH");
    struct redis_blocking *b = open_one(SIDE_MAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    for (long long n = 1; n < 3; n++) {
        redisReply *reply =
            redis_blocking_call(b, side_words("FCALL", "side_count", "1", "count", NULL), why, sizeof why);
        CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
        CU_ASSERT_EQUAL(reply->integer, n);
        freeReplyObject(reply);
    }
    redis_blocking_close(b);
}

static void it_says_why_it_is_not_let_in(void)
{
    CU_ASSERT_PTR_NULL(open_one(SIDE_WRONG));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "WRONGPASS"));
    CU_ASSERT_PTR_NULL(open_one(SIDE_NOWHERE));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "refused"));
}

static void it_gives_up_in_time(void)
{
    struct config_redis *config = &side_config.redis[SIDE_MAIN];
    config->timeout_ms = 200;
    struct redis_blocking *b = open_one(SIDE_MAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    int64_t began = clock_mono_ms();
    CU_ASSERT_PTR_NULL(redis_blocking_call(b, side_words("BLPOP", "empty", "0", NULL), why, sizeof why));
    CU_ASSERT(clock_mono_ms() - began >= 150 && clock_mono_ms() - began < 20000);
    CU_ASSERT(strlen(why) > 0);
    redis_blocking_close(b);
    config->timeout_ms = 5000;
}

/* The answer that comes too late is not taken for that of the next call. */
static void what_was_lost_stays_lost(void)
{
    struct config_redis *config = &side_config.redis[SIDE_MAIN];
    config->timeout_ms = 200;
    struct redis_blocking *b = open_one(SIDE_MAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_FALSE(redis_blocking_is_lost(b));
    CU_ASSERT_PTR_NULL(redis_blocking_call(b, side_words("BLPOP", "late", "0", NULL), why, sizeof why));
    CU_ASSERT_TRUE(redis_blocking_is_lost(b));
    config->timeout_ms = 5000;
    side_cli("RPUSH late x");
    CU_ASSERT_PTR_NULL(redis_blocking_call(b, side_words("PING", NULL), why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "lost before"));
    redis_blocking_close(b);
    side_cli("DEL late");
}

static void a_fleet_opens_anew_what_was_lost(void)
{
    struct config_redis *config = &side_config.redis[SIDE_MAIN];
    struct redis_fleet *f = redis_fleet_open(&side_resources.at[SIDE_MAIN], &side_options, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(redis_fleet_look(f, why, sizeof why), REDIS_FLEET_SAME);
    config->timeout_ms = 200;
    CU_ASSERT_PTR_NULL(redis_fleet_ask(f, 0, side_words("BLPOP", "empty", "0", NULL), why, sizeof why));
    config->timeout_ms = 5000;
    CU_ASSERT_EQUAL(redis_fleet_look(f, why, sizeof why), REDIS_FLEET_CHANGED);
    redisReply *reply = redis_fleet_ask(f, 0, side_words("ECHO", "mine", NULL), why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
    CU_ASSERT_STRING_EQUAL(reply->str, "mine");
    freeReplyObject(reply);
    CU_ASSERT_EQUAL(redis_fleet_look(f, why, sizeof why), REDIS_FLEET_SAME);
    redis_fleet_close(f);
}

static void it_refuses_a_reply_beyond_the_limit(void)
{
    side_cli("SETRANGE large 70000000 x");
    struct redis_blocking *b = open_one(SIDE_MAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_PTR_NULL(redis_blocking_call(b, side_words("GET", "large", NULL), why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "larger than"));
    redis_blocking_close(b);
    side_cli("DEL large");
}

static void it_notices_that_the_server_is_gone(void)
{
    struct redis_blocking *b = open_one(SIDE_MAIN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_EQUAL(side_server("crash"), 0);
    *why = '\0';
    CU_ASSERT_PTR_NULL(redis_blocking_call(b, side_words("PING", NULL), why, sizeof why));
    CU_ASSERT(strlen(why) > 0);
    redis_blocking_close(b);
    redis_blocking_close(NULL);
    CU_ASSERT_EQUAL(side_server("start"), 0);
}

static void a_resource_is_described_for_people(void)
{
    struct redis_resource_texts texts;
    struct redis_resource *r = &side_resources.at[SIDE_MAIN];
    CU_ASSERT_EQUAL(r->usable, 0);
    redis_resource_set_verdict(r, -1, "7.0.15", "evicts keys: %s", "allkeys-lru");
    redis_resource_texts(r, &texts);
    CU_ASSERT_EQUAL(r->usable, -1);
    CU_ASSERT_STRING_EQUAL(texts.version, "7.0.15");
    CU_ASSERT_STRING_EQUAL(texts.verdict, "evicts keys: allkeys-lru");
    redis_resource_set_verdict(r, 1, NULL, "fine");
    redis_resource_texts(r, &texts);
    CU_ASSERT_STRING_EQUAL(texts.version, "7.0.15");
    CU_ASSERT_STRING_EQUAL(texts.verdict, "fine");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"it presents itself and calls", it_presents_itself_and_calls},
        {"it loads the missing library", it_loads_the_missing_library},
        {"it says why it is not let in", it_says_why_it_is_not_let_in},
        {"it gives up in time", it_gives_up_in_time},
        {"what was lost stays lost", what_was_lost_stays_lost},
        {"a fleet opens anew what was lost", a_fleet_opens_anew_what_was_lost},
        {"it refuses a reply beyond the limit", it_refuses_a_reply_beyond_the_limit},
        {"it notices that the server is gone", it_notices_that_the_server_is_gone},
        {"a resource is described for people", a_resource_is_described_for_people},
        {NULL, NULL},
    };
    int status = side_start();
    if (status)
        return status;
    status = unit_main("redis, blocking", tests);
    side_stop();
    return status;
}
