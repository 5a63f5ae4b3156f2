/* A connection's life: opening, sending, dying, and its burial at the end of the turn, so that nothing vanishes under a
 * callback. Leaves log-in to login.c, answers to replies.c, lists and limits to pool.c. */
#include "proxy/backend/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/backend/impl.h"

/* --- death --- */

static struct backend_command *pop_command(struct backend_conn_impl *in)
{
    struct list *first = list_first(&in->commands);
    if (!first)
        return NULL;
    list_remove(first);
    in->n_commands--;
    return CONTAINER_OF(first, struct backend_command, link);
}

static void tell_lost(struct backend_conn *c)
{
    struct backend_conn_impl *in = c->impl;
    struct backend_command *command;
    while (!in->let_go && (command = pop_command(in))) {
        const struct backend_sink *sink = command->sink;
        void *arg = command->arg;
        free(command);
        if (sink->lost)
            sink->lost(arg, in->why);
    }
    if (!in->let_go && c->on_gone)
        c->on_gone(c, in->why);
}

static void conn_free(struct backend_conn *c)
{
    struct backend_command *command;
    while ((command = pop_command(c->impl)))
        free(command);
    backend_login_free(c->impl->login);
    net_timer_fini(&c->impl->deadline);
    list_remove(&c->impl->burial.link);
    list_remove(&c->impl->reading.link);
    list_remove(&c->link);
    free(c->impl->role);
    free(c->impl->role_said);
    free(c->impl);
    free(c);
}

static void bury(struct net_deferred *d)
{
    struct backend_conn_impl *in = CONTAINER_OF(d, struct backend_conn_impl, burial);
    struct backend_conn *c = in->conn;
    if (in->opened)
        tell_lost(c);
    else if (!in->let_go)
        in->events->failed(in->events_arg, c, &in->error);
    in->events->buried(in->events_arg, c);
    conn_free(c);
}

static void die(struct backend_conn *c, bool after_flush)
{
    struct backend_conn_impl *in = c->impl;
    if (c->net)
        net_conn_close(c->net, after_flush);
    c->net = NULL;
    c->broken = true;
    in->dead = true;
    net_timer_stop(&in->deadline);
    in->events->died(in->events_arg, c);
    net_defer(in->loop, &in->burial);
}

void backend_conn_failed(struct backend_conn *c, uint16_t code, const char *sqlstate, const char *fmt, ...)
{
    struct backend_conn_impl *in = c->impl;
    if (in->dead)
        return;
    char quoted[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(in->why, sizeof in->why, fmt, args);
    va_end(args);
    in->error.code = code;
    snprintf(in->error.sqlstate, sizeof in->error.sqlstate, "%s", sqlstate);
    snprintf(in->error.text, sizeof in->error.text, "backend '%s': %s", c->backend->config->name, in->why);
    log_warn("backend_failed", "backend=%s account=%s why=%s", c->backend->config->name, c->account->backend_user,
             log_quote(quoted, sizeof quoted, in->why, strlen(in->why)));
    die(c, false);
}

void backend_conn_died(struct backend_conn *c, const char *fmt, ...)
{
    struct backend_conn_impl *in = c->impl;
    if (in->dead)
        return;
    char why[sizeof in->why], quoted[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (!in->opened) {
        backend_conn_failed(c, 1105, "HY000", "%s", why);
        return;
    }
    memcpy(in->why, why, sizeof in->why);
    log_info("backend_lost", "backend=%s id=%llu commands=%u why=%s", c->backend->config->name,
             (unsigned long long)c->connection_id, in->n_commands, log_quote(quoted, sizeof quoted, why, strlen(why)));
    die(c, false);
}

/* Says goodbye where the server listens for commands: without COM_QUIT it would log an aborted connection. */
static bool say_goodbye(struct backend_conn *c)
{
    if (!backend_conn_alive(c) || !c->impl->opened || !backend_conn_idle(c))
        return false;
    static const uint8_t quit = WIRE_COM_QUIT;
    backend_send_silent(c, &quit, 1);
    return true;
}

void backend_conn_close(struct backend_conn *c, const char *why)
{
    struct backend_conn_impl *in = c->impl;
    in->let_go = true;
    if (in->dead)
        return;
    snprintf(in->why, sizeof in->why, "%s", why);
    log_debug("backend_close", "backend=%s id=%llu why=\"%s\"", c->backend->config->name,
              (unsigned long long)c->connection_id, why);
    die(c, say_goodbye(c));
}

void backend_conn_destroy(struct backend_conn *c)
{
    if (c->net)
        net_conn_close(c->net, say_goodbye(c));
    c->net = NULL;
    c->impl->events->buried(c->impl->events_arg, c);
    conn_free(c);
}

/* --- opening --- */

static void on_deadline(void *arg)
{
    struct backend_conn *c = arg;
    backend_conn_died(c, "no %s within %d ms",
                      !c->impl->opened ? "connection" : c->impl->resetting ? "answer to a reset" : "answer to a ping",
                      c->backend->config->connect_timeout_ms);
}

void backend_conn_start_deadline(struct backend_conn *c)
{
    net_timer_start(&c->impl->deadline, c->backend->config->connect_timeout_ms);
}

void backend_conn_ready(struct backend_conn *c)
{
    net_timer_stop(&c->impl->deadline);
    c->impl->opened = true;
    c->impl->events->ready(c->impl->events_arg, c);
}

static void on_tls(void *arg)
{
    backend_login_tls(arg);
}

static void on_read(void *arg)
{
    struct backend_conn *c = arg;
    if (c->impl->login)
        backend_login_read(c);
    if (!c->impl->login) /* log-in may just have ended */
        backend_replies_read(c);
}

static void on_closed(void *arg, const char *why)
{
    struct backend_conn *c = arg;
    if (c->impl->opened)
        backend_replies_read(c); /* a resumed connection may not have handed on all that came */
    backend_conn_died(c, "%s", why);
}

static void on_drained(void *arg)
{
    struct backend_conn *c = arg;
    if (c->on_drained)
        c->on_drained(c);
}

static const struct net_conn_ops net_ops = {
    .on_tls = on_tls, .on_read = on_read, .on_drained = on_drained, .on_closed = on_closed};

static void read_again(struct net_deferred *d)
{
    struct backend_conn *c = CONTAINER_OF(d, struct backend_conn_impl, reading)->conn;
    if (backend_conn_alive(c))
        on_read(c);
}

static struct backend_conn *conn_new(struct net_loop *loop, struct backend *backend,
                                     const struct config_account *account)
{
    struct backend_conn *c = calloc(1, sizeof *c);
    struct backend_conn_impl *in = calloc(1, sizeof *in);
    CHECK(c && in);
    list_init(&c->link);
    c->backend = backend;
    c->account = account;
    c->impl = in;
    in->conn = c;
    in->loop = loop;
    in->login = backend_login_new();
    net_timer_init(&in->deadline, loop, on_deadline, c);
    list_init(&in->commands);
    list_init(&in->burial.link);
    list_init(&in->reading.link);
    in->burial.run = bury;
    in->reading.run = read_again;
    return c;
}

struct backend_conn *backend_conn_open(struct net_loop *loop, struct backend *backend,
                                       const struct config_account *account, struct net_tls *tls, uint64_t client_caps,
                                       const struct backend_conn_events *events, void *arg)
{
    struct backend_conn *c = conn_new(loop, backend, account);
    c->impl->tls = tls;
    c->impl->client_caps = client_caps;
    c->impl->events = events;
    c->impl->events_arg = arg;
    const struct config_backend *config = backend->config;
    const char *local = config->address[0] == '/' ? config->address : NULL;
    char why[160];
    c->net = net_conn_connect(loop, config->address, (uint16_t)config->port, local, &net_ops, c, why, sizeof why);
    if (c->net)
        backend_conn_start_deadline(c);
    else
        backend_conn_died(c, "%s", why);
    return c;
}

/* --- sending --- */

/* In two parts, since a text of megabytes is not to be copied for the byte before it. */
static void send_parts(struct backend_conn *c, enum wire_response_kind kind, struct slice head, struct slice tail,
                       const struct backend_sink *sink, void *arg)
{
    CHECK(kind != WIRE_RESPONSE_NONE);
    struct backend_command *command = malloc(sizeof *command);
    CHECK(command);
    *command = (struct backend_command){.kind = kind, .sink = sink, .arg = arg};
    list_push_back(&c->impl->commands, &command->link);
    c->impl->n_commands++;
    if (!backend_conn_alive(c))
        return; /* burial is under way and tells the sink */
    size_t begin = wire_packet_begin(&c->net->out);
    buf_append(&c->net->out, head.at, head.len);
    buf_append(&c->net->out, tail.at, tail.len);
    wire_packet_end(&c->net->out, begin, &command->reply_seq);
    net_conn_flush(c->net);
}

void backend_send(struct backend_conn *c, enum wire_response_kind kind, const void *payload, size_t len,
                  const struct backend_sink *sink, void *arg)
{
    send_parts(c, kind, (struct slice){payload, len}, (struct slice){NULL, 0}, sink, arg);
}

void backend_send_silent(struct backend_conn *c, const void *payload, size_t len)
{
    if (!backend_conn_alive(c))
        return;
    uint8_t seq = 0;
    wire_packet_write(&c->net->out, &seq, payload, len);
    net_conn_flush(c->net);
}

void backend_send_query(struct backend_conn *c, const char *text, size_t len, const struct backend_sink *sink,
                        void *arg)
{
    static const uint8_t query = WIRE_COM_QUERY;
    send_parts(c, WIRE_RESPONSE_QUERY, (struct slice){&query, 1}, (struct slice){(const uint8_t *)text, len}, sink, arg);
}

void backend_conn_answer_to(struct backend_conn *c, const struct backend_sink *sink, void *arg)
{
    LIST_FOR(it, &c->impl->commands) {
        struct backend_command *command = CONTAINER_OF(it, struct backend_command, link);
        command->sink = sink;
        command->arg = arg;
        command->file = false;
    }
    backend_resume(c);
}

/* --- a file ---- */

void backend_allow_file(struct backend_conn *c)
{
    CHECK(!backend_conn_idle(c));
    CONTAINER_OF(c->impl->commands.prev, struct backend_command, link)->file = true;
}

void backend_file_head(struct backend_conn *c, uint32_t len)
{
    if (!backend_conn_alive(c))
        return;
    c->impl->file_open = len || c->impl->file_full;
    c->impl->file_full = len == WIRE_PACKET_MAX;
    buf_u24le(&c->net->out, len);
    buf_u8(&c->net->out, c->impl->next_seq++); /* the answer goes on behind the file's numbers */
    net_conn_flush(c->net);
}

void backend_file_bytes(struct backend_conn *c, const void *bytes, size_t n)
{
    if (!backend_conn_alive(c))
        return;
    buf_append(&c->net->out, bytes, n);
    net_conn_flush(c->net);
}

bool backend_file_full(const struct backend_conn *c)
{
    return backend_conn_alive(c) && net_conn_above_water(c->net);
}

bool backend_conn_idle(const struct backend_conn *c)
{
    return list_empty(&c->impl->commands);
}

bool backend_conn_in_trans(const struct backend_conn *c)
{
    return c->impl->status & WIRE_STATUS_IN_TRANS;
}

void backend_pause(struct backend_conn *c)
{
    c->impl->paused = true;
    if (backend_conn_alive(c))
        net_conn_pause(c->net);
}

void backend_resume(struct backend_conn *c)
{
    if (!c->impl->paused)
        return;
    c->impl->paused = false;
    if (!backend_conn_alive(c))
        return;
    net_conn_resume(c->net);
    net_defer(c->impl->loop, &c->impl->reading); /* what is in net->in already: no event will say so */
}
