/* Which user variables does a statement assign, as far as its words say? Pure; leaves SET to classify.h, what routines do unseen
 * to the server's own reports. */
#ifndef PROXY_SQL_ASSIGNED_H
#define PROXY_SQL_ASSIGNED_H

#include "proxy/sql/classify.h"

struct sql_assigned {
    struct sql_tokens in;
    bool any;  /* every variable named may be assigned: CALL, LOAD DATA, GET DIAGNOSTICS, blocks */
    bool into; /* within the list behind INTO */
};
void sql_assigned_begin(struct sql_assigned *it, struct slice text, const struct sql_context *ctx);
/* The next name, without @; false at the end. The same may come again. */
bool sql_assigned_next(struct sql_assigned *it, char name[SQL_NAME_SIZE]);

#endif
