/* Measures a transaction over two servers through xaproxy against the same transaction driven by hand-written XA from the
 * client, which knows all the tricks: START travels with the statement, END with PREPARE, both branches at once, the decision
 * synced by group commit. Rounds of both kinds alternate in one run, so that the machine's moods meet both.
 * Leaves starting servers and proxy, and counting round trips on the wire, to bench/run. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 100000, CONNECTIONS_MAX = 1024, SAMPLES_MAX = 1 << 17 /* a client and round */ };

static struct {
    const char *user, *password, *ca, *log;
    unsigned port_proxy, port[2]; /* of xaproxy, of the two servers */
    unsigned connections, rounds, seconds;
} option = {.user = "app", .password = "", .log = "decisions", .connections = 1, .rounds = 5, .seconds = 4};

static _Noreturn void die(const char *what, MYSQL *db)
{
    fprintf(stderr, "xabench: %s%s%s\n", what, db ? ": " : "", db ? mysql_error(db) : "");
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* --- the hand-written coordinator's log: whoever comes first syncs for all who wait --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t synced;
    int fd;
    uint64_t appended, durable;
    bool syncing;
} decisions = {.lock = PTHREAD_MUTEX_INITIALIZER, .synced = PTHREAD_COND_INITIALIZER};

static void decide(const char *gtrid)
{
    pthread_mutex_lock(&decisions.lock);
    if (write(decisions.fd, gtrid, strlen(gtrid)) < 0)
        die("writing the decision", NULL);
    uint64_t mine = ++decisions.appended;
    while (decisions.durable < mine) {
        if (decisions.syncing) {
            pthread_cond_wait(&decisions.synced, &decisions.lock);
            continue;
        }
        uint64_t covered = decisions.appended;
        decisions.syncing = true;
        pthread_mutex_unlock(&decisions.lock);
        if (fdatasync(decisions.fd))
            die("syncing the decision", NULL);
        pthread_mutex_lock(&decisions.lock);
        decisions.syncing = false;
        decisions.durable = covered;
        pthread_cond_broadcast(&decisions.synced);
    }
    pthread_mutex_unlock(&decisions.lock);
}

/* --- connections --- */

static MYSQL *connect_to(unsigned port)
{
    MYSQL *db = mysql_init(NULL);
    if (!db)
        die("no memory", NULL);
    mysql_options(db, MYSQL_OPT_SSL_CA, option.ca);
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
    unsigned mode = SSL_MODE_VERIFY_CA;
    mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
#endif
    if (!mysql_real_connect(db, "127.0.0.1", option.user, option.password, NULL, port, NULL, CLIENT_MULTI_STATEMENTS))
        die("connecting", db);
    return db;
}

static void send_text(MYSQL *db, const char *sql)
{
    if (mysql_send_query(db, sql, strlen(sql)))
        die(sql, db);
}

static void read_all(MYSQL *db)
{
    if (mysql_read_query_result(db))
        die("answer", db);
    int more;
    do {
        MYSQL_RES *result = mysql_store_result(db);
        if (result)
            mysql_free_result(result);
        more = mysql_next_result(db);
        if (more > 0)
            die("answer", db);
    } while (!more);
}

static void run(MYSQL *db, const char *sql)
{
    send_text(db, sql);
    read_all(db);
}

/* --- the transaction, both ways --- */

struct client {
    pthread_t thread;
    unsigned index;
    bool by_hand;
    MYSQL *proxy, *server[2];
    uint64_t counter;
    unsigned seed;
    uint32_t *latency_us;
    unsigned n;
};

static const char *const schema[2] = {"t1", "t2"};

/* Each client has rows of its own: what is measured is the protocol, not waiting for locks. */
static unsigned row_of(struct client *c)
{
    unsigned share = ROWS / option.connections;
    return c->index * share + (unsigned)rand_r(&c->seed) % share;
}

static void through_proxy(struct client *c)
{
    char sql[160];
    run(c->proxy, "BEGIN");
    for (int i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "UPDATE %s.bench SET v = v + 1 WHERE id = %u", schema[i], row_of(c));
        run(c->proxy, sql);
    }
    run(c->proxy, "COMMIT");
}

static void by_hand(struct client *c)
{
    char sql[256], gtrid[48];
    snprintf(gtrid, sizeof gtrid, "hand:%u:%" PRIu64, c->index, ++c->counter);
    for (int i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "XA START '%s','%d',1; UPDATE %s.bench SET v = v + 1 WHERE id = %u", gtrid, i, schema[i], row_of(c));
        run(c->server[i], sql);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "XA END '%s','%d',1; XA PREPARE '%s','%d',1", gtrid, i, gtrid, i);
        send_text(c->server[i], sql);
    }
    read_all(c->server[0]);
    read_all(c->server[1]);
    decide(gtrid);
    for (int i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "XA COMMIT '%s','%d',1", gtrid, i);
        send_text(c->server[i], sql);
    }
    read_all(c->server[0]);
    read_all(c->server[1]);
}

/* --- rounds --- */

static _Atomic bool stop;

static void *client_run(void *arg)
{
    struct client *c = arg;
    while (!stop && c->n < SAMPLES_MAX) {
        int64_t begun = now_us();
        if (c->by_hand)
            by_hand(c);
        else
            through_proxy(c);
        c->latency_us[c->n++] = (uint32_t)(now_us() - begun);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

struct figure {
    double per_second;
    uint32_t p50_us, p99_us;
};

static struct figure round_of(struct client *clients, bool hand)
{
    stop = false;
    int64_t begun = now_us();
    for (unsigned i = 0; i < option.connections; i++) {
        clients[i].by_hand = hand;
        clients[i].n = 0;
        if (pthread_create(&clients[i].thread, NULL, client_run, &clients[i]))
            die("no thread", NULL);
    }
    sleep(option.seconds);
    stop = true;
    size_t n = 0;
    for (unsigned i = 0; i < option.connections; i++) {
        pthread_join(clients[i].thread, NULL);
        n += clients[i].n;
    }
    double seconds = (double)(now_us() - begun) / 1e6;
    uint32_t *all = malloc((n + 1) * sizeof *all);
    if (!all)
        die("no memory", NULL);
    size_t at = 0;
    for (unsigned i = 0; i < option.connections; i++) {
        memcpy(all + at, clients[i].latency_us, clients[i].n * sizeof *all);
        at += clients[i].n;
    }
    qsort(all, n, sizeof *all, compare);
    struct figure f = {(double)n / seconds, n ? all[n / 2] : 0, n ? all[n * 99 / 100] : 0};
    free(all);
    return f;
}

static void clients_open(struct client *clients)
{
    for (unsigned i = 0; i < option.connections; i++) {
        struct client *c = &clients[i];
        *c = (struct client){.index = i, .seed = i + 1, .proxy = connect_to(option.port_proxy)};
        for (int k = 0; k < 2; k++)
            c->server[k] = connect_to(option.port[k]);
        c->latency_us = malloc(SAMPLES_MAX * sizeof *c->latency_us);
        if (!c->latency_us)
            die("no memory", NULL);
    }
}

static void measure(struct client *clients)
{
    double sum[2] = {0};
    printf("%-6s %-10s %12s %10s %10s\n", "round", "way", "tx/s", "p50 us", "p99 us");
    for (unsigned round = 0; round <= option.rounds; round++)
        for (int hand = 0; hand < 2; hand++) {
            struct figure f = round_of(clients, hand);
            if (!round)
                continue; /* warms up */
            sum[hand] += f.per_second;
            printf("%-6u %-10s %12.1f %10u %10u\n", round, hand ? "by hand" : "proxy", f.per_second, f.p50_us, f.p99_us);
            fflush(stdout);
        }
    printf("connections %u: proxy %.1f tx/s, by hand %.1f tx/s, ratio %.3f\n", option.connections, sum[0] / option.rounds,
           sum[1] / option.rounds, sum[0] / sum[1]);
}

static void options_read(int argc, char **argv)
{
    static const struct option known[] = {
        {"proxy", required_argument, NULL, 'x'},    {"server1", required_argument, NULL, '1'}, {"server2", required_argument, NULL, '2'},
        {"user", required_argument, NULL, 'u'},     {"ca", required_argument, NULL, 'a'},      {"connections", required_argument, NULL, 'c'},
        {"rounds", required_argument, NULL, 'r'},   {"seconds", required_argument, NULL, 's'}, {"log", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (o) {
        case 'x': option.port_proxy = (unsigned)atoi(optarg); break;
        case '1': option.port[0] = (unsigned)atoi(optarg); break;
        case '2': option.port[1] = (unsigned)atoi(optarg); break;
        case 'u': option.user = optarg; break;
        case 'a': option.ca = optarg; break;
        case 'c': option.connections = (unsigned)atoi(optarg); break;
        case 'r': option.rounds = (unsigned)atoi(optarg); break;
        case 's': option.seconds = (unsigned)atoi(optarg); break;
        case 'l': option.log = optarg; break;
        default: exit(2);
        }
    if (getenv("MYSQL_PWD"))
        option.password = getenv("MYSQL_PWD");
    if (!option.port_proxy || !option.port[0] || !option.port[1] || !option.connections || option.connections > CONNECTIONS_MAX || !option.rounds)
        die("--proxy PORT --server1 PORT --server2 PORT are needed; [--connections N] [--rounds N] [--seconds N] [--user U] [--ca FILE] "
            "[--log FILE]; password in MYSQL_PWD", NULL);
}

int main(int argc, char **argv)
{
    options_read(argc, argv);
    decisions.fd = open(option.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (decisions.fd < 0)
        die(strerror(errno), NULL);
    if (mysql_library_init(0, NULL, NULL))
        die("client library", NULL);
    static struct client clients[CONNECTIONS_MAX];
    clients_open(clients);
    measure(clients);
    return 0;
}
