/* A statement goes where its hint, its schemas, its default schema say, in this order; what would need two servers, or
 * one that nobody has, is refused with names and remedy. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/route.h"
#include "tests/unit/sql_side.h"

static const char *const servers[] = {"s1", "s2"};

static int of_schema(void *arg, const char *schema)
{
    (void)arg;
    if (!strcmp(schema, "orders") || !strcmp(schema, "users"))
        return 0;
    return !strcmp(schema, "stock") ? 1 : -1;
}

static int of_name(void *arg, const char *name)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        if (!strcmp(name, servers[i]))
            return i;
    return -1;
}

static const char *name_of(void *arg, int backend)
{
    (void)arg;
    return servers[backend];
}

static const struct sql_routes routes = {of_schema, of_name, name_of, NULL, false};

static int route_by(const struct sql_routes *by, const char *sql, const char *default_schema, char *why, size_t why_size)
{
    static const struct sql_context ctx = {.is_resource = is_cache};
    struct slice rest = text_of(sql);
    struct sql_statement s;
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &ctx, &s));
    why[0] = '\0';
    return sql_route(&s, default_schema, by, why, why_size);
}

static int route(const char *sql, const char *default_schema, char *why, size_t why_size)
{
    return route_by(&routes, sql, default_schema, why, why_size);
}

static void statements_find_their_server(void)
{
    static const struct {
        const char *sql, *default_schema;
        int backend;
    } rows[] = {
        {"SELECT 1", NULL, SQL_ROUTE_ANY},
        {"SELECT 1", "stock", SQL_ROUTE_ANY},
        {"SELECT * FROM t", NULL, SQL_ROUTE_ANY},
        {"SELECT * FROM t", "", SQL_ROUTE_ANY},
        {"SELECT * FROM t", "stock", 1},
        {"SELECT * FROM t", "nowhere", SQL_ROUTE_UNKNOWN},
        {"SELECT * FROM orders.t", NULL, 0},
        {"SELECT * FROM orders.t", "stock", 0},
        {"SELECT * FROM orders.t, users.u", "stock", 0},
        {"SELECT * FROM orders.t, u", "users", 0},
        {"SELECT * FROM orders.t, u", "stock", SQL_ROUTE_SPANS},
        {"SELECT * FROM orders.t, stock.u", NULL, SQL_ROUTE_SPANS},
        {"SELECT * FROM orders.t, nowhere.u", NULL, SQL_ROUTE_UNKNOWN},
        {"SELECT * FROM orders.t, nowhere.u, stock.v", NULL, SQL_ROUTE_UNKNOWN},
        {"SELECT * FROM orders.t, stock.v, nowhere.u", NULL, SQL_ROUTE_SPANS},
        {"SELECT f(1)", "stock", 1},
        {"SELECT f(1)", NULL, SQL_ROUTE_ANY},
        {"SELECT f(a) FROM orders.t", "stock", 0},
        {"CALL p()", "stock", 1},
        {"SELECT * FROM information_schema.tables", "stock", SQL_ROUTE_ANY},
        {"SELECT * FROM tables", "Information_Schema", SQL_ROUTE_ANY},
        {"SELECT * FROM information_schema.tables, stock.t", "orders", 1},
        {"/* xaproxy:backend=s2 */ SELECT * FROM orders.t", NULL, 1},
        {"/* xaproxy:backend=s2 */ SELECT * FROM orders.t, stock.t, nowhere.t", NULL, 1},
        {"/* xaproxy:backend=s3 */ SELECT 1", NULL, SQL_ROUTE_UNKNOWN},
        {"INSERT INTO t VALUES (cache.GET('k'))", "stock", SQL_ROUTE_UNKNOWN},
        {"SELECT * FROM a.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t, i.t", NULL, SQL_ROUTE_UNKNOWN},
    };
    char why[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int backend = route(rows[i].sql, rows[i].default_schema, why, sizeof why);
        if (backend != rows[i].backend)
            printf("\n%s: %d", rows[i].sql, backend);
        CU_ASSERT_EQUAL(backend, rows[i].backend);
        CU_ASSERT_EQUAL(why[0] != '\0', backend <= SQL_ROUTE_SPANS);
    }
}

static void refusals_name_what_to_do(void)
{
    char why[512];
    route("SELECT * FROM orders.t, stock.u", NULL, why, sizeof why);
    CU_ASSERT_STRING_EQUAL(why,
                           "statement names schemas \"orders\" (server s1) and \"stock\" (server s2): one statement "
                           "runs on one server; split it, the transaction keeps both together");
    route("SELECT * FROM nowhere.t", NULL, why, sizeof why);
    CU_ASSERT_STRING_EQUAL(why,
                           "no server has schema \"nowhere\"; list it under a backend in the configuration, or name "
                           "another");
    route("/* xaproxy:backend=s3 */ SELECT 1", NULL, why, sizeof why);
    CU_ASSERT_STRING_EQUAL(why, "the hint comment names backend \"s3\", which the configuration does not have");
    route("SELECT cache.GET('k'), 1", NULL, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "CALL resource.COMMAND"));
}

static int always_here(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "nowhere") ? 0 : -1;
}

/* Nine schemas, or a nesting that nobody follows: with one server it does not matter. */
static void one_server_runs_what_cannot_be_told(void)
{
    static const struct sql_routes one = {always_here, always_here, name_of, NULL, true};
    char why[512], deep[1024] = "SELECT ";
    memset(deep + strlen(deep), '(', 400);
    strcat(deep, "1");
    memset(deep + strlen(deep), ')', 400);
    CU_ASSERT_EQUAL(route_by(&one, "SELECT * FROM a.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t, i.t", NULL, why, sizeof why), 0);
    CU_ASSERT_EQUAL(route_by(&one, deep, NULL, why, sizeof why), SQL_ROUTE_ANY);
    CU_ASSERT_EQUAL(route(deep, NULL, why, sizeof why), SQL_ROUTE_UNKNOWN);
    CU_ASSERT_EQUAL(route_by(&one, "SELECT * FROM nowhere.t, b.t, c.t, d.t, e.t, f.t, g.t, h.t, i.t", NULL, why, sizeof why),
                    SQL_ROUTE_UNKNOWN);
}

static void refusals_are_cut_not_overrun(void)
{
    char why[16 + 1];
    why[16] = 'x';
    CU_ASSERT_EQUAL(route("SELECT * FROM `a\nb`.t", NULL, why, 16), SQL_ROUTE_UNKNOWN);
    CU_ASSERT_EQUAL(why[16], 'x');
    CU_ASSERT_PTR_NOT_NULL(memchr(why, 0, 16));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"statements find their server", statements_find_their_server},
        {"refusals name what to do", refusals_name_what_to_do},
        {"one server runs what cannot be told", one_server_runs_what_cannot_be_told},
        {"refusals are cut, not overrun", refusals_are_cut_not_overrun},
        {NULL, NULL},
    };
    return unit_main("sql/route", tests);
}
