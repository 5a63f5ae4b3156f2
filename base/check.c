/* What happens when an assumption is broken: say it, then die where recovery can take over. */
#include "base/check.h"

#include <stdlib.h>

#include "base/log.h"

_Thread_local const char *check_context;

void check_failed(const char *file, int line, const char *cond)
{
    log_error("check_failed", "at=%s:%d cond=\"%s\" context=%s", file, line, cond,
              check_context ? check_context : "-");
    abort();
}
