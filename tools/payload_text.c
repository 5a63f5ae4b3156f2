/* Turns the payloads of log records into lines, one function a type. Leaves reading the log to wal/reader.h, and what the
 * payloads mean to those who write them. */
#include "tools/payload_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "actions/action.h"
#include "base/log.h"
#include "compensate/journal.h"
#include "compensate/slot.h"
#include "wal/head.h"
#include "wal/types.h"
#include "xa/decision.h"

#define HEX_SHOWN 64 /* bytes */

const char *record_type_text(uint8_t type)
{
    switch (type) {
#define X(name, number, owner, text) \
    case number: \
        return #name;
        WAL_TYPES(X)
#undef X
    default:
        return NULL;
    }
}

void time_text(struct buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];
    if (wall_ms < 0 || !gmtime_r(&seconds, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        buf_printf(out, "%" PRId64 "ms", wall_ms);
    else
        buf_printf(out, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

static void key_time(struct buf *out, const char *key, int64_t wall_ms)
{
    buf_printf(out, " %s=", key);
    time_text(out, wall_ms);
}

static void key_quoted(struct buf *out, const char *key, const char *text)
{
    char quoted[1024];
    buf_printf(out, " %s=%s", key, log_quote(quoted, sizeof quoted, text, strlen(text)));
}

static bool epoch_text(struct buf *out, struct slice payload)
{
    struct wal_epoch e;
    char old[WAL_NAME_MAX];
    if (!wal_epoch_read(payload, &e))
        return false;
    buf_printf(out, " log=%s segment=%016" PRIx64 " base=%" PRIu64 " head_bytes=%" PRIu64, e.log_id, e.segment, e.base,
               e.head_bytes);
    if (e.old_segment) {
        wal_segment_name(old, e.old_segment);
        buf_printf(out, " old=%s old_end=%" PRIu64, old, e.old_end);
    }
    key_time(out, "made", e.made_ms);
    return true;
}

static bool decide_text(struct buf *out, struct slice payload)
{
    struct xa_decision d;
    char slot[COMP_SLOT_TEXT];
    if (!xa_decision_read(payload, &d))
        return false;
    buf_printf(out, " gtrid=%s", d.gtrid.text);
    key_time(out, "decided", d.decided_ms);
    key_quoted(out, "who", d.who);
    if (*d.saga)
        buf_printf(out, " saga=%s", d.saga);
    for (unsigned i = 0; i < d.n_branches; i++)
        buf_printf(out, " branch=%s/%s", d.branch[i].backend, d.branch[i].bqual.text);
    for (unsigned i = 0; i < d.n_slots; i++)
        buf_printf(out, " slot=%s/%s", d.slot[i].resource, comp_slot_text(d.slot[i].slot, slot));
    return true;
}

static bool done_text(struct buf *out, struct slice payload)
{
    struct xa_done d;
    if (!xa_done_read(payload, &d))
        return false;
    buf_printf(out, " gtrid=%s", d.gtrid.text);
    return true;
}

static bool verdict_text(struct buf *out, struct slice payload)
{
    struct xa_person_verdict v;
    if (!xa_person_verdict_read(payload, &v))
        return false;
    buf_printf(out, " gtrid=%s verdict=%s forced=%s", v.gtrid.text, v.commit ? "commit" : "rollback",
               v.forced ? "yes" : "no");
    key_time(out, "at", v.at_ms);
    key_quoted(out, "who", v.who);
    key_quoted(out, "why", v.why);
    return true;
}

static bool identity_text(struct buf *out, struct slice payload)
{
    struct xa_identity i;
    if (!xa_identity_read(payload, &i))
        return false;
    buf_printf(out, " backend=%s", i.backend);
    key_quoted(out, "server", i.server);
    return true;
}

static bool connection_text(struct buf *out, struct slice payload)
{
    struct xa_connection c;
    if (!xa_connection_read(payload, &c))
        return false;
    buf_printf(out, " backend=%s connection=%" PRIu64 " closed=%s", c.backend, c.connection_id, c.closed ? "yes" : "no");
    key_quoted(out, "account", c.account);
    key_time(out, "opened", c.opened_ms);
    return true;
}

static bool touch_text(struct buf *out, struct slice payload)
{
    struct comp_touch_record t;
    char slot[COMP_SLOT_TEXT];
    if (!comp_touch_read(payload, &t))
        return false;
    buf_printf(out, " resource=%s slot=%s node=%s epoch=%" PRIu64, t.resource, comp_slot_text(t.slot, slot), t.node, t.epoch);
    return true;
}

static bool horizon_text(struct buf *out, struct slice payload)
{
    struct comp_horizon_record h;
    if (!comp_horizon_read(payload, &h))
        return false;
    buf_printf(out, " resource=%s below_epoch=%" PRIu64 " below_counter=%" PRIu64, h.resource, h.epoch, h.counter);
    return true;
}

static bool action_text(struct buf *out, struct slice payload)
{
    struct action *a = action_read(payload);
    char quoted[200];
    if (!a)
        return false;
    buf_printf(out, " action=%" PRIu64 " gtrid=%s seq=%u on=%s state=%s resource=%s", a->id, a->owner, a->seq,
               a->on == ACTION_ON_COMMIT ? "commit" : "rollback", action_state_name(a->state), a->resource);
    buf_printf(out, " args=%u body=%s", a->n_args, log_quote(quoted, sizeof quoted, a->body.at, a->body.len));
    action_free(a);
    return true;
}

static bool action_state_text(struct buf *out, struct slice payload)
{
    struct action_change k;
    if (!action_change_read(payload, &k))
        return false;
    buf_printf(out, " action=%" PRIu64 " state=%s attempts=%u", k.id, action_state_name(k.state), k.attempts);
    key_quoted(out, "error", k.error);
    return true;
}

static bool outcome_text(struct buf *out, struct slice payload)
{
    struct action_outcome o;
    if (!action_outcome_read(payload, &o))
        return false;
    buf_printf(out, " gtrid=%s outcome=%s", o.owner, o.committed ? "commit" : "rollback");
    key_time(out, "at", o.at_ms);
    return true;
}

static bool action_next_text(struct buf *out, struct slice payload)
{
    uint64_t next_id;
    if (!action_next_read(payload, &next_id))
        return false;
    buf_printf(out, " next=%" PRIu64, next_id);
    return true;
}

static void hex_text(struct buf *out, struct slice payload)
{
    buf_printf(out, " bytes=%zu hex=", payload.len);
    for (size_t i = 0; i < payload.len && i < HEX_SHOWN; i++)
        buf_printf(out, "%02x", payload.at[i]);
    if (payload.len > HEX_SHOWN)
        buf_text(out, "...");
}

static const struct {
    uint8_t type;
    bool (*text)(struct buf *out, struct slice payload); /* false, and nothing appended: not well-formed */
} readers[] = {
    {WAL_TYPE_EPOCH, epoch_text},       {WAL_TYPE_DECIDE, decide_text},         {WAL_TYPE_DONE, done_text},
    {WAL_TYPE_VERDICT, verdict_text},   {WAL_TYPE_IDENTITY, identity_text},     {WAL_TYPE_CONNECTION, connection_text},
    {WAL_TYPE_TOUCH, touch_text},       {WAL_TYPE_HORIZON, horizon_text},       {WAL_TYPE_ACTION, action_text},
    {WAL_TYPE_OUTCOME, outcome_text},   {WAL_TYPE_ACTION_NEXT, action_next_text}, {WAL_TYPE_ACTION_STATE, action_state_text},
};

void payload_text(struct buf *out, uint8_t type, struct slice payload)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i].type == type && readers[i].text(out, payload))
            return;
    hex_text(out, payload);
}
