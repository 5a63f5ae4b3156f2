/* Who knocks too often waits, who holds too many places gets no more, and a flood of addresses makes nothing grow. */
#include <stdio.h>

#include "proxy/session/callers.h"
#include "tests/unit/unit.h"

static void an_address_has_its_share(void)
{
    struct callers *c = callers_new(3, 0, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(callers_enter(c, "10.0.0.1"));
    CU_ASSERT_FALSE(callers_enter(c, "10.0.0.1"));
    CU_ASSERT_TRUE(callers_enter(c, "10.0.0.2"));
    CU_ASSERT_TRUE(callers_enter(c, "unix"));
    callers_leave(c, "10.0.0.1");
    CU_ASSERT_TRUE(callers_enter(c, "10.0.0.1"));
    CU_ASSERT_FALSE(callers_enter(c, "10.0.0.1"));
    callers_free(c);
}

static void who_stays_has_a_share_too(void)
{
    struct callers *c = callers_new(1, 2, 0);
    char address[32];
    CU_ASSERT_TRUE(callers_enter(c, "10.0.0.1"));
    CU_ASSERT_TRUE(callers_stay(c, "10.0.0.1"));
    CU_ASSERT_TRUE(callers_stay(c, "10.0.0.1"));
    CU_ASSERT_FALSE(callers_stay(c, "10.0.0.1"));
    CU_ASSERT_TRUE(callers_stay(c, "10.0.0.2"));
    callers_leave(c, "10.0.0.1");
    for (int i = 0; i < 100000; i++) { /* a flood does not make it forgotten */
        snprintf(address, sizeof address, "172.%d.%d.%d", 16 + i / 65536, i / 256 % 256, i % 256);
        (void)callers_failed(c, address, i);
    }
    CU_ASSERT_FALSE(callers_stay(c, "10.0.0.1"));
    callers_gone(c, "10.0.0.1");
    CU_ASSERT_TRUE(callers_stay(c, "10.0.0.1"));
    CU_ASSERT_FALSE(callers_stay(c, "10.0.0.1"));
    callers_free(c);
    c = callers_new(1, 0, 0);
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(callers_stay(c, "10.0.0.1"));
    callers_free(c);
}

static void an_ipv6_host_is_its_network(void)
{
    struct callers *c = callers_new(1, 0, 0);
    CU_ASSERT_TRUE(callers_enter(c, "2001:db8::1"));
    CU_ASSERT_FALSE(callers_enter(c, "2001:db8::ffff:2"));
    CU_ASSERT_TRUE(callers_enter(c, "2001:db8:0:1::1"));
    callers_free(c);
}

static void failures_cost_twice_as_much_each_time(void)
{
    static const int wanted[] = {0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3000, 3000};
    struct callers *c = callers_new(10, 0, 3000);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        CU_ASSERT_EQUAL(callers_failed(c, "10.0.0.1", 1000 + (int64_t)i), wanted[i]);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(callers_failed(c, "10.0.0.1", 50000), 3000);
    CU_ASSERT_EQUAL(callers_failed(c, "10.0.0.2", 50000), 0);
    CU_ASSERT_EQUAL(callers_failed(c, "10.0.0.1", 50000 + 60001), 0);
    callers_free(c);
}

static void without_a_delay_none_is_asked(void)
{
    struct callers *c = callers_new(10, 0, 0);
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(callers_failed(c, "10.0.0.1", i), 0);
    callers_free(c);
}

/* Who is waiting keeps the place in the table; who only failed may be pushed out. */
static void a_flood_of_addresses_forgets_no_waiting_caller(void)
{
    struct callers *c = callers_new(1, 0, 3000);
    char address[32];
    CU_ASSERT_TRUE(callers_enter(c, "10.0.0.1"));
    for (int i = 0; i < 100000; i++) {
        snprintf(address, sizeof address, "172.%d.%d.%d", 16 + i / 65536, i / 256 % 256, i % 256);
        (void)callers_failed(c, address, i);
        if (callers_enter(c, address))
            callers_leave(c, address);
    }
    CU_ASSERT_FALSE(callers_enter(c, "10.0.0.1"));
    callers_leave(c, "10.0.0.1");
    CU_ASSERT_TRUE(callers_enter(c, "10.0.0.1"));
    callers_free(c);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an address has its share", an_address_has_its_share},
        {"who stays has a share too", who_stays_has_a_share_too},
        {"an IPv6 host is its network", an_ipv6_host_is_its_network},
        {"failures cost twice as much each time", failures_cost_twice_as_much_each_time},
        {"without a delay none is asked", without_a_delay_none_is_asked},
        {"a flood of addresses forgets no waiting caller", a_flood_of_addresses_forgets_no_waiting_caller},
        {NULL, NULL},
    };
    return unit_main("callers", tests);
}
