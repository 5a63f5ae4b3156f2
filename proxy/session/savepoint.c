/* Savepoints: one name on every server with a branch, and a mark in each Redis resource. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

/* --- the list ------------------------------------------------------------------------------------------------------------ */

static void free_savepoint(struct session_savepoint *sp)
{
    list_remove(&sp->link);
    free(sp->redis_marks);
    free(sp);
}

void tx_free_savepoints(struct list *savepoints)
{
    LIST_FOR_SAFE(it, savepoints)
        free_savepoint(CONTAINER_OF(it, struct session_savepoint, link));
}

void tx_move_savepoints(struct list *from, struct list *to)
{
    LIST_FOR_SAFE(it, from)
    {
        list_remove(it);
        list_push_back(to, it);
    }
}

static struct session_savepoint *find_savepoint(struct session_tx *tx, const char *name)
{
    LIST_FOR(it, &tx->savepoints)
    {
        struct session_savepoint *sp = CONTAINER_OF(it, struct session_savepoint, link);
        if (!strcasecmp(sp->name, name))
            return sp;
    }
    return NULL;
}

static void drop_after(struct session_tx *tx, struct session_savepoint *sp, bool itself)
{
    while (sp->link.next != &tx->savepoints)
        free_savepoint(CONTAINER_OF(sp->link.next, struct session_savepoint, link));
    if (itself)
        free_savepoint(sp);
}

static void remember_savepoint(struct session *s, const char *name)
{
    struct session_savepoint *sp = find_savepoint(s->tx, name);
    if (sp)
        free_savepoint(sp); /* a second one of the same name replaces the first */
    sp = calloc(1, sizeof *sp);
    CHECK(sp);
    snprintf(sp->name, sizeof sp->name, "%s", name);
    undo_mark(s->tx, sp);
    sp->action_mark = actions_mark(s->tx);
    list_push_back(&s->tx->savepoints, &sp->link);
}

/* --- on the servers ------------------------------------------------------------------------------------------------------ */

static void put_command(const struct session *s, struct buf *out, const char *verb, const char *name)
{
    buf_text(out, verb);
    sql_quote_name(out, name, &s->dialect);
}

void tx_send_savepoints(struct session *s, struct session_tx *tx)
{
    struct buf text = {0};
    LIST_FOR(it, &tx->savepoints)
    {
        buf_clear(&text);
        put_command(s, &text, "SAVEPOINT ", CONTAINER_OF(it, struct session_savepoint, link)->name);
        target_send_first(s, buf_cstr(&text));
    }
    buf_fini(&text);
}

static void send_everywhere(struct session *s, const char *verb, void (*on_done)(struct session *))
{
    struct buf text = {0};
    put_command(s, &text, verb, s->statement->name);
    if (!fan_out(s, buf_cstr(&text), on_done))
        on_done(s);
    buf_fini(&text);
}

/* A savepoint that failed on a part leaves the parts different: only ROLLBACK is left. */
static bool answered_error(struct session *s)
{
    if (!s->fan.error)
        return false;
    tx_fail(s);
    session_answer_error(s, s->fan.error, s->fan.sqlstate, "%s", s->fan.message);
    return true;
}

static void on_everywhere(struct session *s)
{
    if (!answered_error(s))
        session_answer_ok(s);
}

/* --- the statements ------------------------------------------------------------------------------------------------------ */

void tx_savepoint(struct session *s)
{
    if (!s->tx && s->autocommit) {
        session_answer_ok(s); /* as servers do: outside a transaction it means nothing */
        return;
    }
    tx_open(s);
    remember_savepoint(s, s->statement->name);
    send_everywhere(s, "SAVEPOINT ", on_everywhere);
}

static bool no_such_savepoint(struct session *s)
{
    if (s->tx && find_savepoint(s->tx, s->statement->name))
        return false;
    session_answer_error(s, 1305, "42000", "SAVEPOINT %s does not exist", s->statement->name);
    return true;
}

void tx_release_savepoint(struct session *s)
{
    if (no_such_savepoint(s))
        return;
    drop_after(s->tx, find_savepoint(s->tx, s->statement->name), true);
    send_everywhere(s, "RELEASE SAVEPOINT ", on_everywhere);
}

static void on_redis_back(struct session *s, bool ok)
{
    if (ok)
        session_answer_ok(s);
    else
        session_answer_error(s, 1402, "XA100",
                             "XA_RBROLLBACK: Redis could not be rolled back to the savepoint: ROLLBACK the transaction");
}

static void on_servers_back(struct session *s)
{
    if (answered_error(s))
        return;
    session_enter(s, SESSION_REDIS, "rollback to savepoint");
    struct session_savepoint *sp = find_savepoint(s->tx, s->statement->name);
    actions_back_to(s->tx, sp->action_mark);
    if (!undo_back_to(s->tx, sp, on_redis_back))
        session_answer_ok(s);
}

void tx_rollback_to(struct session *s)
{
    if (no_such_savepoint(s))
        return;
    drop_after(s->tx, find_savepoint(s->tx, s->statement->name), false);
    send_everywhere(s, "ROLLBACK TO SAVEPOINT ", on_servers_back);
}
