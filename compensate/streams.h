/* XREAD and XREADGROUP: where their streams and ids stand, how long they wait, and what they wait for when they ask again. */
#ifndef COMPENSATE_STREAMS_H
#define COMPENSATE_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "compensate/argv.h"

struct comp_streams {
    size_t block;    /* argument behind BLOCK; 0: it does not wait */
    size_t first, n; /* keys; as many ids follow */
};
/* False: there is no STREAMS, or an odd number of arguments behind it. */
bool comp_streams_find(const struct comp_argv *command, struct comp_streams *out) MUST_USE;
/* The milliseconds behind BLOCK. NULL: *out_ms; else what is wrong with them, as Redis says it. */
const char *comp_streams_timeout(const struct comp_argv *command, size_t block, int64_t *out_ms);
/* The ids in an answer COMP_REPLY_EMPTY, if there are any, instead of those in the command: $ is what was last when it began. */
void comp_streams_resume(struct comp_argv *command, struct slice empty);

#endif
