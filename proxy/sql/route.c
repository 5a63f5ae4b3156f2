/* The choice of a server: hint first, then the schemas that are named, then the default schema. */
#include "proxy/sql/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

/* Where what is named so far lives. */
struct choice {
    int backend;        /* SQL_ROUTE_ANY: nothing named yet; or SPANS, UNKNOWN */
    const char *schema; /* that led there */
};

static bool is_servers_own(const char *schema)
{
    return !strcasecmp(schema, "information_schema") || !strcasecmp(schema, "performance_schema") ||
           !strcasecmp(schema, "mysql") || !strcasecmp(schema, "sys");
}

/* Names come from clients: shown harmless and short. */
struct shown {
    char text[96];
};
static struct shown show(const char *name)
{
    struct shown s;
    log_quote(s.text, sizeof s.text, name, strlen(name));
    return s;
}

static void explain_unknown(const char *schema, char *why, size_t why_size)
{
    snprintf(why, why_size, "no server has schema %s; list it under a backend in the configuration, or name another",
             show(schema).text);
}

static void explain_span(const struct sql_routes *routes, const struct choice *first, int second, const char *schema,
                         char *why, size_t why_size)
{
    snprintf(why, why_size,
             "statement names schemas %s (server %s) and %s (server %s): one statement runs on one server; split it, "
             "the transaction keeps both together",
             show(first->schema).text, routes->name_of_backend(routes->arg, first->backend), show(schema).text,
             routes->name_of_backend(routes->arg, second));
}

static void add_schema(struct choice *choice, const char *schema, const struct sql_routes *routes, char *why,
                       size_t why_size)
{
    if (choice->backend <= SQL_ROUTE_SPANS)
        return;
    int backend = routes->backend_of_schema(routes->arg, schema);
    if (backend < 0) {
        explain_unknown(schema, why, why_size);
        choice->backend = SQL_ROUTE_UNKNOWN;
    } else if (choice->backend == SQL_ROUTE_ANY) {
        *choice = (struct choice){backend, schema};
    } else if (choice->backend != backend) {
        explain_span(routes, choice, backend, schema, why, why_size);
        choice->backend = SQL_ROUTE_SPANS;
    }
}

static int route_by_hint(const struct sql_statement *s, const struct sql_routes *routes, char *why, size_t why_size)
{
    int backend = routes->backend_of_name(routes->arg, s->hint_backend);
    if (backend >= 0)
        return backend;
    snprintf(why, why_size, "the hint comment names backend \"%s\", which the configuration does not have",
             s->hint_backend);
    return SQL_ROUTE_UNKNOWN;
}

/* What no server could run, whichever is chosen. */
static bool refuse(const struct sql_statement *s, const struct sql_routes *routes, char *why, size_t why_size)
{
    if (s->resource_inside)
        snprintf(why, why_size,
                 "a Redis resource can only be called alone: CALL resource.COMMAND(...), or SELECT or DO of that and "
                 "nothing else");
    else if (s->schemas_overflow && !routes->alone)
        snprintf(why, why_size,
                 "statement names more than %d schemas, or is nested too deep to tell; say where it runs: "
                 "/* xaproxy:backend=NAME */",
                 SQL_MAX_SCHEMAS);
    else
        return false;
    return true;
}

int sql_route(const struct sql_statement *s, const char *default_schema, const struct sql_routes *routes, char *why,
              size_t why_size)
{
    struct choice choice = {SQL_ROUTE_ANY, NULL};
    if (s->hint_backend[0])
        return route_by_hint(s, routes, why, why_size);
    if (refuse(s, routes, why, why_size))
        return SQL_ROUTE_UNKNOWN;
    for (unsigned i = 0; i < s->n_schemas; i++)
        add_schema(&choice, s->schema[i], routes, why, why_size);
    bool has_default = default_schema && *default_schema && !is_servers_own(default_schema);
    if (has_default && (s->unqualified_table || (s->unqualified_routine && choice.backend == SQL_ROUTE_ANY)))
        add_schema(&choice, default_schema, routes, why, why_size);
    return choice.backend;
}
