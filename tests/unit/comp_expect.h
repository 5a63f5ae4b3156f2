/* What the tests of compensate/ on a real server expect of single commands and of ends. */
#ifndef TESTS_UNIT_COMP_EXPECT_H
#define TESTS_UNIT_COMP_EXPECT_H

#include <stdio.h>
#include <string.h>

#include "tests/unit/comp_server.h"
#include "tests/unit/unit.h"

static inline void expect_line(const char *line, const char *expected)
{
    redisReply *r = server_line(line);
    char number[32], *found = r->str;
    if (r->type == REDIS_REPLY_INTEGER) {
        snprintf(number, sizeof number, "%lld", r->integer);
        found = number;
    }
    if (!found || strcmp(found, expected))
        fprintf(stderr, "\n%s: %s, expected %s\n", line, found ? found : "nil", expected);
    CU_ASSERT_STRING_EQUAL(found ? found : "nil", expected);
    freeReplyObject(r);
}

static inline void expect_written(const char *gtrid, uint32_t seq, const char *line)
{
    CU_ASSERT_EQUAL(reply_class(tx_do(gtrid, seq, line)), COMP_REPLY_OK);
}

/* records, inverses, of them deltas, conflicts */
static inline void expect_end(redisReply *r, long long ended, long long done, long long delta, long long conflicts)
{
    CU_ASSERT_EQUAL_FATAL(r->elements, 4);
    CU_ASSERT_EQUAL(r->element[0]->integer, ended);
    CU_ASSERT_EQUAL(r->element[1]->integer, done);
    CU_ASSERT_EQUAL(r->element[2]->integer, delta);
    CU_ASSERT_EQUAL(r->element[3]->integer, conflicts);
    freeReplyObject(r);
}

#endif
