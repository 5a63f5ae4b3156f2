/* What a single value cannot show: references to what is not there, values that contradict each other. Each complaint
 * stands at the line that should change and names the other one. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proxy/config/table.h"

enum { SCHEMAS_MAX = 10000 };

/* --- listeners --- */

static bool same_place(const char *address_a, int port_a, const char *address_b, int port_b)
{
    return !strcasecmp(address_a, address_b) && (*address_a == '/' || port_a == port_b);
}

static bool is_near(const char *address)
{
    return *address == '/' || !strcmp(address, "::1") || !strcmp(address, "localhost") || !strncmp(address, "127.", 4);
}

static void check_redis_port(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_listener *l = &c->listeners[n];
    char hint[200];
    struct config_suggestion resource = {.word = l->redis};
    if (!l->redis && (!l->auth || l->redis_admin))
        config_complain(s, config_line(s, CONFIG_KIND_listener, n, l->auth ? "redis_admin" : "auth"),
                        "\"%s\" is for a Redis port: redis = NAME", l->auth ? "redis_admin" : "auth");
    if (!l->redis)
        return;
    for (size_t m = 0; m < c->n_redis; m++)
        config_suggest(&resource, c->redis[m].name);
    if (config_redis(c, l->redis) < 0)
        config_complain(s, config_line(s, CONFIG_KIND_listener, n, "redis"), "there is no [redis %s]%s", l->redis,
                        config_suggested(&resource, hint, sizeof hint));
    if (l->admin)
        config_complain(s, config_line(s, CONFIG_KIND_listener, n, "redis"), "[listener %s] cannot speak to the DBA and be a Redis"
                        " port", l->name);
    if (!l->auth && !is_near(l->address))
        config_complain(s, config_line(s, CONFIG_KIND_listener, n, "auth"), "auth = off is for a loopback address or a local socket,"
                        " not for %s", l->address);
    if (l->tls_cert && !l->tls_required && *l->address != '/')
        config_complain(s, config_line(s, CONFIG_KIND_listener, n, "tls_required"), "a Redis port speaks TLS or does not: without"
                        " TLS it has no tls_cert");
}

static void check_listener(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_listener *l = &c->listeners[n];
    int line = config_line(s, CONFIG_KIND_listener, n, NULL);
    if (!l->tls_cert != !l->tls_key)
        config_complain(s, line, "[listener %s]: tls_cert and tls_key are given together", l->name);
    else if (l->tls_required && !l->tls_cert)
        config_complain(
            s, line,
            "[listener %s] requires TLS and has no tls_cert and tls_key (certs/make-dev-certs makes some for a "
            "try); or say tls_required = off",
            l->name);
    check_redis_port(s, c, n);
    if (l->tls_ca && !l->tls_cert)
        config_complain(s, line, "[listener %s]: tls_ca without tls_cert and tls_key", l->name);
    for (size_t m = 0; m < n; m++)
        if (same_place(l->address, l->port, c->listeners[m].address, c->listeners[m].port))
            config_complain(s, line, "[listener %s] listens where [listener %s] does (line %d)", l->name,
                            c->listeners[m].name, config_line(s, CONFIG_KIND_listener, m, NULL));
}

static size_t count_users(const struct config *c, bool admin)
{
    size_t found = 0;
    for (size_t n = 0; n < c->n_users; n++)
        found += c->users[n].admin == admin;
    return found;
}

static void check_listeners(struct config_source *s, const struct config *c)
{
    bool clients = false;
    for (size_t n = 0; n < c->n_listeners; n++) {
        check_listener(s, c, n);
        clients |= !c->listeners[n].admin && !c->listeners[n].redis;
        if (!count_users(c, c->listeners[n].admin))
            config_complain(s, config_line(s, CONFIG_KIND_listener, n, NULL),
                            "nobody could log in at [listener %s]: there is no [%s NAME]", c->listeners[n].name,
                            c->listeners[n].admin ? "admin" : "user");
    }
    if (!clients)
        config_complain(s, 1, "there is no [listener NAME] for clients");
}

/* --- backends --- */

static void check_schema(struct config_source *s, const struct config *c, size_t backend, const char *schema)
{
    int line = config_line(s, CONFIG_KIND_backend, backend, "schemas"), redis = config_redis(c, schema);
    for (size_t m = 0; m < backend; m++)
        for (char **other = c->backends[m].schemas; other && *other; other++)
            if (!strcmp(*other, schema))
                config_complain(s, line, "schema \"%s\" is also on [backend %s] (line %d)", schema, c->backends[m].name,
                                config_line(s, CONFIG_KIND_backend, m, "schemas"));
    if (redis >= 0)
        config_complain(s, line, "schema \"%s\" has the name of [redis %s] (line %d): CALL %s.… would mean both",
                        schema, c->redis[redis].name, config_line(s, CONFIG_KIND_redis, (size_t)redis, NULL), schema);
    if (!strcasecmp(schema, "xa"))
        config_complain(s, line, "\"xa\" is the proxy's own: CALL xa.…");
}

static void check_backend(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_backend *b = &c->backends[n];
    int line = config_line(s, CONFIG_KIND_backend, n, NULL);
    for (char **schema = b->schemas; schema && *schema; schema++)
        check_schema(s, c, n, *schema);
    if (!*b->barrier_schema || strchr(b->barrier_schema, '`') || strlen(b->barrier_schema) > 64)
        config_complain(s, config_line(s, CONFIG_KIND_backend, n, "barrier_schema"), "\"%.80s\" is no name of a schema",
                        b->barrier_schema);
    for (size_t m = 0; m < n; m++) {
        const struct config_backend *other = &c->backends[m];
        if (same_place(b->address, b->port, other->address, other->port))
            config_complain(
                s, line,
                "[backend %s] is the same server as [backend %s] (line %d): give it one section with all its schemas",
                b->name, other->name, config_line(s, CONFIG_KIND_backend, m, NULL));
        if (b->is_default && other->is_default)
            config_complain(s, config_line(s, CONFIG_KIND_backend, n, "default"),
                            "[backend %s] is the default already (line %d)", other->name,
                            config_line(s, CONFIG_KIND_backend, m, "default"));
    }
}

/* What begins with xa: is ours; nobody may get there by what stands before his keys. */
static void check_key_prefix(struct config_source *s, const struct config_redis *r, size_t n)
{
    static const char ours[] = "xa:";
    size_t len = r->key_prefix ? strlen(r->key_prefix) : sizeof ours;
    if (r->key_prefix && !strncmp(r->key_prefix, ours, len < sizeof ours - 1 ? len : sizeof ours - 1))
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "key_prefix"),
                        "\"%.80s\" as a prefix would reach keys that begin with %s, which belong to the proxy", r->key_prefix, ours);
    if (r->key_prefix && strlen(r->key_prefix) > CONFIG_KEY_PREFIX_MAX)
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "key_prefix"), "key_prefix has at most %d bytes",
                        CONFIG_KEY_PREFIX_MAX);
    if (r->key_prefix && strchr(r->key_prefix, '*')) /* SORT's patterns take the first one for theirs */
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "key_prefix"), "a star cannot stand in key_prefix");
}

static void check_redis_nodes(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_redis *r = &c->redis[n];
    char host[256];
    int port, line = config_line(s, CONFIG_KIND_redis, n, "nodes");
    if (!r->nodes)
        config_complain(s, line, "[redis %s] needs \"nodes\": where the %s are", r->name,
                        r->mode == CONFIG_REDIS_SENTINEL ? "Sentinels" : "servers of the cluster");
    for (char **node = r->nodes; node && *node; node++)
        if (!config_address_read(*node, host, &port))
            config_complain(s, line, "\"%.80s\" is no address:port", *node);
}

static bool is_given(const struct config_source *s, size_t n, const char *option)
{
    return config_part_item(config_source_part(s, CONFIG_KIND_redis, n), option);
}

/* What belongs to the mode is there, and nothing else. */
static void check_redis_mode(struct config_source *s, const struct config *c, size_t n)
{
    static const struct {
        const char *option, *modes;
        bool in[3];
    } options[] = {
        {"address", "mode = standalone", {true, false, false}},
        {"port", "mode = standalone", {true, false, false}},
        {"nodes", "sentinel and cluster", {false, true, true}},
        {"master_name", "mode = sentinel", {false, true, false}},
        {"sentinel_user", "mode = sentinel", {false, true, false}},
        {"sentinel_password", "mode = sentinel", {false, true, false}},
        {"sentinel_password_file", "mode = sentinel", {false, true, false}},
    };
    const struct config_redis *r = &c->redis[n];
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (!options[i].in[r->mode] && is_given(s, n, options[i].option))
            config_complain(s, config_line(s, CONFIG_KIND_redis, n, options[i].option), "\"%s\" is for %s", options[i].option,
                            options[i].modes);
    if (r->mode != CONFIG_REDIS_STANDALONE)
        check_redis_nodes(s, c, n);
    if (r->mode == CONFIG_REDIS_SENTINEL && !r->master_name)
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, NULL), "[redis %s] needs \"master_name\"", r->name);
    if (r->sentinel_user && !r->sentinel_password)
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "sentinel_user"),
                        "\"sentinel_user\" without sentinel_password or sentinel_password_file");
    if (r->mode == CONFIG_REDIS_CLUSTER && r->db)
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "db"), "a cluster has no database but 0");
}

static bool is_servers_own(const char *name)
{
    return !strcasecmp(name, "mysql") || !strcasecmp(name, "sys") || !strcasecmp(name, "information_schema") ||
           !strcasecmp(name, "performance_schema");
}

static void check_redis(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_redis *r = &c->redis[n];
    int line = config_line(s, CONFIG_KIND_redis, n, NULL);
    if (!strcasecmp(r->name, "xa"))
        config_complain(s, line, "[redis %s]: \"xa\" is the proxy's own: CALL xa.…", r->name);
    if (is_servers_own(r->name))
        config_complain(s, line, "[redis %s]: servers have a schema of this name of their own, which is open to every user", r->name);
    if (!r->tls_cert != !r->tls_key)
        config_complain(s, line, "[redis %s]: tls_cert and tls_key are given together", r->name);
    if (r->user && !r->password)
        config_complain(s, config_line(s, CONFIG_KIND_redis, n, "user"), "\"user\" without password or password_file");
    check_redis_mode(s, c, n);
    check_key_prefix(s, r, n);
    for (size_t m = 0; m < n && r->mode == CONFIG_REDIS_STANDALONE; m++) {
        const struct config_redis *other = &c->redis[m];
        if (other->mode == r->mode && same_place(r->address, r->port, other->address, other->port) && r->db == other->db)
            config_complain(s, line, "[redis %s] is the same database as [redis %s] (line %d)", r->name,
                            c->redis[m].name, config_line(s, CONFIG_KIND_redis, m, NULL));
    }
}

/* --- users --- */

static void check_account(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_account *a = &c->accounts[n];
    int line = config_line(s, CONFIG_KIND_account, n, NULL);
    char hint[200];
    struct config_suggestion backend = {.word = a->backend}, user = {.word = a->user};
    for (size_t m = 0; m < c->n_backends; m++)
        config_suggest(&backend, c->backends[m].name);
    for (size_t m = 0; m < c->n_users; m++)
        if (!c->users[m].admin)
            config_suggest(&user, c->users[m].name);
    if (config_backend(c, a->backend) < 0)
        config_complain(s, line, "[account %s@%s]: there is no [backend %s]%s", a->user, a->backend, a->backend,
                        config_suggested(&backend, hint, sizeof hint));
    if (strcmp(a->user, "*") && !config_user(c, a->user, strlen(a->user), false))
        config_complain(s, line, "[account %s@%s]: there is no [user %s]%s", a->user, a->backend, a->user,
                        config_suggested(&user, hint, sizeof hint));
    if (!strcmp(a->backend_user, "*"))
        config_complain(s, line, "[account *@%s] needs \"user\": the account that anyone uses there", a->backend);
}

static void check_grant(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_grant *g = &c->grants[n];
    const struct config_user *u = config_user(c, g->user, strlen(g->user), false);
    int line = config_line(s, CONFIG_KIND_grant, n, NULL), redis = config_redis(c, g->redis);
    if (redis < 0)
        config_complain(s, line, "[grant %s@%s]: there is no [redis %s]", g->user, g->redis, g->redis);
    if (strcmp(g->user, "*") && !u)
        config_complain(s, line, "[grant %s@%s]: there is no [user %s]", g->user, g->redis, g->user);
    if (redis >= 0 && u && u->schemas && !config_lists(u->schemas, c->redis[redis].name))
        config_complain(s, line, "[grant %s@%s]: \"schemas\" of [user %s] has no %s", g->user, g->redis, g->user, g->redis);
    if (!g->commands && !g->keys)
        config_complain(s, line, "[grant %s@%s] needs \"commands\" or \"keys\"", g->user, g->redis);
    if (g->commands && **g->commands == '-')
        config_complain(s, config_line(s, CONFIG_KIND_grant, n, "commands"),
                        "what nobody has given cannot be taken back: put @all before \"%s\"", *g->commands);
}

static bool asks_for_certificates(const struct config *c, bool admin)
{
    for (size_t n = 0; n < c->n_listeners; n++)
        if (c->listeners[n].admin == admin && c->listeners[n].tls_ca)
            return true;
    return false;
}

static bool has_listener(const struct config *c, const char *name)
{
    for (size_t n = 0; n < c->n_listeners; n++)
        if (!c->listeners[n].admin && !strcmp(c->listeners[n].name, name))
            return true;
    return false;
}

static void check_rights(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_user *u = &c->users[n];
    enum config_kind kind = u->admin ? CONFIG_KIND_admin : CONFIG_KIND_user;
    if ((u->require_cert || u->cert_subject || u->cert_issuer || u->cert_identity) && !asks_for_certificates(c, u->admin))
        config_complain(s, config_line(s, kind, n, NULL), "[%s %s] needs a client certificate, and no listener has tls_ca",
                        u->admin ? "admin" : "user", u->name);
    for (char **word = u->listeners; word && *word; word++)
        if (!has_listener(c, *word))
            config_complain(s, config_line(s, kind, n, "listeners"), "there is no [listener %s] for clients", *word);
    for (char **word = u->schemas; word && *word; word++)
        if (config_backend_of_schema(c, *word) < 0 && config_redis(c, *word) < 0)
            config_complain(s, config_line(s, kind, n, "schemas"), "schema \"%s\" is on no backend", *word);
}

static void check_user(struct config_source *s, const struct config *c, size_t n)
{
    const struct config_user *u = &c->users[n];
    char hint[200];
    struct config_suggestion schema = {.word = u->default_schema};
    if (!strcmp(u->name, "*"))
        config_complain(s, config_line(s, u->admin ? CONFIG_KIND_admin : CONFIG_KIND_user, n, NULL),
                        "a user has a name; \"*\" stands for anyone in [account *@BACKEND]");
    check_rights(s, c, n);
    if (!u->password_verifier && !u->native_verifier && !u->ed25519_verifier && !u->cert_identity && !u->empty_password)
        config_complain(s, config_line(s, u->admin ? CONFIG_KIND_admin : CONFIG_KIND_user, n, NULL),
                        "[%s %s] needs \"password_verifier\", or another verifier: xaproxy --make-verifier prints them",
                        u->admin ? "admin" : "user", u->name);
    if (!u->default_schema || config_backend_of_schema(c, u->default_schema) >= 0)
        return;
    for (size_t m = 0; m < c->n_backends; m++)
        for (char **word = c->backends[m].schemas; word && *word; word++)
            config_suggest(&schema, *word);
    config_complain(s, config_line(s, CONFIG_KIND_user, n, "default_schema"), "schema \"%s\" is on no backend%s",
                    u->default_schema, config_suggested(&schema, hint, sizeof hint));
}

/* --- the whole --- */

static void check_proxy(struct config_source *s, const struct config *c)
{
    if (c->wal_max_bytes / 4 < c->wal_segment_bytes)
        config_complain(s, config_line(s, CONFIG_KIND_proxy, 0, "wal_max_size"),
                        "wal_max_size must hold at least 4 segments of wal_segment_size (line %d)",
                        config_line(s, CONFIG_KIND_proxy, 0, "wal_segment_size"));
    if (c->max_unauthenticated > c->max_clients &&
        config_part_item(config_source_part(s, CONFIG_KIND_proxy, 0), "max_unauthenticated"))
        config_complain(s, config_line(s, CONFIG_KIND_proxy, 0, "max_unauthenticated"), "more than max_clients");
    if (!c->n_backends)
        config_complain(s, 1, "there is no [backend NAME]");
}

static size_t count_schemas(const struct config *c)
{
    size_t found = 0;
    for (size_t n = 0; n < c->n_backends; n++)
        for (char **word = c->backends[n].schemas; word && *word; word++)
            found++;
    return found;
}

void config_check(struct config_source *s, const struct config *c)
{
    if (count_schemas(c) > SCHEMAS_MAX) { /* each is compared with each */
        config_complain(s, 1, "more than %d schemas", SCHEMAS_MAX);
        return;
    }
    check_proxy(s, c);
    check_listeners(s, c);
    for (size_t n = 0; n < c->n_backends; n++)
        check_backend(s, c, n);
    for (size_t n = 0; n < c->n_redis; n++)
        check_redis(s, c, n);
    for (size_t n = 0; n < c->n_accounts; n++)
        check_account(s, c, n);
    for (size_t n = 0; n < c->n_users; n++)
        check_user(s, c, n);
    for (size_t n = 0; n < c->n_grants; n++)
        check_grant(s, c, n);
}
