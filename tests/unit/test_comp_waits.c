/* Who waits for whom at Redis' keys: the order of arrival, cycles and their victims; and thousands of random transactions against
 * a small lock table, of which none may overtake, be forgotten, or die without need. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/waits.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* --- stories ------------------------------------------------------------------------------------------------------------- */

static struct comp_waits waits;
static struct comp_party party[4];
static struct comp_waiter waiter[4];

static void set_up(void)
{
    static const char *const names[] = {"t0", "t1", "t2", "t3"};
    comp_waits_init(&waits, 1);
    for (unsigned i = 0; i < 4; i++) {
        comp_waits_join(&waits, &party[i], names[i]);
        waiter[i] = (struct comp_waiter){.party = &party[i]};
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < 4; i++) {
        comp_waits_leave(&waits, &waiter[i], false);
        comp_waiter_fini(&waiter[i]);
        comp_waits_part(&waits, &party[i]);
    }
    comp_waits_fini(&waits);
}

/* "w a", "c a" or "r ab": what it asks for next. */
static struct comp_waiter *wants(unsigned i, const char *keys)
{
    comp_waiter_clear(&waiter[i]);
    for (const char *k = keys + 2; *k; k++)
        comp_waiter_want(&waiter[i], (struct slice){(const uint8_t *)k, 1}, keys[0] == 'w' ? COMP_WANT_WRITE : keys[0] == 'c' ? COMP_WANT_COUNT : COMP_WANT_READ);
    return &waiter[i];
}

static void who_comes_later_does_not_overtake(void)
{
    set_up();
    CU_ASSERT_FALSE(comp_waits_queue(&waits, wants(1, "w a")));
    CU_ASSERT_EQUAL(comp_waits_told(&waits, &waiter[1], text("t0")), COMP_WAIT_TURN);
    CU_ASSERT_TRUE(comp_waits_queue(&waits, wants(2, "w a")));
    CU_ASSERT_FALSE(comp_waits_queue(&waits, wants(3, "w b")));
    CU_ASSERT_PTR_NULL(comp_waits_due(&waits, 0));
    comp_waits_part(&waits, &party[0]);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[1]);
    CU_ASSERT_PTR_NULL(comp_waits_due(&waits, 0));
    comp_waits_leave(&waits, &waiter[1], true);
    CU_ASSERT_PTR_NULL(comp_waits_due(&waits, 0)); /* the key has gone from hand to hand */
    comp_waits_part(&waits, &party[1]);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    tear_down();
}

static void who_gives_up_lets_the_next_ask(void)
{
    set_up();
    comp_waits_told(&waits, wants(1, "w a"), text("elsewhere"));
    comp_waits_queue(&waits, wants(2, "w a"));
    comp_waits_leave(&waits, &waiter[1], false);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    tear_down();
}

static void readers_wait_for_writers_only(void)
{
    set_up();
    comp_waits_told(&waits, wants(1, "r a"), text("t0"));
    CU_ASSERT_FALSE(comp_waits_queue(&waits, wants(2, "r a")));
    CU_ASSERT_TRUE(comp_waits_queue(&waits, wants(3, "w a")));
    tear_down();
}

static void counters_wait_for_writers_and_readers(void)
{
    set_up();
    comp_waits_told(&waits, wants(1, "c a"), text("t0"));
    CU_ASSERT_FALSE(comp_waits_queue(&waits, wants(2, "c a")));
    CU_ASSERT_TRUE(comp_waits_queue(&waits, wants(2, "r a")));
    CU_ASSERT_TRUE(comp_waits_queue(&waits, wants(3, "w a")));
    comp_waits_part(&waits, &party[0]);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[1]);
    comp_waits_leave(&waits, &waiter[1], true); /* it has counted, and holds nothing */
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    tear_down();
}

static void an_owner_elsewhere_is_polled(void)
{
    set_up();
    CU_ASSERT_EQUAL(comp_waits_told(&waits, wants(1, "w a"), text("elsewhere")), COMP_WAIT_POLL);
    comp_waits_queue(&waits, wants(2, "w a"));
    CU_ASSERT_EQUAL(comp_waits_told(&waits, &waiter[1], text("elsewhere")), COMP_WAIT_POLL);
    CU_ASSERT_FALSE(comp_waits_is_first(&waits, &waiter[2]));
    tear_down();
}

static void crosswise_is_a_deadlock_of_who_closes_it(void)
{
    set_up();
    CU_ASSERT_EQUAL(comp_waits_told(&waits, wants(0, "w b"), text("t1")), COMP_WAIT_TURN);
    CU_ASSERT_EQUAL(comp_waits_told(&waits, wants(1, "w c"), text("t2")), COMP_WAIT_TURN);
    CU_ASSERT_EQUAL(comp_waits_told(&waits, wants(2, "w a"), text("t0")), COMP_WAIT_DEADLOCK);
    comp_waits_leave(&waits, &waiter[2], false);
    comp_waits_part(&waits, &party[2]);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[1]);
    tear_down();
}

static void what_waits_for_its_turn_only_overtakes(void)
{
    /* t1 wants two keys and waits for one of t0's; t0 wants the other, which is free. */
    set_up();
    comp_waits_told(&waits, wants(1, "w ab"), text("t0"));
    CU_ASSERT_FALSE(comp_waits_queue(&waits, wants(0, "w b")));
    tear_down();
    /* the same, but the one that may go on is in the middle */
    set_up();
    comp_waits_told(&waits, wants(1, "w ab"), text("t0"));
    CU_ASSERT_TRUE(comp_waits_queue(&waits, wants(2, "w b")));
    CU_ASSERT_EQUAL(comp_waits_told(&waits, wants(0, "w c"), text("t2")), COMP_WAIT_TURN);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    tear_down();
}

static void servers_close_cycles(void)
{
    static const struct comp_server_wait said[] = {{.from = "t1", .to = "no party"}, {.from = "no party", .to = "t2"}};
    set_up();
    comp_waits_told(&waits, wants(2, "w a"), text("t1"));
    comp_waits_servers(&waits, said, 1);
    CU_ASSERT_PTR_NULL(comp_waits_due(&waits, 0));
    comp_waits_servers(&waits, said, 2);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    CU_ASSERT_TRUE(waiter[2].condemned);
    CU_ASSERT_EQUAL(comp_waits_told(&waits, &waiter[2], text("t1")), COMP_WAIT_DEADLOCK);
    tear_down();
}

static void of_two_in_a_cycle_one_is_condemned(void)
{
    static const struct comp_server_wait said[] = {{.from = "t1", .to = "t2"}};
    set_up();
    comp_waits_told(&waits, wants(0, "w a"), text("t1"));
    comp_waits_told(&waits, wants(2, "w b"), text("t0"));
    comp_waits_servers(&waits, said, 1);
    CU_ASSERT_PTR_EQUAL(comp_waits_due(&waits, 0), &waiter[2]);
    CU_ASSERT_PTR_NULL(comp_waits_due(&waits, 0));
    tear_down();
}

/* --- random transactions --------------------------------------------------------------------------------------------------- */

enum { PARTIES = 12, KEYS = 5, STEPS = 200000 };

static struct {
    struct comp_party party;
    struct comp_waiter waiter;
    char gtrid[8];
    unsigned want; /* keys, as bits; 0 = it does not wait */
    enum comp_want_mode mode;
} actor[PARTIES];
static int holder[KEYS];       /* -1: free */
static unsigned counting[KEYS]; /* who counts there, as bits */
static unsigned granted, deadlocks, overtaken;

static bool holds_any(int i)
{
    for (int k = 0; k < KEYS; k++)
        if (holder[k] == i || counting[k] >> i & 1)
            return true;
    return false;
}

/* Everybody whom it would have to wait for at this key, as bits. */
static unsigned in_the_way(int i, int k)
{
    unsigned who = holder[k] >= 0 ? 1u << holder[k] : 0;
    if (actor[i].mode != COMP_WANT_COUNT)
        who |= counting[k];
    return actor[i].want >> k & 1 ? who & ~(1u << i) : 0;
}

static int who_refuses(int i)
{
    for (int k = 0; k < KEYS; k++)
        for (int j = 0; j < PARTIES; j++)
            if (in_the_way(i, k) >> j & 1)
                return j;
    return -1;
}

/* By the lock table alone: does it wait for itself, when each waits for all who hold what it wants? */
static bool truly_waits_for_itself(int start)
{
    unsigned reached = 0, before;
    for (int k = 0; k < KEYS; k++)
        reached |= in_the_way(start, k);
    do {
        before = reached;
        for (int i = 0; i < PARTIES; i++)
            for (int k = 0; reached >> i & 1 && k < KEYS; k++)
                reached |= in_the_way(i, k);
    } while (reached != before);
    return reached >> start & 1;
}

static void end(int i)
{
    comp_waits_leave(&waits, &actor[i].waiter, false);
    actor[i].want = 0;
    for (int k = 0; k < KEYS; k++) {
        holder[k] = holder[k] == i ? -1 : holder[k];
        counting[k] &= ~(1u << i);
    }
    comp_waits_part(&waits, &actor[i].party);
    comp_waits_join(&waits, &actor[i].party, actor[i].gtrid);
}

static bool both_want_a_key(int i, int j)
{
    bool alike = actor[i].mode == actor[j].mode && actor[i].mode != COMP_WANT_WRITE;
    for (int k = 0; k < KEYS; k++)
        if (actor[i].want & actor[j].want & 1u << k && holder[k] != i)
            return !alike;
    return false;
}

static void grant(int i)
{
    const struct comp_waiter *w = &actor[i].waiter;
    granted++;
    for (int j = 0; j < PARTIES && !w->overtakes; j++)
        if (j != i && actor[j].waiter.ticket && (!w->ticket || actor[j].waiter.ticket < w->ticket))
            overtaken += both_want_a_key(i, j);
    for (int k = 0; k < KEYS; k++)
        if (actor[i].want >> k & 1 && actor[i].mode == COMP_WANT_COUNT)
            counting[k] |= 1u << i;
        else if (actor[i].want >> k & 1 && actor[i].mode == COMP_WANT_WRITE)
            holder[k] = i;
    comp_waits_leave(&waits, &actor[i].waiter, true);
    actor[i].want = 0;
}

static void ask(int i)
{
    int owner = who_refuses(i);
    if (owner < 0) {
        grant(i);
    } else if (comp_waits_told(&waits, &actor[i].waiter, text(actor[owner].gtrid)) == COMP_WAIT_DEADLOCK) {
        deadlocks++;
        CU_ASSERT_TRUE_FATAL(truly_waits_for_itself(i));
        end(i);
    }
}

static void begin_command(int i)
{
    unsigned keys = 1u << rand() % KEYS | (rand() % 4 ? 0 : 1u << rand() % KEYS);
    actor[i].want = keys;
    actor[i].mode = rand() % 3 ? COMP_WANT_WRITE : rand() % 2 ? COMP_WANT_COUNT : COMP_WANT_READ;
    comp_waiter_clear(&actor[i].waiter);
    for (int k = 0; k < KEYS; k++)
        if (keys >> k & 1 && holder[k] != i)
            comp_waiter_want(&actor[i].waiter, (struct slice){(const uint8_t *)"abcdef" + k, 1}, actor[i].mode);
    if (!comp_waits_queue(&waits, &actor[i].waiter))
        ask(i);
}

static void all_due_ask(void)
{
    struct comp_waiter *due;
    while ((due = comp_waits_due(&waits, 0)))
        for (int i = 0; i < PARTIES; i++)
            if (&actor[i].waiter == due)
                ask(i);
}

/* Everybody who rests does so for somebody who is at work. */
static void nobody_is_forgotten(void)
{
    for (int i = 0; i < PARTIES; i++)
        if (actor[i].want && !actor[i].waiter.holder)
            CU_ASSERT_FALSE_FATAL(comp_waits_is_first(&waits, &actor[i].waiter));
    for (int i = 0; i < PARTIES; i++)
        if (!actor[i].want)
            return;
    CU_FAIL_FATAL("all wait");
}

static void random_transactions_wait_in_order_and_none_for_ever(void)
{
    srand(7);
    comp_waits_init(&waits, 1);
    for (int i = 0; i < PARTIES; i++) {
        snprintf(actor[i].gtrid, sizeof actor[i].gtrid, "t%d", i);
        comp_waits_join(&waits, &actor[i].party, actor[i].gtrid);
        actor[i].waiter.party = &actor[i].party;
    }
    memset(holder, -1, sizeof holder);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % PARTIES;
        if (actor[i].want ? rand() % 50 == 0 : holds_any(i) && rand() % 3 == 0)
            end(i); /* a waiter that gives up among them */
        else if (!actor[i].want)
            begin_command(i);
        all_due_ask();
        nobody_is_forgotten();
    }
    for (int i = 0; i < PARTIES; i++) {
        end(i);
        all_due_ask();
    }
    for (int i = 0; i < PARTIES; i++) {
        end(i);
        comp_waiter_fini(&actor[i].waiter);
        comp_waits_part(&waits, &actor[i].party);
    }
    comp_waits_fini(&waits);
    CU_ASSERT_EQUAL(overtaken, 0);
    CU_ASSERT(granted > STEPS / 10 && deadlocks > STEPS / 1000);
    printf("  %u granted, %u deadlocks\n", granted, deadlocks);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"who comes later does not overtake", who_comes_later_does_not_overtake},
        {"who gives up lets the next ask", who_gives_up_lets_the_next_ask},
        {"readers wait for writers only", readers_wait_for_writers_only},
        {"counters wait for writers and readers", counters_wait_for_writers_and_readers},
        {"an owner elsewhere is polled", an_owner_elsewhere_is_polled},
        {"crosswise is a deadlock of who closes it", crosswise_is_a_deadlock_of_who_closes_it},
        {"what waits for its turn only overtakes", what_waits_for_its_turn_only_overtakes},
        {"servers close cycles", servers_close_cycles},
        {"of two in a cycle one is condemned", of_two_in_a_cycle_one_is_condemned},
        {"random transactions wait in order and none for ever", random_transactions_wait_in_order_and_none_for_ever},
        {NULL, NULL},
    };
    return unit_main("waits", tests);
}
