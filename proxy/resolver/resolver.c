/* The resolver's life and its letters: threads are started and joined here, and what other threads want reaches them
 * from here. */
#include "proxy/resolver/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

static void init_backend_job(struct resolver *r, struct backend_job *job, struct backend *backend)
{
    job->resolver = r;
    job->backend = backend;
    job->socket = -1;
    list_init(&job->kills);
    list_init(&job->query_kills);
    list_init(&job->lock_questions);
    mailbox_init(&job->box, NULL, NULL);
}

struct redis_letter {
    struct letter letter;
    char conflict[64];    /* to settle; "" = none */
    enum comp_settle how;
    bool sweep;
};

static void deliver_redis(struct letter *letter, void *receiver)
{
    struct redis_letter *l = CONTAINER_OF(letter, struct redis_letter, letter);
    struct redis_job *job = receiver;
    if (*l->conflict)
        redis_settle_conflict(job, l->conflict, l->how);
    if (l->sweep)
        job->sweep_due_ms = job->conflicts_read_ms = 0; /* what is left over may be among the conflicts */
    free(l);
}

static struct letter *new_letter(const char *conflict, enum comp_settle how, bool sweep)
{
    struct redis_letter *l = malloc(sizeof *l);
    CHECK(l);
    *l = (struct redis_letter){.letter.deliver = deliver_redis, .how = how, .sweep = sweep};
    snprintf(l->conflict, sizeof l->conflict, "%s", conflict);
    return &l->letter;
}

/* A letter without a word: its thread looks at where the masters are with each turn. */
static void on_stale(void *arg)
{
    struct redis_job *job = arg;
    mailbox_post(&job->box, new_letter("", COMP_SETTLE_DISMISS, false));
}

static void init_redis_job(struct resolver *r, struct redis_job *job, struct redis_resource *resource)
{
    job->resolver = r;
    job->resource = resource;
    mailbox_init(&job->box, NULL, NULL);
    resource->on_stale = on_stale;
    resource->on_stale_arg = job;
}

struct resolver *resolver_new(const struct resolver_options *options)
{
    struct resolver *r = calloc(1, sizeof *r);
    CHECK(r);
    r->o = *options;
    r->backends = calloc(r->o.backends->n + 1, sizeof *r->backends);
    r->redis = calloc(r->o.redis->n + 1, sizeof *r->redis);
    CHECK(r->backends && r->redis);
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->identity_lock, NULL);
    server_library_init();
    for (size_t i = 0; i < r->o.backends->n; i++)
        init_backend_job(r, &r->backends[i], &r->o.backends->at[i]);
    for (size_t i = 0; i < r->o.redis->n; i++)
        init_redis_job(r, &r->redis[i], &r->o.redis->at[i]);
    return r;
}

void resolver_start(struct resolver *r)
{
    for (size_t i = 0; i < r->o.backends->n; i++)
        CHECK(pthread_create(&r->backends[i].thread, NULL, backend_thread, &r->backends[i]) == 0);
    for (size_t i = 0; i < r->o.redis->n; i++)
        CHECK(pthread_create(&r->redis[i].thread, NULL, redis_thread, &r->redis[i]) == 0);
    runners_start(r);
    r->started = true;
}

/* --- letters ------------------------------------------------------------------------------------------------------------ */

struct backend_letter {
    struct letter letter;
    uint64_t connection_id; /* to kill; 0 = none */
    int64_t opened_ms;
    bool accept;
};

static void deliver_backend(struct letter *letter, void *receiver)
{
    struct backend_letter *l = CONTAINER_OF(letter, struct backend_letter, letter);
    struct backend_job *job = receiver;
    if (l->connection_id)
        kill_later(job, l->connection_id, l->opened_ms, "");
    if (l->accept) {
        job->accept_identity = true;
        job->judged_ms = 0;
    }
    free(l);
}

static void post_backend(struct resolver *r, unsigned backend, uint64_t connection_id, int64_t opened_ms, bool accept)
{
    CHECK(backend < r->o.backends->n);
    struct backend_letter *l = malloc(sizeof *l);
    CHECK(l);
    *l = (struct backend_letter){.letter.deliver = deliver_backend,
                                 .connection_id = connection_id,
                                 .opened_ms = opened_ms,
                                 .accept = accept};
    mailbox_post(&r->backends[backend].box, &l->letter);
}

void resolver_sweep_backend(struct resolver *r, unsigned backend)
{
    post_backend(r, backend, 0, 0, false);
}

void resolver_kill_connection(struct resolver *r, unsigned backend, uint64_t connection_id, int64_t opened_ms)
{
    post_backend(r, backend, connection_id, opened_ms, false);
}

void resolver_accept_failover(struct resolver *r, unsigned backend)
{
    post_backend(r, backend, 0, 0, true);
}

static void post_redis(struct resolver *r, unsigned resource, const char *conflict, enum comp_settle how)
{
    CHECK(resource < r->o.redis->n);
    mailbox_post(&r->redis[resource].box, new_letter(conflict, how, true));
}

void resolver_sweep_redis(struct resolver *r, unsigned resource)
{
    post_redis(r, resource, "", COMP_SETTLE_DISMISS);
}

void resolver_settle_conflict(struct resolver *r, unsigned resource, const char *id, enum comp_settle how)
{
    post_redis(r, resource, id, how);
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

/* A thread that waits for a server's answer wakes when its socket says no more. */
static void interrupt(struct resolver *r)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->o.backends->n; i++)
        if (r->backends[i].socket >= 0)
            shutdown(r->backends[i].socket, SHUT_RDWR);
    runners_interrupt(r);
    pthread_mutex_unlock(&r->lock);
}

void resolver_stop(struct resolver *r)
{
    if (!r->started)
        return;
    r->stopping = true;
    for (size_t i = 0; i < r->o.backends->n; i++)
        resolver_sweep_backend(r, (unsigned)i);
    for (size_t i = 0; i < r->o.redis->n; i++)
        resolver_sweep_redis(r, (unsigned)i);
    interrupt(r);
    runners_join(r);
    for (size_t i = 0; i < r->o.backends->n; i++)
        pthread_join(r->backends[i].thread, NULL);
    for (size_t i = 0; i < r->o.redis->n; i++)
        pthread_join(r->redis[i].thread, NULL);
    r->started = false;
}

static void drop_letter(struct letter *letter)
{
    if (letter->deliver == deliver_backend)
        free(CONTAINER_OF(letter, struct backend_letter, letter));
    else
        free(CONTAINER_OF(letter, struct redis_letter, letter));
}

/* What arrived after the last look is not acted upon: the next start finds it in the log and on the servers. */
static void drop_box(struct mailbox *box)
{
    while (!list_empty(&box->letters)) {
        struct list *link = list_first(&box->letters);
        list_remove(link);
        drop_letter(CONTAINER_OF(link, struct letter, link));
    }
    mailbox_fini(box);
}

void resolver_free(struct resolver *r)
{
    for (size_t i = 0; i < r->o.backends->n; i++) {
        drop_box(&r->backends[i].box);
        kill_forget(&r->backends[i]);
        picture_fini(&r->backends[i].seen);
        picture_fini(&r->backends[i].heuristic);
    }
    for (size_t i = 0; i < r->o.redis->n; i++) {
        drop_box(&r->redis[i].box);
        picture_fini(&r->redis[i].seen);
        free(r->redis[i].conflicts);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->identity_lock);
    free(r->backends);
    free(r->redis);
    free(r);
}
