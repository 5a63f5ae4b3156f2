/* The running log: what was appended comes back, waiting is shared, segments change without losing what is open, room is
 * promised and kept, one owner at a time. */
#include "tests/unit/wal_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "wal/crc32c.h"

enum { PATIENCE_MS = 30000 }; /* how busy the machine is proves nothing */
static struct seen seen;

static void fresh(struct place *place)
{
    place_make(place);
    seen = (struct seen){0};
}

static void check_sum_is_crc32c_by_table_and_instruction(void)
{
    uint8_t bytes[300];
    CU_ASSERT_EQUAL(wal_crc32c("123456789", 9), 0xe3069283u);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 7);
    for (size_t n = 0; n < sizeof bytes; n++)
        CU_ASSERT_EQUAL(wal_crc32c(bytes, n), wal_crc32c_table(bytes, n));
}

static void what_was_appended_comes_back_in_order(void)
{
    struct place place;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    struct wal *wal = log_begin(&options);
    wal_pos last = 0;
    for (uint32_t i = 0; i < 300; i++) {
        wal_pos pos = append_numbered(wal, i, 0, i % 3 == 0);
        CU_ASSERT(pos > last);
        last = pos;
    }
    wal_wait(wal, last);
    CU_ASSERT_EQUAL(wal_durable(wal), last);
    wal_close(wal);
    wal = log_begin(&options);
    CU_ASSERT_EQUAL_FATAL(seen.n, 300);
    for (uint32_t i = 0; i < 300; i++)
        CU_ASSERT_EQUAL(seen.order[i], i);
    CU_ASSERT_EQUAL(wal_durable(wal), last);
    wal_close(wal);
    place_remove(&place);
}

static void lazy_records_reach_the_disk_alone_and_at_close(void)
{
    struct place place;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    struct wal *wal = log_begin(&options);
    wal_pos pos = append_numbered(wal, 1, 0, true);
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    while (wal_durable(wal) < pos && clock_mono_ms() < deadline_ms)
        clock_sleep_ms(5);
    CU_ASSERT_EQUAL(wal_durable(wal), pos);
    int64_t took_ms = INT64_MAX;
    uint32_t n = 2;
    for (; took_ms >= 150 && n < 12; n++) { /* a disk may be slow for once */
        int64_t before_ms = clock_mono_ms();
        wal_wait(wal, append_numbered(wal, n, 0, true)); /* somebody waits after all: it goes at once */
        took_ms = clock_mono_ms() - before_ms;
    }
    CU_ASSERT(took_ms < 150);
    append_numbered(wal, n, 0, true);
    wal_close(wal);
    wal_close(log_begin(&options));
    CU_ASSERT_EQUAL(seen.n, n);
    CU_ASSERT_FALSE(seen.wrong);
    place_remove(&place);
}

static int slow_fdatasync(int fd)
{
    usleep(1000);
    return fdatasync(fd);
}

struct client {
    pthread_t thread;
    struct wal *wal;
    uint32_t first;
};
#define CLIENTS 8
#define APPENDS 60
static void *append_and_wait(void *arg)
{
    struct client *c = arg;
    for (uint32_t i = 0; i < APPENDS; i++) {
        wal_pos pos = append_numbered(c->wal, c->first + i, 0, false);
        wal_wait(c->wal, pos);
        CHECK(wal_durable(c->wal) >= pos);
    }
    return NULL;
}

static void one_sync_serves_all_who_wait(void)
{
    struct place place;
    struct client client[CLIENTS];
    struct wal_stats stats;
    struct wal_file_ops slow = wal_file_real;
    fresh(&place);
    slow.fdatasync = slow_fdatasync;
    struct wal_options options = options_for(&place, &seen);
    options.ops = &slow;
    struct wal *wal = log_begin(&options);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){.wal = wal, .first = i * APPENDS};
        pthread_create(&client[i].thread, NULL, append_and_wait, &client[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(client[i].thread, NULL);
    wal_stats(wal, &stats);
    CU_ASSERT_EQUAL(stats.records, CLIENTS * APPENDS);
    CU_ASSERT(stats.syncs < CLIENTS * APPENDS / 2);
    wal_close(wal);
    wal_close(log_begin(&options));
    for (int i = 0; i < CLIENTS * APPENDS; i++)
        CU_ASSERT_EQUAL(seen.times[i], 1);
    place_remove(&place);
}

/* What a registry is to the log: entered before its record is appended, left before its end is. */
static struct {
    pthread_mutex_t lock;
    bool open[NUMBERS_MAX];
    size_t pad;
    unsigned snapshots;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void registry_set(uint32_t number, bool open)
{
    pthread_mutex_lock(&registry.lock);
    registry.open[number] = open;
    pthread_mutex_unlock(&registry.lock);
}

static void registry_snapshot(void *arg, struct wal_snapshot *out)
{
    uint8_t payload[WAL_PAYLOAD_MAX];
    (void)arg;
    pthread_mutex_lock(&registry.lock);
    registry.snapshots++;
    for (uint32_t i = 0; i < NUMBERS_MAX; i++)
        if (registry.open[i])
            wal_snapshot_add(out, i % 2 ? TYPE_B : TYPE_A, payload, numbered_payload(payload, i, registry.pad));
    pthread_mutex_unlock(&registry.lock);
}

static void registry_clear(size_t pad)
{
    memset(registry.open, 0, sizeof registry.open);
    registry.pad = pad;
    registry.snapshots = 0;
    seen.pad = pad;
}

static void await_segments(const struct place *place, unsigned wanted)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    unsigned n;
    while ((n = place_segments(place)) != wanted && clock_mono_ms() < deadline_ms)
        clock_sleep_ms(5);
    CU_ASSERT_EQUAL(n, wanted); /* once: the log may be about to change its segment again */
}

/* Every tenth record stays open over many changes of segment; the old segments go. */
static void changes_of_segment_keep_what_is_open(void)
{
    struct place place;
    fresh(&place);
    registry_clear(200);
    struct wal_options options = options_for(&place, &seen);
    options.on_snapshot = registry_snapshot;
    struct wal *wal = log_begin(&options);
    for (uint32_t i = 0; i < 3000; i++) {
        registry_set(i, true);
        wal_pos pos = append_numbered(wal, i, 200, false);
        if (i % 50 == 49)
            wal_wait(wal, pos);
        if (i % 100 && i > 0)
            registry_set(i, false);
    }
    wal_close(wal);
    CU_ASSERT(registry.snapshots > 5);
    wal = log_begin(&options);
    for (uint32_t i = 0; i < 3000; i += 100)
        CU_ASSERT(seen.times[i] >= 1);
    CU_ASSERT(seen.n < 1000); /* most are gone with their segments */
    CU_ASSERT_FALSE(seen.wrong);
    await_segments(&place, 2); /* the one in use and the one made ahead */
    wal_close(wal);
    place_remove(&place);
}

static void segments_grow_with_what_is_open(void)
{
    struct place place;
    fresh(&place);
    registry_clear(8000);
    struct wal_options options = options_for(&place, &seen);
    options.on_snapshot = registry_snapshot;
    options.max_bytes = 16 * 1024 * 1024;
    struct wal *wal = log_begin(&options);
    for (uint32_t i = 0; i < 100; i++) { /* 800 kB open in segments of 64 KiB */
        registry_set(i, true);
        wal_wait(wal, append_numbered(wal, i, 8000, false));
    }
    struct wal_stats stats;
    wal_stats(wal, &stats);
    CU_ASSERT(stats.segments < 20); /* larger segments: not a change for every few records */
    wal_close(wal);
    wal_close(log_begin(&options));
    for (uint32_t i = 0; i < 100; i++)
        CU_ASSERT(seen.times[i] >= 1);
    place_remove(&place);
}

static void the_greatest_record_fits_and_batches_larger_than_a_segment_are_split(void)
{
    struct place place;
    fresh(&place);
    size_t pad = WAL_PAYLOAD_MAX - 4 - 22;
    seen.pad = pad;
    registry_clear(pad);
    struct wal_options options = options_for(&place, &seen);
    options.on_snapshot = registry_snapshot;
    struct wal *wal = log_begin(&options);
    wal_pos pos = 0;
    for (uint32_t i = 0; i < 8; i++) {
        registry_set(i, i >= 5);
        pos = append_numbered(wal, i, pad, false);
    }
    wal_wait(wal, pos);
    wal_close(wal);
    wal_close(log_begin(&options));
    for (uint32_t i = 5; i < 8; i++)
        CU_ASSERT(seen.times[i] >= 1);
    CU_ASSERT_FALSE(seen.wrong);
    place_remove(&place);
}

static void each_start_is_a_greater_epoch_of_the_same_log(void)
{
    struct place place;
    char id[WAL_ID_MAX];
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    for (uint64_t epoch = 1; epoch < 6; epoch++) {
        struct wal *wal = log_begin(&options);
        CU_ASSERT_EQUAL(wal_epoch(wal), epoch);
        if (epoch == 1)
            memcpy(id, wal_id(wal), sizeof id);
        CU_ASSERT_STRING_EQUAL(wal_id(wal), id);
        CU_ASSERT_EQUAL(strlen(id), 8);
        wal_close(wal);
    }
    place_remove(&place);
}

/* A start that reads but does not come to its snapshot leaves everything as it was. */
static void a_start_cut_short_costs_nothing(void)
{
    struct place place;
    struct wal_error error;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    struct wal *wal = log_begin(&options);
    wal_wait(wal, append_numbered(wal, 7, 0, false));
    wal_close(wal);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(wal_open(&wal, &options, &error), WAL_OK);
        wal_close(wal);
    }
    CU_ASSERT_EQUAL(seen.times[7], 3);
    CU_ASSERT_EQUAL(seen.n, 3);
    place_remove(&place);
}

static void a_second_owner_is_refused(void)
{
    struct place place;
    struct wal_error error;
    struct wal *second;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    struct wal *wal = log_begin(&options);
    CU_ASSERT_EQUAL(wal_open(&second, &options, &error), WAL_LOCKED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, place.path));
    wal_close(wal);
    CU_ASSERT_EQUAL_FATAL(wal_open(&second, &options, &error), WAL_OK);
    wal_close(second);
    place_remove(&place);
}

static bool refuse(void *arg, const struct wal_record *record, char *why, size_t why_size)
{
    (void)arg, (void)record;
    snprintf(why, why_size, "from the future");
    return false;
}

static void a_record_that_is_not_understood_stops_the_start(void)
{
    struct place place;
    struct wal_error error;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    struct wal *wal = log_begin(&options);
    append_numbered(wal, 1, 0, false);
    wal_close(wal);
    options.on_record = refuse;
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "from the future"));
    options.on_record = see;
    wal_close(log_begin(&options)); /* the lock was given back, the record is still there */
    CU_ASSERT_EQUAL(seen.n, 1);
    place_remove(&place);
}

/* Blocks or lets through the making of segments, as a full disk does, or a crowd of clients that has all descriptors. */
static atomic_bool disk_full, no_descriptors;
static int open_the_last(const char *path, int flags, mode_t mode)
{
    if (no_descriptors && strcmp(path + strlen(path) - 4, ".wal") == 0) {
        errno = EMFILE;
        return -1;
    }
    return open(path, flags, mode);
}

static ssize_t pwrite_on_small_disk(int fd, const void *bytes, size_t n, off_t at)
{
    if (disk_full && n > 32 * 1024) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, n, at);
}

static void await_reserve(struct wal *wal, size_t bytes)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    bool got = false;
    while (!(got = wal_reserve(wal, bytes)) && clock_mono_ms() < deadline_ms)
        clock_sleep_ms(5);
    CU_ASSERT_TRUE(got);
}

static void room_is_promised_and_given_back(void)
{
    struct place place;
    struct wal_stats stats;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    options.max_bytes = 2 * SEGMENT;
    struct wal *wal = log_begin(&options);
    await_reserve(wal, SEGMENT + SEGMENT / 2); /* needs the segment that is made ahead */
    CU_ASSERT_FALSE(wal_reserve(wal, SEGMENT));
    wal_stats(wal, &stats);
    CU_ASSERT_EQUAL(stats.reserved, SEGMENT + SEGMENT / 2);
    CU_ASSERT(stats.refused >= 1);
    wal_unreserve(wal, SEGMENT);
    CU_ASSERT_TRUE(wal_reserve(wal, SEGMENT));
    wal_close(wal);
    place_remove(&place);
}

/* The current segment is filled while none can be made: new work is refused, what has its promise is written, what has not
 * waits; with space back all goes on. */
static void the_new_is_refused_until_there_is_room(const struct wal_file_ops *ops, atomic_bool *scarce)
{
    struct place place;
    fresh(&place);
    seen.pad = 1000;
    registry_clear(1000);
    struct wal_options options = options_for(&place, &seen);
    options.ops = ops;
    options.on_snapshot = registry_snapshot;
    struct wal *wal = log_begin(&options);
    await_reserve(wal, SEGMENT + SEGMENT / 4); /* both segments are there */
    wal_unreserve(wal, SEGMENT + SEGMENT / 4);
    *scarce = true;
    uint32_t number = 0;
    while (wal_reserve(wal, 1100)) {
        wal_wait(wal, append_numbered(wal, number++, 1000, false));
        wal_unreserve(wal, 1100);
        if (number == 200)
            break;
    }
    CU_ASSERT(number > 80 && number < 200); /* two segments' worth, then no */
    wal_pos stuck = append_numbered(wal, number, 1000, false);
    for (int i = 1; i < 5; i++)
        stuck = append_numbered(wal, number + (uint32_t)i, 1000, false);
    clock_sleep_ms(50);
    CU_ASSERT(wal_durable(wal) < stuck);
    *scarce = false;
    wal_wait(wal, stuck);
    await_reserve(wal, SEGMENT / 2);
    wal_close(wal);
    wal_close(log_begin(&options));
    for (uint32_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(seen.times[number + i], 1);
    place_remove(&place);
}

static void a_full_disk_refuses_the_new_and_goes_on_when_space_is_back(void)
{
    struct wal_file_ops ops = wal_file_real;
    ops.pwrite = pwrite_on_small_disk;
    the_new_is_refused_until_there_is_room(&ops, &disk_full);
}

static void so_does_a_process_without_descriptors(void)
{
    struct wal_file_ops ops = wal_file_real;
    ops.open = open_the_last;
    the_new_is_refused_until_there_is_room(&ops, &no_descriptors);
}

/* Nothing ends, so that each head is longer than the last and the segment made ahead too small for it: the new is refused
 * before a promise depends on a larger one; when much has ended the small one will do again. */
static void a_full_disk_keeps_promises_while_heads_grow(void)
{
    struct place place;
    struct wal_file_ops ops = wal_file_real;
    fresh(&place);
    registry_clear(1000);
    ops.pwrite = pwrite_on_small_disk;
    struct wal_options options = options_for(&place, &seen);
    options.ops = &ops;
    options.on_snapshot = registry_snapshot;
    struct wal *wal = log_begin(&options);
    await_reserve(wal, SEGMENT + SEGMENT / 4);
    wal_unreserve(wal, SEGMENT + SEGMENT / 4);
    disk_full = true;
    uint32_t number = 0;
    size_t promised = 4 * 1100;
    CU_ASSERT_TRUE(wal_reserve(wal, promised));
    for (; number < 200 && wal_reserve(wal, 1100); number++) {
        registry_set(number, true);
        wal_wait(wal, append_numbered(wal, number, 1000, false));
        wal_unreserve(wal, 1100);
    }
    CU_ASSERT(number > 30 && number < 110);
    for (int i = 0; i < 4; i++, number++) { /* those under way finish */
        registry_set(number, true);
        wal_wait(wal, append_numbered(wal, number, 1000, false));
        wal_unreserve(wal, promised / 4);
    }
    for (uint32_t i = 0; i < number; i++)
        registry_set(i, false);
    await_reserve(wal, 1100);
    wal_unreserve(wal, 1100);
    disk_full = false;
    await_reserve(wal, SEGMENT / 2);
    wal_close(wal);
    wal_close(log_begin(&options));
    place_remove(&place);
}

static _Atomic uint64_t told;
static void tell(void *arg, wal_pos durable)
{
    (void)arg;
    CHECK(durable > told);
    told = durable;
}

static void the_durable_position_is_told_after_each_sync(void)
{
    struct place place;
    fresh(&place);
    told = 0;
    struct wal_options options = options_for(&place, &seen);
    options.on_durable = tell;
    struct wal *wal = log_begin(&options);
    wal_pos pos = 0;
    for (uint32_t i = 0; i < 50; i++)
        wal_wait(wal, pos = append_numbered(wal, i, 0, false));
    wal_close(wal);
    CU_ASSERT_EQUAL(told, pos);
    place_remove(&place);
}

static void limits_that_make_no_sense_are_refused(void)
{
    struct place place;
    struct wal *wal;
    struct wal_error error;
    fresh(&place);
    struct wal_options options = options_for(&place, &seen);
    options.max_bytes = SEGMENT + SEGMENT / 2;
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_NO_SPACE);
    options = options_for(&place, &seen);
    options.dir = "/nowhere/at/all";
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nowhere/at/all"));
    place_remove(&place);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    return unit_main("wal", (const struct unit_test[]){
        {"check sum is CRC32C, by table and by instruction", check_sum_is_crc32c_by_table_and_instruction},
        {"what was appended comes back in order", what_was_appended_comes_back_in_order},
        {"lazy records reach the disk alone and at close", lazy_records_reach_the_disk_alone_and_at_close},
        {"one sync serves all who wait", one_sync_serves_all_who_wait},
        {"changes of segment keep what is open", changes_of_segment_keep_what_is_open},
        {"segments grow with what is open", segments_grow_with_what_is_open},
        {"the greatest record fits, batches larger than a segment are split",
         the_greatest_record_fits_and_batches_larger_than_a_segment_are_split},
        {"each start is a greater epoch of the same log", each_start_is_a_greater_epoch_of_the_same_log},
        {"a start cut short costs nothing", a_start_cut_short_costs_nothing},
        {"a second owner is refused", a_second_owner_is_refused},
        {"a record that is not understood stops the start", a_record_that_is_not_understood_stops_the_start},
        {"room is promised and given back", room_is_promised_and_given_back},
        {"a full disk refuses the new and goes on when space is back",
         a_full_disk_refuses_the_new_and_goes_on_when_space_is_back},
        {"so does a process without descriptors, until there are some", so_does_a_process_without_descriptors},
        {"a full disk keeps promises while heads grow", a_full_disk_keeps_promises_while_heads_grow},
        {"the durable position is told after each sync", the_durable_position_is_told_after_each_sync},
        {"limits that make no sense are refused", limits_that_make_no_sense_are_refused},
        {NULL, NULL}});
}
