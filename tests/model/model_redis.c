/* Explores the Redis machine exhaustively: every order of events in small worlds with bounded faults. Then the same with
 * one mistake built in at a time; each must be caught.
 *
 *   model_redis                  all scenes, then all mutants (make check)
 *   model_redis --deep           all scenes with one fault more
 *   model_redis --mutant=NAME    one mutant, with the story of how it breaks */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/model/redis_world.h"

/* The first three are named in the table of mutants. */
static const struct scene scenes[] = {
    {.name = "two writes; coordinator dies", .writes = 2, .faults = 4, .crashes = 2},
    {.name = "two writes; coordinator dies, Redis loses its tail", .writes = 2, .faults = 2, .crashes = 1, .redis_crashes = 1},
    {.name = "two writes against a rival's lock", .writes = 2, .rival = 1, .faults = 4, .crashes = 1},
    {.name = "three writes and a savepoint", .writes = 3, .savepoint = 1, .faults = 3, .crashes = 1},
    {.name = "a savepoint and a Redis that loses its tail", .writes = 2, .savepoint = 1, .faults = 2, .redis_crashes = 2},
    {.name = "a write; everything dies twice", .writes = 1, .faults = 3, .crashes = 2, .redis_crashes = 2},
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

static struct explore_result explore_scene(const struct scene *which, enum mutant mistake, FILE *story)
{
    static const struct explore_model model = {
        .size = sizeof(struct world), .start = world_start,     .offer = world_offer, .take = world_take,
        .broken = world_broken,       .settled = world_settled, .tell = world_tell,
    };
    scene = which;
    mutant = mistake;
    return explore(&model, story);
}

static bool clean_scene(struct scene which, uint8_t more_faults)
{
    clock_t start = clock();
    which.faults = (uint8_t)(which.faults + more_faults);
    struct explore_result r = explore_scene(&which, MUTANT_NONE, stdout);
    printf("%-4s %-54s %8u states %9llu steps, depth %u, %.1f s\n", r.broken ? "FAIL" : "ok", which.name, r.states,
           (unsigned long long)r.steps, r.depth, (double)(clock() - start) / CLOCKS_PER_SEC);
    if (r.broken)
        printf("     broken: %s\n", r.broken);
    return !r.broken;
}

static bool mutant_caught(enum mutant m, FILE *story)
{
    if (story)
        printf("mutant %s: %s\nscene: %s\n", mutants[m].name, mutants[m].text, scenes[mutants[m].scene].name);
    struct explore_result r = explore_scene(&scenes[mutants[m].scene], m, story);
    printf("%-4s %-22s %8u states, %s (%u steps)\n", r.broken ? "ok" : "FAIL", mutants[m].name, r.states,
           r.broken ? r.broken : "NOT CAUGHT", r.depth);
    return r.broken;
}

static int all(uint8_t more_faults)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < N_SCENES; i++)
        failed += !clean_scene(scenes[i], more_faults);
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
    fprintf(stderr, "no mutant %s\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return all(0);
    if (argc == 2 && !strncmp(argv[1], "--mutant=", 9))
        return one(argv[1] + 9);
    if (argc == 2 && !strcmp(argv[1], "--deep"))
        return all(1);
    fprintf(stderr, "usage: %s [--deep | --mutant=NAME]\n", argv[0]);
    return 2;
}
