/* The configuration as everybody sees it: one immutable snapshot per process life. Read from one file whose sections
 * repeat. Options are rows of one table in options.def; this header's structs are what those rows fill. */
#ifndef PROXY_CONFIG_CONFIG_H
#define PROXY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct config_listener { /* [listener NAME] */
    char *name;
    char *address;                     /* default 127.0.0.1; a path beginning with / is a local socket */
    int port;                          /* default 6033 */
    bool admin;                        /* speaks to the DBA: the accounts are the [admin NAME] sections */
    bool tls_required;                 /* default on, on a local socket off */
    char *tls_cert, *tls_key, *tls_ca; /* ca: client certificates are asked for */
    char *redis;                       /* speaks Redis' protocol to clients of that [redis NAME]; NULL = MySQL's */
    bool auth;                         /* those must log in */
    bool redis_admin;                  /* those may use commands that administer the server */
    bool compression;                  /* offered */
    int max_clients;                   /* 0 = no limit of its own */
    char **proxy_protocol_from;        /* whose PROXY headers are believed; NULL = nobody's */
};
struct config_account { /* [account USER@BACKEND]: what a proxy user is on a backend */
    char *user;         /* proxy user; "*" = anyone without an own row */
    char *backend;
    char *backend_user; /* never NULL: without an own row of the option it is the proxy user's */
    char *password;     /* from password= or password_file=; NULL = none */
};
struct config_grant { /* [grant USER@REDIS]: what a proxy user may do there */
    char *user;         /* proxy user; "*" = anyone without an own section */
    char *redis;
    char **commands;    /* compensate/rights.h; NULL = all */
    char **keys;        /* prefixes; NULL = all */
};
struct config_user { /* [user NAME], [admin NAME] */
    char *name;
    bool admin;
    char *password_verifier; /* $5$... */
    char *native_verifier;   /* *HEX */
    char *ed25519_verifier;  /* base64; each of the three may be absent, all of them not */
    bool empty_password;             /* is the user's password, whatever the verifiers say */
    bool require_cert;               /* a client certificate that the listener's tls_ca verifies */
    char *cert_subject, *cert_issuer; /* of that certificate, /C=SE/O=Shop/CN=app; NULL = any */
    char *cert_identity;             /* a certificate with this common or alternative name needs no password; NULL = none */
    char **listeners, **addresses;   /* from where it may come; NULL = from anywhere */
    char **schemas;                  /* that it may use; NULL = all */
    char *default_schema;
    bool local_infile;   /* LOAD DATA LOCAL */
    bool call_status_packet; /* behind the rows of a CALL */
    int max_connections; /* 0 = no limit of its own */
    bool all_sessions;         /* may see and KILL those of other users */
    int statement_timeout_ms;  /* 0 = none */
};
struct config_backend { /* [backend NAME] */
    char *name;         /* <= 32 bytes of [A-Za-z0-9_-] */
    char *address;      /* host, or /socket */
    int port;
    char **schemas;  /* NULL-terminated; schemas = a b c; "*" = all that no other lists */
    bool is_default; /* statements that name no schema go here */
    bool tls;        /* default on, on a local socket off; verify against tls_ca and the name */
    bool tls_verify;
    char *tls_ca;
    char *tls_name; /* name to verify; never NULL: default is the address */
    char *resolver_user, *resolver_password;
    bool allow_unsafe;
    bool routines_hold;  /* stored ones may take locks: who called one keeps the connection */
    int max_connections; /* per worker and account, as min_connections */
    int min_connections;
    int pool_idle_timeout_ms, queue_timeout_ms;
    int ping_interval_ms; /* 0 = never */
    int max_prepared;    /* statements on one connection */
    int connect_timeout_ms;
    int lock_wait_s;          /* default 5 */
    char *barrier_schema;     /* no backquotes */
    int commit_timeout_ms;    /* PREPARE and COMMIT deadline; below the 5 s that a branch may be in doubt */
};
enum config_isolation { CONFIG_ISOLATION_IN_TRANSACTIONS, CONFIG_ISOLATION_COMMITTED, CONFIG_ISOLATION_UNCOMMITTED };
enum config_dirty { CONFIG_DIRTY_DELTA, CONFIG_DIRTY_SKIP, CONFIG_DIRTY_FORCE }; /* as comp_dirty */
enum config_scripts { CONFIG_SCRIPTS_OFF, CONFIG_SCRIPTS_DECLARED };
enum config_autocommit { CONFIG_AUTOCOMMIT_CHECKED, CONFIG_AUTOCOMMIT_RAW };
enum config_publish { CONFIG_PUBLISH_REFUSED, CONFIG_PUBLISH_ON_COMMIT };
enum config_durability { CONFIG_DURABILITY_NONE, CONFIG_DURABILITY_WAIT, CONFIG_DURABILITY_WAITAOF };
enum config_redis_mode { CONFIG_REDIS_STANDALONE, CONFIG_REDIS_SENTINEL, CONFIG_REDIS_CLUSTER };
#define CONFIG_USER_MAX 128 /* bytes of a user's name */
#define CONFIG_KEY_PREFIX_MAX 64
struct config_redis { /* [redis NAME]: NAME is the SQL schema of its CALLs */
    char *name;
    enum config_redis_mode mode;
    char **nodes;        /* sentinel, cluster: as config_address_read takes them */
    char *master_name, *sentinel_user, *sentinel_password;
    char *address;       /* standalone */
    int port;
    bool tls;            /* default on; local sockets and loopback addresses are exempt unless tls_said */
    bool tls_said;
    bool tls_verify;
    char *tls_ca;
    char *tls_name;      /* name to verify; NULL = the address */
    char *tls_cert, *tls_key;
    char *user, *password;
    int db;
    char *key_prefix;    /* before all keys; NULL = none */
    int lock_wait_ms;    /* default 3000 */
    int timeout_ms;      /* connect and reply */
    int image_max;       /* elements, default 10000 */
    int image_max_bytes; /* default 1 MiB */
    enum config_dirty dirty;
    enum config_isolation isolation;
    enum config_scripts scripts;
    enum config_autocommit autocommit;
    enum config_publish publish;
    enum config_durability durability;
    int durability_replicas, durability_timeout_ms;
    bool allow_unsafe;   /* eviction policies that may take control keys */
    int max_connections; /* per worker */
};
struct config {
    /* [proxy] */
    char *node;     /* required: 1..12 of [a-z0-9_-] */
    char *data_dir; /* required: the log lives in data_dir/log */
    int workers;    /* >= 1; default: cores */
    char *pid_file, *log_file, *log_level;
    int max_clients;
    int max_clients_per_address; /* logged in; 0 = as many as max_clients */
    char *server_version; /* NULL: the default backend's */
    int max_packet;       /* bytes, default 64 MiB */
    int max_prepared_statements, max_prepared_bytes; /* of one client */
    int max_script_bytes;
    int login_timeout_ms; /* default 10000, in total */
    int max_unauthenticated;   /* of one address: three quarters */
    int failed_login_delay_ms; /* longest, default 3000; 0 = none */
    int idle_timeout_s, transaction_timeout_s;
    int write_timeout_ms; /* default 60000; 0 = none */
    int drain_timeout_ms;                     /* SIGTERM, default 10000 */
    int sweep_interval_ms;                    /* default 1000 */
    int forget_after_ms;                      /* default 30000 */
    int64_t wal_segment_bytes, wal_max_bytes; /* max >= 4 segments */
    int action_connections;                   /* a resource */
    int saga_wait_ms;                         /* how long ROLLBACK of a saga waits for what takes its steps back */
    int max_actions;                          /* that wait for their outcome or to be done */
    bool one_phase;                           /* default on */

    struct config_listener *listeners;
    size_t n_listeners;
    struct config_user *users;
    size_t n_users; /* admins too */
    struct config_account *accounts;
    size_t n_accounts;
    struct config_backend *backends;
    size_t n_backends;
    struct config_redis *redis;
    size_t n_redis;
    struct config_grant *grants;
    size_t n_grants;
};

/* Reads and checks the file whole: unknown words get a "did you mean", contradictions name both lines. Each error is
 * one line "file:line: text" in `errors` (a growing text, caller frees; NULL without any). NULL when there was any.
 * What is merely unwise (secrets that everybody can read) goes to the log. Relative paths are taken from the file's
 * folder. */
struct config *config_load(const char *path, char **errors) MUST_USE;
/* The same from memory; `path` is for messages and relative paths. */
struct config *config_parse(const char *path, const void *text, size_t n, char **errors) MUST_USE;
void config_free(struct config *c);

bool config_lists(char *const *words, const char *word); /* words ends with NULL; NULL: none */
const struct config_user *config_user(const struct config *c, const char *name, size_t len, bool admin);
/* Exact row, else the "*" row, else NULL. */
const struct config_account *config_account(const struct config *c, const char *user, const char *backend);
const struct config_grant *config_grant(const struct config *c, const char *user, const char *redis); /* likewise */
int config_backend_of_schema(const struct config *c, const char *schema); /* that lists it, else that has "*"; index or -1 */
int config_default_backend(const struct config *c); /* default = on, else that with "*", else the first */
int config_backend(const struct config *c, const char *name);
int config_redis(const struct config *c, const char *name); /* schema names compare without case */
/* "address:port", an IPv6 address in brackets. host: at least 256 bytes. False: not such a text. */
bool config_address_read(const char *text, char *host, int *port) MUST_USE;

/* For SHOW CONFIG, --help-config and the manual page: walks the option table. Secrets come out as "***". */
/* default_text: "" where there is none, "required" where it must be given. type says unit or words too: "time, 0s to
 * 1h". */
void config_each_option(void (*each)(void *arg, const char *section, const char *option, const char *type,
                                     const char *default_text, const char *help),
                        void *arg);
void config_each_value(const struct config *c,
                       void (*each)(void *arg, const char *section, const char *name, const char *option,
                                    const char *value),
                       void *arg);
#endif
