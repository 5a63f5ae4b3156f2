/* The journal over a real log in a folder of its own: what survives a restart, what may be forgotten, what holds the horizon. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/journal/journal.h"
#include "tests/unit/unit.h"

static char folder[64];
static char cache[] = "cache", other[] = "other", node[] = "unit";
static struct config_redis resources[] = {{.name = cache}, {.name = other}};
static struct config config = {.node = node,
                               .data_dir = folder,
                               .redis = resources,
                               .n_redis = 2,
                               .wal_segment_bytes = 65536,
                               .wal_max_bytes = 1 << 20};
static struct journal *journal;

static void start(void)
{
    struct wal_error error;
    journal = journal_open(&config, NULL, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(journal);
    CU_ASSERT_EQUAL_FATAL(journal_start(journal, &error), WAL_OK);
}

static void restart(void)
{
    journal_close(journal);
    start();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void begin_test(void)
{
    char log_dir[80];
    snprintf(folder, sizeof folder, "/tmp/test-journal-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(log_dir, sizeof log_dir, "%s/log", folder);
    CU_ASSERT_EQUAL_FATAL(mkdir(log_dir, 0700), 0);
    start();
}

static void end_test(void)
{
    journal_close(journal);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

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
    begin_test();
    struct journal_live live;
    struct xa_gtrid open = begin(&live);
    decide(&open, false, false);
    journal_end(journal, &live);
    restart();
    enum xa_owner owner;
    CU_ASSERT_TRUE(xa_registry_find(journal_registry(journal), open.text, NULL, &owner));
    CU_ASSERT_EQUAL(owner, XA_OWNER_RESOLVER);
    journal_done(journal, open.text);
    CU_ASSERT_FALSE(journal_decided(journal, open.text));
    restart();
    CU_ASSERT_FALSE(journal_decided(journal, open.text));
    end_test();
}

/* Redis may fail over and bring its undo record back. */
static void a_decision_with_redis_slots_outlives_its_end(void)
{
    begin_test();
    struct xa_gtrid gtrid = commit_one();
    CU_ASSERT_TRUE(journal_decided(journal, gtrid.text));
    restart();
    restart();
    CU_ASSERT_TRUE(journal_decided(journal, gtrid.text));
    CU_ASSERT_FALSE(xa_registry_find(journal_registry(journal), gtrid.text, NULL, NULL));
    end_test();
}

static void settled_decisions_are_forgotten_below_the_horizon(void)
{
    begin_test();
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
    end_test();
}

/* Its first write to Redis may be still to come: below the horizon its undo record would never be taken back. */
static void an_open_transaction_holds_the_horizon(void)
{
    begin_test();
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
    end_test();
}

static void undo_that_was_left_holds_the_horizon_until_it_is_swept(void)
{
    begin_test();
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
    end_test();
}

static void a_slot_is_touched_once_an_epoch(void)
{
    begin_test();
    wal_pos first = journal_touch(journal, "cache", 0);
    CU_ASSERT(first > 0 && journal_touch(journal, "cache", 0) == first);
    CU_ASSERT_NOT_EQUAL(journal_touch(journal, "other", 0), first);
    wal_wait(journal_wal(journal), first);
    restart();
    CU_ASSERT(journal_touch(journal, "cache", 0) > first);
    end_test();
}

static void count(void *arg, uint16_t slot)
{
    *(unsigned *)arg += slot + 1u;
}

static void touches_of_earlier_starts_are_remembered(void)
{
    begin_test();
    unsigned n = 0;
    wal_wait(journal_wal(journal), journal_touch(journal, "cache", 0));
    restart();
    restart();
    journal_each_touched(journal, "cache", count, &n);
    CU_ASSERT_EQUAL(n, 1);
    journal_each_touched(journal, "other", count, &n);
    CU_ASSERT_EQUAL(n, 1);
    end_test();
}

/* As large as a decision can be: what was set aside is enough for it and its DONE. */
static void what_is_reserved_is_enough(void)
{
    begin_test();
    struct journal_live live;
    struct xa_decision d = {.gtrid = begin(&live), .n_branches = XA_MAX_BRANCHES, .n_slots = XA_MAX_SLOTS};
    memset(d.who, 'w', sizeof d.who - 1);
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
    end_test();
}

static void a_verdict_that_was_carried_out_does_not_come_back(void)
{
    begin_test();
    struct xa_person_verdict v = {.commit = true, .who = "dba", .why = "unit"}, back;
    strcpy(v.gtrid.text, "xap1:unit:00000000:1:1-0");
    journal_person_verdict(journal, &v);
    restart();
    CU_ASSERT_TRUE(journal_person_said(journal, v.gtrid.text, &back));
    CU_ASSERT_STRING_EQUAL(back.who, "dba");
    journal_person_done(journal, v.gtrid.text);
    restart();
    CU_ASSERT_FALSE(journal_person_said(journal, v.gtrid.text, &back));
    end_test();
}

static void connections_are_old_in_the_next_epoch(void)
{
    begin_test();
    struct xa_connection c = {.backend = "one", .account = "app", .connection_id = 7, .server_start_s = 1}, old[4];
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    c.connection_id = 8;
    wal_wait(journal_wal(journal), journal_connection_opened(journal, &c));
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 0);
    journal_connection_closed(journal, "one", 8);
    restart();
    restart();
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 1);
    CU_ASSERT_EQUAL(old[0].connection_id, 7);
    journal_connection_closed(journal, "one", 7);
    CU_ASSERT_EQUAL(journal_old_connections(journal, "one", old, 4), 0);
    end_test();
}

static void identities_and_adoptions_stay(void)
{
    begin_test();
    struct xa_identity identity = {.backend = "one", .server = "uuid-1"}, back;
    char by[33];
    journal_identity_set(journal, &identity);
    strcpy(identity.server, "uuid-2");
    journal_identity_set(journal, &identity);
    journal_adopt(journal, "0badcafe", "dba");
    restart();
    CU_ASSERT_TRUE(journal_identity(journal, "one", &back));
    CU_ASSERT_STRING_EQUAL(back.server, "uuid-2");
    CU_ASSERT_TRUE(journal_identity_taken(journal, "two", "uuid-2", by, sizeof by));
    CU_ASSERT_STRING_EQUAL(by, "one");
    CU_ASSERT_FALSE(journal_identity_taken(journal, "two", "uuid-1", by, sizeof by));
    CU_ASSERT_TRUE(journal_adopted(journal, "0badcafe"));
    CU_ASSERT_FALSE(journal_adopted(journal, "0badcaff"));
    end_test();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a decision survives until it is done", a_decision_survives_until_it_is_done},
        {"a decision with Redis slots outlives its end", a_decision_with_redis_slots_outlives_its_end},
        {"settled decisions are forgotten below the horizon", settled_decisions_are_forgotten_below_the_horizon},
        {"an open transaction holds the horizon", an_open_transaction_holds_the_horizon},
        {"undo that was left holds the horizon until it is swept", undo_that_was_left_holds_the_horizon_until_it_is_swept},
        {"a slot is touched once an epoch", a_slot_is_touched_once_an_epoch},
        {"touches of earlier starts are remembered", touches_of_earlier_starts_are_remembered},
        {"what is reserved is enough", what_is_reserved_is_enough},
        {"a verdict that was carried out does not come back", a_verdict_that_was_carried_out_does_not_come_back},
        {"connections are old in the next epoch", connections_are_old_in_the_next_epoch},
        {"identities and adoptions stay", identities_and_adoptions_stay},
        {NULL, NULL},
    };
    return unit_main("journal", tests);
}
