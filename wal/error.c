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

/* Of what a process or the machine runs out, to have it again later; NULL: that is not what happened. */
static const char *remedy_of_scarcity(int why)
{
    switch (why) {
    case ENOSPC:
    case EDQUOT:
        return "; make room there";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files";
    default:
        return NULL;
    }
}

enum wal_status wal_error_errno(struct wal_error *error, const char *doing, const char *dir, const char *name)
{
    int why = errno;
    const char *remedy = remedy_of_scarcity(why);
    wal_error_set(error, remedy ? WAL_NO_SPACE : WAL_IO, "cannot %s %s%s%s: %s%s", doing, dir, name ? "/" : "",
                  name ? name : "", strerror(why), remedy ? remedy : "");
    errno = why;
    return error->status;
}

void wal_die(const struct wal_error *error)
{
    log_error("log_failed", "why=\"%s\" exit=70", error->text);
    _exit(70);
}
