/* What is in doubt, all that is known of one transaction, and what could not be taken back in Redis. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "compensate/slot.h"
#include "proxy/admin/impl.h"
#include "proxy/session/phases.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"

static void add_in_doubt(void *arg, const struct resolver_in_doubt *d)
{
    struct session_table *t = arg;
    session_cell(t, d->gtrid);
    session_cell(t, d->where);
    session_cell(t, d->bqual);
    session_cell_printf(t, "%lld.%03lld", (long long)(d->age_ms / 1000), (long long)(d->age_ms % 1000));
    session_cell(t, d->fate);
    session_cell(t, d->decision);
    session_cell(t, d->who);
    session_cell(t, d->why);
}

void transactions_show_in_doubt(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"gtrid", "where", "branch", "age_s", "state", "decision", "who", "why", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    resolver_each_in_doubt(admin->resolver, add_in_doubt, &t);
    session_table_answer(s, &t);
}

/* --- one transaction ------------------------------------------------------------------------------------------------------- */

struct transaction_view {
    struct session_table table;
    struct world *world;
    const char *gtrid;
    bool found;
};

static void fact(struct transaction_view *v, const char *name, const char *text)
{
    v->found = true;
    session_cell(&v->table, name);
    session_cell(&v->table, text);
}

static void add_branch_in_doubt(void *arg, const struct resolver_in_doubt *d)
{
    struct transaction_view *v = arg;
    char text[512];
    if (strcmp(d->gtrid, v->gtrid))
        return;
    snprintf(text, sizeof text, "%.60s: %.200s%s%.160s", d->where, d->fate, *d->why ? "; " : "", d->why);
    fact(v, "in doubt", text);
}

static void add_session_of(void *arg, struct session *s)
{
    struct transaction_view *v = arg;
    char text[256];
    if (strcmp(tx_gtrid(s), v->gtrid))
        return;
    snprintf(text, sizeof text, "%llu of %.60s@%.60s: %s", (unsigned long long)s->id, s->user->name, s->peer,
             xa_tx_state_text(s->tx->machine.state));
    fact(v, "session", text);
}

static void add_decision(struct transaction_view *v)
{
    struct xa_decision d;
    enum xa_owner owner;
    char text[256];
    struct xa_registry *r = journal_registry(v->world->journal);
    if (!xa_registry_find(r, v->gtrid, &d, &owner))
        return;
    fact(v, "decision", "commit");
    fact(v, "who", d.who);
    snprintf(text, sizeof text, "%lld s ago", (long long)((clock_wall_ms() - d.decided_ms) / 1000));
    fact(v, "decided", text);
    fact(v, "owner", owner == XA_OWNER_SESSION ? "its session" : "the resolver");
    for (unsigned i = 0; i < d.n_branches; i++) {
        bool open = xa_registry_branch_open(r, v->gtrid, d.branch[i].backend, d.branch[i].bqual.text);
        snprintf(text, sizeof text, "%s on %s: %s", d.branch[i].bqual.text, d.branch[i].backend,
                 open ? "to be committed" : "settled");
        fact(v, "branch", text);
    }
    for (unsigned i = 0; i < d.n_slots; i++) {
        char slot[COMP_SLOT_TEXT];
        snprintf(text, sizeof text, "slot %s of %s", comp_slot_text(d.slot[i].slot, slot), d.slot[i].resource);
        fact(v, "redis", text);
    }
}

static void add_person(struct transaction_view *v)
{
    struct xa_person_verdict p;
    char text[512];
    if (!journal_person_said(v->world->journal, v->gtrid, &p))
        return;
    snprintf(text, sizeof text, "%s%s by %.80s: %.190s", p.commit ? "commit" : "rollback", p.forced ? " (forced)" : "", p.who,
             p.why);
    fact(v, "verdict", text);
}

void transactions_show(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"what", "value", NULL};
    struct transaction_view v = {.world = admin->world, .gtrid = st->argument};
    session_table_init(&v.table, columns);
    add_decision(&v);
    add_person(&v);
    resolver_each_in_doubt(admin->resolver, add_branch_in_doubt, &v);
    workers_each_session(admin->world, add_session_of, &v, 1000);
    if (v.found) {
        session_table_answer(s, &v.table);
        return;
    }
    buf_fini(&v.table.cells);
    session_answer_error(s, 1305, "42000", "transaction '%s' is neither open nor in doubt: it has ended, or never was",
                         st->argument);
}

static void add_conflict(void *arg, const struct resolver_conflict *c)
{
    struct session_table *t = arg;
    session_cell_printf(t, "%s/%s", c->resource, c->id);
    session_cell_printf(t, "%lld", (long long)((clock_wall_ms() - c->at_ms) / 1000));
    session_cell(t, c->gtrid);
    session_cell(t, c->key);
    session_cell(t, c->command);
    session_cell(t, c->outcome);
    session_cell(t, c->detail);
}

void transactions_show_conflicts(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"id", "age_s", "gtrid", "key", "command", "outcome", "detail", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    resolver_each_conflict(admin->resolver, add_conflict, &t);
    session_table_answer(s, &t);
}
