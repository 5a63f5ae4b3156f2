/* The judgement over a server before it may take part: what its settings promise, who it is, whether another proxy works there
 * with our log. What it must promise: docs/promises.md, "What it rests on". */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/resolver/impl.h"

#define ER_XAER_RMERR 1401 /* MySQL's answer to XA RECOVER without the right */
#define MARIADB_MIN 100500 /* before, a prepared branch was rolled back when its connection ended */
#define MYSQL_MIN 50707    /* likewise */
#define MYSQL_BINLOG_SAFE 80030

/* --- adding to the verdict ---------------------------------------------------------------------------------------------- */

static void PRINTF_LIKE(2, 0) add(struct verdict *v, const char *fmt, va_list args)
{
    size_t at = strlen(v->text);
    if (at && at + 3 < sizeof v->text)
        at += (size_t)snprintf(v->text + at, sizeof v->text - at, "; ");
    vsnprintf(v->text + at, sizeof v->text - at, fmt, args);
}

#define ADD()                \
    do {                     \
        va_list args;        \
        va_start(args, fmt); \
        add(v, fmt, args);   \
        va_end(args);        \
    } while (0)

void verdict_never(struct verdict *v, const char *fmt, ...)
{
    v->never = true;
    ADD();
}

PRINTF_LIKE(2, 3) static void verdict_unsafe(struct verdict *v, const char *fmt, ...)
{
    v->unsafe = true;
    ADD();
}

void verdict_note(struct verdict *v, const char *fmt, ...)
{
    ADD();
}

/* --- settings ----------------------------------------------------------------------------------------------------------- */

/* X(field, variable) */
#define VARIABLES(X) \
    X(version, "version") \
    X(flush, "innodb_flush_log_at_trx_commit") \
    X(log_bin, "log_bin") \
    X(sync_binlog, "sync_binlog") \
    X(binlog_format, "binlog_format") \
    X(rollback_on_timeout, "innodb_rollback_on_timeout") \
    X(autocommit, "autocommit") \
    X(detach, "xa_detach_on_prepare") \
    X(wsrep, "wsrep_on") \
    X(replicate_do, "replicate_do_db") \
    X(replicate_ignore, "replicate_ignore_db") \
    X(doublewrite, "innodb_doublewrite")
struct variables {
#define X(field, name) char field[64];
    VARIABLES(X)
#undef X
    char legacy_xa[64]; /* the first legacy_xa... that is ON */
    bool ansi_quotes, no_backslash_escapes;
};

static void take(char *out, size_t size, struct slice value)
{
    snprintf(out, size, "%.*s", (int)value.len, value.at ? (const char *)value.at : "");
}

static void take_mode(struct variables *v, struct slice mode)
{
    v->ansi_quotes = memmem(mode.at, mode.len, "ANSI_QUOTES", 11);
    v->no_backslash_escapes = memmem(mode.at, mode.len, "NO_BACKSLASH_ESCAPES", 20);
}

static void on_variable(void *arg, const struct slice *value, unsigned n)
{
    struct variables *v = arg;
    if (n < 2)
        return;
#define X(field, name) \
    if (slice_is_word(value[0], name)) \
        take(v->field, sizeof v->field, value[1]);
    VARIABLES(X)
#undef X
    if (value[0].len > 9 && !strncasecmp((const char *)value[0].at, "legacy_xa", 9) && slice_is_word(value[1], "ON"))
        take(v->legacy_xa, sizeof v->legacy_xa, value[0]);
    if (slice_is_word(value[0], "sql_mode") && value[1].at)
        take_mode(v, value[1]);
}

static bool is_on(const char *value)
{
    return !strcasecmp(value, "ON") || !strcmp(value, "1");
}

static int version_number(const char *text)
{
    int a = 0, b = 0, c = 0;
    return sscanf(text, "%d.%d.%d", &a, &b, &c) >= 2 ? a * 10000 + b * 100 + c : 0;
}

static void judge_version(struct verdict *v, const struct variables *s)
{
    v->mariadb = strcasestr(s->version, "mariadb") != NULL;
    v->version = version_number(s->version);
    snprintf(v->version_text, sizeof v->version_text, "%s", s->version);
    if (v->version < (v->mariadb ? MARIADB_MIN : MYSQL_MIN))
        verdict_never(v, "version %s loses prepared branches when their connection ends", s->version);
    else if (!v->mariadb && v->version < MYSQL_BINLOG_SAFE && is_on(s->log_bin))
        verdict_unsafe(v, "before 8.0.30 a crash between binary log and engine may lose a prepared branch");
}

static void judge_settings(struct verdict *v, const struct variables *s)
{
    if (strcmp(s->flush, "1") != 0)
        verdict_unsafe(v, "innodb_flush_log_at_trx_commit=%s, must be 1", s->flush);
    if (is_on(s->log_bin) && strcmp(s->sync_binlog, "1") != 0 && !v->mariadb)
        verdict_unsafe(v, "sync_binlog=%s, must be 1", s->sync_binlog);
    else if (is_on(s->log_bin) && strcmp(s->sync_binlog, "1") != 0)
        verdict_note(v, "sync_binlog=%s: a crash may lose what replicas need", s->sync_binlog);
    if (is_on(s->log_bin) && *s->binlog_format && strcasecmp(s->binlog_format, "ROW") != 0)
        verdict_unsafe(v, "binlog_format=%s, must be ROW", s->binlog_format);
    if (!strcasecmp(s->doublewrite, "OFF"))
        verdict_note(v, "innodb_doublewrite=OFF");
    if (*s->legacy_xa)
        verdict_never(v, "%s=ON rolls prepared branches back at disconnect", s->legacy_xa);
    if (is_on(s->wsrep))
        verdict_never(v, "Galera (wsrep_on) does not support XA");
    if (*s->replicate_do || *s->replicate_ignore)
        verdict_note(v, "replica filters and XA do not go together");
}

static void judge_tls(const struct config_backend *c, struct verdict *v)
{
    if (c->tls && c->tls_verify && !server_name_checked(c))
        verdict_note(v, "the resolver's client library checks the certificate's issuer, but not tls_name=%s", c->tls_name);
}

/* --- rights -------------------------------------------------------------------------------------------------------------- */

static void on_grant(void *arg, const struct slice *value, unsigned n)
{
    bool *may_kill = arg;
    char *text = n && value[0].at ? slice_dup(value[0]) : NULL;
    if (text && (strcasestr(text, "CONNECTION ADMIN") || strcasestr(text, "CONNECTION_ADMIN") || strcasestr(text, "SUPER") ||
                 strcasestr(text, "ALL PRIVILEGES ON *.*")))
        *may_kill = true;
    free(text);
}

static void on_recovered(void *arg, const struct slice *value, unsigned n)
{
    bool *foreign = arg;
    if (n && !slice_is(value[0], "1"))
        *foreign = true;
}

static void judge_rights(struct backend_job *job, struct verdict *v)
{
    bool may_kill = false, foreign = false;
    uint16_t code = server_ask(job->server, "XA RECOVER", on_recovered, &foreign);
    if (code == ER_XAER_RMERR)
        verdict_never(v, "%s may not XA RECOVER: GRANT XA_RECOVER_ADMIN ON *.*", job->backend->config->resolver_user);
    else if (code)
        verdict_never(v, "XA RECOVER fails: %u %s", code, server_error(job->server));
    if (server_ask(job->server, "SELECT 1 FROM information_schema.INNODB_TRX LIMIT 1", NULL, NULL))
        verdict_never(v, "%s does not see other connections: GRANT PROCESS ON *.*", job->backend->config->resolver_user);
    if (!server_ask(job->server, "SHOW GRANTS", on_grant, &may_kill) && !may_kill)
        verdict_unsafe(v, "%s may not end connections: GRANT %s ON *.*", job->backend->config->resolver_user,
                       v->mariadb ? "CONNECTION ADMIN" : "CONNECTION_ADMIN");
    job->foreign_format = job->foreign_format || (foreign && !v->mariadb);
}

/* --- when it began ---------------------------------------------------------------------------------------------------- */

static void on_uptime(void *arg, const struct slice *value, unsigned n)
{
    char text[24] = "";
    if (n > 1)
        take(text, sizeof text, value[1]);
    *(int64_t *)arg = atoll(text);
}

/* False: not answered. Where the answer takes long nobody knows of which moment it is. */
static bool ask_start(struct backend_job *job, int64_t *start_s)
{
    for (int tries = 3; tries; tries--) {
        int64_t asked_ms = clock_wall_ms(), uptime_s = -1;
        if (server_ask(job->server, "SHOW GLOBAL STATUS LIKE 'Uptime'", on_uptime, &uptime_s) || uptime_s < 0)
            return false;
        *start_s = asked_ms / 1000 - uptime_s;
        if (clock_wall_ms() - asked_ms < 1000)
            break;
    }
    return true;
}

/* Once a connection, which ends with its server. Seconds are all that this tells: a start that differs by more than their
 * rounding is another start. */
static void note_start(struct backend_job *job)
{
    struct backend *b = job->backend;
    int64_t start_s, before_s = b->server_start_s;
    if (job->judged_ms || !ask_start(job, &start_s))
        return;
    if (before_s && llabs(start_s - before_s) <= 2)
        return;
    if (before_s) {
        b->restarts++;
        lock_forget(job); /* ended with that server */
        log_info("backend_restarted", "backend=%s", b->config->name);
    }
    b->server_start_s = start_s;
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

static enum backend_safety safety_of(const struct verdict *v, const struct config_backend *c)
{
    if (v->refused)
        return BACKEND_REFUSED;
    if (v->never || (v->unsafe && !c->allow_unsafe))
        return BACKEND_SINGLE;
    return BACKEND_SAFE;
}

static void pronounce(struct backend_job *job, const struct verdict *v, const struct variables *s)
{
    struct backend *b = job->backend;
    struct backend_texts before;
    enum backend_safety safety = safety_of(v, b->config);
    const char *text = *v->text ? v->text : "good";
    backend_texts(b, &before);
    b->mariadb = v->mariadb;
    b->rollback_on_timeout = is_on(s->rollback_on_timeout);
    b->no_autocommit = !is_on(s->autocommit);
    b->ansi_quotes = s->ansi_quotes;
    b->no_backslash_escapes = s->no_backslash_escapes;
    b->detach_on_prepare = is_on(s->detach);
    b->charset = server_charset(job->server);
    job->clean = !v->never && !v->unsafe && !v->refused;
    if (safety != (enum backend_safety)b->safety || strcmp(before.verdict, text) != 0)
        log_write(safety == BACKEND_SAFE ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "backend_verdict",
                  "backend=%s safety=%s version=%s identity=%s verdict=\"%s\"", b->config->name, backend_safety_name(safety),
                  v->version_text, v->identity, text);
    backend_set_identity(b, v->version_text, v->identity);
    backend_set_verdict(b, safety, "%s", text);
}

bool verdict_judge(struct backend_job *job)
{
    struct verdict v = {0};
    struct variables s = {0};
    note_start(job);
    if (server_ask(job->server, "SHOW GLOBAL VARIABLES", on_variable, &s))
        return false;
    judge_version(&v, &s);
    judge_settings(&v, &s);
    judge_rights(job, &v);
    verdict_identity(job, &v);
    if (!v.refused)
        verdict_lock(job, &v);
    if (!v.refused && !job->judged_ms)
        barrier_provide(job->server, job->backend->config->barrier_schema);
    judge_tls(job->backend->config, &v);
    if (job->foreign_format)
        verdict_unsafe(&v, "branches of others with another formatID: this server may roll back ours at a crash");
    if (server_lost(job->server))
        return false;
    job->judged_ms = clock_mono_ms();
    if (!job->first_judged_ms)
        job->first_judged_ms = job->judged_ms;
    pronounce(job, &v, &s);
    return true;
}
