/* Who runs actions, and what people say about them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "proxy/journal/impl.h"

#define PAGE 64 /* actions copied under the lock at a time: a few MiB at most */

/* --- crews: the threads that wait for work of one resource --------------------------------------------------------- */

struct crew {
    struct list link;
    enum action_kind kind;
    char resource[ACTION_RESOURCE_MAX + 1];
    pthread_cond_t work;
    unsigned waiting;
};

static struct crew *crew_of(struct journal *j, enum action_kind kind, const char *resource)
{
    LIST_FOR(it, &j->actions.crews)
    {
        struct crew *c = CONTAINER_OF(it, struct crew, link);
        if (c->kind == kind && !strcmp(c->resource, resource))
            return c;
    }
    struct crew *c = journal_new_known(sizeof *c);
    pthread_condattr_t attr;
    c->kind = kind;
    snprintf(c->resource, sizeof c->resource, "%s", resource);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->work, &attr);
    pthread_condattr_destroy(&attr);
    list_push_back(&j->actions.crews, &c->link);
    return c;
}

void journal_crews_free(struct journal *j)
{
    LIST_FOR_SAFE(it, &j->actions.crews)
    {
        struct crew *c = CONTAINER_OF(it, struct crew, link);
        pthread_cond_destroy(&c->work);
        free(c);
    }
}

/* One thread of each crew that has work; whoever takes some wakes the next. */
void journal_actions_wake_ready(struct journal *j)
{
    LIST_FOR(it, &j->actions.crews)
    {
        struct crew *c = CONTAINER_OF(it, struct crew, link);
        if (c->waiting && action_schedule_ready(j->actions.schedule, c->kind, c->resource))
            pthread_cond_signal(&c->work);
    }
}

static void wait_for_work(struct journal *j, struct crew *c, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    c->waiting++;
    pthread_cond_timedwait(&c->work, &j->actions.lock, &until);
    c->waiting--;
}

/* --- running --------------------------------------------------------------------------------------------------------- */

static uint32_t chance(void)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    return random;
}

const struct action *journal_action_take(struct journal *j, enum action_kind kind, const char *resource, int timeout_ms)
{
    struct journal_actions *x = &j->actions;
    int64_t next_ms;
    pthread_mutex_lock(&x->lock);
    const struct action *a = action_schedule_take(x->schedule, kind, resource, clock_wall_ms(), &next_ms);
    if (!a) {
        int64_t soon_ms = next_ms - clock_wall_ms();
        wait_for_work(j, crew_of(j, kind, resource), soon_ms < 1 ? 1 : soon_ms < timeout_ms ? soon_ms : timeout_ms);
        a = action_schedule_take(x->schedule, kind, resource, clock_wall_ms(), &next_ms);
    }
    if (a)
        journal_actions_wake_ready(j);
    pthread_mutex_unlock(&x->lock);
    return a;
}

static void count_result(struct journal_actions *x, enum action_result result, enum action_state state)
{
    x->count.done += state == ACTION_DONE;
    x->count.died += state == ACTION_DEAD;
    x->count.failed += result == ACTION_TRANSIENT || result == ACTION_PERMANENT;
}

enum action_state journal_action_result(struct journal *j, uint64_t id, enum action_result result, const char *error)
{
    struct journal_actions *x = &j->actions;
    struct action_change change;
    char owner[ACTION_OWNER_MAX + 1];
    pthread_mutex_lock(&x->lock);
    const struct action *a = action_schedule_find(x->schedule, id);
    CHECK(a);
    snprintf(owner, sizeof owner, "%s", a->owner);
    bool changed = action_schedule_result(x->schedule, id, result, error, clock_wall_ms(), chance(), &change);
    if (changed) {
        journal_append_change(j, &change, change.state != ACTION_DEAD);
        journal_tell_watches(j, owner);
    }
    count_result(x, result, changed ? change.state : ACTION_WAIT);
    journal_actions_wake_ready(j); /* whoever stood behind it, on whatever resource */
    pthread_mutex_unlock(&x->lock);
    return changed ? change.state : ACTION_WAIT;
}

/* Before its result in the log, too: a probe that is run again after a crash finds again what it found. */
void journal_step_never_was(struct journal *j, const struct action *probe)
{
    pthread_mutex_lock(&j->actions.lock);
    action_schedule_never_was(j->actions.schedule, probe->id, journal_append_dropped, j);
    pthread_mutex_unlock(&j->actions.lock);
}

void journal_actions_hurry(struct journal *j, enum action_kind kind, const char *resource)
{
    pthread_mutex_lock(&j->actions.lock);
    action_schedule_hurry(j->actions.schedule, kind, resource, clock_wall_ms());
    pthread_cond_signal(&crew_of(j, kind, resource)->work);
    pthread_mutex_unlock(&j->actions.lock);
}

void journal_actions_wake(struct journal *j)
{
    pthread_mutex_lock(&j->actions.lock);
    LIST_FOR(it, &j->actions.crews)
        pthread_cond_broadcast(&CONTAINER_OF(it, struct crew, link)->work);
    pthread_mutex_unlock(&j->actions.lock);
}

/* --- people ------------------------------------------------------------------------------------------------------ */

/* The lock is held; releases it. */
static enum action_asked say(struct journal *j, enum action_asked asked, const struct action_change *change, wal_pos *at)
{
    wal_pos said = asked == ACTION_ASKED_OK ? journal_append_change(j, change, false) : 0;
    journal_actions_wake_ready(j);
    pthread_mutex_unlock(&j->actions.lock);
    if (at)
        *at = said;
    else if (said)
        wal_wait(j->wal, said);
    return asked;
}

enum action_asked journal_action_retry(struct journal *j, uint64_t id, wal_pos *at)
{
    struct action_change change;
    pthread_mutex_lock(&j->actions.lock);
    return say(j, action_schedule_retry(j->actions.schedule, id, clock_wall_ms(), &change), &change, at);
}

enum action_asked journal_action_edit(struct journal *j, uint64_t id, struct slice body, wal_pos *at)
{
    struct action_change change;
    pthread_mutex_lock(&j->actions.lock);
    return say(j, action_schedule_edit(j->actions.schedule, id, body, &change), &change, at);
}

enum action_asked journal_action_dismiss(struct journal *j, uint64_t id, const char *why, wal_pos *at)
{
    struct action_change change;
    char owner[ACTION_OWNER_MAX + 1] = "";
    pthread_mutex_lock(&j->actions.lock);
    const struct action *a = action_schedule_find(j->actions.schedule, id);
    if (a)
        snprintf(owner, sizeof owner, "%s", a->owner);
    enum action_asked asked = action_schedule_dismiss(j->actions.schedule, id, why, &change);
    if (asked == ACTION_ASKED_OK) {
        j->actions.count.dismissed++;
        journal_tell_watches(j, owner);
    }
    return say(j, asked, &change, at);
}

void journal_actions_retry_waiting(struct journal *j)
{
    pthread_mutex_lock(&j->actions.lock);
    action_schedule_retry_waiting(j->actions.schedule);
    journal_actions_wake_ready(j);
    pthread_mutex_unlock(&j->actions.lock);
}

/* --- lists ---------------------------------------------------------------------------------------------------------- */

/* The lock is held. NULL: it is not here (any more). */
static struct action *copy_of(struct journal *j, uint64_t id)
{
    const struct action *a = action_schedule_find(j->actions.schedule, id);
    struct action *copy = a ? action_copy(a) : NULL;
    if (copy)
        copy->behind = action_schedule_behind(j->actions.schedule, id);
    return copy;
}

struct action *journal_action_find(struct journal *j, uint64_t id)
{
    pthread_mutex_lock(&j->actions.lock);
    struct action *copy = copy_of(j, id);
    pthread_mutex_unlock(&j->actions.lock);
    return copy;
}

struct listed {
    uint64_t *id;
    size_t n;
};

static void list_id(void *arg, const struct action *a)
{
    struct listed *all = arg;
    all->id[all->n++] = a->id;
}

static struct listed list_ids(struct journal *j)
{
    struct action_schedule_stats now;
    struct listed all = {0};
    pthread_mutex_lock(&j->actions.lock);
    action_schedule_stats(j->actions.schedule, &now);
    all.id = calloc(now.n + 1, sizeof *all.id);
    CHECK(all.id);
    action_schedule_each(j->actions.schedule, list_id, &all);
    pthread_mutex_unlock(&j->actions.lock);
    return all;
}

/* Of what is still here. */
static size_t copy_page(struct journal *j, const uint64_t *id, size_t n, struct action **page)
{
    size_t copied = 0;
    pthread_mutex_lock(&j->actions.lock);
    for (size_t i = 0; i < n; i++) {
        page[copied] = copy_of(j, id[i]);
        copied += page[copied] != NULL;
    }
    pthread_mutex_unlock(&j->actions.lock);
    return copied;
}

/* In pages: the log thread takes the lock behind each sync, so whoever holds it long holds up every commit. */
void journal_each_action(struct journal *j, void (*each)(void *arg, const struct action *a), void *arg)
{
    struct listed all = list_ids(j);
    struct action *page[PAGE];
    for (size_t at = 0; at < all.n; at += PAGE) {
        size_t n = copy_page(j, all.id + at, all.n - at < PAGE ? all.n - at : PAGE, page);
        for (size_t i = 0; i < n; i++) {
            each(arg, page[i]);
            action_free(page[i]);
        }
    }
    free(all.id);
}
