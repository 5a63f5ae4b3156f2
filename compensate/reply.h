/* What the error replies of Redis and of the function library mean, for the machine and for the SQL client. */
#ifndef COMPENSATE_REPLY_H
#define COMPENSATE_REPLY_H

#include <stdbool.h>

#include "base/cursor.h"

/* What an error reply means. Each but OK and LOST says with certainty that this request did nothing. */
#define COMP_REPLIES(X) \
    X(OK, "not an error") \
    X(ERROR, "the command itself failed") \
    X(LOCKED, "another transaction holds a key") \
    X(EMPTY, "nothing is there to take: a command that waits asks again") \
    X(BOUND, "XAINCR: the bound would not hold for every outcome of what is pending") \
    X(FENCED, "this transaction was ended by somebody else, or this write was taken back") \
    X(STALE, "this node's epoch is over: another start of it has recovered") \
    X(TOO_BIG, "the before-image exceeds a limit") \
    X(LOST, "it is done, and the record of how to take it back is not there") \
    X(REFUSED, "the library cannot take this form of the command back") \
    X(MISSING, "a vote found other records than were acknowledged") \
    X(NO_FUNCTION, "the library is not there: load it and send again") \
    X(NOT_NOW, "busy, loading or not able to persist: later") \
    X(NO_MEMORY, "over maxmemory") \
    X(NOT_MASTER, "a replica, or the slot is elsewhere: find the master") \
    X(NO_RIGHT, "not logged in, or not allowed")
enum comp_reply {
#define X(name, text) COMP_REPLY_##name,
    COMP_REPLIES(X)
#undef X
};
enum comp_reply comp_reply_of_error(struct slice text);
/* The MySQL error for it. */
unsigned comp_reply_sql(enum comp_reply reply, const char **sqlstate);
/* "XALOCKED owner key": the two words, the key with bytes beyond printable ASCII as \xNN. False: not such a text. */
bool comp_reply_locked(struct slice text, struct slice *owner, struct slice *key);

#endif
