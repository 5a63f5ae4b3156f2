/* Commands put together for one call of the library. */
#include "compensate/pipeline.h"

#include <stdlib.h>

static void add(struct comp_argv *out, const struct comp_argv *from, size_t i)
{
    comp_argv_add(out, comp_argv_at(from, i).at, comp_argv_at(from, i).len);
}

bool comp_pipeline_has_room(const struct comp_pipeline *p, const struct comp_command_use *use)
{
    return p->looked.n + p->others.n + use->n_keys <= COMP_PIPELINE_KEYS;
}

static struct comp_pipeline_part *new_part(struct comp_pipeline *p)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->part = realloc(p->part, p->cap * sizeof *p->part);
        CHECK(p->part);
    }
    return &p->part[p->n++];
}

void comp_pipeline_add(struct comp_pipeline *p, const struct comp_argv *command, const struct comp_command_use *use, bool looks)
{
    CHECK(command->n > 0 && comp_pipeline_has_room(p, use));
    *new_part(p) = (struct comp_pipeline_part){.first = p->words.n,
                                               .n = command->n,
                                               .row = use->row,
                                               .writes = use->class == COMP_CLASS_WRITE,
                                               .looked = looks ? use->n_keys : 0};
    for (size_t i = 0; i < command->n; i++)
        add(&p->words, command, i);
    for (unsigned i = 0; i < use->n_keys; i++)
        add(looks ? &p->looked : &p->others, command, use->key[i]);
}

void comp_pipeline_fini(struct comp_pipeline *p)
{
    comp_argv_fini(&p->words);
    comp_argv_fini(&p->looked);
    comp_argv_fini(&p->others);
    free(p->part);
    *p = (struct comp_pipeline){0};
}
