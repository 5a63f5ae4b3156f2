/* The function library's promises on a real server, one story each: duplicates, fences, locks, votes, conflicts, limits. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compensate/slot.h"
#include "tests/unit/comp_expect.h"

static void rollback(const char *gtrid, uint32_t last)
{
    freeReplyObject(tx_end(gtrid, COMP_END_ROLLBACK, 1, last));
}

static redisReply *call0(void (*build)(struct comp_argv *, uint16_t))
{
    struct comp_argv call = {0};
    build(&call, 0);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return r;
}

static redisReply *conflicts(void)
{
    struct comp_argv call = {0};
    comp_call_conflicts(&call, 0, 100);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return r;
}

static enum comp_reply settle(const char *id, bool force)
{
    struct comp_argv call = {0};
    comp_call_settle(&call, 0, (struct slice){(const uint8_t *)id, strlen(id)}, force ? COMP_SETTLE_FORCE : COMP_SETTLE_DISMISS, COMP_DIRTY_DELTA);
    redisReply *r = server_call(&call);
    comp_argv_fini(&call);
    return reply_class(r);
}

static void a_write_sent_twice_is_applied_once(void)
{
    server_seed();
    expect_written("g", 1, "INCRBY s0 3");
    redisReply *r = tx_do("g", 1, "INCRBY s0 3");
    CU_ASSERT(r->type == REDIS_REPLY_INTEGER && r->integer == 8);
    freeReplyObject(r);
    expect_line("GET s0", "8");
    expect_written("g", 2, "LPOP l0 2");
    r = tx_do("g", 2, "LPOP l0 2");
    CU_ASSERT(r->type == REDIS_REPLY_ARRAY && r->elements == 2 && !strcmp(r->element[1]->str, "b"));
    freeReplyObject(r);
    expect_line("LLEN l0", "3");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 2, 2, 0, 0);
    expect_line("GET s0", "5");
}

static void an_end_repeated_does_nothing(void)
{
    server_seed();
    expect_written("g", 1, "INCRBY s0 3");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 1, 1, 0, 0);
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 1), 0, 0, 0, 0);
    expect_line("GET s0", "5");
}

static void a_late_write_of_an_ended_transaction_bounces(void)
{
    server_seed();
    struct comp_end end = {.mode = COMP_END_ROLLBACK, .tombstone = true, .first = 1, .last = 1};
    freeReplyObject(tx_end_with("g", &end));
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 1, "INCR s0")), COMP_REPLY_FENCED);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 0, 1, false)), COMP_REPLY_FENCED);
    expect_line("GET s0", "5");
    struct comp_argv sweep = {0};
    comp_call_sweep(&sweep, 0, 600000, 600000);
    redisReply *r = server_call(&sweep);
    CU_ASSERT_EQUAL(r->integer, 0);
    freeReplyObject(r);
    comp_argv_clear(&sweep);
    comp_call_sweep(&sweep, 0, 0, 0);
    r = server_call(&sweep);
    CU_ASSERT_EQUAL(r->integer, 1);
    freeReplyObject(r);
    comp_argv_fini(&sweep);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void a_raised_epoch_fences_names_that_nobody_knows(void)
{
    server_seed();
    struct comp_argv raise = {0};
    comp_call_epoch(&raise, 0, "n", 6);
    CU_ASSERT_EQUAL(reply_class(server_call(&raise)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 1, "INCR s0")), COMP_REPLY_STALE);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 0, 0, false)), COMP_REPLY_STALE);
    comp_argv_clear(&raise);
    comp_call_epoch(&raise, 0, "n", 4);
    redisReply *r = server_call(&raise);
    CU_ASSERT_EQUAL(r->integer, 6); /* it never falls */
    freeReplyObject(r);
    comp_argv_fini(&raise);
}

static enum comp_reply outside(const char *line, bool read, const char *gtrid)
{
    struct comp_argv command = {0}, call = {0};
    struct comp_command_use use;
    struct comp_refusal why;
    argv_of_line(&command, line);
    CU_ASSERT_TRUE_FATAL(comp_command_check(&command, false, &use, &why));
    if (read)
        comp_call_get(&call, gtrid, &command, &use);
    else
        comp_call_run(&call, &command, &use);
    redisReply *r = server_call(&call);
    comp_argv_fini(&command);
    comp_argv_fini(&call);
    return reply_class(r);
}

static void a_key_is_held_to_the_end_against_everybody(void)
{
    server_seed();
    expect_written("g", 1, "SET s0 9");
    redisReply *r = tx_do("other", 1, "APPEND s0 x");
    struct slice owner, key;
    CU_ASSERT_TRUE(comp_reply_locked((struct slice){(const uint8_t *)r->str, (size_t)r->len}, &owner, &key));
    CU_ASSERT_TRUE(slice_is(owner, "g") && slice_is(key, "s0"));
    freeReplyObject(r);
    CU_ASSERT_EQUAL(reply_class(tx_do("other", 2, "COPY s0 copy")), COMP_REPLY_LOCKED); /* nothing may be derived from it */
    CU_ASSERT_EQUAL(outside("INCR s0", false, ""), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(outside("GET s0", true, ""), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(outside("GET s0", true, "g"), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(outside("INCR s5", false, ""), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(outside("PFCOUNT p0 p1", true, ""), COMP_REPLY_OK);
    freeReplyObject(tx_end("g", COMP_END_PARTIAL, 1, 1));
    CU_ASSERT_EQUAL(reply_class(tx_do("other", 3, "INCR s0")), COMP_REPLY_LOCKED); /* two-phase: to the end */
    freeReplyObject(tx_end("g", COMP_END_COMMIT, 1, 1));
    CU_ASSERT_EQUAL(outside("INCR s0", false, ""), COMP_REPLY_OK);
    expect_line("GET s0", "6");
}

static void a_source_is_not_held(void)
{
    server_seed();
    expect_written("g", 1, "SUNIONSTORE e3 e0 e1");
    CU_ASSERT_EQUAL(outside("SADD e0 new", false, ""), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(outside("SADD e3 new", false, ""), COMP_REPLY_LOCKED);
    rollback("g", 1);
}

static void a_vote_wants_exactly_what_was_acknowledged(void)
{
    server_seed();
    expect_written("g", 1, "INCR s0");
    expect_written("g", 2, "INCR s0");
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 2, 2, false)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 2, 2, true)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 3, 3, false)), COMP_REPLY_MISSING);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 1, 2, false)), COMP_REPLY_MISSING); /* one more than we know of */
    freeReplyObject(tx_end("g", COMP_END_PARTIAL, 2, 2));
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 1, 2, true)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(reply_class(tx_vote("g", 2, 2, true)), COMP_REPLY_MISSING);
    rollback("g", 2);
}

static void a_late_twin_of_a_write_behind_the_savepoint_bounces(void)
{
    server_seed();
    expect_written("g", 1, "INCRBY s0 1");
    expect_written("g", 2, "INCRBY s0 10");
    expect_end(tx_end("g", COMP_END_PARTIAL, 2, 2), 1, 1, 0, 0);
    expect_line("GET s0", "6");
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 2, "INCRBY s0 10")), COMP_REPLY_FENCED);
    expect_written("g", 3, "INCRBY s0 100");
    expect_end(tx_end("g", COMP_END_PARTIAL, 2, 2), 0, 0, 0, 0); /* late twin of the partial end */
    expect_line("GET s0", "106");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 3), 2, 2, 0, 0);
    expect_line("GET s0", "5");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void what_somebody_else_changed_is_left_and_reported(void)
{
    server_seed();
    expect_written("g", 1, "SET s1 mine");
    expect_written("g", 2, "HSET h0 f0 mine f1 mine");
    expect_written("g", 3, "INCRBY s0 10");
    expect_written("g", 4, "ZUNIONSTORE z2 1 z0");
    server_must("SET s1 theirs");
    server_must("HSET h0 f0 theirs");
    server_must("INCRBY s0 1");
    server_must("ZADD z2 9 theirs");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 4), 4, 1, 1, 3);
    expect_line("GET s1", "theirs");
    expect_line("HGET h0 f0", "theirs");
    expect_line("HGET h0 f1", "x"); /* untouched by others: restored */
    expect_line("GET s0", "6");     /* counters by delta */
    expect_line("ZSCORE z2 theirs", "9");
    redisReply *rows = conflicts();
    CU_ASSERT_EQUAL_FATAL(rows->elements, 3);
    for (size_t i = 0; i < rows->elements; i++) {
        CU_ASSERT_STRING_EQUAL(rows->element[i]->element[2]->str, "g");
        CU_ASSERT_STRING_EQUAL(rows->element[i]->element[6]->str, "dirty");
    }
    freeReplyObject(rows);
    CU_ASSERT_EQUAL(settle("g:1:1", true), COMP_REPLY_OK);
    expect_line("GET s1", "hello");
    CU_ASSERT_EQUAL(settle("g:2:1", false), COMP_REPLY_OK);
    expect_line("HGET h0 f0", "theirs");
    CU_ASSERT_EQUAL(settle("g:4:1", true), COMP_REPLY_OK);
    expect_line("ZCARD z2", "3");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void force_takes_back_over_others(void)
{
    server_seed();
    expect_written("g", 1, "SET s1 mine");
    server_must("SET s1 theirs");
    struct comp_end end = {.mode = COMP_END_ROLLBACK, .dirty = COMP_DIRTY_FORCE, .first = 1, .last = 1};
    expect_end(tx_end_with("g", &end), 1, 1, 0, 0);
    expect_line("GET s1", "hello");
}

static void one_failing_inverse_does_not_stop_the_others(void)
{
    server_seed();
    expect_written("g", 1, "SET s1 mine");
    expect_written("g", 2, "INCRBY s0 10");
    expect_written("g", 3, "SADD e1 mine");
    server_must("SET s0 9223372036854775807x"); /* INCRBY back is an error now */
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 3), 3, 2, 0, 1);
    expect_line("GET s1", "hello");
    expect_line("SISMEMBER e1 mine", "0");
    redisReply *rows = conflicts();
    CU_ASSERT_EQUAL_FATAL(rows->elements, 1);
    CU_ASSERT_STRING_EQUAL(rows->element[0]->element[6]->str, "error");
    freeReplyObject(rows);
    CU_ASSERT_EQUAL(settle("g:2:1", true), COMP_REPLY_ERROR); /* still cannot: stays for a person */
    CU_ASSERT_EQUAL(settle("g:2:1", false), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void a_removed_key_is_not_brought_back(void)
{
    server_seed();
    expect_written("g", 1, "HINCRBY h0 f0 5");
    expect_written("g", 2, "SADD e0 new");
    server_must("DEL h0 e0");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 2, 0, 0, 2);
    expect_line("EXISTS h0 e0", "0");
    CU_ASSERT_EQUAL(settle("g:1:1", false), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(settle("g:2:1", false), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(settle("g:2:1", false), COMP_REPLY_OK); /* nil: no such any more */
}

static void times_to_live_come_back_and_pass(void)
{
    server_seed();
    server_must("SET short v PX 300");
    server_must("RPUSH shortlist a");
    server_must("PEXPIRE shortlist 300");
    expect_written("g", 1, "SET s1 v PX 100");   /* over a lasting value, with a time of its own */
    expect_written("g", 2, "DEL s2");            /* had a time far away */
    expect_written("g", 3, "SET short w");       /* its time passes meanwhile */
    expect_written("g", 4, "PEXPIRE l0 100");    /* takes the value with it */
    expect_written("g", 5, "LPOP shortlist");
    expect_written("g", 6, "PERSIST h1");
    clock_sleep_ms(400);
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 6), 6, 6, 0, 0);
    expect_line("GET s1", "hello");
    expect_line("PTTL s1", "-1");
    expect_line("PEXPIRETIME s2", "33000000000000");
    expect_line("EXISTS short shortlist", "0");
    expect_line("LLEN l0", "5");
    expect_line("PEXPIRETIME h1", "33000000000002");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void integers_beyond_two_to_the_53_are_exact(void)
{
    server_seed();
    server_must("SET big 9007199254740992");
    redisReply *r = tx_do("g", 1, "INCR big");
    CU_ASSERT_STRING_EQUAL(r->str ? r->str : "integer", "9007199254740993");
    freeReplyObject(r);
    r = tx_do("g", 1, "INCR big");
    CU_ASSERT_STRING_EQUAL(r->str ? r->str : "integer", "9007199254740993");
    freeReplyObject(r);
    expect_written("g", 2, "SET low 5");
    expect_written("g", 3, "INCRBY low -9223372036854775808"); /* has no positive twin */
    expect_written("g", 4, "HINCRBY h0 f2 -9223372036854775805");
    expect_end(tx_end("g", COMP_END_PARTIAL, 3, 4), 2, 2, 0, 0);
    expect_line("GET low", "5");
    expect_line("HGET h0 f2", "-3");
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 5, "BITFIELD s0 GET u60 0")), COMP_REPLY_REFUSED);
    rollback("g", 5);
    expect_line("GET big", "9007199254740992");
}

static void a_key_named_twice_is_restored_once(void)
{
    server_seed();
    expect_written("g", 1, "MSET s1 a s1 b");
    expect_written("g", 2, "DEL s0 s0 s0");
    expect_written("g", 3, "ZUNIONSTORE z0 2 z0 z0");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 3), 3, 3, 0, 0);
    expect_line("GET s1", "hello");
    expect_line("GET s0", "5");
    expect_line("ZSCORE z0 m1", "2");
}

static void binary_keys_and_values_come_back(void)
{
    server_seed();
    struct comp_argv set = {0};
    comp_argv_text(&set, "SET");
    comp_argv_add(&set, "k\0\r\n{}\xff ", 8);
    comp_argv_add(&set, "\0before", 7);
    CU_ASSERT_EQUAL(reply_class(server_call(&set)), COMP_REPLY_OK);
    struct comp_argv append = {0};
    comp_argv_text(&append, "append");
    comp_argv_add(&append, "k\0\r\n{}\xff ", 8);
    comp_argv_add(&append, "\r\n\0", 3);
    char *before = server_fingerprint();
    CU_ASSERT_EQUAL(reply_class(tx_do_argv("g", 1, &append)), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(reply_class(tx_do_argv("other", 1, &append)), COMP_REPLY_LOCKED);
    rollback("g", 1);
    char *after = server_fingerprint();
    CU_ASSERT_STRING_EQUAL(before, after);
    free(before);
    free(after);
    comp_argv_fini(&set);
    comp_argv_fini(&append);
}

static void restore_and_xsetid_are_taken_back(void)
{
    server_seed();
    redisReply *dump = server_line("DUMP h0");
    struct comp_argv restore = {0};
    comp_argv_text(&restore, "RESTORE");
    comp_argv_text(&restore, "l0");
    comp_argv_text(&restore, "0");
    comp_argv_add(&restore, dump->str, (size_t)dump->len);
    comp_argv_text(&restore, "REPLACE");
    CU_ASSERT_EQUAL(reply_class(tx_do_argv("g", 1, &restore)), COMP_REPLY_OK);
    expect_line("TYPE l0", "hash");
    expect_written("g", 2, "XSETID x0 99-1");
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 2, 2, 0, 0);
    expect_line("LINDEX l0 0", "a");
    expect_line("XADD x0 4-1 f v", "4-1"); /* below 99-1 */
    freeReplyObject(dump);
    comp_argv_fini(&restore);
}

static void an_image_beyond_the_limit_is_refused_and_nothing_done(void)
{
    server_seed();
    server_must("EVAL for--[[]]i=1,10001--[[]]do--[[]]redis.call('SADD','big',i)--[[]]end 0");
    redisReply *r = tx_do("g", 1, "SINTERSTORE big e0 e1");
    CU_ASSERT_EQUAL_FATAL(r->type, REDIS_REPLY_ERROR);
    CU_ASSERT_PTR_NOT_NULL(strstr(r->str, "set of 10001 elements exceeds image_max (10000)"));
    CU_ASSERT_EQUAL(reply_class(r), COMP_REPLY_TOO_BIG);
    expect_line("SCARD big", "10001");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
    expect_written("g", 2, "SADD big more"); /* single elements need no image */
    expect_written("g", 3, "DEL big");       /* moved aside, not copied */
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 3), 2, 2, 0, 0);
    expect_line("SCARD big", "10001");
}

static void long_strings_go_through_a_shadow(void)
{
    server_seed();
    server_must("SETRANGE long 50000 end");
    expect_written("g", 1, "SET long short");
    expect_written("g", 2, "SET s1 x");
    CU_ASSERT_EQUAL(server_leftovers(), 2); /* control hash and the shadow */
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 2, 2, 0, 0);
    expect_line("STRLEN long", "50003");
    expect_written("h", 1, "SET long short");
    expect_end(tx_end("h", COMP_END_COMMIT, 1, 1), 1, 0, 0, 0);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void without_memory_nothing_is_written_but_all_is_taken_back(void)
{
    server_seed();
    expect_written("g", 1, "SET s1 mine");
    server_must("CONFIG SET maxmemory 1");
    CU_ASSERT_EQUAL(reply_class(tx_do("g", 2, "SET s3 mine")), COMP_REPLY_NO_MEMORY);
    CU_ASSERT_EQUAL(outside("SET s3 theirs", false, ""), COMP_REPLY_NO_MEMORY);
    CU_ASSERT_EQUAL(outside("DEL d0", false, ""), COMP_REPLY_OK); /* frees some */
    CU_ASSERT_EQUAL(outside("GET s3", true, ""), COMP_REPLY_OK);
    expect_end(tx_end("g", COMP_END_ROLLBACK, 1, 2), 1, 1, 0, 0);
    server_must("CONFIG SET maxmemory 0");
    expect_line("GET s1", "hello");
    expect_line("GET s3", "1.5");
}

static void a_scan_names_what_is_open(void)
{
    server_seed();
    expect_written("a:b:1", 1, "INCR s0");
    expect_written("a:b:1", 3, "MSET s1 x s3 y");
    struct comp_end end = {.mode = COMP_END_ROLLBACK, .tombstone = true, .first = 1, .last = 1};
    freeReplyObject(tx_end_with("dead", &end));
    redisReply *r = call0(comp_call_scan);
    CU_ASSERT_EQUAL_FATAL(r->elements, 2);
    for (size_t i = 0; i < 2; i++) {
        redisReply **row = r->element[i]->element;
        bool open = !strcmp(row[0]->str, "a:b:1");
        CU_ASSERT(open || !strcmp(row[0]->str, "dead"));
        CU_ASSERT(row[1]->integer == (open ? 1 : 0) && row[2]->integer == (open ? 3 : 0));
        CU_ASSERT(row[3]->integer == (open ? 2 : 0) && row[4]->integer == (open ? 3 : 0));
        CU_ASSERT_EQUAL(row[5]->str[0], open ? '\0' : 'R');
    }
    freeReplyObject(r);
    server_must("HSET xa:{c}:c Lstray a:b:1"); /* a lock without a record goes too when asked for */
    end = (struct comp_end){.mode = COMP_END_ROLLBACK, .all_locks = true, .first = 1, .last = 3};
    expect_end(tx_end_with("a:b:1", &end), 2, 3, 0, 0);
    expect_line("HLEN xa:{c}:c", "1");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a write sent twice is applied once", a_write_sent_twice_is_applied_once},
        {"an end repeated does nothing", an_end_repeated_does_nothing},
        {"a late write of an ended transaction bounces", a_late_write_of_an_ended_transaction_bounces},
        {"a raised epoch fences names that nobody knows", a_raised_epoch_fences_names_that_nobody_knows},
        {"a key is held to the end against everybody", a_key_is_held_to_the_end_against_everybody},
        {"a source is not held", a_source_is_not_held},
        {"a vote wants exactly what was acknowledged", a_vote_wants_exactly_what_was_acknowledged},
        {"a late twin of a write behind the savepoint bounces", a_late_twin_of_a_write_behind_the_savepoint_bounces},
        {"what somebody else changed is left and reported", what_somebody_else_changed_is_left_and_reported},
        {"force takes back over others", force_takes_back_over_others},
        {"one failing inverse does not stop the others", one_failing_inverse_does_not_stop_the_others},
        {"a removed key is not brought back", a_removed_key_is_not_brought_back},
        {"times to live come back, and pass", times_to_live_come_back_and_pass},
        {"integers beyond 2^53 are exact", integers_beyond_two_to_the_53_are_exact},
        {"a key named twice is restored once", a_key_named_twice_is_restored_once},
        {"binary keys and values come back", binary_keys_and_values_come_back},
        {"RESTORE and XSETID are taken back", restore_and_xsetid_are_taken_back},
        {"an image beyond the limit is refused and nothing done", an_image_beyond_the_limit_is_refused_and_nothing_done},
        {"long strings go through a shadow", long_strings_go_through_a_shadow},
        {"without memory nothing is written but all is taken back", without_memory_nothing_is_written_but_all_is_taken_back},
        {"a scan names what is open", a_scan_names_what_is_open},
        {NULL, NULL},
    };
    server_start();
    int status = unit_main("comp redis", tests);
    server_stop();
    return status;
}
