/* What the last statement left to be asked for: rows changed, errors and warnings, ids given; whoever answered it and wherever
 * its connection is now. */
#ifndef PROXY_SESSION_DIAGNOSTICS_H
#define PROXY_SESSION_DIAGNOSTICS_H

#include "proxy/session/session.h"

void diagnostics_reset(struct session *s); /* of a new session, and after a reset */
/* A statement was answered here. code 0: neither error nor warning. */
void diagnostics_own(struct session *s, uint16_t code, bool is_error, const char *text, int64_t row_count);
/* The target has answered one. */
void diagnostics_server(struct session *s, const struct backend_outcome *outcome);
void diagnostics_server_forgotten(struct session *s, int server); /* its connection is another's now */

/* SHOW WARNINGS, SHOW ERRORS, SHOW COUNT(*) ... where no server has the answer any more; false: ask where the session
 * was last. */
bool diagnostics_answer(struct session *s);

/* Before a text is sent to the target: LAST_INSERT_ID() may have to be asked elsewhere first. diagnostics_fetch calls `then`. */
bool diagnostics_due(const struct session *s);
void diagnostics_fetch(struct session *s, void (*then)(struct session *s));
/* The text of a statement with the session's own answers in it; false: it stays as it is. `kept`: it will be run later and again,
 * so that only what never changes is put in. */
bool diagnostics_put(struct session *s, const struct sql_statement *statement, struct slice text, bool kept, struct buf *out);

#endif
