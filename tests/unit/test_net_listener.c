/* How plain connections come to be, on real sockets: addresses, connecting, listening, and neither of them without
 * descriptors. */
#include "tests/unit/unit.h"
#include "tests/unit/net_side.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "proxy/net/address.h"
/* --- connecting --- */

static uint16_t free_port(void)
{
    char why[200];
    struct net_listener *l = net_listener_new(loop, "127.0.0.1", 0, accept_right, NULL, why, sizeof why);
    uint16_t port = net_listener_port(l);
    net_listener_free(l);
    return port;
}

static void a_refused_connect_says_so(void)
{
    char why[200];
    fresh_loop();
    left = (struct side){0};
    left.c = net_conn_connect(loop, "127.0.0.1", free_port(), NULL, &side_ops, &left, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(left.c);
    run_until(left_closed);
    CU_ASSERT_EQUAL(left.connected, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(left.why, "127.0.0.1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(left.why, "Connection refused"));
    drop_loop();
}

static void names_must_have_been_resolved(void)
{
    char why[200] = "";
    fresh_loop();
    CU_ASSERT_PTR_NULL(net_conn_connect(loop, "localhost", 1, NULL, &side_ops, &left, why, sizeof why));
    CU_ASSERT_STRING_EQUAL(why, "the name \"localhost\" has not been resolved");
    CU_ASSERT_EQUAL(net_resolve("localhost", why, sizeof why), 0);
    CU_ASSERT_EQUAL(net_resolve("127.0.0.1", why, sizeof why), 0);
    CU_ASSERT_EQUAL(net_resolve("/run/x", why, sizeof why), 0);
    CU_ASSERT_EQUAL(net_resolve("no such name", why, sizeof why), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "no such name"));
    struct net_conn *c = net_conn_connect(loop, "localhost", free_port(), NULL, &side_ops, &left, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    net_conn_close(c, false);
    drop_loop();
}

static void addresses_read_as_people_write_them(void)
{
    struct sockaddr_storage a;
    socklen_t len;
    char why[200], text[64];
    CU_ASSERT_EQUAL(net_address("::ffff:10.1.2.3", 7, &a, &len, why, sizeof why), 0);
    CU_ASSERT_EQUAL(net_address_text(&a, text, sizeof text), 7);
    CU_ASSERT_STRING_EQUAL(text, "10.1.2.3");
    CU_ASSERT_EQUAL(net_address("::1", 65535, &a, &len, why, sizeof why), 0);
    CU_ASSERT_EQUAL(net_address_text(&a, text, sizeof text), 65535);
    CU_ASSERT_STRING_EQUAL(text, "::1");
    CU_ASSERT_FALSE(net_address_is_numeric("10.1.2.3.example"));
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CU_ASSERT_EQUAL(net_address_unix(path, &a, &len, why, sizeof why), -1);
}

/* --- listening --- */

static void a_local_socket_replaces_a_stale_file_but_no_living_server(void)
{
    char dir[] = "/tmp/test_net.XXXXXX", path[64], why[200] = "";
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    strcpy(un.sun_path, path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(dead, (struct sockaddr *)&un, sizeof un), 0);
    close(dead);
    fresh_loop();
    left = right = (struct side){0};
    struct net_listener *l = net_listener_new(loop, path, 0, accept_right, NULL, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    CU_ASSERT_PTR_NULL(net_listener_new(loop, path, 0, accept_right, NULL, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "in use"));
    left.c = net_conn_connect(loop, NULL, 0, path, &side_ops, &left, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(left.c);
    run_until(both_there);
    CU_ASSERT_STRING_EQUAL(left.c->peer, "unix");
    CU_ASSERT_STRING_EQUAL(right.c->peer, "unix");
    net_listener_free(l);
    struct stat st;
    CU_ASSERT_EQUAL(stat(path, &st), -1);
    drop_loop();
    rmdir(dir);
}

static void a_port_in_use_is_an_error_that_names_it(void)
{
    char why[200] = "";
    fresh_loop();
    struct net_listener *l = net_listener_new(loop, "127.0.0.1", 0, accept_right, NULL, why, sizeof why);
    CU_ASSERT_PTR_NULL(net_listener_new(loop, "127.0.0.1", net_listener_port(l), accept_right, NULL, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "127.0.0.1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "in use"));
    net_listener_free(l);
    drop_loop();
}

enum { CROWD = 20 };
static int accepted;
static void count_and_keep(void *arg, int fd, const char *peer)
{
    (void)arg;
    (void)peer;
    accepted++;
    net_conn_accept(loop, fd, &side_ops, &right);
}
static int crowd[CROWD];
static bool crowd_is_answered(void)
{
    int refused = 0;
    for (int n = 0; n < CROWD; n++) {
        char byte;
        refused += recv(crowd[n], &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || errno == ECONNRESET;
    }
    return refused + accepted == CROWD;
}

static int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Limits how far descriptors may go to `more` above what is open now; the old limit comes back. */
static struct rlimit few_descriptors(int more)
{
    struct rlimit old, few;
    int next = dup(0);
    getrlimit(RLIMIT_NOFILE, &old);
    few = old;
    few.rlim_cur = (rlim_t)(next + more);
    close(next);
    setrlimit(RLIMIT_NOFILE, &few);
    return old;
}

static void without_descriptors_it_refuses_and_stays_up(void)
{
    char why[200];
    fresh_loop();
    accepted = 0;
    right = (struct side){0};
    struct net_listener *l = net_listener_new(loop, "127.0.0.1", 0, count_and_keep, NULL, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    log_set_level(LOG_LEVEL_ERROR);
    for (int n = 0; n < CROWD; n++)
        crowd[n] = raw_connect(net_listener_port(l));
    struct rlimit old = few_descriptors(5);
    run_until(crowd_is_answered);
    CU_ASSERT(accepted > 0);
    CU_ASSERT(accepted < CROWD);
    setrlimit(RLIMIT_NOFILE, &old);
    int before = accepted;
    int late = raw_connect(net_listener_port(l));
    run_some_turns(5);
    CU_ASSERT_EQUAL(accepted, before + 1);
    log_set_level(LOG_LEVEL_INFO);
    close(late);
    for (int n = 0; n < CROWD; n++)
        close(crowd[n]);
    net_listener_free(l);
    drop_loop();
}

static void without_descriptors_there_is_no_loop_and_no_socket(void)
{
    char why[200] = "";
    fresh_loop();
    struct rlimit old = few_descriptors(0);
    CU_ASSERT_PTR_NULL(net_loop_new());
    CU_ASSERT_PTR_NULL(net_conn_connect(loop, "127.0.0.1", 1, NULL, &side_ops, &left, why, sizeof why));
    setrlimit(RLIMIT_NOFILE, &old);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "no socket"));
    drop_loop();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a refused connect says so", a_refused_connect_says_so},
        {"names must have been resolved", names_must_have_been_resolved},
        {"addresses read as people write them", addresses_read_as_people_write_them},
        {"a local socket replaces a stale file, but no living server",
         a_local_socket_replaces_a_stale_file_but_no_living_server},
        {"a port in use is an error that names it", a_port_in_use_is_an_error_that_names_it},
        {"without descriptors it refuses and stays up", without_descriptors_it_refuses_and_stays_up},
        {"without descriptors there is no loop and no socket", without_descriptors_there_is_no_loop_and_no_socket},
        {NULL, NULL},
    };
    return unit_main("net_listener", tests);
}
