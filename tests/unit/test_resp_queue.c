/* What a client has sent ahead: answers leave in its order however they come, and a plan sends together what may go together. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "proxy/resp/plan.h"

static struct resp_queue q;
static struct buf out;

static void words(struct comp_argv *argv, const char *line)
{
    for (const char *at = line; *at;) {
        size_t n = strcspn(at, " ");
        comp_argv_add(argv, at, n);
        at += n + (at[n] == ' ');
    }
}

static void push(const char *line)
{
    struct comp_argv argv = {0};
    words(&argv, line);
    resp_queue_push(&q, &argv);
}

static void answer(size_t i, const char *text)
{
    buf_text(resp_queue_answer(&q, i, &out), text);
    resp_queue_done(&q, i, &out);
}

static void end(void)
{
    resp_queue_fini(&q);
    buf_fini(&out);
    q = (struct resp_queue){0};
    out = (struct buf){0};
}

static bool popped(const char *name)
{
    struct comp_argv argv = {0};
    resp_queue_pop(&q, &argv);
    bool same = slice_is(comp_argv_at(&argv, 0), name);
    comp_argv_fini(&argv);
    return same;
}

static void answers_leave_in_order(void)
{
    push("A");
    push("B");
    push("C");
    push("D");
    answer(2, "c");
    CU_ASSERT_EQUAL(buf_len(&out), 0);
    CU_ASSERT_EQUAL(q.held, 1);
    answer(0, "a");
    CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "a");
    CU_ASSERT_TRUE(popped("B"));
    buf_text(&out, "b");
    resp_queue_drain(&q, &out);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "abc");
    CU_ASSERT_EQUAL(q.held, 0);
    CU_ASSERT_EQUAL(resp_queue_n(&q), 1);
    CU_ASSERT_TRUE(popped("D"));
    CU_ASSERT_EQUAL(q.bytes, 0);
    end();
}

static void places_are_used_again(void)
{
    for (int round = 0; round < 1000; round++) {
        while (resp_queue_has_room(&q))
            push("X y");
        CU_ASSERT_EQUAL_FATAL(resp_queue_n(&q), RESP_QUEUE_COMMANDS);
        for (int i = 0; i < 1 + round % RESP_QUEUE_COMMANDS; i++)
            CU_ASSERT_TRUE_FATAL(popped("X"));
    }
    end();
}

static void it_is_bounded_in_bytes(void)
{
    struct comp_argv big = {0};
    static char bytes[RESP_QUEUE_BYTES / 2];
    comp_argv_add(&big, bytes, sizeof bytes);
    resp_queue_push(&q, &big);
    comp_argv_add(&big, bytes, sizeof bytes);
    CU_ASSERT_TRUE(resp_queue_has_room(&q));
    resp_queue_push(&q, &big);
    CU_ASSERT_FALSE(resp_queue_has_room(&q));
    end();
}

static void fewer_go_where_not_all_could(void)
{
    CU_ASSERT_EQUAL(resp_queue_most(&q), RESP_QUEUE_FIRST);
    resp_queue_learn(&q, RESP_QUEUE_FIRST, 5);
    CU_ASSERT_EQUAL(resp_queue_most(&q), 5);
    resp_queue_learn(&q, 5, 5);
    CU_ASSERT_EQUAL(resp_queue_most(&q), 10);
    resp_queue_learn(&q, 10, 0);
    CU_ASSERT_EQUAL(resp_queue_most(&q), 1);
    for (int i = 0; i < 7; i++)
        resp_queue_learn(&q, 1, 1);
    CU_ASSERT_EQUAL(resp_queue_most(&q), RESP_QUEUE_COMMANDS);
    end();
}

/* --- the plan --- */

static struct comp_command_use use;

static bool holds(const char *line)
{
    struct comp_argv argv = {0};
    struct comp_refusal why;
    words(&argv, line);
    bool may = comp_command_check(&argv, false, &use, &why) && resp_plan_may_hold(&use);
    comp_argv_fini(&argv);
    return may;
}

static bool plan_with(struct resp_plan *p, const char *line, uint16_t slot, bool looks)
{
    static const int node[4];
    CU_ASSERT_TRUE_FATAL(holds(line));
    push(line);
    use.slot = slot;
    return resp_plan_add(p, &q, &use, looks, &node[slot % 2]);
}

/* Writes look at their keys. */
static bool plan(struct resp_plan *p, const char *line, uint16_t slot, bool looks)
{
    return plan_with(p, line, slot, looks || (holds(line) && use.class == COMP_CLASS_WRITE));
}

static void what_goes_together(void)
{
    static const char *const together[] = {"GET a", "SET a 1", "MGET a b", "DEL a", "SORT a", "SORT a STORE b", "XADD s * f v",
                                           "PFCOUNT a"};
    static const char *const alone[] = {"PING", "KEYS *", "BLPOP a 0", "EVAL x 1 a", "EVALSHA x 1 a", "FCALL_RO f 1 a", "GET",
                                        "XAINCR h f 1", "XALOCK a", "PUBLISH c m", "NONSENSE a", "MULTI", "SCRIPT LOAD x"};
    for (size_t i = 0; i < sizeof together / sizeof *together; i++)
        CU_ASSERT_TRUE(holds(together[i]));
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        CU_ASSERT_FALSE(holds(alone[i]));
}

static void reads_go_as_they_are_up_to_the_first_write(void)
{
    struct resp_plan p = {0};
    plan(&p, "GET a", 0, false);
    plan(&p, "GET b", 0, false);
    plan(&p, "SET a 1", 0, false);
    plan(&p, "GET a", 0, false);
    CU_ASSERT_EQUAL_FATAL(p.n_parts, 3);
    CU_ASSERT(p.part[0].alone && p.part[1].alone && !p.part[2].alone);
    CU_ASSERT_EQUAL(p.part[2].pipeline.n, 2);
    CU_ASSERT_EQUAL(p.part[2].pipeline.looked.n, 1);
    CU_ASSERT_EQUAL(p.part[2].pipeline.others.n, 1);
    CU_ASSERT_EQUAL(p.part[2].first, 2);
    CU_ASSERT_EQUAL(resp_plan_next(&p, &q, 2, 2), 3);
    CU_ASSERT_EQUAL(resp_plan_next(&p, &q, 2, 3), SIZE_MAX);
    resp_plan_fini(&p);
    end();
}

static void past_locks_all_go_as_they_are(void)
{
    struct resp_plan p = {0};
    plan_with(&p, "SET a 1", 0, false);
    plan_with(&p, "GET a", 0, false);
    plan_with(&p, "INCR a", 0, true);
    plan_with(&p, "SET a 2", 0, false);
    CU_ASSERT_EQUAL_FATAL(p.n_parts, 3);
    CU_ASSERT(p.part[0].alone && p.part[0].writes && p.part[1].alone && !p.part[1].writes);
    CU_ASSERT(p.part[2].writes && p.part[2].pipeline.n == 2 && p.part[2].pipeline.looked.n == 1);
    resp_plan_fini(&p);
    end();
}

static void each_slot_has_its_own(void)
{
    struct resp_plan p = {0};
    plan(&p, "SET a 1", 1, false);
    plan(&p, "GET b", 2, false);
    plan(&p, "SET b 1", 2, false);
    plan(&p, "GET a", 1, true);
    plan(&p, "GET c", 3, true);
    CU_ASSERT_EQUAL_FATAL(p.n_parts, 4);
    CU_ASSERT(p.part[0].pipeline.n == 2 && p.part[0].pipeline.looked.n == 2);
    CU_ASSERT(p.part[1].alone && !p.part[2].alone && !p.part[3].alone);
    CU_ASSERT(p.part[0].node != p.part[1].node && p.part[0].node == p.part[3].node);
    CU_ASSERT_EQUAL(resp_plan_next(&p, &q, 0, 0), 3);
    resp_plan_fini(&p);
    end();
}

static void no_more_keys_than_fit(void)
{
    struct resp_plan p = {0};
    static char line[8 * COMP_PIPELINE_KEYS];
    int n = snprintf(line, sizeof line, "DEL");
    for (int i = 0; i < COMP_PIPELINE_KEYS / 2; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " k%d", i);
    CU_ASSERT_TRUE(plan(&p, line, 0, false));
    CU_ASSERT_TRUE(plan(&p, line, 0, false));
    CU_ASSERT_FALSE(plan(&p, "SET a 1", 0, false));
    CU_ASSERT_EQUAL(p.n, 2);
    resp_plan_fini(&p);
    end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"answers leave in order", answers_leave_in_order},
        {"places are used again", places_are_used_again},
        {"it is bounded in bytes", it_is_bounded_in_bytes},
        {"fewer go where not all could", fewer_go_where_not_all_could},
        {"what goes together", what_goes_together},
        {"reads go as they are up to the first write", reads_go_as_they_are_up_to_the_first_write},
        {"past locks all go as they are", past_locks_all_go_as_they_are},
        {"each slot has its own", each_slot_has_its_own},
        {"no more keys than fit", no_more_keys_than_fit},
        {NULL, NULL},
    };
    return unit_main("resp queue", tests);
}
