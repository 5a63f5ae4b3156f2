/* One record on disk. All integers little-endian, no padding between records:
 *
 *    0  u32 crc32c of everything behind it     16  u64 position of the record in the log
 *    4  u32 magic                              24  u64 epoch of the start that wrote it
 *    8  u32 length of the payload              32  u64 id of the segment it belongs to
 *   12  u8  type, u8 flags, u16 zero           40  u64 what was durable when it was written
 *   48  the payload
 *
 * A record is made in two steps: appended when somebody has something to say, sealed by the thread that writes it,
 * since only then its segment and the durable position are known. */
#ifndef WAL_RECORD_H
#define WAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define WAL_RECORD_MAGIC 0x31574158u /* "XAW1" */
#define WAL_RECORD_HEADER 48
#define WAL_PAYLOAD_MAX (60 * 1024)
#define WAL_RECORD_MAX (WAL_RECORD_HEADER + WAL_PAYLOAD_MAX)

enum wal_record_flag {
    WAL_RECORD_IN_HEAD = 1, /* belongs to a segment's head: the EPOCH record, or a copy of something still open */
};

struct wal_record_header {
    uint32_t len; /* of the payload */
    uint8_t type, flags;
    uint64_t position, epoch, segment, durable;
};

struct wal_seal {
    uint64_t epoch, segment, durable;
};

/* Appends a record that still lacks its seal. len <= WAL_PAYLOAD_MAX. */
void wal_record_append(struct buf *out, uint8_t type, uint8_t flags, uint64_t position, const void *payload,
                       size_t len);
/* Seals all records in our own buffer; they must fill it exactly. Returns how many there are. */
unsigned wal_records_seal(uint8_t *bytes, size_t n, const struct wal_seal *seal);
/* How many bytes of whole records at the start of our own buffer fit into `room`. */
size_t wal_records_that_fit(const uint8_t *bytes, size_t n, size_t room);

/* Reads foreign bytes: false (and the cursor stays) where no whole record with a right check sum begins. */
bool wal_record_read(struct cursor *c, struct wal_record_header *header, struct slice *payload);

#endif
