/* The head of a segment, writer and reader of its first record side by side. Leaves the disk to segment.c. */
#include "wal/head.h"

#include <string.h>

#include "wal/types.h"

#define EPOCH_BYTES (8 + 7 * 8)

static void epoch_write(struct buf *out, const struct wal_epoch *e)
{
    buf_append(out, e->log_id, 8);
    buf_u64le(out, e->epoch);
    buf_u64le(out, e->segment);
    buf_u64le(out, e->base);
    buf_u64le(out, e->head_bytes);
    buf_u64le(out, e->old_segment);
    buf_u64le(out, e->old_end);
    buf_u64le(out, (uint64_t)e->made_ms);
}

bool wal_epoch_read(struct slice payload, struct wal_epoch *e)
{
    struct cursor c = cursor_make(payload.at, payload.len);
    struct slice id = cursor_bytes(&c, 8);
    e->epoch = cursor_u64le(&c);
    e->segment = cursor_u64le(&c);
    e->base = cursor_u64le(&c);
    e->head_bytes = cursor_u64le(&c);
    e->old_segment = cursor_u64le(&c);
    e->old_end = cursor_u64le(&c);
    e->made_ms = (int64_t)cursor_u64le(&c);
    if (!cursor_done(&c))
        return false;
    memcpy(e->log_id, id.at, 8);
    e->log_id[8] = '\0';
    return strspn(e->log_id, "0123456789abcdef") == 8;
}

void wal_snapshot_add(struct wal_snapshot *out, uint8_t type, const void *payload, size_t len)
{
    CHECK(type != WAL_TYPE_EPOCH);
    wal_record_append(&out->records, type, WAL_RECORD_IN_HEAD, out->base, payload, len);
}

uint64_t wal_head_bytes(const struct wal_snapshot *snapshot)
{
    return WAL_RECORD_HEADER + EPOCH_BYTES + buf_len(&snapshot->records);
}

void wal_head_make(struct buf *out, struct wal_epoch *epoch, const struct wal_snapshot *snapshot, wal_pos durable)
{
    struct buf payload = {0};
    size_t before = buf_len(out);
    epoch->head_bytes = wal_head_bytes(snapshot);
    epoch_write(&payload, epoch);
    CHECK(buf_len(&payload) == EPOCH_BYTES);
    wal_record_append(out, WAL_TYPE_EPOCH, WAL_RECORD_IN_HEAD, snapshot->base, buf_at(&payload), EPOCH_BYTES);
    if (buf_len(&snapshot->records)) /* buf_at may not be asked of a buffer that never held a byte */
        buf_append(out, buf_at(&snapshot->records), buf_len(&snapshot->records));
    CHECK(buf_len(out) - before == epoch->head_bytes);
    wal_records_seal(buf_at(out) + before, epoch->head_bytes,
                     &(struct wal_seal){.epoch = epoch->epoch, .segment = epoch->segment, .durable = durable});
    buf_fini(&payload);
}
