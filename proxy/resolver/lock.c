/* The lock on a server that only one process of a log may hold. It is the fence to our own past as well: while an earlier
 * connection of a resolver of this log is at work there, a COMMIT of its may be half-way, and nothing may be concluded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/resolver/impl.h"

#define STUCK_S 2 /* a statement of a resolver that lasts longer, while we ask for its lock */

struct holder {
    char id[24], own_id[24];
    char user[97], host[128], own_host[128];
    char command[32];
    long time_s;
    bool found;
};

static void take(char *out, size_t size, struct slice value)
{
    snprintf(out, size, "%.*s", (int)value.len, value.at ? (const char *)value.at : "");
}

/* Without the port. */
static void take_host(char *out, size_t size, struct slice value)
{
    take(out, size, value);
    char *colon = strrchr(out, ':');
    if (colon)
        *colon = '\0';
}

/* Id, User, Host, db, Command, Time, ... */
static void on_process(void *arg, const struct slice *value, unsigned n)
{
    struct holder *h = arg;
    char time_s[24];
    if (n < 6 || !value[0].at)
        return;
    if (slice_is(value[0], h->own_id))
        take_host(h->own_host, sizeof h->own_host, value[2]);
    if (!slice_is(value[0], h->id))
        return;
    h->found = true;
    take(h->user, sizeof h->user, value[1]);
    take_host(h->host, sizeof h->host, value[2]);
    take(h->command, sizeof h->command, value[4]);
    take(time_s, sizeof time_s, value[5]);
    h->time_s = atol(time_s);
}

/* --- our own past ------------------------------------------------------------------------------------------------------- */

/* GET_LOCK whose answer was lost may have been heard: a server that stood still does it when it goes on. */
void lock_lost(struct backend_job *job)
{
    if (job->has_lock || job->asked_lock) {
        memmove(job->lost + 1, job->lost, sizeof job->lost - sizeof *job->lost);
        *job->lost = server_connection_id(job->server);
    }
    job->has_lock = job->asked_lock = false;
    job->killed_holder = 0;
}

void lock_forget(struct backend_job *job)
{
    memset(job->lost, 0, sizeof job->lost);
}

static bool was_ours(const struct backend_job *job, const struct holder *h)
{
    uint64_t id = strtoull(h->id, NULL, 10);
    for (size_t i = 0; i < LOST_MAX && id; i++)
        if (job->lost[i] == id)
            return true;
    return false;
}

/* --- who has it --------------------------------------------------------------------------------------------------------- */

/* A connection whose end we did not see is ours for certain. Another one of our account and host is a dead process's when it is
 * stuck in a statement; when it is idle its process lives (a kernel closes a dead one's sockets): a copy of our log, which must
 * not lose its lock to us. */
static bool may_kill(const struct backend_job *job, const struct holder *h)
{
    if (was_ours(job, h))
        return true;
    return !strcmp(h->user, job->backend->config->resolver_user) && !strcmp(h->host, h->own_host) &&
           strcmp(h->command, "Sleep") != 0 && h->time_s >= STUCK_S;
}

static bool find_holder(struct backend_job *job, struct holder *h)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT IS_USED_LOCK('xaproxy:%s')", journal_log_id(job->resolver->o.journal));
    snprintf(h->own_id, sizeof h->own_id, "%llu", (unsigned long long)server_connection_id(job->server));
    return server_value(job->server, sql, h->id, sizeof h->id) && *h->id &&
           !server_ask(job->server, "SHOW PROCESSLIST", on_process, h) && h->found;
}

static bool get_lock(struct backend_job *job)
{
    char sql[96], got[8];
    snprintf(sql, sizeof sql, "SELECT GET_LOCK('xaproxy:%s', 0)", journal_log_id(job->resolver->o.journal));
    job->asked_lock = true;
    return server_value(job->server, sql, got, sizeof got) && !strcmp(got, "1");
}

/* Killed once: a server may be long in hearing of it (MariaDB's KILL waits up to 2 s for a thread that wakes right then). */
static bool kill_holder(struct backend_job *job, const struct holder *h)
{
    uint64_t id = strtoull(h->id, NULL, 10);
    if (id == job->killed_holder || !may_kill(job, h) || server_askf(job->server, NULL, NULL, "KILL CONNECTION %s", h->id))
        return false;
    job->killed_holder = id;
    job->resolver->count.kills++;
    log_info("connection_killed", "backend=%s connection=%s why=\"held the lock of this log\"", job->backend->config->name,
             h->id);
    for (int tries = 0; tries < 20; tries++) {
        if (get_lock(job))
            return true;
        clock_sleep_ms(10);
    }
    return false;
}

/* While it is held by our own earlier connection, which ends in its time, the server's standing is as before: nothing is
 * settled there, but nobody else is at work with our log, and transactions go on. */
void verdict_lock(struct backend_job *job, struct verdict *v)
{
    struct holder h = {0};
    job->has_lock = job->has_lock || get_lock(job) || (find_holder(job, &h) && kill_holder(job, &h));
    bool own = *h.id ? was_ours(job, &h) : *job->lost != 0;
    if (server_lost(job->server))
        return;
    if (job->has_lock || !own)
        lock_forget(job);
    if (!job->has_lock && !own)
        verdict_never(v, "another resolver of this log works there: connection %s of %s@%s", *h.id ? h.id : "?", h.user, h.host);
}
