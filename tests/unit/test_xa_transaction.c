/* Stories of single transactions, told as events and the actions they call for. What holds in all orders of events is
 * the model's business (tests/model); here each road is walked once, readable. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "xa/transaction.h"

static struct xa_tx tx;

/* The actions as text, e.g. "END_PREPARE 0, END_PREPARE 1, REDIS_VOTE" or "ANSWER COMMITTED, FORGET". */
static const char *told(const struct xa_actions *actions)
{
    static struct buf out;
    static const char *const answers[] = {
#define X(name, code, sqlstate, text) #name,
        XA_ANSWERS(X)
#undef X
    };
    buf_clear(&out);
    for (unsigned i = 0; i < actions->n; i++) {
        const struct xa_action *a = &actions->action[i];
        buf_printf(&out, "%s%s", i ? ", " : "", xa_action_name(a->kind));
        if (a->kind == XA_ACTION_ANSWER)
            buf_printf(&out, " %s", answers[a->answer]);
        else if (a->branch != XA_NO_BRANCH)
            buf_printf(&out, " %u", a->branch);
    }
    return buf_cstr(&out);
}

static const char *step(struct xa_event event)
{
    struct xa_actions actions = {.n = 0};
    xa_step(&tx, &event, &actions);
    return told(&actions);
}

static const char *on(enum xa_event_kind kind) { return step((struct xa_event){.kind = kind, .branch = XA_NO_BRANCH}); }
static const char *at(unsigned branch, enum xa_event_kind kind)
{
    return step((struct xa_event){.kind = kind, .branch = branch});
}
static const char *reply(unsigned branch, enum xa_verdict verdict)
{
    return step((struct xa_event){.kind = XA_EVENT_REPLY, .branch = branch, .verdict = verdict});
}
static const char *fails(unsigned branch, enum xa_verdict verdict)
{
    return step((struct xa_event){.kind = XA_EVENT_STATEMENT_FAILED, .branch = branch, .verdict = verdict});
}
static const char *vote(bool yes) { return step((struct xa_event){.kind = XA_EVENT_REDIS_VOTE, .yes = yes}); }

#define IS(actual, expected) CU_ASSERT_STRING_EQUAL(actual, expected)

static void begin(unsigned writers, unsigned readers)
{
    xa_tx_init(&tx, false);
    for (unsigned i = 0; i < writers + readers; i++) {
        IS(at(i, XA_EVENT_BRANCH_STARTED), "");
        IS(at(i, XA_EVENT_BRANCH_TRACKED), "");
        if (i < writers)
            IS(at(i, XA_EVENT_BRANCH_WROTE), "");
    }
}

static void a_transaction_that_did_nothing_costs_nothing(void)
{
    begin(0, 0);
    CU_ASSERT_FALSE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "ANSWER COMMITTED, FORGET");
}

static void readers_are_released_and_nobody_waits(void)
{
    begin(0, 2);
    CU_ASSERT_FALSE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "RELEASE 0, RELEASE 1, ANSWER COMMITTED, FORGET");
}

static void one_writer_commits_in_one_phase_and_readers_wait_for_it(void)
{
    begin(1, 1);
    CU_ASSERT_FALSE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "ONE_PHASE 0");
    IS(reply(0, XA_VERDICT_OK), "RELEASE 1, ANSWER COMMITTED, FORGET");
}

static void a_branch_without_proof_is_a_writer(void)
{
    begin(1, 0);
    at(1, XA_EVENT_BRANCH_STARTED); /* the answer to its XA START carried no tracker */
    CU_ASSERT_TRUE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0, END_PREPARE 1");
}

static void proof_once_lost_never_comes_back(void)
{
    begin(1, 0);
    at(1, XA_EVENT_BRANCH_STARTED);
    at(1, XA_EVENT_BRANCH_WROTE); /* sent in one write with XA START, whose answer comes later */
    at(1, XA_EVENT_BRANCH_TRACKED);
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0, END_PREPARE 1");
}

static void a_lost_one_phase_reply_is_unknown_and_says_so(void)
{
    begin(1, 1);
    on(XA_EVENT_COMMIT);
    IS(at(0, XA_EVENT_LOST), "CLOSE 0, RELEASE 1, ANSWER UNKNOWN, FORGET");
    begin(1, 0);
    on(XA_EVENT_COMMIT);
    IS(at(0, XA_EVENT_DEADLINE), "CLOSE 0, ANSWER UNKNOWN, FORGET");
    begin(1, 0);
    on(XA_EVENT_COMMIT);
    IS(reply(0, XA_VERDICT_UNKNOWN), "CLOSE 0, ANSWER UNKNOWN, FORGET");
}

static void a_refused_one_phase_rolls_back(void)
{
    begin(1, 1);
    on(XA_EVENT_COMMIT);
    IS(reply(0, XA_VERDICT_REFUSED), "RELEASE 1, END_ROLLBACK 0");
    IS(reply(0, XA_VERDICT_NOTA), "ANSWER VOTE_NO, FORGET");
    begin(1, 0);
    on(XA_EVENT_COMMIT);
    IS(reply(0, XA_VERDICT_DEADLOCK), "END_ROLLBACK 0");
    IS(reply(0, XA_VERDICT_OK), "ANSWER DEADLOCK, FORGET");
}

static void one_phase_off_buys_an_answer(void)
{
    xa_tx_init(&tx, true);
    at(0, XA_EVENT_BRANCH_STARTED);
    CU_ASSERT_TRUE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0");
    IS(reply(0, XA_VERDICT_OK), "APPEND_DECISION");
    IS(on(XA_EVENT_DURABLE), "COMMIT 0");
    IS(at(0, XA_EVENT_LOST), "CLOSE 0, HAND_OVER, ANSWER COMMITTED_LATER, FORGET");
}

static void two_writers_a_reader_and_redis_commit(void)
{
    begin(2, 1);
    IS(on(XA_EVENT_REDIS_WROTE), "");
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0, END_PREPARE 1, REDIS_VOTE");
    IS(reply(1, XA_VERDICT_OK), "");
    IS(vote(true), "");
    IS(reply(0, XA_VERDICT_OK), "APPEND_DECISION");
    CU_ASSERT_FALSE(tx.decided);
    IS(on(XA_EVENT_DURABLE), "COMMIT 0, COMMIT 1, REDIS_COMMIT, RELEASE 2");
    CU_ASSERT_TRUE(tx.decided);
    IS(reply(0, XA_VERDICT_OK), "");
    IS(on(XA_EVENT_REDIS_ENDED), "");
    IS(reply(1, XA_VERDICT_OK), "ANSWER COMMITTED, APPEND_DONE, FORGET");
}

static void redis_alone_is_decided_by_the_log_too(void)
{
    begin(0, 0);
    on(XA_EVENT_REDIS_WROTE);
    CU_ASSERT_TRUE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "REDIS_VOTE");
    IS(vote(true), "APPEND_DECISION");
    IS(on(XA_EVENT_DURABLE), "REDIS_COMMIT");
    IS(on(XA_EVENT_REDIS_LOST), "HAND_OVER, ANSWER COMMITTED_LATER, FORGET");
    CU_ASSERT_EQUAL(tx.redis, XA_REDIS_HANDED_OVER);
}

static void an_action_makes_one_writer_a_matter_of_the_log(void)
{
    begin(1, 1);
    IS(on(XA_EVENT_ACTION), "");
    CU_ASSERT_TRUE(xa_needs_log(&tx));
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0");
    IS(reply(0, XA_VERDICT_OK), "APPEND_DECISION");
    IS(on(XA_EVENT_DURABLE), "COMMIT 0, RELEASE 1");
    IS(reply(0, XA_VERDICT_OK), "ANSWER COMMITTED, APPEND_DONE, FORGET");
}

static void actions_alone_are_decided_at_once(void)
{
    begin(0, 1);
    on(XA_EVENT_ACTION);
    IS(on(XA_EVENT_COMMIT), "APPEND_DECISION");
    IS(on(XA_EVENT_DURABLE), "RELEASE 0, ANSWER COMMITTED, APPEND_DONE, FORGET");
}

static void a_refused_vote_rolls_back_all_and_waits_for_the_votes_under_way(void)
{
    begin(3, 1);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_REFUSED), "RELEASE 3, ROLLBACK 0, END_ROLLBACK 1");
    IS(reply(0, XA_VERDICT_OK), "");
    IS(reply(1, XA_VERDICT_OK), "");
    IS(reply(2, XA_VERDICT_OK), "ROLLBACK 2"); /* its connection was busy until now */
    IS(reply(2, XA_VERDICT_OK), "ANSWER VOTE_NO, FORGET");
}

static void redis_no_rolls_back_the_servers(void)
{
    begin(1, 0);
    on(XA_EVENT_REDIS_WROTE);
    IS(on(XA_EVENT_COMMIT), "END_PREPARE 0, REDIS_VOTE");
    IS(vote(false), "REDIS_ROLLBACK");
    IS(on(XA_EVENT_REDIS_ENDED), "");
    IS(reply(0, XA_VERDICT_REFUSED), "END_ROLLBACK 0");
    IS(reply(0, XA_VERDICT_OK), "ANSWER REDIS_VOTE_NO, FORGET");
}

static void a_vote_of_redis_under_way_is_awaited_before_its_undo(void)
{
    begin(1, 0);
    on(XA_EVENT_REDIS_WROTE);
    on(XA_EVENT_COMMIT);
    IS(reply(0, XA_VERDICT_REFUSED), "END_ROLLBACK 0");
    IS(reply(0, XA_VERDICT_OK), "");
    IS(vote(true), "REDIS_ROLLBACK");
    IS(on(XA_EVENT_REDIS_LOST), "HAND_OVER, ANSWER VOTE_NO, FORGET");
}

static void a_lost_vote_is_the_resolvers_and_aborts(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    IS(at(1, XA_EVENT_LOST), "CLOSE 1, ROLLBACK 0");
    CU_ASSERT_EQUAL(tx.branch[1].state, XA_BRANCH_HANDED_OVER);
    IS(reply(0, XA_VERDICT_OK), "HAND_OVER, ANSWER VOTE_LOST, FORGET");
    CU_ASSERT_FALSE(tx.decided);
}

static void an_unclear_vote_counts_as_lost(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    IS(reply(0, XA_VERDICT_UNKNOWN), "CLOSE 0");
    IS(reply(1, XA_VERDICT_OK), "ROLLBACK 1");
    IS(reply(1, XA_VERDICT_RETRY), "CLOSE 1, HAND_OVER, ANSWER VOTE_LOST, FORGET");
}

static void a_reader_lost_while_voting_aborts_too(void)
{
    begin(2, 1);
    on(XA_EVENT_COMMIT);
    IS(at(2, XA_EVENT_LOST), "CLOSE 2");
    CU_ASSERT_EQUAL(tx.branch[2].state, XA_BRANCH_LOST);
    reply(0, XA_VERDICT_REFUSED);
    reply(0, XA_VERDICT_OK);
    reply(1, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "ANSWER VOTE_LOST, FORGET"); /* the first reason is told */
}

static void nothing_is_rolled_back_while_the_decision_is_on_its_way(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    reply(1, XA_VERDICT_OK);
    IS(at(0, XA_EVENT_LOST), "CLOSE 0");
    IS(at(0, XA_EVENT_LOST), ""); /* twice changes nothing */
    IS(on(XA_EVENT_DURABLE), "COMMIT 1");
    IS(reply(1, XA_VERDICT_OK), "HAND_OVER, ANSWER COMMITTED_LATER, FORGET");
}

static void all_lost_while_the_decision_is_on_its_way(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    reply(1, XA_VERDICT_OK);
    at(0, XA_EVENT_LOST);
    at(1, XA_EVENT_LOST);
    IS(on(XA_EVENT_DURABLE), "HAND_OVER, ANSWER COMMITTED_LATER, FORGET");
}

static void after_the_decision_only_ok_settles(void)
{
    static const enum xa_verdict not_ok[] = {XA_VERDICT_NOTA, XA_VERDICT_RETRY, XA_VERDICT_UNKNOWN, XA_VERDICT_REFUSED};
    for (size_t i = 0; i < sizeof not_ok / sizeof *not_ok; i++) {
        begin(2, 0);
        on(XA_EVENT_COMMIT);
        reply(0, XA_VERDICT_OK);
        reply(1, XA_VERDICT_OK);
        on(XA_EVENT_DURABLE);
        IS(reply(0, not_ok[i]), "CLOSE 0");
        IS(reply(1, XA_VERDICT_OK), "HAND_OVER, ANSWER COMMITTED_LATER, FORGET");
    }
}

static void damage_after_the_decision_is_an_error(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    reply(1, XA_VERDICT_OK);
    on(XA_EVENT_DURABLE);
    IS(reply(0, XA_VERDICT_HEURISTIC), "CLOSE 0");
    IS(reply(1, XA_VERDICT_OK), "HAND_OVER, ANSWER HEURISTIC, FORGET");
}

static void a_full_log_decides_nothing(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    reply(0, XA_VERDICT_OK);
    reply(1, XA_VERDICT_OK);
    IS(on(XA_EVENT_NO_ROOM), "ROLLBACK 0, ROLLBACK 1");
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "ANSWER NO_LOG_ROOM, FORGET");
    begin(2, 0);
    IS(on(XA_EVENT_NO_ROOM), "END_ROLLBACK 0, END_ROLLBACK 1"); /* no room was to be had before COMMIT */
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "ANSWER NO_LOG_ROOM, FORGET");
}

static void a_failed_transaction_stays_open_until_it_is_ended(void)
{
    begin(2, 0);
    IS(fails(1, XA_VERDICT_TX_FAILED), "");
    CU_ASSERT_EQUAL(tx.state, XA_TX_FAILED);
    IS(on(XA_EVENT_COMMIT), "END_ROLLBACK 0, END_ROLLBACK 1");
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "ANSWER FAILED, FORGET");

    begin(2, 0);
    IS(at(0, XA_EVENT_LOST), "CLOSE 0");
    CU_ASSERT_EQUAL(tx.state, XA_TX_FAILED);
    IS(on(XA_EVENT_ROLLBACK), "END_ROLLBACK 1");
    IS(reply(1, XA_VERDICT_NOTA), "ANSWER ROLLED_BACK, FORGET");

    begin(0, 0);
    IS(on(XA_EVENT_REDIS_IN_DOUBT), "");
    IS(on(XA_EVENT_COMMIT), "REDIS_ROLLBACK");
    IS(on(XA_EVENT_REDIS_ENDED), "ANSWER FAILED, FORGET");
}

static void a_deadlock_ends_it_at_once_and_the_error_was_the_answer(void)
{
    begin(1, 1);
    IS(fails(1, XA_VERDICT_DEADLOCK), "END_ROLLBACK 0, END_ROLLBACK 1"); /* no reader any more: an error proves nothing */
    IS(reply(0, XA_VERDICT_OK), "");
    IS(reply(1, XA_VERDICT_NOTA), "FORGET");
    begin(1, 0);
    IS(fails(XA_NO_BRANCH, XA_VERDICT_DEADLOCK), "END_ROLLBACK 0");
}

static void a_client_that_vanishes_before_commit_is_rolled_back(void)
{
    begin(2, 0);
    IS(at(1, XA_EVENT_LOST), "CLOSE 1"); /* a statement was running there: the performer killed it */
    IS(on(XA_EVENT_CLIENT_GONE), "END_ROLLBACK 0");
    IS(reply(0, XA_VERDICT_OK), "FORGET");
}

static void a_client_that_vanishes_after_commit_gets_its_commit(void)
{
    begin(2, 0);
    on(XA_EVENT_COMMIT);
    IS(on(XA_EVENT_CLIENT_GONE), "");
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "APPEND_DECISION");
    on(XA_EVENT_DURABLE);
    reply(0, XA_VERDICT_OK);
    IS(reply(1, XA_VERDICT_OK), "APPEND_DONE, FORGET");
}

/* The longest list there can be: every branch acts twice in one step at most. */
static void the_widest_transaction_fits(void)
{
    begin(XA_MAX_BRANCHES, 0);
    on(XA_EVENT_REDIS_WROTE);
    on(XA_EVENT_COMMIT);
    for (unsigned i = 0; i < XA_MAX_BRANCHES; i++)
        reply(i, XA_VERDICT_OK);
    IS(vote(true), "APPEND_DECISION");
    on(XA_EVENT_DURABLE);
    for (unsigned i = 0; i < XA_MAX_BRANCHES; i++)
        IS(reply(i, XA_VERDICT_OK), "");
    IS(on(XA_EVENT_REDIS_ENDED), "ANSWER COMMITTED, APPEND_DONE, FORGET");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a transaction that did nothing costs nothing", a_transaction_that_did_nothing_costs_nothing},
        {"readers are released and nobody waits", readers_are_released_and_nobody_waits},
        {"one writer commits in one phase, readers wait for it", one_writer_commits_in_one_phase_and_readers_wait_for_it},
        {"a branch without proof is a writer", a_branch_without_proof_is_a_writer},
        {"proof once lost never comes back", proof_once_lost_never_comes_back},
        {"a lost one-phase reply is unknown and says so", a_lost_one_phase_reply_is_unknown_and_says_so},
        {"a refused one-phase rolls back", a_refused_one_phase_rolls_back},
        {"one_phase = off buys an answer", one_phase_off_buys_an_answer},
        {"two writers, a reader and Redis commit", two_writers_a_reader_and_redis_commit},
        {"Redis alone is decided by the log too", redis_alone_is_decided_by_the_log_too},
        {"an action makes one writer a matter of the log", an_action_makes_one_writer_a_matter_of_the_log},
        {"actions alone are decided at once", actions_alone_are_decided_at_once},
        {"a refused vote rolls back all", a_refused_vote_rolls_back_all_and_waits_for_the_votes_under_way},
        {"Redis' no rolls back the servers", redis_no_rolls_back_the_servers},
        {"a vote of Redis under way is awaited", a_vote_of_redis_under_way_is_awaited_before_its_undo},
        {"a lost vote is the resolver's and aborts", a_lost_vote_is_the_resolvers_and_aborts},
        {"an unclear vote counts as lost", an_unclear_vote_counts_as_lost},
        {"a reader lost while voting aborts too", a_reader_lost_while_voting_aborts_too},
        {"nothing rolls back while the decision is on its way", nothing_is_rolled_back_while_the_decision_is_on_its_way},
        {"all lost while the decision is on its way", all_lost_while_the_decision_is_on_its_way},
        {"after the decision only OK settles", after_the_decision_only_ok_settles},
        {"damage after the decision is an error", damage_after_the_decision_is_an_error},
        {"a full log decides nothing", a_full_log_decides_nothing},
        {"a failed transaction stays open until it is ended", a_failed_transaction_stays_open_until_it_is_ended},
        {"a deadlock ends it at once", a_deadlock_ends_it_at_once_and_the_error_was_the_answer},
        {"a client that vanishes before COMMIT is rolled back", a_client_that_vanishes_before_commit_is_rolled_back},
        {"a client that vanishes after COMMIT gets its commit", a_client_that_vanishes_after_commit_gets_its_commit},
        {"the widest transaction fits", the_widest_transaction_fits},
        {NULL, NULL},
    };
    return unit_main("xa transaction", tests);
}
