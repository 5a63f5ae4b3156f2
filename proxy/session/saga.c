/* Sagas: each step is a transaction of its own, decided by the log where something is registered that takes it back; the decision
 * of the last one is the saga's. Leaves the steps' commit to ending.c, running what takes them back to the resolver. */
#include "proxy/session/saga.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/options.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "proxy/journal/actions.h"
#include "proxy/session/phases.h"
#include "proxy/session/xa_call.h"

enum saga_doing { SAGA_WORKS, SAGA_ENDS_STEP, SAGA_COMMITS, SAGA_ROLLS_BACK };

struct session_saga {
    struct session *session;
    struct xa_gtrid gtrid;
    int64_t began_ms;
    enum saga_doing doing;
    unsigned steps;                  /* committed */
    uint32_t last_action, kept;      /* numbers: given, and of the last one whose step has committed */
    char step[ACTION_STEP_MAX + 1];  /* the name of the one under way */
    char next[ACTION_STEP_MAX + 1];  /* of the one that begins when that has committed */
    bool retriable, next_retriable;
    struct journal_watch watch;      /* for the end of what takes it back */
    bool watching;
    struct net_timer timer;          /* how long the client waits for that */
    void (*then)(struct session *s);
};

/* --- its life ------------------------------------------------------------------------------------------------------------- */

/* The name only: nothing of its own lies on a server or in Redis that a horizon would have to be held for. */
static void name_it(struct session_saga *saga)
{
    struct journal *j = saga->session->world->journal;
    struct journal_live live;
    list_init(&live.link);
    journal_begin(j, &live, &saga->gtrid);
    journal_end(j, &live);
}

void saga_open(struct session *s)
{
    struct session_saga *saga = s->saga = calloc(1, sizeof *saga);
    CHECK(saga && s->tx);
    saga->session = s;
    saga->began_ms = net_loop_now_ms(s->worker->loop);
    name_it(saga);
}

/* Its letter may be on its way: then that frees it. */
/* Forgets it, whatever became of it. */
static void saga_free(struct session *s)
{
    struct session_saga *saga = s->saga;
    s->saga = NULL;
    net_timer_fini(&saga->timer);
    saga->session = NULL;
    if (!saga->watching || journal_actions_unwatch(s->world->journal, &saga->watch))
        free(saga);
}

const char *saga_gtrid(const struct session_saga *saga) { return saga->gtrid.text; }
int64_t saga_began_ms(const struct session_saga *saga) { return saga->began_ms; }
uint32_t saga_mark(const struct session_saga *saga) { return saga->last_action; }

/* --- steps ---------------------------------------------------------------------------------------------------------------- */

void saga_own(struct session_saga *saga, const struct session_tx *step, struct action *a)
{
    snprintf(a->owner, sizeof a->owner, "%s", saga->gtrid.text);
    snprintf(a->by, sizeof a->by, "%s", step->gtrid.text);
    snprintf(a->step, sizeof a->step, "%s", saga->step);
    a->retriable = saga->retriable;
    a->seq = ++saga->last_action;
}

void saga_tx_ended(struct session *s, const struct session_tx *step)
{
    struct session_saga *saga = s->saga;
    if (step->machine.decided && saga->doing == SAGA_COMMITS) {
        s->world->count.sagas_committed++;
        saga_free(s);
    } else if (step->machine.decided || step->step_sent) {
        saga->kept = saga->last_action;
    } else {
        journal_actions_forget(s->world->journal, saga->gtrid.text, saga->kept + 1);
        saga->last_action = saga->kept;
    }
}

static void begin_step(struct session *s)
{
    struct session_tx *tx = tx_open(s);
    tx->begun = true;
    tx_set_characteristics(tx, &s->chain);
}

/* After CALL xa.step: the step before has committed. */
static void on_step_done(struct session *s)
{
    struct session_saga *saga = s->saga;
    (void)FAILPOINT(saga_step_done);
    saga->steps++;
    memcpy(saga->step, saga->next, sizeof saga->step);
    saga->retriable = saga->next_retriable;
    begin_step(s);
    session_answer_ok(s);
}

void saga_step_lost(struct session *s)
{
    s->saga->doing = SAGA_WORKS;
    begin_step(s);
    tx_go_on(s);
}

void saga_step_again(struct session *s)
{
    tx_free(s->tx);
    begin_step(s);
}

static bool read_step(struct session *s, const struct call_args *args)
{
    struct slice name = call_args_at(args, 0);
    char why[160];
    bool retriable = false;
    if (!name.at || !name.len || name.len > ACTION_STEP_MAX) {
        session_answer_error(s, 1210, "HY000", "the name of a step has 1 to %d bytes", ACTION_STEP_MAX);
        return false;
    }
    if (args->n == 2 && !action_step_options_read(call_args_at(args, 1), &retriable, why, sizeof why)) {
        session_answer_error(s, 1210, "HY000", "Incorrect arguments to xa.step: %s", why);
        return false;
    }
    snprintf(s->saga->next, sizeof s->saga->next, "%.*s", (int)name.len, (const char *)name.at);
    s->saga->next_retriable = retriable;
    return true;
}

void saga_step(struct session *s, const struct call_args *args)
{
    if (!s->saga && s->own[SESSION_OWN_XA_MODE] && !s->autocommit)
        (void)tx_open(s);
    if (!s->saga) {
        session_answer_error(s, 1235, "42000", "xa.step belongs to a saga: SET xa_mode = 'saga', then BEGIN");
        return;
    }
    if (!read_step(s, args))
        return;
    s->saga->doing = SAGA_ENDS_STEP;
    s->after_rollback = on_step_done;
    tx_commit(s, SESSION_AFTER_CALL);
}

/* --- its end -------------------------------------------------------------------------------------------------------------- */

/* The decision of the last step is the saga's, so there must be one. */
void saga_ask_commit(struct session *s)
{
    if (s->saga->doing == SAGA_ENDS_STEP)
        return;
    s->saga->doing = SAGA_COMMITS;
    if (s->saga->last_action && s->tx->machine.state == XA_TX_ACTIVE)
        tx_has_actions(s->tx);
}

void saga_ask_rollback(struct session *s)
{
    s->saga->doing = SAGA_ROLLS_BACK;
}

void saga_decide(struct session *s)
{
    begin_step(s);
    if (s->saga->last_action)
        tx_has_actions(s->tx);
    tx_ask_commit(s->tx);
}

bool saga_asks_step(const struct session *s)
{
    return s->saga->doing == SAGA_ENDS_STEP;
}

bool saga_ends(const struct session *s)
{
    return s->saga && s->saga->doing == SAGA_COMMITS;
}

static void tell(struct session *s, unsigned pending, unsigned dead)
{
    if (dead)
        snprintf(s->warning, sizeof s->warning, "%u compensation(s) of saga %s were given up: SELECT * FROM xa.actions", dead,
                 s->saga->gtrid.text);
    else if (pending)
        snprintf(s->warning, sizeof s->warning, "%u compensation(s) of saga %s are still under way: SELECT * FROM xa.actions",
                 pending, s->saga->gtrid.text);
}

/* Over, or it takes too long for the client to wait. */
static void answer(void *arg)
{
    struct session_saga *saga = arg;
    struct session *s = saga->session;
    void (*then)(struct session *) = saga->then;
    unsigned dead, pending = journal_actions_pending(s->world->journal, saga->gtrid.text, &dead);
    tell(s, pending, dead);
    saga_free(s);
    then(s);
}

static void on_over(struct letter *letter, void *receiver)
{
    struct session_saga *saga = CONTAINER_OF(letter, struct session_saga, watch.letter);
    (void)receiver;
    saga->watching = false;
    if (saga->session)
        answer(saga);
    else
        free(saga);
}

void saga_stop_waiting(struct session *s)
{
    if (s->saga->watching)
        answer(s->saga);
}

/* What the steps did is taken back, last first; nobody waits for that for ever. */
static void take_back(struct session *s, void (*then)(struct session *s))
{
    struct session_saga *saga = s->saga;
    struct net_loop *loop = s->worker->loop;
    log_info("saga_rolled_back", "session=%llu gtrid=%s steps=%u", (unsigned long long)s->id, saga->gtrid.text, saga->steps);
    s->world->count.sagas_rolled_back++;
    journal_outcome(s->world->journal, saga->gtrid.text, false);
    (void)FAILPOINT(saga_rolled_back);
    saga->then = then;
    saga->watch = (struct journal_watch){.letter.deliver = on_over, .box = net_loop_mailbox(loop)};
    memcpy(saga->watch.owner, saga->gtrid.text, sizeof saga->gtrid.text);
    saga->watching = journal_actions_watch(s->world->journal, &saga->watch);
    net_timer_init(&saga->timer, loop, answer, saga);
    if (saga->watching && s->world->config->saga_wait_ms && s->net)
        net_timer_start(&saga->timer, s->world->config->saga_wait_ms);
    else
        answer(saga);
}

void saga_go_on(struct session *s, bool success, void (*then)(struct session *s))
{
    enum saga_doing doing = s->saga ? s->saga->doing : SAGA_WORKS;
    if (s->saga && doing == SAGA_COMMITS && success)
        saga_free(s);
    if (doing == SAGA_ENDS_STEP)
        s->saga->doing = SAGA_WORKS;
    if (doing == SAGA_ENDS_STEP && !success)
        begin_step(s);
    if (s->saga && (doing == SAGA_ROLLS_BACK || doing == SAGA_COMMITS))
        take_back(s, then);
    else
        then(s);
}

void saga_client_gone(struct session *s)
{
    if (!s->saga)
        return;
    journal_outcome(s->world->journal, s->saga->gtrid.text, false); /* a second time changes nothing */
    saga_free(s);
}
