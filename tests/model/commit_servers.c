/* The servers of the model: what MariaDB and MySQL do with a branch, as measured. Leaves who asks what, and when, to
 * the others. */
#include "tests/model/commit_world.h"

#include "base/check.h"

const uint16_t reply_codes[] = {
    [REPLY_OK] = 0,           [REPLY_NOTA] = 1397,      [REPLY_RMFAIL] = 1399,
    [REPLY_RBROLLBACK] = 1402, [REPLY_READ_ONLY] = 1290, [REPLY_INTERRUPTED] = 1317,
};

static void end_branch(struct server *s, enum outcome outcome)
{
    s->branch = BRANCH_GONE;
    s->outcome = outcome;
}

/* MariaDB binds a prepared branch to its connection; MySQL detaches it at once. */
static bool bound_to_thread(const struct world *w, unsigned i)
{
    return scene->server[i].mariadb && w->server[i].thread;
}

static enum reply_index prepare(struct server *s)
{
    if (s->branch != BRANCH_ACTIVE)
        return REPLY_RMFAIL;
    s->branch = BRANCH_PREPARED;
    s->was_prepared = true;
    return REPLY_OK;
}

static enum reply_index finish(struct server *s, enum branch_place from, enum outcome outcome)
{
    if (s->branch != from)
        return s->branch == BRANCH_GONE ? REPLY_NOTA : REPLY_RMFAIL;
    end_branch(s, outcome);
    return REPLY_OK;
}

static enum reply_index do_it(struct server *s, enum request what)
{
    switch (what) {
    case REQUEST_PREPARE: return prepare(s);
    case REQUEST_ONE_PHASE:
    case REQUEST_RELEASE: return finish(s, BRANCH_ACTIVE, OUTCOME_COMMITTED);
    case REQUEST_COMMIT: return finish(s, BRANCH_PREPARED, OUTCOME_COMMITTED);
    case REQUEST_END_ROLLBACK: return finish(s, BRANCH_ACTIVE, OUTCOME_ROLLED_BACK);
    case REQUEST_ROLLBACK: return finish(s, BRANCH_PREPARED, OUTCOME_ROLLED_BACK);
    case REQUEST_NONE: break;
    }
    CHECK(!"a request");
}

bool server_can_refuse(const struct server *s, enum refusal how)
{
    bool voting = s->request == REQUEST_PREPARE || s->request == REQUEST_ONE_PHASE;
    return s->request != REQUEST_RELEASE && (how != REFUSAL_ROLLED_BACK || (voting && s->branch == BRANCH_ACTIVE));
}

static enum reply_index refuse(struct server *s, enum request what, enum refusal how)
{
    switch (how) {
    case REFUSAL_ROLLED_BACK: end_branch(s, OUTCOME_ROLLED_BACK); return REPLY_RBROLLBACK;
    case REFUSAL_UNCHANGED: return REPLY_READ_ONLY;
    case REFUSAL_UNCLEAR_DONE: do_it(s, what); return REPLY_INTERRUPTED;
    default: return REPLY_INTERRUPTED;
    }
}

void server_process(struct world *w, unsigned i, enum refusal how)
{
    struct server *s = &w->server[i];
    enum request what = s->request;
    enum reply_index reply = how == REFUSAL_NONE ? do_it(s, what) : refuse(s, what, how);
    s->request = REQUEST_NONE;
    if (s->socket && what != REQUEST_RELEASE) {
        s->reply_to = what;
        s->reply = reply;
    }
}

/* MariaDB says 1402 to the COMMIT of a detached branch that wrote nothing. */
static bool empty_and_detached(const struct world *w, unsigned i, enum request what)
{
    return what == REQUEST_COMMIT && scene->server[i].mariadb && !scene->server[i].writes &&
           w->server[i].branch == BRANCH_PREPARED;
}

enum reply_index server_finish(struct world *w, unsigned i, enum request what)
{
    struct server *s = &w->server[i];
    if (s->branch != BRANCH_PREPARED || bound_to_thread(w, i))
        return REPLY_NOTA;
    if (empty_and_detached(w, i, what)) {
        end_branch(s, OUTCOME_ROLLED_BACK);
        return REPLY_RBROLLBACK;
    }
    return do_it(s, what);
}

void server_thread_ends(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    s->thread = false;
    s->request = REQUEST_NONE;
    if (s->branch == BRANCH_ACTIVE)
        end_branch(s, OUTCOME_ROLLED_BACK);
}

bool server_may_forget_rollback(const struct world *w, unsigned i)
{
    const struct server *s = &w->server[i];
    return scene->server[i].mariadb && scene->server[i].writes && s->was_prepared &&
           s->branch == BRANCH_GONE && s->outcome == OUTCOME_ROLLED_BACK;
}

void server_crash(struct world *w, unsigned i, bool rollback_forgotten)
{
    struct server *s = &w->server[i];
    server_thread_ends(w, i);
    if (s->branch == BRANCH_PREPARED && !scene->server[i].writes)
        end_branch(s, OUTCOME_ROLLED_BACK); /* nothing of it was ever written down */
    if (rollback_forgotten) {
        s->branch = BRANCH_PREPARED;
        s->outcome = OUTCOME_OPEN;
    }
    s->late = 0;
    s->asked = REQUEST_NONE;
    s->restarted = true;
    if (w->life != LIFE_LIVE)
        s->socket = false; /* an idle connection of the pool */
}
