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
    _Atomic int64_t server_start_s; /* wall clock at which the server says it began; 0 = unknown */
    _Atomic uint64_t restarts;      /* counted changes of server_start_s */
    pthread_mutex_t lock;           /* for the texts below: use backend_texts and the two setters */
    char version[64], identity[64], verdict[512];
};

/* One row a [backend]; index = place in the configuration, which must outlive it. Everything starts unknown. */
struct backends {
    struct backend *at;
    size_t n;
};
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

const char *backend_safety_name(enum backend_safety s); /* "SAFE" */

#endif
