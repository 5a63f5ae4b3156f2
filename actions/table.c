/* A hash table whose nodes lie in the things it holds: chained, doubled when it is full. */
#include "actions/table.h"

#include <stdlib.h>

#include "base/check.h"

#define FIRST_BUCKETS 64

uint64_t action_hash_number(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

uint64_t action_hash_text(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return action_hash_number(h);
}

static void make_buckets(struct action_table *t, size_t n)
{
    t->bucket = calloc(n, sizeof(struct action_node *));
    CHECK(t->bucket);
    t->n_buckets = n;
}

static struct action_node **bucket_of(const struct action_table *t, uint64_t hash)
{
    return &t->bucket[hash & (t->n_buckets - 1)];
}

static void link_node(struct action_table *t, struct action_node *node)
{
    struct action_node **at = bucket_of(t, node->hash);
    node->next = *at;
    *at = node;
}

static void grow(struct action_table *t)
{
    struct action_table old = *t;
    make_buckets(t, 2 * old.n_buckets);
    for (size_t i = 0; i < old.n_buckets; i++)
        for (struct action_node *node = old.bucket[i], *next; node; node = next) {
            next = node->next;
            link_node(t, node);
        }
    free(old.bucket);
}

void action_table_init(struct action_table *t)
{
    t->n = 0;
    make_buckets(t, FIRST_BUCKETS);
}

void action_table_fini(struct action_table *t, void (*drop)(struct action_node *node))
{
    for (size_t i = 0; i < t->n_buckets; i++)
        for (struct action_node *node = t->bucket[i], *next; node; node = next) {
            next = node->next;
            drop(node);
        }
    free(t->bucket);
}

void action_table_put(struct action_table *t, struct action_node *node, uint64_t hash)
{
    if (t->n == t->n_buckets)
        grow(t);
    node->hash = hash;
    link_node(t, node);
    t->n++;
}

void action_table_remove(struct action_table *t, struct action_node *node)
{
    struct action_node **at = bucket_of(t, node->hash);
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}

static struct action_node *same_hash(struct action_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct action_node *action_table_first(const struct action_table *t, uint64_t hash)
{
    return same_hash(*bucket_of(t, hash), hash);
}

struct action_node *action_table_next(const struct action_node *node)
{
    return same_hash(node->next, node->hash);
}
