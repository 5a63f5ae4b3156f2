/* Who waits for whom: chains of actions in the order in which they run, of which only the first may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/impl.h"

static struct chain *new_chain(const char *name, const struct lane *lane)
{
    struct chain *c = calloc(1, sizeof *c);
    CHECK(c);
    snprintf(c->name, sizeof c->name, "%s", name);
    c->lane = lane;
    list_init(&c->members);
    list_init(&c->link);
    return c;
}

static struct chain *order_of(struct owner *o, const char *name)
{
    LIST_FOR(it, &o->chains)
        if (!strcmp(CONTAINER_OF(it, struct chain, link)->name, name))
            return CONTAINER_OF(it, struct chain, link);
    struct chain *c = new_chain(name, NULL);
    list_push_back(&o->chains, &c->link);
    return c;
}

static uint64_t hash_key(const struct lane *lane, const char *name)
{
    return action_hash_number(action_hash_text(name) ^ (uint64_t)(uintptr_t)lane);
}

static struct chain *key_of(struct action_schedule *s, const struct lane *lane, const char *name)
{
    uint64_t hash = hash_key(lane, name);
    for (struct action_node *n = action_table_first(&s->keys, hash); n; n = action_table_next(n)) {
        struct chain *c = CONTAINER_OF(n, struct chain, node);
        if (c->lane == lane && !strcmp(c->name, name))
            return c;
    }
    struct chain *c = new_chain(name, lane);
    action_table_put(&s->keys, &c->node, hash);
    return c;
}

void action_chains_join(struct action_schedule *s, struct entry *e)
{
    const struct action *a = e->action;
    if (!a->parallel) {
        e->chain = order_of(e->owner, a->on == ACTION_ON_COMMIT ? a->resource : "");
        list_push_back(&e->chain->members, &e->in_chain);
    }
    if (*a->key) {
        e->key = key_of(s, e->lane, a->key);
        list_push_back(&e->key->members, &e->in_key);
    }
}

static bool is_first(const struct entry *e)
{
    return (!e->chain || e->chain->members.next == &e->in_chain) && (!e->key || e->key->members.next == &e->in_key);
}

uint64_t action_chains_first(const struct entry *e)
{
    if (is_first(e))
        return 0;
    struct list *first = e->chain ? list_first(&e->chain->members) : NULL;
    if (first && first != &e->in_chain)
        return CONTAINER_OF(first, struct entry, in_chain)->action->id;
    return CONTAINER_OF(list_first(&e->key->members), struct entry, in_key)->action->id;
}

void action_place(struct entry *e)
{
    bool ready = e->action->state == ACTION_DUE || e->action->state == ACTION_WAIT;
    if (ready && is_first(e))
        action_lane_place(e->lane, e);
}

/* A chain without members is none. */
static void drop_chain(struct action_schedule *s, struct chain *c)
{
    if (!c || !list_empty(&c->members))
        return;
    list_remove(&c->link);
    if (c->lane)
        action_table_remove(&s->keys, &c->node);
    free(c);
}

void action_chains_leave(struct action_schedule *s, struct entry *e)
{
    struct chain *chain = e->chain, *key = e->key;
    bool first = chain && chain->members.next == &e->in_chain, first_key = key && key->members.next == &e->in_key;
    list_remove(&e->in_chain);
    list_remove(&e->in_key);
    e->chain = e->key = NULL;
    struct list *next = first ? list_first(&chain->members) : NULL, *next_key = first_key ? list_first(&key->members) : NULL;
    struct entry *a = next ? CONTAINER_OF(next, struct entry, in_chain) : NULL;
    struct entry *b = next_key ? CONTAINER_OF(next_key, struct entry, in_key) : NULL;
    if (a)
        action_place(a);
    if (b && b != a)
        action_place(b);
    drop_chain(s, chain);
    drop_chain(s, key);
}
