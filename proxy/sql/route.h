/* Which backend runs a statement? By hint, qualified names, default schema. Pure; knows schemas as a table of names. */
#ifndef PROXY_SQL_ROUTE_H
#define PROXY_SQL_ROUTE_H

#include "proxy/sql/classify.h"

#define SQL_ROUTE_ANY (-1)     /* no table is named: the default server, or whichever is at hand */
#define SQL_ROUTE_SPANS (-2)   /* two servers in one statement */
#define SQL_ROUTE_UNKNOWN (-3) /* a schema or backend that nobody has */

struct sql_routes {
    /* backend index of a schema name, or -1 */
    int (*backend_of_schema)(void *arg, const char *schema);
    int (*backend_of_name)(void *arg, const char *backend);
    const char *(*name_of_backend)(void *arg, int backend); /* for messages */
    void *arg;
    bool alone; /* there is one backend only, so nothing can be elsewhere */
};
/* Backend index or one of the above. On SPANS and UNKNOWN `why` names the schemas and servers and the remedy.
 * default_schema: NULL or empty: none. */
int sql_route(const struct sql_statement *s, const char *default_schema, const struct sql_routes *routes, char *why,
              size_t why_size);

#endif
