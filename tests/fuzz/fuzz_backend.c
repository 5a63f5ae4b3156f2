/* A hostile server behind the whole of proxy/backend, over a local socket: whatever it says, each command ends exactly
 * once, done or lost, and nothing is left. The first byte chooses whether it behaves up to the first command. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/backend/pool.h"
#include "proxy/net/listener.h"
#include "proxy/wire/handshake.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/resultset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_loop *loop;
static struct backends backends;
static char name[] = "liar", path[64], user[] = "app", secret[] = "secret", any[] = "*";
static struct config_backend backend_row = {
    .name = name, .address = path, .max_connections = 1, .connect_timeout_ms = 3, .lock_wait_s = 5};
static struct config_account account_row = {.user = any, .backend = name, .backend_user = user, .password = secret};
static const struct config config = {
    .backends = &backend_row, .n_backends = 1, .accounts = &account_row, .n_accounts = 1};

static struct slice input;
static bool over;
static int commands, ends;

/* --- the server: says all it has to say, and hangs up --- */

static void say_honest_part(struct buf *out)
{
    const uint64_t caps = WIRE_CAP_PROTOCOL_41 | WIRE_CAP_SECURE_CONNECTION | WIRE_CAP_PLUGIN_AUTH |
                          WIRE_CAP_SESSION_TRACK | WIRE_CAP_DEPRECATE_EOF | WIRE_CAP_LONG_PASSWORD;
    const struct wire_ok ok = {.status = WIRE_STATUS_AUTOCOMMIT};
    struct wire_greeting g = {.connection_id = 7, .caps = caps, .charset = 45, .version = "8.4.0-liar",
                              .plugin = "mysql_native_password"};
    struct buf payload = {0};
    uint8_t seq = 0;
    memset(g.scramble, 'a', sizeof g.scramble);
    wire_greeting_write(&payload, &g);
    wire_packet_write(out, &seq, buf_at(&payload), buf_len(&payload));
    buf_fini(&payload);
    seq = 2;
    wire_ok_packet(out, &seq, caps, &ok); /* log-in */
    seq = 1;
    wire_ok_packet(out, &seq, caps, &ok); /* the role */
    seq = 1;
    wire_ok_packet(out, &seq, caps, &ok); /* settings */
}

static void on_accept(void *arg, int fd, const char *peer)
{
    static const struct net_conn_ops ops = {.on_read = NULL};
    (void)arg;
    (void)peer;
    struct net_conn *c = net_conn_accept(loop, fd, &ops, NULL);
    if (input.at[0] & 1)
        say_honest_part(&c->out);
    buf_append(&c->out, input.at + 1, input.len - 1);
    net_conn_close(c, true);
}

/* --- the borrower --- */

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    (void)arg;
    CHECK(part.len <= frame_len && offset <= frame_len - part.len);
    CHECK(kind != WIRE_PACKET_BAD && kind != WIRE_PACKET_INFILE);
    CHECK(kind == WIRE_PACKET_ROW || kind == WIRE_PACKET_CONTINUED || kind == WIRE_PACKET_COLUMN ||
          kind == WIRE_PACKET_TEXT || part.len == frame_len);
}
static void on_done(void *arg, const struct backend_outcome *outcome)
{
    (void)arg;
    CHECK(memchr(outcome->message, 0, sizeof outcome->message) && memchr(outcome->tracker, 0, sizeof outcome->tracker));
    ends++;
}
static void on_lost(void *arg, const char *why)
{
    (void)arg;
    CHECK(*why);
    ends++;
}
static const struct backend_sink sink = {on_frame, on_done, on_lost};

static void finish(void)
{
    over = true;
    net_loop_stop(loop);
}
static void on_gone(struct backend_conn *c, const char *why)
{
    (void)c;
    CHECK(*why && ends == commands);
    finish();
}
static void on_ready(struct backend_request *r, struct backend_conn *c)
{
    static const uint8_t prepare[] = {WIRE_COM_STMT_PREPARE, '?'};
    (void)r;
    c->on_gone = on_gone;
    commands = 3;
    backend_send_query(c, "SELECT 1", 8, &sink, NULL);
    backend_send(c, WIRE_RESPONSE_PREPARE, prepare, sizeof prepare, &sink, NULL);
    backend_send_query(c, "SELECT 2", 8, &sink, NULL);
}
static void on_failed(struct backend_request *r, uint16_t code, const char *sqlstate, const char *text)
{
    (void)r;
    CHECK(code && strlen(sqlstate) == 5 && *text);
    finish();
}

static void forget_path(void)
{
    unlink(path);
}

static void start(void)
{
    char why[128];
    log_set_level(LOG_LEVEL_ERROR + 1);
    snprintf(path, sizeof path, "/tmp/xaproxy-fuzz-%d.sock", (int)getpid());
    CHECK(atexit(forget_path) == 0);
    loop = net_loop_new();
    CHECK(loop && net_listener_new(loop, path, 0, on_accept, NULL, why, sizeof why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!loop)
        start();
    if (!size)
        return 0;
    input = (struct slice){data, size};
    over = false;
    commands = ends = 0;
    backends_init(&backends, &config);
    struct backend_pools *pools = backend_pools_new(loop, &config, &backends);
    struct backend_request r = {.account = &account_row, .on_ready = on_ready, .on_failed = on_failed};
    backend_acquire(pools, &r);
    while (!over)
        net_loop_run(loop);
    backend_pools_free(pools);
    backends_fini(&backends);
    return 0;
}
