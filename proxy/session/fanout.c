/* One statement text to every server that has a branch of the open transaction: savepoints. Leaves what an error means to the
 * caller. */
#include <stdio.h>
#include <string.h>

#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

static void finish_one(struct session *s)
{
    if (!--s->fan.pending && s->phase == SESSION_RUNNING)
        s->fan.on_done(s);
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    if (outcome->error && !s->fan.error) {
        s->fan.error = outcome->error;
        memcpy(s->fan.sqlstate, outcome->sqlstate, sizeof s->fan.sqlstate);
        snprintf(s->fan.message, sizeof s->fan.message, "%s", outcome->message);
    }
    finish_one(s);
}

static void on_lost(void *arg, const char *why)
{
    struct session *s = arg;
    s->fan.lost = true;
    if (!s->fan.error) {
        s->fan.error = 1402;
        memcpy(s->fan.sqlstate, "XA100", 6);
        snprintf(s->fan.message, sizeof s->fan.message, "XA_RBROLLBACK: a server was lost (%s)", why);
    }
    finish_one(s);
}

static const struct backend_sink fan_sink = {.done = on_done, .lost = on_lost};

bool fan_out(struct session *s, const char *text, void (*done_fn)(struct session *s))
{
    memset(&s->fan, 0, sizeof s->fan);
    s->fan.on_done = done_fn;
    for (size_t i = 0; i < s->world->backends.n; i++) {
        struct session_server *server = &s->servers[i];
        bool part = server->branch >= 0 || (s->tx && s->tx->local && s->tx->local_server == (int)i);
        if (part && server->conn) {
            s->fan.pending++;
            backend_send_query(server->conn, text, strlen(text), &fan_sink, s);
        }
    }
    return s->fan.pending;
}
