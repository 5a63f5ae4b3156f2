/* The thread of one server: connect, judge, sweep, wait for a letter or the next look. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/resolver/impl.h"

#define JUDGE_UNSAFE_MS 2000  /* settings change while a server runs: look again, sooner where that would help */
#define JUDGE_SAFE_MS 60000
#define LOCK_HURRY_MS 3000    /* a dead process's connection ends within moments: ask for its lock often at first */

/* --- connecting --------------------------------------------------------------------------------------------------------- */

static void set_socket(struct backend_job *job, int fd)
{
    waits_on(job->resolver, &job->socket, fd);
}

static void unreachable(struct backend_job *job, const char *why)
{
    char quoted[256];
    if (job->backend->reachable || !job->retry.failing_since_ms)
        log_warn("backend_unreachable", "backend=%s why=%s", job->backend->config->name,
                 log_quote(quoted, sizeof quoted, why, strlen(why)));
    if (job->backend->safety == BACKEND_UNKNOWN)
        backend_set_verdict(job->backend, BACKEND_UNKNOWN, "not reached: %s", why);
    job->backend->reachable = false;
    retry_failed(&job->retry);
}

static void disconnect(struct backend_job *job)
{
    char why[256];
    snprintf(why, sizeof why, "%s", server_error(job->server));
    set_socket(job, -1);
    lock_lost(job);
    server_close(job->server);
    job->server = NULL;
    job->judged_ms = 0;
    if (!job->resolver->stopping)
        unreachable(job, why);
}

/* A connection that nobody hears of any more ends by itself, and with it the lock. */
static bool prepare_session(struct backend_job *job)
{
    int idle_s = 30 + 3 * job->resolver->o.config->sweep_interval_ms / 1000;
    return !server_askf(job->server, NULL, NULL, "SET SESSION autocommit=1, character_set_results=NULL, wait_timeout=%d", idle_s);
}

static bool connect_server(struct backend_job *job)
{
    char why[256] = "";
    job->server = server_open(job->backend->config, why, sizeof why);
    if (!job->server) {
        unreachable(job, why);
        return false;
    }
    set_socket(job, server_socket(job->server));
    if (!prepare_session(job)) {
        disconnect(job);
        return false;
    }
    if (!job->backend->reachable)
        log_info("backend_reachable", "backend=%s connection=%llu", job->backend->config->name,
                 (unsigned long long)server_connection_id(job->server));
    job->backend->reachable = true;
    job->retry = (struct retry){0};
    job->again_ms = AGAIN_MS;
    return true;
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */

/* Without the lock, which will be ours in a moment. */
static bool in_hurry(const struct backend_job *job)
{
    bool ending = *job->lost || job->killed_holder;
    return !job->has_lock && (ending || clock_mono_ms() - job->first_judged_ms < LOCK_HURRY_MS);
}

static bool due_for_verdict(const struct backend_job *job)
{
    int64_t keep_ms = job->backend->safety == BACKEND_SAFE ? JUDGE_SAFE_MS : JUDGE_UNSAFE_MS;
    return !job->judged_ms || in_hurry(job) || clock_mono_ms() - job->judged_ms >= keep_ms;
}

/* Without the lock nothing is settled there. What this process gave up is ended all the same, but not on another server. */
static int watch_only(struct backend_job *job)
{
    if (job->backend->safety != BACKEND_REFUSED)
        (void)kill_pending(job);
    return server_lost(job->server) ? -1 : in_hurry(job) ? AGAIN_MS : JUDGE_UNSAFE_MS;
}

/* Who could not do actions there tries again now. */
static bool judge(struct backend_job *job)
{
    if (!verdict_judge(job))
        return false;
    journal_actions_hurry(job->resolver->o.journal, ACTION_SQL, job->backend->config->name);
    return true;
}

/* One turn; how long to wait before the next. */
static int turn(struct backend_job *job)
{
    bool lost = !kill_queries(job) || !lock_questions(job);
    if (!job->server && retry_wait_ms(&job->retry) > 0)
        return retry_wait_ms(&job->retry);
    if (!job->server && !connect_server(job))
        return retry_wait_ms(&job->retry);
    int wait_ms = lost || (due_for_verdict(job) && !judge(job)) || !kill_queries(job) ? -1 : 0;
    if (!wait_ms)
        wait_ms = job->has_lock ? backend_sweep(job) : watch_only(job);
    if (wait_ms >= 0)
        return wait_ms;
    job->resolver->count.failures++;
    disconnect(job);
    return retry_wait_ms(&job->retry);
}

void *backend_thread(void *arg)
{
    struct backend_job *job = arg;
    while (!job->resolver->stopping) {
        int wait_ms = turn(job);
        if (!job->resolver->stopping)
            mailbox_wait(&job->box, job, wait_ms);
    }
    if (job->server)
        disconnect(job);
    mailbox_deliver(&job->box, job);
    (void)kill_queries(job); /* who asked waits for an answer */
    (void)lock_questions(job);
    server_thread_end();
    return NULL;
}
