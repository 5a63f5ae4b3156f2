/* The face of a session to a client of Redis' protocol: commands taken from its bytes one by one, errors said in its words.
 * Leaves its log-in to login.c. */
#include "proxy/resp/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/resp/reply.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"

#define MOST_ARGS (1024 * 1024) /* as Redis */
#define LONGEST_LINE (64 * 1024)

/* Before its log-in a client has no commands. */
void resp_answer_written(struct session *s)
{
    if (s->login)
        session_flush(s);
    else
        session_next(s);
}

void resp_answer_ok(struct session *s)
{
    resp_put_status(resp_out(s), "OK");
    resp_answer_written(s);
}

void resp_answer_error(struct session *s, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    resp_put_error(resp_out(s), text);
    resp_answer_written(s);
}

/* --- commands --------------------------------------------------------------------------------------------------------------- */

void resp_begin(struct session *s, const struct comp_argv *command)
{
    session_begin_command(s);
    session_enter(s, SESSION_RUNNING, "command");
    kill_command_begins(s);
    resp_copy_name(command, s->resp->word);
    s->statement->text = (struct slice){(const uint8_t *)s->resp->word, strlen(s->resp->word)};
}

static void begin_command(struct session *s)
{
    resp_begin(s, resp_command(s));
    s->world->count.resp_commands++;
    if (session_has_memory_for(2 * buf_len(&resp_command(s)->bytes)))
        resp_command_run(s);
    else
        resp_answer_error(s, "OOM there is no memory for a command of this size");
}

static enum resp_parsed read_command(struct session *s)
{
    struct resp_client *c = s->resp;
    size_t most = (size_t)s->world->config->max_packet;
    const struct resp_limits limits = {.args = MOST_ARGS, .bulk = most, .line = LONGEST_LINE, .total = most};
    return c->broken ? RESP_BROKEN : resp_request_read(&c->request, &s->net->in, &limits, &c->broken);
}

void resp_take_request(struct session *s)
{
    struct comp_argv was = s->resp->command;
    s->resp->command = s->resp->request.argv;
    s->resp->request.argv = was;
}

static enum resp_parsed read_ahead(struct session *s)
{
    struct resp_client *c = s->resp;
    enum resp_parsed got = RESP_COMMAND;
    while (resp_queue_has_room(&c->queue) && (got = read_command(s)) == RESP_COMMAND)
        resp_queue_push(&c->queue, &c->request.argv);
    return got;
}

static void nothing_to_run(struct session *s, enum resp_parsed got)
{
    resp_queue_fini(&s->resp->queue);
    if (got == RESP_PARTIAL) {
        session_rests(s);
        return;
    }
    resp_put_error(resp_out(s), s->resp->broken);
    session_close(s, "protocol error");
}

static void run_queue(struct session *s)
{
    struct resp_queue *q = &s->resp->queue;
    if (resp_flight_begin(s))
        return;
    resp_queue_pop(q, &s->resp->command);
    resp_queue_learn(q, 1, 1);
    begin_command(s);
}

static void take_command(struct session *s)
{
    struct resp_client *c = s->resp;
    if (resp_queue_n(&c->queue)) { /* answers to what came behind the last command may be all that there is to write */
        resp_queue_drain(&c->queue, resp_out(s));
        session_flush(s);
    }
    bool first = !resp_queue_n(&c->queue);
    enum resp_parsed got = first ? read_command(s) : RESP_COMMAND;
    if (got != RESP_COMMAND) {
        nothing_to_run(s, got);
    } else if (first && !buf_len(&s->net->in)) { /* as most clients do: one by one */
        resp_take_request(s);
        begin_command(s);
    } else {
        if (first)
            resp_queue_push(&c->queue, &c->request.argv);
        (void)read_ahead(s);
        run_queue(s);
    }
}

static void put_error(struct session *s, uint16_t code, const char *sqlstate, const char *text)
{
    char name[RESP_WORD] = "";
    (void)sqlstate;
    if (s->redis)
        resp_copy_name(&s->redis->args.command, name);
    resp_put_sql_error(resp_out(s), name, code, text);
}

static void closing(struct session *s)
{
    resp_flight_stop(s);
    resp_joined_stop(s);
    resp_multi_end(s);
}

static void fini(struct session *s)
{
    resp_multi_fini(s);
    resp_request_fini(&s->resp->request);
    comp_argv_fini(&s->resp->command);
    resp_queue_fini(&s->resp->queue);
    resp_forget_names(s->resp);
    free(s->resp);
    s->resp = NULL;
}

const struct session_face resp_face = {.begin = resp_login_begin,
                                       .on_tls = resp_login_on_tls,
                                       .on_login_read = resp_login_on_read,
                                       .on_login_timeout = resp_login_on_timeout,
                                       .take_command = take_command,
                                       .put_error = put_error,
                                       .keeps = resp_joined_keeps,
                                       .transaction = resp_joined_transaction,
                                       .stop_waiting = resp_joined_stop,
                                       .closing = closing,
                                       .fini = fini};
