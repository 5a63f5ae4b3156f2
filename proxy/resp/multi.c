/* MULTI ... EXEC of a client, and WATCH. Outside a transaction what is collected runs as one step, with one look at the locks of
 * all its keys; in a transaction that the client has joined, in order, each as a write of that transaction. WATCH keeps a
 * connection to Redis, which remembers what is watched; where that is lost, EXEC does nothing, as if the keys had changed. */
#include <stdio.h>
#include <string.h>

#include "compensate/slot.h"
#include "proxy/redis/reply.h"
#include "proxy/resp/client.h"
#include "proxy/resp/reply.h"
#include "proxy/resp/types.h"
#include "proxy/session/key_prefix.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/rights.h"
#include "proxy/session/scripts.h"

static const struct config_redis *config_of(const struct session *s)
{
    return &s->world->config->redis[s->resp->resource];
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

static void unwatch(struct resp_multi *m)
{
    redis_cancel(&m->watch);
    redis_keep_end(&m->watcher);
    m->watches = false;
    m->has_slot = m->has_slot && m->open;
}

static void forget(struct resp_multi *m)
{
    comp_series_clear(&m->series);
    m->open = m->broken = m->has_slot = false;
}

void resp_multi_end(struct session *s)
{
    forget(&s->resp->multi);
    unwatch(&s->resp->multi);
}

void resp_multi_fini(struct session *s)
{
    resp_multi_end(s);
    comp_series_fini(&s->resp->multi.series);
}

static bool is(const struct session *s, const char *name)
{
    return slice_is_word(comp_argv_at(resp_command(s), 0), name);
}

/* --- collecting ----------------------------------------------------------------------------------------------------- */

/* EXEC will do nothing. */
static void refuse(struct session *s, uint16_t code, const char *text)
{
    char name[RESP_WORD];
    s->resp->multi.broken = true;
    resp_copy_name(resp_command(s), name);
    resp_put_sql_error(resp_out(s), name, code, text);
    resp_answer_written(s);
}

/* Of all that is collected: what MULTI holds is memory of the proxy. */
static bool has_room(struct session *s, const struct comp_argv *command)
{
    const struct comp_argv *words = &s->resp->multi.series.words;
    size_t each = sizeof words->arg[0], most = (size_t)s->world->config->max_packet;
    return buf_len(&words->bytes) + words->n * each + buf_len(&command->bytes) + command->n * each <= most;
}

static void note_script(struct session *s)
{
    if ((is(s, "EVAL") || is(s, "EVAL_RO")) && resp_command(s)->n > 1)
        scripts_note(s->world->scripts, comp_argv_at(resp_command(s), 1));
}

static void queue(struct session *s, const struct comp_argv *command, const struct comp_command_use *use)
{
    if (!has_room(s, command)) {
        refuse(s, 1235, "what stands between MULTI and EXEC is more than max_packet bytes");
        return;
    }
    note_script(s);
    comp_series_add(&s->resp->multi.series, command, use);
    resp_put_status(resp_out(s), "QUEUED");
    resp_answer_written(s);
}

/* All keys of a series are in one slot. */
static bool slot_fits(struct session *s, struct comp_command_use *use, struct comp_refusal *why)
{
    struct resp_multi *m = &s->resp->multi;
    if (config_of(s)->mode != CONFIG_REDIS_CLUSTER)
        return true;
    if (!comp_command_slot(resp_command(s), use, why))
        return false;
    if (!use->n_keys)
        return true;
    if (m->has_slot && m->slot != use->slot) {
        why->code = 1235;
        snprintf(why->text, sizeof why->text, "CROSSSLOT the keys between MULTI and EXEC are in different slots of the cluster");
        return false;
    }
    m->slot = use->slot;
    m->has_slot = true;
    return true;
}

/* EVALSHA as EVAL of a text that is known. False: it is not. */
static bool spell_out(const struct session *s, struct comp_argv *out)
{
    struct buf text = {0};
    bool known = scripts_find(s->world->scripts, comp_argv_at(resp_command(s), 1), &text);
    comp_argv_text(out, is(s, "EVALSHA") ? "EVAL" : "EVAL_RO");
    comp_argv_add(out, buf_at(&text), buf_len(&text));
    for (size_t i = 2; i < resp_command(s)->n; i++)
        comp_argv_add(out, comp_argv_at(resp_command(s), i).at, comp_argv_at(resp_command(s), i).len);
    buf_fini(&text);
    return known;
}

static void queue_digest(struct session *s, struct comp_command_use *use)
{
    struct comp_argv command = {0};
    struct comp_refusal why;
    if (!spell_out(s, &command))
        refuse(s, 1644, "NOSCRIPT No matching script. Please use EVAL.");
    else if (!comp_command_check(&command, false, use, &why))
        refuse(s, (uint16_t)why.code, why.text);
    else
        queue(s, &command, use);
    comp_argv_fini(&command);
}

static void queue_checked(struct session *s, struct comp_command_use *use)
{
    struct comp_refusal why;
    if (!rights_to_command(s, s->resp->resource, resp_command(s), use, &why))
        refuse(s, (uint16_t)why.code, why.text);
    else if (!s->resp->joined && !key_prefix_add(config_of(s), &s->resp->command, use, &why))
        refuse(s, (uint16_t)why.code, why.text);
    else if (!redis_scripts_allowed(s, s->resp->resource, use->row))
        refuse(s, 1235, "scripts are off: " REDIS_SCRIPTS_OFF);
    else if (!slot_fits(s, use, &why))
        refuse(s, (uint16_t)why.code, why.text);
    else if (is(s, "FCALL") || is(s, "FCALL_RO"))
        refuse(s, 1235, "between MULTI and EXEC a function must be written out: use EVAL");
    else if (is(s, "EVALSHA") || is(s, "EVALSHA_RO"))
        queue_digest(s, use);
    else
        queue(s, resp_command(s), use);
}

/* What is about this connection, or has an end of its own, cannot be one step in Redis with others. */
static bool is_of_connection(const struct session *s)
{
    static const char *const names[] = {"AUTH", "CLIENT", "COMMAND", "HELLO", "SELECT", "XA.DO", "XA.JOIN", "XA.LEAVE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is(s, names[i]))
            return true;
    return false;
}

static void collect(struct session *s)
{
    struct comp_command_use use;
    struct comp_refusal why;
    bool in_transaction = s->resp->joined && !redis_waits_to_publish(s, s->resp->resource, comp_argv_at(resp_command(s), 0));
    if (is_of_connection(s))
        refuse(s, 1235, "this command cannot stand between MULTI and EXEC here");
    else if (!s->resp->joined && resp_passes_as_it_is(s))
        queue(s, resp_command(s), NULL);
    else if (comp_command_check(resp_command(s), in_transaction, &use, &why))
        queue_checked(s, &use);
    else
        refuse(s, (uint16_t)why.code, why.text);
}

/* --- EXEC ----------------------------------------------------------------------------------------------------------- */

static void put_replies(struct session *s, const struct comp_series *series, const struct redisReply *reply)
{
    struct comp_argv command = {0};
    resp_put_array(resp_out(s), redis_reply_count(reply));
    for (size_t i = 0; i < redis_reply_count(reply); i++) {
        comp_series_words(series, i, &command);
        key_prefix_off(config_of(s), series->part[i].row, redis_reply_at(reply, i));
        resp_put_reply(resp_out(s), s->resp->proto, redis_reply_at(reply, i), resp_type_of(&command));
    }
    comp_argv_fini(&command);
}

/* The whole was refused: no memory, busy with a script ... */
static void put_abort(struct session *s, struct slice because)
{
    struct buf line = {0};
    buf_text(&line, "EXECABORT Transaction discarded because of: ");
    buf_append(&line, because.at, because.len);
    resp_put_error(resp_out(s), buf_cstr(&line));
    buf_fini(&line);
}

static void on_reply(struct session *s, const struct redisReply *reply)
{
    if (!reply)
        resp_put_null_array(resp_out(s), s->resp->proto);
    else if (redis_reply_kind(reply) == REDIS_ARRAY)
        put_replies(s, &s->redis->series, reply);
    else
        put_abort(s, redis_reply_bytes(reply));
    session_next(s);
}

static const struct redis_hearer hearer = {.reply = on_reply, .word = NULL};

static void run_series(struct session *s)
{
    struct resp_multi *m = &s->resp->multi;
    bool lost = m->watches && !m->watcher.conn, nothing = !m->watches && !m->series.n;
    if (lost)
        resp_put_null_array(resp_out(s), s->resp->proto);
    else if (nothing)
        resp_put_array(resp_out(s), 0);
    if (lost || nothing) {
        resp_multi_end(s);
        resp_answer_written(s);
        return;
    }
    m->watches = false;
    redis_call_series(s, s->resp->resource, &m->series, m->has_slot ? m->slot : COMP_SLOT_ALONE,
                      m->watcher.conn ? &m->watcher : NULL, &hearer);
    forget(m);
}

bool resp_multi_goes_on(struct session *s)
{
    struct resp_multi *m = &s->resp->multi;
    struct comp_argv command = {0};
    if (!m->runs)
        return false;
    for (; s->killed && m->next < m->series.n; m->next++) /* KILL QUERY ends the whole of EXEC */
        resp_put_sql_error(resp_out(s), "", 1317, "Query execution was interrupted");
    if (m->next == m->series.n) {
        m->runs = false;
        forget(m);
        return false;
    }
    comp_series_words(&m->series, m->next++, &command);
    resp_joined_visit(s, &command);
    return true;
}

static void run_joined(struct session *s)
{
    struct resp_multi *m = &s->resp->multi;
    resp_put_array(resp_out(s), m->series.n);
    unwatch(m);
    m->open = false;
    m->runs = true;
    m->next = 0;
    if (!resp_multi_goes_on(s))
        resp_answer_written(s);
}

static void run_exec(struct session *s)
{
    struct resp_multi *m = &s->resp->multi;
    if (!m->open) {
        resp_answer_error(s, "ERR EXEC without MULTI");
    } else if (m->broken) {
        resp_multi_end(s);
        resp_answer_error(s, "EXECABORT Transaction discarded because of previous errors.");
    } else if (s->resp->joined) {
        run_joined(s);
    } else {
        run_series(s);
    }
}

/* --- the others ----------------------------------------------------------------------------------------------------- */

static void run_multi(struct session *s)
{
    if (s->resp->multi.open) {
        resp_answer_error(s, "ERR MULTI calls can not be nested");
        return;
    }
    s->resp->multi.open = true;
    resp_answer_ok(s);
}

static void run_discard(struct session *s)
{
    if (!s->resp->multi.open) {
        resp_answer_error(s, "ERR DISCARD without MULTI");
        return;
    }
    resp_multi_end(s);
    resp_answer_ok(s);
}

static void on_watched(struct redis_call *call, enum redis_result result, const struct redisReply *reply, const char *why)
{
    struct session *s = CONTAINER_OF(call, struct resp_client, multi.watch)->session;
    struct resp_multi *m = &s->resp->multi;
    if (result != REDIS_REPLIED) {
        m->has_slot = m->has_slot && m->watches;
        resp_answer_error(s, "XADOWN the keys are not watched: %s", why);
        return;
    }
    m->watches = m->watches || redis_reply_kind(reply) == REDIS_STATUS;
    resp_put_reply(resp_out(s), s->resp->proto, reply, ".");
    resp_answer_written(s);
}

static bool names_ours(const struct comp_argv *argv)
{
    for (size_t i = 1; i < argv->n; i++)
        if (comp_key_is_ours(comp_argv_at(argv, i)))
            return true;
    return false;
}

/* A key that belongs to the proxy would change with every transaction. */
static bool may_watch(struct session *s, struct comp_command_use *use)
{
    const struct comp_argv *argv = resp_command(s);
    struct comp_refusal why;
    use->n_keys = 0;
    for (size_t i = 1; i < argv->n && use->n_keys < COMP_MAX_KEYS; i++)
        use->key[use->n_keys++] = (uint16_t)i;
    use->n_written = 0;
    use->slot = COMP_SLOT_ALONE;
    use->row = comp_command_find(comp_argv_at(argv, 0), (struct slice){NULL, 0});
    if (argv->n > COMP_MAX_KEYS)
        resp_answer_error(s, "ERR WATCH of more than %d keys", COMP_MAX_KEYS);
    else if (names_ours(argv))
        resp_answer_error(s, "ERR Redis keys that begin with %s belong to the proxy", COMP_KEY_PREFIX);
    else if (!rights_to_keys(s, s->resp->resource, argv, use, &why))
        resp_answer_error(s, "NOPERM %s", why.text);
    else if (!key_prefix_add(config_of(s), &s->resp->command, use, &why))
        resp_answer_error(s, "ERR %s", why.text);
    else if (!s->resp->multi.watcher.conn && !redis_may_keep(s->worker->redis, s->resp->resource))
        resp_answer_error(s, "ERR too many clients WATCH: each needs a connection to Redis of its own, and more than half of"
                          " max_connections in [redis %s] are taken", config_of(s)->name);
    else if (!slot_fits(s, use, &why))
        resp_answer_error(s, "ERR %s", why.text);
    else
        return true;
    return false;
}

static void run_watch(struct session *s)
{
    struct resp_multi *m = &s->resp->multi;
    struct comp_command_use use;
    if (m->open) {
        resp_answer_error(s, "ERR WATCH inside MULTI is not allowed");
    } else if (s->resp->joined) {
        resp_answer_error(s, "ERR WATCH is not needed in a transaction: what it has written is its own to the end, XALOCK keeps what it"
                          " has read");
    } else if (m->watches && !m->watcher.conn) {
        resp_answer_ok(s); /* what was watched before is lost: EXEC will do nothing */
    } else if (may_watch(s, &use)) {
        s->resp->session = s;
        m->watch = (struct redis_call){.resource = s->resp->resource, .slot = use.slot, .on_reply = on_watched};
        session_enter(s, SESSION_REDIS, "watch");
        redis_send_keeping(s->worker->redis, &m->watch, resp_command(s), &m->watcher);
    }
}

/* Between MULTI and EXEC it would forget nothing in Redis, where it is collected with the others. */
static void run_unwatch(struct session *s)
{
    if (s->resp->multi.open) {
        refuse(s, 1235, "UNWATCH cannot stand between MULTI and EXEC here");
        return;
    }
    unwatch(&s->resp->multi);
    resp_answer_ok(s);
}

static const struct {
    const char *name;
    size_t least, most; /* words */
    void (*run)(struct session *s);
} rows[] = {
    {"DISCARD", 1, 1, run_discard}, {"EXEC", 1, 1, run_exec},         {"MULTI", 1, 1, run_multi},
    {"UNWATCH", 1, 1, run_unwatch}, {"WATCH", 2, SIZE_MAX, run_watch},
};

bool resp_multi_run(struct session *s)
{
    char name[RESP_WORD];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!is(s, rows[i].name))
            continue;
        resp_copy_name(resp_command(s), name);
        if (resp_command(s)->n >= rows[i].least && resp_command(s)->n <= rows[i].most)
            rows[i].run(s);
        else if (s->resp->multi.open)
            refuse(s, 1318, "");
        else
            resp_answer_error(s, "ERR wrong number of arguments for '%s' command", name);
        return true;
    }
    bool leaves = is(s, "QUIT") || is(s, "RESET");
    if (!s->resp->multi.open || leaves)
        return false;
    collect(s);
    return true;
}
