/* SELECT ... FROM xa.actions, xa.transactions, xa.conflicts: what a user may know of its own. Leaves which of it is asked for to
 * xa_select.c, everybody's to the DBA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "proxy/journal/actions.h"
#include "proxy/session/phases.h"
#include "proxy/session/round.h"
#include "proxy/session/saga.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"
#include "proxy/session/xa_select.h"

#define BODY_SHOWN 1000 /* bytes */

/* --- actions ------------------------------------------------------------------------------------------------------------ */

static const char *const action_columns[] = {"id",       "transaction", "seq", "step",       "on",       "resource", "body",  "state",
                                             "attempts", "behind",      "key", "registered", "next_try", "error",    NULL};

struct gathering {
    const struct session *session;
    struct session_table table;
};

static void add_time(struct session_table *t, int64_t wall_ms)
{
    char text[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (!wall_ms || !gmtime_r(&seconds, &tm)) {
        session_cell(t, NULL);
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    session_cell_printf(t, "%s.%03d", text, (int)(wall_ms % 1000));
}

static void add_action(void *arg, const struct action *a)
{
    struct gathering *g = arg;
    struct session_table *t = &g->table;
    if (strcmp(a->user, g->session->user->name))
        return;
    session_cell_number(t, (int64_t)a->id);
    session_cell(t, a->owner);
    session_cell_number(t, a->seq);
    session_cell(t, *a->step ? a->step : NULL);
    session_cell(t, a->on == ACTION_ON_COMMIT ? "commit" : "rollback");
    session_cell(t, a->resource);
    session_cell_bytes(t, (struct slice){a->body.at, a->body.len < BODY_SHOWN ? a->body.len : BODY_SHOWN});
    session_cell(t, action_state_name(a->state));
    session_cell_number(t, a->attempts);
    if (a->behind)
        session_cell_number(t, (int64_t)a->behind);
    else
        session_cell(t, NULL);
    session_cell(t, *a->key ? a->key : NULL);
    add_time(t, a->registered_ms);
    add_time(t, a->state == ACTION_WAIT ? a->next_ms : 0);
    session_cell(t, *a->error ? a->error : NULL);
}

static void gather_actions(struct session *s, struct sql_select *q)
{
    struct gathering g = {.session = s};
    session_table_init(&g.table, action_columns);
    journal_each_action(s->world->journal, add_action, &g);
    xa_select_answer(s, q, &g.table);
}

/* --- transactions ------------------------------------------------------------------------------------------------------- */

static const char *const transaction_columns[] = {"transaction", "saga", "session", "state", "seconds", "servers", NULL};

struct transactions {
    struct round round;
    const struct config_user *user;
    struct sql_select *q;
    struct session_table table;
};

static void add_transaction(struct round *r, struct session *s)
{
    struct transactions *all = CONTAINER_OF(r, struct transactions, round);
    struct session_table *t = &all->table;
    if (!s->tx || s->user != all->user)
        return;
    session_cell(t, s->tx->gtrid.text);
    session_cell(t, s->saga ? saga_gtrid(s->saga) : NULL);
    session_cell_number(t, (int64_t)s->id);
    session_cell(t, s->tx->local ? "local to one server" : xa_tx_state_text(s->tx->machine.state));
    session_cell_number(t, (net_loop_now_ms(s->worker->loop) - s->tx->began_ms) / 1000);
    session_cell_number(t, s->tx->local ? 1 : s->tx->machine.n_branches);
}

/* Kept as user@address; a name may have an @, an address has none. */
static bool is_whose(const char *who, const struct config_user *user)
{
    const char *at = strrchr(who, '@');
    return at && (size_t)(at - who) == strlen(user->name) && !memcmp(who, user->name, (size_t)(at - who));
}

static void add_decided(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    struct transactions *all = arg;
    struct session_table *t = &all->table;
    if (owner != XA_OWNER_RESOLVER || !is_whose(d->who, all->user))
        return;
    session_cell(t, d->gtrid.text);
    session_cell(t, *d->saga ? d->saga : NULL);
    session_cell(t, NULL);
    session_cell(t, "committed; a part is out of reach and will follow");
    session_cell_number(t, (clock_wall_ms() - d->decided_ms) / 1000);
    session_cell_number(t, d->n_branches);
}

static void answer_gathered(struct round *r, struct session *s)
{
    struct transactions *all = CONTAINER_OF(r, struct transactions, round);
    xa_registry_each(journal_registry(s->world->journal), add_decided, all);
    xa_select_answer(s, all->q, &all->table);
    all->q = NULL;
}

static void free_transactions(struct round *r)
{
    struct transactions *all = CONTAINER_OF(r, struct transactions, round);
    buf_fini(&all->table.cells);
    xa_select_free(all->q);
    free(all);
}

static void gather_transactions(struct session *s, struct sql_select *q)
{
    struct transactions *all = calloc(1, sizeof *all);
    CHECK(all);
    all->round = (struct round){.visit = add_transaction, .answer = answer_gathered, .free = free_transactions};
    all->user = s->user;
    all->q = q;
    session_table_init(&all->table, transaction_columns);
    round_begin(s, &all->round);
}

/* --- conflicts ---------------------------------------------------------------------------------------------------------- */

static const char *const conflict_columns[] = {"id",  "resource", "age_s",   "transaction",
                                               "key", "command",  "outcome", "detail",      NULL};

static void add_conflict(void *arg, const struct session_conflict *c)
{
    struct gathering *g = arg;
    struct session_table *t = &g->table;
    if (!rights_to_schema(g->session, g->session->user, c->resource))
        return;
    session_cell(t, c->id);
    session_cell(t, c->resource);
    session_cell_number(t, c->age_s);
    session_cell(t, c->gtrid);
    session_cell(t, c->key);
    session_cell(t, c->command);
    session_cell(t, c->outcome);
    session_cell(t, c->detail);
}

static void gather_conflicts(struct session *s, struct sql_select *q)
{
    struct gathering g = {.session = s};
    session_table_init(&g.table, conflict_columns);
    s->world->resolver->each_conflict(s->world->resolver_arg, add_conflict, &g);
    xa_select_answer(s, q, &g.table);
}

/* --- which -------------------------------------------------------------------------------------------------------------- */

static const struct {
    struct sql_select_table table;
    void (*gather)(struct session *s, struct sql_select *q);
} tables[] = {
    {{"actions", action_columns, 1u << 0 | 1u << 2 | 1u << 8 | 1u << 9}, gather_actions},
    {{"transactions", transaction_columns, 1u << 2 | 1u << 4 | 1u << 5}, gather_transactions},
    {{"conflicts", conflict_columns, 1u << 2}, gather_conflicts},
};
#define N_TABLES (sizeof tables / sizeof *tables)

const struct sql_select_table *xa_table(size_t i)
{
    return i < N_TABLES ? &tables[i].table : NULL;
}

static void answer_select(struct session *s, const char *name)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (strcasecmp(tables[i].table.name, name))
            continue;
        struct sql_select *q = xa_select_read(s, &tables[i].table);
        if (q)
            tables[i].gather(s, q);
        return;
    }
    session_answer_error(s, 1146, "42S02", "Table 'xa.%.100s' doesn't exist; there are xa.actions, xa.transactions and xa.conflicts",
                         name);
}

void xa_tables_answer(struct session *s)
{
    char schema[SQL_NAME_SIZE], name[SQL_NAME_SIZE];
    bool selects = sql_select_from(s->statement->text, &s->dialect, schema, name);
    if (selects && !strcasecmp(schema, "xa"))
        answer_select(s, name);
    else if (!xa_describe(s))
        session_answer_error(s, 1235, "42000",
                             "of xa there is SELECT ... FROM xa.actions, xa.transactions or xa.conflicts alone, SHOW TABLES FROM xa,"
                             " DESCRIBE xa.actions, and CALL");
}
