/* The fixture of the programs about backend: one server under several names, started and stopped through
 * tests/support/servers. */
#include "tests/unit/backend_side.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/wire/packet.h"

struct net_loop *side_loop;
struct backend_pools *side_pools;
struct backends side_backends;
struct config side_config;
int side_events;

static char folder[] = "/tmp/xaproxy-backend-XXXXXX";
static const char *family;
static char ca[128], other_ca[128], socket_path[192];
static struct config_backend backend_rows[SIDE_BACKENDS];
static struct config_account account_rows[SIDE_ACCOUNTS];

static char *PRINTF_LIKE(2, 3) print(char out[512], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(out, 512, fmt, args);
    va_end(args);
    return out;
}

/* --- the server --- */

static int shell(const char *command)
{
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

int side_server(const char *verb)
{
    char options[512] = "", command[1024];
    if (strcmp(verb, "start") == 0)
        print(options,
              "--max-allowed-packet=64M --ssl-ca=%s --ssl-cert=%s/certs/server.crt --ssl-key=%s/certs/server.key", ca,
              folder, folder);
    snprintf(command, sizeof command,
             "env -u CERTS STATE=%s " SOURCE_DIR "/tests/support/servers %s %s unit %s >>%s/out 2>&1", folder, verb,
             family, options, folder);
    return shell(command);
}

static int server_port(void)
{
    char path[512];
    int port = 0;
    FILE *f = fopen(print(path, "%s/%s-unit/port", folder, family), "r");
    CHECK(f && fscanf(f, "%d", &port) == 1);
    fclose(f);
    return port;
}

bool side_is_mariadb(void)
{
    return strcmp(family, "mariadb") == 0;
}

/* --- the configuration --- */

static void fill_backends(int port)
{
    static char names[][16] = {"plain", "local", "tls", "wrong-name", "wrong-ca", "narrow", "nowhere"};
    static char loopback[] = "127.0.0.1", elsewhere[] = "elsewhere.invalid";
    for (unsigned i = 0; i < SIDE_BACKENDS; i++)
        backend_rows[i] = (struct config_backend){.name = names[i],
                                                  .address = loopback,
                                                  .port = port,
                                                  .tls_verify = true,
                                                  .tls_ca = ca,
                                                  .max_connections = 20,
                                                  .connect_timeout_ms = 10000,
                                                  .pool_idle_timeout_ms = 60000,
                                                  .queue_timeout_ms = 20000,
                                                  .lock_wait_s = 7};
    backend_rows[SIDE_LOCAL].address = socket_path;
    backend_rows[SIDE_LOCAL].tls = true; /* means nothing there */
    backend_rows[SIDE_TLS].tls = true;
    backend_rows[SIDE_WRONG_NAME].tls = true;
    backend_rows[SIDE_WRONG_NAME].tls_name = elsewhere;
    backend_rows[SIDE_WRONG_CA].tls = true;
    backend_rows[SIDE_WRONG_CA].tls_ca = other_ca;
    backend_rows[SIDE_NARROW].max_connections = 2;
    backend_rows[SIDE_NOWHERE].port = 1;
}

static void fill_accounts(void)
{
    static char app[] = "app", secret[] = "app's secret", any[] = "*";
    for (unsigned i = 0; i < SIDE_BACKENDS; i++)
        account_rows[i] = (struct config_account){.user = any, .backend = backend_rows[i].name, .backend_user = app,
                                                  .password = secret};
    static char others[][3][12] = {{"local", "root", ""}, {"plain", "app", "wrong"}, {"plain", "other", "other"},
                                  {"plain", "few", "few"}, {"plain", "bare", ""},
                                  {"plain", "curve", "on a curve"}};
    for (unsigned i = SIDE_ROOT; i < SIDE_ACCOUNTS; i++)
        account_rows[i] = (struct config_account){.user = any, .backend = others[i - SIDE_ROOT][0],
                                                  .backend_user = others[i - SIDE_ROOT][1],
                                                  .password = others[i - SIDE_ROOT][2]};
    account_rows[SIDE_ROOT].password = NULL; /* what a configuration without password gives */
}

void side_make_accounts(void)
{
    static const char *const both[] = {
        "CREATE DATABASE t", "CREATE TABLE t.n (id INT PRIMARY KEY, v INT)", "INSERT INTO t.n VALUES (1, 1), (2, 2)",
        "CREATE USER app@'%' IDENTIFIED BY 'app''s secret'", "GRANT ALL ON *.* TO app@'%'",
        "CREATE USER few@'%' IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 1", "CREATE USER bare@'%' IDENTIFIED BY ''",
        "CREATE PROCEDURE t.two() BEGIN SELECT 1; SELECT v FROM t.n WHERE id = 1; END"};
    static const char *const mariadb[] = {"INSTALL SONAME 'auth_pam'", "CREATE USER other@'%' IDENTIFIED VIA pam",
                                          "INSTALL SONAME 'auth_ed25519'",
                                          "CREATE USER curve@'%' IDENTIFIED VIA ed25519 USING PASSWORD('on a curve')"};
    static const char *const mysql[] = {"CREATE USER other@'%' IDENTIFIED WITH sha256_password BY 'other'"};
    side_up();
    struct backend_conn *c = side_get(SIDE_ROOT);
    CHECK(c);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++)
        side_do(c, both[i]);
    for (size_t i = 0; side_is_mariadb() && i < sizeof mariadb / sizeof *mariadb; i++)
        side_do(c, mariadb[i]);
    for (size_t i = 0; !side_is_mariadb() && i < sizeof mysql / sizeof *mysql; i++)
        side_do(c, mysql[i]);
    side_down();
}

int side_start(const char *which)
{
    char command[512];
    family = which;
    CHECK(mkdtemp(folder));
    log_set_level(LOG_LEVEL_ERROR);
    print(command, SOURCE_DIR "/certs/make-dev-certs %s/certs >%s/out 2>&1", folder, folder);
    CHECK(shell(command) == 0);
    snprintf(ca, sizeof ca, "%s/certs/ca.crt", folder);
    snprintf(other_ca, sizeof other_ca, "%s/certs/other-ca.crt", folder);
    snprintf(socket_path, sizeof socket_path, "%s/%s-unit/s.sock", folder, family);
    int status = side_server("start");
    if (status) {
        shell(print(command, "cat %s/out", folder));
        side_stop();
        return status;
    }
    fill_backends(server_port());
    fill_accounts();
    side_config = (struct config){.backends = backend_rows, .n_backends = SIDE_BACKENDS, .accounts = account_rows,
                                  .n_accounts = SIDE_ACCOUNTS};
    backends_init(&side_backends, &side_config);
    return 0;
}

void side_stop(void)
{
    char command[512];
    side_server("wipe");
    backends_fini(&side_backends);
    shell(print(command, "rm -rf %s", folder));
}

void side_up(void)
{
    side_loop = net_loop_new();
    CHECK(side_loop);
    side_pools = backend_pools_new(side_loop, &side_config, &side_backends);
    side_events = 0;
}

void side_down(void)
{
    backend_pools_free(side_pools);
    net_loop_free(side_loop);
    side_pools = NULL;
    side_loop = NULL;
}

/* --- running the loop --- */

static const bool *awaited;

/* Called wherever something happened that a test may wait for. */
static void look(void)
{
    if (awaited && *awaited)
        net_loop_stop(side_loop);
}

static void on_guard(void *arg)
{
    *(bool *)arg = true;
    net_loop_stop(side_loop);
}

static bool run_for(const bool *flag, int64_t ms)
{
    struct net_timer guard;
    bool rang = false;
    awaited = flag;
    net_timer_init(&guard, side_loop, on_guard, &rang);
    net_timer_start(&guard, ms);
    while (!rang && !(flag && *flag))
        net_loop_run(side_loop);
    net_timer_fini(&guard);
    awaited = NULL;
    return !flag || *flag;
}

bool side_run(const bool *flag)
{
    bool came = run_for(flag, 20000);
    CU_ASSERT_TRUE(came);
    return came;
}

void side_sleep(int64_t ms)
{
    run_for(NULL, ms);
}

void side_turn(void)
{
    run_for(NULL, 0);
}

/* --- requests --- */

static void request_ready(struct backend_request *r, struct backend_conn *c)
{
    struct side_request *q = CONTAINER_OF(r, struct side_request, r);
    q->c = c;
    q->answered = true;
    q->order = side_events++;
    look();
}

static void request_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    struct side_request *q = CONTAINER_OF(r, struct side_request, r);
    q->code = code;
    snprintf(q->sqlstate, sizeof q->sqlstate, "%s", sqlstate);
    snprintf(q->text, sizeof q->text, "%s", text);
    q->answered = true;
    q->order = side_events++;
    look();
}

static void ask(struct side_request *q, unsigned account, uint64_t caps, int64_t deadline_ms, bool bare)
{
    unsigned backend = 0;
    while (strcmp(backend_rows[backend].name, account_rows[account].backend) != 0)
        backend++;
    *q = (struct side_request){.r = {.account = &account_rows[account],
                                     .backend = backend,
                                     .client_caps = caps | WIRE_CAP_MULTI_RESULTS, /* as every client has it */
                                     .deadline_ms = deadline_ms,
                                     .bare = bare,
                                     .on_ready = request_ready,
                                     .on_failed = request_failed}};
    backend_acquire(side_pools, &q->r);
}

void side_ask(struct side_request *q, unsigned account, uint64_t caps, int64_t deadline_ms)
{
    ask(q, account, caps, deadline_ms, false);
}

void side_ask_bare(struct side_request *q, unsigned account)
{
    ask(q, account, 0, 0, true);
}

struct backend_conn *side_get(unsigned account)
{
    struct side_request q;
    side_ask(&q, account, 0, 0);
    side_run(&q.answered);
    CU_ASSERT_PTR_NOT_NULL(q.c);
    if (!q.c)
        printf("\n  refused: %u %s\n", q.code, q.text);
    return q.c;
}

static void owner_gone(struct backend_conn *c, const char *why)
{
    struct side_owner *o = c->owner;
    o->gone = true;
    o->order = side_events++;
    snprintf(o->why, sizeof o->why, "%s", why);
    look();
}

void side_own(struct side_owner *o, struct backend_conn *c)
{
    *o = (struct side_owner){0};
    c->owner = o;
    c->on_gone = owner_gone;
}

/* --- commands --- */

static void note_value(struct side_answer *a, struct slice row)
{
    struct cursor cursor = cursor_make(row.at, row.len);
    bool null = false;
    struct slice value = wire_lenenc_str(&cursor, &null);
    buf_clear(&a->value);
    if (null)
        buf_text(&a->value, "NULL");
    else
        buf_append(&a->value, value.at, value.len);
}

static void answer_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    static const char letters[] = {[WIRE_PACKET_COUNT] = 'c', [WIRE_PACKET_COLUMN] = 'd', [WIRE_PACKET_ROW] = 'r',
                                   [WIRE_PACKET_CONTINUED] = 'r', [WIRE_PACKET_OK] = 'o', [WIRE_PACKET_ROWS_END] = 'e',
                                   [WIRE_PACKET_ERR] = 'x', [WIRE_PACKET_PREPARE_OK] = 'p', [WIRE_PACKET_TEXT] = 't',
                                   [WIRE_PACKET_COLUMNS_EOF] = 'f'};
    struct side_answer *a = arg;
    a->frames_while_paused += a->paused;
    if (offset + part.len == frame_len)
        buf_u8(&a->kinds, (uint8_t)letters[kind]);
    if (kind != WIRE_PACKET_ROW && kind != WIRE_PACKET_CONTINUED)
        return;
    a->row_bytes += part.len;
    a->parts++;
    a->largest_part = part.len > a->largest_part ? (uint32_t)part.len : a->largest_part;
    if (kind == WIRE_PACKET_ROW && part.len == frame_len)
        note_value(a, part);
    if (a->pause && part.len < frame_len) {
        backend_pause(a->pause);
        a->paused = true;
        look();
    }
}

static void answer_done(void *arg, const struct backend_outcome *outcome)
{
    struct side_answer *a = arg;
    a->outcome = *outcome;
    a->over = true;
    a->order = side_events++;
    look();
}

static void answer_lost(void *arg, const char *why)
{
    struct side_answer *a = arg;
    a->lost = a->over = true;
    a->order = side_events++;
    snprintf(a->why, sizeof a->why, "%s", why);
    look();
}

static const struct backend_sink answer_sink = {answer_frame, answer_done, answer_lost};

void side_send(struct backend_conn *c, struct side_answer *a, const char *sql)
{
    *a = (struct side_answer){.outcome = {.error = 0}};
    backend_send_query(c, sql, strlen(sql), &answer_sink, a);
}

void side_send_command(struct backend_conn *c, struct side_answer *a, enum wire_response_kind kind, const void *payload,
                       size_t len)
{
    *a = (struct side_answer){.outcome = {.error = 0}};
    backend_send(c, kind, payload, len, &answer_sink, a);
}

void side_wait(struct side_answer *a)
{
    side_run(&a->over);
}

void side_answer_fini(struct side_answer *a)
{
    buf_fini(&a->kinds);
    buf_fini(&a->value);
}

void side_expect(struct backend_conn *c, const char *sql, const char *value)
{
    struct side_answer a;
    side_send(c, &a, sql);
    side_wait(&a);
    CU_ASSERT_EQUAL(a.outcome.error, 0);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&a.value), value);
    if (a.outcome.error || a.lost || strcmp(buf_cstr(&a.value), value) != 0)
        printf("\n  %s: %u %s %s: '%s', not '%s'\n", sql, a.outcome.error, a.outcome.message, a.why, buf_cstr(&a.value),
               value);
    side_answer_fini(&a);
}

uint16_t side_error(struct backend_conn *c, const char *sql)
{
    struct side_answer a;
    side_send(c, &a, sql);
    side_wait(&a);
    CU_ASSERT_FALSE(a.lost);
    uint16_t error = a.outcome.error;
    side_answer_fini(&a);
    return error;
}

void side_do(struct backend_conn *c, const char *sql)
{
    struct side_answer a;
    side_send(c, &a, sql);
    side_wait(&a);
    CU_ASSERT_FALSE(a.lost);
    CU_ASSERT_EQUAL(a.outcome.error, 0);
    if (a.outcome.error)
        printf("\n  %s: %u %s\n", sql, a.outcome.error, a.outcome.message);
    side_answer_fini(&a);
}
