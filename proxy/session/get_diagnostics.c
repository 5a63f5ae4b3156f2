/* GET DIAGNOSTICS where no server has the answer any more: the same assignments as a SET with what the session knows. Leaves
 * SHOW WARNINGS and its like to diagnostics.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/sql/quote.h"

/* What follows DIAGNOSTICS. */
struct get {
    struct sql_tokens in;
    bool of_condition;
    bool number_known; /* it is a literal: */
    unsigned number;
};

static bool read_head(const struct session *s, struct get *g)
{
    sql_tokens_init(&g->in, s->statement->text, &s->dialect);
    if (!sql_accept_word(&g->in, "GET"))
        return false;
    sql_accept_word(&g->in, "CURRENT");
    if (!sql_accept_word(&g->in, "DIAGNOSTICS"))
        return false;
    g->of_condition = sql_accept_word(&g->in, "CONDITION");
    if (!g->of_condition)
        return true;
    char text[12];
    struct sql_token t = sql_take(&g->in);
    snprintf(text, sizeof text, "%.*s", (int)t.text.len, (const char *)t.text.at);
    g->number_known = t.kind == SQL_NUMBER;
    g->number = (unsigned)strtoul(text, NULL, 10);
    return true;
}

bool diagnostics_is_get(const struct session *s)
{
    struct get g;
    return s->statement->kind == SQL_PLAIN && read_head(s, &g);
}

/* In the character set of servers' own texts, that of USER(): MySQL warns of its name. */
static void put_text(const struct session *s, struct slice text, struct buf *out)
{
    buf_text(out, "CONCAT(LEFT(USER(),0),");
    sql_quote_text(out, text, &s->dialect);
    buf_u8(out, ')');
}

/* Of what the proxy says they are empty, as of most that servers say. */
static bool is_name_item(const struct sql_token *item)
{
    static const char *const names[] = {"CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA", "CONSTRAINT_NAME", "CATALOG_NAME", "SCHEMA_NAME",
                                        "TABLE_NAME", "COLUMN_NAME", "CURSOR_NAME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sql_is_word(item, names[i]))
            return true;
    return false;
}

/* False: not known here. */
static bool put_item(struct session *s, const struct get *g, const struct sql_token *item, struct buf *out)
{
    struct diagnostics_condition c;
    if (!g->of_condition && sql_is_word(item, "NUMBER"))
        buf_printf(out, "CAST(%u AS UNSIGNED)", diagnostics_counted(s, false));
    else if (!g->of_condition && sql_is_word(item, "ROW_COUNT"))
        buf_printf(out, "%lld", (long long)s->diag.row_count);
    else if (!g->of_condition || !diagnostics_condition(s, g->number, &c))
        return false;
    else if (sql_is_word(item, "MESSAGE_TEXT"))
        put_text(s, c.text, out);
    else if (sql_is_word(item, "MYSQL_ERRNO"))
        buf_printf(out, "CAST(%.*s AS UNSIGNED)", (int)c.code.len, (const char *)c.code.at);
    else if (sql_is_word(item, "RETURNED_SQLSTATE") && c.sqlstate)
        put_text(s, (struct slice){(const uint8_t *)c.sqlstate, strlen(c.sqlstate)}, out);
    else if (s->diag.own && is_name_item(item))
        put_text(s, (struct slice){NULL, 0}, out);
    else
        return false;
    return true;
}

/* False: it is not well-formed, or asks for what is not known here. */
static bool put_set(struct session *s, struct get *g, struct buf *out)
{
    buf_text(out, "SET ");
    for (;;) {
        struct sql_token variable = sql_take(&g->in);
        if (variable.kind != SQL_VARIABLE || !sql_accept_punct(&g->in, '='))
            return false;
        struct sql_token item = sql_take(&g->in);
        buf_append(out, variable.text.at, variable.text.len);
        buf_u8(out, '=');
        if (!put_item(s, g, &item, out))
            return false;
        if (g->in.ahead.kind == SQL_END)
            return true;
        if (!sql_accept_punct(&g->in, ','))
            return false;
        buf_text(out, ", ");
    }
}

static void on_kept_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    sharing_keep_warning(&((struct session_server *)arg)->memory.warnings, kind, part, offset, frame_len);
}

/* The SET that stands for GET DIAGNOSTICS makes MySQL forget the conditions that it has: they are asked for ahead of it. */
static void keep_conditions(struct session *s)
{
    static const struct backend_sink sink = {.frame = on_kept_frame};
    static const char text[] = "SHOW WARNINGS";
    struct session_server *server = &s->servers[s->target];
    if (server->conn->mariadb || diagnostics_is_here(s) || s->diag.server != s->target || !s->diag.warnings)
        return;
    buf_clear(&server->memory.warnings);
    backend_send_query(server->conn, text, sizeof text - 1, &sink, server);
    s->diag.moved = true;
}

bool diagnostics_put_get(struct session *s, struct buf *out)
{
    struct get g;
    if (s->statement->kind != SQL_PLAIN || !read_head(s, &g))
        return false;
    if (g.of_condition ? !g.number_known || !diagnostics_is_here(s) : diagnostics_is_all_there(s))
        return false;
    if (g.of_condition && (!g.number || g.number > diagnostics_counted(s, false))) {
        if (!target_conn(s)->mariadb) /* which adds to what it has: of an earlier statement */
            target_send_first(s, "DO 0");
        buf_text(out, "GET DIAGNOSTICS CONDITION 0 @x=MESSAGE_TEXT"); /* which servers refuse likewise, and set nothing */
        return true;
    }
    if (put_set(s, &g, out)) {
        keep_conditions(s);
        return true;
    }
    buf_fini(out);
    return false;
}
