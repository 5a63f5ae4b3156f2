/* What the files about running actions share: a runner is a thread that does the actions of one server or Redis resource, one at
 * a time; several stand side by side, apart from the threads that sweep, so that a statement that waits holds up no recovery. */
#ifndef PROXY_RESOLVER_RUNNER_H
#define PROXY_RESOLVER_RUNNER_H

#include "actions/errors.h"
#include "proxy/journal/actions.h"
#include "proxy/resolver/impl.h"

#define RUNNER_CONNECTIONS 4 /* kept by a runner, of different accounts */

struct runner_connection {
    struct server *server; /* NULL: none */
    const struct config_account *account;
    int timeout_ms;
    int64_t used_ms; /* monotonic */
    char schema[ACTION_SCHEMA_MAX + 1], charset[ACTION_CHARSET_MAX + 1]; /* charset "": of neither it nor the mode is known */
    bool ansi_quotes, no_backslash_escapes;
    bool soiled;     /* the last body may have left something in the session */
};

struct runner {
    struct resolver *resolver;
    enum action_kind kind;
    unsigned index;       /* of the backend or Redis resource */
    unsigned number;      /* 0, 1, ... of its resource: the first looks after the barrier */
    pthread_t thread;
    _Atomic int socket;   /* of the connection in use, under the resolver's lock for who shuts it down; -1 = none */
    struct runner_connection connection[RUNNER_CONNECTIONS];
    struct redis_fleet *redis; /* NULL: not connected */
    unsigned redis_version;    /* of the resource's map, when it was connected */
    bool barrier_failed;       /* for the last action: not its own fault */
    int64_t judged_ms, purged_ms; /* the barrier; monotonic, 0 = not yet */
};

/* One attempt (runner_sql.c, runner_redis.c); `error` is filled unless it is ACTION_OK. */
enum action_result runner_do_sql(struct runner *r, const struct action *a, char *error, size_t size);
enum action_result runner_do_redis(struct runner *r, const struct action *a, char *error, size_t size);
void runner_close(struct runner *r); /* all connections */
void runner_close_redis(struct runner *r);
void runner_close_idle(struct runner *r);

/* A new connection to the runner's server; account NULL: the resolver's own. */
struct server *runner_log_in(struct runner *r, const struct config_account *account, int timeout_ms, char *why, size_t size);
void runner_log_out(struct runner *r, struct server *s); /* NULL is allowed */

/* barrier.c: enters; *before: it was done. An error's number, or 0. */
uint16_t barrier_enter(struct runner *r, struct runner_connection *c, const struct action *a, bool *before) MUST_USE;
/* Of a probe: whether the step that it is of committed here; from now on it cannot. Not committed yet itself. */
uint16_t barrier_probe(struct runner *r, struct runner_connection *c, const struct action *a, bool *happened) MUST_USE;
void barrier_look_after(struct runner *r);

#endif
