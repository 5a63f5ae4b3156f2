/* Drives a transaction over two servers in several ways, slice by slice in turn, so that the machine's moods meet
 * all of them, and prints a line a slice. Leaves the ways to ways.c; starting servers and proxy, and judging the
 * figures, to bench/run. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/decision_log.h"
#include "bench/die.h"
#include "bench/ways.h"

enum { CONNECTIONS_MAX = 1024, SAMPLES_MAX = 1 << 17 /* a client and slice */, WATCHED_MAX = 8 };

static const char *const way_text[N_WAYS] = {
#define X(name, text) text,
    WAYS(X)
#undef X
};

static struct bench_options options = {
    .user = "bench", .password = "", .log = "decisions", .connections = 1, .rounds = 5, .slice_ms = 2000};
static const char *watched[WATCHED_MAX]; /* process ids */
static unsigned n_watched;

struct worker {
    pthread_t thread;
    struct client client;
    enum way way;
    uint32_t *latency_us;
    unsigned n;
};
static struct worker workers[CONNECTIONS_MAX];
static atomic_bool stop;

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "xabench: %s: %s\n", what, why);
    exit(1);
}

_Noreturn void die_errno(const char *what)
{
    die(what, strerror(errno));
}

/* --- what time it is, and who used the processors --- */

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* User and system time of a process since its start. Its name may hold blanks: what counts comes behind its bracket. */
static int64_t cpu_us_of(const char *pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    unsigned long user, system;
    const char *behind = strrchr(text, ')');
    if (!behind || sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        die("reading its processor time", pid);
    return (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int64_t cpu_us_of_ours(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * INT64_C(1000000) + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* --- a slice --- */

static void *work(void *arg)
{
    struct worker *w = arg;
    while (!stop && w->n < SAMPLES_MAX) {
        int64_t begun = now_us();
        client_transaction(&w->client, w->way);
        w->latency_us[w->n++] = (uint32_t)(now_us() - begun);
    }
    return NULL;
}

static size_t run_slice(enum way way, unsigned ms)
{
    size_t n = 0;
    stop = false;
    for (unsigned i = 0; i < options.connections; i++) {
        workers[i].way = way;
        workers[i].n = 0;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            die_errno("starting a thread");
    }
    usleep(ms * 1000);
    stop = true;
    for (unsigned i = 0; i < options.connections; i++) {
        pthread_join(workers[i].thread, NULL);
        n += workers[i].n;
    }
    return n;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The latencies of the last slice, n of them, in order; the caller frees. */
static uint32_t *latencies(size_t n)
{
    uint32_t *all = malloc((n + 1) * sizeof *all);
    size_t at = 0;
    if (!all)
        die("latencies", "no memory");
    for (unsigned i = 0; i < options.connections; i++) {
        memcpy(all + at, workers[i].latency_us, workers[i].n * sizeof *all);
        at += workers[i].n;
    }
    qsort(all, n, sizeof *all, compare);
    return all;
}

static void report(unsigned round, enum way way)
{
    int64_t cpu_us[WATCHED_MAX + 1], begun = now_us();
    for (unsigned i = 0; i < n_watched; i++)
        cpu_us[i] = cpu_us_of(watched[i]);
    cpu_us[n_watched] = cpu_us_of_ours();
    size_t n = run_slice(way, options.slice_ms);
    double seconds = (double)(now_us() - begun) / 1e6;
    if (!n)
        die(way_text[way], "no transaction was done in a slice");
    uint32_t *all = latencies(n);
    printf("%u\t%s\t%.1f\t%u\t%u", round, way_text[way], (double)n / seconds, all[n / 2], all[n * 99 / 100]);
    for (unsigned i = 0; i <= n_watched; i++)
        printf("\t%.0f", (double)((i < n_watched ? cpu_us_of(watched[i]) : cpu_us_of_ours()) - cpu_us[i]) / (double)n);
    putchar('\n');
    fflush(stdout);
    free(all);
}

static void measure(void)
{
    printf("round\tway\ttx_per_s\tp50_us\tp99_us");
    for (unsigned i = 0; i < n_watched; i++)
        printf("\tcpu_us_%s", watched[i]);
    puts("\tcpu_us_client");
    for (int way = 0; way < N_WAYS; way++)
        if (options.use[way])
            run_slice(way, options.slice_ms / 2); /* warms up */
    for (unsigned round = 1; round <= options.rounds; round++)
        for (int i = 0; i < N_WAYS; i++) {
            int way = round % 2 ? i : N_WAYS - 1 - i; /* who follows whom changes */
            if (options.use[way])
                report(round, way);
        }
}

/* --- options --- */

static const struct option known[] = {
    {"ways", required_argument, NULL, 'w'},       {"tls-port", required_argument, NULL, 't'},
    {"plain-port", required_argument, NULL, 'p'}, {"server1", required_argument, NULL, '1'},
    {"server2", required_argument, NULL, '2'},    {"redis", required_argument, NULL, 'e'},
    {"server-tls", no_argument, NULL, 'T'},       {"user", required_argument, NULL, 'u'},
    {"ca", required_argument, NULL, 'a'},         {"connections", required_argument, NULL, 'c'},
    {"rounds", required_argument, NULL, 'r'},     {"slice-ms", required_argument, NULL, 's'},
    {"log", required_argument, NULL, 'l'},        {"watch", required_argument, NULL, 'W'},
    {NULL, 0, NULL, 0}};

static void use_ways(char *names)
{
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        int way = 0;
        while (way < N_WAYS && strcmp(name, way_text[way]))
            way++;
        if (way == N_WAYS)
            die("no such way", name);
        options.use[way] = true;
    }
}

static void watch(const char *pid)
{
    if (n_watched == WATCHED_MAX)
        die("too many to watch", pid);
    watched[n_watched++] = pid;
}

static void take_option(int o)
{
    switch (o) {
    case 'w': use_ways(optarg); break;
    case 't': options.port_tls = (unsigned)atoi(optarg); break;
    case 'p': options.port_plain = (unsigned)atoi(optarg); break;
    case '1': options.port[0] = (unsigned)atoi(optarg); break;
    case '2': options.port[1] = (unsigned)atoi(optarg); break;
    case 'e': options.port_redis = (unsigned)atoi(optarg); break;
    case 'T': options.server_tls = true; break;
    case 'u': options.user = optarg; break;
    case 'a': options.ca = optarg; break;
    case 'c': options.connections = (unsigned)atoi(optarg); break;
    case 'r': options.rounds = (unsigned)atoi(optarg); break;
    case 's': options.slice_ms = (unsigned)atoi(optarg); break;
    case 'l': options.log = optarg; break;
    case 'W': watch(optarg); break;
    default: exit(2);
    }
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;)
        take_option(o);
    if (getenv("MYSQL_PWD"))
        options.password = getenv("MYSQL_PWD");
    if (!options.connections || options.connections > CONNECTIONS_MAX || !options.slice_ms)
        die("usage", "--ways W,W --tls-port P --plain-port P --server1 P --server2 P --redis P "
                     "[--server-tls] [--ca FILE] [--user U] [--connections N] [--rounds N] [--slice-ms N] [--log FILE] "
                     "[--watch PID]; password in MYSQL_PWD");
    decision_log_open(options.log);
    if (mysql_library_init(0, NULL, NULL))
        die("client library", "it does not start");
    for (unsigned i = 0; i < options.connections; i++) {
        client_open(&workers[i].client, i, &options);
        workers[i].latency_us = malloc(SAMPLES_MAX * sizeof *workers[i].latency_us);
        if (!workers[i].latency_us)
            die("latencies", "no memory");
    }
    measure();
    return 0;
}
