/* Commands in the transaction of a MySQL session, by its token: XA.JOIN for the connection until XA.LEAVE, XA.DO for a single
 * command. They go there as guests (proxy/session/guests.h); what they come to is written into the guest, in Redis' words, and
 * then to the client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/types.h"

struct visit {
    struct guest guest;
    unsigned proto;
    const char *type; /* of the reply */
    char name[RESP_WORD]; /* of the command; "" where it joins */
    struct buf answer;
    bool joins;       /* asks whether the transaction is there */
    char gtrid[XA_GTRID_MAX + 1];
};

static struct visit *visit_of(struct guest *g)
{
    return CONTAINER_OF(g, struct visit, guest);
}

/* --- in the transaction's thread -------------------------------------------------------------------------------------------- */

static void on_reply(struct guest *g, const struct redisReply *reply)
{
    struct visit *v = visit_of(g);
    if (reply)
        resp_put_reply(&v->answer, v->proto, reply, v->type);
    else
        resp_put_nil(&v->answer, v->proto, v->type);
}

static void on_word(struct guest *g, const char *word)
{
    struct visit *v = visit_of(g);
    if (v->joins)
        snprintf(v->gtrid, sizeof v->gtrid, "%s", word);
    resp_put_status(&v->answer, v->joins ? "OK" : word);
}

static void on_flags(struct guest *g, const bool *set, size_t n)
{
    resp_put_flags(&visit_of(g)->answer, set, n);
}

static void on_error(struct guest *g, uint16_t code, const char *text)
{
    struct visit *v = visit_of(g);
    resp_put_sql_error(&v->answer, v->name, code, text);
}

/* --- at home ---------------------------------------------------------------------------------------------------------------- */

static void join(struct session *s, const struct visit *v)
{
    struct resp_client *c = s->resp;
    c->joined = true;
    c->ended = false;
    c->transaction = v->guest.to;
    memcpy(c->gtrid, v->gtrid, sizeof c->gtrid);
    s->world->count.resp_joined++;
    log_info("joined", "session=%llu gtrid=%s of_session=%llu", (unsigned long long)s->id, c->gtrid,
             (unsigned long long)c->transaction.session);
}

static void on_home(struct guest *g, struct session *s)
{
    struct visit *v = visit_of(g);
    if (s && s->resp && s->resp->awaits && s->resp->number == g->number) {
        s->resp->awaits = false;
        buf_append(resp_out(s), buf_at(&v->answer), buf_len(&v->answer));
        if (*v->gtrid)
            join(s, v);
        if (!resp_multi_goes_on(s))
            session_next(s);
    }
    buf_fini(&v->answer);
    free(v);
}

static void on_ended(struct session *s, const struct guest_address *transaction)
{
    struct resp_client *c = s->resp;
    if (!c->joined || memcmp(c->transaction.secret, transaction->secret, sizeof transaction->secret) != 0)
        return;
    c->ended = true;
    if (s->world->draining && session_is_free(s))
        session_close(s, "shutdown");
}

static const struct guest_ops ops = {
    .reply = on_reply, .word = on_word, .flags = on_flags, .error = on_error, .home = on_home, .ended = on_ended};

const char *resp_joined_transaction(const struct session *s)
{
    return resp_joined_keeps(s) ? s->resp->gtrid : NULL;
}

bool resp_joined_keeps(const struct session *s)
{
    return s->resp->joined && !s->resp->ended;
}

void resp_joined_stop(struct session *s)
{
    if (s->resp->awaits)
        guest_cancel(s, &s->resp->where, s->resp->number);
    if (s->phase == SESSION_CLOSING)
        s->resp->awaits = false;
}

/* --- out -------------------------------------------------------------------------------------------------------------------- */

/* Takes what `command` holds. */
static void visit(struct session *s, const struct guest_address *to, struct comp_argv *command)
{
    struct visit *v = calloc(1, sizeof *v);
    CHECK(v);
    v->proto = s->resp->proto;
    v->joins = !command;
    v->guest.ops = &ops;
    v->guest.to = s->resp->where = *to;
    v->guest.number = ++s->resp->number;
    v->guest.resource = s->resp->resource;
    if (command) {
        v->type = resp_type_of(command);
        resp_copy_name(command, v->name);
        v->guest.command = *command;
        *command = (struct comp_argv){0};
    }
    s->resp->awaits = true;
    session_enter(s, SESSION_REDIS, "a guest in a transaction");
    guest_send(s, &v->guest);
}

void resp_joined_visit(struct session *s, struct comp_argv *command)
{
    visit(s, &s->resp->transaction, command);
}

/* False: answered. */
static bool read_token(struct session *s, struct guest_address *to)
{
    if (!s->user) {
        resp_answer_error(s, "NOPERM a transaction is its user's: log in with AUTH, although this port does not require it");
        return false;
    }
    switch (token_read(s->world, comp_argv_at(resp_command(s), 1), to)) {
    case TOKEN_READ:
        return true;
    case TOKEN_BAD:
        resp_answer_error(s, "ERR this is no token: SELECT xa.token() in the transaction tells it");
        break;
    case TOKEN_ELSEWHERE:
        resp_answer_error(s, "XAGONE the transaction is of another proxy, or of before this one was started");
        break;
    }
    return false;
}

static void run_join(struct session *s)
{
    struct guest_address to;
    if (read_token(s, &to))
        visit(s, &to, NULL);
}

static void run_leave(struct session *s)
{
    s->resp->joined = s->resp->ended = false;
    resp_answer_ok(s);
}

/* The command behind the token. */
static void run_do(struct session *s)
{
    const struct comp_argv *argv = resp_command(s);
    struct guest_address to;
    struct comp_argv command = {0};
    if (!read_token(s, &to))
        return;
    for (size_t i = 2; i < argv->n; i++)
        comp_argv_add(&command, comp_argv_at(argv, i).at, comp_argv_at(argv, i).len);
    if (resp_command_too_deep(&command))
        resp_answer_error(s, "%s", resp_too_deep);
    else
        visit(s, &to, &command);
    comp_argv_fini(&command);
}

static const struct {
    const char *name;
    size_t least, most;
    void (*run)(struct session *s);
    const char *usage;
} rows[] = {
    {"XA.JOIN", 2, 2, run_join, "XA.JOIN token"},
    {"XA.LEAVE", 1, 1, run_leave, "XA.LEAVE"},
    {"XA.DO", 3, SIZE_MAX, run_do, "XA.DO token command [argument ...]"},
};

bool resp_joined_run(struct session *s)
{
    struct resp_client *c = s->resp;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!slice_is_word(comp_argv_at(resp_command(s), 0), rows[i].name))
            continue;
        if (resp_command(s)->n < rows[i].least || resp_command(s)->n > rows[i].most)
            resp_answer_error(s, "ERR wrong number of arguments: it is %s", rows[i].usage);
        else
            rows[i].run(s);
        return true;
    }
    if (c->joined && c->ended)
        resp_answer_error(s, "XAGONE the transaction has ended; XA.LEAVE it to go on without one");
    else if (c->joined)
        visit(s, &c->transaction, &c->command);
    return c->joined;
}
