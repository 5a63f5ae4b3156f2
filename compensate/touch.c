/* One atomic position a slot: 0 = no record yet. */
#include "compensate/touch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "compensate/slot.h"

struct comp_touch_set {
    unsigned n_resources;
    _Atomic uint64_t pos[]; /* of slot s of resource r: r * COMP_SLOTS + s */
};

struct comp_touch_set *comp_touch_new(unsigned n_resources)
{
    struct comp_touch_set *set = calloc(1, sizeof *set + n_resources * COMP_SLOTS * sizeof set->pos[0]);
    CHECK(set);
    set->n_resources = n_resources;
    return set;
}

void comp_touch_free(struct comp_touch_set *set)
{
    free(set);
}

static size_t index_of(const struct comp_touch_set *set, unsigned resource, uint16_t slot)
{
    CHECK(resource < set->n_resources && slot < COMP_SLOTS);
    return (size_t)resource * COMP_SLOTS + slot;
}

enum comp_touch comp_touch_ask(const struct comp_touch_set *set, unsigned resource, uint16_t slot, uint64_t durable,
                               uint64_t *pos)
{
    *pos = atomic_load(&set->pos[index_of(set, resource, slot)]);
    if (!*pos)
        return COMP_TOUCH_APPEND;
    return *pos <= durable ? COMP_TOUCH_DURABLE : COMP_TOUCH_WAIT;
}

/* The first of several records is enough, so it stays: whoever waits for it waits shortest. */
void comp_touch_appended(struct comp_touch_set *set, unsigned resource, uint16_t slot, uint64_t pos)
{
    CHECK(pos);
    _Atomic uint64_t *at = &set->pos[index_of(set, resource, slot)];
    uint64_t there = atomic_load(at);
    while ((!there || pos < there) && !atomic_compare_exchange_weak(at, &there, pos))
        continue;
}

void comp_touch_each(const struct comp_touch_set *set, void (*each)(void *arg, unsigned resource, uint16_t slot), void *arg)
{
    for (unsigned r = 0; r < set->n_resources; r++)
        for (unsigned s = 0; s < COMP_SLOTS; s++)
            if (atomic_load(&set->pos[(size_t)r * COMP_SLOTS + s]))
                each(arg, r, (uint16_t)s);
}
