/* The steps and states of the commit model in words, one line each. */
#include <stdio.h>

#include "tests/model/commit_steps.h"

static char family_letter(unsigned i)
{
    return scene->server[i].mariadb ? 'M' : 'Y';
}

static int tell_server(const struct world *w, unsigned i, char *out, size_t size)
{
    static const char *const places[] = {"gone", "active", "PREPARED", "COMMITTING", "FORGOTTEN"}, *const outcomes[] = {"", "+", "-"};
    const struct server *s = &w->server[i];
    return snprintf(out, size, " %c%u:%s%s%s", family_letter(i), i, places[s->branch],
                    outcomes[s->outcome], s->thread && !s->socket ? "(old connection)" : "");
}

static int tell_redis(const struct world *w, char *out, size_t size)
{
    static const char *const places[] = {"", " R:undo record", " R:kept+", " R:undone-"};
    return snprintf(out, size, "%s", places[w->redis.place]);
}

static void tell_world(const struct world *w, char *out, size_t size)
{
    static const char *const logs[] = {"-", "appended", "synced"}, *const registered[] = {"", ", session's", ", resolver's"};
    int n = snprintf(out, size, "[%s; decision %s%s%s;", w->life == LIFE_LIVE ? xa_tx_state_text(w->tx_state) : "no tx",
                     logs[w->decision], w->done ? ", done" : "", registered[w->registered]);
    for (unsigned i = 0; i < scene->n_servers; i++)
        n += tell_server(w, i, out + n, size - (size_t)n);
    n += tell_redis(w, out + n, size - (size_t)n);
    snprintf(out + n, size - (size_t)n, "]");
}

static const struct {
    bool at_server;
    const char *text;
} steps_told[] = {
#define X(name, at_server, text) {at_server, text},
    STEPS(X)
#undef X
};

static const char *request_text(const struct world *w, uint32_t step)
{
    static const char *const texts[] = {"",         " END+PREPARE", " END+COMMIT ONE PHASE", " COMMIT", " END+ROLLBACK",
                                        " ROLLBACK", " release"};
    const struct server *s = &w->server[server_of(step)];
    switch (kind_of(step)) {
    case STEP_PROCESS:
    case STEP_REFUSE: return texts[s->request];
    case STEP_READ_REPLY: return texts[s->reply_to];
    case STEP_PROCESS_ASKED: return texts[s->asked];
    case STEP_READ_ASKED: return texts[s->asked_reply_to];
    case STEP_LAND: return texts[how_of(step)];
    default: return "";
    }
}

static const char *result_text(const struct world *before, uint32_t step, const struct world *after)
{
    static const char *const texts[] = {" -> OK", " -> 1397", " -> 1399", " -> 1402", " -> 1290", " -> 1317"};
    const struct server *b = &before->server[server_of(step)], *a = &after->server[server_of(step)];
    switch (kind_of(step)) {
    case STEP_PROCESS:
    case STEP_REFUSE: return a->reply_to ? texts[a->reply] : "";
    case STEP_PROCESS_ASKED: return a->asked ? "" : texts[a->asked_reply];
    case STEP_READ_REPLY: return texts[b->reply];
    case STEP_READ_ASKED: return texts[b->asked_reply];
    default: return "";
    }
}

static void tell_what(const struct world *before, uint32_t step, const struct world *after, char *out, size_t size)
{
    static const char *const sweeps[] = {"resolver: lists", "resolver: asks the workers", "resolver: lists again",
                                         "resolver: judges"};
    const char *text =
        kind_of(step) == STEP_SWEEP ? sweeps[before->server[server_of(step)].sweep] : steps_told[kind_of(step)].text;
    int n = snprintf(out, size, "%s%s%s", text, request_text(before, step), result_text(before, step, after));
    if (before->client != CLIENT_ANSWERED && after->client == CLIENT_ANSWERED)
        n += snprintf(out + n, size - (size_t)n, " => client: %s", xa_answer_text(after->answer));
    if (cut_of(step))
        snprintf(out + n, size - (size_t)n, " and DIES after %u action(s), %u record(s) survive", cut_of(step), kept_of(step));
}

void world_tell(const void *before, uint32_t step, const void *after, char *out, size_t size)
{
    char what[200], state[240], where[8] = "";
    unsigned i = server_of(step);
    if (steps_told[kind_of(step)].at_server)
        snprintf(where, sizeof where, "%c%u", family_letter(i), i % 10);
    tell_what(before, step, after, what, sizeof what);
    tell_world(after, state, sizeof state);
    snprintf(out, size, "%-2s  %-72s %s", where, what, state);
}
