/* Whether the schema that a log-in names can be entered. Leaves USE to command.c. */
#ifndef PROXY_SESSION_ENTERING_H
#define PROXY_SESSION_ENTERING_H

#include "proxy/session/session.h"

/* What a worker's log-ins have found: so that not each of them costs a server's answer. One thread. */
struct entered;
struct entered *entered_new(void);
void entered_free(struct entered *e);

/* Must the server be asked? Not where it has answered lately, nor where the user has no account or the server is not used: then
 * the first statement tells. */
bool entering_is_due(const struct session *s, int backend, const char *schema);

/* The question, of s, which is logging in: `then` comes once after entering_ask, maybe from inside it, with what the server
 * refuses the schema with, or with NULL. A server that does not answer soon refuses nobody: the first statement will tell. */
struct entering;
struct entering *entering_new(struct session *s, int backend, const char *schema,
                              void (*then)(struct session *s, const struct backend_outcome *refused));
void entering_ask(struct entering *e);
void entering_free(struct entering *e); /* also from inside `then`, also while it is under way; NULL, too */

#endif
