/* Commands that run one behind the other in one step in Redis, after one look at the locks of all their keys: what MULTI ... EXEC
 * is outside a transaction. Each fails for itself. */
#ifndef COMPENSATE_SERIES_H
#define COMPENSATE_SERIES_H

#include "compensate/command.h"

struct comp_series { /* all-zero is empty */
    struct comp_argv words;         /* of all commands, end to end */
    struct comp_series_part {
        size_t first, n;            /* in `words` */
        const struct comp_command *row; /* NULL: as it is */
        bool writes;
    } *part;
    size_t n, cap;
    struct comp_argv written, read; /* keys; duplicates stay */
};
/* use: what comp_command_check said; NULL = as it is, whatever keys it has. */
void comp_series_add(struct comp_series *s, const struct comp_argv *command, const struct comp_command_use *use);
/* The words of the i-th; `out` is emptied first. */
void comp_series_words(const struct comp_series *s, size_t i, struct comp_argv *out);
/* For who waits for its keys: as if it were one command. Beyond COMP_MAX_KEYS the rest is left out. */
void comp_series_use(const struct comp_series *s, struct comp_argv *command, struct comp_command_use *use);
void comp_series_clear(struct comp_series *s);
void comp_series_fini(struct comp_series *s);

#endif
