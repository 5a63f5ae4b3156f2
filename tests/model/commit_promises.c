/* What must hold in every state of the commit model, and what a settled world is. */
#include <stddef.h>

#include "tests/model/commit_world.h"

/* --- what became of the writers: the servers whose branch wrote, Redis, and the actions for either outcome --- */

static bool some_committed(const struct world *w)
{
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (scene->server[i].writes && w->server[i].outcome == OUTCOME_COMMITTED)
            return true;
    return w->redis.place == REDIS_KEPT || w->actions.committed_ran;
}

static bool some_rolled_back(const struct world *w)
{
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (scene->server[i].writes && w->server[i].outcome == OUTCOME_ROLLED_BACK)
            return true;
    return w->redis.place == REDIS_UNDONE || w->actions.rolled_back_ran;
}

static bool told_committed(const struct world *w)
{
    return w->client == CLIENT_ANSWERED &&
           (w->answer == XA_ANSWER_COMMITTED || w->answer == XA_ANSWER_COMMITTED_LATER);
}

static bool told_not_committed(const struct world *w)
{
    return w->client == CLIENT_ANSWERED && !told_committed(w) && w->answer != XA_ANSWER_UNKNOWN;
}

bool outcomes_only;

static const char *const breach_texts[] = {
#define X(name, text) text,
    BREACHES(X)
#undef X
};

const char *world_broken(const void *world)
{
    const struct world *w = world;
    if (w->broken && !outcomes_only)
        return breach_texts[w->broken];
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (w->server[i].branch == BRANCH_FORGOTTEN)
            return "a server was asked to end a branch that it could not end, and has forgotten it";
    if (some_committed(w) && some_rolled_back(w))
        return "one part has committed, another has rolled back";
    if (told_committed(w) && some_rolled_back(w))
        return "the client was told that it committed, and a part has rolled back";
    if (told_not_committed(w) && some_committed(w))
        return "the client was told that it rolled back, and a part has committed";
    return NULL;
}

/* --- rest --- */

static bool server_at_rest(const struct server *s)
{
    return s->branch == BRANCH_GONE && !s->request && !s->reply_to && !s->asked && !s->asked_reply_to && !s->late &&
           s->sweep == SWEEP_IDLE && (s->socket || !s->thread);
}

bool world_settled(const void *world)
{
    const struct world *w = world;
    for (unsigned i = 0; i < scene->n_servers; i++)
        if (!server_at_rest(&w->server[i]))
            return false;
    bool redis_at_rest = w->redis.place != REDIS_UNDO && !w->redis.request && !w->redis.reply_to && !w->redis.late;
    bool actions_at_rest = !scene->actions || w->actions.committed_ran || w->actions.rolled_back_ran;
    return w->life == LIFE_FORGOTTEN && actions_at_rest && w->client != CLIENT_WAITS && w->client != CLIENT_WORKS && redis_at_rest &&
           w->registered == REGISTERED_NO;
}
