/* The options of actions as JSON: each is read, and nothing else is. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "actions/options.h"

static char why[256];

static struct slice text(const char *s) { return (struct slice){(const uint8_t *)s, strlen(s)}; }

static void every_option_is_read(void)
{
    struct action a = {.max_age_ms = 7};
    CU_ASSERT_TRUE(action_options_read(text("{\"key\" : \"order-\\\"17\", \"max_attempts\": 20,\"max_age\":\"24h\", \"timeout\":\"5s\","
                                            " \"order\":\"parallel\", \"idempotent\":true}"), &a, why, sizeof why));
    CU_ASSERT_STRING_EQUAL(a.key, "order-\"17");
    CU_ASSERT(a.max_attempts == 20 && a.max_age_ms == 86400000 && a.timeout_ms == 5000 && a.parallel && a.idempotent);
    CU_ASSERT_TRUE(action_options_read(text(" {\"order\":\"strict\",\"idempotent\":false} "), &a, why, sizeof why));
    CU_ASSERT(!a.parallel && !a.idempotent && a.max_attempts == 20);
    CU_ASSERT_TRUE(action_options_read(text("{}"), &a, why, sizeof why));
}

static void times_have_units(void)
{
    static const struct {
        const char *json;
        int64_t ms;
    } cases[] = {{"{\"max_age\":0}", 0},         {"{\"max_age\":3}", 3000},        {"{\"max_age\":\"3\"}", 3000},
                 {"{\"max_age\":\"500ms\"}", 500}, {"{\"max_age\":\"2m\"}", 120000}, {"{\"max_age\":\"7d\"}", 604800000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct action a = {.max_age_ms = -1};
        CU_ASSERT_TRUE(action_options_read(text(cases[i].json), &a, why, sizeof why));
        CU_ASSERT_EQUAL(a.max_age_ms, cases[i].ms);
    }
}

static void what_makes_no_sense_is_refused_with_a_reason(void)
{
    static const char *const cases[] = {
        "", "x", "[]", "{", "{\"key\"}", "{\"key\":}", "{\"key\":\"\"}", "{\"key\":1}", "{\"key\":\"a}", "{\"key\":\"\\u0041\"}",
        "{\"key\":\"a\"} x", "{\"key\":\"a\",}", "{\"key\":\"a\" \"order\":\"strict\"}", "{\"order\":\"any\"}", "{\"order\":true}",
        "{\"max_attempts\":\"3\"}", "{\"max_attempts\":-1}", "{\"max_attempts\":1.5}", "{\"max_attempts\":99999999999}",
        "{\"max_age\":\"1y\"}", "{\"max_age\":\"-1s\"}", "{\"max_age\":\"9999999999999999s\"}", "{\"timeout\":0}",
        "{\"timeout\":\"100d\"}", "{\"idempotent\":1}", "{\"idempotent\":\"true\"}", "{\"keys\":\"a\"}", "{\"retriable\":true}",
        "{\"key\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct action a = {.max_age_ms = 0};
        *why = '\0';
        CU_ASSERT_FALSE(action_options_read(text(cases[i]), &a, why, sizeof why));
        CU_ASSERT(*why);
    }
}

/* They are kept as a text until the action comes, and must be the same then. */
static void a_nul_is_refused(void)
{
    static const char *const cases[] = {"{\"max_attempts\":5?}", "{\"idempotent\":true?}", "{?}", "{\"key\":\"a?\"}", "{\"key\":\"a\"}?"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct action a = {.max_age_ms = 0};
        char *json = strdup(cases[i]);
        size_t len = strlen(json);
        *strchr(json, '?') = '\0';
        CU_ASSERT_FALSE(action_options_read((struct slice){(const uint8_t *)json, len}, &a, why, sizeof why));
        free(json);
    }
}

/* Cut anywhere it is refused, and nothing behind the end is read. */
static void a_cut_object_is_refused(void)
{
    static const char whole[] = "{\"key\":\"a\\nb\",\"max_attempts\":3,\"idempotent\":true}";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct action a = {.max_age_ms = 0};
        char *copy = strndup(whole, n);
        CU_ASSERT_FALSE(action_options_read((struct slice){(const uint8_t *)copy, n}, &a, why, sizeof why));
        free(copy);
    }
}

static void a_step_may_be_retriable(void)
{
    bool retriable = false;
    CU_ASSERT_TRUE(action_step_options_read(text("{\"retriable\":true}"), &retriable, why, sizeof why));
    CU_ASSERT_TRUE(retriable);
    CU_ASSERT_FALSE(action_step_options_read(text("{\"key\":\"a\"}"), &retriable, why, sizeof why));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every option is read", every_option_is_read},
        {"times have units", times_have_units},
        {"what makes no sense is refused with a reason", what_makes_no_sense_is_refused_with_a_reason},
        {"a NUL is refused", a_nul_is_refused},
        {"a cut object is refused", a_cut_object_is_refused},
        {"a step may be retriable", a_step_may_be_retriable},
        {NULL, NULL},
    };
    return unit_main("action options", tests);
}
