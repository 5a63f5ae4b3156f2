/* What the tests of sql share: texts as slices, a context with two Redis resources. */
#ifndef TESTS_UNIT_SQL_SIDE_H
#define TESTS_UNIT_SQL_SIDE_H

#include <string.h>
#include <strings.h>

#include "base/cursor.h"

static inline struct slice text_of(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static inline bool is_cache(void *arg, const char *name)
{
    (void)arg;
    return !strcasecmp(name, "cache") || !strcasecmp(name, "other cache");
}

#endif
