/* The queue between threads. */
#include "base/mailbox.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"

void mailbox_init(struct mailbox *box, void (*wake)(void *), void *wake_arg)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&box->lock, NULL);
    pthread_cond_init(&box->arrived, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&box->letters);
    box->wake = wake;
    box->wake_arg = wake_arg;
}

void mailbox_fini(struct mailbox *box)
{
    CHECK(list_empty(&box->letters));
    pthread_mutex_destroy(&box->lock);
    pthread_cond_destroy(&box->arrived);
}

void mailbox_post(struct mailbox *box, struct letter *letter)
{
    pthread_mutex_lock(&box->lock);
    int was_empty = list_empty(&box->letters);
    list_push_back(&box->letters, &letter->link);
    if (was_empty)
        pthread_cond_signal(&box->arrived);
    pthread_mutex_unlock(&box->lock);
    if (was_empty && box->wake)
        box->wake(box->wake_arg);
}

/* Called with the lock held; returns with it released. */
static int deliver_all(struct mailbox *box, void *receiver)
{
    struct list taken;
    int n = 0;
    list_init(&taken);
    while (!list_empty(&box->letters)) {
        struct list *m = list_first(&box->letters);
        list_remove(m);
        list_push_back(&taken, m);
    }
    pthread_mutex_unlock(&box->lock);
    while (!list_empty(&taken)) {
        struct letter *letter = CONTAINER_OF(list_first(&taken), struct letter, link);
        list_remove(&letter->link);
        letter->deliver(letter, receiver);
        n++;
    }
    return n;
}

int mailbox_deliver(struct mailbox *box, void *receiver)
{
    pthread_mutex_lock(&box->lock);
    return deliver_all(box, receiver);
}

int mailbox_wait(struct mailbox *box, void *receiver, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&box->lock);
    while (list_empty(&box->letters))
        if (pthread_cond_timedwait(&box->arrived, &box->lock, &until) == ETIMEDOUT)
            break;
    return deliver_all(box, receiver);
}
