/* Random lives of the schedule of actions over a log that loses its tail: whatever crashes, whatever is lost, each action that
 * its owner's outcome asks for has its effect once, in order, and no other has any. Then the same with one mistake built in at a
 * time; each must be caught.
 *
 *   model_actions                   200 seeds, then all mutants (make check)
 *   model_actions --seeds=N         so many
 *   model_actions --mutant=NAME     one mutant */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/schedule.h"

#define MUTANTS(X) \
    X(DUE_BEFORE_DURABLE, "an outcome counts before it is durable") \
    X(NO_BARRIER, "an action that was done is done again") \
    X(FORGET_UNLOGGED, "what a savepoint's rollback dropped is not logged") \
    X(SNAPSHOT_WITHOUT_ARMED, "a snapshot leaves out what waits for its outcome") \
    X(SNAPSHOT_REVERSED, "a snapshot turns the order round") \
    X(SNAPSHOT_RUNNING_DONE, "a snapshot takes what runs for done") \
    X(PRESUMED_COMMIT, "no decision is taken for a commit") \
    X(ORDER_IGNORED, "actions of an owner pass each other") \
    X(KEYS_IGNORED, "actions of one key pass each other") \
    X(STEP_IGNORED, "an action is done although its step was never decided") \
    X(DISMISSAL_UNLOGGED, "what a person dismissed is not logged") \
    X(LOST_IS_DONE, "an attempt whose answer was lost counts as done")
enum mutant {
    NONE,
#define X(name, text) name,
    MUTANTS(X)
#undef X
    N_MUTANTS
};
static const struct {
    const char *name, *text;
} mutants[] = {
    {"", ""},
#define X(name, text) {#name, text},
    MUTANTS(X)
#undef X
};

#define N_OWNERS 40
#define N_ACTIONS 200 /* of a life, so that ids are indices */
#define N_LANES 3
#define STEPS 900

enum fate { OPEN, COMMITTED, ROLLED_BACK };
struct truth { /* of an action */
    unsigned owner, lane, seq, key, step; /* key 0: none; step 0: none, else whether it is decided is of the owner */
    enum action_on on;
    bool parallel, there, forgotten, dismissed;
    unsigned effects, order; /* of its effect among all */
    unsigned due;            /* in the order of becoming so; 0 = not yet */
};
struct owner_truth {
    unsigned n;
    bool ended, step_decided; /* as its session believes */
};
enum kind { REC_ACTION, REC_CHANGE, REC_DECIDE, REC_ROLLBACK, REC_STEP };
struct record {
    enum kind kind;
    unsigned owner;
    uint64_t id;
    struct buf bytes;
};

static enum mutant mutant;
static unsigned random_state;
static struct action_schedule *s;
static struct record *record;
static size_t n_records, record_cap, durable, outcomes_taken; /* outcome records before the last are carried out */
static struct truth truth[N_ACTIONS + 1];
static struct owner_truth owners[N_OWNERS];
static unsigned n_actions, n_effects, n_due;
static uint64_t running[N_LANES][2];
static int64_t now_ms;
static const char *broken;

static unsigned chance(unsigned n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static void fail(const char *why)
{
    broken = broken ? broken : why;
}

static const char *owner_name(unsigned owner)
{
    static char name[16];
    snprintf(name, sizeof name, "g%u", owner);
    return name;
}

/* --- the log ----------------------------------------------------------------------------------------------------------- */

static struct buf *append(enum kind kind, unsigned owner, uint64_t id)
{
    if (n_records == record_cap) {
        record_cap = record_cap ? 2 * record_cap : 256;
        record = realloc(record, record_cap * sizeof *record);
        CHECK(record);
    }
    record[n_records] = (struct record){.kind = kind, .owner = owner, .id = id};
    return &record[n_records++].bytes;
}

static void log_change(const struct action_change *change)
{
    action_change_write(append(REC_CHANGE, 0, change->id), change);
}

static void cut(size_t n)
{
    while (n_records > n)
        buf_fini(&record[--n_records].bytes);
}

static struct slice bytes_of(const struct record *r)
{
    struct buf b = r->bytes;
    return (struct slice){buf_at(&b), buf_len(&b)};
}

/* --- outcomes ---------------------------------------------------------------------------------------------------------- */

static bool is_asked_for(const struct truth *t, bool committed)
{
    return (t->on == ACTION_ON_COMMIT) == committed && (!t->step || owners[t->owner].step_decided) && !t->forgotten && t->there;
}

/* In the order in which the owner's actions run. */
static void note_due(unsigned owner, bool committed)
{
    for (unsigned i = 0; i <= owners[owner].n; i++) {
        unsigned seq = committed ? i : owners[owner].n - i;
        for (unsigned id = 1; id <= n_actions; id++)
            if (truth[id].owner == owner && truth[id].seq == seq && is_asked_for(&truth[id], committed) && !truth[id].due)
                truth[id].due = ++n_due;
    }
}

static void take_outcome(unsigned owner, bool committed)
{
    note_due(owner, committed);
    (void)action_schedule_outcome(s, owner_name(owner), committed, now_ms);
}

static void take_outcomes(size_t upto)
{
    for (; outcomes_taken < upto; outcomes_taken++) {
        const struct record *r = &record[outcomes_taken];
        if (r->kind == REC_DECIDE || r->kind == REC_ROLLBACK)
            take_outcome(r->owner, r->kind == REC_DECIDE);
    }
}

static void sync_log(void)
{
    durable = n_records;
    take_outcomes(durable);
}

/* --- what sessions do --------------------------------------------------------------------------------------------------- */

static void arm(unsigned owner)
{
    struct owner_truth *o = &owners[owner];
    if (o->ended || n_actions == N_ACTIONS)
        return;
    struct truth *t = &truth[++n_actions];
    *t = (struct truth){.owner = owner, .lane = chance(N_LANES), .seq = ++o->n,
                        .on = chance(2) ? ACTION_ON_COMMIT : ACTION_ON_ROLLBACK,
                        .key = chance(3) ? 0 : 1 + chance(2), .parallel = !chance(5), .there = true,
                        .step = !o->step_decided && !chance(3)};
    struct action a;
    action_init(&a, t->on, ACTION_SQL);
    a.id = n_actions;
    a.seq = t->seq;
    a.parallel = t->parallel || mutant == ORDER_IGNORED;
    a.registered_ms = now_ms;
    a.max_attempts = chance(4) ? 0 : 2;
    snprintf(a.owner, sizeof a.owner, "%s", owner_name(owner));
    snprintf(a.resource, sizeof a.resource, "r%u", t->lane);
    if (t->key && mutant != KEYS_IGNORED)
        snprintf(a.key, sizeof a.key, "k%u", t->key);
    if (t->step && mutant != STEP_IGNORED)
        snprintf(a.by, sizeof a.by, "%s.step", owner_name(owner));
    a.body = (struct slice){(const uint8_t *)"DO 1", 4};
    action_write(append(REC_ACTION, owner, a.id), &a);
    action_schedule_add(s, action_copy(&a));
}

static void decide_step(unsigned owner)
{
    char name[24];
    if (owners[owner].ended || owners[owner].step_decided)
        return;
    append(REC_STEP, owner, 0);
    owners[owner].step_decided = true;
    snprintf(name, sizeof name, "%s.step", owner_name(owner));
    action_schedule_happened(s, name);
}

static void end_owner(unsigned owner)
{
    if (owners[owner].ended || !owners[owner].n)
        return;
    owners[owner].ended = true;
    append(chance(2) ? REC_DECIDE : REC_ROLLBACK, owner, 0);
    if (mutant == DUE_BEFORE_DURABLE)
        take_outcomes(n_records);
}

static void on_forgotten(void *arg, uint64_t id)
{
    (void)arg;
    truth[id].forgotten = true;
    if (mutant != FORGET_UNLOGGED)
        log_change(&(struct action_change){.id = id, .state = ACTION_DROPPED});
}

static void forget(unsigned owner)
{
    if (!owners[owner].ended && owners[owner].n)
        action_schedule_forget(s, owner_name(owner), 1 + chance(owners[owner].n), on_forgotten, NULL);
}

/* --- what runners do ------------------------------------------------------------------------------------------------------ */

static bool is_pending(unsigned id)
{
    return truth[id].due && action_schedule_find(s, id);
}

static void check_order(unsigned id)
{
    const struct truth *t = &truth[id];
    if (!t->due)
        fail("an action ran that no durable outcome asks for");
    if (t->dismissed)
        fail("an action ran that a person had dismissed");
    for (unsigned other = 1; other <= n_actions; other++) {
        const struct truth *o = &truth[other];
        if (other == id || !is_pending(other) || o->due > t->due)
            continue;
        if (t->key && o->key == t->key && o->lane == t->lane)
            fail("an action passed one of the same key");
        if (o->owner == t->owner && !t->parallel && !o->parallel && (t->on == ACTION_ON_ROLLBACK || o->lane == t->lane))
            fail("an action passed one of its owner");
    }
}

static void take(unsigned lane)
{
    char resource[8];
    int64_t next_ms;
    unsigned place = !!running[lane][0];
    if (running[lane][place])
        return;
    snprintf(resource, sizeof resource, "r%u", lane);
    const struct action *a = action_schedule_take(s, ACTION_SQL, resource, now_ms, &next_ms);
    if (!a)
        return;
    check_order((unsigned)a->id);
    running[lane][place] = a->id;
}

static void effect(unsigned id)
{
    if (truth[id].effects && mutant != NO_BARRIER)
        return;
    truth[id].effects++;
    truth[id].order = ++n_effects;
}

static void finish(unsigned lane, bool faults)
{
    struct action_change change;
    unsigned place = running[lane][1] && chance(2);
    uint64_t id = running[lane][place];
    if (!id)
        return;
    enum action_result result = ACTION_OK;
    unsigned how = faults ? chance(9) : 8;
    if (how >= 5 || how == 0)
        effect((unsigned)id);
    if (how < 5)
        result = how < 2 ? ACTION_TRANSIENT : how == 2 ? ACTION_PERMANENT : how == 3 ? ACTION_EARLY : ACTION_DOWN;
    if (how == 1 && mutant == LOST_IS_DONE)
        result = ACTION_OK;
    if (action_schedule_result(s, id, result, "x", now_ms, chance(1000), &change))
        log_change(&change);
    running[lane][place] = running[lane][1];
    running[lane][1] = 0;
}

/* --- what people do ------------------------------------------------------------------------------------------------------- */

static void person(bool dismisses)
{
    struct action_change change;
    unsigned id = n_actions ? 1 + chance(n_actions) : 0;
    const struct action *a = id ? action_schedule_find(s, id) : NULL;
    if (!a || a->state != ACTION_DEAD)
        return;
    if (!dismisses) {
        CHECK(action_schedule_retry(s, id, now_ms, &change) == ACTION_ASKED_OK);
        log_change(&change);
    } else {
        CHECK(action_schedule_dismiss(s, id, "why", &change) == ACTION_ASKED_OK);
        truth[id].dismissed = true;
        if (mutant != DISMISSAL_UNLOGGED)
            log_change(&change);
    }
    sync_log(); /* before they are answered */
}

/* --- crashes and snapshots --------------------------------------------------------------------------------------------- */

static void replay(const struct record *r)
{
    struct action_change change;
    struct action *a;
    char name[24];
    switch (r->kind) {
    case REC_ACTION:
        a = action_read(bytes_of(r));
        CHECK(a);
        action_schedule_add(s, a);
        break;
    case REC_CHANGE:
        CHECK(action_change_read(bytes_of(r), &change));
        action_schedule_replay(s, &change);
        break;
    case REC_STEP:
        owners[r->owner].step_decided = true;
        snprintf(name, sizeof name, "%s.step", owner_name(r->owner));
        action_schedule_happened(s, name);
        break;
    case REC_DECIDE:
    case REC_ROLLBACK:
        take_outcome(r->owner, r->kind == REC_DECIDE);
        break;
    }
}

static void presume(void)
{
    for (const char *name; (name = action_schedule_undecided(s));) {
        unsigned owner = (unsigned)atoi(name + 1);
        note_due(owner, false);
        (void)action_schedule_outcome(s, owner_name(owner), mutant == PRESUMED_COMMIT, now_ms);
    }
}

static struct record kept[N_ACTIONS];
static size_t n_kept;

static void keep(void *arg, const struct action *a)
{
    (void)arg;
    if ((mutant == SNAPSHOT_WITHOUT_ARMED && a->state == ACTION_ARMED) ||
        (mutant == SNAPSHOT_RUNNING_DONE && a->state == ACTION_RUNNING))
        return;
    struct record r = {.kind = REC_ACTION, .owner = truth[a->id].owner, .id = a->id};
    action_write(&r.bytes, a);
    kept[n_kept++] = r;
}

/* Of the log's durable part a copy of what is open remains; what is behind it stays, and comes again. */
static void snapshot(void)
{
    bool steps[N_OWNERS];
    size_t tail = n_records - durable;
    n_kept = 0;
    action_schedule_each(s, keep, NULL);
    for (unsigned i = 0; i < N_OWNERS; i++)
        steps[i] = owners[i].step_decided;
    struct record *behind = malloc((tail + 1) * sizeof *behind);
    CHECK(behind);
    memcpy(behind, record + durable, tail * sizeof *behind);
    n_records = durable;
    cut(0);
    for (size_t i = 0; i < n_kept; i++) {
        const struct record *r = &kept[mutant == SNAPSHOT_REVERSED ? n_kept - 1 - i : i];
        *append(r->kind, r->owner, r->id) = r->bytes;
    }
    for (unsigned i = 0; i < N_OWNERS; i++)
        if (steps[i])
            append(REC_STEP, i, 0);
    durable = outcomes_taken = n_records;
    for (size_t i = 0; i < tail; i++)
        *append(behind[i].kind, behind[i].owner, behind[i].id) = behind[i].bytes;
    free(behind);
}

static bool is_in_log(uint64_t id)
{
    if (mutant == SNAPSHOT_WITHOUT_ARMED)
        return true; /* it should be */
    for (size_t i = 0; i < n_records; i++)
        if (record[i].kind == REC_ACTION && record[i].id == id)
            return true;
    return false;
}

static bool was_forgotten(uint64_t id)
{
    for (size_t i = 0; i < n_records; i++) {
        struct action_change change;
        if (record[i].kind == REC_CHANGE && record[i].id == id && action_change_read(bytes_of(&record[i]), &change) &&
            change.state == ACTION_DROPPED)
            return true;
    }
    return false;
}

static void lose_tail(void)
{
    cut(durable + chance((unsigned)(n_records - durable) + 1));
    for (unsigned id = 1; id <= n_actions; id++) {
        struct truth *t = &truth[id];
        bool open = t->there && !t->due && !t->forgotten;
        t->there = open ? is_in_log(id) : t->there;
        if (t->forgotten && !t->due && mutant != FORGET_UNLOGGED && is_in_log(id))
            t->forgotten = was_forgotten(id);
    }
}

static void crash(void)
{
    lose_tail();
    action_schedule_free(s);
    s = action_schedule_new();
    memset(running, 0, sizeof running);
    for (unsigned i = 0; i < N_OWNERS; i++)
        owners[i].step_decided = false;
    for (size_t i = 0; i < n_records; i++)
        replay(&record[i]);
    presume();
    for (unsigned i = 0; i < N_OWNERS; i++)
        owners[i].ended = owners[i].ended || owners[i].n;
    durable = n_records;
    snapshot();
}

/* --- a life -------------------------------------------------------------------------------------------------------------- */

static void step(void)
{
    unsigned owner = chance(N_OWNERS), lane = chance(N_LANES);
    switch (chance(24)) {
    case 0: case 1: case 2: case 3: case 4: case 5:
        arm(owner);
        break;
    case 6: case 7:
        end_owner(owner);
        break;
    case 8: case 9:
        decide_step(owner);
        break;
    case 10:
        forget(owner);
        break;
    case 11: case 12:
        sync_log();
        break;
    case 13: case 14: case 15: case 16:
        take(lane);
        break;
    case 17: case 18: case 19:
        finish(lane, true);
        break;
    case 20:
        person(!chance(3));
        break;
    case 21:
        now_ms += chance(100000);
        break;
    case 22:
        if (!chance(3))
            snapshot();
        break;
    case 23:
        if (!chance(4))
            crash();
        break;
    }
}

static bool all_done(void)
{
    struct action_schedule_stats stats;
    action_schedule_stats(s, &stats);
    unsigned left = 0;
    for (int i = 0; i < ACTION_STATE_COUNT; i++)
        left += stats.count[i];
    return !left;
}

/* Nothing fails any more, every owner ends, people try again what was given up. */
static void come_to_rest(void)
{
    for (unsigned i = 0; i < N_OWNERS; i++)
        end_owner(i);
    sync_log();
    for (unsigned round = 0; round < 20000 && !all_done() && !broken; round++) {
        now_ms += 70000;
        person(false);
        take(round % N_LANES);
        finish(round % N_LANES, false);
    }
    if (!all_done())
        fail("something is never done");
}

static void judge(void)
{
    for (unsigned id = 1; id <= n_actions; id++) {
        const struct truth *t = &truth[id];
        if (t->effects > 1)
            fail("an effect came twice");
        else if (t->due && t->there && !t->dismissed && !t->effects)
            fail("an effect is missing");
        else if (!t->due && t->effects)
            fail("an effect that nobody asked for");
    }
}

static const char *live(unsigned seed)
{
    random_state = seed * 2654435761u + 1;
    memset(truth, 0, sizeof truth);
    memset(owners, 0, sizeof owners);
    memset(running, 0, sizeof running);
    n_actions = n_effects = n_due = 0;
    durable = outcomes_taken = 0;
    now_ms = 1000;
    broken = NULL;
    s = action_schedule_new();
    for (unsigned i = 0; i < STEPS && !broken; i++)
        step();
    if (!broken)
        come_to_rest();
    if (!broken)
        judge();
    action_schedule_free(s);
    cut(0);
    return broken;
}

/* --- main ---------------------------------------------------------------------------------------------------------------- */

static bool lives_hold(unsigned seeds)
{
    unsigned long effects = 0, actions = 0;
    mutant = NONE;
    for (unsigned seed = 1; seed <= seeds; seed++) {
        if (live(seed)) {
            printf("FAIL seed %u: %s\n", seed, broken);
            return false;
        }
        effects += n_effects;
        actions += n_actions;
    }
    printf("ok   %u lives, %lu actions, %lu effects\n", seeds, actions, effects);
    return true;
}

static bool is_caught(enum mutant which, unsigned seeds)
{
    unsigned seed = 1;
    mutant = which;
    while (seed <= seeds && !live(seed))
        seed++;
    printf("%-4s %-24s %s: %s\n", seed <= seeds ? "ok" : "FAIL", mutants[which].name, mutants[which].text,
           seed <= seeds ? broken : "not caught");
    return seed <= seeds;
}

int main(int argc, char **argv)
{
    unsigned seeds = 200, failed = 0;
    for (unsigned m = 1; m < N_MUTANTS; m++)
        if (argc == 2 && !strncmp(argv[1], "--mutant=", 9) && !strcmp(argv[1] + 9, mutants[m].name))
            return is_caught((enum mutant)m, seeds) ? 0 : 1;
    if (argc == 2 && !strncmp(argv[1], "--seeds=", 8)) {
        seeds = (unsigned)atoi(argv[1] + 8);
    } else if (argc > 1) {
        fprintf(stderr, "usage: %s [--seeds=N | --mutant=NAME]\n", argv[0]);
        return 2;
    }
    failed += !lives_hold(seeds);
    for (unsigned m = 1; m < N_MUTANTS; m++)
        failed += !is_caught((enum mutant)m, 200);
    free(record);
    printf("%s\n", failed ? "FAILED" : "all lives hold, all mutants are caught");
    return failed ? 1 : 0;
}
