/* Names and meanings: a gtrid reads back as it was made and nothing else passes for one; statement texts; what each
 * error means by what was asked. */
#include "tests/unit/unit.h"

#include <string.h>

#include "xa/verdict.h"
#include "xa/xid.h"

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void a_gtrid_reads_back_as_it_was_made(void)
{
    struct xa_gtrid g, again;
    struct xa_gtrid_parts p;
    xa_gtrid_make(&g, "node-1_a", "00c0ffee", 7, 0x1234abcd);
    CU_ASSERT_TRUE(xa_gtrid_parse(slice_of(g.text), &p));
    CU_ASSERT_STRING_EQUAL(p.node, "node-1_a");
    CU_ASSERT_STRING_EQUAL(p.log_id, "00c0ffee");
    CU_ASSERT_EQUAL(p.epoch, 7);
    CU_ASSERT_EQUAL(p.counter, 0x1234abcd);
    xa_gtrid_make(&again, "node-1_a", "00c0ffee", 7, 0x1234abcd);
    CU_ASSERT_STRING_NOT_EQUAL(g.text, again.text); /* nobody can guess one from another */
}

static void the_longest_gtrid_fits(void)
{
    struct xa_gtrid g;
    struct xa_gtrid_parts p;
    xa_gtrid_make(&g, "abcdefghijkl", "ffffffff", XA_EPOCH_LIMIT - 1, XA_COUNTER_LIMIT - 1);
    CU_ASSERT_EQUAL(strlen(g.text), XA_GTRID_MAX);
    CU_ASSERT_TRUE(xa_gtrid_parse(slice_of(g.text), &p));
    CU_ASSERT_EQUAL(p.epoch, XA_EPOCH_LIMIT - 1);
    CU_ASSERT_EQUAL(p.counter, XA_COUNTER_LIMIT - 1);
}

static void what_is_not_ours_is_no_gtrid(void)
{
    static const char *const foreign[] = {
        "",
        "xap1",
        "xap1:",
        "MySQLXid\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", /* a server's own */
        "xap2:n:00000001:1:1-0123456789abcdef",
        "XAP1:n:00000001:1:1-0123456789abcdef",
        "xap1::00000001:1:1-0123456789abcdef",
        "xap1:N:00000001:1:1-0123456789abcdef",
        "xap1:abcdefghijklm:00000001:1:1-0123456789abcdef",
        "xap1:n:0000001:1:1-0123456789abcdef",
        "xap1:n:000000001:1:1-0123456789abcdef",
        "xap1:n:0000000G:1:1-0123456789abcdef",
        "xap1:n:00000001::1-0123456789abcdef",
        "xap1:n:00000001:01:1-0123456789abcdef", /* one transaction, one text */
        "xap1:n:00000001:1:00-0123456789abcdef",
        "xap1:n:00000001:123456789:1-0123456789abcdef",
        "xap1:n:00000001:1:123456789abc-0123456789abcdef",
        "xap1:n:00000001:1:1-0123456789abcde",
        "xap1:n:00000001:1:1-0123456789abcdef0",
        "xap1:n:00000001:1:1-0123456789abcdeX",
        "xap1:n:00000001:1:1:0123456789abcdef",
    };
    struct xa_gtrid_parts p;
    CU_ASSERT_TRUE(xa_gtrid_parse(slice_of("xap1:n:00000001:1:1-0123456789abcdef"), &p));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        CU_ASSERT_FALSE(xa_gtrid_parse(slice_of(foreign[i]), &p));
    CU_ASSERT_FALSE(xa_gtrid_parse((struct slice){(const uint8_t *)"xap1:n:00000001:1:1-0123456789abcdef\0", 37}, &p));
}

static void every_cut_of_a_gtrid_is_refused(void)
{
    struct xa_gtrid g;
    struct xa_gtrid_parts p;
    xa_gtrid_make(&g, "n", "00000001", 12, 34);
    for (size_t n = 0; n < strlen(g.text); n++)
        CU_ASSERT_FALSE(xa_gtrid_parse((struct slice){(const uint8_t *)g.text, n}, &p));
}

static void node_and_backend_names_have_limits(void)
{
    CU_ASSERT_TRUE(xa_node_valid("a"));
    CU_ASSERT_TRUE(xa_node_valid("abcdefghi_-9"));
    CU_ASSERT_FALSE(xa_node_valid(""));
    CU_ASSERT_FALSE(xa_node_valid("abcdefghijklm"));
    CU_ASSERT_FALSE(xa_node_valid("a:b"));
    CU_ASSERT_FALSE(xa_node_valid("Upper"));
    CU_ASSERT_TRUE(xa_backend_name_valid("Shop_1-b"));
    CU_ASSERT_TRUE(xa_backend_name_valid("12345678901234567890123456789012"));
    CU_ASSERT_FALSE(xa_backend_name_valid("123456789012345678901234567890123"));
    CU_ASSERT_FALSE(xa_backend_name_valid("o'brien"));
    CU_ASSERT_FALSE(xa_backend_name_valid(""));
}

static void statements_are_spelled_as_servers_read_them(void)
{
    static const struct {
        enum xa_text what;
        const char *text;
    } rows[] = {
        {XA_TEXT_START, "XA START 'g','3:shop',1"},     {XA_TEXT_END, "XA END 'g','3:shop',1"},
        {XA_TEXT_PREPARE, "XA PREPARE 'g','3:shop',1"}, {XA_TEXT_COMMIT, "XA COMMIT 'g','3:shop',1"},
        {XA_TEXT_ROLLBACK, "XA ROLLBACK 'g','3:shop',1"}, {XA_TEXT_ONE_PHASE, "XA COMMIT 'g','3:shop',1 ONE PHASE"},
    };
    struct buf b = {0};
    struct xa_bqual bqual;
    xa_bqual_make(&bqual, 3, "shop");
    CU_ASSERT_STRING_EQUAL(bqual.text, "3:shop");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_clear(&b);
        xa_text(&b, rows[i].what, "g", bqual.text);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].text);
    }
    buf_clear(&b);
    xa_text_raw(&b, XA_TEXT_ROLLBACK, (struct slice){(const uint8_t *)"a'\0\xff", 4}, (struct slice){(const uint8_t *)"", 0});
    CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "XA ROLLBACK X'612700ff',X'',1");
    buf_fini(&b);
}

static void an_error_means_what_the_question_makes_of_it(void)
{
    static const struct {
        enum xa_asked asked;
        uint16_t code;
        enum xa_verdict verdict;
    } rows[] = {
        {XA_ASKED_STATEMENT, 0, XA_VERDICT_OK},          {XA_ASKED_STATEMENT, 1062, XA_VERDICT_STATEMENT},
        {XA_ASKED_STATEMENT, 1213, XA_VERDICT_DEADLOCK}, {XA_ASKED_STATEMENT, 1205, XA_VERDICT_STATEMENT},
        {XA_ASKED_STATEMENT, 1206, XA_VERDICT_TX_FAILED}, {XA_ASKED_STATEMENT, 1613, XA_VERDICT_TX_FAILED},
        {XA_ASKED_STATEMENT, 1614, XA_VERDICT_TX_FAILED}, {XA_ASKED_STATEMENT, 1020, XA_VERDICT_TX_FAILED},
        {XA_ASKED_STATEMENT, 3101, XA_VERDICT_TX_FAILED}, {XA_ASKED_STATEMENT, 1317, XA_VERDICT_STATEMENT},
        {XA_ASKED_STATEMENT, 3572, XA_VERDICT_STATEMENT}, {XA_ASKED_STATEMENT, 1399, XA_VERDICT_STATEMENT},
        {XA_ASKED_START, 0, XA_VERDICT_OK},              {XA_ASKED_START, 1440, XA_VERDICT_TX_FAILED},
        {XA_ASKED_START, 1400, XA_VERDICT_TX_FAILED},    {XA_ASKED_SAVEPOINT, 1213, XA_VERDICT_DEADLOCK},
        {XA_ASKED_SAVEPOINT, 1305, XA_VERDICT_TX_FAILED}, {XA_ASKED_END, 1614, XA_VERDICT_REFUSED},
        {XA_ASKED_PREPARE, 0, XA_VERDICT_OK},            {XA_ASKED_PREPARE, 1399, XA_VERDICT_REFUSED},
        {XA_ASKED_PREPARE, 1402, XA_VERDICT_REFUSED},    {XA_ASKED_PREPARE, 1397, XA_VERDICT_REFUSED},
        {XA_ASKED_PREPARE, 1317, XA_VERDICT_UNKNOWN},    {XA_ASKED_PREPARE, 1205, XA_VERDICT_UNKNOWN},
        {XA_ASKED_ONE_PHASE, 1614, XA_VERDICT_DEADLOCK}, {XA_ASKED_ONE_PHASE, 1399, XA_VERDICT_REFUSED},
        {XA_ASKED_ONE_PHASE, 1836, XA_VERDICT_REFUSED},  {XA_ASKED_ONE_PHASE, 1053, XA_VERDICT_UNKNOWN},
        {XA_ASKED_COMMIT, 0, XA_VERDICT_OK},             {XA_ASKED_COMMIT, 1397, XA_VERDICT_NOTA},
        {XA_ASKED_COMMIT, 1402, XA_VERDICT_HEURISTIC},   {XA_ASKED_COMMIT, 1290, XA_VERDICT_RETRY},
        {XA_ASKED_COMMIT, 1400, XA_VERDICT_RETRY},       {XA_ASKED_COMMIT, 1317, XA_VERDICT_UNKNOWN},
        {XA_ASKED_COMMIT, 1213, XA_VERDICT_UNKNOWN},     {XA_ASKED_ROLLBACK, 1402, XA_VERDICT_OK},
        {XA_ASKED_ROLLBACK, 1397, XA_VERDICT_NOTA},      {XA_ASKED_ROLLBACK, 1440, XA_VERDICT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CU_ASSERT_EQUAL(xa_verdict_of(rows[i].asked, rows[i].code, 0), rows[i].verdict);
    CU_ASSERT_EQUAL(xa_verdict_of(XA_ASKED_STATEMENT, 1205, 1), XA_VERDICT_TX_FAILED);
}

/* No error at all may count as a yes where a yes was asked for. */
static void no_error_is_ever_taken_for_done(void)
{
    unsigned wrong = 0;
    for (unsigned code = 1; code < 65536; code++) {
        wrong += xa_verdict_of(XA_ASKED_PREPARE, (uint16_t)code, 0) == XA_VERDICT_OK;
        wrong += xa_verdict_of(XA_ASKED_ONE_PHASE, (uint16_t)code, 0) == XA_VERDICT_OK;
        wrong += xa_verdict_of(XA_ASKED_COMMIT, (uint16_t)code, 0) == XA_VERDICT_OK;
        wrong += xa_verdict_of(XA_ASKED_COMMIT, (uint16_t)code, 0) == XA_VERDICT_REFUSED;
        wrong += xa_verdict_of(XA_ASKED_START, (uint16_t)code, 0) != XA_VERDICT_TX_FAILED;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void answers_carry_native_codes(void)
{
    CU_ASSERT_EQUAL(xa_answer_code(XA_ANSWER_COMMITTED_LATER), 0);
    CU_ASSERT_EQUAL(xa_answer_code(XA_ANSWER_FAILED), 1402);
    CU_ASSERT_STRING_EQUAL(xa_answer_sqlstate(XA_ANSWER_FAILED), "XA100");
    CU_ASSERT_EQUAL(xa_answer_code(XA_ANSWER_DEADLOCK), 1213);
    CU_ASSERT_STRING_EQUAL(xa_answer_sqlstate(XA_ANSWER_DEADLOCK), "40001");
    CU_ASSERT_PTR_NOT_NULL(strstr(xa_answer_text(XA_ANSWER_UNKNOWN), "unknown"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a gtrid reads back as it was made", a_gtrid_reads_back_as_it_was_made},
        {"the longest gtrid fits", the_longest_gtrid_fits},
        {"what is not ours is no gtrid", what_is_not_ours_is_no_gtrid},
        {"every cut of a gtrid is refused", every_cut_of_a_gtrid_is_refused},
        {"node and backend names have limits", node_and_backend_names_have_limits},
        {"statements are spelled as servers read them", statements_are_spelled_as_servers_read_them},
        {"an error means what the question makes of it", an_error_means_what_the_question_makes_of_it},
        {"no error is ever taken for done", no_error_is_ever_taken_for_done},
        {"answers carry native codes", answers_carry_native_codes},
        {NULL, NULL},
    };
    return unit_main("xa names", tests);
}
