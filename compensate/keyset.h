/* The keys that a transaction has locked, as hashes: two keys may be taken for one, so it answers what only concerns manners (who
 * waits for whom), never what concerns data. */
#ifndef COMPENSATE_KEYSET_H
#define COMPENSATE_KEYSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

struct comp_keyset { /* all-zero is empty */
    uint64_t *at;    /* open addressing; 0 = free; heap */
    uint32_t n, cap; /* cap: a power of two, or 0 */
};
bool comp_keyset_add(struct comp_keyset *set, struct slice key); /* true: it is new */
bool comp_keyset_has(const struct comp_keyset *set, struct slice key);
void comp_keyset_fini(struct comp_keyset *set);

/* Of any bytes, the same in this process and the next; never 0. */
uint64_t comp_key_hash(struct slice key);

#endif
