/* Each admin statement is one function; the table at the end finds it. Here are those of sessions, configuration and counters. */
#include "proxy/admin/admin.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/admin/impl.h"
#include "proxy/journal/actions.h"
#include "proxy/session/phases.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"

static struct admin the_admin; /* one process, one resolver */

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

static void show_sessions(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"id",      "user",    "peer",        "schema", "phase",
                                          "since_s", "backend", "transaction", "state",  "doing", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    workers_each_session(admin->world, add_session, &t, 1000);
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

static void show_config(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"section", "name", "option", "value", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    config_each_value(admin->world->config, add_option, &t);
    session_table_answer(s, &t);
}

static void count(struct session_table *t, const char *name, uint64_t value)
{
    session_cell(t, name);
    session_cell_number(t, (int64_t)value);
}

static void count_actions(struct session_table *t, struct journal *journal)
{
    struct journal_action_stats a;
    journal_action_stats(journal, &a);
#define X(name, text) count(t, "actions_" #name, a.name);
    JOURNAL_ACTION_COUNTERS(X)
#undef X
    count(t, "actions_now_armed", a.now.count[ACTION_ARMED]);
    count(t, "actions_now_due", a.now.count[ACTION_DUE] + a.now.count[ACTION_RUNNING]);
    count(t, "actions_now_wait", a.now.count[ACTION_WAIT]);
    count(t, "actions_now_dead", a.now.count[ACTION_DEAD]);
    int64_t age_ms = a.oldest_due_ms ? clock_wall_ms() - a.oldest_due_ms : 0;
    count(t, "actions_oldest_ms", age_ms > 0 ? (uint64_t)age_ms : 0);
    count(t, "actions_bytes", a.now.bytes);
}

static void show_status(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"name", "value", NULL};
    struct session_table t;
    struct resolver_counters resolver;
    struct wal_stats wal;
    (void)st;
    session_table_init(&t, columns);
    count(&t, "clients", admin->world->clients);
    count(&t, "clients_unauthenticated", admin->world->unauthenticated);
#define X(name) count(&t, #name, admin->world->count.name);
    WORLD_COUNTERS(X)
#undef X
    resolver_counters(admin->resolver, &resolver);
#define X(name, text) count(&t, "resolver_" #name, resolver.name);
    RESOLVER_COUNTERS(X)
#undef X
    count(&t, "in_doubt", resolver.in_doubt);
    count(&t, "in_doubt_oldest_ms", (uint64_t)resolver.oldest_in_doubt_ms);
    count(&t, "foreign_branches", resolver.foreign);
    count_actions(&t, admin->world->journal);
    wal_stats(journal_wal(admin->world->journal), &wal);
    count(&t, "log_records", wal.records);
    count(&t, "log_bytes", wal.bytes);
    count(&t, "log_syncs", wal.syncs);
    count(&t, "log_segments", wal.segments);
    count(&t, "log_refused", wal.refused);
    session_table_answer(s, &t);
}

static void show_help(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"statement", "what it does", NULL};
    struct session_table t;
    (void)admin;
    (void)st;
    session_table_init(&t, columns);
    for (int i = 0; i < ADMIN_STATEMENT_COUNT; i++) {
        session_cell(&t, admin_statement_usage((enum admin_statement_kind)i));
        session_cell(&t, admin_statement_help((enum admin_statement_kind)i));
    }
    session_table_answer(s, &t);
}

static void show_processlist(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    (void)admin;
    processlist_show(s, st->kind == ADMIN_SHOW_FULL_PROCESSLIST);
}

static void run_kill(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    struct slice text = {buf_at(&s->command) + 1, buf_len(&s->command) - 1};
    struct sql_context ctx;
    (void)admin;
    (void)st;
    statement_context(s, &ctx);
    (void)sql_next_statement(&text, &ctx, s->statement);
    if (s->statement->kind == SQL_KILL)
        kill_statement(s);
    else
        session_answer_error(s, 1064, "42000", "KILL [QUERY | CONNECTION] id, or KILL USER 'name'");
}

static void set_nothing(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    (void)admin;
    (void)st;
    session_answer_ok(s);
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static void on_query(struct session *s, struct slice text)
{
    static void (*const run[ADMIN_STATEMENT_COUNT])(const struct admin *, struct session *, const struct admin_statement *) = {
        [ADMIN_SHOW_IN_DOUBT] = transactions_show_in_doubt,
        [ADMIN_SHOW_TRANSACTION] = transactions_show,
        [ADMIN_SHOW_CONFLICTS] = transactions_show_conflicts,
        [ADMIN_SHOW_BACKENDS] = servers_show_backends,
        [ADMIN_SHOW_REDIS] = servers_show_redis,
        [ADMIN_SHOW_POOLS] = servers_show_pools,
        [ADMIN_SHOW_TLS] = servers_show_tls,
        [ADMIN_SHOW_SESSIONS] = show_sessions,
        [ADMIN_SHOW_CONFIG] = show_config,
        [ADMIN_SHOW_STATUS] = show_status,
        [ADMIN_SHOW_PROCESSLIST] = show_processlist,
        [ADMIN_SHOW_FULL_PROCESSLIST] = show_processlist,
        [ADMIN_SHOW_ACTIONS] = actions_run,
        [ADMIN_SHOW_ALL_ACTIONS] = actions_run,
        [ADMIN_SHOW_FULL_ACTIONS] = export_actions,
        [ADMIN_SHOW_DEAD_ACTIONS] = actions_run,
        [ADMIN_SHOW_ACTION] = actions_run,
        [ADMIN_RETRY_ACTION] = actions_run,
        [ADMIN_EDIT_ACTION] = actions_run,
        [ADMIN_DISMISS_ACTION] = actions_run,
        [ADMIN_SHOW_RECONCILIATION] = reconcile_show,
        [ADMIN_SWEEP] = reconcile_sweep,
        [ADMIN_COMMIT_TRANSACTION] = verdict_run,
        [ADMIN_ROLLBACK_TRANSACTION] = verdict_run,
        [ADMIN_RETRY_CONFLICT] = verdict_run,
        [ADMIN_FORCE_CONFLICT] = verdict_run,
        [ADMIN_DISMISS_CONFLICT] = verdict_run,
        [ADMIN_ADOPT_LOG] = verdict_run,
        [ADMIN_ACCEPT_FAILOVER] = verdict_run,
        [ADMIN_KILL] = run_kill,
        [ADMIN_HELP] = show_help,
        [ADMIN_SET] = set_nothing,
    };
    struct admin_statement st;
    char error[256];
    if (!admin_statement_parse(text, &st, error, sizeof error))
        session_answer_error(s, 1064, "42000", "%s", error);
    else
        run[st.kind](&the_admin, s, &st);
    buf_fini(&st.body);
}

void admin_init(struct world *world, struct resolver *resolver)
{
    the_admin = (struct admin){world, resolver};
    world->admin_query = on_query;
}
