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
    s->committing = 0;
    s->outcome = outcome;
}

/* MariaDB binds a prepared branch to its connection; MySQL detaches it at once. */
static bool bound_to_thread(const struct world *w, unsigned i)
{
    return scene->server[i].mariadb && w->server[i].thread == THREAD_LIVES;
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

/* First the branch leaves the list, then the commit is durable; in between it is nobody else's. Sets *more after the
 * first half. */
static enum reply_index commit(struct server *s, enum session who, bool *more)
{
    *more = s->branch == BRANCH_PREPARED;
    if (*more) {
        s->branch = BRANCH_COMMITTING;
        s->committing = who;
        return REPLY_OK;
    }
    if (s->branch != BRANCH_COMMITTING || s->committing != who)
        return s->branch == BRANCH_ACTIVE ? REPLY_RMFAIL : REPLY_NOTA;
    end_branch(s, OUTCOME_COMMITTED);
    return REPLY_OK;
}

static enum reply_index do_it(struct server *s, enum request what, bool *more)
{
    *more = false;
    switch (what) {
    case REQUEST_PREPARE: return prepare(s);
    case REQUEST_ONE_PHASE:
    case REQUEST_RELEASE: return finish(s, BRANCH_ACTIVE, OUTCOME_COMMITTED);
    case REQUEST_COMMIT: return commit(s, SESSION_OWN, more);
    case REQUEST_END_ROLLBACK: return finish(s, BRANCH_ACTIVE, OUTCOME_ROLLED_BACK);
    case REQUEST_ROLLBACK: return finish(s, BRANCH_PREPARED, OUTCOME_ROLLED_BACK);
    case REQUEST_NONE: break;
    }
    CHECK(!"a request");
}

bool server_can_refuse(const struct server *s, enum refusal how)
{
    bool voting = s->request == REQUEST_PREPARE || s->request == REQUEST_ONE_PHASE;
    return s->request != REQUEST_RELEASE && s->branch != BRANCH_COMMITTING &&
           (how != REFUSAL_ROLLED_BACK || (voting && s->branch == BRANCH_ACTIVE));
}

static enum reply_index refuse(struct server *s, enum request what, enum refusal how)
{
    bool more = how == REFUSAL_UNCLEAR_DONE;
    switch (how) {
    case REFUSAL_ROLLED_BACK: end_branch(s, OUTCOME_ROLLED_BACK); return REPLY_RBROLLBACK;
    case REFUSAL_UNCHANGED: return REPLY_READ_ONLY;
    default:
        while (more)
            do_it(s, what, &more);
        return REPLY_INTERRUPTED;
    }
}

void server_process(struct world *w, unsigned i, enum refusal how)
{
    struct server *s = &w->server[i];
    enum request what = s->request;
    bool more = false;
    enum reply_index reply = how == REFUSAL_NONE ? do_it(s, what, &more) : refuse(s, what, how);
    if (more)
        return;
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

/* From another session than the branch's own. */
static enum reply_index finish_elsewhere(struct world *w, unsigned i, enum request what, enum session who, bool *more)
{
    struct server *s = &w->server[i];
    *more = false;
    if (s->branch == BRANCH_ACTIVE || (s->branch == BRANCH_PREPARED && bound_to_thread(w, i)))
        return REPLY_NOTA;
    if (s->branch == BRANCH_FORGOTTEN)
        return REPLY_NOTA;
    if (empty_and_detached(w, i, what)) {
        end_branch(s, OUTCOME_ROLLED_BACK);
        return REPLY_RBROLLBACK;
    }
    if (s->branch == BRANCH_PREPARED && s->thread == THREAD_CLOSING) { /* OK, and nothing is done */
        s->branch = BRANCH_FORGOTTEN;
        return REPLY_OK;
    }
    return what == REQUEST_COMMIT ? commit(s, who, more) : do_it(s, what, more);
}

void server_process_asked(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    bool more;
    enum reply_index reply = finish_elsewhere(w, i, s->asked, SESSION_RESOLVER, &more);
    if (more)
        return;
    s->asked_reply_to = s->asked;
    s->asked_reply = reply;
    s->asked = REQUEST_NONE;
}

void server_land(struct world *w, unsigned i, enum request what)
{
    bool more;
    finish_elsewhere(w, i, what, SESSION_LATE, &more);
    if (!more)
        w->server[i].late &= (uint8_t)~(1u << what);
}

void server_give_up_asked(struct server *s)
{
    if (s->asked)
        s->late |= (uint8_t)(1u << s->asked);
    if (s->branch == BRANCH_COMMITTING && s->committing == SESSION_RESOLVER)
        s->committing = SESSION_LATE;
    s->asked = s->asked_reply_to = s->asked_reply = 0;
}

/* A COMMIT that has begun is not killed. */
bool server_thread_can_end(const struct server *s)
{
    return s->thread && !s->socket && !(s->branch == BRANCH_COMMITTING && s->committing == SESSION_OWN);
}

void server_thread_ends(struct world *w, unsigned i)
{
    struct server *s = &w->server[i];
    bool detaches = s->branch == BRANCH_PREPARED && bound_to_thread(w, i);
    s->thread = detaches ? THREAD_CLOSING : THREAD_GONE;
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
    s->thread = THREAD_GONE;
    if (s->branch == BRANCH_COMMITTING || s->branch == BRANCH_FORGOTTEN)
        s->branch = BRANCH_PREPARED;
    s->committing = 0;
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
