/* Texts of failures. Leaves the decision what to do about them to the caller, except for the last one. */
#include "wal/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum wal_status wal_error_set(struct wal_error *error, enum wal_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof error->text, fmt, args);
    va_end(args);
    error->status = status;
    return status;
}

enum wal_status wal_error_errno(struct wal_error *error, const char *doing, const char *dir, const char *name)
{
    int why = errno;
    bool full = why == ENOSPC || why == EDQUOT;
    wal_error_set(error, full ? WAL_NO_SPACE : WAL_IO, "cannot %s %s%s%s: %s%s", doing, dir, name ? "/" : "",
                  name ? name : "", strerror(why), full ? "; make room there" : "");
    errno = why;
    return error->status;
}

void wal_die(const struct wal_error *error)
{
    log_error("log_failed", "why=\"%s\" exit=70", error->text);
    _exit(70);
}
