/* Commands of Redis clients in the transaction of a MySQL session, which may live on another worker: a letter that goes there, is
 * run between the session's own statements, and comes home with the reply. Whoever vanishes meanwhile, the letter belongs to
 * nobody else. Leaves the tokens by which a transaction is found to token.c, the words of both protocols to proxy/resp. */
#ifndef PROXY_SESSION_GUESTS_H
#define PROXY_SESSION_GUESTS_H

#include "compensate/argv.h"
#include "proxy/session/session.h"

struct redisReply;

#define TOKEN_SECRET 16 /* bytes */
#define TOKEN_TEXT 128  /* characters, with the NUL */

/* Which transaction; what a token says. */
struct guest_address {
    unsigned worker;
    uint64_t session;
    uint8_t secret[TOKEN_SECRET];
};

#define GUEST_GONE 0 /* as an error's code: there is no such transaction (any more), or it is not this user's */

struct guest;
struct guest_ops {
    /* One of them, in the transaction's thread; what it points to is valid during the call. */
    void (*reply)(struct guest *g, const struct redisReply *reply); /* NULL: nothing came to a command that waits */
    void (*word)(struct guest *g, const char *word);                /* a status; to the question whether it is there: its gtrid */
    void (*flags)(struct guest *g, const bool *set, size_t n);      /* an array of 0 and 1 */
    void (*error)(struct guest *g, uint16_t code, const char *text); /* code: MySQL's, or GUEST_GONE */
    /* Then, in the asker's thread; takes the guest. NULL: the asker is gone. */
    void (*home)(struct guest *g, struct session *asker);
    /* At any time after it was found to be there: the transaction has ended. In the asker's thread. */
    void (*ended)(struct session *asker, const struct guest_address *transaction);
};

/* Where somebody lives who has joined. */
struct guest_home {
    unsigned worker;
    uint64_t session;
};

/* First member of what its maker wants to have with it (heap). */
struct guest {
    struct letter letter; /* on its way, or in the session's list */
    const struct guest_ops *ops;
    struct guest_address to;
    struct world *world;
    unsigned home;          /* worker */
    uint64_t asker, number; /* session there, and which of its letters */
    const struct config_user *user;
    unsigned resource;
    struct comp_argv command; /* taken; empty: only asks whether the transaction is there */
};

/* From a session's thread; takes the guest, whose ops, to, number, resource and command are set. */
void guest_send(struct session *asker, struct guest *g);
/* What the asker does not want any more: it is not begun, or waits no more; it comes home all the same. */
void guest_cancel(struct session *asker, const struct guest_address *to, uint64_t number);

/* --- token.c --- */
enum token_read { TOKEN_READ, TOKEN_BAD, TOKEN_ELSEWHERE /* another proxy's, or of before it was started */ };
enum token_read token_read(struct world *world, struct slice text, struct guest_address *out);
bool token_opens(const struct session *s, const struct guest_address *to); /* the transaction that is open there */

#endif
