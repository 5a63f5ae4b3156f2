/* What a person decides: durable before it is acted upon, refused where it contradicts the log unless forced, recorded with who,
 * when and why. The resolver carries it out. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/admin/impl.h"

static void sweep_all(const struct admin *a)
{
    for (unsigned i = 0; i < a->world->backends.n; i++)
        resolver_sweep_backend(a->resolver, i);
    for (unsigned i = 0; i < a->world->redis.n; i++)
        resolver_sweep_redis(a->resolver, i);
}

struct search {
    const char *gtrid;
    bool found, foreign;
};

static void look(void *arg, const struct resolver_in_doubt *d)
{
    struct search *search = arg;
    if (strcmp(d->gtrid, search->gtrid))
        return;
    search->found = true;
    struct xa_gtrid_parts parts;
    struct slice gtrid = {(const uint8_t *)d->gtrid, strlen(d->gtrid)};
    search->foreign = search->foreign || !xa_gtrid_parse(gtrid, &parts);
}

static bool is_live(const struct admin *a, const char *gtrid)
{
    struct buf live = {0};
    bool found = !workers_live_gtrids(a->world, &live, 1000); /* who does not answer may have it */
    struct cursor c = cursor_make(buf_at(&live), buf_len(&live));
    while (cursor_left(&c))
        found = slice_is(cursor_until_nul(&c), gtrid) || found;
    buf_fini(&live);
    return found;
}

/* NULL: nothing speaks against it. */
static const char *objection(const struct admin *a, const struct admin_statement *st, bool commit, bool *forced)
{
    struct search search = {.gtrid = st->argument};
    bool decided = journal_decided(a->world->journal, st->argument);
    resolver_each_in_doubt(a->resolver, look, &search);
    if (search.foreign)
        return "it is not this proxy's: whoever made it settles it";
    if (is_live(a, st->argument))
        return "a session has it in hand: wait, or end that session";
    if (!search.found && !decided)
        return "it is not in doubt: it has ended, or never was";
    *forced = decided != commit;
    if (*forced && !st->force)
        return decided ? "the log says COMMIT and parts may be committed already: add FORCE (xactl --force) to break it apart"
                       : "the log knows no decision to commit, which means ROLLBACK: add FORCE (xactl --force) to commit all the "
                         "same";
    return NULL;
}

static void judge(const struct admin *a, struct session *s, const struct admin_statement *st, bool commit)
{
    struct xa_person_verdict v = {.commit = commit, .at_ms = clock_wall_ms()};
    const char *why_not = objection(a, st, commit, &v.forced);
    if (strlen(st->argument) > XA_GTRID_MAX)
        why_not = "no transaction has so long a name";
    if (why_not) {
        session_answer_error(s, 1105, "HY000", "transaction '%s': %s", st->argument, why_not);
        return;
    }
    snprintf(v.gtrid.text, sizeof v.gtrid.text, "%.64s", st->argument);
    snprintf(v.who, sizeof v.who, "%.40s@%.50s", s->user->name, s->peer);
    snprintf(v.why, sizeof v.why, "%s", st->why);
    journal_person_verdict(a->world->journal, &v);
    log_warn("person_verdict", "gtrid=%s verdict=%s forced=%d who=%s", v.gtrid.text, commit ? "commit" : "rollback", v.forced,
             v.who);
    sweep_all(a);
    session_answer_ok_with(s, 0, 0, "recorded; the resolver carries it out: see SHOW IN DOUBT");
}

static void adopt(const struct admin *a, struct session *s, const struct admin_statement *st)
{
    char who[96];
    if (strlen(st->argument) != 8) {
        session_answer_error(s, 1210, "HY000", "a log's id has 8 digits: the third part of a gtrid");
        return;
    }
    if (!strcmp(st->argument, journal_log_id(a->world->journal))) {
        session_answer_error(s, 1210, "HY000", "'%s' is this proxy's own log", st->argument);
        return;
    }
    snprintf(who, sizeof who, "%.40s@%.50s", s->user->name, s->peer);
    journal_adopt(a->world->journal, st->argument, who);
    log_warn("log_adopted", "log=%s who=%s", st->argument, who);
    sweep_all(a);
    session_answer_ok(s);
}

static void accept_failover(const struct admin *a, struct session *s, const struct admin_statement *st)
{
    int backend = config_backend(a->world->config, st->argument);
    if (backend < 0) {
        session_answer_error(s, 1210, "HY000", "there is no backend '%s' in the configuration", st->argument);
        return;
    }
    if (a->world->backends.at[backend].safety != BACKEND_REFUSED) {
        session_answer_error(s, 1210, "HY000", "nothing is to be accepted at backend '%s': SHOW BACKENDS tells what is said of it",
                             st->argument);
        return;
    }
    log_warn("failover_accepted", "backend=%s who=%.40s@%.50s", st->argument, s->user->name, s->peer);
    resolver_accept_failover(a->resolver, (unsigned)backend);
    session_answer_ok(s);
}

/* The id is as listed: resource/number. */
static void settle_conflict(const struct admin *a, struct session *s, const struct admin_statement *st, enum comp_settle how)
{
    static const char *const words[] = {
        [COMP_SETTLE_DISMISS] = "dismiss", [COMP_SETTLE_RETRY] = "retry", [COMP_SETTLE_FORCE] = "force"};
    char resource[64];
    const char *slash = strchr(st->argument, '/');
    size_t len = slash ? (size_t)(slash - st->argument) : sizeof resource;
    int index = -1;
    if (len < sizeof resource) {
        memcpy(resource, st->argument, len);
        resource[len] = '\0';
        index = config_redis(a->world->config, resource);
    }
    if (index < 0) {
        session_answer_error(s, 1210, "HY000", "'%s' is no conflict's id: see SHOW CONFLICTS", st->argument);
        return;
    }
    log_warn("conflict_settled", "id=%s how=%s who=%.40s@%.50s", st->argument, words[how], s->user->name, s->peer);
    resolver_settle_conflict(a->resolver, (unsigned)index, slash + 1, how);
    session_answer_ok(s);
}

void verdict_run(const struct admin *a, struct session *s, const struct admin_statement *st)
{
    switch (st->kind) {
    case ADMIN_COMMIT_TRANSACTION:
        judge(a, s, st, true);
        break;
    case ADMIN_ROLLBACK_TRANSACTION:
        judge(a, s, st, false);
        break;
    case ADMIN_ADOPT_LOG:
        adopt(a, s, st);
        break;
    case ADMIN_ACCEPT_FAILOVER:
        accept_failover(a, s, st);
        break;
    case ADMIN_FORCE_CONFLICT:
        settle_conflict(a, s, st, COMP_SETTLE_FORCE);
        break;
    case ADMIN_RETRY_CONFLICT:
        settle_conflict(a, s, st, COMP_SETTLE_RETRY);
        break;
    case ADMIN_DISMISS_CONFLICT:
        settle_conflict(a, s, st, COMP_SETTLE_DISMISS);
        break;
    default:
        CHECK(!"an admin statement without a function");
    }
}
