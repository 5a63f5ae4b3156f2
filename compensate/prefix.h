/* A prefix that all keys of a resource have and that who uses it does not say. Leaves replies that name keys to who
 * reads them. */
#ifndef COMPENSATE_PREFIX_H
#define COMPENSATE_PREFIX_H

#include "compensate/command.h"

/* Puts it before every key of a checked command, and before the patterns of KEYS, SCAN and SORT. `use` stays right, but for its
 * slot. False: the command is about keys that it does not name; `why` says it as an SQL error. */
bool comp_prefix_add(struct comp_argv *command, const struct comp_command_use *use, const char *prefix,
                     struct comp_refusal *why) MUST_USE;

/* Where the keys stand that a reply names. */
enum comp_names {
    COMP_NAMES_NONE,
    COMP_NAMES_ALL,    /* each element */
    COMP_NAMES_FIRST,  /* the first one */
    COMP_NAMES_PAGE,   /* each of the second one */
    COMP_NAMES_HEADS,  /* the first of each one */
};
enum comp_names comp_prefix_names(const struct comp_command *row);

#endif
