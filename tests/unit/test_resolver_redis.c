/* What the resolver does on a real Redis with what a dead or a living process left there. */
#include "base/clock.h"
#include "compensate/calls.h"
#include "compensate/reply.h"
#include "proxy/redis/blocking.h"
#include "proxy/redis/reply.h"
#include "tests/unit/resolver_side.h"
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redis_blocking *client; /* of the process that is to die, by its name */

static void open_client(const char *name)
{
    static char kept[64];
    static struct redis_options options;
    struct redis_resources rows;
    char why[256];
    redis_blocking_close(client);
    snprintf(kept, sizeof kept, "%s", name);
    options = (struct redis_options){kept, comp_library_name(), comp_library_text()};
    redis_resources_init(&rows, &side_config);
    client = redis_blocking_open(&rows.at[0], &rows.at[0].node, &options, why, sizeof why);
    redis_resources_fini(&rows);
    CHECK(client);
}

static void open_client_of_epoch(void)
{
    char name[64];
    snprintf(name, sizeof name, "xaproxy-unit-%s-%llu", journal_log_id(side_journal),
             (unsigned long long)journal_epoch(side_journal));
    open_client(name);
}

/* Words of a line; the reply's text, or its number. */
static const char *redis(const char *line)
{
    static char out[256];
    char why[256], copy[256], *rest = copy;
    struct comp_argv argv = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        comp_argv_text(&argv, word);
    struct redisReply *reply = redis_blocking_call(client, &argv, why, sizeof why);
    comp_argv_fini(&argv);
    if (!reply)
        return "LOST";
    if (redis_reply_kind(reply) == REDIS_INTEGER)
        snprintf(out, sizeof out, "%lld", (long long)redis_reply_integer(reply));
    else
        snprintf(out, sizeof out, "%.*s", (int)redis_reply_bytes(reply).len, (const char *)redis_reply_bytes(reply).at);
    redis_reply_free(reply);
    return out;
}

/* A write of a transaction, as a worker sends it. */
static enum comp_reply write_in(const char *gtrid, uint64_t epoch, uint32_t seq, const char *command, const char *key,
                                const char *value)
{
    static const struct comp_limits limits = COMP_LIMITS_DEFAULT;
    struct comp_command_use use;
    struct comp_refusal refusal;
    struct comp_argv words = {0}, call = {0};
    char why[256];
    comp_argv_text(&words, command);
    comp_argv_text(&words, key);
    comp_argv_text(&words, value);
    CHECK(comp_command_check(&words, true, &use, &refusal));
    comp_call_do(&call, &(struct comp_origin){gtrid, journal_fence(side_journal), epoch, use.slot}, seq, &limits, &words, &use);
    struct redisReply *reply = redis_blocking_call(client, &call, why, sizeof why);
    CHECK(reply);
    enum comp_reply class =
        redis_reply_kind(reply) == REDIS_ERROR ? comp_reply_of_error(redis_reply_bytes(reply)) : COMP_REPLY_OK;
    redis_reply_free(reply);
    comp_argv_fini(&words);
    comp_argv_fini(&call);
    return class;
}

static void touch(void)
{
    wal_wait(journal_wal(side_journal), journal_touch(side_journal, "r", 0));
}

static bool usable(void)
{
    return SIDE_WAIT(side_resources.at[0].usable == 1);
}

static const char *verdict(void)
{
    static struct redis_resource_texts texts;
    redis_resource_texts(&side_resources.at[0], &texts);
    return texts.verdict;
}

static bool value_becomes(const char *key, const char *value)
{
    char line[64];
    snprintf(line, sizeof line, "GET %s", key);
    return SIDE_WAIT(!strcmp(redis(line), value));
}

/* --- after a process died ------------------------------------------------------------------------------------------------ */

static void test_settles_by_the_log(void)
{
    struct xa_gtrid decided, undecided;
    struct comp_horizon_record horizon;
    side_new_log();
    side_open();
    open_client_of_epoch();
    uint64_t epoch = journal_epoch(side_journal);
    redis("SET a old");
    redis("SET b old");
    touch();
    side_name(&decided);
    side_name(&undecided);
    CU_ASSERT_EQUAL(write_in(decided.text, epoch, 1, "SET", "a", "new"), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(write_in(undecided.text, epoch, 1, "SET", "b", "new"), COMP_REPLY_OK);
    side_decide(&decided, NULL, true, clock_wall_ms());
    side_end();

    struct redis_blocking *dead = client;
    client = NULL;
    open_client("test");
    side_open();
    side_run();
    CU_ASSERT(usable());
    CU_ASSERT(value_becomes("b", "old"));
    CU_ASSERT_STRING_EQUAL(redis("GET a"), "new");
    CU_ASSERT(SIDE_WAIT(!xa_registry_find(journal_registry(side_journal), decided.text, NULL, NULL)));
    CU_ASSERT(journal_decided(side_journal, decided.text)); /* remembered: Redis may fail over */
    CU_ASSERT(SIDE_WAIT(side_counters().committed == 1));
    CU_ASSERT(SIDE_WAIT(side_counters().rolled_back == 1));
    CU_ASSERT(SIDE_WAIT(side_counters().kills == 1)); /* the dead process's connection */
    CU_ASSERT_EQUAL(write_in("xap1:unit:x:1:1-1", epoch, 1, "SET", "c", "late"), COMP_REPLY_STALE);
    CU_ASSERT(SIDE_WAIT((journal_horizon(side_journal, "r", &horizon), horizon.epoch == journal_epoch(side_journal))));
    redis_blocking_close(dead);

    /* what an older state of Redis brings back is no more ours to take back */
    CU_ASSERT_EQUAL(write_in(undecided.text, epoch + 1, 2, "SET", "b", "again"), COMP_REPLY_FENCED);
    struct xa_gtrid orphan;
    snprintf(orphan.text, sizeof orphan.text, "xap1:unit:%s:%llx:fff-0123456789abcdef", journal_log_id(side_journal),
             (unsigned long long)epoch);
    CU_ASSERT_EQUAL(write_in(orphan.text, epoch + 1, 1, "SET", "b", "orphan"), COMP_REPLY_OK);
    CU_ASSERT(SIDE_WAIT(side_seen(orphan.text).found));
    CU_ASSERT_STRING_EQUAL(side_seen(orphan.text).fate, "ORPHAN");
    CU_ASSERT_STRING_EQUAL(redis("GET b"), "orphan");
    CU_ASSERT(SIDE_WAIT(side_seen(orphan.text).age_ms > 500)); /* of the first sweep that saw it, some before the last */
    struct xa_person_verdict v = {.gtrid = orphan, .at_ms = clock_wall_ms(), .who = "dba", .why = "test"};
    journal_person_verdict(side_journal, &v);
    resolver_sweep_redis(side_resolver, 0);
    CU_ASSERT(value_becomes("b", "old"));
    side_end();
}

/* --- while we live -------------------------------------------------------------------------------------------------------- */

static void test_living_and_handed_over(void)
{
    struct xa_gtrid live, owned;
    side_open();
    side_run();
    CU_ASSERT(usable());
    uint64_t epoch = journal_epoch(side_journal);
    touch();
    side_name(&live);
    side_name(&owned);
    redis("SET a old");
    redis("SET b old");
    side_live(live.text);
    side_decide(&owned, NULL, true, clock_wall_ms());
    CU_ASSERT_EQUAL(write_in(live.text, epoch, 1, "SET", "a", "new"), COMP_REPLY_OK);
    CU_ASSERT_EQUAL(write_in(owned.text, epoch, 1, "SET", "b", "new"), COMP_REPLY_OK);
    clock_sleep_ms(700);
    CU_ASSERT_STRING_EQUAL(redis("GET a"), "new");
    CU_ASSERT_EQUAL(side_counters().committed + side_counters().rolled_back, 0);

    xa_registry_hand_over(journal_registry(side_journal), owned.text);
    side_live(NULL);
    resolver_sweep_redis(side_resolver, 0);
    CU_ASSERT(value_becomes("a", "old"));
    CU_ASSERT(SIDE_WAIT(side_counters().committed == 1));
    CU_ASSERT_STRING_EQUAL(redis("GET b"), "new");
    side_end();
}

static char conflict_id[64];

static void on_conflict(void *arg, const struct resolver_conflict *row)
{
    unsigned *n = arg;
    ++*n;
    snprintf(conflict_id, sizeof conflict_id, "%s", row->id);
    CU_ASSERT_STRING_EQUAL(row->key, "a");
    CU_ASSERT_STRING_EQUAL(row->command, "SET");
    CU_ASSERT(row->at_ms > 0);
}

static unsigned conflicts(void)
{
    unsigned n = 0;
    resolver_each_conflict(side_resolver, on_conflict, &n);
    return n;
}

static void test_conflict_is_kept_for_people(void)
{
    struct xa_gtrid gtrid;
    side_open();
    side_run();
    CU_ASSERT(usable());
    touch();
    side_name(&gtrid);
    side_live(gtrid.text);
    redis("SET a old");
    CU_ASSERT_EQUAL(write_in(gtrid.text, journal_epoch(side_journal), 1, "SET", "a", "new"), COMP_REPLY_OK);
    redis("SET a changed-past-the-proxy");
    side_live(NULL);
    CU_ASSERT(SIDE_WAIT(conflicts() == 1));
    CU_ASSERT_STRING_EQUAL(redis("GET a"), "changed-past-the-proxy");
    resolver_settle_conflict(side_resolver, 0, conflict_id, COMP_SETTLE_FORCE);
    CU_ASSERT(value_becomes("a", "old"));
    CU_ASSERT(SIDE_WAIT(conflicts() == 0));
    side_end();
}

/* --- verdicts -------------------------------------------------------------------------------------------------------------- */

static void test_eviction_of_all_keys_is_refused(void)
{
    redis("CONFIG SET maxmemory 100mb");
    redis("CONFIG SET maxmemory-policy allkeys-lru");
    side_open();
    side_run();
    CU_ASSERT(SIDE_WAIT(side_resources.at[0].usable == -1));
    CU_ASSERT_PTR_NOT_NULL(strstr(verdict(), "allkeys"));
    redis("CONFIG SET maxmemory-policy noeviction");
    CU_ASSERT(SIDE_WAIT(side_resources.at[0].usable == 1)); /* looked at again by itself */
    side_end();
}

static void test_later_epoch_is_a_copy(void)
{
    side_open();
    touch();
    struct comp_argv call = {0};
    char why[256];
    comp_call_epoch(&call, 0, journal_fence(side_journal), 1000000);
    redis_reply_free(redis_blocking_call(client, &call, why, sizeof why));
    comp_argv_fini(&call);
    side_run();
    CU_ASSERT(SIDE_WAIT(side_resources.at[0].usable == -1));
    CU_ASSERT_PTR_NOT_NULL(strstr(verdict(), "a copy of this log"));
    redis("FLUSHALL");
    CU_ASSERT(SIDE_WAIT(side_resources.at[0].usable == 1));
    side_end();
}

static void test_redis_returns_with_an_older_state(void)
{
    struct xa_gtrid gtrid;
    side_open();
    touch();
    uint64_t epoch = journal_epoch(side_journal);
    side_run();
    CU_ASSERT(usable());
    side_name(&gtrid);
    CU_ASSERT_EQUAL(write_in(gtrid.text, epoch - 1, 1, "SET", "a", "late"), COMP_REPLY_STALE);
    redis("FLUSHALL");
    redis("FUNCTION FLUSH");
    CU_ASSERT_EQUAL(side_redis("crash"), 0);
    CU_ASSERT(SIDE_WAIT(!side_resources.at[0].reachable && side_resources.at[0].usable == 0));
    CU_ASSERT_EQUAL(side_redis("start"), 0);
    CU_ASSERT(usable());
    open_client("test");
    CU_ASSERT_EQUAL(write_in(gtrid.text, epoch - 1, 1, "SET", "a", "late"), COMP_REPLY_STALE); /* the fence is there again */
    side_end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a dead process's writes are ended by the log, its late ones fenced, orphans shown", test_settles_by_the_log},
        {"what lives is left alone, what is handed over is ended", test_living_and_handed_over},
        {"what cannot be taken back is shown, and settled at a person's word", test_conflict_is_kept_for_people},
        {"a Redis that evicts any key is refused, and looked at again", test_eviction_of_all_keys_is_refused},
        {"a later epoch of our log means a copy of it", test_later_epoch_is_a_copy},
        {"a Redis that comes back with an older state is fenced again", test_redis_returns_with_an_older_state},
        {NULL, NULL},
    };
    int status = side_start(NULL);
    if (status)
        return status;
    open_client("test");
    status = unit_main("resolver and Redis", tests);
    redis_blocking_close(client);
    side_stop();
    return status;
}
