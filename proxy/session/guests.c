/* The way of a guest: to the session's worker, into its queue, through redis.c as a CALL goes, home. What arrived before the
 * client's next command comes before it, so that COMMIT waits for what is in flight. */
#include "proxy/session/guests.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/phases.h"
#include "proxy/session/redis_call.h"
#include "proxy/session/tx.h"

static struct guest *guest_at(struct letter *letter)
{
    return CONTAINER_OF(letter, struct guest, letter);
}

static struct guest *guest_in(struct list *link)
{
    return guest_at(CONTAINER_OF(link, struct letter, link));
}

static void post(struct guest *g, unsigned worker, void (*deliver)(struct letter *letter, void *receiver))
{
    g->letter.deliver = deliver;
    list_init(&g->letter.link);
    mailbox_post(net_loop_mailbox(g->world->workers[worker].loop), &g->letter);
}

/* --- home ------------------------------------------------------------------------------------------------------------------- */

static void deliver_home(struct letter *letter, void *receiver)
{
    struct guest *g = guest_at(letter);
    const struct worker *w = receiver;
    comp_argv_fini(&g->command);
    g->ops->home(g, w->ended ? NULL : worker_session(w, g->asker));
}

static void send_home(struct guest *g)
{
    post(g, g->home, deliver_home);
}

static void refuse(struct guest *g, uint16_t code, const char *text)
{
    g->ops->error(g, code, text);
    send_home(g);
}

static void say_gone(struct guest *g)
{
    refuse(g, GUEST_GONE, "the transaction has ended");
}

/* The one under way has its answer. */
static struct guest *leave(struct session *s)
{
    struct guest *g = s->guest;
    s->guest = NULL;
    return g;
}

static void on_reply(struct session *s, const struct redisReply *reply)
{
    struct guest *g = leave(s);
    g->ops->reply(g, reply);
    send_home(g);
    session_next(s);
}

static void on_word(struct session *s, const char *word)
{
    struct guest *g = leave(s);
    g->ops->word(g, word);
    send_home(g);
    session_next(s);
}

static void on_flags(struct session *s, const bool *set, size_t n)
{
    struct guest *g = leave(s);
    g->ops->flags(g, set, n);
    send_home(g);
    session_next(s);
}

bool guests_take_error(struct session *s, uint16_t code, const char *text)
{
    struct guest *g = s->guest;
    if (!g)
        return false;
    s->guest = NULL;
    refuse(g, code, text);
    return true;
}

/* --- in the session --------------------------------------------------------------------------------------------------------- */

static bool may_come_in(const struct session *s, const struct guest *g)
{
    return s->phase != SESSION_CLOSING && s->user == g->user && token_opens(s, &g->to);
}

bool guests_wait(const struct session *s)
{
    return !list_empty(&s->guests);
}

static unsigned count(const struct session *s)
{
    unsigned n = 0;
    LIST_FOR(it, &s->guests)
        n++;
    return n;
}

void guests_knock(struct session *s)
{
    if (s->knocks || !buf_len(&s->net->in))
        return;
    s->knocks = true;
    s->guests_turn = count(s);
}

static void run(struct session *s, struct guest *g)
{
    static const struct redis_hearer hearer = {.reply = on_reply, .word = on_word, .flags = on_flags};
    s->guest = g;
    session_begin_command(s);
    session_enter(s, SESSION_RUNNING, "a guest's command");
    kill_command_begins(s);
    if (!tx_refuses(s))
        redis_call_run(s, g->resource, &g->command, &hearer);
}

bool guests_run(struct session *s)
{
    guests_knock(s);
    while (guests_wait(s) && (s->guests_turn || !s->knocks)) {
        struct guest *g = guest_in(list_first(&s->guests));
        list_remove(&g->letter.link);
        s->guests_turn -= s->guests_turn > 0;
        if (may_come_in(s, g)) {
            run(s, g);
            return true;
        }
        say_gone(g);
    }
    return false;
}

void guests_gone(struct session *s)
{
    (void)guests_take_error(s, GUEST_GONE, "the session of the transaction has ended");
    while (guests_wait(s)) {
        struct guest *g = guest_in(list_first(&s->guests));
        list_remove(&g->letter.link);
        say_gone(g);
    }
}

/* --- a transaction that a guest's command has ended ------------------------------------------------------------------------- */

void guests_note_lost(struct session *s)
{
    s->lost_to_guest = s->guest != NULL;
}

/* ROLLBACK is what it would be told to say. */
bool guests_tell_lost(struct session *s)
{
    bool lost = s->lost_to_guest;
    s->lost_to_guest = false;
    if (!lost || s->statement->kind == SQL_ROLLBACK)
        return false;
    session_answer_error(s, xa_answer_code(XA_ANSWER_DEADLOCK), xa_answer_sqlstate(XA_ANSWER_DEADLOCK), "%s",
                         xa_answer_text(XA_ANSWER_DEADLOCK));
    return true;
}

/* --- its end ---------------------------------------------------------------------------------------------------------------- */

#define JOINED_MAX 1000 /* told of its end; others are when they say something */

struct ended_letter {
    struct letter letter;
    const struct guest_ops *ops;
    struct guest_address transaction;
    uint64_t asker;
};

static void deliver_ended(struct letter *letter, void *receiver)
{
    struct ended_letter *l = CONTAINER_OF(letter, struct ended_letter, letter);
    const struct worker *w = receiver;
    struct session *s = w->ended ? NULL : worker_session(w, l->asker);
    if (s)
        l->ops->ended(s, &l->transaction);
    free(l);
}

static bool has_joined(const struct session_tx *tx, const struct guest_home *who)
{
    struct guest_home home;
    for (size_t at = 0; at < buf_len(&tx->joined); at += sizeof home) {
        memcpy(&home, buf_at(&tx->joined) + at, sizeof home);
        if (home.worker == who->worker && home.session == who->session)
            return true;
    }
    return false;
}

static void note_joined(struct session_tx *tx, const struct guest *g)
{
    struct guest_home home = {.worker = g->home, .session = g->asker};
    tx->joined_ops = g->ops;
    if (buf_len(&tx->joined) < JOINED_MAX * sizeof home && !has_joined(tx, &home))
        buf_append(&tx->joined, &home, sizeof home);
}

static void tell_ended(const struct session_tx *tx, const struct guest_home *home)
{
    struct ended_letter *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct ended_letter){.ops = tx->joined_ops, .asker = home->session};
    l->transaction.worker = tx->worker->index;
    l->transaction.session = tx->session->id;
    memcpy(l->transaction.secret, tx->secret, sizeof l->transaction.secret);
    l->letter.deliver = deliver_ended;
    list_init(&l->letter.link);
    mailbox_post(net_loop_mailbox(tx->worker->world->workers[home->worker].loop), &l->letter);
}

void guests_tell_ended(struct session_tx *tx)
{
    struct guest_home home;
    for (; buf_len(&tx->joined); buf_consume(&tx->joined, sizeof home)) {
        memcpy(&home, buf_at(&tx->joined), sizeof home);
        tell_ended(tx, &home);
    }
    buf_fini(&tx->joined);
}

/* --- out -------------------------------------------------------------------------------------------------------------------- */

static void deliver(struct letter *letter, void *receiver)
{
    struct guest *g = guest_at(letter);
    const struct worker *w = receiver;
    struct session *s = w->ended ? NULL : worker_session(w, g->to.session);
    if (w->ended) {
        comp_argv_fini(&g->command);
        g->ops->home(g, NULL);
    } else if (!s || !may_come_in(s, g)) {
        say_gone(g);
    } else if (!g->command.n) {
        note_joined(s->tx, g);
        g->ops->word(g, s->tx->gtrid.text);
        send_home(g);
    } else {
        list_push_back(&s->guests, &g->letter.link);
        net_defer(s->worker->loop, &s->next);
    }
}

void guest_send(struct session *asker, struct guest *g)
{
    g->world = asker->world;
    g->home = asker->worker->index;
    g->asker = asker->id;
    g->user = asker->user;
    post(g, g->to.worker, deliver);
}

struct cancel_letter {
    struct letter letter;
    uint64_t session, asker, number;
};

static bool is_meant(const struct guest *g, const struct cancel_letter *l)
{
    return g && g->asker == l->asker && g->number == l->number;
}

static void cancel_in(struct session *s, const struct cancel_letter *l)
{
    LIST_FOR_SAFE(it, &s->guests)
        if (is_meant(guest_in(it), l)) {
            list_remove(it);
            refuse(guest_in(it), 1317, "Query execution was interrupted");
            return;
        }
    if (is_meant(s->guest, l)) {
        s->killed = SESSION_KILLED;
        redis_stop_waiting(s);
    }
}

static void deliver_cancel(struct letter *letter, void *receiver)
{
    struct cancel_letter *l = CONTAINER_OF(letter, struct cancel_letter, letter);
    const struct worker *w = receiver;
    struct session *s = w->ended ? NULL : worker_session(w, l->session);
    if (s)
        cancel_in(s, l);
    free(l);
}

void guest_cancel(struct session *asker, const struct guest_address *to, uint64_t number)
{
    struct cancel_letter *l = calloc(1, sizeof *l);
    CHECK(l);
    *l = (struct cancel_letter){.session = to->session, .asker = asker->id, .number = number};
    l->letter.deliver = deliver_cancel;
    list_init(&l->letter.link);
    mailbox_post(net_loop_mailbox(asker->world->workers[to->worker].loop), &l->letter);
}
