/* Where the control fields of a slot live in Redis. A server that is no cluster is one slot; a cluster has 16384, by a
 * checksum of keys or of the {tag} in them, and keys of one call must share theirs: so each has a control hash whose own
 * tag hashes to it. */
#ifndef COMPENSATE_SLOT_H
#define COMPENSATE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* How slots are named here and in the log: COMP_SLOT_ALONE is the whole of a server, others are the cluster's number plus 1. */
#define COMP_SLOT_ALONE 0
#define COMP_SLOTS 16385
#define COMP_CONTROL_KEY_MAX 32
#define COMP_KEY_PREFIX "xa:{" /* keys that begin so are ours: commands of clients may not name them */

struct comp_control {
    char key[COMP_CONTROL_KEY_MAX];       /* hash: locks, records, tombstones, epochs */
    char conflicts[COMP_CONTROL_KEY_MAX]; /* hash: what could not be taken back, for people */
    char absent[COMP_CONTROL_KEY_MAX];    /* never there; "" where the server is alone. See calls.c */
};
uint16_t comp_slot_of_key(struct slice key);     /* in a cluster */
uint16_t comp_slot_of_number(unsigned number);   /* the cluster's own, 0 to 16383 */
unsigned comp_slot_number(uint16_t slot);        /* back again; not of COMP_SLOT_ALONE */
#define COMP_SLOT_TEXT 8
const char *comp_slot_text(uint16_t slot, char out[COMP_SLOT_TEXT]); /* for people: "4711", or "-" of a server that is alone */
void comp_control_of_slot(struct comp_control *out, uint16_t slot);
bool comp_key_is_ours(struct slice key);

#endif
