/* What a server's answer to an XA statement or to a statement inside a branch means: one table. */
#ifndef XA_VERDICT_H
#define XA_VERDICT_H

#include <stddef.h>
#include <stdint.h>

/* The meaning of an answer for the commit machine. */
#define XA_VERDICTS(X) \
    X(OK, "done") \
    X(STATEMENT, "only the statement failed, the branch goes on") \
    X(TX_FAILED, "the branch cannot commit any more, the transaction stays open as failed") \
    X(DEADLOCK, "1213: the server has rolled the branch back, the transaction ends at once") \
    X(REFUSED, "a definite no: the branch was or will be rolled back") \
    X(RETRY, "not now (read-only server, lock): the state is unchanged") \
    X(NOTA, "1397: unknown xid, which is never proof of anything by itself") \
    X(HEURISTIC, "1402 and its kin: rolled back, or damaged, by itself") \
    X(UNKNOWN, "an answer that proves nothing: look with XA RECOVER")
enum xa_verdict {
#define X(name, text) XA_VERDICT_##name,
    XA_VERDICTS(X)
#undef X
};

/* What was asked when the answer came. */
enum xa_asked { XA_ASKED_STATEMENT, XA_ASKED_START, XA_ASKED_END, XA_ASKED_PREPARE, XA_ASKED_ONE_PHASE, XA_ASKED_COMMIT,
                XA_ASKED_ROLLBACK, XA_ASKED_SAVEPOINT };

/* `code` 0 = OK. Where the error depends on a server setting (1205 with innodb_rollback_on_timeout) the caller says so in
 * rollback_on_timeout. */
enum xa_verdict xa_verdict_of(enum xa_asked asked, uint16_t code, int rollback_on_timeout);
const char *xa_verdict_text(enum xa_verdict verdict);

/* What the client is told at the end; code and SQLSTATE in the row. X(name, code, sqlstate, text) */
#define XA_ANSWERS(X) \
    X(COMMITTED, 0, "00000", "committed") \
    X(ROLLED_BACK, 0, "00000", "rolled back") \
    X(COMMITTED_LATER, 0, "00000", "committed; a server that cannot be reached now will follow") \
    X(FAILED, 1402, "XA100", "XA_RBROLLBACK: the transaction failed before and was rolled back") \
    X(VOTE_NO, 1402, "XA100", "XA_RBROLLBACK: a server refused to commit, everything was rolled back") \
    X(VOTE_LOST, 1402, "XA100", "XA_RBROLLBACK: a server could not be heard while preparing, everything is rolled back") \
    X(REDIS_VOTE_NO, 1402, "XA100", "XA_RBROLLBACK: a Redis write of this transaction is gone, everything was rolled back") \
    X(DEADLOCK, 1213, "40001", "Deadlock found when trying to get lock; try restarting transaction") \
    X(NO_LOG_ROOM, 1041, "HY000", "the transaction log has no room, everything was rolled back") \
    X(UNKNOWN, 1105, "HY000", "outcome unknown: the server's answer to COMMIT was lost") \
    X(HEURISTIC, 1402, "XA100", "XA_RBROLLBACK: a branch that wrote was rolled back by its server after the decision to commit")
enum xa_answer {
#define X(name, code, sqlstate, text) XA_ANSWER_##name,
    XA_ANSWERS(X)
#undef X
};
uint16_t xa_answer_code(enum xa_answer answer);
const char *xa_answer_sqlstate(enum xa_answer answer);
const char *xa_answer_text(enum xa_answer answer);

#endif
