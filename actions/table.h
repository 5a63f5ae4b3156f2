/* A hash table whose nodes lie in the things it holds. Knows nothing of them but their hash; who asks compares the rest. */
#ifndef ACTIONS_TABLE_H
#define ACTIONS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct action_node {
    struct action_node *next; /* in its bucket */
    uint64_t hash;
};
struct action_table {
    struct action_node **bucket; /* a power of two of them */
    size_t n_buckets, n;
};

void action_table_init(struct action_table *t);
/* Every node goes to `drop`, which may free what it lies in. */
void action_table_fini(struct action_table *t, void (*drop)(struct action_node *node));
void action_table_put(struct action_table *t, struct action_node *node, uint64_t hash);
void action_table_remove(struct action_table *t, struct action_node *node); /* it is there */
/* Those with this hash, one after another; NULL: no more. */
struct action_node *action_table_first(const struct action_table *t, uint64_t hash);
struct action_node *action_table_next(const struct action_node *node);

uint64_t action_hash_number(uint64_t x);
uint64_t action_hash_text(const char *text);

#endif
