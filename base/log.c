/* Formats a log line on the stack and writes it with one write(2), so that lines of threads never mix. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int log_level = LOG_LEVEL_INFO;
static _Atomic int log_fd = STDERR_FILENO;

void log_set_level(enum log_level level)
{
    log_level = level;
}

int log_open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -1;
    int old = atomic_exchange(&log_fd, fd);
    if (old != STDERR_FILENO) {
        /* Another thread may be between reading log_fd and write: give the number a new file, do not free it. */
        if (dup3(fd, old, O_CLOEXEC) < 0)
            return -1;
        atomic_store(&log_fd, old);
        close(fd);
    }
    return 0;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < log_level)
        return;
    char line[2048];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s ", now.tv_nsec / 1000000, names[level], event);
    va_list args;
    va_start(args, fmt);
    int m = vsnprintf(line + n, sizeof line - n, fmt, args);
    va_end(args);
    if (m > 0)
        n += (size_t)m;
    if (n > sizeof line - 1)
        n = sizeof line - 1;
    line[n++] = '\n';
    int saved = errno;
    ssize_t written = write(log_fd, line, n);
    (void)written; /* a log that cannot be written must not stop the work */
    errno = saved;
}

const char *log_quote(char *out, size_t out_size, const void *text, size_t len)
{
    const unsigned char *p = text;
    size_t n = 0;
    CHECK(out_size > 8);
    out[n++] = '"';
    for (size_t i = 0; i < len && n < out_size - 6; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
            out[n++] = (char)p[i];
        else
            n += (size_t)snprintf(out + n, out_size - n, "\\x%02x", p[i]);
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
