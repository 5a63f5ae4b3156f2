/* Exhaustive exploration of a small world, breadth first, so that the first broken state has a shortest story. Knows
 * nothing of what the world is about: that is said by the functions of struct explore_model. */
#ifndef TESTS_MODEL_EXPLORE_H
#define TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A step is a number whose meaning is the model's own. */
struct explore_steps {
    unsigned n;
    struct {
        uint32_t step;
        bool fault; /* something that need not happen: the world must be able to settle without it */
    } at[256];
};
void explore_offer(struct explore_steps *steps, uint32_t step, bool fault);

struct explore_model {
    size_t size; /* of a world: plain bytes without padding or pointers, at most EXPLORE_MAX_SIZE */
    void (*start)(void *world);
    /* What can happen next. The first step that is no fault is the way to settling: from every world, following those
     * first steps must lead to a settled one. */
    void (*offer)(const void *world, struct explore_steps *steps);
    void (*take)(void *world, uint32_t step);
    const char *(*broken)(const void *world); /* the promise that does not hold, or NULL */
    bool (*settled)(const void *world);
    void (*tell)(const void *before, uint32_t step, const void *after, char *out, size_t size); /* one line of a story */
};
#define EXPLORE_MAX_SIZE 256

struct explore_result {
    const char *broken; /* NULL: every promise holds in every state, and every state can settle */
    uint32_t states;
    uint64_t steps;
    unsigned depth; /* of the deepest state, or the length of the story that breaks */
};
/* Prints the story to `story` when something is broken (NULL: not). */
struct explore_result explore(const struct explore_model *model, FILE *story);

#endif
