/* Records: made, sealed, read back. Leaves to reader.c whether a good record stands where it should. */
#include "wal/record.h"

#include "wal/crc32c.h"

#define LENGTH_AT 8
#define EPOCH_AT 24
#define SEGMENT_AT 32
#define DURABLE_AT 40

static void store_le(uint8_t *at, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static size_t size_of_ours(const uint8_t *record)
{
    struct cursor c = cursor_make(record + LENGTH_AT, 4);
    return WAL_RECORD_HEADER + cursor_u32le(&c);
}

void wal_record_append(struct buf *out, uint8_t type, uint8_t flags, uint64_t position, const void *payload, size_t len)
{
    CHECK(len <= WAL_PAYLOAD_MAX);
    buf_reserve(out, WAL_RECORD_HEADER + len);
    buf_u32le(out, 0);
    buf_u32le(out, WAL_RECORD_MAGIC);
    buf_u32le(out, (uint32_t)len);
    buf_u8(out, type);
    buf_u8(out, flags);
    buf_u16le(out, 0);
    buf_u64le(out, position);
    buf_zeros(out, 24);
    buf_append(out, payload, len);
}

unsigned wal_records_seal(uint8_t *bytes, size_t n, const struct wal_seal *seal)
{
    unsigned count = 0;
    for (size_t at = 0; at < n; count++) {
        uint8_t *record = bytes + at;
        size_t size = size_of_ours(record);
        CHECK(size <= n - at);
        store_le(record + EPOCH_AT, seal->epoch, 8);
        store_le(record + SEGMENT_AT, seal->segment, 8);
        store_le(record + DURABLE_AT, seal->durable, 8);
        store_le(record, wal_crc32c(record + 4, size - 4), 4);
        at += size;
    }
    return count;
}

size_t wal_records_that_fit(const uint8_t *bytes, size_t n, size_t room)
{
    if (n <= room)
        return n;
    size_t fit = 0;
    while (fit < n && size_of_ours(bytes + fit) <= room - fit)
        fit += size_of_ours(bytes + fit);
    return fit;
}

bool wal_record_read(struct cursor *c, struct wal_record_header *header, struct slice *payload)
{
    struct cursor at = *c;
    uint32_t crc = cursor_u32le(&at);
    const uint8_t *covered = at.at;
    uint32_t magic = cursor_u32le(&at);
    header->len = cursor_u32le(&at);
    header->type = cursor_u8(&at);
    header->flags = cursor_u8(&at);
    uint16_t zero = cursor_u16le(&at);
    header->position = cursor_u64le(&at);
    header->epoch = cursor_u64le(&at);
    header->segment = cursor_u64le(&at);
    header->durable = cursor_u64le(&at);
    if (at.bad || magic != WAL_RECORD_MAGIC || zero || header->len > WAL_PAYLOAD_MAX)
        return false;
    *payload = cursor_bytes(&at, header->len);
    if (at.bad || wal_crc32c(covered, (size_t)(at.at - covered)) != crc)
        return false;
    *c = at;
    return true;
}
