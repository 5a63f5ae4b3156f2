/* Judges what is on disk. The end of a log is its first record that is not good; it is corruption instead where a good
 * record elsewhere names a later durable position, or where a body follows a head that is not whole (no body is written
 * before its head is synced). Leaves acting on records to whoever walks them. */
#include "wal/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "wal/types.h"

#define MAGIC_AT 4
#define LOOKS 5 /* at a directory whose segments keep vanishing */

void wal_walk_start(struct wal_walk *walk, struct slice bytes, uint64_t id)
{
    *walk = (struct wal_walk){.bytes = bytes, .id = id};
}

wal_pos wal_walk_position(const struct wal_walk *walk)
{
    const struct wal_epoch *e = &walk->epoch;
    return walk->offset < e->head_bytes ? e->base : e->base + (walk->offset - e->head_bytes);
}

static bool begins_segment(struct wal_walk *walk, const struct wal_entry *entry, uint64_t size)
{
    const struct wal_record_header *h = &entry->header;
    struct wal_epoch e;
    if (h->type != WAL_TYPE_EPOCH || h->flags != WAL_RECORD_IN_HEAD || !wal_epoch_read(entry->payload, &e))
        return false;
    if (e.segment != walk->id || e.epoch != h->epoch || e.base != h->position || e.head_bytes < size)
        return false;
    walk->epoch = e;
    return true;
}

static bool continues_segment(const struct wal_walk *walk, const struct wal_record_header *h, uint64_t size)
{
    bool in_head = walk->offset < walk->epoch.head_bytes;
    return h->type != WAL_TYPE_EPOCH && h->epoch == walk->epoch.epoch && h->position == wal_walk_position(walk) &&
           h->flags == (in_head ? WAL_RECORD_IN_HEAD : 0) &&
           (!in_head || size <= walk->epoch.head_bytes - walk->offset);
}

bool wal_walk_next(struct wal_walk *walk, struct wal_entry *entry)
{
    struct cursor c = cursor_make(walk->bytes.at, walk->bytes.len);
    cursor_skip(&c, walk->offset);
    if (!wal_record_read(&c, &entry->header, &entry->payload) || entry->header.segment != walk->id ||
        entry->header.durable > entry->header.position)
        return false;
    uint64_t size = WAL_RECORD_HEADER + entry->payload.len;
    if (walk->offset ? !continues_segment(walk, &entry->header, size) : !begins_segment(walk, entry, size))
        return false;
    entry->offset = walk->offset;
    walk->offset += size;
    return true;
}

static void take_evidence(struct wal_scan *scan, const struct wal_record_header *h)
{
    if (h->durable > scan->durable)
        scan->durable = h->durable;
}

/* Good records behind a bad one: each is searched for by its magic, since no length leads to it. */
static void look_behind(struct wal_scan *scan)
{
    struct cursor c = cursor_make(scan->walk.bytes.at, scan->walk.bytes.len);
    const uint8_t magic[] = {WAL_RECORD_MAGIC & 0xff, WAL_RECORD_MAGIC >> 8 & 0xff, WAL_RECORD_MAGIC >> 16 & 0xff,
                             WAL_RECORD_MAGIC >> 24};
    cursor_skip(&c, scan->walk.offset);
    while (cursor_left(&c) >= WAL_RECORD_HEADER) {
        const uint8_t *hit = memmem(c.at + MAGIC_AT, cursor_left(&c) - MAGIC_AT, magic, sizeof magic);
        if (!hit)
            return;
        struct wal_record_header h;
        struct slice payload;
        cursor_skip(&c, (size_t)(hit - c.at) - MAGIC_AT);
        if (!wal_record_read(&c, &h, &payload)) {
            cursor_skip(&c, 1);
        } else if (h.segment == scan->walk.id) {
            take_evidence(scan, &h);
            scan->stray_body |= !(h.flags & WAL_RECORD_IN_HEAD);
        }
    }
}

void wal_scan(struct slice bytes, uint64_t id, struct wal_scan *out)
{
    struct wal_entry entry;
    *out = (struct wal_scan){0};
    wal_walk_start(&out->walk, bytes, id);
    while (wal_walk_next(&out->walk, &entry)) {
        take_evidence(out, &entry.header);
        out->records++;
    }
    out->epoch_ok = out->walk.offset > 0;
    out->head_ok = out->epoch_ok && out->walk.offset >= out->walk.epoch.head_bytes;
    look_behind(out);
}

static enum wal_status corrupt(const struct wal_dir *dir, uint64_t id, uint64_t offset, const char *what,
                               struct wal_error *error)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, id);
    return wal_error_set(error, WAL_CORRUPT,
                         "%s/%s is damaged at offset %" PRIu64
                         ": %s. A backup is no remedy: it would roll back what was decided since. Look with "
                         "waldump --verify, settle by hand what XA RECOVER lists, then move the directory away",
                         dir->path, name, offset, what);
}

/* What is gathered from the newest segment backwards until one with a whole head. */
struct survey {
    const struct wal_dir *dir;
    struct wal_found *found;
    uint64_t limit_segment, limit; /* a newer EPOCH record says that the log ended here */
    uint64_t damaged;              /* id and offset of the oldest segment without a whole head */
    uint64_t damaged_at;
};

static void survey_epoch(struct survey *s, const struct wal_epoch *e)
{
    if (e->epoch > s->found->epoch)
        s->found->epoch = e->epoch;
    if (e->old_segment != s->limit_segment || e->old_end < s->limit) {
        s->limit_segment = e->old_segment;
        s->limit = e->old_end;
    }
}

static enum wal_status survey_live(struct survey *s, const struct wal_scan *scan, struct wal_error *error)
{
    struct wal_found *found = s->found;
    const struct wal_epoch *e = &scan->walk.epoch;
    found->exists = true;
    found->live = scan->walk.id;
    found->end_offset = scan->walk.offset;
    found->end = wal_walk_position(&scan->walk);
    if (found->durable > found->end)
        return corrupt(s->dir, found->live, found->end_offset, "a later record proves that more was durable", error);
    if (found->log_id[0] && strcmp(found->log_id, e->log_id) != 0)
        return corrupt(s->dir, found->live, 0, "it belongs to another log than the directory's log-<id> file", error);
    memcpy(found->log_id, e->log_id, sizeof found->log_id);
    if (s->limit_segment == found->live && s->limit < found->end_offset && s->limit >= e->head_bytes) {
        found->end -= found->end_offset - s->limit;
        found->end_offset = s->limit;
    }
    return WAL_OK;
}

/* Sets *more where an older segment must be looked at. */
static enum wal_status survey_segment(struct survey *s, uint64_t id, bool *more, struct wal_error *error)
{
    char name[WAL_NAME_MAX];
    struct wal_scan scan;
    struct buf *image = &s->found->image;
    wal_segment_name(name, id);
    buf_clear(image);
    if (wal_file_read(s->dir, name, image) < 0)
        return wal_error_errno(error, "read", s->dir->path, name);
    wal_scan((struct slice){buf_at(image), buf_len(image)}, id, &scan);
    if (scan.durable > s->found->durable)
        s->found->durable = scan.durable;
    if (scan.epoch_ok && !scan.head_ok)
        survey_epoch(s, &scan.walk.epoch);
    else if (scan.epoch_ok && scan.walk.epoch.epoch > s->found->epoch)
        s->found->epoch = scan.walk.epoch.epoch;
    *more = !scan.head_ok;
    if (scan.head_ok)
        return survey_live(s, &scan, error);
    s->damaged = id;
    s->damaged_at = scan.walk.offset;
    return scan.stray_body ? corrupt(s->dir, id, scan.walk.offset, "records follow a head that is not whole", error)
                           : WAL_OK;
}

static enum wal_status no_live_segment(const struct survey *s, struct wal_error *error)
{
    if (!s->found->log_id[0])
        return WAL_OK;
    if (s->damaged)
        return corrupt(s->dir, s->damaged, s->damaged_at, "no segment of the log has a whole head", error);
    return wal_error_set(
        error, WAL_CORRUPT,
        "the segments of log %s are missing in %s: put them back; to begin anew, settle by hand what XA "
        "RECOVER lists, then move the directory away",
        s->found->log_id, s->dir->path);
}

static enum wal_status find_once(const struct wal_dir *dir, struct wal_found *out, struct wal_error *error)
{
    struct wal_listing listing;
    struct survey survey = {.dir = dir, .found = out};
    bool more = true;
    enum wal_status status = wal_dir_list(dir, &listing, error);
    *out = (struct wal_found){0};
    if (status != WAL_OK)
        return status;
    memcpy(out->log_id, listing.log_id, sizeof out->log_id);
    if (listing.n)
        out->last_number = wal_segment_number(listing.segment[listing.n - 1]);
    for (size_t i = listing.n; i-- && more && status == WAL_OK;)
        status = survey_segment(&survey, listing.segment[i], &more, error);
    wal_listing_fini(&listing);
    if (status == WAL_OK && more)
        status = no_live_segment(&survey, error);
    if (status != WAL_OK)
        wal_found_fini(out);
    return status;
}

enum wal_status wal_find(const struct wal_dir *dir, struct wal_found *out, struct wal_error *error)
{
    enum wal_status status = WAL_IO;
    for (int look = 0; look < LOOKS; look++) {
        errno = 0;
        status = find_once(dir, out, error);
        if (status != WAL_IO || errno != ENOENT)
            break;
    }
    return status;
}

void wal_found_fini(struct wal_found *found)
{
    buf_fini(&found->image);
    *found = (struct wal_found){0};
}
