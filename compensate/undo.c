/* comp_step: one function a state, the table at the end. */
#include "compensate/undo.h"

#include "base/check.h"

static struct comp_action *act(struct comp_actions *out, enum comp_action_kind kind)
{
    CHECK(out->n < COMP_MAX_ACTIONS);
    struct comp_action *a = &out->action[out->n++];
    *a = (struct comp_action){.kind = kind};
    return a;
}

static void answer(struct comp_actions *out, enum comp_answer what)
{
    act(out, COMP_ACTION_ANSWER)->answer = what;
}

static void send(struct comp_tx *tx, struct comp_actions *out, enum comp_action_kind kind)
{
    tx->state = kind == COMP_ACTION_RESEND_DO ? COMP_TX_REWRITING : COMP_TX_WRITING;
    act(out, kind)->seq = tx->last;
}

static void back_to_idle(struct comp_tx *tx, struct comp_actions *out, enum comp_answer what)
{
    tx->state = COMP_TX_IDLE;
    answer(out, what);
}

static void fail(struct comp_tx *tx, struct comp_actions *out, enum comp_answer what)
{
    tx->state = COMP_TX_FAILED;
    act(out, COMP_ACTION_FAIL);
    answer(out, what);
}

static void vote_result(struct comp_tx *tx, struct comp_actions *out, bool yes)
{
    tx->state = yes ? COMP_TX_VOTED : COMP_TX_FAILED;
    act(out, COMP_ACTION_VOTE_RESULT)->yes = yes;
}

static void end_result(struct comp_tx *tx, struct comp_actions *out, bool settled)
{
    tx->state = COMP_TX_ENDED;
    act(out, COMP_ACTION_END_RESULT)->yes = settled;
}

/* Error replies leave no record: where nothing was ever acknowledged nor in doubt, nothing is there to end. */
static void end(struct comp_tx *tx, struct comp_actions *out, enum comp_end_mode mode)
{
    tx->mode_commit = mode == COMP_END_COMMIT;
    if (!tx->traces && !tx->fence) {
        end_result(tx, out, true);
        return;
    }
    tx->state = COMP_TX_ENDING;
    act(out, COMP_ACTION_SEND_END)->end =
        (struct comp_end){.mode = mode, .tombstone = tx->fence, .first = 1, .last = tx->last};
}

static void wait_lock(struct comp_tx *tx, struct comp_actions *out)
{
    tx->state = COMP_TX_LOCKED;
    act(out, COMP_ACTION_WAIT_LOCK)->seq = tx->last;
}

static void send_or_queue(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->queued)
        wait_lock(tx, out);
    else
        send(tx, out, COMP_ACTION_SEND_DO);
}

static void on_write(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (tx->last == COMP_MAX_WRITES) {
        answer(out, COMP_ANSWER_TOO_MANY);
        return;
    }
    tx->last++;
    if (e->touched) {
        send_or_queue(tx, e, out);
    } else {
        tx->state = COMP_TX_TOUCHING;
        act(out, COMP_ACTION_APPEND_TOUCH);
    }
}

static bool any_above(const struct comp_tx *tx, uint32_t mark)
{
    for (uint32_t seq = mark + 1; seq <= tx->last; seq++)
        if (comp_seqs_has(&tx->acked, seq))
            return true;
    return false;
}

/* The range is closed: a late twin of this call must not take back what is written afterwards. */
static void on_rollback_to(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    CHECK(e->mark <= tx->last);
    if (!any_above(tx, e->mark)) {
        answer(out, COMP_ANSWER_DONE);
        return;
    }
    tx->state = COMP_TX_PARTIAL;
    act(out, COMP_ACTION_SEND_PARTIAL)->end =
        (struct comp_end){.mode = COMP_END_PARTIAL, .first = e->mark + 1, .last = tx->last};
    comp_seqs_drop_above(&tx->acked, e->mark);
}

static void on_vote(struct comp_tx *tx, struct comp_actions *out)
{
    if (!tx->traces && !tx->fence) {
        vote_result(tx, out, true);
        return;
    }
    tx->state = COMP_TX_VOTING;
    act(out, COMP_ACTION_SEND_VOTE);
}

static void step_idle(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_WRITE)
        on_write(tx, e, out);
    else if (e->kind == COMP_EVENT_ROLLBACK_TO)
        on_rollback_to(tx, e, out);
    else if (e->kind == COMP_EVENT_VOTE)
        on_vote(tx, out);
    else
        CHECK(!"event in state idle");
}

static void step_touching(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_TOUCH_DURABLE) {
        send_or_queue(tx, e, out);
    } else {
        CHECK(e->kind == COMP_EVENT_TOUCH_REFUSED);
        back_to_idle(tx, out, COMP_ANSWER_NO_ROOM);
    }
}

/* A reply to the write, first or second sending. Anything but OK (and LOST, see reply.h) did nothing; and before a second sending
 * the first one's connection was killed, so that it cannot do anything any more either. */
static void on_write_reply(struct comp_tx *tx, enum comp_reply reply, struct comp_actions *out)
{
    switch (reply) {
    case COMP_REPLY_OK:
        comp_seqs_add(&tx->acked, tx->last);
        tx->traces = true;
        back_to_idle(tx, out, COMP_ANSWER_REPLY);
        break;
    case COMP_REPLY_LOCKED:
    case COMP_REPLY_EMPTY:
        wait_lock(tx, out);
        break;
    case COMP_REPLY_FENCED:
    case COMP_REPLY_STALE:
        fail(tx, out, COMP_ANSWER_FENCED);
        break;
    case COMP_REPLY_LOST:
        fail(tx, out, COMP_ANSWER_LOST);
        break;
    default:
        back_to_idle(tx, out, COMP_ANSWER_REPLY);
    }
}

static void step_writing(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_REPLIED) {
        on_write_reply(tx, e->reply, out);
    } else if (e->kind == COMP_EVENT_NOT_SENT) {
        back_to_idle(tx, out, COMP_ANSWER_UNREACHABLE);
    } else {
        CHECK(e->kind == COMP_EVENT_LOST);
        tx->fence = true;
        tx->state = COMP_TX_KILLING;
        act(out, COMP_ACTION_KILL)->seq = tx->last;
    }
}

static void step_killing(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_KILLED) {
        send(tx, out, COMP_ACTION_RESEND_DO);
    } else {
        CHECK(e->kind == COMP_EVENT_KILL_FAILED);
        fail(tx, out, COMP_ANSWER_IN_DOUBT);
    }
}

static void step_rewriting(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_REPLIED) {
        on_write_reply(tx, e->reply, out);
    } else {
        CHECK(e->kind == COMP_EVENT_LOST || e->kind == COMP_EVENT_NOT_SENT);
        fail(tx, out, COMP_ANSWER_IN_DOUBT);
    }
}

static void step_locked(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    if (e->kind == COMP_EVENT_LOCK_RETRY) {
        send(tx, out, COMP_ACTION_SEND_DO);
    } else {
        CHECK(e->kind == COMP_EVENT_LOCK_TIMEOUT || e->kind == COMP_EVENT_DEADLOCK);
        back_to_idle(tx, out, e->kind == COMP_EVENT_DEADLOCK ? COMP_ANSWER_DEADLOCK : COMP_ANSWER_LOCK_TIMEOUT);
    }
}

static void step_partial(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    CHECK(e->kind == COMP_EVENT_REPLIED || e->kind == COMP_EVENT_LOST || e->kind == COMP_EVENT_NOT_SENT);
    if (e->kind == COMP_EVENT_REPLIED && e->reply == COMP_REPLY_OK)
        back_to_idle(tx, out, COMP_ANSWER_DONE);
    else
        fail(tx, out, COMP_ANSWER_IN_DOUBT);
}

static void step_voting(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    CHECK(e->kind == COMP_EVENT_REPLIED || e->kind == COMP_EVENT_LOST || e->kind == COMP_EVENT_NOT_SENT);
    vote_result(tx, out, e->kind == COMP_EVENT_REPLIED && e->reply == COMP_REPLY_OK);
}

static void step_voted(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    CHECK(e->kind == COMP_EVENT_COMMIT);
    end(tx, out, COMP_END_COMMIT);
}

static void step_failed(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    (void)tx, (void)e, (void)out;
    CHECK(!"event in state failed");
}

static void step_ending(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    CHECK(e->kind == COMP_EVENT_REPLIED || e->kind == COMP_EVENT_LOST || e->kind == COMP_EVENT_NOT_SENT);
    end_result(tx, out, e->kind == COMP_EVENT_REPLIED && e->reply == COMP_REPLY_OK);
}

static void step_ended(struct comp_tx *tx, const struct comp_event *e, struct comp_actions *out)
{
    (void)tx, (void)e, (void)out;
    CHECK(!"event in state ended");
}

/* At any time: what is under way is abandoned, a write among it fenced. */
static void on_rollback(struct comp_tx *tx, struct comp_actions *out)
{
    CHECK(tx->state != COMP_TX_ENDING && tx->state != COMP_TX_ENDED);
    if (tx->state == COMP_TX_WRITING || tx->state == COMP_TX_REWRITING)
        tx->fence = true;
    if (tx->state != COMP_TX_IDLE && tx->state != COMP_TX_VOTED && tx->state != COMP_TX_FAILED)
        act(out, COMP_ACTION_CANCEL);
    end(tx, out, COMP_END_ROLLBACK);
}

void comp_step(struct comp_tx *tx, const struct comp_event *event, struct comp_actions *out)
{
    static void (*const by_state[])(struct comp_tx *, const struct comp_event *, struct comp_actions *) = {
        [COMP_TX_IDLE] = step_idle,       [COMP_TX_TOUCHING] = step_touching, [COMP_TX_WRITING] = step_writing,
        [COMP_TX_LOCKED] = step_locked,   [COMP_TX_KILLING] = step_killing,   [COMP_TX_REWRITING] = step_rewriting,
        [COMP_TX_PARTIAL] = step_partial, [COMP_TX_VOTING] = step_voting,     [COMP_TX_VOTED] = step_voted,
        [COMP_TX_FAILED] = step_failed,   [COMP_TX_ENDING] = step_ending,     [COMP_TX_ENDED] = step_ended,
    };
    if (event->kind == COMP_EVENT_ROLLBACK)
        on_rollback(tx, out);
    else
        by_state[tx->state](tx, event, out);
}

uint32_t comp_tx_mark(const struct comp_tx *tx) { return tx->last; }

const char *comp_tx_state_text(enum comp_tx_state state)
{
    static const char *const texts[] = {
#define X(name, text) text,
        COMP_TX_STATES(X)
#undef X
    };
    CHECK((size_t)state < sizeof texts / sizeof texts[0]);
    return texts[state];
}

void comp_tx_fini(struct comp_tx *tx)
{
    comp_seqs_fini(&tx->acked);
    *tx = (struct comp_tx){0};
}
