/* The journal over a real log in a folder of its own: what survives a restart, what may be forgotten, what holds the horizon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/journal/horizon.h"
#include "proxy/journal/journal.h"
#include "tests/unit/journal_side.h"

static char cache[] = "cache", other[] = "other";
static struct config_redis resources[] = {{.name = cache}, {.name = other}};

/* A transaction that wrote to both resources, or to a server only; settled at once where asked. */
static void decide(const struct xa_gtrid *gtrid, bool redis, bool done)
{
    struct xa_decision d = {.gtrid = *gtrid, .who = "unit"};
    if (redis) {
        d.n_slots = 2;
        strcpy(d.slot[0].resource, "cache");
        strcpy(d.slot[1].resource, "other");
    } else {
        d.n_branches = 1;
        strcpy(d.branch[0].backend, "one");
        strcpy(d.branch[0].bqual.text, "0:one");
    }
    wal_wait(journal_wal(journal), journal_decide(journal, &d));
    if (done)
        journal_done(journal, gtrid->text);
}

static struct xa_gtrid begin(struct journal_live *live)
{
    struct xa_gtrid gtrid;
    list_init(&live->link);
    journal_begin(journal, live, &gtrid);
    return gtrid;
}

/* A whole transaction with Redis writes. */
static struct xa_gtrid commit_one(void)
{
    struct journal_live live;
    struct xa_gtrid gtrid = begin(&live);
    decide(&gtrid, true, true);
    journal_end(journal, &live);
    return gtrid;
}

static uint64_t horizon(const char *resource)
{
    struct comp_horizon_record h;
    journal_horizon(journal, resource, &h);
    return h.epoch == journal_epoch(journal) ? h.counter : 0;
}

/* Until the log has gone on to its next segment, with a snapshot. */
static void fill_segment(void)
{
    struct wal_stats before, now;
    wal_stats(journal_wal(journal), &before);
    do {
        commit_one();
        wal_stats(journal_wal(journal), &now);
    } while (now.bytes - before.bytes < 2 * 65536);
}

/* --- tests --------------------------------------------------------------------------------------------------------------- */

static void a_decision_survives_until_it_is_done(void)
{
    side_begin();
    struct journal_live live;
    struct xa_gtrid open = begin(&live);
    decide(&open, false, false);
    journal_end(journal, &live);
    side_restart();
    enum xa_owner owner;
    CU_ASSERT_TRUE(xa_registry_find(journal_registry(journal), open.text, NULL, &owner));
    CU_ASSERT_EQUAL(owner, XA_OWNER_RESOLVER);
    journal_done(journal, open.text);
    CU_ASSERT_FALSE(journal_decided(journal, open.text));
    side_restart();
    CU_ASSERT_FALSE(journal_decided(journal, open.text));
    side_end();
}

/* Redis may fail over and bring its undo record back. */
static void a_decision_with_redis_slots_outlives_its_end(void)
{
    side_begin();
    struct xa_gtrid gtrid = commit_one();
    CU_ASSERT_TRUE(journal_decided(journal, gtrid.text));
    side_restart();
    side_restart();
    CU_ASSERT_TRUE(journal_decided(journal, gtrid.text));
    CU_ASSERT_FALSE(xa_registry_find(journal_registry(journal), gtrid.text, NULL, NULL));
    side_end();
}

static void settled_decisions_are_forgotten_below_the_horizon(void)
{
    side_begin();
    struct xa_gtrid first = commit_one();
    fill_segment();
    CU_ASSERT_TRUE(journal_decided(journal, first.text)); /* earlier epochs may still hold something */
    journal_horizon_to_epoch(journal, "cache");
    fill_segment();
    CU_ASSERT_TRUE(journal_decided(journal, first.text)); /* the other resource may */
    journal_horizon_to_epoch(journal, "other");
    fill_segment();
    CU_ASSERT_FALSE(journal_decided(journal, first.text));
    CU_ASSERT(horizon("cache") > 1);
    side_end();
}

/* Its first write to Redis may be still to come: below the horizon its undo record would never be taken back. */
static void an_open_transaction_holds_the_horizon(void)
{
    side_begin();
    journal_horizon_to_epoch(journal, "cache");
    commit_one();
    struct journal_live live;
    struct xa_gtrid slow = begin(&live);
    fill_segment();
    struct xa_gtrid_parts parts;
    CU_ASSERT_TRUE(xa_gtrid_parse((struct slice){(const uint8_t *)slow.text, strlen(slow.text)}, &parts));
    CU_ASSERT_EQUAL(horizon("cache"), parts.counter);
    journal_end(journal, &live);
    fill_segment();
    CU_ASSERT(horizon("cache") > parts.counter);
    side_end();
}

static void undo_that_was_left_holds_the_horizon_until_it_is_swept(void)
{
    side_begin();
    journal_horizon_to_epoch(journal, "cache");
    journal_horizon_to_epoch(journal, "other");
    struct journal_live live;
    begin(&live);
    uint64_t counter = live.counter;
    journal_undo_left(journal, &live, "cache");
    journal_end(journal, &live);
    fill_segment();
    CU_ASSERT_EQUAL(horizon("cache"), counter);
    CU_ASSERT(horizon("other") > counter);
    journal_undo_swept(journal, "cache", 1); /* a sweep that began long before */
    journal_undo_swept(journal, "other", clock_mono_ms() + 1);
    fill_segment();
    CU_ASSERT_EQUAL(horizon("cache"), counter);
    journal_undo_swept(journal, "cache", clock_mono_ms() + 1);
    fill_segment();
    CU_ASSERT(horizon("cache") > counter);
    side_end();
}

/* A replica that lags may take over and bring back what had ended. */
static void what_no_sweep_has_seen_is_not_forgotten(void)
{
    side_config.wal_segment_bytes = 2 << 20; /* a quarter holds what this commits */
    side_begin();
    journal_horizon_to_epoch(journal, "cache");
    journal_horizon_to_epoch(journal, "other");
    struct xa_gtrid first = commit_one();
    fill_segment();
    CU_ASSERT_TRUE(journal_decided(journal, first.text));
    journal_undo_swept(journal, "cache", clock_mono_ms() + 1);
    fill_segment();
    CU_ASSERT_TRUE(journal_decided(journal, first.text)); /* the other resource may still hold it */
    journal_undo_swept(journal, "other", clock_mono_ms() + 1);
    fill_segment();
    CU_ASSERT_FALSE(journal_decided(journal, first.text));
    side_end();
    side_config.wal_segment_bytes = 65536;
}

/* Second i: everything before number 10 * i has ended. */
static void a_horizon_follows_at_a_distance(void)
{
    struct horizon h = {.record = {.epoch = 1, .counter = 7}};
    horizon_note(&h, 0, 5, 16000);
    CU_ASSERT_EQUAL(h.n, 0); /* an earlier epoch may have left something */
    h.clean = true;
    for (int64_t ms = 0; ms <= 40000; ms += 250)
        horizon_note(&h, ms, (uint64_t)(ms / 100), 16000);
    CU_ASSERT_EQUAL(h.n, HORIZON_MARKS); /* seconds 0 to 31 */
    horizon_advance(&h, 2, 16000);
    CU_ASSERT(h.record.epoch == 1 && h.record.counter == 7); /* never swept */
    h.swept_ms = 20500;
    horizon_advance(&h, 2, 16000);
    CU_ASSERT(h.record.epoch == 2 && h.record.counter == 40);
    CU_ASSERT(horizon_is_above(&h.record, 1, 1000) && horizon_is_above(&h.record, 2, 39) && !horizon_is_above(&h.record, 2, 40));
    horizon_note(&h, 41000, 410, 16000); /* there is room again */
    h.swept_ms = 100000;
    horizon_advance(&h, 2, 16000);
    CU_ASSERT_EQUAL(h.record.counter, 410);
    CU_ASSERT_EQUAL(h.n, 0);
}

/* For whoever has no room for what it would have to remember. */
static void a_horizon_is_forced_mark_by_mark(void)
{
    struct horizon h = {.clean = true};
    horizon_note(&h, 1000, 10, 16000);
    horizon_note(&h, 1500, 15, 16000);
    horizon_note(&h, 1600, 16, 0);
    CU_ASSERT_TRUE(horizon_force(&h, 3));
    CU_ASSERT(h.record.epoch == 3 && h.record.counter == 10);
    CU_ASSERT_TRUE(horizon_force(&h, 3));
    CU_ASSERT_EQUAL(h.record.counter, 16);
    CU_ASSERT_FALSE(horizon_force(&h, 3));
}

static void a_slot_is_touched_once_an_epoch(void)
{
    side_begin();
    wal_pos first = journal_touch(journal, "cache", 0);
    CU_ASSERT(first > 0 && journal_touch(journal, "cache", 0) == first);
    CU_ASSERT_NOT_EQUAL(journal_touch(journal, "other", 0), first);
    wal_wait(journal_wal(journal), first);
    side_restart();
    CU_ASSERT(journal_touch(journal, "cache", 0) > first);
    side_end();
}

static void count(void *arg, uint16_t slot)
{
    *(unsigned *)arg += slot + 1u;
}

static void touches_of_earlier_starts_are_remembered(void)
{
    side_begin();
    unsigned n = 0;
    wal_wait(journal_wal(journal), journal_touch(journal, "cache", 0));
    side_restart();
    side_restart();
    journal_each_touched(journal, "cache", count, &n);
    CU_ASSERT_EQUAL(n, 1);
    journal_each_touched(journal, "other", count, &n);
    CU_ASSERT_EQUAL(n, 1);
    side_end();
}

/* Of one that decided about actions only: nobody would come to settle it. */
static void a_decision_without_parts_is_not_open_after_a_restart(void)
{
    side_begin();
    struct journal_live live;
    struct xa_decision d = {.gtrid = begin(&live), .who = "unit"};
    wal_wait(journal_wal(journal), journal_decide(journal, &d));
    CU_ASSERT_TRUE(journal_decided(journal, d.gtrid.text));
    journal_end(journal, &live);
    side_restart();
    CU_ASSERT_FALSE(journal_decided(journal, d.gtrid.text));
    side_end();
}

/* As large as a decision can be: what was set aside is enough for it and its DONE. */
static void what_is_reserved_is_enough(void)
{
    side_begin();
    struct journal_live live;
    struct xa_decision d = {.gtrid = begin(&live), .n_branches = XA_MAX_BRANCHES, .n_slots = XA_MAX_SLOTS};
    memset(d.who, 'w', sizeof d.who - 1);
    memset(d.saga, 's', sizeof d.saga - 1);
    for (unsigned i = 0; i < d.n_branches; i++) {
        memset(d.branch[i].backend, 'b', sizeof d.branch[i].backend - 1);
        memset(d.branch[i].bqual.text, 'q', sizeof d.branch[i].bqual.text - 1);
    }
    for (unsigned i = 0; i < d.n_slots; i++)
        memset(d.slot[i].resource, 'r', sizeof d.slot[i].resource - 1);
    size_t reserved = journal_reserve(journal, d.n_branches, d.n_slots);
    CU_ASSERT(reserved > 0);
    journal_unreserve(journal, reserved);
    wal_pos before = journal_touch(journal, "cache", 0);
    journal_decide(journal, &d);
    journal_done(journal, d.gtrid.text);
    wal_pos after = journal_touch(journal, "other", 0);
    CU_ASSERT(after - before <= reserved + 256); /* the touch itself */
    struct wal_stats stats;
    wal_stats(journal_wal(journal), &stats);
    CU_ASSERT_EQUAL(stats.reserved, 0);
    journal_end(journal, &live);
    side_end();
}

static void a_verdict_that_was_carried_out_does_not_come_back(void)
{
    side_begin();
    struct xa_person_verdict v = {.commit = true, .who = "dba", .why = "unit"}, back;
    strcpy(v.gtrid.text, "xap1:unit:00000000:1:1-0");
    journal_person_verdict(journal, &v);
    side_restart();
    CU_ASSERT_TRUE(journal_person_said(journal, v.gtrid.text, &back));
    CU_ASSERT_STRING_EQUAL(back.who, "dba");
    journal_person_done(journal, v.gtrid.text);
    side_restart();
    CU_ASSERT_FALSE(journal_person_said(journal, v.gtrid.text, &back));
    side_end();
}

static void connections_are_old_in_the_next_epoch(void)
{
    side_begin();
    struct xa_connection c = {.backend = "one", .account = "app", .connection_id = 7, .opened_ms = 1}, old[4];
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    c.connection_id = 8;
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 0);
    journal_connection_closed(journal, "one", 8, 1);
    side_restart();
    side_restart();
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 1);
    CU_ASSERT_EQUAL(old[0].connection_id, 7);
    journal_connection_closed(journal, "one", 7, 1);
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 0);
    side_end();
}

/* A server that was started again gave it to another; that the first one is gone is found out later. */
static void the_end_of_a_connection_is_not_that_of_the_next_with_its_number(void)
{
    side_begin();
    struct xa_connection c = {.backend = "one", .account = "app", .connection_id = 7, .opened_ms = 1}, old[4];
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    c.opened_ms = 2;
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    journal_connection_closed(journal, "one", 7, 1);
    side_restart();
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 1);
    CU_ASSERT_EQUAL(old[0].opened_ms, 2);
    journal_connection_closed(journal, "one", 7, 1);
    side_restart();
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 1);
    journal_connection_closed(journal, "one", 7, 2);
    side_restart();
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 0);
    side_end();
}

static void identities_and_adoptions_stay(void)
{
    side_begin();
    struct xa_identity identity = {.backend = "one", .server = "uuid-1"}, back;
    char by[33];
    journal_identity_set(journal, &identity);
    strcpy(identity.server, "uuid-2");
    journal_identity_set(journal, &identity);
    journal_adopt(journal, "0badcafe", "dba");
    side_restart();
    CU_ASSERT_TRUE(journal_identity(journal, "one", &back));
    CU_ASSERT_STRING_EQUAL(back.server, "uuid-2");
    CU_ASSERT_TRUE(journal_identity_taken(journal, "two", "uuid-2", by, sizeof by));
    CU_ASSERT_STRING_EQUAL(by, "one");
    CU_ASSERT_FALSE(journal_identity_taken(journal, "two", "uuid-1", by, sizeof by));
    CU_ASSERT_TRUE(journal_adopted(journal, "0badcafe"));
    CU_ASSERT_FALSE(journal_adopted(journal, "0badcaff"));
    side_end();
}

int main(void)
{
    side_config.redis = resources;
    side_config.n_redis = 2;
    side_config.max_actions = 100;
    side_config.wal_max_bytes = 16 << 20;
    static const struct unit_test tests[] = {
        {"a decision survives until it is done", a_decision_survives_until_it_is_done},
        {"a decision with Redis slots outlives its end", a_decision_with_redis_slots_outlives_its_end},
        {"settled decisions are forgotten below the horizon", settled_decisions_are_forgotten_below_the_horizon},
        {"an open transaction holds the horizon", an_open_transaction_holds_the_horizon},
        {"undo that was left holds the horizon until it is swept", undo_that_was_left_holds_the_horizon_until_it_is_swept},
        {"what no sweep has seen is not forgotten", what_no_sweep_has_seen_is_not_forgotten},
        {"a horizon follows at a distance", a_horizon_follows_at_a_distance},
        {"a horizon is forced mark by mark", a_horizon_is_forced_mark_by_mark},
        {"a slot is touched once an epoch", a_slot_is_touched_once_an_epoch},
        {"touches of earlier starts are remembered", touches_of_earlier_starts_are_remembered},
        {"what is reserved is enough", what_is_reserved_is_enough},
        {"a decision without parts is not open after a restart", a_decision_without_parts_is_not_open_after_a_restart},
        {"a verdict that was carried out does not come back", a_verdict_that_was_carried_out_does_not_come_back},
        {"connections are old in the next epoch", connections_are_old_in_the_next_epoch},
        {"the end of a connection is not that of the next with its number",
         the_end_of_a_connection_is_not_that_of_the_next_with_its_number},
        {"identities and adoptions stay", identities_and_adoptions_stay},
        {NULL, NULL},
    };
    return unit_main("journal", tests);
}
