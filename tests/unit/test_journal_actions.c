/* Actions over a real log: what a restart finds due, dropped or dead, in which order; what waits for a decision to be durable;
 * what a full journal refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/journal/actions.h"
#include "tests/unit/journal_side.h"


static const char *armed_by = "";
static bool armed_probe;

static bool try_arm(const char *owner, uint32_t seq, enum action_on on, const char *body, uint64_t *id, wal_pos *at)
{
    struct action a;
    action_init(&a, on, ACTION_SQL);
    snprintf(a.by, sizeof a.by, "%s", armed_by);
    snprintf(a.owner, sizeof a.owner, "%s", owner);
    snprintf(a.resource, sizeof a.resource, "one");
    a.seq = seq;
    a.probe = armed_probe;
    a.body = (struct slice){(const uint8_t *)body, strlen(body)};
    bool armed = journal_action_arm(journal, &a, at);
    *id = a.id;
    return armed;
}

static uint64_t arm(const char *owner, uint32_t seq, enum action_on on)
{
    uint64_t id;
    wal_pos at;
    CU_ASSERT(try_arm(owner, seq, on, "DO 1", &id, &at));
    return id;
}

struct armed {
    const char *owner;
    unsigned n;
};

static void count_armed(void *arg, const struct action *a)
{
    struct armed *armed = arg;
    armed->n += a->state == ACTION_ARMED && !strcmp(a->owner, armed->owner);
}

static void wait_until_due(const char *owner)
{
    struct armed armed = {.owner = owner, .n = 1};
    while (armed.n) { /* what is durable is told a moment later */
        armed.n = 0;
        journal_each_action(journal, count_armed, &armed);
    }
}

static void decide_last(const char *name, const char *saga)
{
    struct xa_decision d = {.who = "unit", .decided_ms = 1000};
    snprintf(d.gtrid.text, sizeof d.gtrid.text, "%s", name);
    snprintf(d.saga, sizeof d.saga, "%s", saga);
    wal_wait(journal_wal(journal), journal_decide(journal, &d));
    journal_done(journal, name);
}

static void decide(const char *owner)
{
    decide_last(owner, "");
    wait_until_due(owner);
}

static uint64_t take(void)
{
    const struct action *a = NULL;
    for (int i = 0; i < 200 && !a; i++) /* who waits may be woken for nothing */
        a = journal_action_take(journal, ACTION_SQL, "one", 50);
    return a ? a->id : 0;
}

static uint64_t take_now(void)
{
    const struct action *a = journal_action_take(journal, ACTION_SQL, "one", 0);
    return a ? a->id : 0;
}

static void test_what_a_restart_finds(void)
{
    side_begin();
    uint64_t committed = arm("g", 1, ACTION_ON_COMMIT);
    arm("g", 2, ACTION_ON_ROLLBACK);
    decide("g");
    arm("h", 1, ACTION_ON_COMMIT);
    uint64_t presumed = arm("h", 2, ACTION_ON_ROLLBACK);
    uint64_t said = arm("i", 1, ACTION_ON_ROLLBACK);
    journal_outcome(journal, "i", false);
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "i", NULL), 1); /* durable or not */
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "g", NULL), 1);
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "h", NULL), 0);
    wait_until_due("i");
    for (int i = 0; i < 3; i++) {
        side_restart();
        CU_ASSERT_EQUAL(journal_actions_pending(journal, "g", NULL), 1);
        CU_ASSERT_EQUAL(journal_actions_pending(journal, "h", NULL), 1);
        CU_ASSERT_EQUAL(journal_actions_pending(journal, "i", NULL), 1);
    }
    const uint64_t expected[] = {committed, said, presumed};
    for (int i = 0; i < 3; i++) {
        uint64_t id = take();
        CU_ASSERT_EQUAL(id, expected[i]);
        CU_ASSERT_EQUAL(journal_action_result(journal, id, ACTION_OK, NULL), ACTION_DONE);
    }
    CU_ASSERT(arm("j", 1, ACTION_ON_COMMIT) > said);
    side_restart();
    CU_ASSERT_EQUAL(take_now(), 0); /* done is done; j's was dropped */
    CU_ASSERT(arm("k", 1, ACTION_ON_COMMIT) > said + 1);
    side_end();
}

/* Over many segments, in which only what is open is copied. */
static void test_state_outlives_segments(void)
{
    struct wal_stats stats;
    side_begin();
    uint64_t dead = arm("dead", 1, ACTION_ON_ROLLBACK);
    journal_outcome(journal, "dead", false);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(take(), dead);
        journal_action_result(journal, dead, ACTION_PERMANENT, "1146 no\ntable");
    }
    char body[3000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (unsigned i = 0; i < 300; i++) {
        char owner[16];
        uint64_t id;
        wal_pos at;
        snprintf(owner, sizeof owner, "o%u", i);
        CU_ASSERT(try_arm(owner, 1, ACTION_ON_COMMIT, body, &id, &at));
        decide(owner);
        CU_ASSERT_EQUAL(take(), id);
        journal_action_result(journal, id, ACTION_OK, NULL);
    }
    wal_stats(journal_wal(journal), &stats);
    CU_ASSERT(stats.segments > 10);
    side_restart();
    struct action *a = journal_action_find(journal, dead);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT(a->state == ACTION_DEAD && a->attempts == 3 && !strcmp(a->error, "1146 no table"));
    action_free(a);
    CU_ASSERT_EQUAL(journal_action_edit(journal, dead, (struct slice){(const uint8_t *)"DO 2", 4}, NULL), ACTION_ASKED_OK);
    side_restart();
    CU_ASSERT_EQUAL(journal_action_retry(journal, dead, NULL), ACTION_ASKED_OK);
    side_restart();
    const struct action *again = journal_action_take(journal, ACTION_SQL, "one", 2000);
    CU_ASSERT(again && again->id == dead && again->attempts == 0 && slice_is(again->body, "DO 2"));
    journal_action_result(journal, dead, ACTION_TRANSIENT, "x");
    CU_ASSERT_EQUAL(journal_action_dismiss(journal, dead, "done by hand", NULL), ACTION_ASKED_OK);
    side_restart();
    CU_ASSERT_PTR_NULL(journal_action_find(journal, dead));
    side_end();
}

/* Decisions that are many in a batch: segments change while those behind are not durable. */
static void test_order_outlives_segments(void)
{
    enum { OWNERS = 300 };
    uint64_t ids[OWNERS];
    wal_pos at = 0;
    side_begin();
    for (unsigned i = 0; i < OWNERS; i++) {
        char owner[16];
        snprintf(owner, sizeof owner, "o%u", i);
        ids[i] = arm(owner, 1, ACTION_ON_COMMIT);
    }
    for (unsigned i = OWNERS; i--;) {
        struct xa_decision d = {.who = "unit", .decided_ms = 1000, .n_branches = XA_MAX_BRANCHES};
        snprintf(d.gtrid.text, sizeof d.gtrid.text, "o%u", i);
        for (unsigned b = 0; b < d.n_branches; b++) {
            snprintf(d.branch[b].backend, sizeof d.branch[b].backend, "backend%u", b);
            snprintf(d.branch[b].bqual.text, sizeof d.branch[b].bqual.text, "%u:backend%u", b, b);
        }
        at = journal_decide(journal, &d);
    }
    wal_wait(journal_wal(journal), at);
    side_restart();
    for (unsigned i = OWNERS; i--;) {
        CU_ASSERT_EQUAL_FATAL(take(), ids[i]);
        journal_action_result(journal, ids[i], ACTION_OK, NULL);
    }
    side_end();
}

static void test_room_is_refused_not_made(void)
{
    struct journal_action_stats stats;
    unsigned armed = 0;
    uint64_t id;
    wal_pos at;
    side_config.wal_segment_bytes = 1 << 20;
    side_begin();
    side_config.wal_segment_bytes = 65536;
    while (armed < 2000 && try_arm("g", armed + 1, ACTION_ON_COMMIT, "DO 1", &id, &at))
        armed++;
    CU_ASSERT_EQUAL(armed, 1000);
    decide("g");
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "g", NULL), 1000);
    CU_ASSERT_FALSE(try_arm("h", 1, ACTION_ON_COMMIT, "DO 1", &id, &at));
    journal_action_stats(journal, &stats);
    CU_ASSERT(stats.registered == 1000 && stats.refused == 2 && stats.now.count[ACTION_DUE] == 1000);
    journal_action_result(journal, take(), ACTION_OK, NULL);
    CU_ASSERT(try_arm("h", 1, ACTION_ON_COMMIT, "DO 1", &id, &at));
    side_end();
}

static void look_and_dismiss(void *arg, const struct action *a)
{
    uint64_t *seen = arg;
    struct action *again = journal_action_find(journal, a->id); /* the lock is free */
    CU_ASSERT(again && again->id == a->id && a->id == *seen + 1);
    action_free(again);
    *seen = a->id;
    (void)journal_action_dismiss(journal, 300, "meanwhile", NULL);
}

static void test_list_holds_up_nobody(void)
{
    uint64_t seen = 0;
    side_begin();
    for (uint32_t i = 1; i <= 300; i++)
        arm("g", i, ACTION_ON_COMMIT);
    decide("g");
    journal_each_action(journal, look_and_dismiss, &seen);
    CU_ASSERT_EQUAL(seen, 299);
    side_end();
}

static unsigned letters;
static void on_letter(struct letter *letter, void *receiver)
{
    (void)letter, (void)receiver;
    letters++;
}

static void test_watch_tells_once_when_all_is_done_or_one_is_dead(void)
{
    struct mailbox box;
    struct journal_watch w = {.letter.deliver = on_letter, .box = &box, .owner = "g"};
    side_begin();
    mailbox_init(&box, NULL, NULL);
    letters = 0;
    CU_ASSERT_FALSE(journal_actions_watch(journal, &w));
    uint64_t a = arm("g", 1, ACTION_ON_ROLLBACK), b = arm("g", 2, ACTION_ON_ROLLBACK);
    journal_outcome(journal, "g", false);
    CU_ASSERT(journal_actions_watch(journal, &w));
    CU_ASSERT_EQUAL(take(), b);
    journal_action_result(journal, b, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(mailbox_deliver(&box, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(take(), a);
        journal_action_result(journal, a, ACTION_PERMANENT, "1064 syntax");
    }
    CU_ASSERT_EQUAL(mailbox_deliver(&box, NULL), 1);
    CU_ASSERT_EQUAL(letters, 1);
    CU_ASSERT_FALSE(journal_actions_unwatch(journal, &w));
    CU_ASSERT_FALSE(journal_actions_watch(journal, &w));
    mailbox_fini(&box);
    side_end();
}

static void test_savepoint_is_durable(void)
{
    side_begin();
    uint64_t kept = arm("g", 1, ACTION_ON_COMMIT);
    arm("g", 2, ACTION_ON_COMMIT);
    journal_actions_forget(journal, "g", 2);
    decide("g");
    side_restart();
    CU_ASSERT_EQUAL(take(), kept);
    journal_action_result(journal, kept, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(take_now(), 0);
    side_end();
}

/* A saga of two steps each; the second step of one, and the outcome of the other, is all that a crash cuts off. */
static void test_steps_of_sagas(void)
{
    side_begin();
    armed_by = "g.1";
    uint64_t first = arm("g", 1, ACTION_ON_ROLLBACK);
    decide_last("g.1", "");
    armed_by = "g.2";
    arm("g", 2, ACTION_ON_ROLLBACK); /* its step is never decided */
    armed_by = "h.1";
    uint64_t confirmed = arm("h", 1, ACTION_ON_COMMIT);
    arm("h", 2, ACTION_ON_ROLLBACK);
    decide_last("h.1", "h");
    armed_by = "";
    side_restart();
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "g", NULL), 1);
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "h", NULL), 1);
    CU_ASSERT_EQUAL(take(), confirmed);
    journal_action_result(journal, confirmed, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(take(), first);
    journal_action_result(journal, first, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(take_now(), 0);
    side_end();
}

/* The last step's server did not commit it: what it registered goes, once and for all; the step before is taken back. */
static void test_step_that_never_was(void)
{
    side_begin();
    armed_by = "g.1";
    uint64_t first = arm("g", 1, ACTION_ON_ROLLBACK);
    decide_last("g.1", "");
    armed_by = "g.2";
    arm("g", 2, ACTION_ON_ROLLBACK);
    arm("g", 3, ACTION_ON_COMMIT);
    armed_probe = true;
    uint64_t probe = arm("g", 4, ACTION_ON_ROLLBACK);
    armed_probe = false;
    armed_by = "";
    decide_last("g.2", "");
    side_restart();
    CU_ASSERT_EQUAL(take(), probe);
    for (int crash = 1; crash >= 0; crash--) {
        struct action *a = journal_action_find(journal, probe);
        CU_ASSERT_FATAL(a && a->probe);
        journal_step_never_was(journal, a);
        action_free(a);
        if (crash) {
            side_restart();
            CU_ASSERT_EQUAL(take(), probe);
        }
    }
    CU_ASSERT_EQUAL(journal_actions_pending(journal, "g", NULL), 2);
    journal_action_result(journal, probe, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(take(), first);
    journal_action_result(journal, first, ACTION_OK, NULL);
    CU_ASSERT_EQUAL(take_now(), 0);
    side_end();
}

int main(void)
{
    side_config.max_actions = 1000;
    side_config.wal_max_bytes = 8 << 20;
    static const struct unit_test tests[] = {
        {"a restart finds what is due, presumes rollback, gives no id twice", test_what_a_restart_finds},
        {"states, edits and retries outlive segments and restarts", test_state_outlives_segments},
        {"the order of outcomes outlives segments and restarts", test_order_outlives_segments},
        {"a full journal refuses new actions and drops none", test_room_is_refused_not_made},
        {"a list does not hold the lock that commits need", test_list_holds_up_nobody},
        {"who waits is told once, when all is done or one is dead", test_watch_tells_once_when_all_is_done_or_one_is_dead},
        {"what a savepoint's rollback forgot stays forgotten", test_savepoint_is_durable},
        {"of a saga, what its decided steps ordered is done, and nothing else", test_steps_of_sagas},
        {"a step that its server did not commit is not taken back", test_step_that_never_was},
        {0},
    };
    return unit_main("journal actions", tests);
}
