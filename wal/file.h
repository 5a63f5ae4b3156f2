/* The seam to the operating system, where tests make the n-th call fail, and the few operations built on it. */
#ifndef WAL_FILE_H
#define WAL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Each answers as the system call of its name does, errno too. */
struct wal_file_ops {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *bytes, size_t n, off_t at);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t n, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*unlink)(const char *path);
};
extern const struct wal_file_ops wal_file_real;

/* The log's directory and the way to it; every path below is a name in it. */
struct wal_dir {
    const char *path;
    const struct wal_file_ops *ops;
};

#define WAL_PATH_MAX 4096

/* All answer 0, or -1 with errno set. */
int wal_file_open(const struct wal_dir *dir, const char *name, int flags); /* the descriptor, close-on-exec */
/* One write: a short one is a failure (ENOSPC, as a regular file has no other reason). */
int wal_file_write(const struct wal_dir *dir, int fd, const void *bytes, size_t n, uint64_t at) MUST_USE;
int wal_file_zero(const struct wal_dir *dir, int fd, uint64_t bytes) MUST_USE; /* from the start, then fsync */
int wal_file_read(const struct wal_dir *dir, const char *name, struct buf *out) MUST_USE;
int wal_file_unlink(const struct wal_dir *dir, const char *name);
int wal_dir_sync(const struct wal_dir *dir) MUST_USE; /* names made or removed before are durable */

#endif
