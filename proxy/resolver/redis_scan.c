/* What the library's scan of a slot answers, row by row. Leaves what to do about it to redis_sweep.c. */
#include <string.h>

#include "compensate/calls.h"
#include "compensate/replay.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

struct redisReply *redis_scan(struct redis_job *job, uint16_t slot)
{
    struct comp_argv call = {0};
    comp_call_scan(&call, slot);
    struct redisReply *reply = redis_job_call(job, slot, &call);
    comp_argv_fini(&call);
    return reply;
}

bool redis_scanned_at(const struct redisReply *rows, size_t i, struct comp_scanned *out)
{
    const struct redisReply *row = redis_reply_at(rows, i);
    if (redis_reply_kind(row) != REDIS_ARRAY || redis_reply_count(row) < 6)
        return false;
    for (size_t k = 1; k <= 4; k++)
        if (redis_reply_kind(redis_reply_at(row, k)) != REDIS_INTEGER)
            return false;
    *out = (struct comp_scanned){.gtrid = redis_reply_bytes(redis_reply_at(row, 0)),
                                 .first = (uint32_t)redis_reply_integer(redis_reply_at(row, 1)),
                                 .last = (uint32_t)redis_reply_integer(redis_reply_at(row, 2)),
                                 .n_records = (uint32_t)redis_reply_integer(redis_reply_at(row, 3)),
                                 .n_locks = (uint32_t)redis_reply_integer(redis_reply_at(row, 4)),
                                 .tombstone = redis_reply_bytes(redis_reply_at(row, 5)).len > 0};
    return true;
}

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && !memcmp(a.at, b.at, a.len);
}

/* Rows come in no order, but in much the same one: looking begins where the row was before. */
bool redis_scanned_has(const struct redisReply *rows, size_t start, struct slice gtrid)
{
    struct comp_scanned row;
    size_t n = redis_reply_count(rows);
    for (size_t i = 0; i < n; i++)
        if (redis_scanned_at(rows, (start + i) % n, &row) && (row.n_records || row.n_locks) && same(row.gtrid, gtrid))
            return true;
    return false;
}

bool redis_scanned_any(const struct redisReply *rows)
{
    struct comp_scanned row;
    for (size_t i = 0; i < redis_reply_count(rows); i++)
        if (redis_scanned_at(rows, i, &row) && (row.n_records || row.n_locks))
            return true;
    return false;
}
