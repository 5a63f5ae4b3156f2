/* The statements of the admin listener, from text to a row of a table. Pure; leaves carrying them out to admin.h. */
#ifndef PROXY_ADMIN_STATEMENT_H
#define PROXY_ADMIN_STATEMENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/cursor.h"

/* X(name, words, what follows: NOTHING, NAME, VERDICT (a gtrid, FORCE, BECAUSE), REASON (an id, BECAUSE), BODY (an id, a new
 * body), ANYTHING; argument, help). Of two that begin alike, the longer stands first. */
#define ADMIN_STATEMENTS(X) \
    X(SHOW_IN_DOUBT, "SHOW IN DOUBT", NOTHING, "", "transactions that are prepared or decided and not settled") \
    X(SHOW_TRANSACTION, "SHOW TRANSACTION", NAME, "gtrid", "all that is known of one") \
    X(COMMIT_TRANSACTION, "COMMIT TRANSACTION", VERDICT, "gtrid", "a person's verdict") \
    X(ROLLBACK_TRANSACTION, "ROLLBACK TRANSACTION", VERDICT, "gtrid", "a person's verdict") \
    X(SHOW_BACKENDS, "SHOW BACKENDS", NOTHING, "", "the servers, with the verdict of the look at them") \
    X(SHOW_POOLS, "SHOW POOLS", NOTHING, "", "connections to the servers by account, of all workers, and who waits for them") \
    X(SHOW_REDIS, "SHOW REDIS", NOTHING, "", "the Redis resources, likewise") \
    X(SHOW_CONFLICTS, "SHOW CONFLICTS", NOTHING, "", "Redis writes that could not be taken back cleanly") \
    X(RETRY_CONFLICT, "RETRY CONFLICT", NAME, "id", "take that write back if nothing stands in the way any more") \
    X(FORCE_CONFLICT, "FORCE CONFLICT", NAME, "id", "take that write back after all, over the change of somebody else") \
    X(DISMISS_CONFLICT, "DISMISS CONFLICT", NAME, "id", "leave it as it is, forget the conflict") \
    X(SHOW_ALL_ACTIONS, "SHOW ACTIONS ALL", NOTHING, "", "also those that wait for the end of their transaction") \
    X(SHOW_DEAD_ACTIONS, "SHOW ACTIONS DEAD", NOTHING, "", "those that were given up") \
    X(SHOW_ACTIONS, "SHOW ACTIONS", NOTHING, "", "what is to be done after transactions that have ended, and what was given up") \
    X(SHOW_FULL_ACTIONS, "SHOW FULL ACTIONS", NOTHING, "", "all of them with all that is known of each, for an export") \
    X(SHOW_ACTION, "SHOW ACTION", NAME, "id", "all that is known of one") \
    X(RETRY_ACTION, "RETRY ACTION", NAME, "id", "try one that is dead again, or one that waits at once") \
    X(EDIT_ACTION, "EDIT ACTION", BODY, "id", "another statement or command for one that is dead; RETRY ACTION runs it") \
    X(DISMISS_ACTION, "DISMISS ACTION", REASON, "id", "it need not be done") \
    X(SHOW_RECONCILIATION, "SHOW RECONCILIATION", NOTHING, "", "when each place was looked at, and what does not agree there") \
    X(SWEEP, "SWEEP", NOTHING, "", "look everywhere now, and try at once what waits for its next attempt") \
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
    char argument[129]; /* gtrid, logid, backend or id; else empty */
    bool force;
    char why[200];   /* BECAUSE '...'; else empty */
    struct buf body; /* BODY '...'; else empty */
};
/* One statement; a ; behind it is allowed. False: `error` says what is wrong and what would be right. Then, too, the body is to
 * be freed by buf_fini. */
bool admin_statement_parse(struct slice text, struct admin_statement *out, char *error, size_t error_size) MUST_USE;

#endif
