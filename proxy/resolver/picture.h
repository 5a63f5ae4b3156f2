/* What one sweep saw, kept for people until the next: rows in doubt with their age. Filled by the thread that sweeps, then put in
 * the place of the last one under the resolver's lock. */
#ifndef PROXY_RESOLVER_PICTURE_H
#define PROXY_RESOLVER_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

#define PICTURE_NAME_MAX 160

struct picture_row {
    char gtrid[PICTURE_NAME_MAX], bqual[PICTURE_NAME_MAX]; /* printable: foreign bytes as X'..' */
    int64_t first_seen_ms;                                 /* monotonic */
    int64_t absent_ms;                                     /* monotonic: a sweep that began then did not see it; 0 = none did */
    const char *fate;                                      /* a constant */
    char why[200], decision[32], who[200];
    bool foreign;
    bool quiet; /* in somebody's hand: remembered for its age, shown only when it grows old */
};
struct picture {
    struct picture_row *row;
    size_t n, cap;
};

void picture_name(char *out, size_t out_size, struct slice bytes);
/* A new row, zeroed but for names, first_seen_ms and absent_ms, which come from `before` where that has it. Valid until the
 * next add. */
struct picture_row *picture_add(struct picture *p, const struct picture *before, struct slice gtrid, struct slice bqual);
/* The same for what is no branch of a server: its place as people know it stands for the bqual. */
struct picture_row *picture_add_at(struct picture *p, const struct picture *before, struct slice gtrid, const char *place);
/* All rows of this place as they were before: it could not be looked at, and why. */
void picture_keep(struct picture *p, const struct picture *before, const char *place, const char *why);
const struct picture_row *picture_find(const struct picture *p, const char *gtrid, const char *bqual);
bool picture_mentions(const struct picture *p, const char *gtrid);
bool picture_shows(const struct picture_row *row, int64_t now_ms);
void picture_fini(struct picture *p);

#endif
