/* How far the horizon of a resource may move: pure, over times and numbers that it is told. */
#ifndef PROXY_JOURNAL_HORIZON_H
#define PROXY_JOURNAL_HORIZON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compensate/journal.h"

#define HORIZON_MARKS 32

struct horizon_mark { /* at at_ms everything named before `counter` had ended */
    int64_t at_ms;
    uint64_t counter;
};
struct horizon {
    struct comp_horizon_record record; /* what is below is forgotten */
    bool clean;                        /* earlier epochs have left nothing: marks of this one count */
    int64_t swept_ms;                  /* what had ended by then, a sweep has found to be ended in Redis, too */
    struct horizon_mark mark[HORIZON_MARKS]; /* oldest first */
    size_t n;
};

bool horizon_is_above(const struct comp_horizon_record *h, uint64_t epoch, uint64_t counter);
/* At now_ms everything before `counter` has ended. Of marks that lie closer together than keep_ms asks for, the first stands. */
void horizon_note(struct horizon *h, int64_t now_ms, uint64_t counter, int64_t keep_ms);
/* Moves to the last mark that lies keep_ms before the last sweep. */
void horizon_advance(struct horizon *h, uint64_t epoch, int64_t keep_ms);
/* Moves to the oldest mark, whether it was swept since or not. False: there is none. */
bool horizon_force(struct horizon *h, uint64_t epoch);

#endif
