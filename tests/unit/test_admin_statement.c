/* The admin listener understands what its table of statements says, and tells what it would have understood. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/admin/statement.h"
#include "tests/unit/sql_side.h"

static void statements_are_understood(void)
{
    static const struct {
        const char *sql;
        struct admin_statement expected;
    } rows[] = {
        {"SHOW IN DOUBT", {ADMIN_SHOW_IN_DOUBT, "", false, "", {0}}},
        {" show in doubt ; -- all", {ADMIN_SHOW_IN_DOUBT, "", false, "", {0}}},
        {"SHOW TRANSACTION 'xap1:n:l:1:2-3'", {ADMIN_SHOW_TRANSACTION, "xap1:n:l:1:2-3", false, "", {0}}},
        {"COMMIT TRANSACTION 'a'", {ADMIN_COMMIT_TRANSACTION, "a", false, "", {0}}},
        {"commit transaction \"a\" force", {ADMIN_COMMIT_TRANSACTION, "a", true, "", {0}}},
        {"ROLLBACK TRANSACTION 'a' FORCE BECAUSE 'it''s gone'", {ADMIN_ROLLBACK_TRANSACTION, "a", true, "it's gone", {0}}},
        {"ROLLBACK TRANSACTION 'a' BECAUSE 'x' FORCE;", {ADMIN_ROLLBACK_TRANSACTION, "a", true, "x", {0}}},
        {"SHOW FULL PROCESSLIST", {ADMIN_SHOW_FULL_PROCESSLIST, "", false, "", {0}}},
        {"KILL QUERY 5", {ADMIN_KILL, "", false, "", {0}}},
        {"SHOW BACKENDS", {ADMIN_SHOW_BACKENDS, "", false, "", {0}}},
        {"SHOW REDIS", {ADMIN_SHOW_REDIS, "", false, "", {0}}},
        {"SHOW TLS", {ADMIN_SHOW_TLS, "", false, "", {0}}},
        {"SHOW CONFLICTS", {ADMIN_SHOW_CONFLICTS, "", false, "", {0}}},
        {"SHOW ACTIONS", {ADMIN_SHOW_ACTIONS, "", false, "", {0}}},
        {"SHOW ACTIONS DEAD", {ADMIN_SHOW_DEAD_ACTIONS, "", false, "", {0}}},
        {"SHOW FULL ACTIONS", {ADMIN_SHOW_FULL_ACTIONS, "", false, "", {0}}},
        {"SHOW ACTIONS ALL;", {ADMIN_SHOW_ALL_ACTIONS, "", false, "", {0}}},
        {"SHOW ACTION 17", {ADMIN_SHOW_ACTION, "17", false, "", {0}}},
        {"RETRY ACTION '17'", {ADMIN_RETRY_ACTION, "17", false, "", {0}}},
        {"DISMISS ACTION 17 BECAUSE 'done by hand'", {ADMIN_DISMISS_ACTION, "17", false, "done by hand", {0}}},
        {"RETRY CONFLICT 'cache/a:1:1'", {ADMIN_RETRY_CONFLICT, "cache/a:1:1", false, "", {0}}},
        {"SHOW SESSIONS", {ADMIN_SHOW_SESSIONS, "", false, "", {0}}},
        {"SHOW CONFIG", {ADMIN_SHOW_CONFIG, "", false, "", {0}}},
        {"ADOPT LOG 'af03'", {ADMIN_ADOPT_LOG, "af03", false, "", {0}}},
        {"ACCEPT FAILOVER s1", {ADMIN_ACCEPT_FAILOVER, "s1", false, "", {0}}},
        {"ACCEPT FAILOVER `s 1`", {ADMIN_ACCEPT_FAILOVER, "s 1", false, "", {0}}},
        {"SHOW HELP", {ADMIN_HELP, "", false, "", {0}}},
        {"SET NAMES utf8mb4", {ADMIN_SET, "", false, "", {0}}},
        {"SET autocommit=0", {ADMIN_SET, "", false, "", {0}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct admin_statement got;
        char error[200] = "";
        if (!admin_statement_parse(text_of(rows[i].sql), &got, error, sizeof error))
            printf("\n%s: %s", rows[i].sql, error);
        CU_ASSERT_STRING_EQUAL(error, "");
        CU_ASSERT_EQUAL(got.kind, rows[i].expected.kind);
        CU_ASSERT_STRING_EQUAL(got.argument, rows[i].expected.argument);
        CU_ASSERT_EQUAL(got.force, rows[i].expected.force);
        CU_ASSERT_STRING_EQUAL(got.why, rows[i].expected.why);
    }
}

static void a_body_is_taken_as_it_is(void)
{
    struct admin_statement got;
    char error[200];
    CU_ASSERT(admin_statement_parse(text_of("EDIT ACTION 17 BODY 'SET a = ''x''';"), &got, error, sizeof error));
    CU_ASSERT_EQUAL(got.kind, ADMIN_EDIT_ACTION);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&got.body), "SET a = 'x'");
    buf_fini(&got.body);
}

static void what_is_not_understood_is_explained(void)
{
    static const struct {
        const char *sql, *error;
    } rows[] = {
        {"", "HELP lists"},
        {"SELECT 1", "HELP lists"},
        {"SHOW", "HELP lists"},
        {"HELP", "SHOW HELP lists"},
        {"SHOW IN", "HELP lists"},
        {"SHOW TABLES", "HELP lists"},
        {"SHOW `IN` DOUBT", "HELP lists"},
        {"COMMIT", "HELP lists"},
        {"SHOW IN DOUBT now", "expected SHOW IN DOUBT and nothing behind it"},
        {"SHOW IN DOUBT; SHOW CONFIG", "expected SHOW IN DOUBT and nothing behind it"},
        {"SHOW IN DOUBT /* x", "expected SHOW IN DOUBT and nothing behind it"},
        {"SHOW TRANSACTION", "expected SHOW TRANSACTION 'gtrid'"},
        {"SHOW TRANSACTION ''", "expected SHOW TRANSACTION 'gtrid'"},
        {"SHOW TRANSACTION 'a", "expected SHOW TRANSACTION 'gtrid'"},
        {"SHOW TRANSACTION 'a\\0b'", "expected SHOW TRANSACTION 'gtrid'"},
        {"SHOW TRANSACTION (5)", "expected SHOW TRANSACTION 'gtrid'"},
        {"SHOW TRANSACTION 'a' FORCE", "expected SHOW TRANSACTION 'gtrid'"},
        {"COMMIT TRANSACTION FORCE 'a'", "expected COMMIT TRANSACTION 'gtrid' [FORCE] [BECAUSE 'why']"},
        {"COMMIT TRANSACTION 'a' FORCE FORCE", "[FORCE]"},
        {"COMMIT TRANSACTION 'a' BECAUSE", "[BECAUSE 'why']"},
        {"COMMIT TRANSACTION 'a' BECAUSE 'x' BECAUSE 'y'", "[BECAUSE 'why']"},
        {"COMMIT TRANSACTION xap1:n", "expected COMMIT TRANSACTION 'gtrid'"},
        {"ADOPT LOG", "expected ADOPT LOG 'logid'"},
        {"ACCEPT FAILOVER", "expected ACCEPT FAILOVER 'backend'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct admin_statement got;
        char error[200] = "";
        CU_ASSERT_FALSE(admin_statement_parse(text_of(rows[i].sql), &got, error, sizeof error));
        if (!strstr(error, rows[i].error))
            printf("\n%s: %s", rows[i].sql, error);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[i].error));
    }
}

static void texts_have_limits(void)
{
    struct admin_statement got;
    char sql[400], error[200], text[300];
    for (size_t len = sizeof got.argument - 2; len <= sizeof got.argument; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        snprintf(sql, sizeof sql, "ADOPT LOG '%s'", text);
        CU_ASSERT_EQUAL(admin_statement_parse(text_of(sql), &got, error, sizeof error), len < sizeof got.argument);
    }
    for (size_t len = sizeof got.why - 2; len <= sizeof got.why; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        snprintf(sql, sizeof sql, "COMMIT TRANSACTION 'a' BECAUSE '%s'", text);
        CU_ASSERT_EQUAL(admin_statement_parse(text_of(sql), &got, error, sizeof error), len < sizeof got.why);
    }
}

/* What HELP prints is what is understood, once the brackets are off. */
static void every_usage_is_understood(void)
{
    for (unsigned i = 0; i < ADMIN_STATEMENT_COUNT; i++) {
        enum admin_statement_kind kind = (enum admin_statement_kind)i;
        struct admin_statement got;
        char error[200] = "", sql[200];
        size_t n = 0;
        for (const char *c = admin_statement_usage(kind); *c; c++)
            if (!strchr("[]", *c))
                sql[n++] = *c;
        sql[n] = '\0';
        CU_ASSERT_TRUE(admin_statement_parse(text_of(sql), &got, error, sizeof error));
        CU_ASSERT_EQUAL(got.kind, kind);
        buf_fini(&got.body);
        CU_ASSERT_EQUAL(strncmp(sql, admin_statement_words(kind), strlen(admin_statement_words(kind))), 0);
        CU_ASSERT_TRUE(*admin_statement_help(kind));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"statements are understood", statements_are_understood},
        {"a body is taken as it is", a_body_is_taken_as_it_is},
        {"what is not understood is explained", what_is_not_understood_is_explained},
        {"texts have limits", texts_have_limits},
        {"every usage is understood", every_usage_is_understood},
        {NULL, NULL},
    };
    return unit_main("admin/statement", tests);
}
