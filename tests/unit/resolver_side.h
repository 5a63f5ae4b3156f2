/* The fixture of the programs about resolver: a private server or a private Redis, a log in a folder of its own, workers that
 * answer what a test tells them to, and branches planted past everything. */
#ifndef TESTS_UNIT_RESOLVER_SIDE_H
#define TESTS_UNIT_RESOLVER_SIDE_H

#include <stdbool.h>

#include "proxy/resolver/resolver.h"
#include "proxy/resolver/server.h"

extern struct config side_config;          /* two names for the one server, the second not in use at first; or one Redis */
extern struct config_backend side_rows[2];
extern struct config_redis side_redis_row;
extern struct backends side_backends;
extern struct redis_resources side_resources;
extern struct journal *side_journal;
extern struct resolver *side_resolver;

/* A server of that family, or Redis where it is NULL; 0, or the exit status of the program (77: skipped). */
int side_start(const char *family);
void side_stop(void);
int side_server(const char *verb); /* start, crash, stop */
int side_server_signal(int number);
int side_redis(const char *verb);
bool side_is_mariadb(void);

/* A life of the proxy: the log is opened, side_live is what workers have in hand, the resolver runs. */
void side_new_log(void);  /* forgets the log */
void side_open(void);
void side_run(void);
void side_end(void);      /* stops the resolver, closes the log: the next life is another epoch */
void side_live(const char *gtrid); /* NULL: nothing in hand; "?" : no worker answers */

struct server *side_root(void); /* a new connection, the caller's */
struct server *side_app(void);  /* the same, as the account of workers */
void side_sql(struct server *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* an error ends the program */
long side_number(const char *fmt, ...) PRINTF_LIKE(1, 2); /* first value of the first row; -1 = none */

/* Writes row `id` in a branch and prepares it; the connection, which on MariaDB holds the branch, is the caller's. */
struct server *side_prepare(const char *gtrid, const char *bqual, unsigned format_id, int id);
bool side_listed(const char *gtrid);
long side_row(int id); /* 1: there, 0: not */

/* In the life that is open: a name, and a decision to commit one branch on "one" and, where asked, a slot. */
void side_name(struct xa_gtrid *out);
void side_decide(const struct xa_gtrid *gtrid, const char *bqual, bool slot, int64_t decided_ms);

struct side_seen { /* of resolver_each_in_doubt */
    bool found;
    int64_t age_ms;
    char fate[32], why[200], decision[32], who[96];
};
struct side_seen side_seen(const char *gtrid);
struct resolver_counters side_counters(void);
const char *side_verdict(unsigned backend);

#define SIDE_PATIENCE_MS 30000 /* how busy the machine is proves nothing */
#define SIDE_WAIT(cond)                                                                              \
    ({                                                                                               \
        int64_t side_until = clock_mono_ms() + SIDE_PATIENCE_MS;                                     \
        bool side_came;                                                                              \
        while (!(side_came = (cond)) && clock_mono_ms() < side_until)                                \
            clock_sleep_ms(10);                                                                      \
        side_came;                                                                                   \
    })

#endif
