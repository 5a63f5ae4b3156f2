/* Undo by element on a real server, where numbers are large or somebody else was there: lists, sets and hashes of thousands,
 * times to live of fields, pending entries, groups and consumers. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "compensate/slot.h"
#include "tests/unit/comp_expect.h"

static void fill(const char *command, const char *key, unsigned n, const char *score)
{
    char script[256];
    snprintf(script, sizeof script, "EVAL for--[[]]i=1,%u--[[]]do--[[]]redis.call('%s','%s',%si)--[[]]end 0", n, command, key,
             score);
    server_must(script);
}

static void expect_same(const char *before)
{
    char *now = server_fingerprint();
    CU_ASSERT_STRING_EQUAL(now, before);
    free(now);
}

static void undone(const char *line)
{
    char *before = server_fingerprint();
    expect_written("g", 1, line);
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 1, 1, 0, 0);
    expect_same(before);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
    free(before);
}

/* Lua cannot unpack as many at once: a script that fails behind its effect would leave no record of it. */
static void thousands_taken_at_once_come_back(void)
{
    server_seed();
    fill("RPUSH", "many:l", 9000, "");
    fill("SADD", "many:e", 9000, "");
    fill("ZADD", "many:z", 9000, "i,");
    undone("LPOP many:l 8999");
    undone("RPOP many:l 9000");
    undone("LMPOP 1 many:l RIGHT COUNT 8500");
    undone("SPOP many:e 8999");
    undone("ZPOPMIN many:z 8999");
    undone("ZMPOP 1 many:z MAX COUNT 9000");
    undone("ZREMRANGEBYRANK many:z 0 -2");
    undone("LTRIM many:l 8990 -1");
}

static void thousands_named_at_once_come_back(void)
{
    static const struct {
        const char *set, *remove;
    } types[] = {{"HSET", "HDEL"}, {"SADD", "SREM"}, {"ZADD", "ZREM"}};
    server_seed();
    for (size_t t = 0; t < 3; t++) {
        struct comp_argv make = {0}, remove = {0};
        bool pairs = t != 1;
        comp_argv_text(&make, types[t].set);
        comp_argv_text(&make, "wide");
        comp_argv_text(&remove, types[t].remove);
        comp_argv_text(&remove, "wide");
        for (int i = 0; i < 1999; i++) {
            comp_argv_number(&make, i);
            if (pairs)
                comp_argv_number(&make, i);
            comp_argv_number(&remove, i);
        }
        for (int i = 1999; i < 3998; i++)
            comp_argv_number(&remove, i);
        char *nothing = server_fingerprint();
        CU_ASSERT_EQUAL(reply_class(tx_do_argv("g", 1, &make)), COMP_REPLY_OK);
        char *made = server_fingerprint();
        CU_ASSERT_EQUAL(reply_class(tx_do_argv("g", 2, &remove)), COMP_REPLY_OK);
        expect_end(tx_end("g", COMP_END_PARTIAL, 2, 2), 1, 1, 0, 0);
        expect_same(made);
        expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 1, 1, 0, 0);
        expect_same(nothing);
        free(nothing);
        free(made);
        comp_argv_fini(&make);
        comp_argv_fini(&remove);
    }
}

static void elements_beyond_the_limit_are_put_back_at_once(void)
{
    server_seed();
    server_must("SETRANGE long 700000 end");
    for (int i = 0; i < 3; i++)
        server_must("EVAL local--[[]]v=redis.call('GET','long');redis.call('RPUSH','heavy',v);redis.call('HSET','heavy:h','f',v) 0");
    char *before = server_fingerprint();
    redisReply *r = tx_do("g", 1, "LPOP heavy 2");
    CU_ASSERT_TRUE(r->str && strstr(r->str, "exceeds image_max_size (1048576)"));
    CU_ASSERT_EQUAL(reply_class(r), COMP_REPLY_TOO_BIG);
    expect_same(before);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
    expect_written("g", 1, "HDEL heavy:h f"); /* one of them is small enough */
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 1, 1, 0, 0);
    expect_same(before);
    free(before);
}

/* Servers whose fields have times to live only; on others the command does not exist, and nothing is shown. */
static void somebody_else_gave_a_field_a_time(void)
{
    server_seed();
    if (server_integer("HLEN h0") != 4 || reply_class(server_line("HPEXPIRE h0 900000000 FIELDS 1 f0")) != COMP_REPLY_OK)
        return;
    expect_written("g", 1, "HSET h0 f0 9 f1 9");
    server_must("HPEXPIREAT h0 33000000000099 FIELDS 1 f0");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 1, 0, 0, 1);
    expect_line("HGET h0 f0", "9");
    expect_line("HGET h0 f1", "x"); /* what nobody touched comes back */
}

static long long delivered_at(void)
{
    redisReply *r = server_line("XPENDING x0 gx 3-1 3-1 1"), *time = server_line("TIME");
    long long at = r->elements == 1 ? atoll(time->element[0]->str) * 1000 - r->element[0]->element[2]->integer : -1;
    freeReplyObject(r);
    freeReplyObject(time);
    return at;
}

static void an_acknowledgement_is_taken_back_with_its_time(void)
{
    server_seed();
    long long before = delivered_at();
    expect_written("g", 1, "XACK x0 gx 3-1");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 1, 1, 0, 0);
    long long off = delivered_at() - before;
    CU_ASSERT(before > 0 && off > -3000 && off < 3000); /* asked in seconds; it was delivered years ago */
}

static void a_group_that_somebody_uses_stays(void)
{
    server_seed();
    expect_written("g", 1, "XGROUP CREATE x0 mine 0");
    expect_written("g", 2, "XGROUP CREATECONSUMER x0 gr me");
    server_must("XREADGROUP GROUP mine they COUNT 1 STREAMS x0 >");
    server_must("XCLAIM x0 gr me 0 1-1");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 2, 0, 0, 2);
    redisReply *r = server_line("XPENDING x0 mine");
    CU_ASSERT(r->elements == 4 && r->element[0]->integer == 1);
    freeReplyObject(r);
}

/* Never to run what no image could be taken for: here the account may not read what the command removes. */
static void a_capture_that_fails_is_the_answer(void)
{
    server_seed();
    char *before = server_fingerprint();
    server_must("ACL SETUSER blind on nopass ~* &* +@all -zrangebyscore");
    server_must("AUTH blind any");
    redisReply *r = tx_do("g", 1, "ZREMRANGEBYSCORE z0 0 2");
    CU_ASSERT_TRUE(r->type == REDIS_REPLY_ERROR && strstr(r->str, "ERR") == r->str); /* NOPERM in the words of each version */
    CU_ASSERT_EQUAL(reply_class(r), COMP_REPLY_ERROR);
    server_must("AUTH default any");
    expect_same(before);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
    free(before);
}

/* And if something fails behind the effect nevertheless, nobody takes it for an ordinary error. */
static void an_effect_without_a_record_ends_the_transaction_and_is_told(void)
{
    server_seed();
    server_must("ACL SETUSER half on nopass ~* &* +@all -pexpiretime");
    server_must("AUTH half any");
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 1, "SUNIONSTORE e3 e0 e1")), COMP_REPLY_LOST);
    server_must("AUTH default any");
    expect_line("SCARD e3", "5");
    struct comp_argv ask = {0};
    comp_call_conflicts(&ask, COMP_SLOT_ALONE, 100);
    redisReply *r = server_call(&ask);
    CU_ASSERT_EQUAL_FATAL(r->elements, 1);
    CU_ASSERT_STRING_EQUAL(r->element[0]->element[4]->str, "e3");
    CU_ASSERT_STRING_EQUAL(r->element[0]->element[6]->str, "lost");
    freeReplyObject(r);
    comp_argv_fini(&ask);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"thousands taken at once come back", thousands_taken_at_once_come_back},
        {"thousands named at once come back", thousands_named_at_once_come_back},
        {"elements beyond the limit are put back at once", elements_beyond_the_limit_are_put_back_at_once},
        {"somebody else gave a field a time", somebody_else_gave_a_field_a_time},
        {"an acknowledgement is taken back with its time", an_acknowledgement_is_taken_back_with_its_time},
        {"a group that somebody uses stays", a_group_that_somebody_uses_stays},
        {"a capture that fails is the answer", a_capture_that_fails_is_the_answer},
        {"an effect without a record ends the transaction and is told",
         an_effect_without_a_record_ends_the_transaction_and_is_told},
        {NULL, NULL},
    };
    server_start();
    int status = unit_main("comp elements", tests);
    server_stop();
    return status;
}
