/* The table by which an action is done once on a server, although it may be tried many times: its row and the statement are one
 * local transaction. Made by the resolver's account, used by those of users; old rows go. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/resolver/runner.h"

#define CHECK_MS 600000 /* rights may come and go; whoever meets it and fails looks too */
#define DOUBT_MS 500     /* between looks that somebody asked for by needing it */
#define PURGE_MS 60000
#define PURGE_ROWS 200
#define FENCE_KEEP_MS INT64_C(172800000) /* longer than anything waits in a socket */

static const char *schema_of(const struct runner *r)
{
    return r->resolver->o.config->backends[r->index].barrier_schema;
}

static void count_row(void *arg, const struct slice *value, unsigned n)
{
    (void)value;
    (void)n;
    ++*(unsigned *)arg;
}

/* --- an action ----------------------------------------------------------------------------------------------------------- */

uint16_t barrier_enter(struct runner *r, struct runner_connection *c, const struct action *a, bool *before)
{
    struct server *s = c->server;
    uint16_t code = server_askf(s, NULL, NULL, "INSERT IGNORE INTO `%s`.barrier (gtrid, seq, op) VALUES ('%s', %u, '%s')",
                                schema_of(r), a->owner, a->seq, a->on == ACTION_ON_COMMIT ? "fin" : "undo");
    *before = !code && !server_affected(s);
    if (!code)
        backends_set_barrier(r->resolver->o.backends, c->account, 1);
    r->barrier_failed = code;
    return code;
}

/* A row in the step's own place is ours or the step's. Ours has a second one beside it, so that who asks again is told the
 * same; where the step's transaction is still open, its row is waited for. */
uint16_t barrier_probe(struct runner *r, struct runner_connection *c, const struct action *a, bool *happened)
{
    struct server *s = c->server;
    unsigned ours = 0;
    uint16_t code = server_askf(s, NULL, NULL, "INSERT IGNORE INTO `%s`.barrier (gtrid, seq, op) VALUES ('%s', 0, 'act')",
                                schema_of(r), a->by);
    bool before = !code && !server_affected(s);
    if (!code && before)
        code = server_askf(s, count_row, &ours, "SELECT 1 FROM `%s`.barrier WHERE gtrid='%s' AND seq=0 AND op='undo'",
                           schema_of(r), a->by);
    else if (!code)
        code = server_askf(s, NULL, NULL, "INSERT INTO `%s`.barrier (gtrid, seq, op) VALUES ('%s', 0, 'undo')", schema_of(r),
                           a->by);
    *happened = before && !ours;
    r->barrier_failed = code;
    return code;
}

/* --- whether accounts may use it ------------------------------------------------------------------------------------------- */

/* EXPLAIN asks for the rights of what it explains. */
static bool may_use(const struct runner *r, struct server *s)
{
    return !server_askf(s, NULL, NULL, "EXPLAIN INSERT INTO `%s`.barrier (gtrid, seq, op) VALUES ('', 0, 'fin')", schema_of(r));
}

static void judge_account(struct runner *r, const struct config_account *account)
{
    struct backends *backends = r->resolver->o.backends;
    char why[256] = "";
    struct server *s = runner_log_in(r, account, ACTION_TIMEOUT_MS, why, sizeof why);
    int usable = s ? may_use(r, s) ? 1 : -1 : 0;
    if (s && server_lost(s)) /* that is no answer */
        usable = backends_barrier(backends, account);
    else if (usable < 0)
        snprintf(why, sizeof why, "%s", server_error(s));
    if (usable == -1 && backends_barrier(backends, account) >= 0)
        log_warn("barrier_unusable", "backend=%s account=%s why=\"%s\" remedy=\"GRANT INSERT, SELECT ON %s.barrier TO %s\"",
                 account->backend, account->backend_user, why, schema_of(r), account->backend_user);
    backends_set_barrier(backends, account, usable);
    runner_log_out(r, s);
}

/* --- upkeep ---------------------------------------------------------------------------------------------------------------- */

static void add_old(void *arg, const struct slice *value, unsigned n)
{
    struct buf *keys = arg;
    if (n == 3)
        buf_printf(keys, "%s(X'%.*s',%.*s,'%.*s')", buf_len(keys) ? "," : "", (int)value[0].len, (const char *)value[0].at,
                   (int)value[1].len, (const char *)value[1].at, (int)value[2].len, (const char *)value[2].at);
}

int64_t barrier_keep_ms(struct journal *j)
{
    int64_t now_ms = clock_wall_ms(), oldest_ms = journal_oldest_action_ms(j);
    return FENCE_KEEP_MS + (oldest_ms && oldest_ms < now_ms ? now_ms - oldest_ms : 0);
}

/* Found without locks and removed by their keys: no range is locked in which actions enter theirs. False: not answered. */
static bool purge_some(const struct runner *r, struct server *s, int64_t older_s, bool *more)
{
    const struct journal *j = r->resolver->o.journal;
    struct buf keys = {0}, sql = {0};
    bool answered = !server_askf(s, add_old, &keys,
                                 "SELECT HEX(gtrid), seq, op FROM `%s`.barrier FORCE INDEX (at) "
                                 "WHERE at < CURRENT_TIMESTAMP - INTERVAL %lld SECOND "
                                 "AND gtrid LIKE '" XA_GTRID_PREFIX "%s:%s:%%' LIMIT %d",
                                 schema_of(r), (long long)older_s, journal_node(j), journal_log_id(j), PURGE_ROWS);
    *more = answered && buf_len(&keys);
    if (*more) {
        buf_printf(&sql, "DELETE FROM `%s`.barrier WHERE (gtrid, seq, op) IN (%s)", schema_of(r), buf_cstr(&keys));
        answered = !server_ask(s, buf_cstr(&sql), NULL, NULL);
    }
    buf_fini(&keys);
    buf_fini(&sql);
    return answered;
}

/* Only our own rows, and none that an action that still waits may ask for. */
static bool purge(struct runner *r, struct server *s)
{
    int64_t older_ms = barrier_keep_ms(r->resolver->o.journal);
    bool more = true, answered = true;
    while (more && answered && !r->resolver->stopping)
        answered = purge_some(r, s, older_ms / 1000, &more);
    return answered;
}

/* op: fin = done after a commit, undo = after a rollback; of number 0, act = a step that committed here by itself. Older tables
 * know no steps. */
static uint16_t make_table(struct server *s, const char *schema)
{
    unsigned old = 0;
    /* without the right, it may be there */
    (void)!server_askf(s, NULL, NULL, "CREATE DATABASE IF NOT EXISTS `%s`", schema);
    uint16_t code = server_askf(s, NULL, NULL,
                                "CREATE TABLE IF NOT EXISTS `%s`.barrier ("
                                "gtrid VARBINARY(64) NOT NULL, seq INT UNSIGNED NOT NULL, op ENUM('undo','fin','act') NOT NULL, "
                                "at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), "
                                "PRIMARY KEY (gtrid, seq, op), KEY (at)) ENGINE=InnoDB", schema);
    if (!code)
        code = server_askf(s, count_row, &old,
                           "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='barrier' "
                           "AND COLUMN_NAME='op' AND COLUMN_TYPE NOT LIKE '%%act%%'", schema);
    if (!code && old)
        code = server_askf(s, NULL, NULL, "ALTER TABLE `%s`.barrier MODIFY op ENUM('undo','fin','act') NOT NULL", schema);
    return code;
}

void barrier_provide(struct server *s, const char *schema)
{
    unsigned there = 0;
    if (server_askf(s, count_row, &there,
                    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='barrier'", schema) || there)
        return;
    /* a runner tries again, and may wait */
    if (!server_ask(s, "SET SESSION lock_wait_timeout=1", NULL, NULL) && !make_table(s, schema))
        log_info("barrier_made", "schema=%s connection=%llu", schema, (unsigned long long)server_connection_id(s));
    (void)!server_ask(s, "SET SESSION lock_wait_timeout=DEFAULT", NULL, NULL);
}

static void judge(struct runner *r, struct server *s)
{
    const struct config *c = r->resolver->o.config;
    const char *backend = c->backends[r->index].name;
    if (make_table(s, schema_of(r)) && server_lost(s))
        return;
    for (size_t i = 0; i < c->n_accounts && !r->resolver->stopping; i++)
        if (!strcmp(c->accounts[i].backend, backend))
            judge_account(r, &c->accounts[i]);
    r->judged_ms = clock_mono_ms();
}

static bool is_due(int64_t last_ms, int64_t every_ms)
{
    return !last_ms || clock_mono_ms() - last_ms >= every_ms;
}

/* Somebody was refused for want of it, since the last look. */
static bool is_doubted(const struct runner *r)
{
    const struct config *c = r->resolver->o.config;
    bool doubted = false;
    for (size_t i = 0; i < c->n_accounts; i++)
        doubted = doubted || (!strcmp(c->accounts[i].backend, c->backends[r->index].name) &&
                              backends_barrier(r->resolver->o.backends, &c->accounts[i]) == -2);
    return doubted;
}

static bool should_judge(const struct runner *r)
{
    return r->barrier_failed || (!r->number && is_due(r->judged_ms, is_doubted(r) ? DOUBT_MS : CHECK_MS));
}

void barrier_look_after(struct runner *r)
{
    const struct backend *b = &r->resolver->o.backends->at[r->index];
    bool there = b->reachable && (b->safety == BACKEND_SAFE || b->safety == BACKEND_SINGLE);
    bool judges = should_judge(r);
    bool purges = !r->number && is_due(r->purged_ms, PURGE_MS);
    if (!there || (!judges && !purges))
        return;
    char why[256];
    struct server *s = runner_log_in(r, NULL, ACTION_TIMEOUT_MS, why, sizeof why);
    if (s && judges)
        judge(r, s);
    if (s && purges && purge(r, s))
        r->purged_ms = clock_mono_ms();
    r->barrier_failed = false;
    runner_log_out(r, s);
    if (s && judges)
        log_info("barrier_judged", "backend=%s", b->config->name);
}
