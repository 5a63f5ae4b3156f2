/* Commands dealt out to requests. */
#include "proxy/resp/plan.h"

#include <stdlib.h>
#include <string.h>

void resp_plan_fini(struct resp_plan *p)
{
    for (size_t i = 0; i < p->n_parts; i++)
        comp_pipeline_fini(&p->part[i].pipeline);
    free(p->part);
    *p = (struct resp_plan){0};
}

static bool begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

/* What has no key is about a whole server; scripts are looked up and kept first; what only the library has needs no company. */
bool resp_plan_may_hold(const struct comp_command_use *use)
{
    const char *handler = use->row->handler ? use->row->handler : "";
    bool plain = use->class == COMP_CLASS_READ || use->class == COMP_CLASS_WRITE;
    bool script = begins(use->row->name, "EVAL") || begins(use->row->name, "FCALL");
    bool own = !strcmp(handler, "escrow") || !strcmp(handler, "lock");
    return plain && use->n_keys && use->n_keys <= COMP_PIPELINE_KEYS && !use->waits && !script && !own;
}

static struct resp_part *find(struct resp_plan *p, uint16_t slot)
{
    for (size_t i = p->n_parts; i-- > 0;)
        if (!p->part[i].alone && p->part[i].slot == slot)
            return &p->part[i];
    return NULL;
}

static struct resp_part *new_part(struct resp_plan *p, const struct comp_command_use *use, bool alone, const void *node)
{
    if (p->n_parts == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->part = realloc(p->part, p->cap * sizeof *p->part);
        CHECK(p->part);
    }
    struct resp_part *part = &p->part[p->n_parts++];
    *part = (struct resp_part){.node = node, .slot = use->slot, .alone = alone};
    return part;
}

bool resp_plan_add(struct resp_plan *p, struct resp_queue *q, const struct comp_command_use *use, bool looks, const void *node)
{
    size_t i = q->first + p->n;
    struct resp_queued *one = &q->at[i];
    struct resp_part *part = find(p, use->slot);
    bool alone = !part && !looks;
    CHECK(i < q->end && !one->done);
    if (part && !comp_pipeline_has_room(&part->pipeline, use))
        return false;
    if (!part) {
        part = new_part(p, use, alone, node);
        part->first = i;
    }
    if (!alone)
        comp_pipeline_add(&part->pipeline, &one->command, use, looks);
    part->writes = part->writes || use->class == COMP_CLASS_WRITE;
    one->part = (size_t)(part - p->part);
    p->first = q->first;
    p->n++;
    return true;
}

size_t resp_plan_next(const struct resp_plan *p, const struct resp_queue *q, size_t part, size_t i)
{
    while (++i < p->first + p->n)
        if (q->at[i].part == part)
            return i;
    return SIZE_MAX;
}
