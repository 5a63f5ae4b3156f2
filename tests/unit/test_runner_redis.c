/* What runners do with actions on a real Redis: once, behind the locks of transactions, whatever is lost; and with errors. */
#include "base/clock.h"
#include "compensate/calls.h"
#include "compensate/slot.h"
#include "proxy/journal/actions.h"
#include "proxy/redis/blocking.h"
#include "proxy/redis/reply.h"
#include "tests/unit/resolver_side.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct slice text(const char *s) { return (struct slice){(const uint8_t *)s, strlen(s)}; }

/* Words of a line; the reply's text, its number, or how many elements it has. */
static const char *redis(const char *line)
{
    static char out[256];
    static struct redis_options options = {"unit", NULL, NULL};
    char why[256], copy[256], *rest = copy;
    struct comp_argv argv = {0};
    struct redis_resources rows;
    redis_resources_init(&rows, &side_config);
    struct redis_blocking *client = redis_blocking_open(&rows.at[0], &rows.at[0].node, &options, why, sizeof why);
    CHECK(client);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        comp_argv_text(&argv, word);
    struct redisReply *reply = redis_blocking_call(client, &argv, why, sizeof why);
    CHECK(reply);
    if (redis_reply_kind(reply) == REDIS_INTEGER)
        snprintf(out, sizeof out, "%lld", (long long)redis_reply_integer(reply));
    else if (redis_reply_kind(reply) == REDIS_ARRAY)
        snprintf(out, sizeof out, "%zu elements", redis_reply_count(reply));
    else if (redis_reply_kind(reply) == REDIS_NIL)
        snprintf(out, sizeof out, "nil");
    else
        snprintf(out, sizeof out, "%.*s", (int)redis_reply_bytes(reply).len, (const char *)redis_reply_bytes(reply).at);
    redis_reply_free(reply);
    comp_argv_fini(&argv);
    redis_blocking_close(client);
    redis_resources_fini(&rows);
    return out;
}

#define REDIS_SAYS(line, expected) CU_ASSERT_STRING_EQUAL(redis(line), expected)

/* Armed; words of a line. */
static uint64_t arm(const char *owner, uint32_t seq, enum action_on on, const char *line)
{
    struct action_value args[8];
    struct action a;
    char copy[200], *rest = copy;
    wal_pos at;
    snprintf(copy, sizeof copy, "%s", line);
    action_init(&a, on, ACTION_REDIS);
    snprintf(a.owner, sizeof a.owner, "%s", owner);
    snprintf(a.resource, sizeof a.resource, "r");
    snprintf(a.user, sizeof a.user, "shop");
    a.seq = seq;
    a.body = text(strsep(&rest, " "));
    a.args = args;
    for (char *word; (word = strsep(&rest, " ")); a.n_args++)
        args[a.n_args] = (struct action_value){.kind = ACTION_BYTES, .bytes = text(word)};
    CU_ASSERT(journal_action_arm(side_journal, &a, &at));
    return a.id;
}

static enum action_state state_of(uint64_t id)
{
    struct action *a = journal_action_find(side_journal, id);
    enum action_state state = a ? a->state : ACTION_DONE;
    action_free(a);
    return state;
}

static bool says(uint64_t id, const char *begin)
{
    struct action *a = journal_action_find(side_journal, id);
    bool so = a && !strncmp(a->error, begin, strlen(begin));
    action_free(a);
    return so;
}

static unsigned attempts_of(uint64_t id)
{
    struct action *a = journal_action_find(side_journal, id);
    unsigned n = a ? a->attempts : 99;
    action_free(a);
    return n;
}

#define BECOMES(id, wanted) SIDE_WAIT(state_of(id) == (wanted))

static void begin_life(void)
{
    side_new_log();
    side_open();
    side_run();
}

static void test_runs_once(void)
{
    for (int life = 0; life < 3; life++) {
        begin_life();
        uint64_t a = arm("g", 1, ACTION_ON_COMMIT, "INCR n"), b = arm("g", 2, ACTION_ON_COMMIT, "xadd s * id 17");
        uint64_t c = arm("h", 1, ACTION_ON_ROLLBACK, "INCRBY n 10"), d = arm("g", 3, ACTION_ON_COMMIT, "PUBLISH news hello");
        journal_outcome(side_journal, "g", true);
        journal_outcome(side_journal, "h", false);
        CU_ASSERT(BECOMES(a, ACTION_DONE) && BECOMES(b, ACTION_DONE) && BECOMES(c, ACTION_DONE) && BECOMES(d, ACTION_DONE));
        side_end();
    }
    REDIS_SAYS("GET n", "11");
    REDIS_SAYS("XLEN s", "1");
    REDIS_SAYS("EVAL return(table.concat(redis.call('XRANGE','s','-','+')[1][2],'|')) 0", "id|17|xa-id|g:2");
}

/* A mark of an action, as if that had been done so long ago. */
static void set_mark(const char *name, int64_t age_ms)
{
    struct comp_control control;
    char line[200];
    comp_control_of_slot(&control, COMP_SLOT_ALONE);
    snprintf(line, sizeof line, "ZADD %.*sa %lld %s", (int)strlen(control.key) - 1, control.key,
             (long long)(clock_wall_ms() - age_ms), name);
    redis(line);
}

/* A proxy that was away for an hour may have lost its DONE; what removes old marks runs before the action is tried again. */
static void test_mark_outlives_an_absence(void)
{
    struct comp_control control;
    char line[200];
    begin_life();
    uint64_t a = arm("away", 1, ACTION_ON_COMMIT, "INCR once");
    journal_outcome(side_journal, "away", true);
    CU_ASSERT(BECOMES(a, ACTION_DONE));
    side_end();
    set_mark("away:1", 3600 * 1000);
    set_mark("ancient:1", INT64_C(4) * 24 * 3600 * 1000);
    side_open();
    side_run();
    comp_control_of_slot(&control, COMP_SLOT_ALONE);
    snprintf(line, sizeof line, "ZSCORE %.*sa ancient:1", (int)strlen(control.key) - 1, control.key);
    CU_ASSERT(SIDE_WAIT(!strcmp(redis(line), "nil")));
    a = arm("away", 1, ACTION_ON_COMMIT, "INCR once");
    journal_outcome(side_journal, "away", true);
    CU_ASSERT(BECOMES(a, ACTION_DONE));
    REDIS_SAYS("GET once", "1");
    side_end();
}

static void test_error_is_dead_until_a_person_acts(void)
{
    begin_life();
    redis("SET text abc");
    uint64_t a = arm("dead", 1, ACTION_ON_COMMIT, "LPUSH text x"), b = arm("dead", 2, ACTION_ON_COMMIT, "SET behind 1");
    journal_outcome(side_journal, "dead", true);
    CU_ASSERT(BECOMES(a, ACTION_DEAD));
    struct action *seen = journal_action_find(side_journal, a);
    CU_ASSERT(seen && seen->attempts == 3 && strstr(seen->error, "WRONGTYPE"));
    action_free(seen);
    REDIS_SAYS("GET behind", "nil");
    redis("DEL text");
    CU_ASSERT_EQUAL(journal_action_retry(side_journal, a, NULL), ACTION_ASKED_OK);
    CU_ASSERT(BECOMES(a, ACTION_DONE) && BECOMES(b, ACTION_DONE));
    REDIS_SAYS("LLEN text", "1");
    REDIS_SAYS("GET behind", "1");
    side_end();
}

/* A lock that a transaction holds is respected; the owner's own stands in the way of an undo only. */
static void test_waits_for_locks(void)
{
    struct comp_control control;
    char line[200];
    begin_life();
    comp_control_of_slot(&control, 0);
    snprintf(line, sizeof line, "HSET %s Lhot somebody Lown own", control.key);
    redis(line);
    uint64_t a = arm("locks", 1, ACTION_ON_COMMIT, "SET hot 1"), b = arm("own", 1, ACTION_ON_COMMIT, "SET own 1");
    journal_outcome(side_journal, "locks", true);
    journal_outcome(side_journal, "own", true);
    CU_ASSERT(BECOMES(b, ACTION_DONE));
    CU_ASSERT(BECOMES(a, ACTION_WAIT));
    REDIS_SAYS("GET hot", "nil");
    snprintf(line, sizeof line, "HDEL %s Lhot Lown", control.key);
    redis(line);
    CU_ASSERT(BECOMES(a, ACTION_DONE));
    side_end();
}

/* What the action itself follows still holds the key: that is no failure, and nothing that is counted. */
static void test_waits_for_the_end_of_what_it_follows(void)
{
    struct comp_control control;
    char line[200];
    begin_life();
    comp_control_of_slot(&control, 0);
    snprintf(line, sizeof line, "HSET %s Lundone back", control.key);
    redis(line);
    uint64_t a = arm("back", 1, ACTION_ON_ROLLBACK, "SET undone 1");
    journal_outcome(side_journal, "back", false);
    CU_ASSERT(SIDE_WAIT(says(a, "XALOCKED")));
    CU_ASSERT_EQUAL(attempts_of(a), 0);
    REDIS_SAYS("GET undone", "nil");
    snprintf(line, sizeof line, "HDEL %s Lundone", control.key);
    redis(line);
    CU_ASSERT(BECOMES(a, ACTION_DONE));
    REDIS_SAYS("GET undone", "1");
    side_end();
}

static void test_drains_after_an_outage(void)
{
    char owner[16];
    uint64_t last = 0;
    begin_life();
    uint64_t first = arm("first", 1, ACTION_ON_COMMIT, "SET first 1");
    journal_outcome(side_journal, "first", true);
    CU_ASSERT(BECOMES(first, ACTION_DONE));
    CU_ASSERT_EQUAL(side_redis("crash"), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(owner, sizeof owner, "o%d", i);
        last = arm(owner, 1, ACTION_ON_COMMIT, "INCR outage");
        journal_outcome(side_journal, owner, true);
    }
    CU_ASSERT_EQUAL(side_redis("start"), 0);
    CU_ASSERT(BECOMES(last, ACTION_DONE));
    CU_ASSERT(SIDE_WAIT(!journal_oldest_action_ms(side_journal)));
    REDIS_SAYS("GET outage", "300");
    side_end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a command is done once, whatever the log has lost; entries of streams bear its name", test_runs_once},
        {"an error is dead after three tries, until a person acts", test_error_is_dead_until_a_person_acts},
        {"an action waits for keys that a transaction holds", test_waits_for_locks},
        {"waits for the end of what it follows", test_waits_for_the_end_of_what_it_follows},
        {"what gathered while Redis was away is done", test_drains_after_an_outage},
        {"what was done is not done again after a long absence", test_mark_outlives_an_absence}, /* last: raises the epoch */
        {0},
    };
    int status = side_start(NULL);
    if (status)
        return status;
    side_config.action_connections = 3;
    status = unit_main("runners on Redis", tests);
    side_stop();
    return status;
}
