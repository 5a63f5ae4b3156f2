/* Commands about the connection itself, which ends here: PING, ECHO, SELECT, CLIENT, RESET, QUIT. Leaves the log-in
 * to login.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"
#include "proxy/session/login_impl.h"

/* --- names ------------------------------------------------------------------------------------------------------------------ */

bool resp_name_fits(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < '!' || name.at[i] > '~')
            return false;
    return name.len <= RESP_NAME_MAX;
}

static void keep(char **where, struct slice text)
{
    free(*where);
    *where = text.len ? slice_dup(text) : NULL;
}

void resp_set_name(struct resp_client *c, struct slice name)
{
    keep(&c->name, name);
}

void resp_forget_names(struct resp_client *c)
{
    free(c->name);
    free(c->lib_name);
    free(c->lib_version);
    c->name = c->lib_name = c->lib_version = NULL;
}

static const char *shown(const char *name)
{
    return name ? name : "";
}

/* --- CLIENT ----------------------------------------------------------------------------------------------------------------- */

static void client_id(struct session *s)
{
    resp_put_integer(resp_out(s), (int64_t)s->id);
    resp_answer_written(s);
}

static void client_getname(struct session *s)
{
    if (s->resp->name)
        resp_put_text(resp_out(s), s->resp->name);
    else
        resp_put_null(resp_out(s), s->resp->proto);
    resp_answer_written(s);
}

static void client_setname(struct session *s)
{
    struct slice name = comp_argv_at(resp_command(s), 2);
    if (!resp_name_fits(name)) {
        resp_answer_error(s, "ERR Client names cannot contain spaces, newlines or special characters.");
        return;
    }
    resp_set_name(s->resp, name);
    resp_answer_ok(s);
}

static void client_setinfo(struct session *s)
{
    struct slice what = comp_argv_at(resp_command(s), 2), value = comp_argv_at(resp_command(s), 3);
    bool name = slice_is_word(what, "LIB-NAME"), version = slice_is_word(what, "LIB-VER");
    if (!name && !version) {
        resp_answer_error(s, "ERR Unrecognized option '%.*s'", (int)(what.len < 64 ? what.len : 64), (const char *)what.at);
    } else if (!resp_name_fits(value)) {
        resp_answer_error(s, "ERR %s cannot contain spaces, newlines or special characters.", name ? "lib-name" : "lib-ver");
    } else {
        keep(name ? &s->resp->lib_name : &s->resp->lib_version, value);
        resp_answer_ok(s);
    }
}

/* Of itself only: the others are told by SHOW PROCESSLIST. */
static void client_info(struct session *s)
{
    const struct resp_client *c = s->resp;
    struct buf line = {0};
    /* clients look for all the fields that Redis has */
    buf_printf(&line, "id=%llu addr=%s:%u laddr=%s:%d fd=0 name=%s age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0"
               " qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|info user=%s"
               " redir=-1 resp=%u lib-name=%s lib-ver=%s\n", (unsigned long long)s->id, s->peer, s->net->peer_port,
               session_listener(s)->address, session_listener(s)->port, shown(c->name), s->user ? s->user->name : "", c->proto,
               shown(c->lib_name), shown(c->lib_version));
    resp_put_bulk(resp_out(s), (struct slice){buf_at(&line), buf_len(&line)});
    buf_fini(&line);
    resp_answer_written(s);
}

static const struct {
    const char *name;
    size_t n; /* words, with CLIENT */
    void (*run)(struct session *s);
} of_client[] = {
    {"ID", 2, client_id},           {"GETNAME", 2, client_getname}, {"SETNAME", 3, client_setname},
    {"SETINFO", 4, client_setinfo}, {"INFO", 2, client_info},       {"LIST", 2, client_info},
    {"NO-EVICT", 3, resp_answer_ok}, {"NO-TOUCH", 3, resp_answer_ok},
};

static void run_client(struct session *s)
{
    const struct comp_argv *argv = resp_command(s);
    struct slice word = argv->n > 1 ? comp_argv_at(argv, 1) : (struct slice){(const uint8_t *)"", 0};
    for (size_t i = 0; i < sizeof of_client / sizeof *of_client; i++)
        if (slice_is_word(word, of_client[i].name) && argv->n == of_client[i].n) {
            of_client[i].run(s);
            return;
        }
    resp_answer_error(s, "ERR CLIENT %.*s is not possible here: a proxy's connections to Redis are shared. There are CLIENT ID, INFO,"
                      " SETNAME, GETNAME, SETINFO; KILL and SHOW PROCESSLIST are SQL", (int)(word.len < 64 ? word.len : 64),
                      (const char *)word.at);
}

/* --- the others ------------------------------------------------------------------------------------------------------------- */

static void run_ping(struct session *s)
{
    if (resp_command(s)->n == 1)
        resp_put_status(resp_out(s), "PONG");
    else
        resp_put_bulk(resp_out(s), comp_argv_at(resp_command(s), 1));
    resp_answer_written(s);
}

static void run_echo(struct session *s)
{
    resp_put_bulk(resp_out(s), comp_argv_at(resp_command(s), 1));
    resp_answer_written(s);
}

static void run_select(struct session *s)
{
    if (slice_is(comp_argv_at(resp_command(s), 1), "0"))
        resp_answer_ok(s);
    else
        resp_answer_error(s, "ERR DB index is out of range: this port is one database, which is 0 here");
}

void resp_quit(struct session *s)
{
    resp_put_status(resp_out(s), "OK");
    session_close(s, "client quit");
}

static void forget_user(struct session *s)
{
    if (s->user)
        s->world->user_clients[s->user - s->world->config->users]--;
    s->user = NULL;
}

/* As a connection that has just been made: with a log-in before it. */
static void run_reset(struct session *s)
{
    forget_user(s);
    resp_multi_end(s);
    resp_forget_names(s->resp);
    s->resp->proto = 2;
    s->resp->joined = s->resp->ended = false;
    s->resp->locked = session_listener(s)->auth;
    resp_put_status(resp_out(s), "RESET");
    resp_answer_written(s);
}

static const struct {
    const char *name;
    size_t least, most; /* words */
    void (*run)(struct session *s);
} own[] = {
    {"AUTH", 1, SIZE_MAX, resp_auth}, {"CLIENT", 1, SIZE_MAX, run_client}, {"ECHO", 2, 2, run_echo},
    {"HELLO", 1, SIZE_MAX, resp_hello}, {"PING", 1, 2, run_ping},        {"QUIT", 1, SIZE_MAX, resp_quit},
    {"RESET", 1, 1, run_reset},       {"SELECT", 2, 2, run_select},
};

static bool may_be_said_by_strangers(const struct session *s, size_t i)
{
    return !s->resp->locked || own[i].run == resp_auth || own[i].run == resp_hello || own[i].run == resp_quit;
}

bool resp_own_run(struct session *s)
{
    const struct comp_argv *argv = resp_command(s);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!slice_is_word(comp_argv_at(argv, 0), own[i].name) || !may_be_said_by_strangers(s, i))
            continue;
        if (argv->n < own[i].least || argv->n > own[i].most)
            resp_answer_error(s, "ERR wrong number of arguments for '%.*s' command", (int)comp_argv_at(argv, 0).len,
                              (const char *)comp_argv_at(argv, 0).at);
        else
            own[i].run(s);
        return true;
    }
    return false;
}
