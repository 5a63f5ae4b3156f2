/* A saga of a session: transactions that commit one after another, and what takes them back. Shared by the files that begin and
 * end transactions only. */
#ifndef PROXY_SESSION_SAGA_H
#define PROXY_SESSION_SAGA_H

#include "actions/action.h"
#include "proxy/session/tx.h"

/* In saga mode a transaction is the first step of one. The session's tx is always the step under way; there is none only while
 * one ends and the next begins. */
void saga_open(struct session *s); /* its tx is its first step */
const char *saga_gtrid(const struct session_saga *saga);
int64_t saga_began_ms(const struct session_saga *saga); /* on the loop's clock */

/* An action of the step under way: whose it is, and its number. */
void saga_own(struct session_saga *saga, const struct session_tx *step, struct action *a);
uint32_t saga_mark(const struct session_saga *saga); /* the number of the last one */
void saga_tx_ended(struct session *s, const struct session_tx *step); /* it had actions */

/* COMMIT: the open transaction is the last step. Called before it is ended; it may begin an empty one that decides. */
void saga_ask_commit(struct session *s);
/* ROLLBACK likewise. */
void saga_ask_rollback(struct session *s);
/* Instead of answering for the tx that has ended: `then` answers, when the saga is as far as it should be. */
void saga_go_on(struct session *s, bool success, void (*then)(struct session *s));
void saga_stop_waiting(struct session *s); /* KILL: the answer comes now, whatever is still under way */
/* The last step has committed on its own server: an empty one decides, where there is something to decide. */
void saga_decide(struct session *s);
bool saga_ends(const struct session *s); /* the tx being committed is its last step */
bool saga_asks_step(const struct session *s); /* xa.step ends a step, not COMMIT */
void saga_step_again(struct session *s); /* its tx goes: rolled back by a deadlock of its own server */
/* The step was rolled back by a deadlock: the next one may try it again. */
void saga_step_lost(struct session *s);
void saga_client_gone(struct session *s); /* the session is freed: what has no outcome yet is rolled back */

#endif
