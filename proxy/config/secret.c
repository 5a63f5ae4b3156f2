/* Reads a password file without hanging on what is no file, and says when it is too open. */
#include "proxy/config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { SECRET_MAX = 1024 };

/* Non-blocking: a FIFO that nobody writes to would hold the start for ever. */
static int open_regular(const char *path, struct stat *st, char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        snprintf(why, why_size, "%s is not a regular file", path);
        close(fd);
        return -1;
    }
    return fd;
}

char *config_secret_read(const char *path, char *why, size_t why_size)
{
    char line[SECRET_MAX + 1];
    struct stat st;
    int fd = open_regular(path, &st, why, why_size);
    if (fd < 0)
        return NULL;
    ssize_t n = read(fd, line, sizeof line);
    close(fd);
    if (n < 0) {
        snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    const char *end = memchr(line, '\n', (size_t)n);
    size_t len = end ? (size_t)(end - line) : (size_t)n;
    char *secret = NULL;
    if (len > SECRET_MAX || memchr(line, '\0', len)) {
        snprintf(why, why_size, "the first line of %s is no password: longer than %d bytes, or with a NUL", path,
                 SECRET_MAX);
    } else {
        secret = strndup(line, len);
        CHECK(secret);
    }
    explicit_bzero(line, sizeof line);
    if (secret && st.st_mode & S_IROTH)
        log_warn("config_secret_open", "file=%s why=\"everybody can read it\" remedy=\"chmod 600\"", path);
    return secret;
}
