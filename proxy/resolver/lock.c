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

/* A connection whose end we did not see is ours for certain. Another one of our account and host is a dead process's when it is
 * stuck in a statement; when it is idle its process lives (a kernel closes a dead one's sockets): a copy of our log, which must
 * not lose its lock to us. */
static bool may_kill(const struct backend_job *job, const struct holder *h)
{
    if (job->lost_connection && strtoull(h->id, NULL, 10) == job->lost_connection)
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
    bool own = job->lost_connection && (!*h.id || strtoull(h.id, NULL, 10) == job->lost_connection);
    if (job->has_lock || !own)
        job->lost_connection = 0;
    if (!job->has_lock && !own)
        verdict_never(v, "another resolver of this log works there: connection %s of %s@%s", *h.id ? h.id : "?", h.user, h.host);
}
