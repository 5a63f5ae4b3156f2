/* Who a server is: server_uuid on MySQL; on MariaDB a row of ours, kept by server_id, since replicas get the rows of their
 * source. One server behind two names would let a transaction block itself; a known name with another server behind it may have
 * lost what was prepared: both are a person's matter. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "proxy/resolver/impl.h"

static const char read_row[] = "SELECT id FROM xaproxy.identity WHERE server_id = @@server_id";

static void make_uuid(char out[37])
{
    char hex[33];
    random_hex(hex, 16);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* Each step may find that it was done before. */
static bool make_row(struct server *s)
{
    char uuid[37];
    make_uuid(uuid);
    return !server_ask(s, "CREATE DATABASE IF NOT EXISTS xaproxy", NULL, NULL) &&
           !server_ask(s, "CREATE TABLE IF NOT EXISTS xaproxy.identity "
                          "(server_id BIGINT UNSIGNED NOT NULL PRIMARY KEY, id CHAR(36) NOT NULL) ENGINE=InnoDB", NULL, NULL) &&
           !server_askf(s, NULL, NULL, "INSERT IGNORE INTO xaproxy.identity VALUES (@@server_id, '%s')", uuid);
}

static bool read_identity(struct server *s, struct verdict *v)
{
    if (!v->mariadb)
        return server_value(s, "SELECT @@server_uuid", v->identity, sizeof v->identity) && *v->identity;
    if (server_value(s, read_row, v->identity, sizeof v->identity) && *v->identity)
        return true;
    return make_row(s) && server_value(s, read_row, v->identity, sizeof v->identity) && *v->identity;
}

static void remember(struct backend_job *job, const struct verdict *v)
{
    struct xa_identity identity = {0};
    snprintf(identity.backend, sizeof identity.backend, "%s", job->backend->config->name);
    snprintf(identity.server, sizeof identity.server, "%s", v->identity);
    journal_identity_set(job->resolver->o.journal, &identity);
    log_info("backend_identity", "backend=%s identity=%s", identity.backend, identity.server);
}

static void compare(struct backend_job *job, struct verdict *v)
{
    const struct resolver_options *o = &job->resolver->o;
    const char *name = job->backend->config->name;
    struct xa_identity known = {0};
    char by[33];
    /* A name that is configured no more holds nobody up. */
    if (journal_identity_taken(o->journal, name, v->identity, by, sizeof by) && config_backend(o->config, by) >= 0) {
        v->refused = true;
        verdict_note(v, "this is the server that backend %s names: two names for one server", by);
    } else if (!journal_identity(o->journal, name, &known)) {
        remember(job, v);
    } else if (strcmp(known.server, v->identity) && job->accept_identity) {
        job->accepted_ms = clock_wall_ms();
        remember(job, v);
    } else if (strcmp(known.server, v->identity)) {
        v->refused = true;
        verdict_note(v, "another server than before (was %s): if that is right, xactl accept-failover %s", known.server, name);
    }
    job->accept_identity = false;
}

void verdict_identity(struct backend_job *job, struct verdict *v)
{
    if (!read_identity(job->server, v)) {
        verdict_never(v, "no identity (%s): GRANT ALL ON xaproxy.* TO %s", server_error(job->server),
                      job->backend->config->resolver_user);
        return;
    }
    pthread_mutex_lock(&job->resolver->identity_lock);
    compare(job, v);
    pthread_mutex_unlock(&job->resolver->identity_lock);
}
