/* Each admin statement is one function; the table at the end finds it. Verdicts of people are in verdict.c. */
#include "proxy/admin/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/admin/impl.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"

static struct admin admin; /* one process, one resolver */

/* --- what is in doubt ----------------------------------------------------------------------------------------------------- */

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

static void show_in_doubt(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"gtrid", "where", "branch", "age_s", "state", "decision", "who", "why", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    resolver_each_in_doubt(admin.resolver, add_in_doubt, &t);
    session_table_answer(s, &t);
}

/* --- one transaction ------------------------------------------------------------------------------------------------------- */

struct transaction_view {
    struct session_table table;
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
    struct xa_registry *r = journal_registry(admin.world->journal);
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
        snprintf(text, sizeof text, "slot %u of %s", d.slot[i].slot, d.slot[i].resource);
        fact(v, "redis", text);
    }
}

static void add_person(struct transaction_view *v)
{
    struct xa_person_verdict p;
    char text[512];
    if (!journal_person_said(admin.world->journal, v->gtrid, &p))
        return;
    snprintf(text, sizeof text, "%s%s by %.80s: %.190s", p.commit ? "commit" : "rollback", p.forced ? " (forced)" : "", p.who,
             p.why);
    fact(v, "verdict", text);
}

static void show_transaction(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"what", "value", NULL};
    struct transaction_view v = {.gtrid = st->argument};
    session_table_init(&v.table, columns);
    add_decision(&v);
    add_person(&v);
    resolver_each_in_doubt(admin.resolver, add_branch_in_doubt, &v);
    workers_each_session(admin.world, add_session_of, &v, 1000);
    if (v.found) {
        session_table_answer(s, &v.table);
        return;
    }
    buf_fini(&v.table.cells);
    session_answer_error(s, 1305, "42000", "transaction '%s' is neither open nor in doubt: it has ended, or never was",
                         st->argument);
}

/* --- servers --------------------------------------------------------------------------------------------------------------- */

static void show_backends(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name",    "address",  "state", "reachable", "version",
                                          "identity", "restarts", "schemas", "verdict", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < admin.world->backends.n; i++) {
        struct backend *b = &admin.world->backends.at[i];
        struct backend_texts texts;
        struct buf schemas = {0};
        backend_texts(b, &texts);
        for (char **schema = b->config->schemas; schema && *schema; schema++)
            buf_printf(&schemas, "%s%s", buf_len(&schemas) ? " " : "", *schema);
        session_cell(&t, b->config->name);
        if (b->config->address[0] == '/')
            session_cell(&t, b->config->address);
        else
            session_cell_printf(&t, "%s:%d", b->config->address, b->config->port);
        session_cell(&t, backend_safety_name((enum backend_safety)b->safety));
        session_cell(&t, b->reachable ? "yes" : "no");
        session_cell(&t, texts.version);
        session_cell(&t, texts.identity);
        session_cell_number(&t, (int64_t)b->restarts);
        session_cell(&t, buf_cstr(&schemas));
        session_cell(&t, texts.verdict);
        buf_fini(&schemas);
    }
    session_table_answer(s, &t);
}

static void add_pools(void *arg, struct worker *w)
{
    struct backend_pool_stats *stats = arg;
    for (size_t i = 0; i < w->world->config->n_accounts; i++)
        backend_pool_add_stats(w->backends, i, &stats[i]);
}

static void show_pools(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {
        "backend", "account",
#define X(name) #name,
        BACKEND_POOL_GAUGES(X) BACKEND_POOL_COUNTERS(X)
#undef X
        NULL};
    const struct config *config = admin.world->config;
    struct backend_pool_stats *stats = calloc(config->n_accounts + 1, sizeof *stats);
    struct session_table t;
    (void)st;
    CHECK(stats);
    session_table_init(&t, columns);
    workers_each(admin.world, add_pools, stats, 1000);
    for (size_t i = 0; i < config->n_accounts; i++) {
        session_cell(&t, config->accounts[i].backend);
        session_cell(&t, config->accounts[i].user);
#define X(name) session_cell_number(&t, (int64_t)stats[i].name);
        BACKEND_POOL_GAUGES(X)
        BACKEND_POOL_COUNTERS(X)
#undef X
    }
    free(stats);
    session_table_answer(s, &t);
}

static void show_redis(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name", "address", "usable", "reachable", "version", "verdict", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < admin.world->redis.n; i++) {
        struct redis_resource *r = &admin.world->redis.at[i];
        struct redis_resource_texts texts;
        redis_resource_texts(r, &texts);
        session_cell(&t, r->config->name);
        session_cell_printf(&t, "%s:%d", r->config->address, r->config->port);
        session_cell(&t, r->usable > 0 ? "yes" : r->usable < 0 ? "no" : "not checked yet");
        session_cell(&t, r->reachable ? "yes" : "no");
        session_cell(&t, texts.version);
        session_cell(&t, texts.verdict);
    }
    session_table_answer(s, &t);
}

static void add_tls(struct session_table *t, const char *kind, const char *name, const struct net_tls_state *state)
{
    session_cell_printf(t, "%s %s", kind, name);
    session_cell(t, state->subject);
    session_cell(t, state->not_after);
    session_cell_number(t, (clock_wall_ms() - state->loaded_ms) / 1000);
    session_cell(t, state->error);
    session_cell_number(t, (int64_t)state->handshakes);
    session_cell_number(t, (int64_t)state->resumed);
}

static void add_listener_tls(struct session_table *t, const struct config_listener *listener, struct net_tls *tls)
{
    struct net_tls_state state;
    if (!tls)
        return;
    net_tls_state(tls, &state);
    add_tls(t, "listener", listener->name, &state);
}

/* Each worker has its own, of the same files. */
static void add_backend_tls(struct session_table *t, unsigned backend)
{
    struct net_tls_state state, all = {0};
    unsigned found = 0;
    for (unsigned i = 0; i < admin.world->n_workers; i++) {
        struct net_tls *tls = backend_pools_tls(admin.world->workers[i].backends, backend);
        if (!tls)
            continue;
        net_tls_state(tls, &state);
        state.handshakes += all.handshakes;
        state.resumed += all.resumed;
        all = state;
        found++;
    }
    if (found)
        add_tls(t, "backend", admin.world->config->backends[backend].name, &all);
}

static void show_tls(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"where", "subject", "not_after", "loaded_s", "error", "handshakes", "resumed", NULL};
    const struct config *c = admin.world->config;
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (size_t i = 0; i < c->n_listeners; i++)
        add_listener_tls(&t, &c->listeners[i], admin.world->listener_tls[i]);
    for (unsigned i = 0; i < c->n_backends; i++)
        add_backend_tls(&t, i);
    session_table_answer(s, &t);
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

static void show_conflicts(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"id", "age_s", "gtrid", "key", "command", "outcome", "detail", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    resolver_each_conflict(admin.resolver, add_conflict, &t);
    session_table_answer(s, &t);
}

/* --- sessions, configuration, counters ---------------------------------------------------------------------------- */

static void add_session(void *arg, struct session *s)
{
    struct session_table *t = arg;
    char doing[96];
    session_cell_number(t, (int64_t)s->id);
    session_cell(t, s->user ? s->user->name : NULL);
    session_cell(t, s->peer);
    session_cell(t, *s->schema ? s->schema : NULL);
    session_cell(t, session_phase_text(s->phase));
    session_cell_number(t, (net_loop_now_ms(s->worker->loop) - s->since_ms) / 1000);
    session_cell(t, s->phase == SESSION_RUNNING && s->target >= 0 ? s->world->config->backends[s->target].name : NULL);
    session_cell(t, s->tx ? s->tx->gtrid.text : NULL);
    session_cell(t, s->tx ? xa_tx_state_text(s->tx->machine.state) : NULL);
    processlist_state(s, doing, sizeof doing);
    session_cell(t, doing);
}

static void show_sessions(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"id",      "user",    "peer",        "schema", "phase",
                                          "since_s", "backend", "transaction", "state",  "doing", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    workers_each_session(admin.world, add_session, &t, 1000);
    session_table_answer(s, &t);
}

static void add_option(void *arg, const char *section, const char *name, const char *option, const char *value)
{
    struct session_table *t = arg;
    session_cell(t, section);
    session_cell(t, name);
    session_cell(t, option);
    session_cell(t, value);
}

static void show_config(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"section", "name", "option", "value", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    config_each_value(admin.world->config, add_option, &t);
    session_table_answer(s, &t);
}

static void count(struct session_table *t, const char *name, uint64_t value)
{
    session_cell(t, name);
    session_cell_number(t, (int64_t)value);
}

static void show_status(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name", "value", NULL};
    struct session_table t;
    struct resolver_counters resolver;
    struct wal_stats wal;
    (void)st;
    session_table_init(&t, columns);
    count(&t, "clients", admin.world->clients);
    count(&t, "clients_unauthenticated", admin.world->unauthenticated);
#define X(name) count(&t, #name, admin.world->count.name);
    WORLD_COUNTERS(X)
#undef X
    resolver_counters(admin.resolver, &resolver);
#define X(name, text) count(&t, "resolver_" #name, resolver.name);
    RESOLVER_COUNTERS(X)
#undef X
    count(&t, "in_doubt", resolver.in_doubt);
    count(&t, "in_doubt_oldest_ms", (uint64_t)resolver.oldest_in_doubt_ms);
    count(&t, "foreign_branches", resolver.foreign);
    wal_stats(journal_wal(admin.world->journal), &wal);
    count(&t, "log_records", wal.records);
    count(&t, "log_bytes", wal.bytes);
    count(&t, "log_syncs", wal.syncs);
    count(&t, "log_segments", wal.segments);
    count(&t, "log_refused", wal.refused);
    session_table_answer(s, &t);
}

static void show_help(struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"statement", "what it does", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    for (int i = 0; i < ADMIN_STATEMENT_COUNT; i++) {
        session_cell(&t, admin_statement_usage((enum admin_statement_kind)i));
        session_cell(&t, admin_statement_help((enum admin_statement_kind)i));
    }
    session_table_answer(s, &t);
}

static void show_processlist(struct session *s, const struct admin_statement *st)
{
    processlist_show(s, st->kind == ADMIN_SHOW_FULL_PROCESSLIST);
}

static void run_kill(struct session *s, const struct admin_statement *st)
{
    struct slice text = {buf_at(&s->command) + 1, buf_len(&s->command) - 1};
    struct sql_context ctx;
    (void)st;
    statement_context(s, &ctx);
    (void)sql_next_statement(&text, &ctx, s->statement);
    if (s->statement->kind == SQL_KILL)
        kill_statement(s);
    else
        session_answer_error(s, 1064, "42000", "KILL [QUERY | CONNECTION] id, or KILL USER 'name'");
}

static void set_nothing(struct session *s, const struct admin_statement *st)
{
    (void)st;
    session_answer_ok(s);
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static void on_query(struct session *s, struct slice text)
{
    static void (*const run[ADMIN_STATEMENT_COUNT])(struct session *, const struct admin_statement *) = {
        [ADMIN_SHOW_IN_DOUBT] = show_in_doubt,   [ADMIN_SHOW_TRANSACTION] = show_transaction,
        [ADMIN_SHOW_BACKENDS] = show_backends,   [ADMIN_SHOW_REDIS] = show_redis, [ADMIN_SHOW_POOLS] = show_pools,
        [ADMIN_SHOW_CONFLICTS] = show_conflicts, [ADMIN_SHOW_SESSIONS] = show_sessions,
        [ADMIN_SHOW_TLS] = show_tls,
        [ADMIN_SHOW_CONFIG] = show_config,       [ADMIN_SHOW_STATUS] = show_status,
        [ADMIN_SHOW_PROCESSLIST] = show_processlist,
        [ADMIN_SHOW_FULL_PROCESSLIST] = show_processlist,
        [ADMIN_KILL] = run_kill,
        [ADMIN_HELP] = show_help,                [ADMIN_SET] = set_nothing,
    };
    struct admin_statement st;
    char error[256];
    if (!admin_statement_parse(text, &st, error, sizeof error))
        session_answer_error(s, 1064, "42000", "%s", error);
    else if (run[st.kind])
        run[st.kind](s, &st);
    else
        verdict_run(&admin, s, &st);
}

void admin_init(struct world *world, struct resolver *resolver)
{
    admin = (struct admin){world, resolver};
    world->admin_query = on_query;
}
