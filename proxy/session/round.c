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
    struct session *s = worker_session(w, r->asker);
    if (s && s->round == r) { /* else it was closed, or interrupted */
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

void round_begin(struct session *s, struct round *r)
{
    if (s->world->draining) { /* a worker that has ended would keep it */
        r->free(r);
        session_answer_error(s, 1053, "08S01", "Server shutdown in progress");
        return;
    }
    r->world = s->world;
    r->asker = s->id;
    r->home = s->worker->index;
    r->next = 0;
    s->round = r;
    post(r, 0);
}
