/* What the programs about backend share: a loop, a pool set over one real server that is known under several names,
 * questions that wait for their answer. */
#ifndef TESTS_UNIT_BACKEND_SIDE_H
#define TESTS_UNIT_BACKEND_SIDE_H

#include "tests/unit/unit.h"

#include "base/buf.h"
#include "proxy/backend/pool.h"

/* The same server behind each of them, but for NOWHERE. */
enum side_backend {
    SIDE_PLAIN,      /* TCP, tls off */
    SIDE_LOCAL,      /* its socket */
    SIDE_TLS,        /* TCP, verified */
    SIDE_WRONG_NAME, /* TCP, another name is expected in the certificate */
    SIDE_WRONG_CA,   /* TCP, another authority is trusted */
    SIDE_NARROW,     /* two connections an account and worker */
    SIDE_NOWHERE,    /* nobody listens */
    SIDE_BACKENDS
};
enum side_account {
    SIDE_ROOT = SIDE_BACKENDS, /* accounts 0 .. SIDE_BACKENDS - 1 are app's on each backend */
    SIDE_WRONG_PASSWORD,
    SIDE_OTHER_PLUGIN,
    SIDE_FEW,                  /* the server allows one connection */
    SIDE_EMPTY,                /* no password */
    SIDE_CURVE,                /* ed25519; MariaDB only */
    SIDE_ACCOUNTS
};

extern struct net_loop *side_loop;
extern struct backend_pools *side_pools;
extern struct backends side_backends;
extern struct config side_config;

/* Starts the server. 0, or what main returns: 77 where this machine cannot have such a server. */
int side_start(const char *family);
void side_stop(void);
void side_make_accounts(void); /* and tables: the first test */
int side_server(const char *verb); /* "crash", "start" */
bool side_is_mariadb(void);

/* Fresh pools for a test; what was lent is closed by side_down. */
void side_up(void);
void side_down(void);

/* Runs the loop until `*flag`; false (and a failed test) after 20 s. */
bool side_run(const bool *flag);
void side_turn(void);            /* everything that is ready now */
void side_sleep(int64_t ms);     /* runs the loop that long */

/* A request that waits. */
struct side_request {
    struct backend_request r;
    struct backend_conn *c;
    uint16_t code;
    char sqlstate[6], text[512];
    bool answered;
    int order;                   /* how many were answered before */
};
void side_ask(struct side_request *q, unsigned account, uint64_t caps, int64_t deadline_ms);
void side_ask_bare(struct side_request *q, unsigned account); /* for one without a default schema */
struct backend_conn *side_get(unsigned account); /* NULL and a failed test when refused */
/* Gone while lent, as the owner hears it. */
struct side_owner {
    bool gone;
    char why[192];
    int order;
};
void side_own(struct side_owner *o, struct backend_conn *c);
extern int side_events; /* numbers what happens */

/* A command that waits. */
struct side_answer {
    struct backend_outcome outcome;
    bool over, lost;
    int order;
    char why[192];
    struct buf kinds;            /* a letter a whole packet: c)ount d)efinition r)ow o)k e)nd x)error p)repared */
    struct buf value;            /* first column of the last small row */
    uint64_t row_bytes;
    uint32_t largest_part;
    unsigned parts;
    struct backend_conn *pause;  /* set: pauses it after each part of a large row */
    unsigned frames_while_paused;
    bool paused;
};
void side_send(struct backend_conn *c, struct side_answer *a, const char *sql);
void side_send_command(struct backend_conn *c, struct side_answer *a, enum wire_response_kind kind, const void *payload,
                       size_t len);
void side_wait(struct side_answer *a);
void side_answer_fini(struct side_answer *a);
/* Asks, waits, and compares the first column of the last row; an error is a failed test. */
void side_expect(struct backend_conn *c, const char *sql, const char *value);
void side_do(struct backend_conn *c, const char *sql);
uint16_t side_error(struct backend_conn *c, const char *sql); /* the error it ends in */

extern const struct unit_test backend_login_tests[], backend_command_tests[], backend_pool_tests[];
extern const struct unit_test backend_sha2_tests[]; /* MySQL's plugin: MariaDB 10.11 has it not */

#endif
