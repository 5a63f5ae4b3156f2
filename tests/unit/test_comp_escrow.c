/* Counters by escrow on a real server: whatever becomes of thousands of random reservations, the bound holds; a plain write and a
 * checked read wait for what is pending; and nothing of it is left. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/slot.h"
#include "tests/unit/comp_expect.h"

static enum comp_reply write_as(const char *gtrid, uint32_t seq, const char *line)
{
    return reply_class(tx_do(gtrid, seq, line));
}

static void commit(const char *gtrid, uint32_t last)
{
    freeReplyObject(tx_end(gtrid, COMP_END_COMMIT, 1, last));
}

static void rollback(const char *gtrid, uint32_t last)
{
    freeReplyObject(tx_end(gtrid, COMP_END_ROLLBACK, 1, last));
}

/* --- stories --------------------------------------------------------------------------------------------------------------- */

static void two_count_at_once(void)
{
    server_seed();
    server_must("HSET stock count 3");
    expect_written("g", 1, "XAINCR stock count -1 0 ");
    expect_written("h", 1, "XAINCR stock count -2 0 ");
    CU_ASSERT_EQUAL(write_as("i", 1, "XAINCR stock count -1 0 "), COMP_REPLY_BOUND);
    rollback("g", 1);
    commit("h", 1);
    expect_line("HGET stock count", "1");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void what_may_be_taken_back_is_not_counted_on(void)
{
    server_seed();
    expect_written("g", 1, "XAINCR n 5 0 10");
    CU_ASSERT_EQUAL(write_as("h", 1, "XAINCR n -1 0 10"), COMP_REPLY_BOUND);
    expect_written("g", 2, "XAINCR n -1 0 10"); /* its own it may */
    CU_ASSERT_EQUAL(write_as("h", 1, "XAINCR n 6 0 10"), COMP_REPLY_BOUND);
    expect_written("h", 1, "XAINCR n 5 0 10");
    rollback("g", 2);
    commit("h", 1);
    expect_line("GET n", "5");
}

static void plain_writes_wait_for_what_is_pending(void)
{
    server_seed();
    expect_written("g", 1, "XAINCR n 5  ");
    CU_ASSERT_EQUAL(write_as("h", 1, "SET n 1"), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(write_as("h", 1, "COPY n m"), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(write_as("h", 1, "XALOCK n"), COMP_REPLY_LOCKED);
    expect_written("g", 2, "INCRBY n 1");
    CU_ASSERT_EQUAL(write_as("h", 1, "XAINCR n 1  "), COMP_REPLY_LOCKED);
    rollback("g", 2);
    expect_written("h", 1, "SET n 1");
    rollback("h", 1);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void a_savepoint_gives_the_reservation_back(void)
{
    server_seed();
    expect_written("g", 1, "XAINCR n 3 0 5");
    expect_written("g", 2, "XAINCR n 2 0 5");
    freeReplyObject(tx_end("g", COMP_END_PARTIAL, 2, 2));
    expect_line("GET n", "3");
    expect_written("h", 1, "XAINCR n 2 0 5");
    commit("g", 2);
    commit("h", 1);
    expect_line("GET n", "5");
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void a_lock_alone_changes_nothing(void)
{
    server_seed();
    char *before = server_fingerprint();
    expect_written("g", 1, "XALOCK s0 none");
    CU_ASSERT_EQUAL(write_as("h", 1, "INCR s0"), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(write_as("h", 1, "SET none 1"), COMP_REPLY_LOCKED);
    rollback("g", 1);
    char *after = server_fingerprint();
    CU_ASSERT_STRING_EQUAL(before, after);
    free(before);
    free(after);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void what_is_no_counter_is_refused(void)
{
    server_seed();
    server_must("SET big 9007199254740991");
    server_must("SET word abc");
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR big 1  "), COMP_REPLY_REFUSED);
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR word 1  "), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR l0 1  "), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR n 1.5  "), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR n 1 x "), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(write_as("g", 1, "XAINCR a b 1 0 5 6"), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

static void recovery_drops_what_is_pending_without_a_record(void)
{
    server_seed();
    expect_written("g", 1, "XAINCR n 3  ");
    struct comp_end end = {.mode = COMP_END_ROLLBACK, .all_locks = true, .first = 1, .last = 0};
    freeReplyObject(tx_end_with("g", &end));
    expect_written("h", 1, "SET n 1");
    rollback("h", 1);
    rollback("g", 1);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
}

/* --- reservations at random ----------------------------------------------------------------------------------------- */

enum { TRANSACTIONS = 8, COUNTERS = 3, LOW = 0, HIGH = 60, STEPS = 12000 };

static struct { /* what each transaction has pending */
    char gtrid[24];
    uint32_t seq, mark;
    long add[COUNTERS], take[COUNTERS], add_at_mark[COUNTERS], take_at_mark[COUNTERS];
} tx[TRANSACTIONS];
static long committed[COUNTERS];
static unsigned granted, refused, violations, names;

static long add_of_others(int me, int k)
{
    long sum = 0;
    for (int i = 0; i < TRANSACTIONS; i++)
        sum += i == me ? 0 : tx[i].add[k];
    return sum;
}

static long take_of_others(int me, int k)
{
    long sum = 0;
    for (int i = 0; i < TRANSACTIONS; i++)
        sum += i == me ? 0 : tx[i].take[k];
    return sum;
}

static long value_of(int k)
{
    return committed[k] + add_of_others(-1, k) - take_of_others(-1, k);
}

static void begin(int i)
{
    memset(&tx[i], 0, sizeof tx[i]);
    snprintf(tx[i].gtrid, sizeof tx[i].gtrid, "g%u", ++names);
}

static void reserve(int i)
{
    int k = rand() % COUNTERS;
    long delta = 1 + rand() % 12;
    bool take = rand() % 2;
    char line[64];
    static const char *const counters[COUNTERS] = {"{h}n", "h f1", "h f2"};
    snprintf(line, sizeof line, "XAINCR %s %ld %d %d", counters[k], take ? -delta : delta, LOW, HIGH);
    bool fits = take ? value_of(k) - add_of_others(i, k) - delta >= LOW : value_of(k) + take_of_others(i, k) + delta <= HIGH;
    enum comp_reply reply = write_as(tx[i].gtrid, tx[i].seq + 1, line);
    CU_ASSERT_EQUAL_FATAL(reply, fits ? COMP_REPLY_OK : COMP_REPLY_BOUND);
    refused += !fits;
    if (!fits)
        return;
    granted++;
    tx[i].seq++;
    *(take ? &tx[i].take[k] : &tx[i].add[k]) += delta;
}

static void set_mark(int i)
{
    tx[i].mark = tx[i].seq;
    memcpy(tx[i].add_at_mark, tx[i].add, sizeof tx[i].add);
    memcpy(tx[i].take_at_mark, tx[i].take, sizeof tx[i].take);
}

static void back_to_mark(int i)
{
    if (tx[i].mark < tx[i].seq)
        freeReplyObject(tx_end(tx[i].gtrid, COMP_END_PARTIAL, tx[i].mark + 1, tx[i].seq));
    memcpy(tx[i].add, tx[i].add_at_mark, sizeof tx[i].add);
    memcpy(tx[i].take, tx[i].take_at_mark, sizeof tx[i].take);
}

static void finish(int i, bool commits)
{
    freeReplyObject(tx_end(tx[i].gtrid, commits ? COMP_END_COMMIT : COMP_END_ROLLBACK, 1, tx[i].seq));
    for (int k = 0; k < COUNTERS && commits; k++)
        committed[k] += tx[i].add[k] - tx[i].take[k];
    begin(i);
}

/* At any moment, and whichever of the others end how. */
static void look_at_bounds(void)
{
    for (int k = 0; k < COUNTERS; k++) {
        long worst_low = committed[k], worst_high = committed[k];
        for (int i = 0; i < TRANSACTIONS; i++) {
            long net = tx[i].add[k] - tx[i].take[k];
            *(net < 0 ? &worst_low : &worst_high) += net;
        }
        violations += worst_low < LOW || worst_high > HIGH;
    }
}

static void the_bound_holds_whatever_becomes_of_reservations(void)
{
    server_seed();
    srand(11);
    for (int i = 0; i < TRANSACTIONS; i++)
        begin(i);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % TRANSACTIONS, what = rand() % 12;
        if (what < 8)
            reserve(i);
        else if (what == 8)
            set_mark(i);
        else if (what == 9)
            back_to_mark(i);
        else
            finish(i, what == 10);
        look_at_bounds();
    }
    for (int i = 0; i < TRANSACTIONS; i++)
        finish(i, i % 2);
    char number[24];
    snprintf(number, sizeof number, "%ld", committed[0]);
    expect_line("GET {h}n", number);
    snprintf(number, sizeof number, "%ld", committed[2]);
    expect_line("HGET h f2", number);
    CU_ASSERT_EQUAL(violations, 0);
    CU_ASSERT(granted > STEPS / 4 && refused > STEPS / 50);
    CU_ASSERT_EQUAL(server_leftovers(), 0);
    printf("  %u granted, %u refused, %u violations ", granted, refused, violations);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"two count at once", two_count_at_once},
        {"what may be taken back is not counted on", what_may_be_taken_back_is_not_counted_on},
        {"plain writes wait for what is pending", plain_writes_wait_for_what_is_pending},
        {"a savepoint gives the reservation back", a_savepoint_gives_the_reservation_back},
        {"a lock alone changes nothing", a_lock_alone_changes_nothing},
        {"what is no counter is refused", what_is_no_counter_is_refused},
        {"recovery drops what is pending without a record", recovery_drops_what_is_pending_without_a_record},
        {"the bound holds whatever becomes of reservations", the_bound_holds_whatever_becomes_of_reservations},
        {NULL, NULL},
    };
    server_start();
    int failed = unit_main("escrow", tests);
    server_stop();
    return failed;
}
