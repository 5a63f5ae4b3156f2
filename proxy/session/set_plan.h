/* SET taken apart: what of it a server is sent, and what is the proxy's own. Shared by set_plan.c and variables.c. */
#ifndef PROXY_SESSION_SET_PLAN_H
#define PROXY_SESSION_SET_PLAN_H

#include "proxy/session/session.h"

/* What the statement under way is to its server, and to us. */
struct set_plan {
    struct buf text;         /* what the server is sent, without "SET " */
    struct buf list;         /* values of its parameters, to be executed with them */
    int autocommit;          /* -1: not named, or an expression */
    struct slice autocommit_expression; /* for the server to compute; at == NULL: none */
    bool verbatim;           /* not read to its end: the server gets it as it is */
    unsigned n;              /* assignments */
    bool again;              /* it is under way, and was judged when it began */
    bool failed;             /* the error was answered */
};

/* Of s->statement. Where it cannot be done its error is answered (`failed`). */
void set_plan_make(struct session *s, struct set_plan *plan);
/* The same of what was found good and is under way, since nothing is kept over a round trip. It is not judged again: it may have
 * begun a transaction itself. */
void set_plan_again(struct session *s, struct set_plan *plan);
/* It was refused: what it said of the next transaction is not in force either. */
void set_plan_refused(struct session *s);
void set_plan_fini(struct set_plan *plan);

/* One assignment. */
bool set_is_of_session(const struct sql_set *set);
bool set_is_one_shot(const struct sql_set *set); /* of the next transaction only */
bool set_is_access(const char *name);            /* READ ONLY or not */
bool set_is_same_everywhere(const struct session *s, const struct sql_set *set); /* every server computes that value */
void set_name(const struct sql_set *set, char *out, size_t size); /* as settings are called */
void set_text(const struct session *s, const struct sql_set *set, struct buf *out); /* without "SET " */

#endif
