/* What the programs about wal/ share: a directory, numbered records whose bytes follow from the number, and a memory of what
 * a log gave back. */
#ifndef TESTS_UNIT_WAL_FIXTURE_H
#define TESTS_UNIT_WAL_FIXTURE_H

#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "wal/reader.h"
#include "wal/wal.h"

#define SEGMENT (64 * 1024)
#define NUMBERS_MAX 20000
#define TYPE_A 200 /* nobody's numbers */
#define TYPE_B 201

/* A record's payload: its number, then a pattern; `pad` makes large ones. */
static inline size_t numbered_payload(uint8_t *out, uint32_t number, size_t pad)
{
    size_t n = 4 + number % 23 + pad;
    memcpy(out, &number, 4);
    for (size_t i = 4; i < n; i++)
        out[i] = (uint8_t)(number * 31 + i);
    return n;
}

/* What came back: which numbers, how often, and whether every byte was right. */
struct seen {
    size_t pad;
    uint32_t order[NUMBERS_MAX];
    unsigned n;
    unsigned times[NUMBERS_MAX];
    bool wrong;
};

static inline bool see(void *arg, const struct wal_record *record, char *why, size_t why_size)
{
    struct seen *seen = arg;
    uint8_t expected[WAL_PAYLOAD_MAX];
    uint32_t number = 0;
    if (record->payload.len >= 4)
        memcpy(&number, record->payload.at, 4);
    if (number >= NUMBERS_MAX || seen->n == NUMBERS_MAX ||
        numbered_payload(expected, number, seen->pad) != record->payload.len ||
        memcmp(expected, record->payload.at, record->payload.len) != 0 ||
        record->type != (number % 2 ? TYPE_B : TYPE_A)) {
        seen->wrong = true;
        snprintf(why, why_size, "not a record of this test");
        return false;
    }
    seen->order[seen->n++] = number;
    seen->times[number]++;
    return true;
}

static inline void snapshot_nothing(void *arg, struct wal_snapshot *out)
{
    (void)arg, (void)out;
}

static inline wal_pos append_numbered(struct wal *wal, uint32_t number, size_t pad, bool lazy)
{
    uint8_t payload[WAL_PAYLOAD_MAX];
    size_t n = numbered_payload(payload, number, pad);
    uint8_t type = number % 2 ? TYPE_B : TYPE_A;
    return lazy ? wal_append_lazy(wal, type, payload, n) : wal_append(wal, type, payload, n);
}

struct place {
    char path[256];
};

static inline void place_make(struct place *place)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(place->path, sizeof place->path, "%s/wal-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(place->path))
        abort();
}

static inline void place_empty(const struct place *place)
{
    char path[600];
    DIR *d = opendir(place->path);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", place->path, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) < 0)
            abort();
    }
    closedir(d);
}

static inline void place_remove(const struct place *place)
{
    place_empty(place);
    rmdir(place->path);
}

static inline void place_write(const struct place *place, const char *name, const void *bytes, size_t n)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", place->path, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static inline unsigned place_segments(const struct place *place)
{
    struct wal_dir dir = {place->path, &wal_file_real};
    struct wal_listing listing;
    struct wal_error error;
    if (wal_dir_list(&dir, &listing, &error) != WAL_OK)
        abort();
    unsigned n = (unsigned)listing.n;
    wal_listing_fini(&listing);
    return n;
}

static inline struct wal_options options_for(const struct place *place, struct seen *seen)
{
    return (struct wal_options){.dir = place->path,
                                .segment_bytes = SEGMENT,
                                .max_bytes = 1024 * 1024,
                                .on_record = see,
                                .on_snapshot = snapshot_nothing,
                                .arg = seen};
}

/* Opens and starts; a failing status is printed and fails the test. */
static inline struct wal *log_begin(const struct wal_options *options)
{
    struct wal *wal;
    struct wal_error error = {0};
    if (wal_open(&wal, options, &error) != WAL_OK || wal_start(wal, &error) != WAL_OK) {
        fprintf(stderr, "%s\n", error.text);
        CU_FAIL_FATAL("the log does not start");
    }
    return wal;
}

#endif
