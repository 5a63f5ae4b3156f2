/* Linear probing in a table that is at most half full. */
#include "compensate/keyset.h"

#include <stdlib.h>

#include "base/check.h"

uint64_t comp_key_hash(struct slice key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, and its upper half folded in */
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.at[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    return h ? h : 1;
}

static uint64_t *place_of(const struct comp_keyset *set, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (set->cap - 1);
    while (set->at[i] && set->at[i] != hash)
        i = (i + 1) & (set->cap - 1);
    return &set->at[i];
}

static void grow(struct comp_keyset *set)
{
    struct comp_keyset bigger = {.cap = set->cap ? 2 * set->cap : 16};
    bigger.at = calloc(bigger.cap, sizeof *bigger.at);
    CHECK(bigger.at);
    for (uint32_t i = 0; i < set->cap; i++)
        if (set->at[i])
            *place_of(&bigger, set->at[i]) = set->at[i];
    bigger.n = set->n;
    free(set->at);
    *set = bigger;
}

bool comp_keyset_add(struct comp_keyset *set, struct slice key)
{
    if (2 * (set->n + 1) > set->cap)
        grow(set);
    uint64_t hash = comp_key_hash(key), *place = place_of(set, hash);
    bool fresh = !*place;
    set->n += fresh;
    *place = hash;
    return fresh;
}

bool comp_keyset_has(const struct comp_keyset *set, struct slice key)
{
    return set->n && *place_of(set, comp_key_hash(key));
}

void comp_keyset_fini(struct comp_keyset *set)
{
    free(set->at);
    *set = (struct comp_keyset){0};
}
