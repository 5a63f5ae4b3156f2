/* XA statements are read as servers read them: every way to write an xid, and nothing that a server would refuse. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/sql/xa.h"
#include "tests/unit/sql_side.h"

static bool reads(const char *sql, struct sql_xa *out)
{
    static const struct sql_context context = {.is_resource = is_cache};
    struct slice rest = text_of(sql);
    struct sql_statement s = {.kind = SQL_EMPTY};
    CU_ASSERT_TRUE_FATAL(sql_next_statement(&rest, &context, &s));
    CU_ASSERT_EQUAL(s.kind, SQL_XA);
    return sql_xa_read(&s, &context, out);
}

static void every_verb(void)
{
    static const struct {
        const char *sql;
        enum sql_xa_verb verb;
        bool one_phase;
        const char *option;
    } rows[] = {
        {"XA START 'a'", SQL_XA_START, false, ""},
        {"xa begin 'a';", SQL_XA_START, false, ""},
        {"XA START 'a' JOIN", SQL_XA_START, false, " JOIN"},
        {"XA /* x */ BEGIN 'a' resume", SQL_XA_START, false, " RESUME"},
        {"XA END 'a'", SQL_XA_END, false, ""},
        {"XA END 'a' SUSPEND", SQL_XA_END, false, " SUSPEND"},
        {"XA END 'a' SUSPEND FOR MIGRATE", SQL_XA_END, false, " SUSPEND FOR MIGRATE"},
        {"XA PREPARE 'a'", SQL_XA_PREPARE, false, ""},
        {"XA COMMIT 'a'", SQL_XA_COMMIT, false, ""},
        {"XA COMMIT 'a' ONE PHASE", SQL_XA_COMMIT, true, ""},
        {"XA ROLLBACK 'a'", SQL_XA_ROLLBACK, false, ""},
        {"XA RECOVER", SQL_XA_RECOVER, false, ""},
        {"XA RECOVER CONVERT XID", SQL_XA_RECOVER, false, " CONVERT XID"},
        {"XA RECOVER FORMAT='sql'", SQL_XA_RECOVER, false, " FORMAT='SQL'"},
        {"XA RECOVER FORMAT = 'RAW'", SQL_XA_RECOVER, false, " FORMAT='RAW'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_xa xa;
        CU_ASSERT_TRUE_FATAL(reads(rows[i].sql, &xa));
        CU_ASSERT_EQUAL(xa.verb, rows[i].verb);
        CU_ASSERT_EQUAL(xa.one_phase, rows[i].one_phase);
        CU_ASSERT_STRING_EQUAL(xa.option, rows[i].option);
    }
}

static void every_way_to_write_an_xid(void)
{
    static const struct {
        const char *sql, *gtrid, *bqual;
        uint64_t format_id;
    } rows[] = {
        {"XA START 'ab'", "ab", "", 1},
        {"XA START \"ab\", 'c'", "ab", "c", 1},
        {"XA START 'a''b','c\\'d',7", "a'b", "c'd", 7},
        {"XA START X'6162',x'63',0", "ab", "c", 0},
        {"XA START 0x6162,0x63,0x10", "ab", "c", 16},
        {"XA START b'01100001',0b01100010", "a", "b", 1},
        {"XA START 'ab','',2147483647", "ab", "", 2147483647},
        {"XA START '','b'", "", "b", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_xa xa;
        CU_ASSERT_TRUE_FATAL(reads(rows[i].sql, &xa));
        CU_ASSERT_EQUAL_FATAL(xa.xid.gtrid_len, strlen(rows[i].gtrid));
        CU_ASSERT_EQUAL(memcmp(xa.xid.gtrid, rows[i].gtrid, xa.xid.gtrid_len), 0);
        CU_ASSERT_EQUAL_FATAL(xa.xid.bqual_len, strlen(rows[i].bqual));
        CU_ASSERT_EQUAL(memcmp(xa.xid.bqual, rows[i].bqual, xa.xid.bqual_len), 0);
        CU_ASSERT_EQUAL(xa.xid.format_id, rows[i].format_id);
    }
}

static void bytes_of_every_kind(void)
{
    struct sql_xa xa;
    CU_ASSERT_TRUE_FATAL(reads("XA START X'00ff27', ''", &xa));
    CU_ASSERT_EQUAL(xa.xid.gtrid_len, 3);
    CU_ASSERT_EQUAL(memcmp(xa.xid.gtrid, "\0\xff'", 3), 0);
}

static void parts_have_a_limit(void)
{
    for (int len = 63; len < 67; len++) {
        char sql[300];
        struct sql_xa xa;
        snprintf(sql, sizeof sql, "XA START '%0*d','%0*d'", len, 0, len, 0);
        CU_ASSERT_EQUAL(reads(sql, &xa), len <= 64);
        snprintf(sql, sizeof sql, "XA START X'%0*d'", 2 * len, 0);
        CU_ASSERT_EQUAL(reads(sql, &xa), len <= 64);
    }
}

static void what_servers_refuse(void)
{
    static const char *const rows[] = {
        "XA", "XA START", "XA 'a'", "XA START a", "XA START @a", "XA START ?", "XA START N'a'", "XA START _binary'a'",
        "XA START 5",
        "XA START 'a',", "XA START 'a','b',", "XA START 'a','b',-1", "XA START 'a','b',1.5", "XA START 'a','b',1,2",
        "XA START 'a','b',99999999999999999999", "XA START 'a','b',X''", "XA START 'a' 'b'", "XA START 'a", "XA START 'a' END",
        "XA END 'a' JOIN",
        "XA END 'a' SUSPEND FOR", "XA COMMIT 'a' ONE", "XA COMMIT 'a' TWO PHASE", "XA PREPARE 'a' ONE PHASE", "XA RECOVER NOW",
        "XA RECOVER CONVERT",
        "XA RECOVER FORMAT", "XA RECOVER FORMAT=SQL", "XA RECOVER FORMAT='x'",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_xa xa;
        if (reads(rows[i], &xa))
            printf("\n%s", rows[i]);
        CU_ASSERT_FALSE(reads(rows[i], &xa));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every verb", every_verb},
        {"every way to write an xid", every_way_to_write_an_xid},
        {"bytes of every kind", bytes_of_every_kind},
        {"parts have a limit", parts_have_a_limit},
        {"what servers refuse", what_servers_refuse},
        {NULL, NULL},
    };
    return unit_main("sql/xa", tests);
}
