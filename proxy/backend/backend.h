/* What is known of each configured server, for every thread: verdict, identity, family. Written by its resolver thread,
 * read by workers. */
#ifndef PROXY_BACKEND_BACKEND_H
#define PROXY_BACKEND_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/config/config.h"

#define BACKEND_SAFETIES(X) \
    X(UNKNOWN, "not checked yet: no global transactions there") \
    X(SAFE, "takes part in global transactions") \
    X(SINGLE, "unsafe: only transactions on this server alone") \
    X(REFUSED, "not used: two names for one server, or a new identity behind a known name")
enum backend_safety {
#define X(name, text) BACKEND_##name,
    BACKEND_SAFETIES(X)
#undef X
};

struct backend {
    const struct config_backend *config;
    unsigned index;
    _Atomic int safety;             /* enum backend_safety */
    _Atomic bool mariadb;
    _Atomic uint64_t lacks;         /* of WIRE_CAPS_EXTENDED: what it did not offer to a worker, although its version says so */
    _Atomic bool reachable;         /* at the last look */
    _Atomic bool rollback_on_timeout;
    _Atomic bool ansi_quotes, no_backslash_escapes; /* of its global sql_mode: how a new session reads statements there */
    _Atomic bool no_autocommit;     /* its global autocommit is off: a new session begins so */
    _Atomic bool detach_on_prepare; /* MySQL >= 8.0.29 */
    _Atomic uint8_t charset;        /* of its greeting; 0 = not known */
    _Atomic unsigned schemas_changed; /* how often a session of ours made, altered or dropped a schema there */
    _Atomic unsigned globals_changed; /* how often a session of ours set a global variable there: what new sessions begin with */
    _Atomic bool told_of_routines;  /* that they keep connections, in the log */
    _Atomic int64_t server_start_s; /* wall clock at which the server says it began; 0 = unknown */
    _Atomic uint64_t restarts;      /* counted changes of server_start_s */
    pthread_mutex_t lock;           /* for the texts below: use backend_texts and the two setters */
    char version[64], identity[64], verdict[512];
};

/* One row a [backend]; index = place in the configuration, which must outlive it. Everything starts unknown. */
struct backends {
    struct backend *at;
    size_t n;
    const struct config *configured;
    _Atomic signed char *barrier; /* one a [account] */
};
/* Whether an account (a row of the configuration that was given) may use the barrier table: 1 yes, -1 no, -2 no and somebody
 * would have needed it since, 0 not known yet. */
int backends_barrier(const struct backends *b, const struct config_account *account);
void backends_set_barrier(struct backends *b, const struct config_account *account, int usable);
/* It may have been given the right meanwhile: the resolver looks again where the answer was no. */
void backends_doubt_barrier(struct backends *b, const struct config_account *account);
void backends_init(struct backends *b, const struct config *config);
void backends_fini(struct backends *b);

/* A consistent copy of the texts. */
struct backend_texts {
    char version[64], identity[64], verdict[512];
};
void backend_texts(struct backend *b, struct backend_texts *out);
void backend_set_identity(struct backend *b, const char *version, const char *identity); /* cut to fit */
/* The new safety and the reason that people read, cut to fit. */
void backend_set_verdict(struct backend *b, enum backend_safety safety, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* On one server connection `waiting` waits for a row lock of connection `blocking`. */
struct backend_lock_wait {
    uint64_t waiting, blocking;
};

const char *backend_safety_name(enum backend_safety s); /* "SAFE" */

#endif
