/* The way of a round: worker after worker, main's for the DBA last, then home. */
#include "proxy/session/round.h"

static void deliver(struct letter *letter, void *receiver);

static void post(struct round *r, unsigned worker)
{
    r->letter.deliver = deliver;
    list_init(&r->letter.link);
    mailbox_post(net_loop_mailbox(r->world->workers[worker].loop), &r->letter);
}

static void visit(struct round *r, struct worker *w)
{
    LIST_FOR_SAFE(it, &w->sessions)
        r->visit(r, CONTAINER_OF(it, struct session, link));
    bool last = r->next++ == r->world->n_workers;
    post(r, last ? r->home : r->next);
}

static void come_home(struct round *r, struct worker *w)
{
    struct session *s = r->asker ? worker_session(w, r->asker) : NULL;
    if (!r->asker) {
        r->answer(r, NULL);
    } else if (s && s->round == r) { /* else it was closed, or interrupted */
        s->round = NULL;
        r->answer(r, s);
    }
    r->free(r);
}

static void deliver(struct letter *letter, void *receiver)
{
    struct round *r = CONTAINER_OF(letter, struct round, letter);
    struct worker *w = receiver;
    if (w->ended)
        r->free(r);
    else if (r->next <= r->world->n_workers)
        visit(r, w);
    else
        come_home(r, w);
}

static void set_out(struct world *world, struct round *r, unsigned home)
{
    r->world = world;
    r->home = home;
    r->next = 0;
    post(r, 0);
}

void round_for_nobody(struct worker *home, struct round *r)
{
    if (home->world->draining)
        r->free(r);
    else
        set_out(home->world, r, home->index);
}

void round_begin(struct session *s, struct round *r)
{
    r->asker = s->id;
    s->round = r;
    set_out(s->world, r, s->worker->index);
}
