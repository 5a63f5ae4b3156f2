/* CALL xa.procedure(...): which one, and its arguments. Leaves what they do to actions.c and saga.c. */
#include "proxy/session/xa_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

struct procedure {
    const char *name;
    unsigned min, max;
    void (*run)(struct session *s, const struct call_args *args);
    const char *usage;
};

static const struct procedure procedures[] = {
    {"on_commit", 2, SQL_MAX_ARGUMENTS, actions_on_commit, "resource, body, arguments of the body"},
    {"on_rollback", 2, SQL_MAX_ARGUMENTS, actions_on_rollback, "resource, body, arguments of the body"},
    {"options", 1, 1, actions_options, "a JSON object"},
    {"step", 1, 2, saga_step, "name, and a JSON object where it has options"},
    {"retry", 1, 1, actions_retry, "the id of an action"},
    {"dismiss", 2, 2, actions_dismiss, "the id of an action, the reason"},
    {"token", 0, 0, token_tell, "none"},
};
#define N_PROCEDURES (sizeof procedures / sizeof *procedures)

struct session_xa_call {
    const struct procedure *procedure;
    struct call_args args;
};

void xa_call_abandon(struct session *s)
{
    if (!s->xa_call)
        return;
    call_evaluate_abandon(s);
    call_args_fini(&s->xa_call->args);
    free(s->xa_call);
    s->xa_call = NULL;
}

static const struct procedure *find(const char *name)
{
    for (size_t i = 0; i < N_PROCEDURES; i++)
        if (!strcasecmp(procedures[i].name, name))
            return &procedures[i];
    return NULL;
}

static void run(struct session *s)
{
    s->xa_call->procedure->run(s, &s->xa_call->args);
}

static void begin(struct session *s, const struct sql_call *call)
{
    struct session_xa_call *c = s->xa_call;
    char why[256];
    c->procedure = find(call->name);
    if (!c->procedure) {
        session_answer_error(s, 1305, "42000",
                             "PROCEDURE xa.%.64s does not exist; there are on_commit, on_rollback, options, step, retry, dismiss, token",
                             call->name);
        return;
    }
    if (call->n < c->procedure->min || call->n > c->procedure->max) {
        session_answer_error(s, 1318, "42000", "Incorrect number of arguments for PROCEDURE xa.%s; expected %s, got %u",
                             c->procedure->name, c->procedure->usage, call->n);
        return;
    }
    uint16_t code = call_args_read(&c->args, call, NULL, 0, why, sizeof why);
    if (code)
        session_answer_error(s, code, "42000", "%s", why);
    else
        call_evaluate(s, &c->args, run);
}

void xa_call_begin(struct session *s)
{
    struct sql_call *call = calloc(1, sizeof *call);
    struct sql_context ctx;
    char why[256];
    s->xa_call = calloc(1, sizeof *s->xa_call);
    CHECK(call && s->xa_call);
    statement_context(s, &ctx);
    if (sql_call_read(s->statement, &ctx, call, why, sizeof why))
        begin(s, call);
    else
        session_answer_error(s, 1064, "42000", "%s", why);
    sql_call_fini(call);
    free(call);
}
