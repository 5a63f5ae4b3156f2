/* Backend connections on a real server; FAMILY says which. The tests are in three files, this one runs them over one
 * server. */
#include "tests/unit/backend_side.h"

#include <signal.h>

static struct unit_test all[64] = {{"accounts and tables are made", side_make_accounts}};

static void add(const struct unit_test *tests)
{
    static size_t n = 1;
    for (; tests->shows; tests++) {
        CHECK(n + 1 < sizeof all / sizeof *all);
        all[n++] = *tests;
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_DFL); /* nothing here may raise it */
    int status = side_start(FAMILY);
    if (status)
        return status;
    add(backend_login_tests);
    if (!side_is_mariadb())
        add(backend_sha2_tests);
    add(backend_command_tests);
    add(backend_pool_tests);
    status = unit_main("backend on " FAMILY, all);
    side_stop();
    return status;
}
