/* The threads that do actions: take the next one, try it, say how it went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/resolver/runner.h"

#define LOOK_MS 1000 /* how long a runner waits before it looks after its connections */

static const char *name_of(const struct runner *r)
{
    const struct config *c = r->resolver->o.config;
    return r->kind == ACTION_SQL ? c->backends[r->index].name : c->redis[r->index].name;
}

static void tell(const struct action *a, enum action_state state, const char *error)
{
    char quoted[2 * ACTION_ERROR_MAX];
    bool alarm = a->on == ACTION_ON_ROLLBACK && a->attempts + 1 >= ACTION_ALARM_TRIES;
    enum log_level level = LOG_LEVEL_DEBUG;
    if (state == ACTION_DEAD || state == ACTION_WAIT)
        level = state == ACTION_DEAD || alarm ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
    log_write(level, "action", "id=%llu gtrid=%s seq=%u resource=%s state=%s attempts=%u error=%s", (unsigned long long)a->id,
              a->owner, a->seq, a->resource, action_state_name(state), a->attempts + 1,
              log_quote(quoted, sizeof quoted, error, strlen(error)));
}

static void run(struct runner *r, const struct action *a)
{
    char error[ACTION_ERROR_MAX + 1] = "";
    struct action told = *a; /* what is behind `a` ends with its result */
    (void)FAILPOINT(action_taken);
    enum action_result result = (r->kind == ACTION_SQL ? runner_do_sql : runner_do_redis)(r, a, error, sizeof error);
    (void)FAILPOINT(action_executed);
    enum action_state state = journal_action_result(r->resolver->o.journal, a->id, result, error);
    (void)FAILPOINT(action_recorded);
    if (result != ACTION_DOWN && result != ACTION_EARLY)
        tell(&told, state, error);
}

static void *runner_thread(void *arg)
{
    struct runner *r = arg;
    while (!r->resolver->stopping) {
        if (r->kind == ACTION_SQL)
            barrier_look_after(r);
        const struct action *a = journal_action_take(r->resolver->o.journal, r->kind, name_of(r), LOOK_MS);
        if (a)
            run(r, a);
        else
            runner_close_idle(r);
    }
    runner_close(r);
    if (r->kind == ACTION_SQL)
        server_thread_end();
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

static struct runner *add(struct resolver *r, struct runner *at, enum action_kind kind, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < r->o.config->action_connections; k++, at++)
            *at = (struct runner){.resolver = r, .kind = kind, .index = (unsigned)i, .number = (unsigned)k, .socket = -1};
    return at;
}

void runners_start(struct resolver *r)
{
    r->n_runners = (r->o.backends->n + r->o.redis->n) * (size_t)r->o.config->action_connections;
    r->runners = calloc(r->n_runners + 1, sizeof *r->runners);
    CHECK(r->runners);
    add(r, add(r, r->runners, ACTION_SQL, r->o.backends->n), ACTION_REDIS, r->o.redis->n);
    for (size_t i = 0; i < r->n_runners; i++)
        CHECK(pthread_create(&r->runners[i].thread, NULL, runner_thread, &r->runners[i]) == 0);
}

void runners_interrupt(struct resolver *r)
{
    for (size_t i = 0; i < r->n_runners; i++)
        if (r->runners[i].socket >= 0)
            shutdown(r->runners[i].socket, SHUT_RDWR);
    journal_actions_wake(r->o.journal);
}

void runners_join(struct resolver *r)
{
    for (size_t i = 0; i < r->n_runners; i++)
        pthread_join(r->runners[i].thread, NULL);
    free(r->runners);
    r->runners = NULL;
    r->n_runners = 0;
}
