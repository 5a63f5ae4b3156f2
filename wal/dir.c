/* Names in the log's directory: listing, lock, mark, removal. Leaves what is in the files to reader.c and segment.c. */
#include "wal/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define MARK_PREFIX "log-"
#define LOCK_NAME "lock"

void wal_segment_name(char out[static WAL_NAME_MAX], uint64_t id)
{
    snprintf(out, WAL_NAME_MAX, "%08" PRIx32 "-%08" PRIx32 ".wal", wal_segment_number(id), (uint32_t)id);
}

bool wal_segment_parse_name(const char *name, uint64_t *id)
{
    uint32_t number, salt;
    char canonical[WAL_NAME_MAX];
    if (sscanf(name, "%8" SCNx32 "-%8" SCNx32 ".wal", &number, &salt) != 2)
        return false;
    *id = (uint64_t)number << 32 | salt;
    wal_segment_name(canonical, *id);
    return !strcmp(name, canonical);
}

static bool is_mark(const char *name)
{
    size_t prefix = sizeof MARK_PREFIX - 1;
    return !strncmp(name, MARK_PREFIX, prefix) && strlen(name + prefix) == WAL_ID_MAX - 1 &&
           strspn(name + prefix, "0123456789abcdef") == WAL_ID_MAX - 1;
}

static void add_segment(struct wal_listing *listing, uint64_t id)
{
    listing->segment = realloc(listing->segment, (listing->n + 1) * sizeof *listing->segment);
    CHECK(listing->segment);
    listing->segment[listing->n++] = id;
}

static enum wal_status add_name(const struct wal_dir *dir, struct wal_listing *out, const char *name,
                                struct wal_error *error)
{
    uint64_t id;
    if (wal_segment_parse_name(name, &id))
        add_segment(out, id);
    if (!is_mark(name))
        return WAL_OK;
    if (out->log_id[0])
        return wal_error_set(error, WAL_CORRUPT, "files of two logs, %s and %s, are mixed in %s: restore one of them",
                             out->log_id, name + sizeof MARK_PREFIX - 1, dir->path);
    memcpy(out->log_id, name + sizeof MARK_PREFIX - 1, WAL_ID_MAX);
    return WAL_OK;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum wal_status wal_dir_list(const struct wal_dir *dir, struct wal_listing *out, struct wal_error *error)
{
    *out = (struct wal_listing){0};
    DIR *d = opendir(dir->path);
    if (!d)
        return wal_error_errno(error, "open the log's directory", dir->path, NULL);
    enum wal_status status = WAL_OK;
    errno = 0;
    for (struct dirent *entry; status == WAL_OK && (entry = readdir(d)); errno = 0)
        status = add_name(dir, out, entry->d_name, error);
    if (status == WAL_OK && errno)
        status = wal_error_errno(error, "list", dir->path, NULL);
    closedir(d);
    if (out->n)
        qsort(out->segment, out->n, sizeof *out->segment, by_id);
    if (status != WAL_OK)
        wal_listing_fini(out);
    return status;
}

void wal_listing_fini(struct wal_listing *listing)
{
    free(listing->segment);
    *listing = (struct wal_listing){0};
}

enum wal_status wal_dir_lock(const struct wal_dir *dir, int *fd, struct wal_error *error)
{
    *fd = wal_file_open(dir, LOCK_NAME, O_RDWR | O_CREAT);
    if (*fd < 0)
        return wal_error_errno(error, "open", dir->path, LOCK_NAME);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(*fd, F_OFD_SETLK, &whole) == 0)
        return WAL_OK;
    enum wal_status status =
        errno == EAGAIN || errno == EACCES
            ? wal_error_set(error, WAL_LOCKED, "%s/" LOCK_NAME " is held: another process runs on this log", dir->path)
            : wal_error_errno(error, "lock", dir->path, LOCK_NAME);
    dir->ops->close(*fd);
    *fd = -1;
    return status;
}

enum wal_status wal_dir_mark(const struct wal_dir *dir, const char *log_id, struct wal_error *error)
{
    char name[sizeof MARK_PREFIX + WAL_ID_MAX];
    snprintf(name, sizeof name, MARK_PREFIX "%s", log_id);
    int fd = wal_file_open(dir, name, O_WRONLY | O_CREAT);
    if (fd < 0)
        return wal_error_errno(error, "make", dir->path, name);
    int status = dir->ops->fsync(fd), why = errno;
    dir->ops->close(fd);
    errno = why;
    if (status < 0 || wal_dir_sync(dir) < 0)
        return wal_error_errno(error, "sync", dir->path, name);
    return WAL_OK;
}

static void remove_segment(const struct wal_dir *dir, uint64_t id)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, id);
    if (wal_file_unlink(dir, name) < 0 && errno != ENOENT)
        log_warn("log_segment_stays", "dir=%s segment=%s why=\"%s\"", dir->path, name, strerror(errno));
}

void wal_dir_remove(const struct wal_dir *dir, uint32_t first, uint32_t last)
{
    struct wal_listing listing;
    struct wal_error error;
    if (wal_dir_list(dir, &listing, &error) != WAL_OK) {
        log_warn("log_segment_stays", "dir=%s why=\"%s\"", dir->path, error.text);
        return;
    }
    for (size_t i = 0; i < listing.n; i++) {
        uint32_t number = wal_segment_number(listing.segment[i]);
        if (number >= first && number <= last)
            remove_segment(dir, listing.segment[i]);
    }
    wal_listing_fini(&listing);
}
