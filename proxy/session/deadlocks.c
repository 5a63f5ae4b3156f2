/* Circles that go over a server: a transaction that holds a key of Redis waits for a row of one that waits for a key. While one
 * waits for long the workers are asked who has which connection, then the servers who waits for whose rows. Leaves the circles
 * themselves to compensate/cycles, and those between servers only to their lock_wait. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "proxy/session/round.h"
#include "proxy/session/tx.h"
#include "proxy/session/waits.h"

#define STALE_MS 1000 /* what took longer to gather is not of one moment any more */

struct look {
    struct round round;
    int64_t began_ms;
    _Atomic unsigned users;
    struct branch_of {
        char gtrid[XA_GTRID_MAX + 1];
        unsigned backend;
        uint64_t connection_id;
    } *branch;
    unsigned n, cap;
    bool *busy; /* by backend: a session of ours runs something there */
    bool suspicious; /* one of them holds a key that others wait for: only then is a circle possible */
};

struct question {
    struct look *look;
    unsigned backend;
};

static void let_go(struct look *l)
{
    if (--l->users)
        return;
    free(l->branch);
    free(l->busy);
    free(l);
}

/* --- who has which connection ----------------------------------------------------------------------------------------------- */

static void add_branch(struct look *l, const struct session_branch *b)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->branch = realloc(l->branch, l->cap * sizeof *l->branch);
        CHECK(l->branch);
    }
    struct branch_of *of = &l->branch[l->n++];
    of->backend = b->backend;
    of->connection_id = b->connection_id;
    snprintf(of->gtrid, sizeof of->gtrid, "%s", b->tx->gtrid.text);
}

static void visit(struct round *r, struct session *s)
{
    struct look *l = CONTAINER_OF(r, struct look, round);
    if (!s->tx || s->tx->local)
        return;
    for (unsigned i = 0; i < s->tx->machine.n_branches; i++)
        if (s->tx->branch[i]->conn)
            add_branch(l, s->tx->branch[i]);
    if (s->phase != SESSION_RUNNING || s->target < 0)
        return;
    l->busy[s->target] = true;
    l->suspicious = l->suspicious || waits_blocks(r->world->waits, &s->tx->party);
}

/* --- who waits for whom ----------------------------------------------------------------------------------------------------- */

/* Connections that are nobody's here have names, too: a circle may go through them. */
static void name(const struct look *l, unsigned backend, uint64_t connection_id, char *out, size_t size)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->branch[i].backend == backend && l->branch[i].connection_id == connection_id) {
            snprintf(out, size, "%s", l->branch[i].gtrid);
            return;
        }
    snprintf(out, size, "#%u/%" PRIu64, backend, connection_id);
}

/* In the thread of the resolver. */
static void on_waits(void *arg, const struct backend_lock_wait *waits, unsigned n)
{
    struct question *q = arg;
    struct look *l = q->look;
    struct comp_server_wait *named = calloc(n + 1, sizeof *named);
    CHECK(named);
    for (unsigned i = 0; i < n; i++) {
        name(l, q->backend, waits[i].waiting, named[i].from, sizeof named[i].from);
        name(l, q->backend, waits[i].blocking, named[i].to, sizeof named[i].to);
    }
    if (n && clock_mono_ms() - l->began_ms < STALE_MS)
        waits_servers(l->round.world->waits, l->began_ms, named, n);
    free(named);
    free(q);
    let_go(l);
}

static void ask_servers(struct round *r, struct session *s)
{
    struct look *l = CONTAINER_OF(r, struct look, round);
    struct world *w = r->world;
    (void)s;
    for (unsigned i = 0; i < w->backends.n; i++) {
        if (!l->suspicious || !l->busy[i])
            continue;
        struct question *q = malloc(sizeof *q);
        CHECK(q);
        *q = (struct question){.look = l, .backend = i};
        l->users++;
        w->count.server_looks++;
        w->resolver->lock_waits(w->resolver_arg, i, on_waits, q);
    }
}

static void free_look(struct round *r)
{
    let_go(CONTAINER_OF(r, struct look, round));
}

void waits_look_at_servers(struct worker *w, int64_t looked_ms)
{
    struct look *l = calloc(1, sizeof *l);
    CHECK(l);
    l->round = (struct round){.visit = visit, .answer = ask_servers, .free = free_look};
    l->began_ms = looked_ms;
    l->users = 1;
    l->busy = calloc(w->world->backends.n + 1, sizeof *l->busy);
    CHECK(l->busy);
    round_for_nobody(w, &l->round);
}
