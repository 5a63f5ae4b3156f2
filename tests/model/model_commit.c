/* Explores the commit machine exhaustively: every order of events in small worlds with bounded faults. Then, to show that
 * the exploration sees something, the same with one mistake built in around the machine at a time; each must be caught.
 *
 *   model_commit                  all scenes, then all mutants (make check)
 *   model_commit --deep           all scenes with one fault more, and every server swept at any time (minutes)
 *   model_commit --mutant=NAME    one mutant, with the story of how it breaks
 *   model_commit --list           what there is */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/model/commit_world.h"
#include "tests/model/explore.h"

#define MARIADB true
#define MYSQL false
/* family, writes, tracked */
#define WRITER(family) {family, true, true}
#define READER(family) {family, false, true}
#define UNPROVEN_WRITER(family) {family, true, false}
#define UNPROVEN_READER(family) {family, false, false}

/* The first four and the first with actions are named in the table of mutants. */
static const struct scene scenes[] = {
    {.name = "two writers", .n_servers = 2, .server = {WRITER(MARIADB), WRITER(MYSQL)},
     .sweeps = 1, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "a writer, and a writer without proof of anything", .n_servers = 2,
     .server = {WRITER(MARIADB), UNPROVEN_WRITER(MARIADB)},
     .sweeps = 2, .faults = 2, .crashes = 2, .losses = 2, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "a writer and a reader: one phase", .n_servers = 2, .server = {WRITER(MYSQL), READER(MARIADB)},
     .sweeps = 2, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "a writer, a reader and Redis", .n_servers = 2, .server = {WRITER(MARIADB), READER(MYSQL)}, .redis = true,
     .sweeps = 1, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "two writers, swept side by side", .n_servers = 2, .server = {WRITER(MARIADB), WRITER(MYSQL)},
     .sweeps = 2, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "two writers and Redis", .n_servers = 2, .server = {WRITER(MARIADB), WRITER(MARIADB)}, .redis = true,
     .sweeps = 1, .faults = 2, .crashes = 2, .losses = 2, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "a writer and an empty branch that nothing proves empty", .n_servers = 2,
     .server = {WRITER(MYSQL), UNPROVEN_READER(MARIADB)},
     .sweeps = 2, .faults = 2, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "three writers", .n_servers = 3, .server = {WRITER(MARIADB), WRITER(MYSQL), WRITER(MARIADB)},
     .sweeps = 1, .faults = 1, .crashes = 1, .losses = 1, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "one writer, one_phase = off", .n_servers = 1, .server = {WRITER(MARIADB)}, .one_phase_off = true,
     .sweeps = 1, .faults = 4, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "readers only", .n_servers = 2, .server = {READER(MARIADB), READER(MYSQL)},
     .sweeps = 2, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "Redis only", .redis = true,
     .faults = 4, .crashes = 2, .losses = 2, .refusals = 2, .vanishings = 1},
    {.name = "a writer and actions", .n_servers = 1, .server = {WRITER(MARIADB)}, .actions = true,
     .sweeps = 1, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "two writers, Redis and actions", .n_servers = 2, .server = {WRITER(MARIADB), WRITER(MYSQL)}, .redis = true,
     .actions = true, .sweeps = 1, .faults = 1, .crashes = 1, .losses = 1, .server_crashes = 1, .refusals = 1, .vanishings = 1},
    {.name = "a reader and actions", .n_servers = 1, .server = {READER(MYSQL)}, .actions = true,
     .sweeps = 1, .faults = 3, .crashes = 2, .losses = 2, .server_crashes = 2, .refusals = 1, .vanishings = 1},
    {.name = "actions only", .actions = true, .faults = 4, .crashes = 2, .refusals = 2, .vanishings = 1},
};
#define N_SCENES (sizeof scenes / sizeof *scenes)

static const struct {
    const char *name;
    unsigned scene;
    const char *text;
} mutants[] = {
#define X(name, scene, text) {#name, scene, text},
    MUTANTS(X)
#undef X
};

const struct scene *scene;
enum mutant mutant;

static void world_start(void *world)
{
    *(struct world *)world = (struct world){
        .faults_left = scene->faults,           .crashes_left = scene->crashes,
        .losses_left = scene->losses,           .server_crashes_left = scene->server_crashes,
        .refusals_left = scene->refusals,       .vanishings_left = scene->vanishings,
    };
}

static struct explore_result explore_scene(const struct scene *which, enum mutant mistake, FILE *story)
{
    static const struct explore_model model = {
        .size = sizeof(struct world), .start = world_start,   .offer = world_offer, .take = world_take,
        .broken = world_broken,       .settled = world_settled, .tell = world_tell,
    };
    scene = which;
    mutant = mistake;
    outcomes_only = mistake != MUTANT_NONE;
    return explore(&model, story);
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* More than a build should wait for. */
static struct scene deeper(struct scene s)
{
    s.faults++;
    s.sweeps = s.n_servers;
    return s;
}

static bool clean_scene(const struct scene *which)
{
    double start = seconds();
    struct explore_result r = explore_scene(which, MUTANT_NONE, stdout);
    printf("%-4s %-54s %8u states %9llu steps, depth %u, %.1f s\n", r.broken ? "FAIL" : "ok", which->name, r.states,
           (unsigned long long)r.steps, r.depth, seconds() - start);
    if (r.broken)
        printf("     broken: %s\n", r.broken);
    return !r.broken;
}

static bool mutant_caught(unsigned m, FILE *story)
{
    if (story)
        printf("mutant %s: %s\nscene: %s\n", mutants[m].name, mutants[m].text, scenes[mutants[m].scene].name);
    struct explore_result r = explore_scene(&scenes[mutants[m].scene], m, story);
    printf("%-4s %-54s %8u states, %s%s", r.broken ? "ok" : "FAIL", mutants[m].name, r.states,
           r.broken ? "caught: " : "NOT CAUGHT", r.broken ? r.broken : "");
    printf(r.broken ? " (%u steps)\n" : "\n", r.depth);
    return r.broken;
}

static int deep(void)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < N_SCENES; i++) {
        struct scene deep_scene = deeper(scenes[i]);
        failed += !clean_scene(&deep_scene);
    }
    printf("%s\n", failed ? "FAILED" : "all scenes hold");
    return failed ? 1 : 0;
}

static int all(void)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < N_SCENES; i++)
        failed += !clean_scene(&scenes[i]);
    printf("the same with one mistake at a time, each to be caught:\n");
    for (unsigned m = 1; m < MUTANT_COUNT; m++)
        failed += !mutant_caught(m, NULL);
    printf("%s\n", failed ? "FAILED" : "all scenes hold, all mutants are caught");
    return failed ? 1 : 0;
}

static int one(const char *name)
{
    for (unsigned m = 1; m < MUTANT_COUNT; m++)
        if (!strcmp(mutants[m].name, name))
            return mutant_caught(m, stdout) ? 0 : 1;
    fprintf(stderr, "no mutant %s; --list names them\n", name);
    return 2;
}

static int list(void)
{
    for (unsigned i = 0; i < N_SCENES; i++)
        printf("scene  %s\n", scenes[i].name);
    for (unsigned m = 1; m < MUTANT_COUNT; m++)
        printf("mutant %-24s %s\n", mutants[m].name, mutants[m].text);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return all();
    if (argc == 2 && !strncmp(argv[1], "--mutant=", 9))
        return one(argv[1] + 9);
    if (argc == 2 && !strcmp(argv[1], "--deep"))
        return deep();
    if (argc == 2 && !strcmp(argv[1], "--list"))
        return list();
    fprintf(stderr, "usage: %s [--deep | --list | --mutant=NAME]\n", argv[0]);
    return 2;
}
