/* Prepared statements that the proxy runs itself (COMMIT, SET, KILL, a Redis CALL): the values go into the text, which is then
 * read as any other. Leaves a binary EXECUTE of a Redis CALL to execute.c. */
#ifndef PROXY_SESSION_OWN_H
#define PROXY_SESSION_OWN_H

#include "proxy/session/session.h"

bool own_is(enum sql_kind kind); /* run by the proxy, whatever a server would do with it */
/* Is this, of which `rest` follows, something that cannot be prepared? Then the error is answered. */
bool own_refuses(struct session *s, const struct sql_statement *parsed, struct slice rest);
/* Runs text with n values in the places of its parameters, types as EXECUTE has them. */
/* Types that no driver sends are errors to servers, or NULL. False: an error. */
bool own_takes_types(const struct session *s, struct wire_param *values, unsigned n, struct slice types);
void own_start_with_values(struct session *s, struct slice text, const struct wire_param *values, unsigned n, struct slice types);
/* The same with the expressions of a USING list, as many as there are parameters. */
void own_start_with_list(struct session *s, struct slice text, struct slice list);
/* Is this part of the statement under way an expression of that list? */
bool own_is_of_list(const struct session *s, struct slice part);

#endif
