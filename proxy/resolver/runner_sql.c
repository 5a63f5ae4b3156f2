/* One attempt at a statement: on a connection of the account of the user who registered it, in one local transaction with the row
 * of the barrier. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/resolver/runner.h"

#define IDLE_MS 20000 /* a connection that was not used for so long is closed: nobody finds out whether it lives */

/* --- connections ---------------------------------------------------------------------------------------------------------- */

static void set_socket(struct runner *r, int fd)
{
    waits_on(r->resolver, &r->socket, fd);
}

struct server *runner_log_in(struct runner *r, const struct config_account *account, int timeout_ms, char *why, size_t size)
{
    struct config_backend row = r->resolver->o.config->backends[r->index];
    row.commit_timeout_ms = timeout_ms;
    if (account) {
        row.resolver_user = account->backend_user;
        row.resolver_password = account->password;
    }
    struct server *s = server_open(&row, why, size);
    if (s)
        set_socket(r, server_socket(s));
    return s;
}

void runner_log_out(struct runner *r, struct server *s)
{
    set_socket(r, -1);
    server_close(s);
}

static void close_connection(struct runner *r, struct runner_connection *c)
{
    runner_log_out(r, c->server);
    *c = (struct runner_connection){0};
}

void runner_close(struct runner *r)
{
    for (int i = 0; i < RUNNER_CONNECTIONS; i++)
        close_connection(r, &r->connection[i]);
    runner_close_redis(r);
}

static bool is_idle(const struct runner_connection *c)
{
    return clock_mono_ms() - c->used_ms >= IDLE_MS;
}

void runner_close_idle(struct runner *r)
{
    for (int i = 0; i < RUNNER_CONNECTIONS; i++)
        if (r->connection[i].server && is_idle(&r->connection[i]))
            close_connection(r, &r->connection[i]);
}

/* The one of this account, else a free place, else the one not used for longest. */
static struct runner_connection *place_for(struct runner *r, const struct config_account *account, int timeout_ms)
{
    struct runner_connection *oldest = &r->connection[0];
    runner_close_idle(r);
    for (int i = 0; i < RUNNER_CONNECTIONS; i++) {
        struct runner_connection *c = &r->connection[i];
        if (c->server && c->account == account && c->timeout_ms == timeout_ms)
            return c;
        if (c->used_ms < oldest->used_ms)
            oldest = c;
    }
    close_connection(r, oldest);
    return oldest;
}

static bool prepare_session(struct runner *r, struct server *s)
{
    return !server_askf(s, NULL, NULL, "SET SESSION autocommit=0, innodb_lock_wait_timeout=%d",
                        r->resolver->o.config->backends[r->index].lock_wait_s);
}

/* A server that refuses this account is there; one that does not answer is not. */
static enum action_result refused(const char *why)
{
    unsigned code = 0;
    return sscanf(why, "%u ", &code) == 1 && action_result_of_sql((uint16_t)code) == ACTION_PERMANENT ? ACTION_PERMANENT
                                                                                                     : ACTION_DOWN;
}

static bool is_in_use(const struct runner *r, char *error, size_t size)
{
    const struct backend *b = &r->resolver->o.backends->at[r->index];
    if (b->safety == BACKEND_SAFE || b->safety == BACKEND_SINGLE)
        return true;
    snprintf(error, size, "%s is not in use: %s", b->config->name, backend_safety_name((enum backend_safety)b->safety));
    return false;
}

static enum action_result open_connection(struct runner *r, struct runner_connection *c, const struct config_account *account,
                                          int timeout_ms, char *error, size_t size)
{
    c->server = runner_log_in(r, account, timeout_ms, error, size);
    if (!c->server)
        return refused(error);
    c->account = account;
    c->timeout_ms = timeout_ms;
    if (prepare_session(r, c->server))
        return ACTION_OK;
    snprintf(error, size, "%s", server_error(c->server));
    close_connection(r, c);
    return ACTION_DOWN;
}

/* Else the next action would run under what a procedure has set: with autocommit on its row in the barrier would stand although it
 * failed. */
static void clean_up(struct runner *r, struct runner_connection *c)
{
    if (!c->server || !c->soiled)
        return;
    c->soiled = false;
    *c->charset = '\0';
    if (server_reset(c->server) || !prepare_session(r, c->server))
        close_connection(r, c);
}

static enum action_result connection_for(struct runner *r, const struct action *a, struct runner_connection **out, char *error,
                                         size_t size)
{
    const struct config_account *account = config_account(r->resolver->o.config, a->user, a->resource);
    if (!account) {
        snprintf(error, size, "user %s has no [account] on %s any more", a->user, a->resource);
        return ACTION_PERMANENT;
    }
    if (!is_in_use(r, error, size))
        return ACTION_DOWN;
    struct runner_connection *c = *out = place_for(r, account, a->timeout_ms);
    enum action_result result = c->server ? ACTION_OK : open_connection(r, c, account, a->timeout_ms, error, size);
    if (result != ACTION_OK)
        return result;
    set_socket(r, server_socket(c->server));
    c->used_ms = clock_mono_ms();
    return ACTION_OK;
}

/* --- the transaction ------------------------------------------------------------------------------------------------------ */

/* Names come from the log, which has them from a session that knew them. */
static void append_name(struct buf *out, const char *name)
{
    buf_u8(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            buf_u8(out, '`');
        buf_u8(out, (uint8_t)*name);
    }
    buf_u8(out, '`');
}

/* Where the server does not know the collation SET NAMES fails: read in another character set the body may mean
 * something else. */
static void find_charset(struct server *s, const struct action *a, char *name, size_t size)
{
    char sql[120], found[ACTION_CHARSET_MAX + 1];
    snprintf(name, size, "%s", *a->charset ? a->charset : "utf8mb4");
    if (*name < '0' || *name > '9')
        return;
    snprintf(sql, sizeof sql, "SELECT CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID=%lu",
             strtoul(name, NULL, 10));
    if (server_value(s, sql, found, sizeof found) && *found)
        snprintf(name, size, "%s", found);
}

static uint16_t use_names(struct server *s, const struct action *a)
{
    struct buf sql = {0};
    uint16_t code;
    char charset[ACTION_CHARSET_MAX + 1];
    find_charset(s, a, charset, sizeof charset);
    buf_text(&sql, "SET NAMES ");
    append_name(&sql, charset);
    code = server_ask(s, buf_cstr(&sql), NULL, NULL);
    buf_clear(&sql);
    buf_text(&sql, "USE ");
    append_name(&sql, a->schema);
    if (!code && *a->schema)
        code = server_ask(s, buf_cstr(&sql), NULL, NULL);
    buf_fini(&sql);
    return code;
}

/* The server's own mode, but for what says where words end: a body must mean there what was read when it was registered. What
 * stands for several modes would bring its parts back. */
static uint16_t use_mode(struct server *s, const struct action *a)
{
    static const char *const with_quotes[] = {"ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"};
    struct buf sql = {0};
    size_t n = sizeof with_quotes / sizeof *with_quotes;
    buf_text(&sql, "SET SESSION sql_mode=CONCAT(");
    for (size_t i = 0; i < n; i++)
        buf_text(&sql, "REPLACE(");
    buf_text(&sql, "REPLACE(@@GLOBAL.sql_mode,'NO_BACKSLASH_ESCAPES','')");
    for (size_t i = 0; i < n; i++)
        buf_printf(&sql, ",'%s','')", with_quotes[i]);
    buf_printf(&sql, ",'%s%s')", a->ansi_quotes ? ",ANSI_QUOTES" : "", a->no_backslash_escapes ? ",NO_BACKSLASH_ESCAPES" : "");
    uint16_t code = server_ask(s, buf_cstr(&sql), NULL, NULL);
    buf_fini(&sql);
    return code;
}

static bool is_used(const struct runner_connection *c, const struct action *a)
{
    return *c->charset && !strcmp(c->schema, a->schema) && !strcmp(c->charset, *a->charset ? a->charset : "utf8mb4") &&
           c->ansi_quotes == a->ansi_quotes && c->no_backslash_escapes == a->no_backslash_escapes;
}

/* The mode first: names are quoted alike in all. */
static uint16_t use(struct runner_connection *c, const struct action *a)
{
    if (is_used(c, a))
        return 0;
    uint16_t code = use_mode(c->server, a);
    if (!code)
        code = use_names(c->server, a);
    c->ansi_quotes = a->ansi_quotes;
    c->no_backslash_escapes = a->no_backslash_escapes;
    snprintf(c->schema, sizeof c->schema, "%s", a->schema);
    snprintf(c->charset, sizeof c->charset, "%s", code ? "" : *a->charset ? a->charset : "utf8mb4");
    return code;
}

static uint16_t probe(struct runner *r, struct runner_connection *c, const struct action *a)
{
    bool happened = false;
    uint16_t code = barrier_probe(r, c, a, &happened);
    if (!code)
        code = server_ask(c->server, "COMMIT", NULL, NULL);
    if (code || happened)
        return code;
    (void)FAILPOINT(saga_step_refuted);
    log_info("saga_step_never_was", "gtrid=%s step=%s backend=%s", a->owner, a->by, a->resource);
    journal_step_never_was(r->resolver->o.journal, a);
    return 0;
}

/* What changes rows and names no variable leaves nothing. */
static bool leaves_something(struct slice body)
{
    static const char *const words[] = {"INSERT ", "UPDATE ", "DELETE ", "REPLACE "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (body.len > strlen(words[i]) && !strncasecmp((const char *)body.at, words[i], strlen(words[i])))
            return memchr(body.at, '@', body.len);
    return true;
}

static uint16_t work(struct runner *r, struct runner_connection *c, const struct action *a)
{
    struct server *s = c->server;
    bool before = false;
    uint16_t code = a->idempotent ? 0 : barrier_enter(r, c, a, &before);
    c->soiled = leaves_something(a->body);
    if (!code && !before)
        code = server_execute(s, a->body, a->args, a->n_args);
    if (!code)
        (void)FAILPOINT(action_uncommitted);
    return code ? code : server_ask(s, "COMMIT", NULL, NULL);
}

/* What may still run there must not run beside its repetition. */
static void give_up(struct runner *r, struct runner_connection *c)
{
    if (server_lost(c->server))
        resolver_kill_connection(r->resolver, r->index, server_connection_id(c->server), server_opened_ms(c->server));
    close_connection(r, c);
}

static enum action_result failed(struct runner *r, struct runner_connection *c, uint16_t code, char *error, size_t size)
{
    bool lost = server_lost(c->server);
    snprintf(error, size, "%u %s", code, server_error(c->server));
    if (lost || server_ask(c->server, "ROLLBACK", NULL, NULL))
        give_up(r, c);
    return lost || r->barrier_failed ? ACTION_TRANSIENT : action_result_of_sql(code);
}

/* It shall find what it follows, also by reads that no lock holds up: the decision is durable before the branches commit. */
static bool is_early(const struct runner *r, const struct action *a)
{
    struct xa_registry *registry = journal_registry(r->resolver->o.journal);
    if (!*a->by)
        return xa_registry_open_on(registry, a->owner, false, a->resource);
    return xa_registry_open_on(registry, a->by, false, a->resource) || xa_registry_open_on(registry, a->owner, true, a->resource);
}

enum action_result runner_do_sql(struct runner *r, const struct action *a, char *error, size_t size)
{
    struct runner_connection *c = NULL;
    r->barrier_failed = false;
    enum action_result result = connection_for(r, a, &c, error, size);
    if (result != ACTION_OK)
        return result;
    if (is_early(r, a)) {
        snprintf(error, size, "the transaction's branch on %s is not committed yet", a->resource);
        set_socket(r, -1);
        return ACTION_EARLY;
    }
    uint16_t code = use(c, a);
    if (!code)
        code = a->probe ? probe(r, c, a) : work(r, c, a);
    if (code)
        result = failed(r, c, code, error, size);
    clean_up(r, c);
    set_socket(r, -1);
    return result;
}
