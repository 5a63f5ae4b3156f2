/* The explorer: states are known by a 128-bit hash, found again by their parents, kept whole only while they wait. */
#include "tests/model/explore.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define NOBODY UINT32_MAX
#define MAX_DEPTH 1000

struct known {
    uint64_t hash[2];
    uint32_t parent, step; /* how it was first reached */
    uint32_t towards;      /* the next state on the way to settling; NOBODY: it is settled */
};

struct worlds { /* a queue, consumed whole */
    uint8_t *bytes;
    uint32_t *id;
    size_t n, cap;
};

struct explorer {
    const struct explore_model *model;
    struct known *known;
    uint32_t n_known, cap_known;
    uint32_t *slot; /* open addressing into known */
    uint32_t n_slots;
    struct worlds now, next;
    uint64_t steps;
};

void explore_offer(struct explore_steps *steps, uint32_t step, bool fault)
{
    CHECK(steps->n < sizeof steps->at / sizeof *steps->at);
    steps->at[steps->n].step = step;
    steps->at[steps->n++].fault = fault;
}

static void *grown(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);
    CHECK(p);
    return p;
}

/* --- known states --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static void hash_world(const uint8_t *world, size_t size, uint64_t out[2])
{
    uint64_t a = 1, b = UINT64_C(0x1234567890abcdef), v;
    for (size_t i = 0; i < size; i += 8) {
        v = 0;
        memcpy(&v, world + i, size - i < 8 ? size - i : 8);
        a = mix(a, v);
        b = mix(b, v + i);
    }
    out[0] = mix(a, b);
    out[1] = mix(b, out[0]);
}

static void rehash(struct explorer *x)
{
    x->n_slots = x->n_slots ? 2 * x->n_slots : 1 << 16;
    x->slot = grown(x->slot, x->n_slots * sizeof *x->slot);
    memset(x->slot, 0xff, x->n_slots * sizeof *x->slot);
    for (uint32_t id = 0; id < x->n_known; id++) {
        uint32_t at = (uint32_t)x->known[id].hash[0] & (x->n_slots - 1);
        while (x->slot[at] != NOBODY)
            at = (at + 1) & (x->n_slots - 1);
        x->slot[at] = id;
    }
}

static uint32_t add_known(struct explorer *x, const uint64_t hash[2], uint32_t parent, uint32_t step)
{
    if (x->n_known == x->cap_known) {
        x->cap_known = x->cap_known ? 2 * x->cap_known : 1 << 15;
        x->known = grown(x->known, x->cap_known * sizeof *x->known);
    }
    x->known[x->n_known] = (struct known){{hash[0], hash[1]}, parent, step, NOBODY};
    return x->n_known++;
}

/* The state's number; *is_new when nobody had been there. */
static uint32_t find_or_add(struct explorer *x, const uint8_t *world, uint32_t parent, uint32_t step, bool *is_new)
{
    uint64_t hash[2];
    hash_world(world, x->model->size, hash);
    if (2 * x->n_known >= x->n_slots)
        rehash(x);
    uint32_t at = (uint32_t)hash[0] & (x->n_slots - 1);
    for (; x->slot[at] != NOBODY; at = (at + 1) & (x->n_slots - 1))
        if (!memcmp(x->known[x->slot[at]].hash, hash, sizeof hash)) {
            *is_new = false;
            return x->slot[at];
        }
    *is_new = true;
    return x->slot[at] = add_known(x, hash, parent, step);
}

static void enqueue(struct explorer *x, const uint8_t *world, uint32_t id)
{
    struct worlds *q = &x->next;
    if (q->n == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 1024;
        q->bytes = grown(q->bytes, q->cap * x->model->size);
        q->id = grown(q->id, q->cap * sizeof *q->id);
    }
    memcpy(q->bytes + q->n * x->model->size, world, x->model->size);
    q->id[q->n++] = id;
}

/* --- stories --- */

static unsigned steps_to(const struct explorer *x, uint32_t id, uint32_t path[MAX_DEPTH])
{
    unsigned n = 0;
    for (uint32_t at = id; x->known[at].parent != NOBODY; at = x->known[at].parent)
        n++;
    CHECK(n < MAX_DEPTH);
    for (unsigned i = n; i; i--, id = x->known[id].parent)
        path[i - 1] = x->known[id].step;
    return n;
}

static void tell_step(const struct explorer *x, uint8_t *world, uint32_t step, unsigned number, FILE *story)
{
    uint8_t before[EXPLORE_MAX_SIZE];
    char line[512];
    memcpy(before, world, x->model->size);
    x->model->take(world, step);
    x->model->tell(before, step, world, line, sizeof line);
    fprintf(story, "  %3u  %s\n", number, line);
}

static unsigned tell(const struct explorer *x, uint32_t id, FILE *story)
{
    uint32_t path[MAX_DEPTH];
    uint8_t world[EXPLORE_MAX_SIZE] = {0};
    unsigned n = steps_to(x, id, path);
    x->model->start(world);
    for (unsigned i = 0; story && i < n; i++)
        tell_step(x, world, path[i], i + 1, story);
    return n;
}

/* A CHECK inside the machine under test is a finding as well: tell how it was reached. */
static struct {
    const struct explorer *x;
    uint32_t id, step;
} current;

static void tell_on_abort(int signal_number)
{
    (void)signal_number;
    fprintf(stdout, "a CHECK failed:\n");
    unsigned n = tell(current.x, current.id, stdout);
    fprintf(stdout, "  %3u  step %#x or one of its variants, which fails\n", n + 1, current.step);
    fflush(stdout);
    _Exit(1);
}

/* --- the search --- */

/* Follows one step; NULL, or the promise that breaks there. `id` receives where it leads. */
static const char *follow(struct explorer *x, const uint8_t *from, uint32_t from_id, uint32_t step, uint32_t *id)
{
    uint8_t world[EXPLORE_MAX_SIZE];
    bool is_new;
    memcpy(world, from, x->model->size);
    current.step = step;
    x->model->take(world, step);
    x->steps++;
    *id = find_or_add(x, world, from_id, step, &is_new);
    if (is_new)
        enqueue(x, world, *id);
    return is_new ? x->model->broken(world) : NULL;
}

static const char *expand(struct explorer *x, const uint8_t *world, uint32_t id, uint32_t *broken_id)
{
    struct explore_steps steps = {.n = 0};
    bool settled = x->model->settled(world), found_way = settled;
    current.id = id;
    x->model->offer(world, &steps);
    for (unsigned i = 0; i < steps.n; i++) {
        const char *why = follow(x, world, id, steps.at[i].step, broken_id);
        if (why)
            return why;
        if (!found_way && !steps.at[i].fault) {
            x->known[id].towards = *broken_id;
            found_way = true;
        }
    }
    *broken_id = id;
    return found_way ? NULL : "stuck: nothing is left to happen, and the world is not settled";
}

static const char *search(struct explorer *x, uint32_t *broken_id, unsigned *depth)
{
    uint8_t world[EXPLORE_MAX_SIZE] = {0};
    bool is_new;
    x->model->start(world);
    enqueue(x, world, find_or_add(x, world, NOBODY, 0, &is_new));
    for (*depth = 0; x->next.n; ++*depth) {
        struct worlds done = x->now;
        x->now = x->next;
        x->next = done;
        x->next.n = 0;
        for (size_t i = 0; i < x->now.n; i++) {
            const char *why = expand(x, x->now.bytes + i * x->model->size, x->now.id[i], broken_id);
            if (why)
                return why;
        }
    }
    return NULL;
}

/* Does every state's way end in a settled one? Marks each way once: 1 = being walked, 2 = good. */
static const char *all_settle(const struct explorer *x, uint32_t *broken_id)
{
    uint8_t *mark = calloc(x->n_known, 1);
    CHECK(mark);
    const char *why = NULL;
    for (uint32_t id = 0; id < x->n_known && !why; id++) {
        uint32_t at = id;
        for (; at != NOBODY && !mark[at]; at = x->known[at].towards)
            mark[at] = 1;
        if (at != NOBODY && mark[at] == 1) {
            *broken_id = id;
            why = "it goes in circles: from here the world never settles";
        }
        for (at = id; at != NOBODY && mark[at] == 1 && !why; at = x->known[at].towards)
            mark[at] = 2;
    }
    free(mark);
    return why;
}

static void explorer_fini(struct explorer *x)
{
    free(x->known);
    free(x->slot);
    free(x->now.bytes);
    free(x->now.id);
    free(x->next.bytes);
    free(x->next.id);
}

struct explore_result explore(const struct explore_model *model, FILE *story)
{
    struct explorer x = {.model = model};
    struct explore_result result = {0};
    uint32_t broken_id = 0;
    CHECK(model->size <= EXPLORE_MAX_SIZE);
    current.x = &x;
    signal(SIGABRT, tell_on_abort);
    result.broken = search(&x, &broken_id, &result.depth);
    if (!result.broken)
        result.broken = all_settle(&x, &broken_id);
    if (result.broken)
        result.depth = tell(&x, broken_id, story);
    result.states = x.n_known;
    result.steps = x.steps;
    signal(SIGABRT, SIG_DFL);
    explorer_fini(&x);
    return result;
}
