/* The loop's turn and plain connections, on real sockets: order of callbacks, one write a turn, limits, water marks,
 * every way to end. Leaves how they come to be to test_net_listener.c. */
#include "tests/unit/unit.h"
#include "tests/unit/net_side.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/clock.h"

/* --- the turn --- */

static char story[64];
static void tell(const char *word)
{
    strncat(story, word, sizeof story - strlen(story) - 1);
}

static struct net_deferred first, second, later;
static void run_first(struct net_deferred *d)
{
    (void)d;
    tell("1");
    net_defer(loop, &later);
}
static void run_second(struct net_deferred *d)
{
    (void)d;
    tell("2");
}
static void run_later(struct net_deferred *d)
{
    (void)d;
    tell("3");
    tell(right.c->bytes_out ? "written" : "unwritten");
}
static void defer_both(struct side *s)
{
    buf_clear(&s->c->in);
    tell("read");
    say(s, "x", 1);
    net_defer(loop, &first);
    net_defer(loop, &second);
    net_defer(loop, &first);
    tell("end");
}
static bool right_has_written(void)
{
    return right.c->bytes_out > 0;
}

static void deferred_work_runs_once_in_order_before_the_writes(void)
{
    fresh_loop();
    *story = '\0';
    first = (struct net_deferred){LIST_INIT(first.link), run_first};
    second = (struct net_deferred){LIST_INIT(second.link), run_second};
    later = (struct net_deferred){LIST_INIT(later.link), run_later};
    int raw = make_half(NULL);
    right.react = defer_both;
    CU_ASSERT_EQUAL(write(raw, "a", 1), 1);
    run_until(right_has_written);
    CU_ASSERT_STRING_EQUAL(story, "readend123unwritten");
    close(raw);
    drop_loop();
}

static struct net_timer alarms[3];
static int64_t alarm_set_ms, alarm_rang_ms[3];
static void on_alarm(void *arg)
{
    int n = (int)(intptr_t)arg;
    alarm_rang_ms[n] = clock_mono_ms();
    tell(n == 0 ? "a" : n == 1 ? "b" : "c");
}
static bool two_rang(void)
{
    return strlen(story) >= 2;
}

static void timers_ring_in_order_never_early_and_only_once(void)
{
    struct net_timer zero = {0};
    net_timer_stop(&zero);
    net_timer_fini(&zero);
    fresh_loop();
    *story = '\0';
    for (intptr_t n = 0; n < 3; n++)
        net_timer_init(&alarms[n], loop, on_alarm, (void *)n);
    clock_sleep_ms(15); /* the loop's idea of now is old */
    alarm_set_ms = clock_mono_ms();
    net_timer_start(&alarms[0], 5);
    net_timer_start(&alarms[0], 30); /* restarts */
    net_timer_start(&alarms[1], 10);
    net_timer_start(&alarms[2], 20);
    net_timer_stop(&alarms[2]);
    run_until(two_rang);
    run_some_turns(20);
    CU_ASSERT_STRING_EQUAL(story, "ba");
    CU_ASSERT(alarm_rang_ms[1] - alarm_set_ms >= 10);
    CU_ASSERT(alarm_rang_ms[0] - alarm_set_ms >= 30);
    CU_ASSERT(net_loop_now_ms(loop) >= alarm_set_ms + 30);
    for (int n = 0; n < 3; n++)
        net_timer_fini(&alarms[n]);
    drop_loop();
}

enum { LETTERS = 5000, POSTMEN = 2 };
struct post {
    struct letter letter;
    int from, number;
};
static int next_number[POSTMEN];
static void deliver(struct letter *letter, void *receiver)
{
    struct post *p = CONTAINER_OF(letter, struct post, letter);
    CU_ASSERT_PTR_EQUAL(receiver, next_number);
    CU_ASSERT_EQUAL(p->number, next_number[p->from]);
    next_number[p->from]++;
    free(p);
}
static void *postman(void *arg)
{
    for (int n = 0; n < LETTERS; n++) {
        struct post *p = calloc(1, sizeof *p);
        *p = (struct post){{LIST_INIT(p->letter.link), deliver}, (int)(intptr_t)arg, n};
        mailbox_post(net_loop_mailbox(loop), &p->letter);
    }
    return NULL;
}
static bool all_delivered(void)
{
    return next_number[0] == LETTERS && next_number[1] == LETTERS;
}

static void letters_from_threads_arrive_in_order(void)
{
    pthread_t threads[POSTMEN];
    fresh_loop();
    memset(next_number, 0, sizeof next_number);
    net_loop_set_receiver(loop, next_number);
    for (intptr_t n = 0; n < POSTMEN; n++)
        pthread_create(&threads[n], NULL, postman, (void *)n);
    run_until(all_delivered);
    for (int n = 0; n < POSTMEN; n++)
        pthread_join(threads[n], NULL);
    drop_loop();
}

static int woken;
static void on_wake(void *arg)
{
    (void)arg;
    woken++;
    net_loop_stop(loop);
}
static void *raise_later(void *arg)
{
    clock_sleep_ms(20);
    net_wake_raise(arg);
    net_wake_raise(arg);
    return NULL;
}

static void a_wake_ends_a_loops_sleep(void)
{
    struct net_wake wake;
    pthread_t thread;
    fresh_loop();
    woken = 0;
    net_wake_init(&wake, loop, on_wake, NULL);
    pthread_create(&thread, NULL, raise_later, &wake);
    net_loop_run(loop);
    pthread_join(thread, NULL);
    CU_ASSERT(woken >= 1);
    net_wake_fini(&wake);
    drop_loop();
}

/* --- bytes --- */

enum { MESSAGES = 5000 };
static void echo(struct side *s)
{
    say(s, buf_at(&s->c->in), buf_len(&s->c->in));
    buf_clear(&s->c->in);
}
static bool left_has_all(void)
{
    return buf_len(&left.c->in) == MESSAGES * sizeof(uint32_t);
}

static void thousands_of_small_messages_come_back_in_order(void)
{
    fresh_loop();
    make_pair();
    CU_ASSERT_STRING_EQUAL(left.c->peer, "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(right.c->peer, "127.0.0.1");
    CU_ASSERT(right.c->peer_port != 0);
    right.react = echo;
    for (uint32_t n = 0; n < MESSAGES; n++)
        say(&left, &n, sizeof n);
    run_until(left_has_all);
    CU_ASSERT_EQUAL(left.c->writes, 1); /* a turn's messages travel together */
    for (uint32_t n = 0; n < MESSAGES; n++)
        CU_ASSERT(!memcmp(buf_at(&left.c->in) + n * sizeof n, &n, sizeof n));
    CU_ASSERT_EQUAL(left.c->bytes_in, MESSAGES * sizeof(uint32_t));
    CU_ASSERT_EQUAL(left.c->bytes_out, MESSAGES * sizeof(uint32_t));
    drop_loop();
}

static bool played(void)
{
    return left.reads >= 2000;
}

static void each_turn_of_a_dialogue_is_one_write(void)
{
    fresh_loop();
    make_pair();
    left.react = right.react = echo;
    say(&left, "ball", 4);
    run_until(played);
    CU_ASSERT_EQUAL(left.c->writes, (uint64_t)left.reads + 1);
    drop_loop();
}

static size_t wanted;
static bool right_has_wanted(void)
{
    return buf_len(&right.c->in) >= wanted;
}
static int in_kernel(int fd)
{
    int n = -1;
    ioctl(fd, FIONREAD, &n);
    return n;
}

static void bytes_beyond_the_read_limit_stay_in_the_kernel(void)
{
    char bytes[100] = {0};
    int fd;
    fresh_loop();
    int raw = make_half(&fd);
    net_conn_read_limit(right.c, 4);
    CU_ASSERT_EQUAL(write(raw, bytes, sizeof bytes), sizeof bytes);
    wanted = 4;
    run_until(right_has_wanted);
    run_some_turns(5);
    CU_ASSERT_EQUAL(buf_len(&right.c->in), 4);
    CU_ASSERT_EQUAL(in_kernel(fd), 96);
    net_conn_read_limit(right.c, 32);
    wanted = 36;
    run_until(right_has_wanted);
    run_some_turns(5);
    CU_ASSERT_EQUAL(in_kernel(fd), 64);
    net_conn_read_limit(right.c, 0);
    wanted = 100;
    run_until(right_has_wanted);
    close(raw);
    drop_loop();
}

static void a_paused_connection_reads_nothing(void)
{
    int fd;
    fresh_loop();
    int raw = make_half(&fd);
    net_conn_pause(right.c);
    net_conn_pause(right.c);
    CU_ASSERT_TRUE(net_conn_paused(right.c));
    CU_ASSERT_EQUAL(write(raw, "abc", 3), 3);
    run_some_turns(5);
    CU_ASSERT_EQUAL(right.reads, 0);
    CU_ASSERT_EQUAL(in_kernel(fd), 3);
    net_conn_resume(right.c);
    wanted = 3;
    run_until(right_has_wanted);
    close(raw);
    drop_loop();
}

enum { FLOOD = 8 << 20 };
static void *flood(void *arg)
{
    static const char zeros[1 << 16];
    int fd = (int)(intptr_t)arg;
    for (size_t sent = 0; sent < FLOOD;) {
        ssize_t n = send(fd, zeros, sizeof zeros, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    return NULL;
}
static void swallow(struct side *s)
{
    buf_clear(&s->c->in);
}
static bool right_has_flood(void)
{
    return right.c->bytes_in >= FLOOD;
}

static void a_flood_gets_its_share_of_a_turn_and_no_more(void)
{
    pthread_t thread;
    fresh_loop();
    int raw = make_half(NULL);
    right.react = swallow;
    pthread_create(&thread, NULL, flood, (void *)(intptr_t)raw);
    run_until(right_has_flood);
    pthread_join(thread, NULL);
    CU_ASSERT(right.largest_read <= 64 * 1024);
    CU_ASSERT(right.c->in.cap <= 256 * 1024);
    close(raw);
    drop_loop();
}

static bool right_drained(void)
{
    return right.drained > 0;
}
static bool right_blocked(void)
{
    return right.c->bytes_out > 0;
}
static void *read_to_end(void *arg)
{
    static char scratch[1 << 16];
    int fd = (int)(intptr_t)arg;
    intptr_t total = 0;
    for (ssize_t n; (n = read(fd, scratch, sizeof scratch)) > 0;)
        total += n;
    return (void *)total;
}

static void water_marks_tell_once_when_the_peer_has_caught_up(void)
{
    static char bytes[4 << 20];
    pthread_t thread;
    void *total;
    fresh_loop();
    int raw = make_half(NULL);
    net_conn_water(right.c, 1 << 20, 1 << 10);
    say(&right, bytes, sizeof bytes);
    CU_ASSERT_TRUE(net_conn_above_water(right.c));
    run_until(right_blocked);
    run_some_turns(5);
    CU_ASSERT_TRUE(net_conn_above_water(right.c));
    CU_ASSERT_EQUAL(right.drained, 0);
    pthread_create(&thread, NULL, read_to_end, (void *)(intptr_t)raw);
    run_until(right_drained);
    CU_ASSERT_FALSE(net_conn_above_water(right.c));
    say(&right, "small", 5);
    run_some_turns(5);
    CU_ASSERT_EQUAL(right.drained, 1);
    drop_loop();
    pthread_join(thread, &total);
    CU_ASSERT_EQUAL((intptr_t)total, (intptr_t)sizeof bytes + 5);
    close(raw);
}

static void flush_now_does_not_wait_for_the_turns_end(void)
{
    char got[4] = "";
    fresh_loop();
    int raw = make_half(NULL);
    buf_text(&right.c->out, "now");
    CU_ASSERT_EQUAL(net_conn_flush_now(right.c), 0);
    CU_ASSERT_EQUAL(recv(raw, got, 3, MSG_DONTWAIT), 3);
    CU_ASSERT_STRING_EQUAL(got, "now");
    close(raw);
    buf_text(&right.c->out, "late");
    CU_ASSERT_EQUAL(net_conn_flush_now(right.c), -1);
    CU_ASSERT_EQUAL(right.closed, 0); /* not from inside the caller */
    run_some_turns(2);
    CU_ASSERT_EQUAL(right.closed, 1);
    drop_loop();
}

/* --- ends --- */

static bool right_closed(void)
{
    return right.closed > 0;
}

static void the_last_bytes_come_before_the_news_of_the_end(void)
{
    fresh_loop();
    int raw = make_half(NULL);
    CU_ASSERT_EQUAL(write(raw, "bye", 3), 3);
    close(raw);
    run_until(right_closed);
    CU_ASSERT_EQUAL(right.reads, 1);
    CU_ASSERT_EQUAL(right.closed, 1);
    CU_ASSERT_STRING_EQUAL(right.why, "peer closed the connection");
    drop_loop();
}

/* A server that kills a session says why, then closes; our next request must not hide its words. */
static void a_failed_write_still_reads_what_the_peer_said(void)
{
    fresh_loop();
    int raw = make_half(NULL);
    CU_ASSERT_EQUAL(write(raw, "killed", 6), 6);
    close(raw);
    buf_text(&right.c->out, "request");
    CU_ASSERT_EQUAL(net_conn_flush_now(right.c), -1);
    run_some_turns(2);
    CU_ASSERT_EQUAL(right.closed, 1);
    CU_ASSERT_EQUAL(right.seen, 6);
    drop_loop();
}

static void close_at_once(struct side *s)
{
    net_conn_close(s->c, false);
    net_conn_close(s->c, false);
    net_conn_flush(s->c);
}

static void no_callback_comes_after_our_own_close(void)
{
    fresh_loop();
    int raw = make_half(NULL);
    right.react = close_at_once;
    CU_ASSERT_EQUAL(write(raw, "a", 1), 1);
    run_some_turns(5);
    CU_ASSERT_EQUAL(right.reads, 1);
    CU_ASSERT_EQUAL(right.closed, 0);
    char byte;
    CU_ASSERT_EQUAL(recv(raw, &byte, 1, MSG_DONTWAIT), 0);
    close(raw);
    drop_loop();
}

static void *join_me;
static _Atomic bool reader_done;
static void *read_and_tell(void *arg)
{
    join_me = read_to_end(arg);
    reader_done = true;
    return NULL;
}
static bool reader_is_done(void)
{
    return reader_done;
}

static void close_after_flush_delivers_everything(void)
{
    static char bytes[3 << 20];
    pthread_t thread;
    fresh_loop();
    int raw = make_half(NULL);
    buf_append(&right.c->out, bytes, sizeof bytes);
    net_conn_close(right.c, true);
    reader_done = false;
    pthread_create(&thread, NULL, read_and_tell, (void *)(intptr_t)raw);
    run_until(reader_is_done);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL((intptr_t)join_me, (intptr_t)sizeof bytes);
    close(raw);
    drop_loop();
}

/* A killed session's driver finds its line cut before whoever killed it is told. */
static void who_has_nothing_to_say_is_gone_at_once(void)
{
    char byte;
    fresh_loop();
    int raw = make_half(NULL);
    run_some_turns(2);
    struct pollfd end = {.fd = raw, .events = POLLIN};
    CU_ASSERT_EQUAL(poll(&end, 1, 0), 0);
    net_conn_close(right.c, true);
    CU_ASSERT_EQUAL(poll(&end, 1, 1000), 1); /* the loop has not turned */
    CU_ASSERT_EQUAL(recv(raw, &byte, 1, MSG_DONTWAIT), 0);
    close(raw);
    drop_loop();
}

/* Without lingering the kernel answers unread input with a reset, and the peer loses the error packet. */
static void last_words_survive_unread_input(void)
{
    static char unread[200000];
    fresh_loop();
    make_pair();
    net_conn_pause(right.c);
    say(&left, unread, sizeof unread);
    run_some_turns(10);
    buf_text(&right.c->out, "ERR 1040");
    net_conn_close(right.c, true);
    run_until(left_closed);
    CU_ASSERT_EQUAL(left.unused, 8);
    CU_ASSERT_STRING_EQUAL(left.why, "peer closed the connection");
    drop_loop();
}

static int64_t closing_ms;
static bool gone_by_itself(void)
{
    char byte;
    return recv((int)wanted, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void a_peer_that_takes_nothing_does_not_hold_a_closed_connection(void)
{
    static char bytes[3 << 20];
    static char scratch[1 << 16];
    fresh_loop();
    int raw = make_half(NULL);
    buf_append(&right.c->out, bytes, sizeof bytes);
    net_conn_close(right.c, true);
    closing_ms = clock_mono_ms();
    run_some_turns(600); /* about 1.2 s: past the deadline */
    while (recv(raw, scratch, sizeof scratch, MSG_DONTWAIT) > 0)
        ;
    wanted = (size_t)raw;
    CU_ASSERT_TRUE(gone_by_itself());
    CU_ASSERT(clock_mono_ms() - closing_ms >= 1000);
    close(raw);
    drop_loop();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"deferred work runs once, in order, before the writes", deferred_work_runs_once_in_order_before_the_writes},
        {"timers ring in order, never early and only once", timers_ring_in_order_never_early_and_only_once},
        {"letters from threads arrive in order", letters_from_threads_arrive_in_order},
        {"a wake ends a loop's sleep", a_wake_ends_a_loops_sleep},
        {"thousands of small messages come back in order", thousands_of_small_messages_come_back_in_order},
        {"each turn of a dialogue is one write", each_turn_of_a_dialogue_is_one_write},
        {"bytes beyond the read limit stay in the kernel", bytes_beyond_the_read_limit_stay_in_the_kernel},
        {"a paused connection reads nothing", a_paused_connection_reads_nothing},
        {"a flood gets its share of a turn and no more", a_flood_gets_its_share_of_a_turn_and_no_more},
        {"water marks tell once when the peer has caught up", water_marks_tell_once_when_the_peer_has_caught_up},
        {"flush_now does not wait for the turn's end", flush_now_does_not_wait_for_the_turns_end},
        {"the last bytes come before the news of the end", the_last_bytes_come_before_the_news_of_the_end},
        {"a failed write still reads what the peer said", a_failed_write_still_reads_what_the_peer_said},
        {"no callback comes after our own close", no_callback_comes_after_our_own_close},
        {"close after flush delivers everything", close_after_flush_delivers_everything},
        {"who has nothing to say is gone at once", who_has_nothing_to_say_is_gone_at_once},
        {"last words survive unread input", last_words_survive_unread_input},
        {"a peer that takes nothing does not hold a closed connection",
         a_peer_that_takes_nothing_does_not_hold_a_closed_connection},
        {NULL, NULL},
    };
    return unit_main("net", tests);
}
