/* Puts the proxy together: log, resolver, workers, listeners; takes it apart in the reverse order. main's own thread accepts,
 * deals clients to workers, and serves the DBA. */
#include "proxy/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/network.h"
#include "base/random.h"
#include "compensate/calls.h"
#include "proxy/admin/admin.h"
#include "proxy/net/address.h"
#include "proxy/net/listener.h"
#include "proxy/resolver/resolver.h"
#include "proxy/resp/client.h"
#include "proxy/session/callers.h"
#include "proxy/session/scripts.h"
#include "proxy/session/waits.h"
#include "proxy/session/worker.h"

#define COMPLAIN_EVERY_MS 1000
#define END_WITHIN_MS 5000 /* without waiting for anybody */

struct daemon {
    const struct config *config;
    struct world world;
    struct worker *workers;     /* n_workers, and behind them the one of main for the DBA */
    struct worker *admin;
    unsigned n_started, next_worker;
    pthread_mutex_t told_lock;
    unsigned n_told;            /* of the workers, by the log's thread, which outlives them; under told_lock */
    struct resolver *resolver;
    struct net_listener **listeners;
    struct accepting {
        struct daemon *daemon;
        unsigned index;
    } *accepting;
    struct net_timer drain_timer;
    struct net_wake signal_wake, reload_wake;
    pthread_t signal_thread;
    _Atomic int signals;        /* asked to end so many times */
    _Atomic bool deaf;          /* the loop has ended, nobody is to be asked any more */
    char client_name[64];
    bool drained_by_force;
    unsigned refused;           /* clients, since the log last said so */
    int64_t complained_ms;
};

/* --- clients ------------------------------------------------------------------------------------------------------------ */

/* Before a greeting an ERR has no SQLSTATE. Where TLS comes first nothing can be said. */
static void say_refused(int fd, const struct config_listener *l)
{
    static const char mysql[] = "\x17\0\0\0\xff\x10\x04Too many connections", redis[] = "-ERR max number of clients reached\r\n";
    if (!l->redis)
        (void)!write(fd, mysql, sizeof mysql - 1);
    else if (!l->tls_cert)
        (void)!write(fd, redis, sizeof redis - 1);
}

static void refuse(struct daemon *d, const struct accepting *a, int fd, const char *why, _Atomic uint64_t *count)
{
    say_refused(fd, &d->config->listeners[a->index]);
    close(fd);
    d->world.count.clients_refused++;
    ++*count;
    d->refused++;
    int64_t now_ms = net_loop_now_ms(d->admin->loop);
    if (d->complained_ms && now_ms - d->complained_ms < COMPLAIN_EVERY_MS)
        return; /* a flood of clients is not to become one of lines */
    log_warn("client_refused", "refused=%u why=\"%s\" clients=%u unauthenticated=%u", d->refused, why,
             (unsigned)d->world.clients, (unsigned)d->world.unauthenticated);
    d->complained_ms = now_ms;
    d->refused = 0;
}

static void on_accept(void *arg, int fd, const char *peer)
{
    struct accepting *a = arg;
    struct daemon *d = a->daemon;
    const struct config_listener *l = &d->config->listeners[a->index];
    bool speaks_for_others = network_list_has(l->proxy_protocol_from, peer);
    d->world.count.clients_accepted++;
    if (d->world.clients >= (unsigned)d->config->max_clients)
        refuse(d, a, fd, "max_clients", &d->world.count.refused_max_clients);
    else if (l->max_clients && d->world.listener_clients[a->index] >= (unsigned)l->max_clients)
        refuse(d, a, fd, "max_clients of the listener", &d->world.count.refused_listener);
    else if (d->world.unauthenticated >= (unsigned)d->config->max_unauthenticated)
        refuse(d, a, fd, "max_unauthenticated", &d->world.count.refused_unauthenticated);
    else if (!speaks_for_others && !callers_enter(d->world.callers, peer))
        refuse(d, a, fd, "max_unauthenticated, of one address", &d->world.count.refused_unauthenticated);
    else {
        struct worker *w = l->admin ? d->admin : &d->workers[d->next_worker++ % d->world.n_workers];
        worker_deal(w, fd, a->index, peer, !speaks_for_others);
    }
}

static bool open_listeners(struct daemon *d)
{
    for (size_t i = 0; i < d->config->n_listeners; i++) {
        const struct config_listener *l = &d->config->listeners[i];
        char why[256];
        d->accepting[i] = (struct accepting){d, (unsigned)i};
        d->listeners[i] =
            net_listener_new(d->admin->loop, l->address, (uint16_t)l->port, on_accept, &d->accepting[i], why, sizeof why);
        if (!d->listeners[i]) {
            log_error("listener_failed", "listener=%s why=\"%s\"", l->name, why);
            return false;
        }
        if (l->admin && l->address[0] == '/')
            chmod(l->address, 0660); /* the accounts are the second door here, not the only one */
        log_info("listening", "listener=%s address=%s port=%u tls=%s", l->name, l->address,
                 net_listener_port(d->listeners[i]), l->tls_required ? "required" : l->tls_cert ? "offered" : "none");
    }
    return true;
}

static void close_listeners(struct daemon *d)
{
    for (size_t i = 0; i < d->config->n_listeners; i++)
        if (d->listeners[i])
            net_listener_free(d->listeners[i]);
    memset(d->listeners, 0, d->config->n_listeners * sizeof *d->listeners);
}

/* --- signals ------------------------------------------------------------------------------------------------------------ */

static void drain(struct daemon *d, bool now)
{
    d->world.draining = true;
    for (unsigned i = 0; i < d->n_started; i++)
        worker_drain(&d->workers[i], now);
}

/* What ends now still rolls back; a commit that waits for a log without room may wait for ever. */
static void end_now(struct daemon *d)
{
    d->drained_by_force = true;
    drain(d, true);
    net_timer_start(&d->drain_timer, END_WITHIN_MS);
}

static void on_drain_timeout(void *arg)
{
    struct daemon *d = arg;
    if (d->drained_by_force) {
        log_error("drain_failed", "clients=%u consequence=\"what is open is settled at the next start\"",
                  (unsigned)d->world.clients);
        _exit(70);
    }
    log_warn("drain_timeout", "clients=%u", (unsigned)d->world.clients);
    end_now(d);
}

static void on_signal(void *arg)
{
    struct daemon *d = arg;
    bool again = d->signals > 1; /* perhaps before the first was looked at */
    if (!d->world.draining) {
        log_info("draining", "clients=%u timeout_ms=%d", (unsigned)d->world.clients, d->config->drain_timeout_ms);
        close_listeners(d);
        if (again) {
            end_now(d);
        } else {
            drain(d, false);
            net_timer_start(&d->drain_timer, d->config->drain_timeout_ms);
        }
    } else if (again && !d->drained_by_force) {
        end_now(d);
    }
}

/* New certificates for who comes from now on; a mistake in them sends nobody away. Rights that an account lacked are looked for
 * again. */
static void on_reload(void *arg)
{
    struct daemon *d = arg;
    unsigned failed = 0;
    for (size_t i = 0; i < d->config->n_listeners; i++) {
        char why[512];
        if (!d->world.listener_tls[i] || !net_tls_reload(d->world.listener_tls[i], why, sizeof why))
            continue;
        failed++;
        log_error("tls_reload_failed", "listener=%s why=\"%s\" consequence=\"the old ones stay in force\"",
                  d->config->listeners[i].name, why);
    }
    for (unsigned i = 0; i <= d->world.n_workers; i++)
        worker_reload(&d->workers[i]);
    redis_resources_reload_tls(&d->world.redis);
    for (size_t i = 0; i < d->config->n_accounts; i++)
        backends_doubt_barrier(&d->world.backends, &d->config->accounts[i]);
    log_info("reloaded", "listeners_failed=%u", failed);
}

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR2); /* ours: ends the thread; from others it means nothing */
}

void daemon_hold_signals(void)
{
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *wait_for_signals(void *arg)
{
    struct daemon *d = arg;
    sigset_t set;
    signal_set(&set);
    for (int number;;) {
        CHECK(sigwait(&set, &number) == 0);
        if (d->deaf)
            return NULL;
        if (number == SIGUSR2)
            continue;
        if (number == SIGHUP) {
            if (d->config->log_file && log_open_file(d->config->log_file) < 0)
                log_error("log_reopen_failed", "path=%s why=\"%s\"", d->config->log_file, strerror(errno));
            net_wake_raise(&d->reload_wake);
            continue;
        }
        d->signals++;
        net_wake_raise(&d->signal_wake);
    }
}

/* --- the parts ---------------------------------------------------------------------------------------------------------- */

static bool set_log(const struct config *c)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++)
        if (c->log_level && !strcmp(c->log_level, levels[i]))
            log_set_level((enum log_level)i);
    if (c->log_file && log_open_file(c->log_file) < 0) {
        log_error("log_file_failed", "path=%s why=\"%s\"", c->log_file, strerror(errno));
        return false;
    }
    return true;
}

static bool make_dir(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        log_error("data_dir_failed", "path=%s why=\"%s\"", path, strerror(errno));
        return false;
    }
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022)) {
        log_error("data_dir_unsafe", "path=%s remedy=\"it must be a folder of this user that nobody else may write\"", path);
        return false;
    }
    return true;
}

static bool make_data_dir(const struct config *c)
{
    char log_dir[4096];
    snprintf(log_dir, sizeof log_dir, "%s/log", c->data_dir);
    return make_dir(c->data_dir) && make_dir(log_dir);
}

static bool write_pid(const char *path)
{
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!path)
        return true;
    if (!f || fprintf(f, "%ld\n", (long)getpid()) < 0 || fclose(f)) {
        log_error("pid_file_failed", "path=%s why=\"%s\"", path, strerror(errno));
        return false;
    }
    return true;
}

/* A name that is not known now may be later: the resolver's threads ask again, and what is in doubt elsewhere does not wait. */
static void learn_name(const char *host)
{
    char why[256];
    if (net_resolve(host, why, sizeof why) < 0)
        log_warn("name_unknown", "host=%s why=\"%s\"", host, why);
}

static void learn_names(const struct config *c)
{
    for (size_t i = 0; i < c->n_backends; i++)
        learn_name(c->backends[i].address);
    for (size_t i = 0; i < c->n_redis; i++)
        learn_name(c->redis[i].address); /* of others the resolver's thread finds out where they are, before workers go there */
    for (size_t i = 0; i < c->n_listeners; i++)
        learn_name(c->listeners[i].address);
}

struct net_tls *daemon_listener_tls(const struct config_listener *l, char *why, size_t why_size)
{
    const struct net_tls_options o = {.cert = l->tls_cert, .key = l->tls_key, .ca = l->tls_ca}; /* asked for, not required */
    *why = '\0';
    return l->tls_cert ? net_tls_new(true, &o, why, why_size) : NULL;
}

static bool load_tls(struct daemon *d)
{
    for (size_t i = 0; i < d->config->n_listeners; i++) {
        const struct config_listener *l = &d->config->listeners[i];
        char why[512];
        d->world.listener_tls[i] = daemon_listener_tls(l, why, sizeof why);
        if (*why && !d->world.listener_tls[i]) {
            log_error("tls_failed", "listener=%s why=\"%s\"", l->name, why);
            return false;
        }
    }
    return true;
}

static void on_durable(void *arg, wal_pos durable)
{
    struct daemon *d = arg;
    (void)durable;
    pthread_mutex_lock(&d->told_lock);
    for (unsigned i = 0; i < d->n_told; i++)
        worker_durable(&d->workers[i]);
    pthread_mutex_unlock(&d->told_lock);
}

/* The first n, from now on. */
static void tell_workers(struct daemon *d, unsigned n)
{
    pthread_mutex_lock(&d->told_lock);
    d->n_told = n;
    pthread_mutex_unlock(&d->told_lock);
}

static bool open_journal(struct daemon *d)
{
    struct wal_error error = {0};
    d->world.journal = journal_open(d->config, on_durable, d, &error);
    if (!d->world.journal || journal_start(d->world.journal, &error) != WAL_OK) {
        log_error("log_failed", "why=\"%s\"", error.text);
        return false;
    }
    log_info("log_open", "node=%s log=%s epoch=%llu in_doubt=%u", journal_node(d->world.journal),
             journal_log_id(d->world.journal), (unsigned long long)journal_epoch(d->world.journal),
             xa_registry_count(journal_registry(d->world.journal), XA_OWNER_RESOLVER));
    snprintf(d->client_name, sizeof d->client_name, "xaproxy-%s-%s-%llu", journal_node(d->world.journal),
             journal_log_id(d->world.journal), (unsigned long long)journal_epoch(d->world.journal));
    return true;
}

/* --- the resolver, as sessions see it -------------------------------------------------------------------------------------- */

static void sweep_backend(void *arg, unsigned backend) { resolver_sweep_backend(arg, backend); }
static void sweep_redis(void *arg, unsigned resource) { resolver_sweep_redis(arg, resource); }
static void kill_connection(void *arg, unsigned backend, uint64_t id, int64_t opened_ms)
{
    resolver_kill_connection(arg, backend, id, opened_ms);
}
static void kill_query(void *arg, unsigned backend, uint64_t id, int64_t opened_ms, void (*done)(void *done_arg), void *done_arg)
{
    resolver_kill_query(arg, backend, id, opened_ms, done, done_arg);
}
static void lock_waits(void *arg, unsigned backend,
                       void (*done)(void *done_arg, const struct backend_lock_wait *waits, unsigned n), void *done_arg)
{
    resolver_lock_waits(arg, backend, done, done_arg);
}

struct conflict_teller {
    void (*each)(void *arg, const struct session_conflict *c);
    void *arg;
};

static void tell_conflict(void *arg, const struct resolver_conflict *c)
{
    const struct conflict_teller *teller = arg;
    teller->each(teller->arg, &(struct session_conflict){.id = c->id, .resource = c->resource, .gtrid = c->gtrid, .key = c->key,
                                                         .command = c->command, .outcome = c->outcome, .detail = c->detail,
                                                         .age_s = (clock_wall_ms() - c->at_ms) / 1000});
}
static void each_conflict(void *arg, void (*each)(void *each_arg, const struct session_conflict *c), void *each_arg)
{
    resolver_each_conflict(arg, tell_conflict, &(struct conflict_teller){each, each_arg});
}
static const struct resolver_ops resolver_ops = {sweep_backend, sweep_redis, kill_connection, kill_query, lock_waits, each_conflict};

static bool live_gtrids(void *arg, struct buf *out, int timeout_ms)
{
    return workers_live_gtrids(arg, out, timeout_ms);
}

static void *must(void *p)
{
    CHECK(p);
    return p;
}

static bool make_world(struct daemon *d)
{
    struct world *w = &d->world;
    const struct config *c = d->config;
    w->config = c;
    w->started_ms = clock_mono_ms();
    w->n_workers = c->workers > 0 ? (unsigned)c->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    w->at_work = w->running = w->n_workers;
    w->redis_face = &resp_face;
    backends_init(&w->backends, c);
    redis_resources_init(&w->redis, c);
    w->redis_options = (struct redis_options){d->client_name, comp_library_name(), comp_library_text()};
    w->listener_tls = must(calloc(c->n_listeners + 1, sizeof *w->listener_tls));
    w->listener_clients = must(calloc(c->n_listeners + 1, sizeof *w->listener_clients));
    w->fast_secrets = must(calloc(c->n_users + 1, sizeof *w->fast_secrets));
    w->user_clients = must(calloc(c->n_users + 1, sizeof *w->user_clients));
    pthread_mutex_init(&w->secrets_lock, NULL);
    random_bytes(w->decoy_key, sizeof w->decoy_key);
    unsigned most = (unsigned)c->max_unauthenticated;
    w->callers = callers_new(most - most / 4, (unsigned)c->max_clients_per_address, c->failed_login_delay_ms);
    d->listeners = must(calloc(c->n_listeners + 1, sizeof *d->listeners));
    d->accepting = must(calloc(c->n_listeners + 1, sizeof *d->accepting));
    d->workers = must(calloc(w->n_workers + 1, sizeof *d->workers));
    d->admin = &d->workers[w->n_workers];
    w->workers = d->workers;
    w->waits = waits_new(d->workers, w->n_workers + 1);
    w->scripts = scripts_new((size_t)c->max_script_bytes);
    learn_names(c);
    return load_tls(d) && make_data_dir(c) && open_journal(d);
}

static void free_world(struct daemon *d)
{
    struct world *w = &d->world;
    if (w->journal)
        journal_close(w->journal);
    for (size_t i = 0; i < d->config->n_listeners; i++)
        if (w->listener_tls[i])
            net_tls_free(w->listener_tls[i]);
    backends_fini(&w->backends);
    redis_resources_fini(&w->redis);
    free(w->listener_tls);
    free(w->listener_clients);
    wire_wipe(w->fast_secrets, (d->config->n_users + 1) * sizeof *w->fast_secrets);
    free(w->fast_secrets);
    free(w->user_clients);
    pthread_mutex_destroy(&w->secrets_lock);
    callers_free(w->callers);
    waits_free(w->waits);
    scripts_free(w->scripts);
    free(d->listeners);
    free(d->accepting);
    free(d->workers);
}

static bool make_resolver(struct daemon *d)
{
    struct resolver_options o = {.config = d->config,
                                 .journal = d->world.journal,
                                 .backends = &d->world.backends,
                                 .redis = &d->world.redis,
                                 .redis_options = &d->world.redis_options,
                                 .live_gtrids = live_gtrids,
                                 .arg = &d->world};
    d->resolver = resolver_new(&o);
    d->world.resolver = &resolver_ops;
    d->world.resolver_arg = d->resolver;
    admin_init(&d->world, d->resolver);
    return d->resolver != NULL;
}

static bool make_workers(struct daemon *d)
{
    for (unsigned i = 0; i <= d->world.n_workers; i++)
        if (worker_init(&d->workers[i], &d->world, i) < 0) {
            log_error("worker_failed", "why=\"no descriptors left: raise the limit of open files\"");
            return false;
        }
    return true;
}

static bool start_workers(struct daemon *d)
{
    for (; d->n_started < d->world.n_workers; d->n_started++) {
        int error = pthread_create(&d->workers[d->n_started].thread, NULL, worker_run, &d->workers[d->n_started]);
        if (error) {
            log_error("worker_failed", "why=\"%s\"", strerror(error));
            return false;
        }
    }
    tell_workers(d, d->n_started);
    return true;
}

static int serve(struct daemon *d)
{
    if (!make_world(d) || !make_resolver(d) || !make_workers(d))
        return 1;
    net_timer_init(&d->drain_timer, d->admin->loop, on_drain_timeout, d);
    net_wake_init(&d->signal_wake, d->admin->loop, on_signal, d);
    net_wake_init(&d->reload_wake, d->admin->loop, on_reload, d);
    if (!start_workers(d) || !open_listeners(d) || !write_pid(d->config->pid_file))
        return 1;
    resolver_start(d->resolver);
    int error = pthread_create(&d->signal_thread, NULL, wait_for_signals, d);
    if (error) {
        log_error("signals_failed", "why=\"%s\"", strerror(error));
        return 1;
    }
    log_info("started", "version=%s workers=%u pid=%ld", PACKAGE_VERSION, d->world.n_workers, (long)getpid());
    net_loop_run(d->admin->loop);
    return 0;
}

static void take_apart(struct daemon *d)
{
    close_listeners(d);
    for (unsigned i = 0; i < d->n_started; i++)
        pthread_join(d->workers[i].thread, NULL); /* the last letter of the last of them ended this thread's loop */
    d->deaf = true;
    pthread_kill(d->signal_thread, SIGUSR2);
    pthread_join(d->signal_thread, NULL);
    resolver_stop(d->resolver);
    tell_workers(d, 0);
    net_timer_fini(&d->drain_timer);
    net_wake_fini(&d->signal_wake);
    net_wake_fini(&d->reload_wake);
    for (unsigned i = 0; i <= d->world.n_workers; i++)
        worker_fini(&d->workers[i]);
    resolver_free(d->resolver);
    if (d->config->pid_file)
        unlink(d->config->pid_file);
    free_world(d);
}

int daemon_run(const struct config *config)
{
    struct daemon d = {.config = config, .told_lock = PTHREAD_MUTEX_INITIALIZER};
    if (!set_log(config))
        return 1;
    int status = serve(&d);
    if (status) { /* it never served, but threads of it may run: the process ends, and with it everything it holds */
        close_listeners(&d);
        _exit(status);
    }
    take_apart(&d);
    log_info("stopped", "forced=%d", d.drained_by_force);
    return 0;
}
