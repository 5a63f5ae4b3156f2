/* Rows in an array. Lists come in much the same order each time, so looking for a row begins where the last one was found. */
#include "proxy/resolver/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

/* What a worker has in hand is normal for so long; then a DBA wants to know of it. */
#define QUIET_MS 5000

static bool printable(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] < 0x21 || bytes.at[i] > 0x7e || bytes.at[i] == '\'' || bytes.at[i] == '"')
            return false;
    return true;
}

void picture_name(char *out, size_t out_size, struct slice bytes)
{
    size_t at = 0;
    if (printable(bytes)) {
        snprintf(out, out_size, "%.*s", (int)bytes.len, (const char *)bytes.at);
        return;
    }
    at += (size_t)snprintf(out, out_size, "X'");
    for (size_t i = 0; i < bytes.len && at + 4 < out_size; i++)
        at += (size_t)snprintf(out + at, out_size - at, "%02X", bytes.at[i]);
    snprintf(out + at, out_size - at, "'");
}

static const struct picture_row *find_from(const struct picture *p, size_t start, const char *gtrid, const char *bqual)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct picture_row *row = &p->row[(start + i) % p->n];
        if (!strcmp(row->gtrid, gtrid) && !strcmp(row->bqual, bqual))
            return row;
    }
    return NULL;
}

const struct picture_row *picture_find(const struct picture *p, const char *gtrid, const char *bqual)
{
    return find_from(p, 0, gtrid, bqual);
}

bool picture_mentions(const struct picture *p, const char *gtrid)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->row[i].gtrid, gtrid))
            return true;
    return false;
}

static struct picture_row *new_row(struct picture *p)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 16;
        p->row = realloc(p->row, p->cap * sizeof *p->row);
        CHECK(p->row);
    }
    return &p->row[p->n++];
}

struct picture_row *picture_add_at(struct picture *p, const struct picture *before, struct slice gtrid, const char *place)
{
    struct picture_row *row = new_row(p);
    memset(row, 0, sizeof *row);
    row->fate = "";
    picture_name(row->gtrid, sizeof row->gtrid, gtrid);
    snprintf(row->bqual, sizeof row->bqual, "%s", place);
    const struct picture_row *old = find_from(before, p->n - 1, row->gtrid, row->bqual);
    row->first_seen_ms = old ? old->first_seen_ms : clock_mono_ms();
    row->absent_ms = old ? old->absent_ms : 0;
    return row;
}

struct picture_row *picture_add(struct picture *p, const struct picture *before, struct slice gtrid, struct slice bqual)
{
    char name[PICTURE_NAME_MAX];
    picture_name(name, sizeof name, bqual);
    return picture_add_at(p, before, gtrid, name);
}

void picture_keep(struct picture *p, const struct picture *before, const char *place, const char *why)
{
    for (size_t i = 0; i < before->n; i++) {
        if (strcmp(before->row[i].bqual, place) != 0)
            continue;
        struct picture_row *row = new_row(p);
        *row = before->row[i];
        snprintf(row->why, sizeof row->why, "%.190s", why);
    }
}

bool picture_shows(const struct picture_row *row, int64_t now_ms)
{
    return !row->quiet || now_ms - row->first_seen_ms >= QUIET_MS;
}

void picture_fini(struct picture *p)
{
    free(p->row);
    *p = (struct picture){0};
}
