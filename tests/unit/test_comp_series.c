/* On a real server: a series of commands outside a transaction is one step, which honours the locks of all its keys, and each
 * command in it fails for itself. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/comp_server.h"

/* Adds a command; a line that begins with ! goes as it is. */
static void add(struct comp_series *s, const char *line)
{
    static struct comp_command_use use;
    struct comp_argv command = {0};
    struct comp_refusal why;
    bool as_it_is = *line == '!';
    argv_of_line(&command, line + as_it_is);
    CU_ASSERT_TRUE_FATAL(as_it_is || comp_command_check(&command, false, &use, &why));
    comp_series_add(s, &command, as_it_is ? NULL : &use);
    comp_argv_fini(&command);
}

static redisReply *run(struct comp_series *s)
{
    struct comp_argv call = {0};
    comp_call_series(&call, 0, s);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    comp_series_clear(s);
    return r;
}

static void each_command_has_its_reply(void)
{
    struct comp_series s = {0};
    server_seed();
    add(&s, "SET s5 new");
    add(&s, "get s5");
    add(&s, "LPUSH s5 x");
    add(&s, "INCRBY s0 9007199254740993");
    add(&s, "BLPOP none l0 0");
    add(&s, "BLPOP none 0");
    add(&s, "GET none");
    add(&s, "PING");
    add(&s, "!FLUSHALL");
    redisReply *r = run(&s);
    CU_ASSERT_EQUAL_FATAL(r->elements, 9);
    CU_ASSERT_STRING_EQUAL(r->element[0]->str, "OK");
    CU_ASSERT_STRING_EQUAL(r->element[1]->str, "new");
    CU_ASSERT_EQUAL(r->element[2]->type, REDIS_REPLY_ERROR);
    CU_ASSERT_PTR_NOT_NULL(strstr(r->element[2]->str, "WRONGTYPE"));
    CU_ASSERT_STRING_EQUAL(r->element[3]->str, "9007199254740998");
    CU_ASSERT_EQUAL(r->element[4]->elements, 2);
    CU_ASSERT_EQUAL(r->element[5]->type, REDIS_REPLY_NIL);
    CU_ASSERT_EQUAL(r->element[6]->type, REDIS_REPLY_NIL);
    CU_ASSERT_STRING_EQUAL(r->element[7]->str, "PONG");
    CU_ASSERT_STRING_EQUAL(r->element[8]->str, "OK");
    freeReplyObject(r);
    CU_ASSERT_EQUAL(server_integer("DBSIZE"), 0);
    comp_series_fini(&s);
}

static void one_held_key_holds_up_the_whole(void)
{
    struct comp_series s = {0};
    server_seed();
    freeReplyObject(tx_do("g", 1, "SET s1 9"));
    add(&s, "SET s5 new");
    add(&s, "COPY s1 s4");
    redisReply *r = run(&s);
    CU_ASSERT_EQUAL(reply_class(r), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(server_integer("EXISTS s5"), 0);
    add(&s, "SET s5 new");
    add(&s, "GET s1"); /* reads too: what is seen in one step is committed */
    CU_ASSERT_EQUAL(reply_class(run(&s)), COMP_REPLY_LOCKED);
    freeReplyObject(tx_end("g", COMP_END_COMMIT, 1, 1));
    add(&s, "SET s5 new");
    add(&s, "COPY s1 s4 REPLACE");
    CU_ASSERT_EQUAL(reply_class(run(&s)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(server_integer("GET s4"), 9);
    comp_series_fini(&s);
}

static void it_may_be_long(void)
{
    struct comp_series s = {0};
    char line[64];
    server_seed();
    for (int i = 0; i < 20000; i++) {
        snprintf(line, sizeof line, "SET many:%d %d", i, i);
        add(&s, line);
    }
    redisReply *r = run(&s);
    CU_ASSERT_EQUAL(r->elements, 20000);
    freeReplyObject(r);
    CU_ASSERT_EQUAL(server_integer("GET many:19999"), 19999);
    freeReplyObject(tx_do("g", 1, "SET many:19999 0"));
    for (int i = 0; i < 20000; i++) {
        snprintf(line, sizeof line, "GET many:%d", i);
        add(&s, line);
    }
    CU_ASSERT_EQUAL(reply_class(run(&s)), COMP_REPLY_LOCKED);
    comp_series_fini(&s);
}

static void who_waits_wants_its_keys(void)
{
    struct comp_series s = {0};
    struct comp_argv command = {0};
    static struct comp_command_use use;
    add(&s, "GET a");
    add(&s, "SET b 1");
    add(&s, "RENAME c a");
    comp_series_use(&s, &command, &use);
    CU_ASSERT(use.class == COMP_CLASS_WRITE && use.n_written == 3 && use.n_keys == 4);
    CU_ASSERT_TRUE(slice_is(comp_argv_at(&command, use.key[0]), "b") && slice_is(comp_argv_at(&command, use.key[3]), "a"));
    comp_series_clear(&s);
    for (int i = 0; i < 2 * COMP_MAX_KEYS; i++)
        add(&s, "GET a");
    comp_series_use(&s, &command, &use);
    CU_ASSERT(use.class == COMP_CLASS_READ && use.n_keys == COMP_MAX_KEYS);
    comp_argv_fini(&command);
    comp_series_fini(&s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each command has its reply", each_command_has_its_reply},
        {"one held key holds up the whole", one_held_key_holds_up_the_whole},
        {"it may be long", it_may_be_long},
        {"who waits wants its keys", who_waits_wants_its_keys},
        {NULL, NULL},
    };
    server_start();
    int result = unit_main("comp series", tests);
    server_stop();
    return result;
}
