/* A sweep of one server, in the order that xa/recovery.h asks for: what is open in the log, old connections gone, list, ask every
 * worker, list again, act. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/resolver/impl.h"
#include "proxy/resolver/rows.h"
#include "xa/recovery.h"
#include "xa/verdict.h"
#include "xa/xid.h"

struct open_branch { /* the log says commit; the resolver's */
    struct xa_gtrid gtrid;
    struct xa_bqual bqual;
    int64_t decided_ms;
};
struct sweep {
    struct backend_job *job;
    struct open_branch *open;
    size_t n_open, open_cap;
    struct rows first, second;
    struct live_set live;
    struct picture seen;
    int64_t began_ms;
    bool old_gone;   /* before the first list */
    bool young;      /* something waits for its second look */
    bool progress, stuck, lost;
};

static const char *name_of(const struct backend_job *job)
{
    return job->backend->config->name;
}

static struct xa_registry *registry_of(const struct backend_job *job)
{
    return journal_registry(job->resolver->o.journal);
}

/* --- what is open in the log ---------------------------------------------------------------------------------------------- */

static void add_open(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    struct sweep *s = arg;
    if (owner != XA_OWNER_RESOLVER)
        return;
    for (unsigned i = 0; i < d->n_branches; i++) {
        if (strcmp(d->branch[i].backend, name_of(s->job)))
            continue;
        if (s->n_open == s->open_cap) {
            s->open_cap = s->open_cap ? 2 * s->open_cap : 16;
            s->open = realloc(s->open, s->open_cap * sizeof *s->open);
            CHECK(s->open);
        }
        s->open[s->n_open++] = (struct open_branch){d->gtrid, d->branch[i].bqual, d->decided_ms};
    }
}

/* Settled branches of entries that are still open elsewhere are among those of the registry. */
static void collect_open(struct sweep *s)
{
    struct xa_registry *registry = registry_of(s->job);
    size_t kept = 0;
    if (xa_registry_count(registry, XA_OWNER_RESOLVER))
        xa_registry_each(registry, add_open, s);
    for (size_t i = 0; i < s->n_open; i++)
        if (xa_registry_branch_open(registry, s->open[i].gtrid.text, name_of(s->job), s->open[i].bqual.text))
            s->open[kept++] = s->open[i];
    s->n_open = kept;
}

/* --- lists ---------------------------------------------------------------------------------------------------------------- */

static bool list(struct sweep *s, struct rows *out)
{
    if (rows_list(out, s->job->server))
        return true;
    s->lost = server_lost(s->job->server);
    return false;
}

/* --- settling ------------------------------------------------------------------------------------------------------------- */

static void settled(struct sweep *s, const char *gtrid, const char *bqual, const char *fate)
{
    struct backend_job *job = s->job;
    s->progress = true;
    log_info("branch_settled", "gtrid=%s bqual=%s backend=%s fate=%s", gtrid, bqual, name_of(job), fate);
    if (xa_registry_branch_settled(registry_of(job), gtrid, name_of(job), bqual))
        journal_done(job->resolver->o.journal, gtrid);
    (void)FAILPOINT(recovery_between);
}

static void PRINTF_LIKE(3, 4) stuck(struct sweep *s, struct picture_row *row, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(row->why, sizeof row->why, fmt, args);
    va_end(args);
    s->stuck = true;
}

/* Kept as long as this process lives, or until a person has spoken; the log for people has it for ever. */
static void heuristic(struct sweep *s, struct picture_row *row, struct slice gtrid, struct slice bqual, const char *why)
{
    struct backend_job *job = s->job;
    job->resolver->count.heuristic++;
    snprintf(row->why, sizeof row->why, "%s", why);
    row->fate = "HEURISTIC";
    struct picture_row *kept = picture_add(&job->heuristic, &job->heuristic, gtrid, bqual);
    int64_t first_seen_ms = row->first_seen_ms;
    *kept = *row;
    kept->first_seen_ms = first_seen_ms;
    log_error("heuristic", "gtrid=%s bqual=%s backend=%s why=\"%s\"", row->gtrid, row->bqual, name_of(job), why);
}

static void on_answer(struct sweep *s, struct picture_row *row, const struct row *r, bool commit, uint16_t code)
{
    struct backend_job *job = s->job;
    const char *text = server_error(job->server);
    switch (xa_verdict_of(commit ? XA_ASKED_COMMIT : XA_ASKED_ROLLBACK, code, 0)) {
    case XA_VERDICT_OK:
        (*(commit ? &job->resolver->count.committed : &job->resolver->count.rolled_back))++;
        settled(s, row->gtrid, row->bqual, commit ? "COMMIT" : "ROLLBACK");
        row->quiet = true;
        return;
    case XA_VERDICT_NOTA:
        stuck(s, row, "its old connection may live there still");
        return;
    case XA_VERDICT_HEURISTIC:
        if (commit)
            heuristic(s, row, r->gtrid, r->bqual, "the server rolled it back by itself after the decision to commit");
        else
            stuck(s, row, "%u %s", code, text);
        return;
    default:
        stuck(s, row, "%u %s", code, text);
    }
}

static void end_branch(struct sweep *s, struct picture_row *row, const struct row *r, bool commit)
{
    struct buf sql = {0};
    if (detach_pending(s->job)) {
        stuck(s, row, "a connection that may hold it is ending there");
        return;
    }
    xa_text_raw(&sql, commit ? XA_TEXT_COMMIT : XA_TEXT_ROLLBACK, r->gtrid, r->bqual);
    uint16_t code = server_ask(s->job->server, buf_cstr(&sql), NULL, NULL);
    buf_fini(&sql);
    s->lost = server_lost(s->job->server);
    if (!s->lost)
        on_answer(s, row, r, commit, code);
}

static void carry_out_person(struct sweep *s, struct picture_row *row, const struct row *r)
{
    struct xa_person_verdict v;
    if (!journal_person_said(s->job->resolver->o.journal, (const char *)r->gtrid.at, &v))
        return;
    log_info("person_verdict", "gtrid=%s backend=%s verdict=%s who=%s", row->gtrid, name_of(s->job),
             v.commit ? "commit" : "rollback", v.who);
    end_branch(s, row, r, v.commit);
}

/* --- judging what is listed --------------------------------------------------------------------------------------------- */

static bool is_live(void *arg, const char *gtrid)
{
    struct sweep *s = arg;
    return live_set_has(&s->live, gtrid);
}

static bool is_judged(void *arg, const char *gtrid)
{
    struct sweep *s = arg;
    struct xa_person_verdict v;
    return journal_person_said(s->job->resolver->o.journal, gtrid, &v);
}

static bool is_adopted(void *arg, const char *log_id)
{
    struct sweep *s = arg;
    return journal_adopted(s->job->resolver->o.journal, log_id);
}

static enum xa_fate fate_of(struct sweep *s, const struct row *r)
{
    struct journal *j = s->job->resolver->o.journal;
    struct xa_recovery_view view = {.node = journal_node(j),
                                    .log_id = journal_log_id(j),
                                    .epoch = journal_epoch(j),
                                    .registry = registry_of(s->job),
                                    .live = is_live,
                                    .judged = is_judged,
                                    .adopted = is_adopted,
                                    .arg = s,
                                    .seen_before = rows_have(&s->first, r->gtrid, r->bqual)};
    enum xa_fate fate = xa_recovery_fate(&view, &(struct xa_recovered){r->format_id, r->gtrid, r->bqual});
    /* Its commit is remembered although it is settled: it came back with a server's crash. */
    if (fate == XA_FATE_ROLLBACK && journal_decided(j, (const char *)r->gtrid.at))
        fate = XA_FATE_COMMIT;
    return fate;
}

static const char *fate_name(enum xa_fate fate)
{
    static const char *const names[] = {
#define X(name, text) #name,
        XA_FATES(X)
#undef X
    };
    return names[fate];
}

static void judge_row(struct sweep *s, const struct row *r)
{
    enum xa_fate fate = fate_of(s, r);
    struct picture_row *row = picture_add(&s->seen, &s->job->seen, r->gtrid, r->bqual);
    row->fate = fate_name(fate);
    snprintf(row->why, sizeof row->why, "%s", xa_fate_text(fate));
    describe_row(s->job->resolver, row, (const char *)r->gtrid.at);
    switch (fate) {
    case XA_FATE_COMMIT:
    case XA_FATE_ROLLBACK:
        end_branch(s, row, r, fate == XA_FATE_COMMIT);
        break;
    case XA_FATE_PERSON:
        carry_out_person(s, row, r);
        break;
    case XA_FATE_WAIT:
        row->quiet = true;
        s->young = s->young || !rows_have(&s->first, r->gtrid, r->bqual);
        break;
    case XA_FATE_FOREIGN:
        row->foreign = true;
        s->job->foreign_format = s->job->foreign_format || (r->format_id != 1 && !s->job->backend->mariadb);
        break;
    case XA_FATE_OTHER_LOG:
        break;
    }
}

/* --- judging what is not listed ------------------------------------------------------------------------------------------ */

/* A decision follows its PREPAREs. Seconds are all a server tells of its start. */
static bool restarted_since(const struct backend_job *job, int64_t decided_ms)
{
    return !job->backend->server_start_s || (job->backend->server_start_s + 2) * 1000 >= decided_ms;
}

static void judge_absent(struct sweep *s, const struct open_branch *o)
{
    struct backend_job *job = s->job;
    struct slice gtrid = slice_of_text(o->gtrid.text), bqual = slice_of_text(o->bqual.text);
    struct picture_row *row = picture_add(&s->seen, &job->seen, gtrid, bqual);
    enum xa_absence absence =
        xa_recovery_absent(s->old_gone, restarted_since(job, o->decided_ms), job->clean && !job->foreign_format);
    describe_row(job->resolver, row, o->gtrid.text);
    snprintf(row->why, sizeof row->why, "%s", xa_absence_text(absence));
    switch (absence) {
    case XA_ABSENCE_PRESUMED:
        job->resolver->count.presumed++;
        settled(s, o->gtrid.text, o->bqual.text, "PRESUMED");
        row->quiet = true;
        break;
    case XA_ABSENCE_SETTLED:
        job->resolver->count.committed++;
        settled(s, o->gtrid.text, o->bqual.text, "SETTLED");
        row->quiet = true;
        break;
    case XA_ABSENCE_LOOK_AGAIN:
        row->fate = "COMMIT";
        s->stuck = true;
        break;
    case XA_ABSENCE_HEURISTIC:
        heuristic(s, row, gtrid, bqual, "absent after a restart of a server that may lose prepared branches");
        break;
    }
}

/* A branch whose damage is known stays until a person has spoken; whatever was said, there is nothing left to do on the
 * server. */
static bool is_heuristic(struct sweep *s, const struct open_branch *o)
{
    struct backend_job *job = s->job;
    struct xa_person_verdict v;
    const struct picture_row *known = picture_find(&job->heuristic, o->gtrid.text, o->bqual.text);
    if (!known)
        return false;
    if (journal_person_said(job->resolver->o.journal, o->gtrid.text, &v)) {
        settled(s, o->gtrid.text, o->bqual.text, "PERSON");
        return true;
    }
    struct picture_row *row = picture_add(&s->seen, &job->seen, slice_of_text(o->gtrid.text), slice_of_text(o->bqual.text));
    *row = *known;
    return true;
}

/* --- the sweep ---------------------------------------------------------------------------------------------------------- */

static bool look(struct sweep *s)
{
    struct backend_job *job = s->job;
    collect_open(s);
    mailbox_deliver(&job->box, job); /* connections that were given up before their branch was handed over */
    if (!job->old_listed)
        kill_old_connections(job);
    s->old_gone = kill_pending(job) && job->old_listed;
    s->lost = server_lost(job->server);
    return !s->lost && list(s, &s->first);
}

static void judge_open(struct sweep *s, const struct open_branch *o)
{
    bool listed = rows_have(&s->second, slice_of_text(o->gtrid.text), slice_of_text(o->bqual.text));
    if (!listed && !is_heuristic(s, o))
        judge_absent(s, o);
}

static void act(struct sweep *s)
{
    for (size_t i = 0; i < s->second.n && !s->lost && !s->job->resolver->stopping; i++)
        judge_row(s, &s->second.at[i]);
    for (size_t i = 0; i < s->n_open && !s->lost && !s->job->resolver->stopping; i++)
        judge_open(s, &s->open[i]);
}

/* Rows that are settled are no part of the picture; those that were quiet before keep their age in it. */
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
    struct xa_person_verdict v;
    struct journal *j = s->job->resolver->o.journal;
    for (size_t i = 0; i < s->second.n; i++)
        if (journal_person_said(j, (const char *)s->second.at[i].gtrid.at, &v))
            person_carried_out(s->job->resolver, v.gtrid.text);
    for (size_t i = 0; i < s->n_open; i++)
        if (journal_person_said(j, s->open[i].gtrid.text, &v))
            person_carried_out(s->job->resolver, v.gtrid.text);
}

static void show(struct sweep *s)
{
    struct backend_job *job = s->job;
    drop_settled(&s->seen);
    publish(job->resolver, &job->seen, &s->seen);
    job->swept = true;
    job->swept_ms = s->began_ms;
    end_persons(s);
}

/* What achieves nothing is repeated ever more slowly. */
static int pause_after(struct sweep *s)
{
    struct backend_job *job = s->job;
    int interval_ms = job->resolver->o.config->sweep_interval_ms;
    if (s->progress)
        job->again_ms = AGAIN_MS;
    if (s->young)
        return AGAIN_MS;
    if (!s->stuck)
        return interval_ms;
    int64_t pause = job->again_ms < interval_ms ? job->again_ms : interval_ms;
    job->again_ms = 2 * pause;
    return (int)pause;
}

static int sweep(struct sweep *s)
{
    struct backend_job *job = s->job;
    if (!look(s))
        return s->lost ? -1 : AGAIN_MS * 4;
    if (!s->first.n && !s->n_open) {
        show(s);
        return list_empty(&job->kills) ? job->resolver->o.config->sweep_interval_ms : AGAIN_MS;
    }
    if (!ask_workers(job->resolver, &s->live) || !list(s, &s->second)) {
        job->resolver->count.failures++;
        return s->lost ? -1 : AGAIN_MS * 4;
    }
    mailbox_deliver(&job->box, job); /* connections that were given up since: the workers' answers came behind them */
    act(s);
    if (s->lost)
        return -1;
    show(s);
    return pause_after(s);
}

int backend_sweep(struct backend_job *job)
{
    struct sweep s = {.job = job, .began_ms = clock_mono_ms()};
    job->resolver->count.sweeps++;
    int wait_ms = sweep(&s);
    free(s.open);
    rows_fini(&s.first);
    rows_fini(&s.second);
    live_set_fini(&s.live);
    picture_fini(&s.seen);
    return wait_ms;
}
