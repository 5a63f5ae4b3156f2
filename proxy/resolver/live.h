/* Which transactions the workers had in hand when they were asked: a sorted set, made anew for each sweep. */
#ifndef PROXY_RESOLVER_LIVE_H
#define PROXY_RESOLVER_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cursor.h"

struct live_set { /* all-zero is empty */
    struct buf text; /* gtrids, each with its NUL */
    const char **at;
    size_t n;
};
void live_set_sort(struct live_set *set); /* once `text` is complete */
bool live_set_has(const struct live_set *set, const char *gtrid);
void live_set_fini(struct live_set *set);

#endif
