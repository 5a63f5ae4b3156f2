/* Actions as records and as a schedule: what is written is read again and what is odd is refused; who may run, when, and what an
 * attempt comes to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/schedule.h"
#include "tests/unit/unit.h"

static struct slice text(const char *s) { return (struct slice){(const uint8_t *)s, strlen(s)}; }

static struct action sample(uint64_t id, const char *owner, uint32_t seq, enum action_on on, const char *resource)
{
    struct action a;
    action_init(&a, on, ACTION_SQL);
    a.id = id;
    a.seq = seq;
    snprintf(a.owner, sizeof a.owner, "%s", owner);
    snprintf(a.resource, sizeof a.resource, "%s", resource);
    snprintf(a.user, sizeof a.user, "app");
    a.body = text("UPDATE t SET a = ?");
    return a;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static void test_record_comes_back(void)
{
    struct action_value args[] = {{.kind = ACTION_NULL},
                                  {.kind = ACTION_BYTES, .bytes = {(const uint8_t *)"a\0b", 3}},
                                  {.kind = ACTION_INT, .i = -5},
                                  {.kind = ACTION_DOUBLE, .d = 1.5}};
    struct action a = sample(7, "xap1:n:1", 3, ACTION_ON_ROLLBACK, "one");
    struct buf b = {0};
    snprintf(a.key, sizeof a.key, "order-17");
    a.args = args;
    a.n_args = 4;
    a.parallel = a.retriable = true;
    a.state = ACTION_RUNNING;
    a.attempts = 9;
    snprintf(a.by, sizeof a.by, "xap1:n:1.2");
    a.happened = a.ansi_quotes = a.probe = true;
    action_write(&b, &a);
    struct action *r = action_read((struct slice){buf_at(&b), buf_len(&b)});
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT(r->id == 7 && r->seq == 3 && r->on == ACTION_ON_ROLLBACK && r->attempts == 9 && r->parallel && r->retriable);
    CU_ASSERT(r->happened && r->probe && r->ansi_quotes && !r->no_backslash_escapes && !strcmp(r->by, "xap1:n:1.2"));
    CU_ASSERT(!r->idempotent && !strcmp(r->key, "order-17") && slice_is(r->body, "UPDATE t SET a = ?"));
    CU_ASSERT_EQUAL(r->state, ACTION_WAIT); /* what ran at a crash is tried again */
    CU_ASSERT(r->n_args == 4 && r->args[0].kind == ACTION_NULL && r->args[2].i == -5 && r->args[3].d == 1.5);
    CU_ASSERT(r->args[1].bytes.len == 3 && !memcmp(r->args[1].bytes.at, "a\0b", 3));
    action_free(r);
    buf_fini(&b);
}

/* Whatever a byte is changed to, nothing is read beyond the record, and what is read could have been written. */
static void test_damaged_record_is_refused_or_sound(void)
{
    struct action a = sample(7, "owner", 1, ACTION_ON_COMMIT, "one");
    struct buf b = {0};
    unsigned refused = 0;
    action_write(&b, &a);
    for (size_t i = 0; i < buf_len(&b); i++) {
        for (unsigned v = 0; v < 256; v += 17) {
            uint8_t *copy = malloc(buf_len(&b));
            memcpy(copy, buf_at(&b), buf_len(&b));
            copy[i] ^= (uint8_t)(v + 1);
            struct action *r = action_read((struct slice){copy, buf_len(&b)});
            refused += !r;
            CU_ASSERT(!r || (action_fits(r) && r->state <= ACTION_DEAD));
            action_free(r);
            free(copy);
        }
        CU_ASSERT_PTR_NULL(action_read((struct slice){buf_at(&b), i}));
    }
    CU_ASSERT(refused > 100);
    buf_fini(&b);
}

static void test_size_limit(void)
{
    struct action a = sample(1, "owner", 1, ACTION_ON_COMMIT, "one");
    uint8_t *big = calloc(1, ACTION_BYTES_MAX + 1);
    a.body = (struct slice){big, ACTION_BYTES_MAX};
    CU_ASSERT(action_fits(&a));
    a.body.len++;
    CU_ASSERT_FALSE(action_fits(&a));
    a.body.len = 0;
    CU_ASSERT_FALSE(action_fits(&a));
    free(big);
}

static void test_change_and_outcome_come_back(void)
{
    struct buf b = {0};
    struct action_change k = {
        .id = 4, .state = ACTION_DEAD, .attempts = 3, .permanent = 3, .error = "1146 no table", .body = text("x")}, r;
    struct action_outcome o = {.owner = "g", .committed = true, .at_ms = 5}, p;
    action_change_write(&b, &k);
    CU_ASSERT(action_change_read((struct slice){buf_at(&b), buf_len(&b)}, &r));
    CU_ASSERT(r.id == 4 && r.state == ACTION_DEAD && r.permanent == 3 && !strcmp(r.error, k.error) && slice_is(r.body, "x"));
    CU_ASSERT_FALSE(action_change_read((struct slice){buf_at(&b), buf_len(&b) - 1}, &r));
    buf_clear(&b);
    action_outcome_write(&b, &o);
    CU_ASSERT(action_outcome_read((struct slice){buf_at(&b), buf_len(&b)}, &p) && p.committed && p.at_ms == 5);
    buf_fini(&b);
}

/* --- policy ------------------------------------------------------------------------------------------------------ */

static void test_back_off_doubles_to_its_cap(void)
{
    for (uint32_t random = 0; random < 1000000; random += 9973) {
        int64_t first = action_back_off_ms(1, 60000, random), fifth = action_back_off_ms(5, 60000, random);
        int64_t late = action_back_off_ms(4000000000u, 60000, random);
        CU_ASSERT(first >= 160 && first <= 240 && fifth >= 2560 && fifth <= 3840 && late >= 48000 && late <= 72000);
    }
}

static enum action_state tried(struct action *a, enum action_result result, int64_t now_ms, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        action_attempted(a, result, now_ms, 0);
    return a->state;
}

static void test_when_an_action_is_given_up(void)
{
    struct action a = sample(1, "o", 1, ACTION_ON_COMMIT, "one"), back = sample(2, "o", 2, ACTION_ON_ROLLBACK, "one");
    struct action forward = a, few = a, renewed = a;
    CU_ASSERT_EQUAL(tried(&a, ACTION_TRANSIENT, 1000, 50), ACTION_WAIT);
    CU_ASSERT_EQUAL(tried(&a, ACTION_TRANSIENT, ACTION_MAX_AGE_MS, 1), ACTION_DEAD);
    CU_ASSERT_EQUAL(tried(&back, ACTION_TRANSIENT, 10 * ACTION_MAX_AGE_MS, 50), ACTION_WAIT);
    CU_ASSERT_EQUAL(tried(&back, ACTION_PERMANENT, 0, 2), ACTION_WAIT);
    CU_ASSERT_EQUAL(tried(&back, ACTION_PERMANENT, 0, 1), ACTION_DEAD);
    forward.retriable = true;
    CU_ASSERT_EQUAL(tried(&forward, ACTION_PERMANENT, 10 * ACTION_MAX_AGE_MS, 50), ACTION_WAIT);
    few.max_attempts = 2;
    CU_ASSERT_EQUAL(tried(&few, ACTION_TRANSIENT, 0, 1), ACTION_WAIT);
    CU_ASSERT_EQUAL(tried(&few, ACTION_TRANSIENT, 0, 1), ACTION_DEAD);
    tried(&renewed, ACTION_PERMANENT, 0, 2);
    tried(&renewed, ACTION_TRANSIENT, 0, 1); /* not in a row */
    CU_ASSERT_EQUAL(tried(&renewed, ACTION_PERMANENT, 0, 2), ACTION_WAIT);
    CU_ASSERT_EQUAL(tried(&renewed, ACTION_OK, 0, 1), ACTION_DONE);
}

/* --- schedule ---------------------------------------------------------------------------------------------------- */

static struct action_schedule *s;
static uint64_t last_id;

static uint64_t arm_with(const char *owner, uint32_t seq, enum action_on on, const char *resource, const char *key, bool parallel)
{
    struct action a = sample(++last_id, owner, seq, on, resource);
    snprintf(a.key, sizeof a.key, "%s", key);
    a.parallel = parallel;
    action_schedule_add(s, action_copy(&a));
    return a.id;
}

static uint64_t arm(const char *owner, uint32_t seq, enum action_on on, const char *resource)
{
    return arm_with(owner, seq, on, resource, "", false);
}

static uint64_t take(const char *resource, int64_t now_ms)
{
    int64_t next_ms;
    const struct action *a = action_schedule_take(s, ACTION_SQL, resource, now_ms, &next_ms);
    CU_ASSERT(!a || a->state == ACTION_RUNNING);
    return a ? a->id : 0;
}

static void end(uint64_t id, enum action_result result, int64_t now_ms)
{
    struct action_change change;
    (void)action_schedule_result(s, id, result, "e", now_ms, 1, &change);
}

static void begin_schedule(void)
{
    last_id = 0;
    s = action_schedule_new();
}

static void test_outcome_decides_what_is_due(void)
{
    begin_schedule();
    uint64_t yes = arm("g", 1, ACTION_ON_COMMIT, "one"), no = arm("g", 2, ACTION_ON_ROLLBACK, "one");
    CU_ASSERT_EQUAL(take("one", 0), 0);
    CU_ASSERT_EQUAL(action_schedule_outcome(s, "g", true, 10), 1);
    CU_ASSERT_PTR_NULL(action_schedule_find(s, no));
    CU_ASSERT_EQUAL(take("one", 10), yes);
    end(yes, ACTION_OK, 11);
    CU_ASSERT_EQUAL(take("one", 12), 0);
    CU_ASSERT_EQUAL(action_schedule_outcome(s, "g", false, 10), 0);
    action_schedule_free(s);
}

static void test_rollback_runs_in_reverse_over_resources(void)
{
    begin_schedule();
    uint64_t a = arm("g", 1, ACTION_ON_ROLLBACK, "one"), b = arm("g", 2, ACTION_ON_ROLLBACK, "two");
    uint64_t loose = arm_with("g", 3, ACTION_ON_ROLLBACK, "one", "", true);
    action_schedule_outcome(s, "g", false, 0);
    CU_ASSERT_EQUAL(take("one", 0), loose);
    end(loose, ACTION_OK, 0);
    CU_ASSERT_EQUAL(take("one", 0), 0);
    CU_ASSERT_EQUAL(take("two", 0), b);
    end(b, ACTION_TRANSIENT, 0); /* stuck: those before it wait */
    CU_ASSERT_EQUAL(take("one", 100), 0);
    CU_ASSERT_EQUAL(take("two", 100), 0);
    CU_ASSERT_EQUAL(take("two", 300), b);
    end(b, ACTION_OK, 300);
    CU_ASSERT_EQUAL(take("one", 300), a);
    action_schedule_free(s);
}

static void test_commit_runs_in_order_on_each_resource(void)
{
    begin_schedule();
    uint64_t a = arm("g", 1, ACTION_ON_COMMIT, "one"), b = arm("g", 2, ACTION_ON_COMMIT, "two");
    uint64_t c = arm("g", 3, ACTION_ON_COMMIT, "one"), d = arm("h", 1, ACTION_ON_COMMIT, "one");
    action_schedule_outcome(s, "g", true, 0);
    action_schedule_outcome(s, "h", true, 0);
    CU_ASSERT_EQUAL(take("two", 0), b);
    CU_ASSERT_EQUAL(take("one", 0), a);
    end(a, ACTION_TRANSIENT, 0);
    CU_ASSERT_EQUAL(take("one", 0), d); /* c stands behind a, another owner's does not */
    CU_ASSERT(action_schedule_behind(s, c) == a && !action_schedule_behind(s, a) && !action_schedule_behind(s, d));
    end(d, ACTION_OK, 0);
    CU_ASSERT_EQUAL(take("one", 1), 0);
    CU_ASSERT_EQUAL(take("one", 1000), a);
    end(a, ACTION_OK, 1000);
    CU_ASSERT_EQUAL(take("one", 1000), c);
    action_schedule_free(s);
}

static void test_key_orders_over_owners(void)
{
    begin_schedule();
    uint64_t a = arm_with("g", 1, ACTION_ON_COMMIT, "one", "k", false), b = arm_with("h", 1, ACTION_ON_COMMIT, "one", "k", false);
    uint64_t c = arm_with("i", 1, ACTION_ON_COMMIT, "one", "l", false);
    action_schedule_outcome(s, "h", true, 0);
    action_schedule_outcome(s, "g", true, 0);
    action_schedule_outcome(s, "i", true, 0);
    CU_ASSERT_EQUAL(take("one", 0), b);
    CU_ASSERT(action_schedule_behind(s, a) == b && !action_schedule_behind(s, b) && !action_schedule_behind(s, c));
    end(b, ACTION_PERMANENT, 0);
    end(take("one", 0), ACTION_OK, 0); /* c */
    CU_ASSERT_PTR_NULL(action_schedule_find(s, c));
    CU_ASSERT_EQUAL(take("one", 0), 0);
    CU_ASSERT_EQUAL(take("one", 1000), b);
    end(b, ACTION_OK, 1000);
    CU_ASSERT_EQUAL(take("one", 1000), a);
    CU_ASSERT_EQUAL(action_schedule_behind(s, a), 0);
    CU_ASSERT_EQUAL(action_schedule_behind(s, b), 0); /* it is not here any more */
    action_schedule_free(s);
}

static void test_a_resource_that_is_away_is_asked_by_one_probe(void)
{
    char owner[8];
    int64_t next_ms;
    begin_schedule();
    for (int i = 0; i < 10; i++) {
        snprintf(owner, sizeof owner, "g%d", i);
        arm(owner, 1, ACTION_ON_COMMIT, "one");
        action_schedule_outcome(s, owner, true, 0);
    }
    CU_ASSERT_EQUAL(take("one", 0), 1);
    CU_ASSERT_EQUAL(take("one", 0), 0); /* while the first look is on its way */
    end(1, ACTION_DOWN, 0);
    CU_ASSERT_EQUAL(take("one", 100), 0);
    CU_ASSERT_PTR_NULL(action_schedule_take(s, ACTION_SQL, "one", 100, &next_ms));
    CU_ASSERT(next_ms >= 160 && next_ms <= 240);
    CU_ASSERT_EQUAL(action_schedule_find(s, 1)->attempts, 0); /* nothing was attempted */
    CU_ASSERT_EQUAL(take("one", 240), 1);
    CU_ASSERT_EQUAL(take("one", 240), 0);
    end(1, ACTION_OK, 240);
    CU_ASSERT_EQUAL(take("one", 240), 2);
    CU_ASSERT_EQUAL(take("one", 240), 3); /* it is there: several at once */
    action_schedule_free(s);
}

static void test_an_early_one_is_tried_again_soon_and_nothing_is_counted(void)
{
    int64_t next_ms;
    begin_schedule();
    arm("g", 1, ACTION_ON_COMMIT, "one");
    arm("g", 2, ACTION_ON_COMMIT, "one");
    action_schedule_outcome(s, "g", true, 1000);
    CU_ASSERT_EQUAL(take("one", 1000), 1);
    end(1, ACTION_EARLY, 1000);
    CU_ASSERT_EQUAL(take("one", 1001), 0); /* nor does what stands behind it pass */
    CU_ASSERT_PTR_NULL(action_schedule_take(s, ACTION_SQL, "one", 1001, &next_ms));
    CU_ASSERT_EQUAL(next_ms, 1002);
    CU_ASSERT_EQUAL(take("one", 1040), 1);
    end(1, ACTION_EARLY, 1040);
    CU_ASSERT_EQUAL(action_schedule_find(s, 1)->next_ms, 1050);
    CU_ASSERT_EQUAL(take("one", 9000), 1);
    end(1, ACTION_EARLY, 9000);
    CU_ASSERT_EQUAL(action_schedule_find(s, 1)->next_ms, 9500);
    CU_ASSERT(action_schedule_find(s, 1)->state == ACTION_DUE && !action_schedule_find(s, 1)->attempts);
    CU_ASSERT_EQUAL(take("one", 9500), 1);
    end(1, ACTION_OK, 9500);
    CU_ASSERT_EQUAL(take("one", 9500), 2);
    action_schedule_free(s);
}

/* By an hour: neither the resource nor the action waits for the hour to pass again. */
static void test_a_clock_that_is_set_back_holds_nobody_up(void)
{
    int64_t hour_ms = 3600 * 1000;
    begin_schedule();
    arm("g", 1, ACTION_ON_COMMIT, "one");
    action_schedule_outcome(s, "g", true, hour_ms);
    CU_ASSERT_EQUAL(take("one", hour_ms), 1);
    end(1, ACTION_TRANSIENT, hour_ms);
    CU_ASSERT_EQUAL(take("one", hour_ms), 0);
    CU_ASSERT_EQUAL(take("one", 10), 1);
    end(1, ACTION_DOWN, 10);
    CU_ASSERT_EQUAL(take("one", 10), 0);
    CU_ASSERT_EQUAL(take("one", hour_ms), 1);
    end(1, ACTION_DOWN, hour_ms);
    CU_ASSERT_EQUAL(take("one", 20), 1);
    end(1, ACTION_OK, 20);
    action_schedule_free(s);
}

/* Turn by turn, each in its own order. */
static void test_new_work_passes_a_backlog(void)
{
    char owner[16];
    begin_schedule();
    for (int i = 0; i < 100; i++) {
        snprintf(owner, sizeof owner, "old%d", i);
        arm(owner, 1, ACTION_ON_COMMIT, "one");
        action_schedule_outcome(s, owner, true, 0);
    }
    end(take("one", 0), ACTION_OK, 0);
    uint64_t old = 2, young = arm("new1", 1, ACTION_ON_COMMIT, "one"), younger = arm("new2", 1, ACTION_ON_COMMIT, "one");
    action_schedule_outcome(s, "new1", true, 1);
    action_schedule_outcome(s, "new2", true, 1);
    const uint64_t expected[] = {young, old, younger, old + 1, old + 2};
    for (int i = 0; i < 5; i++) {
        uint64_t id = take("one", 1);
        CU_ASSERT_EQUAL(id, expected[i]);
        end(id, ACTION_OK, 1);
    }
    action_schedule_free(s);
}

/* Those that stood behind others of a backlog are backlog too: new work does not wait for them. */
static void test_new_work_passes_what_stood_behind_a_backlog(void)
{
    char owner[16];
    begin_schedule();
    for (int i = 0; i < 20; i++) {
        snprintf(owner, sizeof owner, "old%d", i);
        for (uint32_t seq = 1; seq <= 5; seq++)
            arm(owner, seq, ACTION_ON_COMMIT, "one");
        action_schedule_outcome(s, owner, true, 0);
    }
    for (int i = 0; i < 15; i++) /* each makes way for the next of its owner */
        end(take("one", 10), ACTION_OK, 10);
    uint64_t young = arm("new", 1, ACTION_ON_COMMIT, "one");
    action_schedule_outcome(s, "new", true, 11);
    uint64_t first = take("one", 11), second = take("one", 11);
    CU_ASSERT(first == young || second == young);
    action_schedule_free(s);
}

static void test_what_people_may_ask(void)
{
    struct action_change change;
    begin_schedule();
    uint64_t id = arm("g", 1, ACTION_ON_COMMIT, "one");
    CU_ASSERT_EQUAL(action_schedule_retry(s, id, 0, &change), ACTION_ASKED_ARMED);
    CU_ASSERT_EQUAL(action_schedule_retry(s, 99, 0, &change), ACTION_ASKED_UNKNOWN);
    action_schedule_outcome(s, "g", true, 0);
    CU_ASSERT_EQUAL(action_schedule_edit(s, id, text("SELECT 1"), &change), ACTION_ASKED_NOT_DEAD);
    take("one", 0);
    CU_ASSERT_EQUAL(action_schedule_dismiss(s, id, "why", &change), ACTION_ASKED_RUNNING);
    end(id, ACTION_PERMANENT, 0);
    for (int i = 1; i < 3; i++)
        end(take("one", 10000 * i), ACTION_PERMANENT, 10000 * i);
    CU_ASSERT_EQUAL(action_schedule_find(s, id)->state, ACTION_DEAD);
    CU_ASSERT_EQUAL(take("one", 1000000), 0);
    CU_ASSERT_EQUAL(action_schedule_edit(s, id, text("SELECT 1"), &change), ACTION_ASKED_OK);
    CU_ASSERT(slice_is(change.body, "SELECT 1") && change.state == ACTION_DEAD);
    CU_ASSERT_EQUAL(action_schedule_retry(s, id, 1000000, &change), ACTION_ASKED_OK);
    CU_ASSERT_EQUAL(take("one", 1000000), id);
    CU_ASSERT(slice_is(action_schedule_find(s, id)->body, "SELECT 1"));
    end(id, ACTION_TRANSIENT, 1000000);
    CU_ASSERT_EQUAL(action_schedule_retry(s, id, 1000001, &change), ACTION_ASKED_OK); /* hurries */
    CU_ASSERT_EQUAL(take("one", 1000001), id);
    end(id, ACTION_TRANSIENT, 1000001);
    CU_ASSERT_EQUAL(action_schedule_dismiss(s, id, "not needed", &change), ACTION_ASKED_OK);
    CU_ASSERT(change.state == ACTION_DISMISSED && !strcmp(change.error, "not needed"));
    CU_ASSERT_PTR_NULL(action_schedule_find(s, id));
    action_schedule_free(s);
}

static void note_id(void *arg, uint64_t id) { *(uint64_t *)arg = *(uint64_t *)arg * 10 + id; }

static void test_savepoint_forgets(void)
{
    uint64_t gone = 0;
    unsigned dead;
    begin_schedule();
    for (uint32_t seq = 1; seq <= 4; seq++)
        arm("g", seq, ACTION_ON_COMMIT, "one");
    action_schedule_forget(s, "g", 3, note_id, &gone);
    CU_ASSERT_EQUAL(gone, 34);
    CU_ASSERT_EQUAL(action_schedule_outcome(s, "g", true, 0), 2);
    CU_ASSERT_EQUAL(action_schedule_pending(s, "g", &dead), 2);
    action_schedule_free(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an action's record comes back as it was", test_record_comes_back},
        {"a damaged record is refused, or sound", test_damaged_record_is_refused_or_sound},
        {"an action has a body, and a limit", test_size_limit},
        {"changes and outcomes come back", test_change_and_outcome_come_back},
        {"the pause doubles up to its cap, with jitter", test_back_off_doubles_to_its_cap},
        {"an action is given up by age, tries or lasting errors, a retriable one never", test_when_an_action_is_given_up},
        {"the outcome decides what is due", test_outcome_decides_what_is_due},
        {"on_rollback runs in reverse over all resources, one that is stuck holds up the rest",
         test_rollback_runs_in_reverse_over_resources},
        {"on_commit runs in order on each resource", test_commit_runs_in_order_on_each_resource},
        {"one key, one at a time, over owners", test_key_orders_over_owners},
        {"an early one is tried again soon and nothing is counted", test_an_early_one_is_tried_again_soon_and_nothing_is_counted},
        {"a resource that is away is asked by one probe", test_a_resource_that_is_away_is_asked_by_one_probe},
        {"a clock that is set back holds nobody up", test_a_clock_that_is_set_back_holds_nobody_up},
        {"new work and a backlog take turns", test_new_work_passes_a_backlog},
        {"new work does not wait for what stood behind a backlog", test_new_work_passes_what_stood_behind_a_backlog},
        {"what people may ask of an action in which state", test_what_people_may_ask},
        {"a savepoint's rollback forgets what came behind it", test_savepoint_forgets},
        {0},
    };
    return unit_main("actions", tests);
}
