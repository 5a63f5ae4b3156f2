/* Where the control fields of a slot live in Redis. A standalone server has the one slot 0; a cluster would have 16384, each
 * with a tag that hashes to it: only this file would learn that. */
#ifndef COMPENSATE_SLOT_H
#define COMPENSATE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

#define COMP_SLOTS 1
#define COMP_CONTROL_KEY_MAX 32
#define COMP_KEY_PREFIX "xa:{" /* keys that begin so are ours: commands of clients may not name them */

struct comp_control {
    char key[COMP_CONTROL_KEY_MAX];       /* hash: locks, records, tombstones, epochs */
    char conflicts[COMP_CONTROL_KEY_MAX]; /* hash: what could not be taken back, for people */
};
uint16_t comp_slot_of_key(struct slice key);
void comp_control_of_slot(struct comp_control *out, uint16_t slot);
bool comp_key_is_ours(struct slice key);

#endif
