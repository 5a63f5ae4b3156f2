/* What the files of the schedule share.
 *
 *   owner ── all its actions, by seq            lane (resource) ── backlog, fresh: what can run now
 *     └─ chain (order) ───┐                       └─ heap: what can run later (WAIT)
 *   lane, key ── chain ───┴─ members in the order in which they run; only the first of each may run */
#ifndef ACTIONS_IMPL_H
#define ACTIONS_IMPL_H

#include "actions/schedule.h"
#include "actions/table.h"
#include "base/list.h"

struct chain {
    struct action_node node; /* of a key */
    struct list link;        /* of an owner: among its */
    const struct lane *lane; /* of a key; else NULL */
    struct list members;
    char name[ACTION_KEY_MAX + 1]; /* resource or key; "" = all resources */
};

struct lane {
    struct list link;
    enum action_kind kind;
    char resource[ACTION_RESOURCE_MAX + 1];
    struct list backlog, fresh; /* entries that may run now, the oldest first */
    struct entry **heap;        /* entries that may run later, the soonest first */
    size_t n_heap, heap_cap;
    int running;
    bool turn;             /* whose: the fresh ones' */
    bool was_reached;      /* in this life */
    int64_t gathered_ms;   /* when it was, after an outage: what was due before is backlog */
    bool away;             /* not known to be reachable: one probe at a time */
    uint32_t failures;     /* in a row, to reach it */
    int64_t probe_ms;      /* not before */
    int64_t looked_ms;     /* at the clock, for the last time */
};

struct owner {
    struct action_node node;
    char name[ACTION_OWNER_MAX + 1];
    struct list entries; /* by seq */
    struct list chains;
    struct list undecided; /* on the schedule's list while something is armed */
    unsigned armed;
};

struct step { /* a transaction that actions belong to beside their owner */
    struct action_node node;
    char name[ACTION_OWNER_MAX + 1];
    struct list entries;
};

struct entry {
    struct action_node node;
    struct action *action;
    size_t bytes;
    struct owner *owner;
    struct step *step; /* NULL: none, or it is known to have been decided */
    struct lane *lane;
    struct list of_owner, of_step;
    struct list in_order; /* schedule's list: by outcome, or armed */
    struct list in_chain, in_key;
    struct chain *chain, *key; /* NULL: none */
    struct list in_queue;
    size_t heap_at; /* 1 + index; 0 = not there */
};

struct action_schedule {
    struct action_table ids, owners, steps, keys;
    struct list lanes;
    struct list decided, armed; /* entries */
    struct list undecided;      /* owners */
    unsigned count[ACTION_STATE_COUNT];
    uint64_t bytes;
};

/* --- schedule.c --- */
struct entry *action_entry(struct action_schedule *s, uint64_t id); /* NULL: none */
void action_enter(struct action_schedule *s, struct entry *e, enum action_state state); /* the only writer of states */
void action_gone(struct action_schedule *s, struct entry *e);       /* frees it, and what stood for it alone */

/* --- chain.c --- */
void action_chains_join(struct action_schedule *s, struct entry *e);
void action_chains_leave(struct action_schedule *s, struct entry *e); /* whoever becomes the first by that may run */
uint64_t action_chains_first(const struct entry *e);                  /* whom it waits for; 0: nobody */
void action_place(struct entry *e);                                   /* in its lane, where it may run */

/* --- change.c --- */
void action_tell(struct action_change *change, const struct action *a, enum action_state state);
void action_say(struct action *a, const char *error); /* NULL: nothing; what is not printable becomes blanks */

/* --- lane.c --- */
struct lane *action_lane(struct action_schedule *s, enum action_kind kind, const char *resource); /* made where it is new */
void action_lane_free(struct lane *l);
void action_lane_place(struct lane *l, struct entry *e);       /* may run from its next_ms on */
void action_lane_place_first(struct lane *l, struct entry *e); /* once more, before all others */
void action_lane_remove(struct lane *l, struct entry *e);      /* from wherever it is placed */
struct entry *action_lane_take(struct lane *l, int64_t now_ms, int64_t *next_ms);
void action_lane_reached(struct lane *l, int64_t now_ms);
void action_lane_missed(struct lane *l, int64_t now_ms, uint32_t random);

#endif
