/* The payloads of this folder's log records (wal/types.h: TOUCH, HORIZON): writer and reader side by side. Integers
 * little-endian, strings with an 8-bit length. */
#ifndef COMPENSATE_JOURNAL_H
#define COMPENSATE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/cursor.h"

#define COMP_RESOURCE_MAX 32
#define COMP_NODE_MAX 12

/* From here on `epoch` of `node` writes into this slot: recovery must look there. Says its epoch itself, since a snapshot
 * carries it into segments of later starts. */
struct comp_touch_record {
    char resource[COMP_RESOURCE_MAX + 1];
    char node[COMP_NODE_MAX + 1];
    uint64_t epoch;
    uint16_t slot;
};
void comp_touch_write(struct buf *out, const struct comp_touch_record *r);
bool comp_touch_read(struct slice payload, struct comp_touch_record *r) MUST_USE; /* false: not well-formed */

/* Decisions of transactions named before (epoch, counter) that wrote to this resource may be forgotten: a record of such a
 * transaction found later is an orphan. */
struct comp_horizon_record {
    char resource[COMP_RESOURCE_MAX + 1];
    uint64_t epoch, counter;
};
void comp_horizon_write(struct buf *out, const struct comp_horizon_record *r);
bool comp_horizon_read(struct slice payload, struct comp_horizon_record *r) MUST_USE;

#endif
