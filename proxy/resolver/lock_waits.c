/* Who waits for whose row locks on a server: InnoDB says it by connections. Leaves what that means to who asks. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/resolver/impl.h"

#define WAITS_MAX 4096 /* a server with more of them has other troubles than a deadlock */

struct lock_question {
    struct letter letter;
    struct list link;
    void (*done)(void *arg, const struct backend_lock_wait *waits, unsigned n);
    void *arg;
};

static void deliver_question(struct letter *letter, void *receiver)
{
    struct lock_question *q = CONTAINER_OF(letter, struct lock_question, letter);
    struct backend_job *job = receiver;
    list_push_back(&job->lock_questions, &q->link);
}

void resolver_lock_waits(struct resolver *r, unsigned backend,
                         void (*done)(void *arg, const struct backend_lock_wait *waits, unsigned n), void *arg)
{
    CHECK(backend < r->o.backends->n);
    struct lock_question *q = malloc(sizeof *q);
    CHECK(q);
    *q = (struct lock_question){.letter.deliver = deliver_question, .done = done, .arg = arg};
    list_init(&q->letter.link);
    mailbox_post(&r->backends[backend].box, &q->letter);
}

struct answer {
    struct backend_lock_wait wait[WAITS_MAX];
    unsigned n;
};

static void on_wait(void *arg, const struct slice *value, unsigned n)
{
    struct answer *a = arg;
    if (n == 2 && a->n < WAITS_MAX)
        a->wait[a->n++] = (struct backend_lock_wait){number_of(value[0]), number_of(value[1])};
}

/* Where the account may not ask, lock_wait has to do. */
static void ask(struct backend_job *job, struct answer *a)
{
    static const char mariadb[] = "SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w"
                                  " JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id"
                                  " JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id";
    static const char mysql[] = "SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id FROM performance_schema.data_lock_waits w"
                                " JOIN information_schema.INNODB_TRX r ON r.trx_id = w.REQUESTING_ENGINE_TRANSACTION_ID"
                                " JOIN information_schema.INNODB_TRX b ON b.trx_id = w.BLOCKING_ENGINE_TRANSACTION_ID";
    uint16_t code = server_ask(job->server, job->backend->mariadb ? mariadb : mysql, on_wait, a);
    if (!code || job->lock_waits_told)
        return;
    job->lock_waits_told = true;
    log_warn("lock_waits_unknown", "backend=%s code=%u why=\"%s\"", job->backend->config->name, code, server_error(job->server));
}

bool lock_questions(struct backend_job *job)
{
    if (list_empty(&job->lock_questions))
        return true;
    struct answer *a = malloc(sizeof *a);
    CHECK(a);
    a->n = 0;
    if (job->server && !server_lost(job->server))
        ask(job, a);
    while (!list_empty(&job->lock_questions)) {
        struct lock_question *q = CONTAINER_OF(list_first(&job->lock_questions), struct lock_question, link);
        list_remove(&q->link);
        q->done(q->arg, a->wait, a->n);
        free(q);
    }
    free(a);
    return !job->server || !server_lost(job->server);
}
