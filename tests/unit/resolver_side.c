/* Servers through tests/support/servers; connections through the resolver's own door to the client library. */
#include "tests/unit/resolver_side.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "compensate/calls.h"

struct config side_config;
struct config_backend side_rows[2];
struct config_redis side_redis_row;
struct backends side_backends;
struct redis_resources side_resources;
struct journal *side_journal;
struct resolver *side_resolver;

static char folder[] = "/tmp/xaproxy-resolver-XXXXXX";
static const char *family;
static bool redis_runs;
static char socket_path[128], client_name[64], data_dir[64];
static char loopback[] = "127.0.0.1";
static struct redis_options redis_options;
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static char live[128];

/* --- servers ------------------------------------------------------------------------------------------------------------- */

static int PRINTF_LIKE(1, 2) shell(const char *fmt, ...)
{
    char command[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

int side_server(const char *verb)
{
    return shell("env -u CERTS STATE=%s " SOURCE_DIR "/tests/support/servers %s %s unit >>%s/out 2>&1", folder, verb, family,
                 folder);
}

int side_server_signal(int number)
{
    return shell("kill -%d $(STATE=%s " SOURCE_DIR "/tests/support/servers pid %s unit)", number, folder, family);
}

int side_redis(const char *verb)
{
    return shell("STATE=%s " SOURCE_DIR "/tests/support/servers %s redis unit >>%s/out 2>&1", folder, verb, folder);
}

bool side_is_mariadb(void)
{
    return !strcmp(family, "mariadb");
}

static int port_of(const char *kind)
{
    char path[160];
    int port = 0;
    snprintf(path, sizeof path, "%s/%s-unit/port", folder, kind);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%d", &port) == 1);
    fclose(f);
    return port;
}

static void fill_config(void)
{
    static char names[2][4] = {"one", "two"}, user[] = "xap_resolver", password[] = "resolver-secret", node[] = "unit", r[] = "r";
    static struct config_account account;
    static char barrier[] = "xaproxy";
    static char star[] = "*", app[] = "app";
    for (int i = 0; family && i < 2; i++)
        side_rows[i] = (struct config_backend){.name = names[i], .address = loopback, .port = port_of(family),
                                               .tls_name = loopback, .resolver_user = user, .resolver_password = password,
                                               .connect_timeout_ms = 3000, .commit_timeout_ms = 60000, .lock_wait_s = 1,
                                               .tls = !side_is_mariadb(), .barrier_schema = barrier};
    side_redis_row = (struct config_redis){.name = r, .address = loopback, .timeout_ms = 2000,
                                           .port = redis_runs ? port_of("redis") : 1};
    account = (struct config_account){.user = star, .backend = names[0], .backend_user = app};
    snprintf(data_dir, sizeof data_dir, "%s/data", folder);
    side_config = (struct config){.node = node, .data_dir = data_dir, .sweep_interval_ms = 200, .max_actions = 1000,
                                  .action_connections = 1, .wal_segment_bytes = 1 << 20,
                                  .wal_max_bytes = 64 << 20, .backends = side_rows, .n_backends = family != NULL,
                                  .accounts = &account, .n_accounts = family != NULL, .redis = &side_redis_row,
                                  .n_redis = redis_runs};
}

static void make_table(void)
{
    snprintf(socket_path, sizeof socket_path, "%s/%s-unit/s.sock", folder, family);
    struct server *s = side_root();
    side_sql(s, "CREATE DATABASE test");
    side_sql(s, "CREATE TABLE test.t (id INT PRIMARY KEY) ENGINE=InnoDB");
    side_sql(s, "CREATE USER 'app'@'localhost'");
    side_sql(s, "GRANT ALL ON test.* TO 'app'@'localhost'");
    server_close(s);
}

int side_start(const char *kind)
{
    family = kind;
    redis_runs = !family;
    CHECK(mkdtemp(folder));
    signal(SIGPIPE, SIG_IGN);
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1);
    server_library_init();
    int status = family ? side_server("start") : side_redis("start");
    if (status) {
        shell("cat %s/out >&2", folder);
        side_stop();
        return status;
    }
    fill_config();
    if (family)
        make_table();
    return 0;
}

void side_stop(void)
{
    if (family)
        side_server("wipe");
    else
        side_redis("wipe");
    CHECK(shell("rm -rf %s", folder) == 0);
}

/* --- lives --------------------------------------------------------------------------------------------------------------- */

void side_new_log(void)
{
    CHECK(shell("rm -rf %s", data_dir) == 0);
}

static bool live_gtrids(void *arg, struct buf *out, int timeout_ms)
{
    (void)arg, (void)timeout_ms;
    pthread_mutex_lock(&live_lock);
    bool answered = strcmp(live, "?") != 0;
    if (answered && *live)
        buf_append(out, live, strlen(live) + 1);
    pthread_mutex_unlock(&live_lock);
    return answered;
}

void side_live(const char *gtrid)
{
    pthread_mutex_lock(&live_lock);
    snprintf(live, sizeof live, "%s", gtrid ? gtrid : "");
    pthread_mutex_unlock(&live_lock);
}

void side_open(void)
{
    char log_dir[80];
    struct wal_error error = {0};
    snprintf(log_dir, sizeof log_dir, "%s/log", data_dir);
    mkdir(data_dir, 0700);
    mkdir(log_dir, 0700);
    side_live(NULL);
    side_journal = journal_open(&side_config, NULL, NULL, &error);
    CHECK(side_journal && journal_start(side_journal, &error) == WAL_OK);
    backends_init(&side_backends, &side_config);
    redis_resources_init(&side_resources, &side_config);
    snprintf(client_name, sizeof client_name, "xaproxy-unit-%s-%llu", journal_log_id(side_journal),
             (unsigned long long)journal_epoch(side_journal));
    redis_options = (struct redis_options){client_name, comp_library_name(), comp_library_text()};
}

void side_run(void)
{
    side_resolver = resolver_new(&(struct resolver_options){.config = &side_config,
                                                            .journal = side_journal,
                                                            .backends = &side_backends,
                                                            .redis = &side_resources,
                                                            .redis_options = &redis_options,
                                                            .live_gtrids = live_gtrids});
    resolver_start(side_resolver);
}

void side_end(void)
{
    if (side_resolver) {
        resolver_stop(side_resolver);
        resolver_free(side_resolver);
    }
    side_resolver = NULL;
    backends_fini(&side_backends);
    redis_resources_fini(&side_resources);
    journal_close(side_journal);
}

/* --- planting and looking ------------------------------------------------------------------------------------------------- */

static struct server *connect_as(char *user)
{
    struct config_backend row = side_rows[0];
    char why[256];
    row.address = socket_path;
    row.tls_name = socket_path;
    row.tls = false;
    row.resolver_user = user;
    row.resolver_password = NULL;
    struct server *s = server_open(&row, why, sizeof why);
    if (!s)
        fprintf(stderr, "%s: %s\n", user, why);
    CHECK(s);
    return s;
}

struct server *side_root(void)
{
    static char root[] = "root";
    return connect_as(root);
}

struct server *side_app(void)
{
    static char app[] = "app";
    return connect_as(app);
}

void side_sql(struct server *s, const char *fmt, ...)
{
    char sql[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    uint16_t code = server_ask(s, sql, NULL, NULL);
    if (code)
        fprintf(stderr, "%s: %u %s\n", sql, code, server_error(s));
    CHECK(!code);
}

long side_number(const char *fmt, ...)
{
    char sql[512], value[64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    struct server *s = side_root();
    CHECK(server_value(s, sql, value, sizeof value));
    server_close(s);
    return *value ? atol(value) : -1;
}

struct server *side_prepare(const char *gtrid, const char *bqual, unsigned format_id, int id)
{
    struct server *s = side_app();
    side_sql(s, "XA START '%s','%s',%u", gtrid, bqual, format_id);
    side_sql(s, "INSERT INTO test.t VALUES (%d)", id);
    side_sql(s, "XA END '%s','%s',%u", gtrid, bqual, format_id);
    side_sql(s, "XA PREPARE '%s','%s',%u", gtrid, bqual, format_id);
    return s;
}

struct looked_for {
    const char *gtrid;
    bool found;
};

static void on_row(void *arg, const struct slice *value, unsigned n)
{
    struct looked_for *l = arg;
    size_t len = strlen(l->gtrid);
    l->found = l->found || (n > 3 && value[3].len >= len && !memcmp(value[3].at, l->gtrid, len));
}

bool side_listed(const char *gtrid)
{
    struct looked_for l = {gtrid, false};
    struct server *s = side_root();
    CHECK(!server_ask(s, "XA RECOVER", on_row, &l));
    server_close(s);
    return l.found;
}

long side_row(int id)
{
    return side_number("SELECT COUNT(*) FROM test.t WHERE id = %d", id);
}

void side_name(struct xa_gtrid *out)
{
    struct journal_live entry;
    list_init(&entry.link);
    journal_begin(side_journal, &entry, out);
    journal_end(side_journal, &entry);
}

void side_decide(const struct xa_gtrid *gtrid, const char *bqual, bool slot, int64_t decided_ms)
{
    struct xa_decision d = {.gtrid = *gtrid, .decided_ms = decided_ms, .who = "app@10.0.0.1"};
    if (bqual) {
        d.n_branches = 1;
        snprintf(d.branch[0].backend, sizeof d.branch[0].backend, "one");
        snprintf(d.branch[0].bqual.text, sizeof d.branch[0].bqual.text, "%s", bqual);
    }
    if (slot) {
        d.n_slots = 1;
        snprintf(d.slot[0].resource, sizeof d.slot[0].resource, "r");
    }
    CHECK(journal_reserve(side_journal, d.n_branches, d.n_slots));
    wal_wait(journal_wal(side_journal), journal_decide(side_journal, &d));
}

/* --- what the resolver says ------------------------------------------------------------------------------------------------ */

struct wanted {
    const char *gtrid;
    struct side_seen seen;
};

static void on_in_doubt(void *arg, const struct resolver_in_doubt *row)
{
    struct wanted *w = arg;
    if (strcmp(row->gtrid, w->gtrid))
        return;
    w->seen.found = true;
    w->seen.age_ms = row->age_ms;
    snprintf(w->seen.fate, sizeof w->seen.fate, "%s", row->fate);
    snprintf(w->seen.why, sizeof w->seen.why, "%s", row->why);
    snprintf(w->seen.decision, sizeof w->seen.decision, "%s", row->decision);
    snprintf(w->seen.who, sizeof w->seen.who, "%s", row->who);
}

struct side_seen side_seen(const char *gtrid)
{
    struct wanted w = {.gtrid = gtrid};
    resolver_each_in_doubt(side_resolver, on_in_doubt, &w);
    return w.seen;
}

struct resolver_counters side_counters(void)
{
    struct resolver_counters c;
    resolver_counters(side_resolver, &c);
    return c;
}

const char *side_verdict(unsigned backend)
{
    static struct backend_texts texts;
    backend_texts(&side_backends.at[backend], &texts);
    return texts.verdict;
}
