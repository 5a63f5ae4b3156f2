/* A worker's set of pools, one an account, and the TLS contexts they share. Leaves lending to pool.c. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/backend/pool_impl.h"

struct net_tls *backend_tls_new(const struct config_backend *config, char *why, size_t why_size)
{
    *why = '\0';
    if (!config->tls || config->address[0] == '/')
        return NULL; /* a local socket is as private as TLS, and MariaDB offers none there */
    return net_tls_new(false, &(struct net_tls_options){.ca = config->tls_ca, .verify = config->tls_verify}, why, why_size);
}

static void set_up_tls(struct backend_pools *p, size_t i)
{
    const struct config_backend *config = p->backends->at[i].config;
    p->tls[i] = backend_tls_new(config, p->tls_why[i], sizeof p->tls_why[i]);
    if (p->tls[i])
        p->tls_why[i][0] = '\0';
    else if (p->tls_why[i][0])
        log_error("backend_tls", "backend=%s why=\"%s\"", config->name, p->tls_why[i]);
}

void backend_pools_reload_tls(struct backend_pools *p)
{
    for (size_t i = 0; i < p->backends->n; i++) {
        char why[256];
        if (!p->tls[i])
            set_up_tls(p, i);
        else if (net_tls_reload(p->tls[i], why, sizeof why))
            log_error("tls_reload_failed", "backend=%s why=\"%s\" consequence=\"the old ones stay in force\"",
                      p->backends->at[i].config->name, why);
    }
}

struct net_tls *backend_pools_tls(const struct backend_pools *p, unsigned backend)
{
    return p->tls[backend];
}

static struct backend *backend_of(const struct backend_pools *p, const struct config_account *account)
{
    for (size_t i = 0; i < p->backends->n; i++)
        if (strcmp(p->backends->at[i].config->name, account->backend) == 0)
            return &p->backends->at[i];
    return NULL;
}

struct backend_pools *backend_pools_new(struct net_loop *loop, const struct config *config, struct backends *backends)
{
    struct backend_pools *p = calloc(1, sizeof *p);
    CHECK(p);
    p->loop = loop;
    p->config = config;
    p->backends = backends;
    p->tls = calloc(backends->n + 1, sizeof *p->tls);
    p->tls_why = calloc(backends->n + 1, sizeof *p->tls_why);
    p->pool = calloc(config->n_accounts + 1, sizeof *p->pool);
    CHECK(p->tls && p->tls_why && p->pool);
    for (size_t i = 0; i < backends->n; i++)
        set_up_tls(p, i);
    for (size_t i = 0; i < config->n_accounts; i++)
        backend_pool_init(&p->pool[i], p, backend_of(p, &config->accounts[i]), &config->accounts[i]);
    return p;
}

void backend_pools_free(struct backend_pools *p)
{
    for (size_t i = 0; i < p->config->n_accounts; i++)
        backend_pool_fini(&p->pool[i]);
    for (size_t i = 0; i < p->backends->n; i++)
        net_tls_free(p->tls[i]);
    free(p->tls);
    free(p->tls_why);
    free(p->pool);
    free(p);
}

void backend_pools_on_open(struct backend_pools *p, void (*open)(void *arg, struct backend_conn *c),
                           void (*close)(void *arg, struct backend_conn *c), void *arg)
{
    p->on_open = open;
    p->on_close = close;
    p->arg = arg;
}

static struct backend_pool *pool_of(struct backend_pools *p, const struct config_account *account)
{
    size_t i = (size_t)(account - p->config->accounts);
    CHECK(account >= p->config->accounts && i < p->config->n_accounts);
    CHECK(p->pool[i].backend); /* an account of a backend that is not there does not pass the configuration's check */
    return &p->pool[i];
}

void backend_acquire(struct backend_pools *p, struct backend_request *r)
{
    struct backend_pool *pool = pool_of(p, r->account);
    CHECK(r->backend == pool->backend->index);
    backend_pool_acquire(pool, r);
}

void backend_cancel(struct backend_request *r)
{
    if (r->link.next)
        list_remove(&r->link);
}

void backend_release(struct backend_pools *p, struct backend_conn *c)
{
    backend_pool_release(pool_of(p, c->account), c);
}

void backend_park(struct backend_pools *p, struct backend_conn *c)
{
    backend_pool_park(pool_of(p, c->account), c);
}

void backend_take_back(struct backend_pools *p, struct backend_conn *c)
{
    backend_pool_take_back(pool_of(p, c->account), c);
}

static unsigned count(const struct list *l)
{
    unsigned n = 0;
    LIST_FOR(it, l)
        n++;
    return n;
}

void backend_pool_count(const struct backend_pool *pool, struct backend_pool_stats *out)
{
    out->lent += count(&pool->lent);
    out->parked += count(&pool->parked);
    out->idle += count(&pool->idle);
    out->opening += count(&pool->opening) + count(&pool->resetting) + count(&pool->leaving);
    out->waiting += count(&pool->waiting);
#define X(name) out->name += pool->count.name;
    BACKEND_POOL_COUNTERS(X)
#undef X
}

void backend_pool_stats(const struct backend_pools *p, unsigned backend, struct backend_pool_stats *out)
{
    *out = (struct backend_pool_stats){0};
    for (size_t i = 0; i < p->config->n_accounts; i++)
        if (p->pool[i].backend && p->pool[i].backend->index == backend)
            backend_pool_count(&p->pool[i], out);
}

void backend_pool_add_stats(const struct backend_pools *p, size_t account, struct backend_pool_stats *out)
{
    CHECK(account < p->config->n_accounts);
    backend_pool_count(&p->pool[account], out);
}
