/* Whole operations on files of the log's directory, through the seam. Leaves to callers what a failure means. */
#include "wal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define ZERO_CHUNK (256 * 1024)
/* A large file flushed at once would hold up the syncs of the running log: it goes to the disk in portions. */
#define ZERO_PORTION (4 * 1024 * 1024)
#define READ_CHUNK (1024 * 1024)

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

const struct wal_file_ops wal_file_real = {
    .open = real_open,
    .pread = pread,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .close = close,
    .unlink = unlink,
};

static int path_of(const struct wal_dir *dir, const char *name, char out[static WAL_PATH_MAX])
{
    int n = snprintf(out, WAL_PATH_MAX, "%s/%s", dir->path, name);
    if (n < WAL_PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

int wal_file_open(const struct wal_dir *dir, const char *name, int flags)
{
    char path[WAL_PATH_MAX];
    return path_of(dir, name, path) < 0 ? -1 : dir->ops->open(path, flags | O_CLOEXEC, 0600);
}

int wal_file_unlink(const struct wal_dir *dir, const char *name)
{
    char path[WAL_PATH_MAX];
    return path_of(dir, name, path) < 0 ? -1 : dir->ops->unlink(path);
}

int wal_file_write(const struct wal_dir *dir, int fd, const void *bytes, size_t n, uint64_t at)
{
    ssize_t written = dir->ops->pwrite(fd, bytes, n, (off_t)at);
    if (written == (ssize_t)n)
        return 0;
    if (written >= 0)
        errno = ENOSPC;
    return -1;
}

int wal_file_zero(const struct wal_dir *dir, int fd, uint64_t bytes)
{
    static const uint8_t zeros[ZERO_CHUNK];
    for (uint64_t at = 0; at < bytes;) {
        size_t n = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        if (wal_file_write(dir, fd, zeros, n, at) < 0)
            return -1;
        at += n;
        if (at % ZERO_PORTION == 0 && dir->ops->fdatasync(fd) < 0)
            return -1;
    }
    return dir->ops->fsync(fd);
}

static int read_to_end(const struct wal_dir *dir, int fd, struct buf *out)
{
    for (;;) {
        ssize_t n = dir->ops->pread(fd, buf_reserve(out, READ_CHUNK), READ_CHUNK, (off_t)buf_len(out));
        if (n <= 0)
            return (int)n;
        buf_added(out, (size_t)n);
    }
}

int wal_file_read(const struct wal_dir *dir, const char *name, struct buf *out)
{
    int fd = wal_file_open(dir, name, O_RDONLY);
    if (fd < 0)
        return -1;
    int status = read_to_end(dir, fd, out);
    int why = errno;
    dir->ops->close(fd);
    errno = why;
    return status;
}

int wal_dir_sync(const struct wal_dir *dir)
{
    int fd = dir->ops->open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int status = dir->ops->fsync(fd), why = errno;
    dir->ops->close(fd);
    errno = why;
    return status;
}
