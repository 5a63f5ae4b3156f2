/* How threads meet: a queue that any thread posts to and one thread empties, with a wake-up of the owner's choice. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>

#include "base/list.h"

/* A letter is embedded in whatever is sent; `deliver` runs in the receiver's thread and takes the letter. */
struct letter {
    struct list link;
    void (*deliver)(struct letter *letter, void *receiver);
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* for receivers that block (mailbox_wait) */
    struct list letters;
    void (*wake)(void *wake_arg); /* called after a post to an empty box, outside the lock; NULL for blocking receivers */
    void *wake_arg;
};

void mailbox_init(struct mailbox *box, void (*wake)(void *), void *wake_arg);
void mailbox_fini(struct mailbox *box); /* must be empty */
void mailbox_post(struct mailbox *box, struct letter *letter);
/* Delivers all that is there, in order, outside the lock. Returns how many. */
int mailbox_deliver(struct mailbox *box, void *receiver);
/* Waits up to timeout_ms for a letter, then delivers all. Returns how many (0 = timeout). */
int mailbox_wait(struct mailbox *box, void *receiver, int timeout_ms);

#endif
