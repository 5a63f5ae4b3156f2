/* LAST_INSERT_ID() of a session that inserts on several servers: which of them gave the last id? Leaves putting it into a text to
 * diagnostics.c, connections that change hands to sharing.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"

void insert_id_reset(struct session *s)
{
    s->insert_id = (struct session_insert_id){.server = -1};
}

static void settle(struct session_insert_id *it, int server)
{
    it->server = server;
    it->known = false;
    it->left = 0;
    it->n = 0;
}

static void forget_maybe(struct session_insert_id *it, unsigned from, unsigned n)
{
    memmove(it->maybe + from, it->maybe + from + n, (it->n - from - n) * sizeof *it->maybe);
    it->n -= n;
}

/* Those that are too many count as given, oldest first. */
static void add_maybe(struct session_insert_id *it, int server, uint64_t id, bool failed)
{
    if (failed && it->n && it->maybe[it->n - 1].failed && it->maybe[it->n - 1].server == server && it->maybe[it->n - 1].id == id)
        return; /* likewise the one before */
    if (it->n == SESSION_INSERTS) {
        it->server = it->maybe[0].server;
        forget_maybe(it, 0, 1);
    }
    it->maybe[it->n].server = server;
    it->maybe[it->n].failed = failed;
    it->maybe[it->n++].id = id;
    it->known = false;
}

static bool is_insert(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    return sql_accept_word(&in, "INSERT") || sql_accept_word(&in, "REPLACE");
}

static bool only_the_target(const struct session *s)
{
    const struct session_insert_id *it = &s->insert_id;
    for (unsigned i = 0; i < it->n; i++)
        if (it->maybe[i].server != s->target)
            return false;
    return it->server < 0 ? !it->left : it->server == s->target;
}

static int opened(const struct sql_token *t)
{
    return sql_is_punct(t, '(') - sql_is_punct(t, ')');
}

/* To what an INSERT inserts, behind the names of its columns. */
static void skip_to_source(struct sql_tokens *in)
{
    static const char *const words[] = {"VALUES", "VALUE", "SET", "SELECT"};
    for (int depth = 0; in->ahead.kind != SQL_END; sql_take(in)) {
        for (size_t i = 0; !depth && i < sizeof words / sizeof *words; i++)
            if (sql_is_word(&in->ahead, words[i]))
                return;
        depth += opened(&in->ahead);
    }
}

/* INSERT ... SET, or one list of values. */
static bool inserts_one_row(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    skip_to_source(&in);
    if (sql_accept_word(&in, "SET"))
        return true;
    if (!sql_accept_word(&in, "VALUES") && !sql_accept_word(&in, "VALUE"))
        return false;
    for (int depth = 0; in.ahead.kind != SQL_END && (depth || !sql_is_punct(&in.ahead, ',')); sql_take(&in))
        depth += opened(&in.ahead);
    return in.ahead.kind == SQL_END;
}

static bool returns_rows(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    while (in.ahead.kind != SQL_END && !sql_is_word(&in.ahead, "RETURNING"))
        sql_take(&in);
    return in.ahead.kind != SQL_END;
}

/* Rows before the one that fails have had ids, which count and which an ERR packet does not tell. */
static bool gives_untold(const struct session *s)
{
    bool bulk = *buf_at(&s->command) == WIRE_COM_STMT_BULK_EXECUTE, file = s->statement->kind == SQL_LOAD_LOCAL;
    return s->statement->gives_insert_id || file || (is_insert(s) && (bulk || !inserts_one_row(s) || returns_rows(s)));
}

/* If it gave none: where nobody else did, the server says so too. What was asked there before is old. */
static void perhaps_given(struct session *s)
{
    struct session_insert_id *it = &s->insert_id;
    if (!only_the_target(s))
        add_maybe(it, s->target, it->before, true);
    else if (it->server < 0 && !it->n)
        settle(it, s->target);
    else
        it->known = false;
}

void insert_id_failed(struct session *s)
{
    bool watched = s->insert_id.watched;
    s->insert_id.watched = false;
    if (watched)
        perhaps_given(s);
}

/* With rows no server tells what LAST_INSERT_ID(n) or INSERT ... RETURNING gave. */
void insert_id_note(struct session *s, uint64_t told, bool had_rows)
{
    struct session_insert_id *it = &s->insert_id;
    bool may_give_zero = it->watched && s->statement->gives_insert_id && !had_rows; /* LAST_INSERT_ID(0): as if none were given */
    it->watched = false;
    if (had_rows && is_insert(s))
        perhaps_given(s);
    else if ((had_rows && s->statement->gives_insert_id) || (told && only_the_target(s)))
        settle(it, s->target);
    else if (told)
        add_maybe(it, s->target, told, false);
    else if (may_give_zero)
        perhaps_given(s);
}

/* Its own, or in it unseen: a routine, a block. */
static bool needs_it_there(const struct session *s)
{
    const struct sql_statement *st = s->statement;
    bool lies_there = (s->executing || s->executing_text) && information_asks_insert_id(s);
    return lies_there || st->compound || st->leaves & SQL_LEAVES_UNKNOWN;
}

/* The id that counts may be one of the target's. */
static bool wants_targets(const struct session *s)
{
    const struct session_insert_id *it = &s->insert_id;
    for (unsigned i = 0; i < it->n; i++)
        if (it->maybe[i].server == s->target)
            return true;
    return it->server == s->target;
}

bool insert_id_due(const struct session *s)
{
    return !s->insert_id.known && !only_the_target(s) && (needs_it_there(s) || information_asks_insert_id(s));
}

bool insert_id_of_another(const struct session *s, uint64_t *id)
{
    *id = s->insert_id.id;
    return s->insert_id.known && s->insert_id.server != s->target;
}

void insert_id_assigned(struct session *s)
{
    settle(&s->insert_id, s->target);
}

static uint64_t read_number(struct cursor *c)
{
    char text[24];
    struct slice value = wire_lenenc_str(c, NULL);
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.at);
    return strtoull(text, NULL, 10);
}

/* A question overwrites what FOUND_ROWS() says there; whatever sql_select_limit is. */
static const char question[] = "SELECT LAST_INSERT_ID(),FOUND_ROWS() LIMIT 1";

static uint64_t read_answer(struct session *s, int server, struct slice row)
{
    struct cursor c = cursor_make(row.at, row.len);
    uint64_t id = read_number(&c), rows = read_number(&c);
    if (found_rows_lie_at(s, server))
        found_rows_are(s, rows);
    return id;
}

/* A value of the statement's own counts as little as none. */
static bool counts(const struct session_insert_id *it, unsigned i, uint64_t says)
{
    return (it->maybe[i].id == says) != it->maybe[i].failed;
}

/* What the target says before it is overwritten there: from then on it is kept here, if it counts. */
static void keep_left(struct session_insert_id *it, int server, uint64_t says)
{
    for (unsigned i = it->n; i-- > 0;) {
        if (it->maybe[i].server != server)
            continue;
        if (counts(it, i, says)) {
            it->server = server;
            forget_maybe(it, 0, i + 1);
            break;
        }
        forget_maybe(it, i, 1);
    }
    if (it->server != server)
        return;
    it->server = -1;
    it->left = says;
}

static void on_before_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    if (kind == WIRE_PACKET_ROW && !offset && part.len == frame_len)
        keep_left(&s->insert_id, s->target, read_answer(s, s->target, part));
}

/* An earlier id of that server's own could be taken for the one that is told, or for that of a statement that fails. */
static void overwrite_older(struct session *s)
{
    static const struct backend_sink sink = {.frame = on_before_frame};
    struct session_insert_id *it = &s->insert_id;
    if (wants_targets(s))
        backend_send_query(target_conn(s), question, sizeof question - 1, &sink, s);
    diagnostics_disturbed(s, s->target);
    it->before = s->statement->gives_insert_id ? UINT64_MAX : 0; /* which no expression gives by chance */
    target_send_first(s, it->before ? "SET last_insert_id=18446744073709551615" : "SET last_insert_id=0");
}

static bool brings(const struct session *s)
{
    uint64_t id;
    return needs_it_there(s) && insert_id_of_another(s, &id);
}

bool insert_id_comes_first(const struct session *s)
{
    return brings(s) || (!only_the_target(s) && (is_insert(s) || gives_untold(s)));
}

void insert_id_bring(struct session *s)
{
    char text[64];
    s->insert_id.watched = gives_untold(s);
    if (!insert_id_comes_first(s))
        return;
    if (!brings(s)) {
        overwrite_older(s);
        return;
    }
    snprintf(text, sizeof text, "SET last_insert_id=%llu", (unsigned long long)s->insert_id.id);
    target_send_first(s, text);
    diagnostics_disturbed(s, s->target);
    s->insert_id.server = s->target;
    s->insert_id.left = 0;
}

/* --- asking --------------------------------------------------------------------------------------------------------------- */

static void ask(struct session *s);

static int asked_server(const struct session_insert_id *it)
{
    return it->n ? it->maybe[it->n - 1].server : it->server;
}

static void answered(struct session *s, uint64_t id)
{
    struct session_insert_id *it = &s->insert_id;
    if (it->n && !counts(it, it->n - 1, id)) {
        it->n--;
        ask(s);
        return;
    }
    int server = asked_server(it);
    settle(it, server);
    it->left = server < 0 ? id : 0;
    it->known = true;
    it->id = id;
    it->then(s);
}

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    if (kind == WIRE_PACKET_ROW && !offset && part.len == frame_len)
        s->insert_id.id = read_answer(s, asked_server(&s->insert_id), part);
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    (void)outcome;
    if (s->phase == SESSION_RUNNING)
        answered(s, s->insert_id.id);
}

static void on_lost(void *arg, const char *why)
{
    struct session *s = arg;
    (void)why;
    if (s->phase == SESSION_RUNNING)
        answered(s, s->insert_id.id);
}

static const struct backend_sink sink = {.frame = on_frame, .done = on_done, .lost = on_lost};

/* The newest first. A connection that is not the session's any more was asked when it went. */
static void ask(struct session *s)
{
    int asked = asked_server(&s->insert_id);
    struct session_server *server = asked >= 0 ? &s->servers[asked] : NULL;
    s->insert_id.id = server ? server->memory.insert_id : s->insert_id.left;
    if (!server || !server->conn) {
        answered(s, s->insert_id.id);
        return;
    }
    sharing_take_back(server);
    diagnostics_disturbed(s, asked);
    backend_send_query(server->conn, question, sizeof question - 1, &sink, s);
}

void insert_id_fetch(struct session *s, void (*then)(struct session *s))
{
    s->insert_id.then = then;
    ask(s);
}
