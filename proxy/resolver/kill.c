/* Threads of a server that must be gone: killed, and looked for until the list of processes has them no more and they hold no
 * transaction. Connections of dead epochs come from the journal, others by letter. And single statements that a client or a
 * deadline ends, whose connections live on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/resolver/impl.h"

#define COME_BACK_MS 1000 /* a lost connection is mostly there again within moments: statements to be killed wait for it */
#define KILL_WAIT_MS 300 /* a killed thread that is not at work ends within milliseconds */
#define ER_NO_SUCH_THREAD 1094
#define OLD_MAX 4096

static bool is_pending(const struct backend_job *job, uint64_t connection_id, int64_t opened_ms)
{
    LIST_FOR(it, &job->kills)
    {
        const struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        if (k->connection_id == connection_id && k->opened_ms == opened_ms)
            return true;
    }
    return false;
}

void kill_later(struct backend_job *job, uint64_t connection_id, int64_t opened_ms, const char *account)
{
    if (is_pending(job, connection_id, opened_ms))
        return;
    struct pending_kill *k = calloc(1, sizeof *k);
    CHECK(k);
    k->connection_id = connection_id;
    k->bound = true; /* until it has been looked at */
    k->opened_ms = opened_ms;
    snprintf(k->account, sizeof k->account, "%s", account);
    list_push_back(&job->kills, &k->link);
}

static void drop(struct pending_kill *k)
{
    list_remove(&k->link);
    free(k);
}

void kill_forget(struct backend_job *job)
{
    LIST_FOR_SAFE(it, &job->kills)
        drop(CONTAINER_OF(it, struct pending_kill, link));
}

void kill_old_connections(struct backend_job *job)
{
    struct xa_connection *old = calloc(OLD_MAX, sizeof *old);
    CHECK(old);
    const char *name = job->backend->config->name;
    unsigned n = journal_old_connections(job->resolver->o.journal, name, old, OLD_MAX);
    if (n)
        log_info("old_connections", "backend=%s n=%u", name, n);
    for (unsigned i = 0; i < n && i < OLD_MAX; i++)
        kill_later(job, old[i].connection_id, old[i].opened_ms, old[i].account);
    job->old_listed = n <= OLD_MAX;
    free(old);
}

/* --- the list of processes ------------------------------------------------------------------------------------------------ */

static bool is_account_here(const struct backend_job *job, struct slice user)
{
    const struct config *c = job->resolver->o.config;
    for (size_t i = 0; i < c->n_accounts; i++)
        if (!strcmp(c->accounts[i].backend, job->backend->config->name) &&
            (slice_is(user, c->accounts[i].backend_user) || !strcmp(c->accounts[i].user, "*")))
            return true;
    return slice_is(user, job->backend->config->resolver_user);
}

/* Where our own connection has the number now, the server has begun anew, within the seconds that other_life allows for. */
static bool is_it(const struct backend_job *job, const struct pending_kill *k, struct slice user)
{
    if (k->connection_id == server_connection_id(job->server))
        return false;
    return *k->account ? slice_is(user, k->account) : is_account_here(job, user);
}

/* Id, User, Host, db, Command, ... */
static void on_process(void *arg, const struct slice *value, unsigned n)
{
    struct backend_job *job = arg;
    if (n < 2 || !value[0].at || !value[1].at)
        return;
    uint64_t id = number_of(value[0]);
    LIST_FOR(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        if (k->connection_id != id)
            continue;
        k->listed = is_it(job, k, value[1]);
        k->stranger = !k->listed;
    }
}

static void gone(struct backend_job *job, struct pending_kill *k)
{
    journal_connection_closed(job->resolver->o.journal, job->backend->config->name, k->connection_id, k->opened_ms);
    drop(k);
}

/* The server has begun anew since (or is another one): the number is somebody else's now. Seconds are all that it tells of its
 * start, so what was opened right before counts as of this life: for a kill too many the account must be the same as well. */
static bool other_life(const struct backend_job *job, int64_t opened_ms)
{
    return opened_ms < job->accepted_ms || opened_ms / 1000 + 2 < job->backend->server_start_s;
}

/* Marks those that are listed, and drops those whose number is somebody else's. False: no answer. */
static bool look(struct backend_job *job)
{
    LIST_FOR(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        k->listed = k->stranger = false;
    }
    if (server_ask(job->server, "SHOW PROCESSLIST", on_process, job))
        return false;
    LIST_FOR_SAFE(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        if (k->stranger || other_life(job, k->opened_ms))
            gone(job, k);
    }
    return true;
}

static unsigned count_listed(const struct backend_job *job)
{
    unsigned n = 0;
    LIST_FOR(it, &job->kills)
        n += CONTAINER_OF(it, struct pending_kill, link)->listed;
    return n;
}

/* Drops those that are listed no more and have let go of their transactions. True: none is left. */
static bool drop_gone(struct backend_job *job)
{
    LIST_FOR_SAFE(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        if (!k->listed && !k->bound)
            gone(job, k);
    }
    return list_empty(&job->kills);
}

/* False: the connection was lost. */
static bool kill_one(struct backend_job *job, struct pending_kill *k)
{
    uint16_t code = server_askf(job->server, NULL, NULL, "KILL CONNECTION %llu", (unsigned long long)k->connection_id);
    if (!code) {
        job->resolver->count.kills++;
        log_info("connection_killed", "backend=%s connection=%llu", job->backend->config->name,
                 (unsigned long long)k->connection_id);
    } else if (code != ER_NO_SUCH_THREAD && !k->told) {
        k->told = true;
        log_warn("kill_failed", "backend=%s connection=%llu code=%u why=\"%s\"", job->backend->config->name,
                 (unsigned long long)k->connection_id, code, server_error(job->server));
    }
    return !server_lost(job->server);
}

static bool kill_listed(struct backend_job *job)
{
    LIST_FOR(it, &job->kills)
    {
        struct pending_kill *k = CONTAINER_OF(it, struct pending_kill, link);
        if (k->listed && !kill_one(job, k))
            return false;
    }
    return true;
}

/* False: no answer. */
static bool wait_until_unlisted(struct backend_job *job)
{
    for (int64_t waited = 0, pause = 1; count_listed(job) && waited < KILL_WAIT_MS; waited += pause) {
        clock_sleep_ms(pause);
        if (!look(job))
            return false;
        pause = pause < 32 ? 2 * pause : 32;
    }
    return true;
}

static bool wait_until_detached(struct backend_job *job)
{
    for (int64_t waited = 0; waited < KILL_WAIT_MS && !server_lost(job->server); waited += DETACH_PAUSE_MS) {
        if (waited)
            clock_sleep_ms(DETACH_PAUSE_MS);
        if (detach_look(job) && drop_gone(job))
            return true;
    }
    return false;
}

bool kill_pending(struct backend_job *job)
{
    if (list_empty(&job->kills))
        return true;
    if (!look(job) || !kill_listed(job) || !wait_until_unlisted(job))
        return false;
    return wait_until_detached(job);
}

/* --- statements ------------------------------------------------------------------------------------------------------------ */

struct query_kill {
    struct letter letter;
    struct list link;
    uint64_t connection_id;
    int64_t opened_ms;
    void (*done)(void *arg);
    void *arg;
};

static void deliver_query_kill(struct letter *letter, void *receiver)
{
    struct query_kill *k = CONTAINER_OF(letter, struct query_kill, letter);
    struct backend_job *job = receiver;
    list_push_back(&job->query_kills, &k->link);
}

void resolver_kill_query(struct resolver *r, unsigned backend, uint64_t connection_id, int64_t opened_ms,
                         void (*done)(void *arg), void *arg)
{
    CHECK(backend < r->o.backends->n);
    struct query_kill *k = malloc(sizeof *k);
    CHECK(k);
    *k = (struct query_kill){
        .letter.deliver = deliver_query_kill, .connection_id = connection_id, .opened_ms = opened_ms, .done = done, .arg = arg};
    list_init(&k->letter.link);
    mailbox_post(&r->backends[backend].box, &k->letter);
}

/* The number may be somebody else's on a server that has begun anew, or on another one behind the same name. */
static bool same_server(const struct backend_job *job, const struct query_kill *k)
{
    return job->backend->safety != BACKEND_REFUSED && !other_life(job, k->opened_ms);
}

static void kill_query(struct backend_job *job, const struct query_kill *k)
{
    uint16_t code = server_askf(job->server, NULL, NULL, "KILL QUERY %llu", (unsigned long long)k->connection_id);
    if (!code)
        job->resolver->count.kills++;
    else if (code != ER_NO_SUCH_THREAD)
        log_warn("kill_failed", "backend=%s connection=%llu code=%u why=\"%s\"", job->backend->config->name,
                 (unsigned long long)k->connection_id, code, server_error(job->server));
}

static bool comes_back(const struct backend_job *job)
{
    int64_t since_ms = job->retry.failing_since_ms;
    bool lost = job->server ? server_lost(job->server) : since_ms && clock_mono_ms() - since_ms < COME_BACK_MS;
    return lost && !job->resolver->stopping;
}

/* One whose answer was lost may have been done, and is said again: its connection does nothing else until that is answered. */
bool kill_queries(struct backend_job *job)
{
    LIST_FOR_SAFE(it, &job->query_kills)
    {
        struct query_kill *k = CONTAINER_OF(it, struct query_kill, link);
        if (job->server && !server_lost(job->server) && same_server(job, k))
            kill_query(job, k);
        if (comes_back(job))
            break;
        list_remove(&k->link);
        k->done(k->arg);
        free(k);
    }
    return !job->server || !server_lost(job->server);
}
