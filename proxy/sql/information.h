/* Questions about the session inside a statement: CONNECTION_ID(), ROW_COUNT(), @@autocommit. Where a server would answer of its
 * own connection, the answer is put into the text as IF(1, literal, question): columns keep the types and names that they would
 * have had; variables that no server knows become the literal alone. Pure. */
#ifndef PROXY_SQL_INFORMATION_H
#define PROXY_SQL_INFORMATION_H

#include "base/buf.h"
#include "proxy/sql/lexer.h"

/* X(name, text): functions without arguments first, then system variables of the session. */
#define SQL_INFORMATION_FUNCTIONS(X) \
    X(CONNECTION_ID, "connection_id") X(ROW_COUNT, "row_count") X(FOUND_ROWS, "found_rows") X(DATABASE, "database") \
    X(SCHEMA, "schema") X(LAST_INSERT_ID, "last_insert_id")
#define SQL_INFORMATION_VARIABLES(X) \
    X(AUTOCOMMIT, "autocommit") X(IN_TRANSACTION, "in_transaction") X(WARNING_COUNT, "warning_count") \
    X(ERROR_COUNT, "error_count") X(PSEUDO_THREAD_ID, "pseudo_thread_id") X(LAST_INSERT_ID_VARIABLE, "last_insert_id") \
    X(IDENTITY, "identity") X(TRACK_SCHEMA, "session_track_schema") X(TRACK_CHANGE, "session_track_state_change") \
    X(TRACK_TRANSACTION, "session_track_transaction_info") X(TRACK_VARIABLES, "session_track_system_variables") \
    X(XA_MODE, "xa_mode") X(XA_TIMEOUT, "xa_timeout")
enum sql_information {
#define X(name, text) SQL_INFORMATION_##name,
    SQL_INFORMATION_FUNCTIONS(X)
    SQL_N_INFORMATION_FUNCTIONS,
    SQL_INFORMATION_FIRST_VARIABLE = SQL_N_INFORMATION_FUNCTIONS - 1,
    SQL_INFORMATION_VARIABLES(X)
#undef X
    SQL_N_INFORMATION
};

/* Appends the literal; false: the server knows better. */
typedef bool sql_information_value(void *arg, enum sql_information which, struct buf *literal);

bool sql_is_information(struct slice function); /* one of these names */

/* Writes `text` with what `value` knows put in. False, and nothing written, where nothing was to be done. Not for texts that are
 * kept: views, routines, defaults. */
bool sql_put_information(struct slice text, const struct sql_dialect *dialect, sql_information_value *value, void *arg,
                         struct buf *out);

#endif
