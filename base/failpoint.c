/* Armed crash points: counted per process, read once from the environment. */
#include "base/failpoint.h"

#ifdef ENABLE_FAILPOINTS
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static const char *const names[] = {
#define FAILPOINT_ROW(name, where) #name,
#include "base/failpoint.def"
#undef FAILPOINT_ROW
};

static struct {
    int nth; /* fires at this hit; 0 = not armed */
    int hits;
    char action[32];
} armed[FAILPOINT_COUNT + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int arm_one(char *spec)
{
    char *save = NULL;
    char *name = strtok_r(spec, ":", &save), *nth = strtok_r(NULL, ":", &save), *action = strtok_r(NULL, "", &save);
    if (!name || !nth || !action)
        return -1;
    for (int i = 0; i < FAILPOINT_COUNT; i++)
        if (!strcmp(names[i], name)) {
            armed[i].nth = atoi(nth);
            armed[i].hits = 0;
            snprintf(armed[i].action, sizeof armed[i].action, "%s", action);
            return 0;
        }
    return -1;
}

int failpoint_arm(const char *spec)
{
    char *copy = strdup(spec), *save = NULL;
    int status = copy ? 0 : -1;
    pthread_mutex_lock(&lock);
    for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save))
        if (arm_one(one) < 0)
            status = -1;
    pthread_mutex_unlock(&lock);
    free(copy);
    return status;
}

static void arm_from_environment(void)
{
    const char *spec = getenv("XAPROXY_FAILPOINT");
    if (spec && failpoint_arm(spec) < 0) {
        log_error("failpoint_unknown", "spec=%s", spec);
        _exit(2);
    }
}

enum failpoint_act failpoint_hit(enum failpoint point)
{
    pthread_once(&once, arm_from_environment);
    char action[32] = "";
    pthread_mutex_lock(&lock);
    if (armed[point].nth && ++armed[point].hits == armed[point].nth)
        memcpy(action, armed[point].action, sizeof action);
    pthread_mutex_unlock(&lock);
    if (!action[0])
        return FAILPOINT_NOTHING;
    log_warn("failpoint", "name=%s action=%s", names[point], action);
    if (!strcmp(action, "crash"))
        _exit(137);
    if (!strcmp(action, "pause"))
        raise(SIGSTOP);
    if (!strncmp(action, "delay=", 6))
        clock_sleep_ms(atoi(action + 6));
    return !strcmp(action, "error") ? FAILPOINT_ERROR : !strcmp(action, "close") ? FAILPOINT_CLOSE : FAILPOINT_NOTHING;
}
#endif
