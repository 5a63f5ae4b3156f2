/* On a real server: a pipeline of commands outside a transaction runs up to the first whose key is held, or until it has enough
 * to say; what it does not answer was not done. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/comp_server.h"

/* Writes always look. */
static void add_with(struct comp_pipeline *p, const char *line, bool looks)
{
    static struct comp_command_use use;
    struct comp_argv command = {0};
    struct comp_refusal why;
    argv_of_line(&command, line);
    CU_ASSERT_TRUE_FATAL(comp_command_check(&command, false, &use, &why));
    comp_pipeline_add(p, &command, &use, looks || use.class == COMP_CLASS_WRITE);
    comp_argv_fini(&command);
}

static void add(struct comp_pipeline *p, const char *line)
{
    add_with(p, line, false);
}

static redisReply *run(struct comp_pipeline *p)
{
    struct comp_argv call = {0};
    comp_call_pipeline(&call, 0, p);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    comp_pipeline_fini(p);
    CU_ASSERT_EQUAL_FATAL(r->type, REDIS_REPLY_ARRAY);
    return r;
}

static size_t done(struct comp_pipeline *p)
{
    redisReply *r = run(p);
    size_t n = r->elements;
    freeReplyObject(r);
    return n;
}

static void each_command_has_its_reply(void)
{
    struct comp_pipeline p = {0};
    server_seed();
    add(&p, "SET s5 new");
    add(&p, "get s5");
    add(&p, "LPUSH s5 x");
    add(&p, "INCRBY s0 9007199254740993");
    add(&p, "GET none");
    add(&p, "MSET s6 1 s7 2");
    add(&p, "MGET s6 none s7");
    redisReply *r = run(&p);
    CU_ASSERT_EQUAL_FATAL(r->elements, 7);
    CU_ASSERT_STRING_EQUAL(r->element[0]->str, "OK");
    CU_ASSERT_STRING_EQUAL(r->element[1]->str, "new");
    CU_ASSERT_EQUAL(r->element[2]->type, REDIS_REPLY_ERROR);
    CU_ASSERT_STRING_EQUAL(r->element[3]->str, "9007199254740998");
    CU_ASSERT_EQUAL(r->element[4]->type, REDIS_REPLY_NIL);
    CU_ASSERT_EQUAL(r->element[6]->elements, 3);
    freeReplyObject(r);
}

static void it_stops_where_a_key_is_held(void)
{
    struct comp_pipeline p = {0};
    server_seed();
    freeReplyObject(tx_do("g", 1, "SET s1 9"));
    add(&p, "SET s5 1");
    add(&p, "GET s1"); /* looks at nothing */
    add(&p, "COPY s0 s6 REPLACE");
    add(&p, "COPY s1 s7 REPLACE"); /* only reads the held one, but writes */
    add(&p, "SET s5 2");
    CU_ASSERT_EQUAL(done(&p), 3);
    CU_ASSERT_EQUAL(server_integer("GET s5"), 1);
    add_with(&p, "GET s5", true);
    add_with(&p, "GET s1", true);
    add(&p, "SET s5 3");
    CU_ASSERT_EQUAL(done(&p), 1);
    add(&p, "SET s1 3");
    add(&p, "SET s5 3");
    CU_ASSERT_EQUAL(done(&p), 0);
    freeReplyObject(tx_end("g", COMP_END_COMMIT, 1, 1));
    add(&p, "SET s1 3");
    add(&p, "SET s5 3");
    CU_ASSERT_EQUAL(done(&p), 2);
    CU_ASSERT_EQUAL(server_integer("GET s5"), 3);
}

static void it_stops_where_a_counter_is_pending(void)
{
    struct comp_pipeline p = {0};
    server_seed();
    freeReplyObject(tx_do("g", 1, "XAINCR count n 5 0 100"));
    add(&p, "SET s5 1");
    add(&p, "HINCRBY count n 1");
    CU_ASSERT_EQUAL(done(&p), 1);
    freeReplyObject(tx_end("g", COMP_END_ROLLBACK, 1, 1));
}

static void it_stops_when_it_has_said_enough(void)
{
    struct comp_pipeline p = {0};
    static char line[600000];
    server_seed();
    int n = snprintf(line, sizeof line, "SET big ");
    memset(line + n, 'x', sizeof line - 1 - (size_t)n);
    add(&p, line);
    for (int i = 0; i < 4; i++)
        add(&p, "GET big");
    add(&p, "SET s5 1");
    CU_ASSERT_EQUAL(done(&p), 3);
}

static void it_has_room_for_so_many_keys(void)
{
    static struct comp_command_use use;
    struct comp_pipeline p = {0};
    struct comp_argv command = {0};
    struct comp_refusal why;
    char line[64];
    argv_of_line(&command, "SET k v");
    CU_ASSERT_TRUE_FATAL(comp_command_check(&command, false, &use, &why));
    int i = 0;
    for (; comp_pipeline_has_room(&p, &use); i++) {
        snprintf(line, sizeof line, "SET many:%d %d", i, i);
        add(&p, line);
    }
    CU_ASSERT_EQUAL(i, COMP_PIPELINE_KEYS);
    CU_ASSERT_EQUAL(done(&p), COMP_PIPELINE_KEYS);
    comp_argv_fini(&command);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each command has its reply", each_command_has_its_reply},
        {"it stops where a key is held", it_stops_where_a_key_is_held},
        {"it stops where a counter is pending", it_stops_where_a_counter_is_pending},
        {"it stops when it has said enough", it_stops_when_it_has_said_enough},
        {"it has room for so many keys", it_has_room_for_so_many_keys},
        {NULL, NULL},
    };
    server_start();
    int result = unit_main("comp pipeline", tests);
    server_stop();
    return result;
}
