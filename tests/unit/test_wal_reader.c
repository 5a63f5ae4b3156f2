/* Reading what a crash or a bad disk left: a log cut at any byte gives exactly what was synced, a flipped bit gives that or a
 * refusal, garbage gives nothing, and nothing ever gives a record that was not written. */
#include "tests/unit/wal_fixture.h"

#include "base/random.h"
#include "wal/types.h"

/* A small log of several batches, kept as bytes: the image is what every test damages. */
#define BATCHES 6
static struct {
    struct place place;
    uint64_t id;
    char name[WAL_NAME_MAX], mark[16];
    struct buf image;         /* the whole segment file */
    uint64_t end;             /* offset at which its records end */
    uint64_t head;            /* length of the head */
    uint64_t record_end[64];  /* offset behind record number i */
    unsigned records;
    uint64_t last_batch;      /* offset of the last batch */
} small;
static struct seen seen;

static void snapshot_two(void *arg, struct wal_snapshot *out)
{
    uint8_t payload[64];
    (void)arg;
    for (uint32_t i = 0; i < 2; i++)
        wal_snapshot_add(out, i % 2 ? TYPE_B : TYPE_A, payload, numbered_payload(payload, i, 0));
}

/* Several records become one batch when only the last of them hurries. */
static void append_batch(struct wal *wal, unsigned records)
{
    wal_pos pos = 0;
    for (unsigned i = 0; i < records; i++)
        pos = append_numbered(wal, small.records++, 0, i + 1 < records);
    wal_wait(wal, pos);
}

static void note_offsets(void)
{
    struct wal_walk walk;
    struct wal_entry entry;
    unsigned number = 0;
    wal_pos durable = 0;
    wal_walk_start(&walk, (struct slice){buf_at(&small.image), buf_len(&small.image)}, small.id);
    while (wal_walk_next(&walk, &entry)) {
        if (entry.header.type != WAL_TYPE_EPOCH)
            small.record_end[number++] = walk.offset;
        if (entry.header.durable > durable) { /* the records of one batch know the same */
            durable = entry.header.durable;
            small.last_batch = entry.offset;
        }
    }
    CHECK(number == small.records);
    small.head = walk.epoch.head_bytes;
    small.end = walk.offset;
}

static void make_small_log(void)
{
    struct wal_found found;
    struct wal_error error;
    place_make(&small.place);
    struct wal_options options = options_for(&small.place, &seen);
    options.on_snapshot = snapshot_two;
    struct wal *wal = log_begin(&options);
    small.records = 2; /* the snapshot's */
    for (unsigned batch = 0; batch < BATCHES; batch++)
        append_batch(wal, batch + 1 == BATCHES ? 3 : 1 + batch % 2);
    snprintf(small.mark, sizeof small.mark, "log-%s", wal_id(wal));
    wal_close(wal);
    struct wal_dir dir = {small.place.path, &wal_file_real};
    CHECK(wal_find(&dir, &found, &error) == WAL_OK);
    small.id = found.live;
    wal_segment_name(small.name, small.id);
    buf_append(&small.image, buf_at(&found.image), buf_len(&found.image));
    wal_found_fini(&found);
    note_offsets();
}

static unsigned records_within(uint64_t offset)
{
    unsigned n = 0;
    while (n < small.records && small.record_end[n] <= offset)
        n++;
    return n;
}

/* Lays out a directory with the mark and one segment, reads it; what was read is in `seen`. */
static enum wal_status read_bytes(const void *bytes, size_t n, struct wal_error *error)
{
    struct wal *wal;
    place_empty(&small.place);
    place_write(&small.place, small.mark, "", 0);
    place_write(&small.place, small.name, bytes, n);
    seen = (struct seen){0};
    struct wal_options options = options_for(&small.place, &seen);
    enum wal_status status = wal_open(&wal, &options, error);
    if (status == WAL_OK)
        wal_close(wal);
    return status;
}

static bool saw_exactly(unsigned n)
{
    if (seen.n != n || seen.wrong)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (seen.order[i] != i)
            return false;
    return true;
}

static void cut_at_every_byte_gives_exactly_the_prefix(void)
{
    struct wal_error error;
    unsigned wrong = 0;
    for (uint64_t cut = 0; cut <= small.end; cut++) {
        enum wal_status status = read_bytes(buf_at(&small.image), cut, &error);
        bool right = cut < small.head ? status == WAL_CORRUPT : status == WAL_OK && saw_exactly(records_within(cut));
        wrong += !right;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* The same where the file keeps its length, as zero-filled segments do. */
static void zeros_from_every_byte_on_give_exactly_the_prefix(void)
{
    struct wal_error error;
    struct buf image = {0};
    unsigned wrong = 0;
    for (uint64_t cut = small.head; cut <= small.end; cut++) {
        buf_clear(&image);
        buf_append(&image, buf_at(&small.image), cut);
        buf_zeros(&image, small.end + 512 - cut);
        unsigned whole = records_within(cut);
        /* A record that ends in zeros may be whole although its end was cut. */
        while (whole < small.records && !memcmp(buf_at(&image), buf_at(&small.image), small.record_end[whole]))
            whole++;
        wrong += read_bytes(buf_at(&image), buf_len(&image), &error) != WAL_OK || !saw_exactly(whole);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    buf_fini(&image);
}

/* What a flip at this offset may give: in the head or in a batch that a later one proves durable a refusal, in the last
 * batch the end of the log, behind it nothing. */
static bool flip_judged_rightly(uint64_t offset, enum wal_status status, const struct wal_error *error)
{
    if (offset >= small.last_batch)
        return status == WAL_OK && saw_exactly(records_within(offset));
    return status == WAL_CORRUPT && strstr(error->text, small.name) && strstr(error->text, "offset");
}

static void every_flipped_bit_gives_what_was_synced_or_a_refusal(void)
{
    struct wal_error error;
    uint8_t *image = buf_at(&small.image);
    unsigned wrong = 0, cases = 0;
    for (uint64_t bit = 0; bit < (small.end + 64) * 8; bit++, cases++) {
        image[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum wal_status status = read_bytes(image, small.end + 512, &error);
        wrong += !flip_judged_rightly(bit / 8, status, &error);
        image[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT(cases > 5000);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_tail(const void *tail, size_t n)
{
    struct wal_error error;
    struct buf image = {0};
    buf_append(&image, buf_at(&small.image), small.end);
    buf_append(&image, tail, n);
    buf_zeros(&image, 4096);
    CU_ASSERT_EQUAL(read_bytes(buf_at(&image), buf_len(&image), &error), WAL_OK);
    CU_ASSERT(saw_exactly(small.records));
    buf_fini(&image);
}

static void garbage_behind_the_end_is_not_read(void)
{
    uint8_t garbage[4096];
    struct buf foreign = {0};
    for (int i = 0; i < 50; i++) {
        random_bytes(garbage, sizeof garbage);
        check_tail(garbage, sizeof garbage);
    }
    memset(garbage, 0xff, sizeof garbage);
    check_tail(garbage, sizeof garbage);
    /* good records of this log in the wrong place, then in the right one but of another segment or epoch */
    check_tail(buf_at(&small.image) + small.record_end[3], small.end - small.record_end[3]);
    uint8_t payload[64];
    wal_record_append(&foreign, TYPE_A, 0, small.end - small.head, payload, numbered_payload(payload, 20, 0));
    static const struct wal_seal seals[] = {{.epoch = 1}, {.epoch = 1, .durable = UINT64_MAX}, {.epoch = 2}};
    for (int i = 0; i < 3; i++) {
        struct wal_seal seal = seals[i];
        seal.segment = small.id + (i < 2);
        wal_records_seal(buf_at(&foreign), buf_len(&foreign), &seal);
        check_tail(buf_at(&foreign), buf_len(&foreign));
    }
    buf_fini(&foreign);
}

/* Of a batch that was not synced, later pages may be on the disk and earlier ones not. */
static void a_hole_in_the_last_batch_is_the_end(void)
{
    struct wal_error error;
    struct buf image = {0};
    buf_append(&image, buf_at(&small.image), buf_len(&small.image));
    unsigned before = records_within(small.last_batch);
    memset(buf_at(&image) + small.last_batch, 0, small.record_end[before] - small.last_batch);
    CU_ASSERT_EQUAL(read_bytes(buf_at(&image), buf_len(&image), &error), WAL_OK);
    CU_ASSERT(before + 1 < small.records);
    CU_ASSERT(saw_exactly(before));
    buf_fini(&image);
}

/* A second segment as a change of segment or a new start leaves it, with what it says about the first. */
static void make_successor(struct buf *out, uint64_t id, uint64_t old_end, wal_pos durable)
{
    struct wal_snapshot snapshot = {.base = old_end - small.head};
    struct wal_epoch epoch = {
        .epoch = 2, .segment = id, .base = snapshot.base, .old_segment = small.id, .old_end = old_end};
    memcpy(epoch.log_id, small.mark + 4, sizeof epoch.log_id);
    snapshot_two(NULL, &snapshot);
    buf_clear(out);
    wal_head_make(out, &epoch, &snapshot, durable);
    buf_fini(&snapshot.records);
}

static enum wal_status read_both(const struct buf *first, const struct buf *second, size_t second_bytes, uint64_t *epoch)
{
    struct wal *wal;
    struct wal_error error;
    char name[WAL_NAME_MAX];
    wal_segment_name(name, small.id + (1ull << 32));
    place_empty(&small.place);
    place_write(&small.place, small.mark, "", 0);
    place_write(&small.place, small.name, buf_at(first), buf_len(first));
    place_write(&small.place, name, buf_at(second), second_bytes);
    seen = (struct seen){0};
    struct wal_options options = options_for(&small.place, &seen);
    enum wal_status status = wal_open(&wal, &options, &error);
    if (status == WAL_OK) {
        *epoch = wal_epoch(wal);
        wal_close(wal);
    }
    return status;
}

static void a_torn_new_head_falls_back_to_the_old_segment(void)
{
    struct buf next = {0};
    uint64_t epoch;
    unsigned wrong = 0;
    make_successor(&next, small.id + (1ull << 32), small.end, small.end - small.head);
    for (size_t cut = 0; cut < buf_len(&next); cut++)
        wrong += read_both(&small.image, &next, cut, &epoch) != WAL_OK || !saw_exactly(small.records);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(epoch, 3); /* the torn one had begun epoch 2 */
    CU_ASSERT_EQUAL(read_both(&small.image, &next, buf_len(&next), &epoch), WAL_OK);
    CU_ASSERT(saw_exactly(2)); /* a whole head says all */
    buf_fini(&next);
}

static void nothing_past_the_named_end_is_read(void)
{
    struct buf next = {0};
    uint64_t epoch;
    make_successor(&next, small.id + (1ull << 32), small.record_end[4], 0);
    CU_ASSERT_EQUAL(read_both(&small.image, &next, buf_len(&next) - 1, &epoch), WAL_OK);
    CU_ASSERT(saw_exactly(5));
    buf_fini(&next);
}

static void a_torn_head_still_proves_what_was_durable(void)
{
    struct buf next = {0}, shorter = {0};
    uint64_t epoch;
    make_successor(&next, small.id + (1ull << 32), small.end, small.end - small.head);
    buf_append(&shorter, buf_at(&small.image), small.end - 1);
    CU_ASSERT_EQUAL(read_both(&shorter, &next, buf_len(&next) - 1, &epoch), WAL_CORRUPT);
    buf_fini(&next);
    buf_fini(&shorter);
}

/* No body is written before its head is synced: a broken head before a body is damage, although the old segment is whole. */
static void a_body_behind_a_broken_head_is_refused(void)
{
    struct buf next = {0};
    uint64_t epoch, id = small.id + (1ull << 32);
    make_successor(&next, id, small.end, small.end - small.head);
    size_t head = buf_len(&next);
    wal_record_append(&next, TYPE_A, 0, small.end - small.head, "1234", 4);
    wal_records_seal(buf_at(&next) + head, buf_len(&next) - head,
                     &(struct wal_seal){.epoch = 2, .segment = id, .durable = small.end - small.head});
    unsigned wrong = 0;
    for (size_t i = 0; i < head; i++) {
        buf_at(&next)[i] ^= 0x10;
        wrong += read_both(&small.image, &next, buf_len(&next), &epoch) != WAL_CORRUPT;
        buf_at(&next)[i] ^= 0x10;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    buf_fini(&next);
}

static void a_first_log_cut_short_is_made_again(void)
{
    struct wal_options options = options_for(&small.place, &seen);
    for (uint64_t cut = 0; cut <= small.head - 1; cut += 7) {
        place_empty(&small.place);
        place_write(&small.place, small.name, buf_at(&small.image), cut); /* no mark: nobody was promised anything */
        seen = (struct seen){0};
        struct wal *wal = log_begin(&options);
        CU_ASSERT_EQUAL(seen.n, 0);
        CU_ASSERT_STRING_NOT_EQUAL(wal_id(wal), small.mark + 4);
        wal_wait(wal, append_numbered(wal, 5, 0, false));
        wal_close(wal);
        wal_close(log_begin(&options));
        CU_ASSERT_EQUAL(seen.times[5], 1);
    }
}

static void missing_and_mixed_files_are_refused(void)
{
    struct wal *wal;
    struct wal_error error;
    struct wal_options options = options_for(&small.place, &seen);
    place_empty(&small.place);
    place_write(&small.place, small.mark, "", 0);
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "missing"));
    place_empty(&small.place);
    place_write(&small.place, "log-00000000", "", 0);
    place_write(&small.place, small.name, buf_at(&small.image), buf_len(&small.image));
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_CORRUPT);
    place_write(&small.place, small.mark, "", 0);
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "mixed"));
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    make_small_log();
    int status = unit_main("wal reader", (const struct unit_test[]){
        {"cut at every byte: exactly the prefix", cut_at_every_byte_gives_exactly_the_prefix},
        {"zeros from every byte on: exactly the prefix", zeros_from_every_byte_on_give_exactly_the_prefix},
        {"every flipped bit: what was synced, or refused", every_flipped_bit_gives_what_was_synced_or_a_refusal},
        {"garbage behind the end is not read", garbage_behind_the_end_is_not_read},
        {"a hole in the last batch is the end", a_hole_in_the_last_batch_is_the_end},
        {"a torn new head falls back to the old segment", a_torn_new_head_falls_back_to_the_old_segment},
        {"nothing past the named end is read", nothing_past_the_named_end_is_read},
        {"a torn head still proves what was durable", a_torn_head_still_proves_what_was_durable},
        {"a body behind a broken head is refused", a_body_behind_a_broken_head_is_refused},
        {"a first log cut short is made again", a_first_log_cut_short_is_made_again},
        {"missing and mixed files are refused", missing_and_mixed_files_are_refused},
        {NULL, NULL}});
    buf_fini(&small.image);
    place_remove(&small.place);
    return status;
}
