/* The statements of the admin listener, from text to a row of a table. Pure; leaves carrying them out to admin.h. */
#ifndef PROXY_ADMIN_STATEMENT_H
#define PROXY_ADMIN_STATEMENT_H

#include <stdbool.h>

#include "base/check.h"
#include "base/cursor.h"

/* X(name, words, what follows: NOTHING, NAME, VERDICT (a gtrid, FORCE, BECAUSE), ANYTHING; argument, help) */
#define ADMIN_STATEMENTS(X) \
    X(SHOW_IN_DOUBT, "SHOW IN DOUBT", NOTHING, "", "transactions that are prepared or decided and not settled") \
    X(SHOW_TRANSACTION, "SHOW TRANSACTION", NAME, "gtrid", "all that is known of one") \
    X(COMMIT_TRANSACTION, "COMMIT TRANSACTION", VERDICT, "gtrid", "a person's verdict") \
    X(ROLLBACK_TRANSACTION, "ROLLBACK TRANSACTION", VERDICT, "gtrid", "a person's verdict") \
    X(SHOW_BACKENDS, "SHOW BACKENDS", NOTHING, "", "the servers, with the verdict of the look at them") \
    X(SHOW_POOLS, "SHOW POOLS", NOTHING, "", "connections to the servers by account, of all workers, and who waits for them") \
    X(SHOW_REDIS, "SHOW REDIS", NOTHING, "", "the Redis resources, likewise") \
    X(SHOW_CONFLICTS, "SHOW CONFLICTS", NOTHING, "", "Redis writes that could not be taken back cleanly") \
    X(FORCE_CONFLICT, "FORCE CONFLICT", NAME, "id", "take that write back after all, over the change of somebody else") \
    X(DISMISS_CONFLICT, "DISMISS CONFLICT", NAME, "id", "leave it as it is, forget the conflict") \
    X(SHOW_TLS, "SHOW TLS", NOTHING, "", "certificates in force, whether the last reload failed, handshakes") \
    X(SHOW_STATUS, "SHOW STATUS", NOTHING, "", "counters since the start, and gauges") \
    X(SHOW_SESSIONS, "SHOW SESSIONS", NOTHING, "", "the clients, their transactions and what they wait for") \
    X(SHOW_PROCESSLIST, "SHOW PROCESSLIST", NOTHING, "", "the same as a server would show them, with their statements") \
    X(SHOW_FULL_PROCESSLIST, "SHOW FULL PROCESSLIST", NOTHING, "", "with all of their statements") \
    X(KILL, "KILL", ANYTHING, "", "[QUERY | CONNECTION] id, or USER name: ends a client's statement or session") \
    X(SHOW_CONFIG, "SHOW CONFIG", NOTHING, "", "the options and where each comes from") \
    X(ADOPT_LOG, "ADOPT LOG", NAME, "logid", "branches of a lost log of this node are ours to settle") \
    X(ACCEPT_FAILOVER, "ACCEPT FAILOVER", NAME, "backend", "another server behind this name is right") \
    X(HELP, "SHOW HELP", NOTHING, "", "this list") \
    X(SET, "SET", ANYTHING, "", "does nothing; drivers send it")
enum admin_statement_kind {
#define X(name, words, follows, argument, help) ADMIN_##name,
    ADMIN_STATEMENTS(X)
#undef X
};
#define ADMIN_STATEMENT_COUNT (ADMIN_SET + 1)

const char *admin_statement_words(enum admin_statement_kind kind);
/* As a person types it: COMMIT TRANSACTION 'gtrid' [FORCE] [BECAUSE 'why'] */
const char *admin_statement_usage(enum admin_statement_kind kind);
const char *admin_statement_help(enum admin_statement_kind kind);

struct admin_statement {
    enum admin_statement_kind kind;
    char argument[129]; /* gtrid, logid or backend; else empty */
    bool force;
    char why[200]; /* BECAUSE '...'; else empty */
};
/* One statement; a ; behind it is allowed. False: `error` says what is wrong and what would be right. */
bool admin_statement_parse(struct slice text, struct admin_statement *out, char *error, size_t error_size) MUST_USE;

#endif
