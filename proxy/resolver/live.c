/* The set as an array of pointers into the workers' answer. */
#include "proxy/resolver/live.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void live_set_sort(struct live_set *set)
{
    if (!buf_len(&set->text))
        return;
    struct cursor c = cursor_make(buf_at(&set->text), buf_len(&set->text));
    size_t cap = 0;
    while (cursor_left(&c)) {
        struct slice gtrid = cursor_until_nul(&c);
        CHECK(!c.bad);
        if (set->n == cap) {
            cap = cap ? 2 * cap : 64;
            set->at = realloc(set->at, cap * sizeof *set->at);
            CHECK(set->at);
        }
        set->at[set->n++] = (const char *)gtrid.at;
    }
    qsort(set->at, set->n, sizeof *set->at, compare);
}

bool live_set_has(const struct live_set *set, const char *gtrid)
{
    return set->n && bsearch(&gtrid, set->at, set->n, sizeof *set->at, compare);
}

void live_set_fini(struct live_set *set)
{
    buf_fini(&set->text);
    free(set->at);
    *set = (struct live_set){0};
}
