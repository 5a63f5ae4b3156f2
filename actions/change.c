/* Changes of actions as records and words: what people ask of one, what the log says again at a start. */
#include <stdio.h>
#include <string.h>

#include "actions/impl.h"

void action_tell(struct action_change *change, const struct action *a, enum action_state state)
{
    *change = (struct action_change){
        .id = a->id, .state = state, .attempts = a->attempts, .permanent = a->permanent, .next_ms = a->next_ms};
    memcpy(change->error, a->error, sizeof change->error);
}

void action_say(struct action *a, const char *error)
{
    snprintf(a->error, sizeof a->error, "%s", error ? error : "");
    for (char *c = a->error; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

/* --- people ---------------------------------------------------------------------------------------------------------- */

static void begin_again(struct action_schedule *s, struct entry *e, int64_t now_ms)
{
    action_lane_remove(e->lane, e);
    action_enter(s, e, ACTION_DUE);
    e->action->attempts = e->action->permanent = 0;
    e->action->next_ms = 0;
    e->action->due_ms = now_ms;
    action_place(e);
}

static enum action_asked may_be_asked(const struct entry *e)
{
    if (!e)
        return ACTION_ASKED_UNKNOWN;
    if (e->action->state == ACTION_ARMED)
        return ACTION_ASKED_ARMED;
    return e->action->state == ACTION_RUNNING ? ACTION_ASKED_RUNNING : ACTION_ASKED_OK;
}

enum action_asked action_schedule_retry(struct action_schedule *s, uint64_t id, int64_t now_ms, struct action_change *change)
{
    struct entry *e = action_entry(s, id);
    enum action_asked asked = may_be_asked(e);
    if (asked != ACTION_ASKED_OK)
        return asked;
    begin_again(s, e, now_ms);
    action_tell(change, e->action, ACTION_DUE);
    return ACTION_ASKED_OK;
}

void action_schedule_retry_waiting(struct action_schedule *s)
{
    LIST_FOR(it, &s->decided)
    {
        struct entry *e = CONTAINER_OF(it, struct entry, in_order);
        if (e->action->state != ACTION_WAIT || !e->action->next_ms)
            continue;
        action_lane_remove(e->lane, e);
        e->action->next_ms = 0;
        action_place(e);
    }
}

static void put_body(struct entry *e, struct slice body)
{
    struct action *old = e->action;
    struct slice before = old->body;
    old->body = body;
    e->action = action_copy(old);
    old->body = before;
    action_free(old);
}

enum action_asked action_schedule_edit(struct action_schedule *s, uint64_t id, struct slice body, struct action_change *change)
{
    struct entry *e = action_entry(s, id);
    enum action_asked asked = may_be_asked(e);
    if (asked != ACTION_ASKED_OK)
        return asked;
    if (e->action->state != ACTION_DEAD)
        return ACTION_ASKED_NOT_DEAD;
    put_body(e, body);
    action_tell(change, e->action, ACTION_DEAD);
    change->body = e->action->body;
    return ACTION_ASKED_OK;
}

enum action_asked action_schedule_dismiss(struct action_schedule *s, uint64_t id, const char *why, struct action_change *change)
{
    struct entry *e = action_entry(s, id);
    enum action_asked asked = may_be_asked(e);
    if (asked != ACTION_ASKED_OK)
        return asked;
    action_say(e->action, why);
    action_tell(change, e->action, ACTION_DISMISSED);
    action_gone(s, e);
    return ACTION_ASKED_OK;
}

/* --- the log --------------------------------------------------------------------------------------------------------- */

void action_schedule_replay(struct action_schedule *s, const struct action_change *k)
{
    struct entry *e = action_entry(s, k->id);
    if (!e)
        return;
    if (k->state == ACTION_DONE || k->state == ACTION_DROPPED || k->state == ACTION_DISMISSED) {
        action_gone(s, e);
        return;
    }
    if (e->action->state == ACTION_ARMED)
        return; /* a change comes behind its outcome: only a snapshot could have put it before, and that has the change */
    action_lane_remove(e->lane, e);
    if (k->body.at)
        put_body(e, k->body);
    action_enter(s, e, k->state);
    e->action->attempts = k->attempts;
    e->action->permanent = k->permanent;
    e->action->next_ms = k->next_ms;
    memcpy(e->action->error, k->error, sizeof k->error);
    action_place(e);
}
