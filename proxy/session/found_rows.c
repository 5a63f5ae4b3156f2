/* FOUND_ROWS(): which statements leave another one, whether their rows tell it or only their server, and asking that one in time.
 * As servers have it, so it is theirs also behind what the manual does not speak of. Leaves putting it into a text to
 * information.c, connections that change hands to sharing.c. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"

/* What is run: behind MariaDB's SET STATEMENT ... FOR, and behind parentheses. */
static void begin(const struct session *s, struct sql_tokens *in)
{
    sql_tokens_init(in, s->statement->text, &s->dialect);
    struct sql_tokens setting = *in;
    if (sql_accept_word(&setting, "SET") && sql_accept_word(&setting, "STATEMENT")) {
        while (setting.ahead.kind != SQL_END && !sql_accept_word(&setting, "FOR"))
            sql_take(&setting);
        *in = setting;
    }
    while (sql_accept_punct(in, '('))
        ;
}

static bool begins_with(const struct session *s, const char *word)
{
    struct sql_tokens in;
    begin(s, &in);
    return sql_is_word(&in.ahead, word);
}

static const char *const selecting[] = {"SELECT", NULL}, *const selecting_mysql[] = {"SELECT", "TABLE", NULL};
static const char *const uniting[] = {"UNION", "EXCEPT", "INTERSECT", NULL};

/* One of these words. */
static bool has(struct sql_tokens in, const char *const *words)
{
    for (; in.ahead.kind != SQL_END; sql_take(&in)) {
        sql_skip_values(&in);
        for (const char *const *w = words; *w; w++)
            if (sql_is_word(&in.ahead, *w))
                return true;
    }
    return false;
}

static bool is_select(const struct session *s)
{
    bool mariadb = diagnostics_like_mariadb(s);
    return begins_with(s, "SELECT") || begins_with(s, "WITH") ||
           (!mariadb && (begins_with(s, "VALUES") || begins_with(s, "TABLE")));
}

/* MariaDB counts all rows of a union, and none where one is only explained. */
static bool unites(const struct session *s)
{
    struct sql_tokens in;
    begin(s, &in);
    return diagnostics_like_mariadb(s) && has(in, uniting);
}

static bool counts_without_limit(const struct session *s)
{
    struct sql_tokens in;
    begin(s, &in);
    while (in.ahead.kind != SQL_END && !sql_is_word(&in.ahead, "FROM") && !sql_is_word(&in.ahead, "SQL_CALC_FOUND_ROWS"))
        sql_take(&in);
    return sql_is_word(&in.ahead, "SQL_CALC_FOUND_ROWS");
}

/* Which servers run as a SELECT. */
static bool shows_like_select(const struct session *s)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&in, "SHOW"))
        return diagnostics_describes_table(s);
    return sql_is_word(&in.ahead, "COUNT") || (!sql_is_word(&in.ahead, "CREATE") && diagnostics_shows_tables(&in));
}

/* EXPLAIN ANALYZE, MariaDB's ANALYZE of a SELECT: the plan is shown, the rows of its run are counted. */
static bool runs_explained(const struct session *s)
{
    struct sql_tokens in;
    begin(s, &in);
    if (sql_accept_word(&in, "ANALYZE"))
        return diagnostics_like_mariadb(s) && has(in, selecting);
    bool explains = sql_accept_word(&in, "EXPLAIN") || sql_accept_word(&in, "DESCRIBE") || sql_accept_word(&in, "DESC");
    return explains && ((sql_is_word(&in.ahead, "ANALYZE") && has(in, selecting)) || unites(s));
}

/* UPDATE a, b SET ..., UPDATE a JOIN b ... SET ...; not the lists of PARTITION (...) and USE INDEX (...). */
static bool updates_joined(struct sql_tokens in)
{
    for (int depth = 0; in.ahead.kind != SQL_END && !sql_is_word(&in.ahead, "SET"); sql_take(&in)) {
        depth += sql_is_punct(&in.ahead, '(') - sql_is_punct(&in.ahead, ')');
        if (sql_is_word(&in.ahead, "JOIN") || sql_is_word(&in.ahead, "STRAIGHT_JOIN") || (!depth && sql_is_punct(&in.ahead, ',')))
            return true;
    }
    return false;
}

/* DELETE a FROM ..., DELETE FROM a USING ... */
static bool deletes_joined(struct sql_tokens in)
{
    while (sql_accept_word(&in, "LOW_PRIORITY") || sql_accept_word(&in, "QUICK") || sql_accept_word(&in, "IGNORE"))
        ;
    if (!sql_accept_word(&in, "FROM"))
        return true;
    while (in.ahead.kind != SQL_END && !sql_is_word(&in.ahead, "WHERE") && !sql_is_word(&in.ahead, "USING"))
        sql_take(&in);
    return sql_is_word(&in.ahead, "USING");
}

static bool creates_table(struct sql_tokens in)
{
    if (sql_accept_word(&in, "OR"))
        sql_accept_word(&in, "REPLACE");
    sql_accept_word(&in, "TEMPORARY");
    return sql_is_word(&in.ahead, "TABLE");
}

/* A write that selects within. It may not have come to that; where its server had the last count, it has it still. */
static bool selects_within(const struct session *s)
{
    bool mysql = !diagnostics_like_mariadb(s);
    struct sql_tokens in;
    begin(s, &in);
    if (sql_accept_word(&in, "INSERT") || sql_accept_word(&in, "REPLACE"))
        return has(in, mysql ? selecting_mysql : selecting);
    if (sql_accept_word(&in, "DELETE"))
        return deletes_joined(in) || has(in, selecting);
    if (sql_accept_word(&in, "UPDATE"))
        return mysql || updates_joined(in) || has(in, selecting);
    if (sql_accept_word(&in, "DO"))
        return mysql || has(in, selecting);
    if (mysql)
        return false;
    return (sql_accept_word(&in, "SET") || (sql_accept_word(&in, "CREATE") && creates_table(in))) && has(in, selecting);
}

/* A result whose rows are not what was counted. */
static bool counts_otherwise(const struct session *s)
{
    if (s->statement->compound || s->statement->leaves & SQL_LEAVES_UNKNOWN)
        return true;
    return is_select(s) ? counts_without_limit(s) || unites(s) : runs_explained(s) || selects_within(s);
}

static void lie_at_target(struct session *s)
{
    s->diag.found_server = s->target;
    s->diag.found_moved = false;
}

void found_rows_note(struct session *s, bool had_rows)
{
    if (had_rows ? counts_otherwise(s) : is_select(s) || selects_within(s)) /* the first by SELECT ... INTO */
        lie_at_target(s);
    else if (had_rows && (is_select(s) || shows_like_select(s)))
        found_rows_are(s, s->relay.rows);
}

bool found_rows_lie_at(const struct session *s, int server)
{
    return s->diag.found_server == server && !s->diag.found_moved;
}

void found_rows_are(struct session *s, uint64_t rows)
{
    s->diag.found_rows = rows;
    s->diag.found_server = -1;
}

/* --- asking --------------------------------------------------------------------------------------------------------------- */

static const char question[] = "SELECT FOUND_ROWS() LIMIT 1"; /* whatever sql_select_limit is */

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    char text[24];
    struct cursor c = cursor_make(part.at, part.len);
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    struct slice value = wire_lenenc_str(&c, NULL);
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.at);
    found_rows_are(arg, strtoull(text, NULL, 10));
}

void found_rows_save(struct session *s, int server)
{
    static const struct backend_sink sink = {.frame = on_frame};
    if (found_rows_lie_at(s, server) && s->servers[server].conn)
        backend_send_query(s->servers[server].conn, question, sizeof question - 1, &sink, s);
}

bool found_rows_due(const struct session *s)
{
    int server = s->diag.found_server;
    return server >= 0 && server != s->target && found_rows_lie_at(s, server) && s->servers[server].conn &&
           information_asks_found_rows(s);
}

static void on_fetched(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error)
        s->diag.found_server = -1;
    if (s->phase == SESSION_RUNNING)
        target_go_on(s);
}

static void on_lost(void *arg, const char *why)
{
    (void)why;
    on_fetched(arg, &(struct backend_outcome){.error = 2013});
}

void found_rows_fetch(struct session *s)
{
    static const struct backend_sink sink = {.frame = on_frame, .done = on_fetched, .lost = on_lost};
    struct session_server *server = &s->servers[s->diag.found_server];
    sharing_take_back(server);
    diagnostics_disturbed(s, s->diag.found_server);
    backend_send_query(server->conn, question, sizeof question - 1, &sink, s);
}
