/* Prepared statements of the client: ids of its own, prepared on a server's connection when they are first used there, again when the
 * connection has changed. What the proxy does itself (COMMIT, SET, a Redis CALL) is prepared here and nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/session.h"
#include "proxy/session/tx.h"

#define PREPARED_MAX 16382 /* as max_prepared_stmt_count of servers */

struct session_statement {
    uint32_t id; /* the client's */
    char *text;
    struct sql_statement parsed; /* its slices point into text */
    int backend;                 /* -1: the proxy's own */
    char schema[SQL_NAME_SIZE];  /* the default schema of its PREPARE, which its names are bound to */
    struct backend_conn *conn;   /* where it is prepared; NULL: nowhere now */
    uint64_t generation;
    uint32_t backend_id;
    bool types_there;            /* the server has the types of the parameters */
    bool cursor_there;           /* an EXECUTE left a cursor open */
    unsigned n_params, n_columns;
    struct buf types;            /* 2 bytes a parameter, of the last EXECUTE that sent them */
    bool long_sent;              /* SEND_LONG_DATA went to the server since the last EXECUTE */
    bool long_lost;              /* or to one that did not have the statement any more */
    struct buf *long_data;       /* the proxy's own statements: by parameter */
    bool *long_given;
};

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static void free_statement(struct session_statement *ps)
{
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++)
        buf_fini(&ps->long_data[i]);
    free(ps->long_data);
    free(ps->long_given);
    buf_fini(&ps->types);
    free(ps->text);
    free(ps);
}

static struct session_statement *find(const struct session *s, uint32_t id)
{
    return id && id <= s->n_prepared ? s->prepared[id - 1] : NULL;
}

static bool has_room(const struct session *s)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (!s->prepared[i])
            return true;
    return s->n_prepared < PREPARED_MAX;
}

static void answer_no_room(struct session *s)
{
    session_answer_error(s, 1461, "42000", "Can't create more than %d prepared statements", PREPARED_MAX);
}

static void enter(struct session *s, struct session_statement *ps)
{
    unsigned i = 0;
    while (i < s->n_prepared && s->prepared[i])
        i++;
    if (i == s->n_prepared) {
        void *grown = realloc(s->prepared, (i + 16) * sizeof *s->prepared);
        CHECK(grown);
        s->prepared = grown;
        memset(s->prepared + i, 0, 16 * sizeof *s->prepared);
        s->n_prepared = i + 16;
    }
    s->prepared[i] = ps;
    ps->id = i + 1;
}

void prepared_free_all(struct session *s)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (s->prepared[i])
            free_statement(s->prepared[i]);
    free(s->prepared);
    s->prepared = NULL;
    s->n_prepared = 0;
    s->executing = NULL;
}

void prepared_server_gone(struct session *s, const struct backend_conn *conn)
{
    for (unsigned i = 0; i < s->n_prepared; i++)
        if (s->prepared[i] && s->prepared[i]->conn == conn)
            s->prepared[i]->conn = NULL;
}

/* --- PREPARE -------------------------------------------------------------------------------------------------------------- */

static unsigned count_parameters(const struct session *s, struct slice text)
{
    struct sql_lexer l;
    unsigned n = 0;
    sql_lexer_init(&l, text, s->ansi_quotes, s->no_backslash_escapes);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l))
        n += t.kind == SQL_PARAMETER;
    return n;
}

static bool is_own(enum sql_kind k)
{
    return k == SQL_BEGIN || k == SQL_COMMIT || k == SQL_ROLLBACK || k == SQL_SAVEPOINT || k == SQL_ROLLBACK_TO ||
           k == SQL_RELEASE_SAVEPOINT || k == SQL_SET || k == SQL_SET_TRANSACTION || k == SQL_USE || k == SQL_REDIS_CALL;
}

static bool is_unpreparable(enum sql_kind k)
{
    return k == SQL_XA || k == SQL_XA_CALL || k == SQL_PREPARE_TEXT || k == SQL_KILL || k == SQL_LOCK_TABLES ||
           k == SQL_UNLOCK_TABLES || k == SQL_LOAD_LOCAL || k == SQL_COMPOUND;
}

static void answer_own(struct session *s, struct session_statement *ps)
{
    ps->n_params = count_parameters(s, ps->parsed.text);
    if (ps->n_params && ps->parsed.kind != SQL_REDIS_CALL) {
        free_statement(ps);
        session_answer_error(s, 1295, "HY000", "Parameters are not supported in this statement by the proxy: send it as text");
        return;
    }
    if (!has_room(s)) {
        free_statement(ps);
        answer_no_room(s);
        return;
    }
    enter(s, ps);
    ps->long_data = calloc(ps->n_params + 1, sizeof *ps->long_data);
    ps->long_given = calloc(ps->n_params + 1, sizeof *ps->long_given);
    CHECK(ps->long_data && ps->long_given);
    struct wire_prepare_ok ok = {.statement_id = ps->id, .n_params = (uint16_t)ps->n_params};
    wire_prepare_write(&s->net->out, &s->seq, s->caps, &ok, NULL, session_status(s));
    session_next(s);
}

uint32_t prepared_answered(struct session *s, const struct wire_prepare_ok *ok)
{
    struct session_statement *ps = s->preparing;
    s->preparing = NULL;
    enter(s, ps);
    ps->conn = target_conn(s);
    snprintf(ps->schema, sizeof ps->schema, "%s", ps->conn->schema);
    ps->generation = ps->conn->statement_generation;
    ps->backend_id = ok->statement_id;
    ps->n_params = ok->n_params;
    ps->n_columns = ok->n_columns;
    return ps->id;
}

static void on_prepared(struct session *s, const struct backend_outcome *outcome)
{
    (void)outcome;
    session_next(s);
}

static void prepare_payload(const struct session_statement *ps, struct buf *payload)
{
    buf_u8(payload, WIRE_COM_STMT_PREPARE);
    buf_append(payload, ps->parsed.text.at, ps->parsed.text.len);
}

static void send_prepare(struct session *s)
{
    struct buf payload = {0};
    if (!has_room(s)) {
        answer_no_room(s);
        return;
    }
    prepare_payload(s->preparing, &payload);
    relay_send(s, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), on_prepared);
    buf_fini(&payload);
}

void prepared_drop_unfinished(struct session *s)
{
    if (s->preparing)
        free_statement(s->preparing);
    s->preparing = NULL;
}

void prepared_prepare(struct session *s, struct slice text)
{
    struct sql_context ctx;
    struct session_statement *ps = calloc(1, sizeof *ps);
    CHECK(ps);
    ps->text = slice_dup(text);
    ps->backend = -1;
    struct slice rest = {(const uint8_t *)ps->text, text.len};
    statement_context(s, &ctx);
    if (!sql_next_statement(&rest, &ctx, &ps->parsed)) {
        free_statement(ps);
        session_answer_error(s, 1065, "42000", "Query was empty");
        return;
    }
    s->statement = ps->parsed;
    if (is_unpreparable(ps->parsed.kind) || ps->parsed.resource_inside) {
        free_statement(ps);
        session_answer_error(s, 1295, "HY000", "This command is not supported in the prepared statement protocol yet");
        return;
    }
    if (is_own(ps->parsed.kind)) {
        answer_own(s, ps);
        return;
    }
    int backend = statement_route(s);
    if (backend < 0) {
        free_statement(ps);
        return;
    }
    /* all of the text: a second statement in it is the server's to complain about */
    ps->parsed.text = (struct slice){(const uint8_t *)ps->text, text.len};
    ps->backend = backend;
    s->preparing = ps;
    target_prepare(s, backend, false, send_prepare);
}

/* --- EXECUTE ------------------------------------------------------------------------------------------------------------- */

static void no_such_statement(struct session *s, uint32_t id, const char *what)
{
    session_answer_error(s, 1243, "HY000", "Unknown prepared statement handler (%u) given to %s", id, what);
}

static void execute_own(struct session *s, struct session_statement *ps, const struct wire_execute *e)
{
    if (ps->parsed.kind != SQL_REDIS_CALL) {
        statement_start_prepared(s);
        return;
    }
    struct wire_param *params = calloc(ps->n_params + 1, sizeof *params);
    struct slice *given = calloc(ps->n_params + 1, sizeof *given);
    struct buf scratch = {0};
    CHECK(params && given);
    for (unsigned i = 0; i < ps->n_params; i++)
        if (ps->long_given[i])
            given[i] = (struct slice){(const uint8_t *)buf_cstr(&ps->long_data[i]), buf_len(&ps->long_data[i])};
    struct slice types = {buf_at(&ps->types), buf_len(&ps->types)};
    if (tx_refuses(s))
        ;
    else if (wire_params_read(e, types, given, ps->n_params, params, &scratch))
        redis_call_begin(s, params, ps->n_params);
    else
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to EXECUTE");
    free(params);
    free(given);
    buf_fini(&scratch);
}

static bool take_types(struct session_statement *ps, const struct wire_execute *e)
{
    if (e->types_sent) {
        buf_clear(&ps->types);
        buf_append(&ps->types, e->types.at, e->types.len);
    }
    return buf_len(&ps->types) == 2 * (size_t)ps->n_params;
}

void prepared_execute(struct session *s)
{
    struct slice payload = {buf_at(&s->command), buf_len(&s->command)};
    struct cursor c = cursor_make(payload.at, payload.len);
    cursor_skip(&c, 1);
    uint32_t id = cursor_u32le(&c);
    struct session_statement *ps = find(s, id);
    struct wire_execute e;
    if (!ps) {
        no_such_statement(s, id, "mysqld_stmt_execute");
        return;
    }
    if (!wire_execute_read(payload, ps->n_params, &e) || (ps->n_params && !take_types(ps, &e))) {
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to EXECUTE");
        return;
    }
    s->binary = true;
    s->statement = ps->parsed;
    if (ps->backend < 0) {
        execute_own(s, ps, &e);
        return;
    }
    s->executing = ps;
    statement_start_prepared(s);
}

int prepared_backend(const struct session *s)
{
    return s->executing->backend;
}

static void send_execute(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct slice command = {buf_at(&s->command), buf_len(&s->command)};
    struct wire_execute e;
    struct buf payload = {0};
    enum wire_response_kind kind = WIRE_RESPONSE_QUERY;
    CHECK(wire_execute_read(command, ps->n_params, &e));
    if (e.flags)
        kind = WIRE_RESPONSE_CURSOR;
    if (ps->n_params && !e.types_sent && !ps->types_there) {
        wire_execute_write(&payload, &e, ps->backend_id, (struct slice){buf_at(&ps->types), buf_len(&ps->types)});
    } else {
        buf_append(&payload, command.at, command.len);
        uint8_t *id = buf_at(&payload) + 1;
        for (int i = 0; i < 4; i++)
            id[i] = (uint8_t)(ps->backend_id >> (8 * i));
    }
    ps->types_there = true;
    ps->cursor_there = e.flags;
    bool first = s->target_in_tx && s->servers[s->target].branch < 0;
    target_begin(s);
    relay_send(s, kind, buf_at(&payload), buf_len(&payload), s->execute_done);
    relay_sent(s, first);
    buf_fini(&payload);
}

/* The answer to preparing it again on another connection: only its id is of interest. */
static void on_again_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct wire_prepare_ok ok;
    (void)offset;
    (void)frame_len;
    if (kind == WIRE_PACKET_PREPARE_OK && s->executing && wire_prepare_ok_read(part, &ok)) {
        s->executing->backend_id = ok.statement_id;
        s->executing->conn = target_conn(s);
        s->executing->generation = target_conn(s)->statement_generation;
        s->executing->types_there = false;
    }
}

static void on_again_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
    else
        send_execute(s);
}

static const struct backend_sink again_sink = {.frame = on_again_frame, .done = on_again_done, .lost = target_on_lost};

/* Its names are bound as they were, whatever the default schema is now; the next statement finds the schema changed. */
static void send_again(struct session *s)
{
    struct session_statement *ps = s->executing;
    struct backend_conn *conn = target_conn(s);
    struct buf payload = {0};
    if (*ps->schema && strcmp(ps->schema, conn->schema))
        target_send_schema(s, ps->schema);
    prepare_payload(ps, &payload);
    backend_send(conn, WIRE_RESPONSE_PREPARE, buf_at(&payload), buf_len(&payload), &again_sink, s);
    buf_fini(&payload);
}

static bool is_there(const struct session_statement *ps, const struct backend_conn *conn)
{
    return ps->conn == conn && ps->generation == conn->statement_generation;
}

void prepared_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome))
{
    struct session_statement *ps = s->executing;
    bool there = is_there(ps, target_conn(s)), incomplete = ps->long_lost || (ps->long_sent && !there);
    s->execute_done = on_done;
    ps->long_sent = ps->long_lost = false;
    if (incomplete) /* the values that are missing in the command would be taken from those behind them */
        session_answer_error(s, 2013, "HY000", "Lost connection to the server that had the long data of this statement: send them again");
    else if (there)
        send_execute(s);
    else
        send_again(s);
}

/* --- the small ones ---------------------------------------------------------------------------------------------------------- */

static void on_plain_done(struct session *s, const struct backend_outcome *outcome)
{
    if (tx_note(s, outcome, false))
        session_next(s);
}

/* The command as the client sent it, with the server's id in the place of ours. */
static void patched_command(struct session *s, const struct session_statement *ps, struct buf *payload)
{
    buf_append(payload, buf_at(&s->command), buf_len(&s->command));
    uint8_t *id = buf_at(payload) + 1;
    for (int i = 0; i < 4; i++)
        id[i] = (uint8_t)(ps->backend_id >> (8 * i));
}

static void relay_patched(struct session *s, struct session_statement *ps, enum wire_response_kind kind)
{
    struct buf payload = {0};
    s->target = ps->backend;
    s->target_in_tx = s->servers[ps->backend].branch >= 0;
    s->start_failed = false;
    patched_command(s, ps, &payload);
    relay_send(s, kind, buf_at(&payload), buf_len(&payload), on_plain_done);
    buf_fini(&payload);
}

static struct session_statement *of_command(struct session *s, uint32_t *id, bool *short_command)
{
    struct cursor c = cursor_make(buf_at(&s->command), buf_len(&s->command));
    cursor_skip(&c, 1);
    *id = cursor_u32le(&c);
    *short_command = c.bad;
    return c.bad ? NULL : find(s, *id);
}

static bool on_its_server(const struct session *s, const struct session_statement *ps)
{
    return ps->backend >= 0 && s->servers[ps->backend].conn && is_there(ps, s->servers[ps->backend].conn);
}

static void keep_long_data(struct session *s, struct session_statement *ps)
{
    struct wire_long_data d;
    if (!wire_long_data_read((struct slice){buf_at(&s->command), buf_len(&s->command)}, &d) || d.param >= ps->n_params)
        return;
    if (buf_len(&ps->long_data[d.param]) + d.data.len <= (size_t)s->world->config->max_packet)
        buf_append(&ps->long_data[d.param], d.data.at, d.data.len);
    ps->long_given[d.param] = true;
}

/* No answer comes, whatever happens: what is wrong shows at EXECUTE. */
void prepared_long_data(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = of_command(s, &id, &short_command);
    if (ps && ps->backend < 0)
        keep_long_data(s, ps);
    else if (ps && on_its_server(s, ps)) {
        struct buf payload = {0};
        patched_command(s, ps, &payload);
        backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
        buf_fini(&payload);
        ps->long_sent = true;
    } else if (ps) {
        ps->long_lost = true;
    }
    session_next(s);
}

void prepared_close(struct session *s, uint32_t id)
{
    struct session_statement *ps = find(s, id);
    if (ps) {
        if (on_its_server(s, ps)) {
            struct buf payload = {0};
            patched_command(s, ps, &payload);
            backend_send_silent(ps->conn, buf_at(&payload), buf_len(&payload));
            buf_fini(&payload);
        }
        s->prepared[id - 1] = NULL;
        free_statement(ps);
    }
    session_next(s);
}

static void forget_long_data(struct session_statement *ps)
{
    ps->long_sent = ps->long_lost = false;
    for (unsigned i = 0; ps->long_data && i < ps->n_params; i++) {
        buf_clear(&ps->long_data[i]);
        ps->long_given[i] = false;
    }
}

void prepared_reset(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = of_command(s, &id, &short_command);
    if (!ps)
        no_such_statement(s, id, "mysqld_stmt_reset");
    else {
        forget_long_data(ps);
        if (on_its_server(s, ps))
            relay_patched(s, ps, WIRE_RESPONSE_SIMPLE);
        else
            session_answer_ok(s);
    }
}

void prepared_fetch(struct session *s)
{
    uint32_t id;
    bool short_command;
    struct session_statement *ps = of_command(s, &id, &short_command);
    if (!ps)
        no_such_statement(s, id, "mysqld_stmt_fetch");
    else if (!on_its_server(s, ps) || !ps->cursor_there)
        session_answer_error(s, 1421, "HY000", "The statement (%u) has no open cursor.", id);
    else
        relay_patched(s, ps, WIRE_RESPONSE_FETCH);
}
