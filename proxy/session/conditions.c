/* Errors and warnings behind a routine on MariaDB, which keeps those of before unless a statement in it used tables or had its
 * own: only the server can tell. So a mark stands for them there where they are not its own, and it is looked at behind the
 * routine. Leaves all other statements to diagnostics.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"

static const struct backend_sink nobody = {.done = NULL};
static const char mark[] = "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO=60001,MESSAGE_TEXT='xaproxy: what was told before'";

bool conditions_of_routine(const struct session *s)
{
    return statement_is_call(s) || s->statement->compound;
}

static bool are_there(const struct session *s)
{
    return !s->diag.own && !s->diag.moved && s->diag.server == s->target;
}

bool conditions_are_old(struct session *s, const struct backend_outcome *outcome)
{
    return target_conn(s) && target_conn(s)->mariadb && conditions_of_routine(s) && !are_there(s) && !outcome->error &&
           !outcome->warnings;
}

void conditions_bring(struct session *s)
{
    s->conditions.unclear = target_conn(s)->mariadb && conditions_of_routine(s) && diagnostics_counted(s, false);
    if (s->conditions.unclear && !are_there(s))
        backend_send_query(target_conn(s), mark, sizeof mark - 1, &nobody, NULL);
}

/* --- behind it ------------------------------------------------------------------------------------------------------------ */

static void on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len)
{
    struct session *s = arg;
    struct diagnostics_condition c;
    if (kind != WIRE_PACKET_ROW || offset || part.len != frame_len)
        return;
    if (!diagnostics_read_condition(part, &c))
        return;
    s->conditions.rows++;
    s->conditions.errors += slice_is(c.level, "Error");
    s->conditions.marked |= slice_is(c.code, "60001") && memmem(mark, sizeof mark, c.text.at, c.text.len);
}

static void ask(struct session *s, const char *text, const struct backend_sink *answers)
{
    backend_send_query(target_conn(s), text, strlen(text), answers, s);
}

void conditions_forget(struct session *s)
{
    free(s->conditions.outcome);
    s->conditions.outcome = NULL;
}

static void go_on(struct session *s)
{
    CHECK(s->conditions.outcome);
    struct backend_outcome outcome = *s->conditions.outcome;
    conditions_forget(s);
    s->answered = false;
    s->relay.on_done(s, &outcome);
}

static void on_done(void *arg, const struct backend_outcome *outcome)
{
    struct session *s = arg;
    (void)outcome;
    if (s->phase != SESSION_RUNNING)
        return;
    if (s->conditions.marked)
        ask(s, "SELECT 1 FROM (SELECT 1) x", &nobody); /* so that nobody is ever told of the mark */
    else
        diagnostics_set_counts(s, s->conditions.rows, s->conditions.errors);
    go_on(s);
}

static void on_lost(void *arg, const char *why)
{
    struct session *s = arg;
    (void)why;
    if (s->phase != SESSION_RUNNING)
        return;
    go_on(s);
}

static const struct backend_sink sink = {.frame = on_frame, .done = on_done, .lost = on_lost};

/* FOUND_ROWS() first, which is another one behind SHOW WARNINGS. */
bool conditions_ask(struct session *s, const struct backend_outcome *outcome)
{
    if (!s->conditions.unclear || !target_conn(s))
        return false;
    conditions_forget(s); /* of a statement that was given up while they were asked for */
    s->conditions = (struct session_conditions){.outcome = malloc(sizeof *outcome)};
    CHECK(s->conditions.outcome);
    *s->conditions.outcome = *outcome;
    s->answered = true;
    kill_command_over(s);
    diagnostics_disturbed(s, s->target);
    found_rows_save(s, s->target);
    ask(s, "SHOW WARNINGS", &sink);
    return true;
}
