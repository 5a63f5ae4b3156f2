/* Any bytes as a segment: the walk ends, stays within the bytes, and gives only records that stand where they should. The
 * first byte chooses whether check sums are made good first, so that what lies behind them is reached too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wal/crc32c.h"
#include "wal/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID ((uint64_t)1 << 32 | 0x12345678)

static void store_le(uint8_t *at, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

/* Follows the lengths that the bytes claim, and gives each record the magic, the segment and the sum it would need. */
static void make_good(uint8_t *bytes, size_t n)
{
    for (size_t at = 0; n - at >= WAL_RECORD_HEADER;) {
        struct cursor c = cursor_make(bytes + at + 8, 4);
        size_t size = WAL_RECORD_HEADER + cursor_u32le(&c) % (WAL_PAYLOAD_MAX + 1);
        if (size > n - at)
            return;
        store_le(bytes + at + 4, WAL_RECORD_MAGIC, 4);
        store_le(bytes + at + 32, ID, 8);
        store_le(bytes + at, wal_crc32c(bytes + at + 4, size - 4), 4);
        at += size;
    }
}

static void walk(struct slice bytes, const struct wal_scan *scan)
{
    struct wal_walk walk;
    struct wal_entry entry;
    uint64_t offset = 0, records = 0;
    wal_walk_start(&walk, bytes, ID);
    for (; wal_walk_next(&walk, &entry); records++) {
        CHECK(entry.offset == offset);
        CHECK(entry.payload.at == bytes.at + offset + WAL_RECORD_HEADER);
        offset += WAL_RECORD_HEADER + entry.payload.len;
        CHECK(offset <= bytes.len && walk.offset == offset);
        CHECK(entry.header.durable <= scan->durable);
        CHECK(entry.header.epoch == walk.epoch.epoch);
    }
    CHECK(records == scan->records && scan->walk.offset == offset);
    CHECK(scan->epoch_ok == (records > 0));
    CHECK(!scan->head_ok || offset >= walk.epoch.head_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct wal_scan scan;
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + !n);
    CHECK(bytes);
    memcpy(bytes, data + 1, n);
    if (data[0] & 1)
        make_good(bytes, n);
    struct slice all = {bytes, n};
    wal_scan(all, ID, &scan);
    walk(all, &scan);
    free(bytes);
    return 0;
}
