/* Intrusive doubly linked list: a state is the list an object is on, so counts and SHOW need no code. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev; /* a head points at itself when empty; a member that is on no list points at itself */
};

#define LIST_INIT(l) {&(l), &(l)}
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define LIST_FOR(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The member may be removed (and freed) in the body; no other member may. */
#define LIST_FOR_SAFE(it, head) \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *head) { return head->next == head; }
static inline void list_remove(struct list *m)
{
    m->prev->next = m->next;
    m->next->prev = m->prev;
    list_init(m);
}
static inline void list_push_back(struct list *head, struct list *m)
{
    m->prev = head->prev;
    m->next = head;
    head->prev->next = m;
    head->prev = m;
}
static inline void list_push_front(struct list *head, struct list *m) { list_push_back(head->next, m); }
static inline struct list *list_first(struct list *head) { return list_empty(head) ? NULL : head->next; }

#endif
