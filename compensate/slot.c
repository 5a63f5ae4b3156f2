/* Names of control keys. */
#include "compensate/slot.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

uint16_t comp_slot_of_key(struct slice key)
{
    (void)key; /* one server, one slot: the key will matter in a cluster */
    return 0;
}

void comp_control_of_slot(struct comp_control *out, uint16_t slot)
{
    CHECK(slot < COMP_SLOTS);
    snprintf(out->key, sizeof out->key, COMP_KEY_PREFIX "c}:c");
    snprintf(out->conflicts, sizeof out->conflicts, COMP_KEY_PREFIX "c}:k");
}

bool comp_key_is_ours(struct slice key)
{
    size_t n = strlen(COMP_KEY_PREFIX);
    return key.len >= n && !memcmp(key.at, COMP_KEY_PREFIX, n);
}
