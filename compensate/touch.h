/* Which slots of which resources this start has put a touch record into the log for: shared by all threads. Knows positions
 * as numbers; the log itself is the caller's. */
#ifndef COMPENSATE_TOUCH_H
#define COMPENSATE_TOUCH_H

#include <stdint.h>

struct comp_touch_set;
struct comp_touch_set *comp_touch_new(unsigned n_resources);
void comp_touch_free(struct comp_touch_set *set);

enum comp_touch {
    COMP_TOUCH_APPEND,  /* append a record, then comp_touch_appended: two threads may both do so, which is harmless */
    COMP_TOUCH_WAIT,    /* a record is at *pos: wait until that is durable */
    COMP_TOUCH_DURABLE, /* go on */
};
enum comp_touch comp_touch_ask(const struct comp_touch_set *set, unsigned resource, uint16_t slot, uint64_t durable,
                               uint64_t *pos);
void comp_touch_appended(struct comp_touch_set *set, unsigned resource, uint16_t slot, uint64_t pos);
/* Every slot touched in this start: for the log's snapshot. */
void comp_touch_each(const struct comp_touch_set *set, void (*each)(void *arg, unsigned resource, uint16_t slot), void *arg);

#endif
