/* The floor: buffers slide and grow, the cursor never reads past the end, mailboxes keep order between threads. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/network.h"
#include "base/random.h"

static void buffer_keeps_bytes_over_slides_and_growth(void)
{
    struct buf b = {0};
    uint8_t next_in = 0, next_out = 0;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 37; i++)
            buf_u8(&b, next_in++);
        for (int i = 0; i < round % 31 && buf_len(&b); i++) {
            CU_ASSERT_EQUAL(*buf_at(&b), next_out);
            next_out++;
            buf_consume(&b, 1);
        }
    }
    buf_clear(&b);
    buf_printf(&b, "%s=%d", "x", 42);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "x=42");
    buf_fini(&b);
}

static void cursor_latches_the_first_error(void)
{
    const uint8_t bytes[] = {1, 2, 3, 0, 'a', 'b'};
    struct cursor c = cursor_make(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(cursor_u24le(&c), 0x030201);
    CU_ASSERT_EQUAL(cursor_until_nul(&c).len, 0);
    CU_ASSERT_EQUAL(cursor_u32le(&c), 0);
    CU_ASSERT_TRUE(c.bad);
    CU_ASSERT_EQUAL(cursor_u8(&c), 0);
    CU_ASSERT_FALSE(cursor_done(&c));
}

static void cursor_wants_the_nul(void)
{
    struct cursor c = cursor_make("abc", 3);
    CU_ASSERT_PTR_NULL(cursor_until_nul(&c).at);
    CU_ASSERT_TRUE(c.bad);
}

static void quoting_makes_hostile_text_one_line(void)
{
    char out[32];
    CU_ASSERT_STRING_EQUAL(log_quote(out, sizeof out, "a\n\"b", 4), "\"a\\x0a\\x22b\"");
    log_quote(out, sizeof out, "0123456789012345678901234567890123456789", 40);
    CU_ASSERT(strlen(out) < sizeof out);
}

struct numbered {
    struct letter letter;
    int number;
};
static void check_order(struct letter *letter, void *receiver)
{
    int *next = receiver;
    CU_ASSERT_EQUAL(CONTAINER_OF(letter, struct numbered, letter)->number, *next);
    ++*next;
}
static struct numbered letters[1000];
static void *post_all(void *box)
{
    for (int i = 0; i < 1000; i++) {
        letters[i] = (struct numbered){{{NULL, NULL}, check_order}, i};
        mailbox_post(box, &letters[i].letter);
    }
    return NULL;
}
static void mailbox_keeps_order_between_threads(void)
{
    struct mailbox box;
    pthread_t thread;
    int next = 0;
    mailbox_init(&box, NULL, NULL);
    pthread_create(&thread, NULL, post_all, &box);
    while (next < 1000)
        mailbox_wait(&box, &next, 1000);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(mailbox_wait(&box, &next, 1), 0);
    mailbox_fini(&box);
}

static void networks_are_read_strictly(void)
{
    static const char *const good[] = {"0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "2001:db8::/32", "::1",
                                       "unix"};
    static const char *const bad[] = {"", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8x",
                                      "10.0.0", "2001:db8::1/32", "::/129", "host", "UNIX", "unix/8", "10.0.0.0/8/8",
                                      "1111111111111111111111111111111111111111111111111111111111111111111/8"};
    struct network n;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT(network_read(good[i], &n));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(network_read(bad[i], &n));
}

static void an_address_is_in_a_network_or_not(void)
{
    static char v4[] = "10.1.128.0/17", one[] = "192.0.2.7", v6[] = "2001:db8:0:8000::/49", local[] = "unix",
                all4[] = "0.0.0.0/0";
    char *const some[] = {v4, one, v6, NULL}, *const sockets[] = {local, NULL}, *const any4[] = {all4, NULL};
    CU_ASSERT(network_list_has(some, "10.1.128.0") && network_list_has(some, "10.1.255.255"));
    CU_ASSERT_FALSE(network_list_has(some, "10.1.127.255") || network_list_has(some, "10.2.128.0"));
    CU_ASSERT(network_list_has(some, "192.0.2.7") && !network_list_has(some, "192.0.2.6"));
    CU_ASSERT(network_list_has(some, "2001:db8:0:8000::1") && network_list_has(some, "2001:db8:0:ffff:1::"));
    CU_ASSERT_FALSE(network_list_has(some, "2001:db8:0:7fff::1") || network_list_has(some, "unix") || network_list_has(some, ""));
    CU_ASSERT(network_list_has(sockets, "unix") && !network_list_has(sockets, "10.1.128.0"));
    CU_ASSERT(network_list_has(any4, "255.255.255.255") && network_list_has(any4, "::ffff:1.2.3.4"));
    CU_ASSERT_FALSE(network_list_has(any4, "::1") || network_list_has(any4, "unix") || network_list_has(NULL, "1.2.3.4"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a buffer keeps its bytes over slides and growth", buffer_keeps_bytes_over_slides_and_growth},
        {"a cursor latches the first error", cursor_latches_the_first_error},
        {"a cursor wants the NUL", cursor_wants_the_nul},
        {"quoting makes hostile text one line", quoting_makes_hostile_text_one_line},
        {"a mailbox keeps order between threads", mailbox_keeps_order_between_threads},
        {"networks are read strictly", networks_are_read_strictly},
        {"an address is in a network or not", an_address_is_in_a_network_or_not},
        {NULL, NULL},
    };
    return unit_main("base", tests);
}
