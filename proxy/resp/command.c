/* Whose a command is: answered here, for a transaction that the client has joined, refused, or Redis', by the way of a CALL
 * outside a transaction: locks honoured. */
#include <string.h>

#include "proxy/redis/reply.h"
#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/types.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/rights.h"

/* --- replies ---------------------------------------------------------------------------------------------------------------- */

static void on_reply(struct session *s, const struct redisReply *reply)
{
    const char *type = resp_type_of(&s->redis->args.command);
    if (reply)
        resp_put_reply(resp_out(s), s->resp->proto, reply, type);
    else
        resp_put_nil(resp_out(s), s->resp->proto, type);
    session_next(s);
}

static void on_word(struct session *s, const char *word)
{
    resp_put_status(resp_out(s), word);
    session_next(s);
}

static void on_flags(struct session *s, const bool *set, size_t n)
{
    resp_put_flags(resp_out(s), set, n);
    session_next(s);
}

static const struct redis_hearer hearer = {.reply = on_reply, .word = on_word, .flags = on_flags};

/* Runs what `command` holds, taken, on the port's resource. */
static void pass(struct session *s, struct comp_argv *command)
{
    redis_call_run(s, s->resp->resource, command, &hearer);
}

/* --- what administers the server ------------------------------------------------------------------------------------ */

/* These would take the connection itself, which is shared, or ask for what was written on it. */
static bool takes_connection(const struct comp_command *row, struct slice second)
{
    static const char *const names[] = {"PSYNC", "SYNC", "REPLCONF", "MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE",
                                        "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "CLIENT", "SELECT", "ASKING", "READONLY",
                                        "READWRITE", "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "WAIT", "WAITAOF"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return !strcmp(row->name, "SCRIPT") && slice_is_word(second, "DEBUG");
}

bool resp_passes_as_it_is(const struct session *s)
{
    const struct comp_argv *argv = resp_command(s);
    if (!session_listener(s)->redis_admin || rights_are_limited(s, s->resp->resource))
        return false;
    struct slice second = argv->n > 1 ? comp_argv_at(argv, 1) : (struct slice){NULL, 0};
    const struct comp_command *row = comp_command_find(comp_argv_at(argv, 0), second);
    return row && row->class == COMP_CLASS_REFUSED && !takes_connection(row, second);
}

/* hiredis reads a few levels only. */
bool resp_command_too_deep(const struct comp_argv *argv)
{
    return slice_is_word(comp_argv_at(argv, 0), "COMMAND") &&
           (argv->n == 1 || slice_is_word(comp_argv_at(argv, 1), "DOCS") || slice_is_word(comp_argv_at(argv, 1), "INFO"));
}

const char resp_too_deep[] = "ERR this reply is nested too deeply for the proxy; COMMAND COUNT, LIST and GETKEYS are not";

/* --- dispatch ------------------------------------------------------------------------------------------------------- */

void resp_command_run(struct session *s)
{
    struct resp_client *c = s->resp;
    if (!c->locked && resp_multi_run(s))
        return;
    if (resp_own_run(s))
        return;
    if (c->locked)
        resp_answer_error(s, "NOAUTH Authentication required.");
    else if (resp_command_too_deep(&c->command))
        resp_answer_error(s, "%s", resp_too_deep);
    else if (resp_joined_run(s))
        return;
    else if (resp_passes_as_it_is(s))
        redis_call_pass(s, c->resource, &c->command, &hearer);
    else
        pass(s, &c->command);
}
