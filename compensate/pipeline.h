/* Commands of one client that go to Redis together, outside a transaction: each stands for itself, in their order, up to the
 * first that has to wait. That one and those behind it were not done. */
#ifndef COMPENSATE_PIPELINE_H
#define COMPENSATE_PIPELINE_H

#include "compensate/command.h"

#define COMP_PIPELINE_KEYS 1000 /* that are looked at: Lua cannot unpack more than about 8000 values */

struct comp_pipeline { /* all-zero is empty */
    struct comp_argv words;         /* of all commands, end to end */
    struct comp_pipeline_part {
        size_t first, n;            /* in `words` */
        const struct comp_command *row;
        bool writes;
        unsigned looked;            /* so many of the keys are its */
    } *part;
    size_t n, cap;
    struct comp_argv looked, others; /* keys */
};
/* False: one more would be too much. */
bool comp_pipeline_has_room(const struct comp_pipeline *p, const struct comp_command_use *use);
/* use: what comp_command_check said, of a read or a write that does not wait for something to take. looks: it may only run while
 * nobody holds its keys. */
void comp_pipeline_add(struct comp_pipeline *p, const struct comp_argv *command, const struct comp_command_use *use, bool looks);
void comp_pipeline_fini(struct comp_pipeline *p);

#endif
