/* The commit machine: one function a state. What an event means is decided here and nowhere else; leaves doing it to the
 * performer, and what to do with branches out of reach to xa/recovery and the resolver. */
#include "xa/transaction.h"

#include "base/check.h"

void xa_tx_init(struct xa_tx *tx, bool one_phase_off)
{
    *tx = (struct xa_tx){.one_phase_off = one_phase_off};
}

/* --- small questions --- */

static bool branch_final(const struct xa_branch *b)
{
    return b->state >= XA_BRANCH_SETTLED;
}

static bool branch_may_be_prepared(const struct xa_branch *b)
{
    return b->state == XA_BRANCH_PREPARING || b->state == XA_BRANCH_PREPARED || b->state == XA_BRANCH_COMMITTING ||
           b->state == XA_BRANCH_ROLLING_BACK_PREPARED;
}

static bool any_branch(const struct xa_tx *tx, enum xa_branch_state state)
{
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (tx->branch[i].state == state)
            return true;
    return false;
}

static unsigned count_writers(const struct xa_tx *tx)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tx->n_branches; i++)
        n += !xa_branch_reads_only(&tx->branch[i]);
    return n;
}

bool xa_needs_log(const struct xa_tx *tx)
{
    unsigned writers = count_writers(tx);
    return tx->actions || tx->redis != XA_REDIS_NONE || writers > 1 || (writers == 1 && tx->one_phase_off);
}

static bool all_final(const struct xa_tx *tx)
{
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (!branch_final(&tx->branch[i]))
            return false;
    return tx->redis == XA_REDIS_NONE || tx->redis >= XA_REDIS_SETTLED;
}

static bool handed_over(const struct xa_tx *tx)
{
    return any_branch(tx, XA_BRANCH_HANDED_OVER) || tx->redis == XA_REDIS_HANDED_OVER;
}

/* --- small deeds --- */

static struct xa_action *emit(struct xa_actions *out, enum xa_action_kind kind)
{
    CHECK(out->n < XA_MAX_ACTIONS);
    struct xa_action *action = &out->action[out->n++];
    *action = (struct xa_action){.kind = kind, .branch = XA_NO_BRANCH};
    return action;
}

static void ask(struct xa_tx *tx, unsigned branch, enum xa_action_kind kind, enum xa_branch_state then,
                struct xa_actions *out)
{
    emit(out, kind)->branch = branch;
    tx->branch[branch].state = then;
}

static void ask_redis(struct xa_tx *tx, enum xa_action_kind kind, enum xa_redis_state then, struct xa_actions *out)
{
    emit(out, kind);
    tx->redis = then;
}

static struct xa_branch *branch_of(struct xa_tx *tx, const struct xa_event *event)
{
    CHECK(event->branch < tx->n_branches);
    return &tx->branch[event->branch];
}

/* Nothing more can be learned on this connection. */
static void abandon(struct xa_tx *tx, unsigned branch, struct xa_actions *out)
{
    bool prepared = branch_may_be_prepared(&tx->branch[branch]);
    ask(tx, branch, XA_ACTION_CLOSE, prepared ? XA_BRANCH_HANDED_OVER : XA_BRANCH_LOST, out);
}

/* Readers go when the outcome is known, and not before: until then their locks are part of the isolation. */
static void release_readers(struct xa_tx *tx, struct xa_actions *out)
{
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (tx->branch[i].state == XA_BRANCH_ACTIVE && xa_branch_reads_only(&tx->branch[i]))
            ask(tx, i, XA_ACTION_RELEASE, XA_BRANCH_RELEASED, out);
}

static void end(struct xa_tx *tx, struct xa_actions *out)
{
    bool left = handed_over(tx);
    if (left)
        emit(out, XA_ACTION_HAND_OVER);
    if (left && tx->answer == XA_ANSWER_COMMITTED)
        tx->answer = XA_ANSWER_COMMITTED_LATER;
    if (tx->answer_due)
        emit(out, XA_ACTION_ANSWER)->answer = tx->answer;
    if (tx->decided && !left)
        emit(out, XA_ACTION_APPEND_DONE);
    emit(out, XA_ACTION_FORGET);
    tx->answer_due = false;
    tx->state = XA_TX_ENDED;
}

static void end_when_final(struct xa_tx *tx, struct xa_actions *out)
{
    if (all_final(tx))
        end(tx, out);
}

/* --- rolling back --- */

/* A branch whose PREPARE is under way keeps its connection busy: its answer comes first. */
static void roll_back_branch(struct xa_tx *tx, unsigned i, struct xa_actions *out)
{
    if (tx->branch[i].state == XA_BRANCH_ACTIVE)
        ask(tx, i, XA_ACTION_END_ROLLBACK, XA_BRANCH_ROLLING_BACK_ACTIVE, out);
    else if (tx->branch[i].state == XA_BRANCH_PREPARED)
        ask(tx, i, XA_ACTION_ROLLBACK, XA_BRANCH_ROLLING_BACK_PREPARED, out);
}

static void roll_back_redis(struct xa_tx *tx, struct xa_actions *out)
{
    if (tx->redis == XA_REDIS_WROTE || tx->redis == XA_REDIS_VOTED)
        ask_redis(tx, XA_ACTION_REDIS_ROLLBACK, XA_REDIS_ROLLING_BACK, out);
}

static void roll_back(struct xa_tx *tx, enum xa_answer why, struct xa_actions *out)
{
    tx->state = XA_TX_ROLLING_BACK;
    tx->answer = why;
    release_readers(tx, out);
    for (unsigned i = 0; i < tx->n_branches; i++)
        roll_back_branch(tx, i, out);
    roll_back_redis(tx, out);
    end_when_final(tx, out);
}

/* --- COMMIT is asked: the three roads --- */

static void begin_one_phase(struct xa_tx *tx, struct xa_actions *out)
{
    tx->state = XA_TX_ONE_PHASE;
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (!xa_branch_reads_only(&tx->branch[i]))
            ask(tx, i, XA_ACTION_ONE_PHASE, XA_BRANCH_ONE_PHASE, out);
}

static void end_one_phase(struct xa_tx *tx, enum xa_answer answer, struct xa_actions *out)
{
    tx->answer = answer;
    release_readers(tx, out);
    end(tx, out);
}

static void decide_when_all_voted(struct xa_tx *tx, struct xa_actions *out)
{
    if (any_branch(tx, XA_BRANCH_PREPARING) || tx->redis == XA_REDIS_VOTING)
        return;
    tx->state = XA_TX_DECIDING;
    emit(out, XA_ACTION_APPEND_DECISION);
}

static void begin_prepare(struct xa_tx *tx, struct xa_actions *out)
{
    tx->state = XA_TX_PREPARING;
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (!xa_branch_reads_only(&tx->branch[i]))
            ask(tx, i, XA_ACTION_END_PREPARE, XA_BRANCH_PREPARING, out);
    if (tx->redis == XA_REDIS_WROTE)
        ask_redis(tx, XA_ACTION_REDIS_VOTE, XA_REDIS_VOTING, out);
    decide_when_all_voted(tx, out); /* nobody has to where there is nothing but actions */
}

static void begin_commit(struct xa_tx *tx, struct xa_actions *out)
{
    tx->answer_due = true;
    if (tx->state == XA_TX_FAILED)
        roll_back(tx, XA_ANSWER_FAILED, out);
    else if (xa_needs_log(tx))
        begin_prepare(tx, out);
    else if (count_writers(tx))
        begin_one_phase(tx, out);
    else
        end_one_phase(tx, XA_ANSWER_COMMITTED, out); /* nobody wrote */
}

/* --- ACTIVE and FAILED: the client works --- */

static void start_branch(struct xa_tx *tx, const struct xa_event *event)
{
    CHECK(tx->state == XA_TX_ACTIVE && event->branch == tx->n_branches && tx->n_branches < XA_MAX_BRANCHES);
    tx->branch[tx->n_branches++] = (struct xa_branch){.state = XA_BRANCH_ACTIVE};
}

static void fail_statement(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    CHECK(event->verdict == XA_VERDICT_TX_FAILED || event->verdict == XA_VERDICT_DEADLOCK);
    if (event->branch != XA_NO_BRANCH)
        branch_of(tx, event)->wrote = true; /* an error carries no tracker: no proof any more */
    tx->state = XA_TX_FAILED;
    if (event->verdict == XA_VERDICT_DEADLOCK)
        roll_back(tx, XA_ANSWER_DEADLOCK, out);
}

static void lose_while_open(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    if (branch_final(branch_of(tx, event)))
        return;
    abandon(tx, event->branch, out);
    tx->state = XA_TX_FAILED; /* not its end: the client's next statement would commit by itself */
}

static void step_open(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_BRANCH_STARTED: start_branch(tx, event); break;
    case XA_EVENT_BRANCH_TRACKED: branch_of(tx, event)->tracked = true; break;
    case XA_EVENT_BRANCH_WROTE: branch_of(tx, event)->wrote = true; break;
    case XA_EVENT_STATEMENT_FAILED: fail_statement(tx, event, out); break;
    case XA_EVENT_REDIS_IN_DOUBT: tx->state = XA_TX_FAILED; /* fall through */
    case XA_EVENT_REDIS_WROTE: tx->redis = XA_REDIS_WROTE; break;
    case XA_EVENT_ACTION: tx->actions = true; break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_while_open(tx, event, out); break;
    case XA_EVENT_CLIENT_GONE: roll_back(tx, XA_ANSWER_ROLLED_BACK, out); break;
    case XA_EVENT_COMMIT: begin_commit(tx, out); break;
    case XA_EVENT_ROLLBACK:
        tx->answer_due = true;
        roll_back(tx, XA_ANSWER_ROLLED_BACK, out);
        break;
    case XA_EVENT_NO_ROOM:
        tx->answer_due = true;
        roll_back(tx, XA_ANSWER_NO_LOG_ROOM, out);
        break;
    default: CHECK(!"nothing was asked that this could answer");
    }
}

/* --- ONE_PHASE: the only state whose lost reply nobody can make up for --- */

static void one_phase_reply(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    struct xa_branch *b = branch_of(tx, event);
    CHECK(b->state == XA_BRANCH_ONE_PHASE);
    switch (event->verdict) {
    case XA_VERDICT_OK:
        b->state = XA_BRANCH_SETTLED;
        end_one_phase(tx, XA_ANSWER_COMMITTED, out);
        break;
    case XA_VERDICT_REFUSED:
    case XA_VERDICT_DEADLOCK:
        b->state = XA_BRANCH_ACTIVE; /* or gone already: END and ROLLBACK are right for both */
        roll_back(tx, event->verdict == XA_VERDICT_DEADLOCK ? XA_ANSWER_DEADLOCK : XA_ANSWER_VOTE_NO, out);
        break;
    default:
        abandon(tx, event->branch, out);
        end_one_phase(tx, XA_ANSWER_UNKNOWN, out);
    }
}

static void lose_in_one_phase(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    bool writer = branch_of(tx, event)->state == XA_BRANCH_ONE_PHASE;
    if (branch_final(branch_of(tx, event)))
        return;
    abandon(tx, event->branch, out);
    if (writer)
        end_one_phase(tx, XA_ANSWER_UNKNOWN, out);
}

static void step_one_phase(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_REPLY: one_phase_reply(tx, event, out); break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_in_one_phase(tx, event, out); break;
    case XA_EVENT_CLIENT_GONE: tx->answer_due = false; break;
    default: CHECK(!"an event that ONE_PHASE cannot meet");
    }
}

/* --- PREPARING --- */

/* What a PREPARE's answer makes of the branch. False: no yes. */
static bool take_vote(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    struct xa_branch *b = branch_of(tx, event);
    CHECK(b->state == XA_BRANCH_PREPARING);
    if (event->verdict == XA_VERDICT_OK)
        b->state = XA_BRANCH_PREPARED;
    else if (event->verdict == XA_VERDICT_REFUSED)
        b->state = XA_BRANCH_ACTIVE;
    else
        abandon(tx, event->branch, out);
    return event->verdict == XA_VERDICT_OK;
}

static void preparing_reply(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    if (take_vote(tx, event, out))
        decide_when_all_voted(tx, out);
    else
        roll_back(tx, event->verdict == XA_VERDICT_REFUSED ? XA_ANSWER_VOTE_NO : XA_ANSWER_VOTE_LOST, out);
}

static void preparing_redis_vote(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    CHECK(tx->redis == XA_REDIS_VOTING);
    tx->redis = event->yes ? XA_REDIS_VOTED : XA_REDIS_WROTE;
    if (event->yes)
        decide_when_all_voted(tx, out);
    else
        roll_back(tx, XA_ANSWER_REDIS_VOTE_NO, out);
}

/* A reader counts as well: the locks it lost were part of the isolation that COMMIT was to close. */
static void lose_in_preparing(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    if (branch_final(branch_of(tx, event)))
        return;
    abandon(tx, event->branch, out);
    roll_back(tx, XA_ANSWER_VOTE_LOST, out);
}

static void step_preparing(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_REPLY: preparing_reply(tx, event, out); break;
    case XA_EVENT_REDIS_VOTE: preparing_redis_vote(tx, event, out); break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_in_preparing(tx, event, out); break;
    case XA_EVENT_CLIENT_GONE: tx->answer_due = false; break;
    default: CHECK(!"an event that PREPARING cannot meet");
    }
}

/* --- DECIDING: the record may be on disk at any moment, so nothing may be rolled back --- */

static void become_decided(struct xa_tx *tx, struct xa_actions *out)
{
    tx->state = XA_TX_COMMITTING;
    tx->decided = true;
    tx->answer = XA_ANSWER_COMMITTED;
    for (unsigned i = 0; i < tx->n_branches; i++)
        if (tx->branch[i].state == XA_BRANCH_PREPARED)
            ask(tx, i, XA_ACTION_COMMIT, XA_BRANCH_COMMITTING, out);
    if (tx->redis == XA_REDIS_VOTED)
        ask_redis(tx, XA_ACTION_REDIS_COMMIT, XA_REDIS_COMMITTING, out);
    release_readers(tx, out);
    end_when_final(tx, out);
}

/* Shared by the states in which a lost branch changes nothing but who settles it. */
static void lose_quietly(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    if (!branch_final(branch_of(tx, event)))
        abandon(tx, event->branch, out);
}

static void step_deciding(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_DURABLE: become_decided(tx, out); break;
    case XA_EVENT_NO_ROOM: roll_back(tx, XA_ANSWER_NO_LOG_ROOM, out); break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_quietly(tx, event, out); break;
    case XA_EVENT_CLIENT_GONE: tx->answer_due = false; break;
    default: CHECK(!"an event that DECIDING cannot meet");
    }
}

/* --- COMMITTING: whoever does not answer with OK is the resolver's --- */

static void committing_reply(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    struct xa_branch *b = branch_of(tx, event);
    CHECK(b->state == XA_BRANCH_COMMITTING);
    if (event->verdict == XA_VERDICT_OK)
        b->state = XA_BRANCH_SETTLED;
    else
        abandon(tx, event->branch, out);
    if (event->verdict == XA_VERDICT_HEURISTIC)
        tx->answer = XA_ANSWER_HEURISTIC;
}

static void redis_ended(struct xa_tx *tx, const struct xa_event *event)
{
    CHECK(tx->redis == XA_REDIS_COMMITTING || tx->redis == XA_REDIS_ROLLING_BACK);
    tx->redis = event->kind == XA_EVENT_REDIS_ENDED ? XA_REDIS_SETTLED : XA_REDIS_HANDED_OVER;
}

static void step_committing(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_REPLY: committing_reply(tx, event, out); break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_quietly(tx, event, out); break;
    case XA_EVENT_REDIS_ENDED:
    case XA_EVENT_REDIS_LOST: redis_ended(tx, event); break;
    case XA_EVENT_CLIENT_GONE: tx->answer_due = false; break;
    default: CHECK(!"an event that COMMITTING cannot meet");
    }
    end_when_final(tx, out);
}

/* --- ROLLING_BACK --- */

static void rolling_back_reply(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    struct xa_branch *b = branch_of(tx, event);
    if (b->state == XA_BRANCH_PREPARING) {
        take_vote(tx, event, out);
        roll_back_branch(tx, event->branch, out);
        return;
    }
    CHECK(b->state == XA_BRANCH_ROLLING_BACK_ACTIVE || b->state == XA_BRANCH_ROLLING_BACK_PREPARED);
    /* Unknown to the session that held it: the server had rolled it back before. */
    if (event->verdict == XA_VERDICT_OK || event->verdict == XA_VERDICT_NOTA)
        b->state = XA_BRANCH_SETTLED;
    else
        abandon(tx, event->branch, out);
}

static void rolling_back_redis_vote(struct xa_tx *tx, struct xa_actions *out)
{
    CHECK(tx->redis == XA_REDIS_VOTING);
    tx->redis = XA_REDIS_WROTE;
    roll_back_redis(tx, out);
}

static void step_rolling_back(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    switch (event->kind) {
    case XA_EVENT_REPLY: rolling_back_reply(tx, event, out); break;
    case XA_EVENT_LOST:
    case XA_EVENT_DEADLINE: lose_quietly(tx, event, out); break;
    case XA_EVENT_REDIS_VOTE: rolling_back_redis_vote(tx, out); break;
    case XA_EVENT_REDIS_ENDED:
    case XA_EVENT_REDIS_LOST: redis_ended(tx, event); break;
    case XA_EVENT_CLIENT_GONE: tx->answer_due = false; break;
    default: CHECK(!"an event that ROLLING_BACK cannot meet");
    }
    end_when_final(tx, out);
}

static void step_ended(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    (void)tx, (void)event, (void)out;
    CHECK(!"FORGET was the last action");
}

void xa_step(struct xa_tx *tx, const struct xa_event *event, struct xa_actions *out)
{
    static void (*const steps[])(struct xa_tx *, const struct xa_event *, struct xa_actions *) = {
        [XA_TX_ACTIVE] = step_open,           [XA_TX_FAILED] = step_open,
        [XA_TX_ONE_PHASE] = step_one_phase,   [XA_TX_PREPARING] = step_preparing,
        [XA_TX_DECIDING] = step_deciding,     [XA_TX_COMMITTING] = step_committing,
        [XA_TX_ROLLING_BACK] = step_rolling_back, [XA_TX_ENDED] = step_ended,
    };
    steps[tx->state](tx, event, out);
}

/* --- texts --- */

#define X(name, words) words,
static const char *const tx_state_texts[] = {XA_TX_STATES(X)};
static const char *const branch_state_texts[] = {XA_BRANCH_STATES(X)};
#undef X
#define X(name, words) #name,
static const char *const action_names[] = {XA_ACTIONS(X)};
#undef X

const char *xa_tx_state_text(enum xa_tx_state state) { return tx_state_texts[state]; }
const char *xa_branch_state_text(enum xa_branch_state state) { return branch_state_texts[state]; }
const char *xa_action_name(enum xa_action_kind kind) { return action_names[kind]; }
