/* What does not agree between the log, the servers and Redis, in one table: what settles itself, what needs a person, where
 * nobody could look. Says what others know; changes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/admin/impl.h"
#include "proxy/journal/actions.h"
#include "proxy/session/table.h"

#define IN_HAND_MS 5000 /* what a living session prepares and ends is no finding, though a look may meet it */
#define LATE_ACTIONS_MS 60000 /* what is to be done is a finding when it is older than the longest pause between attempts */

struct finding {
    const char *verdict; /* looked, unseen, settling, person, foreign */
    const char *what, *where, *id;
    int64_t age_ms;
    const char *detail, *remedy;
};

static void add(struct session_table *t, const struct finding *f)
{
    session_cell(t, f->verdict);
    session_cell(t, f->what);
    session_cell(t, f->where);
    session_cell(t, f->id);
    session_cell_number(t, f->age_ms);
    session_cell(t, f->detail);
    session_cell(t, f->remedy);
}

/* --- places: when they were looked at last --------------------------------------------------------------------------------- */

static void add_place(struct session_table *t, const char *what, const char *where, bool there, int64_t swept_ms,
                      const char *detail)
{
    bool looked = there && swept_ms;
    add(t, &(struct finding){looked ? "looked" : "unseen", what, where, NULL, swept_ms ? clock_mono_ms() - swept_ms : 0, detail,
                             looked ? NULL : "SHOW BACKENDS and SHOW REDIS say why"});
}

static void add_places(const struct admin *a, struct session_table *t)
{
    for (unsigned i = 0; i < a->world->backends.n; i++) {
        struct backend *b = &a->world->backends.at[i];
        struct backend_texts texts;
        backend_texts(b, &texts);
        add_place(t, "server", b->config->name, b->reachable && (b->safety == BACKEND_SAFE || b->safety == BACKEND_SINGLE),
                  resolver_backend_swept_ms(a->resolver, i), texts.verdict);
    }
    for (unsigned i = 0; i < a->world->redis.n; i++) {
        struct redis_resource *r = &a->world->redis.at[i];
        struct redis_resource_texts texts;
        redis_resource_texts(r, &texts);
        add_place(t, "redis", r->config->name, r->reachable && r->usable > 0, resolver_redis_swept_ms(a->resolver, i),
                  texts.verdict);
    }
}

/* --- findings ----------------------------------------------------------------------------------------------------------- */

/* By the fate that the sweeps gave a row; any other settles itself. */
static const struct {
    const char *fate, *verdict, *what, *remedy;
} fates[] = {
    {"FOREIGN", "foreign", "foreign transaction", "whoever made it settles it"},
    {"OTHER_LOG", "person", "orphan of another log", "xactl adopt LOGID, if no other proxy has this node's name"},
    {"HEURISTIC", "person", "mixed result", "look at the data there, then xactl rollback GTRID --force"},
    {"ORPHAN", "person", "orphan", "its decision is forgotten: look at the keys that it holds"},
};

static void add_in_doubt(void *arg, const struct resolver_in_doubt *d)
{
    if (!strcmp(d->fate, "WAIT") && d->age_ms < IN_HAND_MS)
        return;
    struct finding f = {"settling", "transaction in doubt", d->where, d->gtrid, d->age_ms, d->why, "the resolver settles it"};
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        if (!strcmp(fates[i].fate, d->fate))
            f = (struct finding){fates[i].verdict, fates[i].what, d->where, d->gtrid, d->age_ms, d->why, fates[i].remedy};
    add(arg, &f);
}

static void add_conflict(void *arg, const struct resolver_conflict *c)
{
    char id[300];
    snprintf(id, sizeof id, "%s/%s", c->resource, c->id);
    add(arg, &(struct finding){"person", "stuck undo", c->resource, id, clock_wall_ms() - c->at_ms, c->outcome,
                               "xactl force-conflict or dismiss-conflict ID"});
}

static void add_dead(void *arg, const struct action *a)
{
    char id[24];
    if (a->state != ACTION_DEAD)
        return;
    snprintf(id, sizeof id, "%" PRIu64, a->id);
    add(arg, &(struct finding){"person", "dead action", a->resource, id, clock_wall_ms() - a->registered_ms, a->error,
                               "xactl retry-action, edit-action or dismiss-action ID"});
}

static void add_late(struct journal *j, struct session_table *t)
{
    struct journal_action_stats stats;
    char detail[80];
    journal_action_stats(j, &stats);
    int64_t age_ms = stats.oldest_due_ms ? clock_wall_ms() - stats.oldest_due_ms : 0;
    if (age_ms < LATE_ACTIONS_MS)
        return;
    snprintf(detail, sizeof detail, "%u are due, %u wait for another attempt", stats.now.count[ACTION_DUE],
             stats.now.count[ACTION_WAIT]);
    add(t, &(struct finding){"settling", "late actions", "-", NULL, age_ms, detail, "xactl actions says what fails"});
}

void reconcile_show(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"verdict", "what", "where", "id", "age_ms", "detail", "remedy", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    add_places(admin, &t);
    resolver_each_in_doubt(admin->resolver, add_in_doubt, &t);
    resolver_each_conflict(admin->resolver, add_conflict, &t);
    journal_each_action(admin->world->journal, add_dead, &t);
    add_late(admin->world->journal, &t);
    session_table_answer(s, &t);
}

void reconcile_sweep(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    (void)st;
    for (unsigned i = 0; i < admin->world->backends.n; i++)
        resolver_sweep_backend(admin->resolver, i);
    for (unsigned i = 0; i < admin->world->redis.n; i++)
        resolver_sweep_redis(admin->resolver, i);
    journal_actions_retry_waiting(admin->world->journal);
    session_answer_ok(s);
}
