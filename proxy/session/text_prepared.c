/* PREPARE, EXECUTE, EXECUTE IMMEDIATE and DEALLOCATE as text: names and texts stay with the session, servers get them where they
 * run. The inner statement is seen as if it had come by itself. Leaves what the proxy runs itself to own.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/own.h"
#include "proxy/session/phases.h"
#include "proxy/session/prepared.h"
#include "proxy/session/tx.h"
#include "proxy/sql/prepare.h"
#include "proxy/sql/quote.h"

struct session_text {
    struct list link;            /* of the session; the immediate one is on no list */
    char name[SQL_NAME_SIZE];    /* empty: immediate */
    char *text;
    size_t len;
    struct sql_statement parsed; /* its slices point into text */
    int backend;                 /* -1: the proxy's own */
    bool anywhere;
    char prepared_in[SQL_NAME_SIZE]; /* the default schema of its PREPARE; "" = none */
    char schema[SQL_NAME_SIZE];  /* that of the connection it was prepared on */
    struct backend_conn *conn;   /* where it is prepared; NULL: nowhere now */
    uint64_t generation;
    struct buf answers;          /* the session's own in its text, as it is prepared there */
};

/* --- the names ------------------------------------------------------------------------------------------------------------ */

static struct session_text *text_at(struct list *link)
{
    return CONTAINER_OF(link, struct session_text, link);
}

static struct session_text *find(struct session *s, const char *name)
{
    LIST_FOR(it, &s->texts)
        if (!strcasecmp(text_at(it)->name, name))
            return text_at(it);
    return NULL;
}

static void free_text(struct session *s, struct session_text *t)
{
    if (!t)
        return;
    if (*t->name)
        s->prepared_count--;
    s->prepared_bytes -= t->len;
    list_remove(&t->link);
    buf_fini(&t->answers);
    free(t->text);
    free(t);
}

void text_free_all(struct session *s)
{
    text_command_over(s);
    while (!list_empty(&s->texts))
        free_text(s, text_at(list_first(&s->texts)));
}

void text_command_over(struct session *s)
{
    free_text(s, s->text_unfinished);
    s->text_unfinished = s->executing_text = NULL;
    buf_fini(&s->text_value);
}

void text_server_gone(struct session_server *server)
{
    struct session *s = server->session;
    LIST_FOR(it, &s->texts)
        if (text_at(it)->conn == server->conn)
            text_at(it)->conn = NULL;
}

static bool is_there(const struct session_text *t, const struct backend_conn *conn)
{
    return t->conn && t->conn == conn && t->generation == conn->statement_generation;
}

static void arrived(struct session *s, struct session_text *t)
{
    t->conn = target_conn(s);
    t->generation = t->conn->statement_generation;
}

static struct session_text *new_text(struct session *s, const char *name, struct slice text)
{
    struct session_text *t = s->text_unfinished = calloc(1, sizeof *t);
    CHECK(t);
    list_init(&t->link);
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->prepared_in, sizeof t->prepared_in, "%s", s->schema);
    t->text = slice_dup(text);
    t->len = text.len;
    t->backend = -1;
    s->prepared_bytes += t->len;
    if (*name)
        s->prepared_count++;
    return t;
}

/* False: the error was answered. */
static bool read_text(struct session *s, struct session_text *t)
{
    struct sql_context ctx;
    struct slice rest = {(const uint8_t *)t->text, t->len};
    statement_context(s, &ctx);
    return statement_to_prepare(s, &rest, &t->parsed) && !own_refuses(s, &t->parsed, rest) &&
           !rights_refuse_statement(s, &t->parsed);
}

static struct information_text information_of(const struct session_text *t)
{
    return (struct information_text){&t->parsed, {(const uint8_t *)t->text, t->len}, t->prepared_in};
}

static void quote(struct session *s, const struct session_text *t, bool again, struct buf *out)
{
    struct buf answered = {0};
    struct information_text asks = information_of(t);
    struct slice text = asks.text;
    if (information_put_prepared(s, &asks, again, &answered))
        text = (struct slice){buf_at(&answered), buf_len(&answered)};
    sql_quote_text(out, text, &s->dialect);
    buf_fini(&answered);
}

static void put_prepare(struct session *s, struct session_text *t, bool again, struct buf *out)
{
    struct information_text asks = information_of(t);
    buf_text(out, "PREPARE ");
    sql_quote_name(out, t->name, &s->dialect);
    buf_text(out, " FROM ");
    quote(s, t, again, out);
    information_answers(s, &asks, again, &t->answers);
}

static bool is_current(struct session *s, const struct session_text *t)
{
    struct information_text asks = information_of(t);
    return information_is_as_prepared(s, &asks, &t->answers);
}

/* --- PREPARE ---------------------------------------------------------------------------------------------------------------- */

static void keep(struct session *s)
{
    list_push_back(&s->texts, &s->text_unfinished->link);
    s->text_unfinished = NULL;
}

static void on_prepared(struct session *s, const struct backend_outcome *outcome)
{
    if (!outcome->error && target_conn(s)) {
        arrived(s, s->text_unfinished);
        keep(s);
    }
    if (tx_note(s, outcome, false))
        session_next(s);
}

static void send_prepare(struct session *s)
{
    struct session_text *t = s->text_unfinished;
    struct buf payload = {0};
    snprintf(t->schema, sizeof t->schema, "%s", target_conn(s)->schema);
    buf_u8(&payload, WIRE_COM_QUERY);
    put_prepare(s, t, false, &payload);
    target_begin_aside(s);
    relay_send(s, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), on_prepared);
    buf_fini(&payload);
}

/* As on servers the name is free from now on, whatever comes of this. */
static void prepare(struct session *s, const char *name, struct slice text)
{
    free_text(s, find(s, name));
    struct session_text *t = new_text(s, name, text);
    if (prepared_refuses_more(s) || !read_text(s, t))
        return;
    *s->statement = t->parsed;
    if (own_is(t->parsed.kind)) {
        keep(s);
        session_answer_ok_with(s, 0, 0, "Statement prepared");
        return;
    }
    t->anywhere = statement_is_anywhere(s);
    t->backend = statement_route(s);
    if (t->backend >= 0)
        target_prepare(s, t->backend, false, send_prepare);
}

/* --- EXECUTE ---------------------------------------------------------------------------------------------------------------- */

static unsigned count_expressions(struct slice list, const struct sql_context *ctx)
{
    struct slice one;
    unsigned n = 0;
    while (sql_next_expression(&list, ctx, &one))
        n++;
    return n;
}

static void execute(struct session *s, struct session_text *t, struct slice using)
{
    struct sql_context ctx;
    statement_context(s, &ctx);
    if (!own_is(t->parsed.kind)) {
        *s->statement = t->parsed;
        s->executing_text = t;
        s->text_using = using;
        statement_start_prepared(s);
    } else if (count_expressions(using, &ctx) != sql_count_parameters(t->parsed.text, &ctx)) {
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to EXECUTE");
    } else {
        own_start_with_list(s, t->parsed.text, using);
    }
}

static void no_such(struct session *s, const char *name, const char *what)
{
    session_answer_error(s, 1243, "HY000", "Unknown prepared statement handler (%s) given to %s", name, what);
}

static void execute_named(struct session *s, const struct sql_prepare *p)
{
    struct session_text *t = find(s, p->name);
    if (t)
        execute(s, t, p->using);
    else
        no_such(s, p->name, "EXECUTE");
}

static void execute_immediate(struct session *s, struct slice text, struct slice using)
{
    struct session_text *t = new_text(s, "", text);
    t->anywhere = true;
    if (read_text(s, t))
        execute(s, t, using);
}

int text_backend(struct session *s)
{
    struct session_text *t = s->executing_text;
    if (*t->name)
        return t->anywhere ? statement_anywhere(s) : t->backend;
    s->executing_text = NULL; /* a text that comes but once is routed like any statement */
    int backend = statement_route(s);
    s->executing_text = t;
    return backend;
}

static void send_execute(struct session *s)
{
    struct session_text *t = s->executing_text;
    struct buf text = {0};
    buf_text(&text, "EXECUTE ");
    if (*t->name) {
        sql_quote_name(&text, t->name, &s->dialect);
    } else {
        buf_text(&text, "IMMEDIATE ");
        quote(s, t, false, &text);
    }
    if (s->text_using.len) {
        buf_text(&text, " USING ");
        buf_append(&text, s->text_using.at, s->text_using.len);
    }
    insert_id_bring(s);
    conditions_bring(s);
    relay_query(s, (struct slice){buf_at(&text), buf_len(&text)}, s->execute_done);
    buf_fini(&text);
}

static void on_again(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error) {
        session_answer_error(s, outcome->error, outcome->sqlstate, "%s", outcome->message);
        return;
    }
    arrived(s, s->executing_text);
    if (s->killed)
        kill_answer(s);
    else
        send_execute(s);
}

static const struct backend_sink again_sink = {.done = on_again, .lost = link_on_lost};

void text_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome))
{
    struct session_text *t = s->executing_text;
    struct buf text = {0};
    s->execute_done = on_done;
    if (!*t->name || (is_there(t, target_conn(s)) && is_current(s, t))) {
        send_execute(s);
        return;
    }
    if (*t->schema && !t->anywhere && strcmp(t->schema, target_conn(s)->schema))
        target_send_schema(s, t->schema);
    put_prepare(s, t, true, &text);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &again_sink, s);
    buf_fini(&text);
}

/* --- DEALLOCATE ------------------------------------------------------------------------------------------------------------- */

static void on_deallocated(struct session *s, const struct backend_outcome *outcome)
{
    if (tx_note(s, outcome, false))
        session_next(s);
}

static void deallocate(struct session *s, const char *name)
{
    struct session_text *t = find(s, name);
    struct buf payload = {0};
    if (!t) {
        no_such(s, name, "DEALLOCATE PREPARE");
        return;
    }
    bool there = t->conn && is_there(t, t->conn);
    for (size_t i = 0; there && i < s->world->backends.n; i++)
        if (s->servers[i].conn == t->conn)
            s->target = (int)i;
    free_text(s, t);
    if (!there) {
        session_answer_ok(s);
        return;
    }
    sharing_take_back(&s->servers[s->target]);
    s->target_in_tx = s->servers[s->target].branch >= 0;
    s->start_failed = false;
    buf_u8(&payload, WIRE_COM_QUERY);
    buf_text(&payload, "DEALLOCATE PREPARE ");
    sql_quote_name(&payload, name, &s->dialect);
    relay_send(s, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), on_deallocated);
    buf_fini(&payload);
}

/* --- the text, where it is not a literal ---------------------------------------------------------------------------- */

static void with_text(struct session *s, struct slice text)
{
    struct sql_context ctx;
    struct sql_prepare p;
    statement_context(s, &ctx);
    CHECK(sql_prepare_read(s->statement, &ctx, &p));
    if (p.verb == SQL_PREPARE_NAMED)
        prepare(s, p.name, text);
    else
        execute_immediate(s, text, p.using);
}

static void on_value_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    size_t limit = (size_t)s->world->config->max_packet + 16;
    (void)offset;
    (void)frame_len;
    if ((kind == WIRE_PACKET_ROW || kind == WIRE_PACKET_CONTINUED) && buf_len(&s->text_value) + part.len <= limit)
        buf_append(&s->text_value, part.at, part.len);
}

static void on_value(void *arg, const struct backend_outcome *outcome)
{
    static const struct slice null = {(const uint8_t *)"NULL", 4}; /* as servers have it: a text of that word */
    struct session *s = arg;
    bool is_null = false;
    if (s->phase != SESSION_RUNNING)
        return;
    if (!tx_note_question(s, outcome))
        return;
    struct cursor c = cursor_make(buf_cstr(&s->text_value), buf_len(&s->text_value));
    struct slice text = wire_lenenc_str(&c, &is_null);
    if (!cursor_done(&c))
        session_answer_error(s, 1153, "08S01", "Got a packet bigger than 'max_packet' bytes: the text to be prepared");
    else
        with_text(s, is_null ? null : text);
}

static const struct backend_sink value_sink = {.frame = on_value_frame, .done = on_value, .lost = link_on_lost};

static void send_select(struct session *s)
{
    struct sql_context ctx;
    struct sql_prepare p;
    struct buf text = {0};
    statement_context(s, &ctx);
    CHECK(sql_prepare_read(s->statement, &ctx, &p));
    buf_text(&text, "SELECT ");
    buf_append(&text, p.source.at, p.source.len);
    target_begin_aside(s);
    backend_send_query(target_conn(s), (const char *)buf_at(&text), buf_len(&text), &value_sink, s);
    buf_fini(&text);
}

static void get_text(struct session *s, const struct sql_prepare *p, const struct sql_context *ctx)
{
    if (!p->literal) {
        if (!rights_refuse_expression(s, p->source))
            target_prepare(s, statement_anywhere(s), false, send_select);
        return;
    }
    sql_prepare_literal(p, ctx, &s->text_value);
    with_text(s, (struct slice){(const uint8_t *)buf_cstr(&s->text_value), buf_len(&s->text_value)});
}

/* --- the statement -------------------------------------------------------------------------------------------------- */

void text_run(struct session *s)
{
    struct sql_context ctx;
    struct sql_prepare p;
    statement_context(s, &ctx);
    bool known = sql_prepare_read(s->statement, &ctx, &p);
    if (!known || (p.verb == SQL_EXECUTE_IMMEDIATE && !s->world->backends.at[statement_home(s)].mariadb)) {
        s->statement->kind = SQL_PLAIN; /* for a server to complain about: MySQL has no EXECUTE IMMEDIATE */
        statement_run(s);
    } else if (p.verb == SQL_EXECUTE_NAMED) {
        execute_named(s, &p);
    } else if (p.verb == SQL_DEALLOCATE) {
        deallocate(s, p.name);
    } else {
        get_text(s, &p, &ctx);
    }
}
