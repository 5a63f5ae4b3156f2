/* Named places where a test may make the process die, stop, err or dawdle. Compiled away unless configured with
 * --enable-failpoints. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

enum failpoint {
#define FAILPOINT_ROW(name, where) FAILPOINT_##name,
#include "base/failpoint.def"
#undef FAILPOINT_ROW
    FAILPOINT_COUNT
};

/* What the caller must do; crash, pause and delay happen inside. */
enum failpoint_act { FAILPOINT_NOTHING, FAILPOINT_ERROR, FAILPOINT_CLOSE };

#ifdef ENABLE_FAILPOINTS
/* Arms a point from "name:nth:action" (several separated by commas); -1 when the text makes no sense. */
int failpoint_arm(const char *spec);
enum failpoint_act failpoint_hit(enum failpoint point);
#define FAILPOINT(name) failpoint_hit(FAILPOINT_##name)
#else
#define FAILPOINT(name) FAILPOINT_NOTHING
#endif

#endif
