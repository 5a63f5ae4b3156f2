/* Making and writing one segment. Leaves when to do so to keeper.c and writer.c. */
#include "wal/segment.h"

#include <errno.h>
#include <fcntl.h>

#include "base/failpoint.h"
#include "base/random.h"

#define BLOCK 4096

static int fill(const struct wal_dir *dir, int fd, uint64_t bytes)
{
    if (wal_file_zero(dir, fd, bytes) < 0)
        return -1;
    if (FAILPOINT(segment_created) != FAILPOINT_NOTHING) {
        errno = EIO;
        return -1;
    }
    if (wal_dir_sync(dir) < 0)
        return -1;
    if (FAILPOINT(segment_dirsync) != FAILPOINT_NOTHING) {
        errno = EIO;
        return -1;
    }
    return 0;
}

enum wal_status wal_segment_make(struct wal_segment *out, const struct wal_dir *dir, uint32_t number, uint64_t bytes,
                                 struct wal_error *error)
{
    uint32_t salt;
    char name[WAL_NAME_MAX];
    random_bytes(&salt, sizeof salt);
    *out = (struct wal_segment){.id = (uint64_t)number << 32 | salt, .bytes = (bytes + BLOCK - 1) / BLOCK * BLOCK};
    wal_segment_name(name, out->id);
    out->fd = wal_file_open(dir, name, O_RDWR | O_CREAT | O_EXCL);
    if (out->fd < 0)
        return wal_error_errno(error, "make", dir->path, name);
    if (fill(dir, out->fd, out->bytes) == 0)
        return WAL_OK;
    enum wal_status status = wal_error_errno(error, "make", dir->path, name);
    dir->ops->close(out->fd);
    wal_file_unlink(dir, name);
    return status;
}

static enum wal_status failed(const struct wal_segment *segment, const struct wal_dir *dir, const char *doing,
                              struct wal_error *error)
{
    char name[WAL_NAME_MAX];
    wal_segment_name(name, segment->id);
    return wal_error_errno(error, doing, dir->path, name);
}

enum wal_status wal_segment_write(struct wal_segment *segment, const struct wal_dir *dir, const void *bytes, size_t n,
                                  struct wal_error *error)
{
    CHECK(n <= segment->bytes - segment->used);
    if (wal_file_write(dir, segment->fd, bytes, n, segment->used) < 0)
        return failed(segment, dir, "write", error);
    segment->used += n;
    return WAL_OK;
}

enum wal_status wal_segment_sync(struct wal_segment *segment, const struct wal_dir *dir, struct wal_error *error)
{
    return dir->ops->fdatasync(segment->fd) < 0 ? failed(segment, dir, "sync", error) : WAL_OK;
}

uint64_t wal_segment_bytes_for(uint64_t head_bytes, uint64_t segment_bytes)
{
    uint64_t half = segment_bytes / 2;
    return head_bytes + (half > WAL_RECORD_MAX ? half : WAL_RECORD_MAX);
}
