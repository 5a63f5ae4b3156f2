/* CALL xa.…: shared by the files of its procedures (actions.c, saga.c) and xa_call.c. */
#ifndef PROXY_SESSION_XA_CALL_H
#define PROXY_SESSION_XA_CALL_H

#include "actions/action.h"
#include "proxy/session/call_args.h"
#include "proxy/session/session.h"

/* Each runs one procedure and answers it; the number of arguments is right, and they live until the statement is over. */
/* --- actions.c --- */
void actions_on_commit(struct session *s, const struct call_args *args);
void actions_on_rollback(struct session *s, const struct call_args *args);
void actions_options(struct session *s, const struct call_args *args);
void actions_retry(struct session *s, const struct call_args *args);
void actions_dismiss(struct session *s, const struct call_args *args);
/* --- token.c --- */
void token_tell(struct session *s, const struct call_args *args);
/* --- saga.c --- */
void saga_step(struct session *s, const struct call_args *args);

/* --- action_body.c --- */
/* What is to be done, checked as far as the proxy can: its kind, resource, body and arguments from args[0] on, which it points
 * into. False: answered. */
bool action_body_read(struct session *s, const struct call_args *args, struct action *a);
void action_set_prefix(struct action *a, const struct config_redis *config); /* of a command there */

#endif
