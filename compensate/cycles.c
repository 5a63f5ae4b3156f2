/* Cycles among those that wait: a walk from one of them along what it waits for. Leaves the queues to waits.c. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "compensate/waits_impl.h"

struct walk {
    struct comp_waits *w;
    struct comp_waiter *start;
    bool soft;              /* follow such edges too */
    struct list todo;
    struct comp_waiter *last; /* whose edge closed the cycle; NULL: there is none */
    bool last_soft;
};

static void reach_transaction(struct walk *k, struct comp_waiter *from, const char *gtrid);

static void reach(struct walk *k, struct comp_waiter *from, struct comp_waiter *to, bool soft)
{
    if (to == k->start && !k->last) {
        k->last = from;
        k->last_soft = soft;
    }
    if (to->walked == k->w->walks || to->condemned)
        return;
    to->walked = k->w->walks;
    to->from = from;
    to->from_soft = soft;
    list_push_back(&k->todo, &to->walk_link);
}

/* What servers have said leads on from a transaction to others, also to such as have nothing to do with Redis. */
static void reach_party(struct walk *k, struct comp_waiter *from, const char *gtrid, struct comp_party *party)
{
    if (party && party->waits)
        reach(k, from, party->waits, false);
    for (unsigned i = 0; i < k->w->n_server; i++) {
        struct comp_server_wait *s = &k->w->server[i];
        if (s->walked == k->w->walks || strcmp(s->from, gtrid) != 0)
            continue;
        s->walked = k->w->walks;
        reach_transaction(k, from, s->to);
    }
}

static void reach_transaction(struct walk *k, struct comp_waiter *from, const char *gtrid)
{
    reach_party(k, from, gtrid, comp_waits_party(k->w, gtrid, strlen(gtrid)));
}

/* Who waits for it alone, and for his turn, stands for all before him. */
static void follow_queues(struct walk *k, struct comp_waiter *waiter)
{
    for (unsigned i = 0; i < waiter->n_wants; i++) {
        const struct comp_want *want = &waiter->want[i], *before = want;
        while ((before = comp_want_before(k->w, before, want))) {
            reach(k, waiter, before->waiter, true);
            if (before->mode == COMP_WANT_WRITE && !before->waiter->overtakes)
                break;
        }
    }
}

static bool finds_cycle(struct walk *k)
{
    k->w->walks++;
    k->last = NULL;
    list_init(&k->todo);
    k->start->walked = k->w->walks;
    list_push_back(&k->todo, &k->start->walk_link);
    for (struct list *it; (it = list_first(&k->todo));) {
        struct comp_waiter *waiter = CONTAINER_OF(it, struct comp_waiter, walk_link);
        list_remove(it);
        if (waiter->holder)
            reach_party(k, waiter, waiter->holder->gtrid, waiter->holder);
        if (k->soft && !waiter->overtakes)
            follow_queues(k, waiter);
    }
    return k->last;
}

/* The first on the way back that only waits its turn: it need not. */
static void let_one_overtake(struct walk *k)
{
    struct comp_waiter *at = k->last;
    bool soft = k->last_soft;
    while (!soft) {
        CHECK(at != k->start); /* else it would be a cycle of holders */
        soft = at->from_soft;
        at = at->from;
    }
    at->overtakes = true;
    if (at != k->start && !at->holder)
        comp_waiter_make_due(k->w, at);
}

bool comp_waits_is_victim(struct comp_waits *w, struct comp_waiter *waiter)
{
    struct walk k = {.w = w, .start = waiter};
    if (finds_cycle(&k))
        return true;
    k.soft = true;
    while (finds_cycle(&k))
        let_one_overtake(&k);
    return false;
}

/* --- what servers say ------------------------------------------------------------------------------------------------------- */

static void condemn(struct comp_waits *w, struct comp_waiter *waiter)
{
    waiter->condemned = true;
    comp_waiter_make_due(w, waiter);
}

void comp_waits_servers(struct comp_waits *w, const struct comp_server_wait *waits, unsigned n)
{
    free(w->server);
    w->server = calloc(n ? n : 1, sizeof *waits);
    CHECK(w->server);
    if (n)
        memcpy(w->server, waits, n * sizeof *waits);
    w->n_server = n;
    for (struct list *it = w->all.prev; it != &w->all; it = it->prev) {
        struct comp_waiter *waiter = CONTAINER_OF(it, struct comp_waiter, all);
        if (waiter->party && !waiter->condemned && comp_waits_is_victim(w, waiter))
            condemn(w, waiter);
    }
    free(w->server); /* tomorrow's walks must not believe it */
    w->server = NULL;
    w->n_server = 0;
}
