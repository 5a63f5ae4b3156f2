/* What a server's error means, by what was asked: one table of rows. Measured on MariaDB 10.11, 11.8 and MySQL 9. */
#include "xa/verdict.h"

#include "base/check.h"

#define ANY 0xffff /* the last row of each question: what every other error means */

static const struct row {
    uint8_t asked;
    uint16_t code;
    uint8_t verdict;
} rows[] = {
#define ROW(asked, code, verdict) {XA_ASKED_##asked, code, XA_VERDICT_##verdict}
    /* A statement inside a branch. Where the server rolled the whole branch back, its next answers differ from server to
     * server and some of them lie, so the branch is given up at the first sign. */
    ROW(STATEMENT, 1213, DEADLOCK),  /* deadlock */
    ROW(STATEMENT, 1614, TX_FAILED), /* XA_RBDEADLOCK: a deadlock that was not told before */
    ROW(STATEMENT, 1613, TX_FAILED), /* XA_RBTIMEOUT */
    ROW(STATEMENT, 1402, TX_FAILED), /* XA_RBROLLBACK */
    ROW(STATEMENT, 1206, TX_FAILED), /* lock table full: InnoDB rolls the transaction back */
    ROW(STATEMENT, 1020, TX_FAILED), /* snapshot conflict (MariaDB, innodb_snapshot_isolation) */
    ROW(STATEMENT, 3101, TX_FAILED), /* rolled back by a plugin (group replication) */
    ROW(STATEMENT, 1053, TX_FAILED), /* shutdown in progress: the connection ends */
    ROW(STATEMENT, 1927, TX_FAILED), /* connection was killed (MariaDB) */
    ROW(STATEMENT, 3169, TX_FAILED), /* session was killed (MySQL) */
    ROW(STATEMENT, 4031, TX_FAILED), /* disconnected for inactivity (MySQL) */
    ROW(STATEMENT, 1205, STATEMENT), /* lock wait; innodb_rollback_on_timeout: see below */
    ROW(STATEMENT, 3572, STATEMENT), /* NOWAIT (MySQL; MariaDB says 1205) */
    ROW(STATEMENT, 1317, STATEMENT), /* KILL QUERY */
    ROW(STATEMENT, 1969, STATEMENT), /* max_statement_time (MariaDB) */
    ROW(STATEMENT, 3024, STATEMENT), /* max_execution_time (MySQL) */
    ROW(STATEMENT, 1399, STATEMENT), /* not allowed inside a branch; if it meant ROLLBACK ONLY, PREPARE will say no */
    ROW(STATEMENT, ANY, STATEMENT),

    ROW(START, ANY, TX_FAILED), /* 1440 duplicate, 1399, 1400, 1398: there is no branch to work in */

    /* Savepoints go to every branch: one that took part only in part leaves nothing to return to. */
    ROW(SAVEPOINT, 1213, DEADLOCK),
    ROW(SAVEPOINT, ANY, TX_FAILED),

    ROW(END, ANY, REFUSED), /* nothing was prepared yet: 1614, 1613, 1402, 1399 ROLLBACK ONLY, 1397 */

    /* PREPARE. A no is believed only where the server says that the branch is not prepared. */
    ROW(PREPARE, 1399, REFUSED), /* the branch is ACTIVE (END failed) or ROLLBACK ONLY */
    ROW(PREPARE, 1397, REFUSED), /* this session has no such branch */
    ROW(PREPARE, 1398, REFUSED),
    ROW(PREPARE, 1400, REFUSED),
    ROW(PREPARE, 1402, REFUSED),
    ROW(PREPARE, 1613, REFUSED),
    ROW(PREPARE, 1614, REFUSED),
    ROW(PREPARE, 1213, REFUSED),
    ROW(PREPARE, 1206, REFUSED),
    ROW(PREPARE, 1020, REFUSED),
    ROW(PREPARE, 3101, REFUSED),
    ROW(PREPARE, 1290, REFUSED), /* read-only server: refused before anything was done */
    ROW(PREPARE, 1836, REFUSED), /* likewise (MySQL, read-only mode) */
    ROW(PREPARE, 1792, REFUSED), /* read-only transaction */
    ROW(PREPARE, 1064, REFUSED),
    ROW(PREPARE, ANY, UNKNOWN), /* 1205, 1317, 1401, 1180, 1053: it may have been done */

    ROW(ONE_PHASE, 1614, DEADLOCK),
    ROW(ONE_PHASE, 1213, DEADLOCK),
    ROW(ONE_PHASE, 1613, REFUSED),
    ROW(ONE_PHASE, 1402, REFUSED),
    ROW(ONE_PHASE, 1399, REFUSED), /* ACTIVE (END failed) or ROLLBACK ONLY */
    ROW(ONE_PHASE, 1398, REFUSED), /* unknown xid (MariaDB) */
    ROW(ONE_PHASE, 1397, REFUSED), /* unknown xid (MySQL): on the branch's own session that is a no */
    ROW(ONE_PHASE, 1400, REFUSED),
    ROW(ONE_PHASE, 1206, REFUSED),
    ROW(ONE_PHASE, 1020, REFUSED),
    ROW(ONE_PHASE, 3101, REFUSED),
    ROW(ONE_PHASE, 1290, REFUSED),
    ROW(ONE_PHASE, 1836, REFUSED),
    ROW(ONE_PHASE, 1792, REFUSED),
    ROW(ONE_PHASE, 1064, REFUSED),
    ROW(ONE_PHASE, ANY, UNKNOWN),

    /* COMMIT of a prepared branch: there is no no. */
    ROW(COMMIT, 1397, NOTA),
    ROW(COMMIT, 1402, HEURISTIC), /* harmless only for a branch proven read-only, and those are never prepared */
    ROW(COMMIT, 1613, HEURISTIC),
    ROW(COMMIT, 1614, HEURISTIC),
    ROW(COMMIT, 3101, HEURISTIC),
    ROW(COMMIT, 1290, RETRY), /* MariaDB lets PREPARE pass under read_only, COMMIT not; the branch stays prepared */
    ROW(COMMIT, 1836, RETRY),
    ROW(COMMIT, 1205, RETRY), /* FTWRL or a backup lock held for too long */
    ROW(COMMIT, 1399, RETRY), /* this session is in no state to do it */
    ROW(COMMIT, 1400, RETRY), /* likewise: autocommit=0 or an open transaction (MariaDB) */
    ROW(COMMIT, ANY, UNKNOWN), /* 1401, 1317, 1053: look with XA RECOVER */

    ROW(ROLLBACK, 1402, OK), /* "it was rolled back" is what was asked for */
    ROW(ROLLBACK, 1613, OK),
    ROW(ROLLBACK, 1614, OK),
    ROW(ROLLBACK, 1397, NOTA),
    ROW(ROLLBACK, 1290, RETRY),
    ROW(ROLLBACK, 1836, RETRY),
    ROW(ROLLBACK, 1205, RETRY),
    ROW(ROLLBACK, 1399, RETRY),
    ROW(ROLLBACK, 1400, RETRY),
    ROW(ROLLBACK, ANY, UNKNOWN),
#undef ROW
};

enum xa_verdict xa_verdict_of(enum xa_asked asked, uint16_t code, int rollback_on_timeout)
{
    if (!code)
        return XA_VERDICT_OK;
    if (asked == XA_ASKED_STATEMENT && code == 1205 && rollback_on_timeout)
        return XA_VERDICT_TX_FAILED;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].asked == asked && (rows[i].code == code || rows[i].code == ANY))
            return rows[i].verdict;
    CHECK(!"every question has a last row");
}

const char *xa_verdict_text(enum xa_verdict verdict)
{
    static const char *const text[] = {
#define X(name, words) words,
        XA_VERDICTS(X)
#undef X
    };
    return text[verdict];
}

static const struct {
    uint16_t code;
    const char *sqlstate, *text;
} answers[] = {
#define X(name, code, sqlstate, text) {code, sqlstate, text},
    XA_ANSWERS(X)
#undef X
};

uint16_t xa_answer_code(enum xa_answer answer) { return answers[answer].code; }
const char *xa_answer_sqlstate(enum xa_answer answer) { return answers[answer].sqlstate; }
const char *xa_answer_text(enum xa_answer answer) { return answers[answer].text; }
