/* A sweep of one Redis resource: what is open in the log, scan, ask every worker, scan again, act; a slot after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "compensate/calls.h"
#include "compensate/replay.h"
#include "compensate/slot.h"
#include "proxy/redis/reply.h"
#include "proxy/resolver/impl.h"

#define TOMB_KEEP_MS (10 * 60 * 1000)
#define TOMB_SWEEP_MS 60000
#define CONFLICTS_MS 5000

struct open_slot { /* the log says commit; the resolver's */
    struct xa_gtrid gtrid;
    uint16_t slot;
};
struct sweep {
    struct redis_job *job;
    int64_t began_ms;
    struct open_slot *open;
    size_t n_open, open_cap;
    struct buf slots;
    struct buf persons;          /* gtrids that were ended at a person's word, each with its NUL */
    struct live_set live;
    struct picture seen;
    struct xa_gtrid_parts parts; /* what the judgement's slices look into */
    bool young;                  /* something waits for its second look */
    bool stuck, progress, conflicts;
    bool old_left;               /* something of earlier epochs */
    bool everywhere;             /* no slot is left, though some could not be looked at */
};

static const char *name_of(const struct redis_job *job)
{
    return job->resource->config->name;
}

static struct journal *journal_of(const struct sweep *s)
{
    return s->job->resolver->o.journal;
}

/* --- what is open in the log ---------------------------------------------------------------------------------------------- */

static void add_open(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    struct sweep *s = arg;
    for (unsigned i = 0; owner == XA_OWNER_RESOLVER && i < d->n_slots; i++) {
        if (strcmp(d->slot[i].resource, name_of(s->job)))
            continue;
        if (s->n_open == s->open_cap) {
            s->open_cap = s->open_cap ? 2 * s->open_cap : 16;
            s->open = realloc(s->open, s->open_cap * sizeof *s->open);
            CHECK(s->open);
        }
        s->open[s->n_open++] = (struct open_slot){d->gtrid, d->slot[i].slot};
    }
}

/* Settled slots of entries that are still open elsewhere are among those of the registry. */
static void collect_open(struct sweep *s)
{
    struct xa_registry *registry = journal_registry(journal_of(s));
    size_t kept = 0;
    xa_registry_each(registry, add_open, s);
    for (size_t i = 0; i < s->n_open; i++)
        if (xa_registry_slot_open(registry, s->open[i].gtrid.text, name_of(s->job), s->open[i].slot))
            s->open[kept++] = s->open[i];
    s->n_open = kept;
}

/* --- judging ------------------------------------------------------------------------------------------------------------ */

static void text_of(struct slice s, char *out, size_t out_size)
{
    snprintf(out, out_size, "%.*s", (int)s.len, (const char *)s.at);
}

static bool parse(void *arg, struct slice gtrid, struct comp_gtrid_parts *out)
{
    struct sweep *s = arg;
    if (!xa_gtrid_parse(gtrid, &s->parts))
        return false;
    *out = (struct comp_gtrid_parts){slice_of_text(s->parts.node), slice_of_text(s->parts.log_id), s->parts.epoch,
                                     s->parts.counter};
    return true;
}

static bool is_live(void *arg, struct slice gtrid)
{
    struct sweep *s = arg;
    struct xa_gtrid name;
    text_of(gtrid, name.text, sizeof name.text);
    return live_set_has(&s->live, name.text);
}

/* Only what the session has let go of is ended here: before, its own end is under way. */
static bool is_decided(void *arg, struct slice gtrid)
{
    struct sweep *s = arg;
    struct xa_gtrid name;
    text_of(gtrid, name.text, sizeof name.text);
    return journal_decided(journal_of(s), name.text);
}

static bool in_session(struct sweep *s, const char *gtrid)
{
    enum xa_owner owner;
    return xa_registry_find(journal_registry(journal_of(s)), gtrid, NULL, &owner) && owner == XA_OWNER_SESSION;
}

static enum comp_fate person_fate(struct sweep *s, const char *gtrid, enum comp_fate fate)
{
    struct xa_person_verdict v;
    if (fate != COMP_FATE_WAIT && fate != COMP_FATE_NOTHING && journal_person_said(journal_of(s), gtrid, &v))
        return v.commit ? COMP_FATE_COMMIT : COMP_FATE_ROLLBACK;
    return fate;
}

/* Given to us by a person: what nobody of ours works on is taken back. */
static enum comp_fate adopted_fate(struct sweep *s, bool seen_before, enum comp_fate fate)
{
    if (fate == COMP_FATE_OTHER_LOG && journal_adopted(journal_of(s), s->parts.log_id))
        return seen_before ? COMP_FATE_ROLLBACK : COMP_FATE_WAIT;
    return fate;
}

static enum comp_fate fate_of(struct sweep *s, const struct comp_scanned *row, bool seen_before, const char *gtrid)
{
    struct journal *j = journal_of(s);
    struct comp_replay_view view = {.node = journal_node(j),
                                    .log_id = journal_log_id(j),
                                    .parse = parse,
                                    .live = is_live,
                                    .decided = is_decided,
                                    .arg = s,
                                    .seen_before = seen_before};
    journal_horizon(j, name_of(s->job), &view.horizon);
    enum comp_fate fate = comp_replay_fate(&view, row);
    if (fate == COMP_FATE_FOREIGN)
        return fate;
    if (s->parts.epoch > journal_epoch(j) && fate == COMP_FATE_ROLLBACK)
        return COMP_FATE_OTHER_LOG; /* another copy of our log is at work */
    if (fate == COMP_FATE_COMMIT && in_session(s, gtrid))
        return COMP_FATE_WAIT;
    return person_fate(s, gtrid, adopted_fate(s, seen_before, fate));
}

/* --- acting ------------------------------------------------------------------------------------------------------------- */

static void slot_settled(struct sweep *s, const char *gtrid, uint16_t slot, const char *fate)
{
    struct resolver *r = s->job->resolver;
    char text[COMP_SLOT_TEXT];
    s->progress = true;
    log_info("slot_settled", "gtrid=%s resource=%s slot=%s fate=%s", gtrid, name_of(s->job), comp_slot_text(slot, text), fate);
    if (xa_registry_slot_settled(journal_registry(r->o.journal), gtrid, name_of(s->job), slot))
        journal_done(r->o.journal, gtrid);
    (void)FAILPOINT(recovery_between);
}

/* How many the end came across; -1: the reply is none of xa1_end. */
static int64_t conflicts_of(const struct redisReply *reply)
{
    if (redis_reply_count(reply) != 4 || redis_reply_kind(redis_reply_at(reply, 3)) != REDIS_INTEGER)
        return -1;
    return redis_reply_integer(redis_reply_at(reply, 3));
}

/* Ends it in the slot. -1: that is not known, job->why says why. */
static int64_t call_end(struct redis_job *job, uint16_t slot, const struct comp_argv *call)
{
    struct redisReply *reply = redis_job_call(job, slot, call);
    if (!reply)
        return -1;
    int64_t conflicts = conflicts_of(reply);
    if (conflicts < 0)
        snprintf(job->why, sizeof job->why, "the server's answer to the end of a transaction has another form");
    redis_reply_free(reply);
    return conflicts;
}

static void end_slot(struct sweep *s, struct picture_row *row, const struct comp_scanned *scanned, uint16_t slot,
                     enum comp_fate fate)
{
    struct redis_job *job = s->job;
    struct comp_argv call = {0};
    struct comp_origin who = {row->gtrid, journal_fence(journal_of(s)), journal_epoch(journal_of(s)), slot};
    struct comp_end end = comp_replay_end(scanned, fate, (enum comp_dirty)job->resource->config->dirty);
    comp_call_end(&call, &who, &end);
    int64_t conflicts = call_end(job, slot, &call);
    comp_argv_fini(&call);
    if (conflicts < 0) {
        snprintf(row->why, sizeof row->why, "%.190s", job->why);
        s->stuck = true;
        return;
    }
    if (conflicts > 0) {
        log_warn("redis_conflicts", "gtrid=%s resource=%s n=%lld", row->gtrid, name_of(job), (long long)conflicts);
        s->conflicts = true;
    }
    (*(fate == COMP_FATE_COMMIT ? &job->resolver->count.committed : &job->resolver->count.rolled_back))++;
    slot_settled(s, row->gtrid, slot, comp_fate_name(fate));
    row->quiet = true;
    if (!strncmp(row->decision, "person", 6))
        buf_append(&s->persons, row->gtrid, strlen(row->gtrid) + 1);
}

#define PLACE_MAX (COMP_SLOT_TEXT + 8)

/* What a picture shows where a server's has a branch. */
static const char *place_of(uint16_t slot, char place[PLACE_MAX])
{
    char number[COMP_SLOT_TEXT];
    snprintf(place, PLACE_MAX, "slot %s", comp_slot_text(slot, number));
    return place;
}

static void judge_row(struct sweep *s, const struct redisReply *before, size_t i, const struct comp_scanned *scanned,
                      uint16_t slot)
{
    bool seen_before = redis_scanned_has(before, i, scanned->gtrid);
    char place[PLACE_MAX];
    struct picture_row *row = picture_add_at(&s->seen, &s->job->seen, scanned->gtrid, place_of(slot, place));
    enum comp_fate fate = fate_of(s, scanned, seen_before, row->gtrid);
    bool ours = fate != COMP_FATE_FOREIGN && fate != COMP_FATE_OTHER_LOG;
    if (!row->absent_ms)
        row->absent_ms = s->job->swept_ms;
    row->fate = comp_fate_name(fate);
    snprintf(row->why, sizeof row->why, "%s", comp_fate_text(fate));
    describe_row(s->job->resolver, row, row->gtrid);
    row->quiet = fate == COMP_FATE_WAIT || fate == COMP_FATE_NOTHING;
    row->foreign = fate == COMP_FATE_FOREIGN;
    if (fate == COMP_FATE_COMMIT || fate == COMP_FATE_ROLLBACK)
        end_slot(s, row, scanned, slot, fate);
    else if (fate == COMP_FATE_WAIT)
        s->young = s->young || !seen_before;
    if (ours && fate != COMP_FATE_ORPHAN && s->parts.epoch < journal_epoch(journal_of(s)) && strcmp(row->fate, "NOTHING") != 0)
        s->old_left = s->old_left || !row->quiet || fate == COMP_FATE_WAIT;
}

static void judge_absent(struct sweep *s, const struct redisReply *rows, uint16_t slot)
{
    for (size_t i = 0; i < s->n_open; i++) {
        const struct open_slot *o = &s->open[i];
        if (o->slot != slot || redis_scanned_has(rows, 0, slice_of_text(o->gtrid.text)))
            continue;
        s->job->resolver->count.committed++;
        slot_settled(s, o->gtrid.text, slot, "SETTLED");
    }
}

static void judge_slot(struct sweep *s, const struct redisReply *before, const struct redisReply *rows, uint16_t slot)
{
    struct comp_scanned row;
    for (size_t i = 0; i < redis_reply_count(rows) && s->job->redis && !s->job->resolver->stopping; i++)
        if (redis_scanned_at(rows, i, &row) && (row.n_records || row.n_locks))
            judge_row(s, before, i, &row, slot);
    if (s->job->redis)
        judge_absent(s, rows, slot);
}

/* --- the sweep ---------------------------------------------------------------------------------------------------------- */

static bool open_here(const struct sweep *s, uint16_t slot)
{
    for (size_t i = 0; i < s->n_open; i++)
        if (s->open[i].slot == slot)
            return true;
    return false;
}

/* The workers are asked anew for each slot: what they had in hand when asked for the last one may be over. */
static bool sweep_slot(struct sweep *s, uint16_t slot)
{
    struct redisReply *before = redis_scan(s->job, slot), *rows = NULL;
    bool good = before;
    if (before && (redis_scanned_any(before) || open_here(s, slot))) {
        live_set_fini(&s->live);
        good = ask_workers(s->job->resolver, &s->live) && (rows = redis_scan(s->job, slot)) != NULL;
        if (good)
            judge_slot(s, before, rows, slot);
    }
    redis_reply_free(before);
    redis_reply_free(rows);
    return good && s->job->redis;
}

/* Its master is away: what was seen there stays in the picture, while the others go on. */
static void keep_slot(struct sweep *s, uint16_t slot)
{
    char place[PLACE_MAX];
    picture_keep(&s->seen, &s->job->seen, place_of(slot, place), s->job->why);
}

static bool sweep_slots(struct sweep *s)
{
    bool good = true;
    redis_slots(s->job, &s->slots);
    for (uint16_t slot; buf_len(&s->slots) && s->job->redis; buf_consume(&s->slots, sizeof slot)) {
        memcpy(&slot, buf_at(&s->slots), sizeof slot);
        if (redis_fleet_has_news(s->job->redis)) /* a master that was not fenced */
            return false;
        if (sweep_slot(s, slot))
            continue;
        keep_slot(s, slot);
        good = false;
    }
    s->everywhere = s->job->redis && !s->job->resolver->stopping;
    return good && s->job->redis && !s->job->resolver->stopping;
}

static void sweep_tombstones(struct redis_job *job)
{
    struct buf slots = {0};
    if (job->tombs_swept_ms && clock_mono_ms() - job->tombs_swept_ms < TOMB_SWEEP_MS)
        return;
    job->tombs_swept_ms = clock_mono_ms();
    uint64_t marks_keep_ms = (uint64_t)barrier_keep_ms(job->resolver->o.journal);
    redis_slots(job, &slots);
    for (uint16_t slot; buf_len(&slots) && job->redis; buf_consume(&slots, sizeof slot)) {
        struct comp_argv call = {0};
        memcpy(&slot, buf_at(&slots), sizeof slot);
        comp_call_sweep(&call, slot, TOMB_KEEP_MS, marks_keep_ms);
        redis_reply_free(redis_job_call(job, slot, &call));
        comp_argv_fini(&call);
    }
    buf_fini(&slots);
}

/* From now on a record of an earlier epoch is one that Redis brought back. */
static void move_horizon(struct sweep *s)
{
    struct redis_job *job = s->job;
    if (job->horizon_moved || s->old_left || s->n_open)
        return;
    journal_horizon_to_epoch(journal_of(s), name_of(job));
    job->horizon_moved = true;
    log_info("redis_clean", "resource=%s epoch=%llu", name_of(job), (unsigned long long)journal_epoch(journal_of(s)));
}

static void drop_settled(struct picture *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (!p->row[i].quiet || !strcmp(p->row[i].fate, "WAIT"))
            p->row[kept++] = p->row[i];
    p->n = kept;
}

static void end_persons(struct sweep *s)
{
    struct cursor c = cursor_make(buf_at(&s->persons), buf_len(&s->persons));
    while (cursor_left(&c))
        person_carried_out(s->job->resolver, (const char *)cursor_until_nul(&c).at);
}

/* What is still listed was given up, if it was, after a sweep had begun that did not see it: whatever was given up before that is
 * ended. */
static int64_t clean_since(const struct sweep *s)
{
    int64_t since_ms = s->began_ms;
    for (size_t i = 0; i < s->seen.n; i++) {
        const struct picture_row *row = &s->seen.row[i];
        bool ours = !row->foreign && strcmp(row->fate, "OTHER_LOG") != 0 && strcmp(row->fate, "ORPHAN") != 0;
        if (ours && row->absent_ms < since_ms)
            since_ms = row->absent_ms;
    }
    return since_ms;
}

static void show(struct sweep *s)
{
    struct redis_job *job = s->job;
    publish(job->resolver, &job->seen, &s->seen);
    if (buf_len(&s->persons))
        end_persons(s);
    if (s->conflicts || clock_mono_ms() - job->conflicts_read_ms >= CONFLICTS_MS)
        redis_read_conflicts(job);
}

/* A sweep that did not get to see all of it: nothing follows from it but what it saw. */
static void show_rest(struct sweep *s)
{
    if (!s->everywhere)
        return;
    drop_settled(&s->seen);
    publish(s->job->resolver, &s->job->seen, &s->seen);
    if (buf_len(&s->persons))
        end_persons(s);
}

static int pause_after(struct sweep *s, bool good)
{
    struct redis_job *job = s->job;
    int interval_ms = job->resolver->o.config->sweep_interval_ms;
    if (s->progress)
        job->again_ms = AGAIN_MS;
    if (s->young)
        return AGAIN_MS;
    if (good && !s->stuck)
        return interval_ms;
    int64_t pause = job->again_ms < interval_ms ? job->again_ms : interval_ms;
    job->again_ms = 2 * pause;
    return (int)pause;
}

int redis_sweep(struct redis_job *job)
{
    struct sweep s = {.job = job, .began_ms = clock_mono_ms()};
    job->resolver->count.sweeps++;
    collect_open(&s);
    redis_search_slots(job);
    bool good = sweep_slots(&s);
    if (good) {
        move_horizon(&s);
        drop_settled(&s.seen);
        journal_undo_swept(journal_of(&s), name_of(job), clean_since(&s));
        job->swept_ms = s.began_ms;
        show(&s);
        sweep_tombstones(job);
    } else if (job->redis) {
        job->resolver->count.failures++;
        show_rest(&s);
    }
    int wait_ms = pause_after(&s, good);
    free(s.open);
    buf_fini(&s.slots);
    buf_fini(&s.persons);
    live_set_fini(&s.live);
    picture_fini(&s.seen);
    return wait_ms;
}
