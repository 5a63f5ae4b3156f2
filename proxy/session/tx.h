/* The open transaction of a session: its machine, its branches, its savepoints, its Redis part. Shared by the files that begin it
 * (transaction.c, savepoint.c, local.c), write to Redis in it (undo.c) and end it (ending.c, commit.c) only. */
#ifndef PROXY_SESSION_TX_H
#define PROXY_SESSION_TX_H

#include "compensate/keyset.h"
#include "compensate/undo.h"
#include "compensate/waits.h"
#include "proxy/session/session.h"

struct session_savepoint {
    struct list link;
    char name[SQL_NAME_SIZE];
    uint32_t action_mark;  /* actions_mark when it was set */
    uint32_t *redis_marks; /* of the parts that there were: comp_tx_mark when it was set */
    unsigned n_redis_marks;
};

struct session_branch {
    struct session_tx *tx;
    unsigned index;            /* in the machine */
    unsigned backend;
    struct xa_bqual bqual;
    struct backend_conn *conn; /* NULL once it is gone, or given up */
    uint64_t connection_id;    /* of the server, for KILL; so is the next */
    int64_t opened_ms;
    struct net_timer deadline; /* of PREPARE and COMMIT */
};

/* The part of the transaction in one slot of a Redis resource; a server that is no cluster is one slot. */
struct session_resource {
    struct session_tx *tx;
    unsigned index;           /* of the resource */
    uint16_t slot;
    struct comp_tx machine;
    struct redis_call call;
    bool calling;             /* `call` is under way */
    const struct redisReply *reply; /* during a callback */
    struct comp_keyset held;  /* keys that it has locked */
    struct comp_keyset written; /* keys that it has written */
    struct buf written_names; /* of the first of them, as struct comp_end wants them */
    char why[160];            /* the last trouble, for people */
    enum { RESOURCE_IDLE, RESOURCE_VOTING, RESOURCE_ENDING, RESOURCE_PARTIAL } doing;
};

struct session_tx {
    struct session *session;
    struct worker *worker;
    struct xa_gtrid gtrid;
    struct journal_live live;
    struct xa_tx machine;
    int64_t began_ms;         /* on the loop's clock */
    bool begun;               /* BEGIN was said; else autocommit is off */
    struct session_characteristics characteristics;
    bool read_only;           /* by them or by the session's own */
    bool local;               /* one server's own transaction, without XA */
    int local_server;         /* where it is; -1: it is none */
    bool local_failed;
    bool local_wrote;         /* or may have */
    bool step_sent;           /* COMMIT of a saga's step there: as long as no error has come, it may have happened */
    bool undoes_aside;        /* a parallel xa.on_rollback is registered */
    uint32_t last_undo;       /* the number of the last xa.on_rollback; 0 = none is left */
    size_t reserved;          /* bytes of room in the log */
    bool actions;             /* some are registered, or its decision is a saga's */
    bool has_secret;          /* xa.token() was asked for */
    uint8_t secret[16];       /* of it: TOKEN_SECRET */
    const struct guest_ops *joined_ops;
    struct buf joined;        /* struct guest_home of who is to be told of its end */
    uint32_t last_action;     /* the number of the last one, where they are its own */
    struct session_branch *branch[XA_MAX_BRANCHES];
    struct list savepoints;
    struct session_resource **parts;  /* in Redis, in the order of their first writes */
    unsigned n_parts;
    bool redis_used;
    struct comp_party party;  /* for those who wait for its keys */
    struct list wait_link;    /* worker's waiting list */
    wal_pos durable_at;
    void (*on_durable)(struct session_tx *tx);
    struct list events;               /* raised while actions are performed */
    bool stepping;
    void (*then)(struct session *s);  /* the answer, after the step that brought it */
    unsigned redis_pending;           /* parts whose vote, end or partial undo is still to come */
    struct session_resource *touching; /* whose touch record is awaited */
    bool redis_yes;                   /* all that have answered said yes */
    void (*on_redis_partial)(struct session *s, bool ok);
};

/* --- transaction.c --- */
bool tx_visible(const struct session *s);      /* IN_TRANS, as a server would say */
bool tx_is_on(const struct session *s, int server); /* it has begun there */
bool tx_ends_on(const struct session *s, const struct session_server *server); /* its end is under way there */
bool tx_may_be_local(const struct session *s); /* it has begun nowhere */
struct session_tx *tx_open(struct session *s); /* makes one if there is none; in saga mode with its saga */
struct session_tx *tx_new(struct session *s);  /* there is none: one that is no saga's step, for something of our own */
void tx_set_characteristics(struct session_tx *tx, const struct session_characteristics *c);
void tx_take_begin(struct session_tx *tx, const struct sql_statement *begin); /* what START TRANSACTION says of it */
void tx_send_characteristics(struct session *s, const struct session_tx *tx); /* to the target, ahead of its beginning there */
void tx_free(struct session_tx *tx);           /* the session's only one */
void tx_enter(struct session *s);              /* queues what begins the transaction on the target */
void tx_start_failed(struct session *s);        /* answers */
void tx_fail(struct session *s);               /* only ROLLBACK is left */
void target_note_start_failed(struct session *s, const struct backend_outcome *outcome);

/* --- savepoint.c --- */
void tx_send_savepoints(struct session *s, struct session_tx *tx);
void tx_free_savepoints(struct list *savepoints);
void tx_move_savepoints(struct list *from, struct list *to); /* behind those that are there */

/* --- local.c --- */
void local_start(struct session *s, struct session_tx *tx);
void local_take_snapshot(struct session *s); /* for target_prepare: s->statement is the BEGIN */
void local_statement_done(struct session *s, const struct backend_outcome *outcome, bool wrote);
void local_end(struct session *s, bool commit);
void local_client_gone(struct session *s);

/* --- local_step.c --- */
bool local_step_may_mark(struct session *s);   /* an action in a saga's step that is local. False: answered */
bool local_step_may_end(struct session *s);    /* COMMIT of the saga. False: answered */
void local_step_end(struct session *s, bool commit);

/* --- undo.c: one part --- */
void undo_write(struct session *s); /* s->redis holds the CALL */
void undo_feed(struct session_resource *res, const struct comp_event *event);
void undo_cancel(struct session_resource *res); /* nobody waits for what is under way */

/* --- undo_keys.c --- */
void undo_die_of_deadlock(struct session *s); /* s->redis would wait for ever: 1213, and all is rolled back */

/* --- participant.c: all of them --- */
struct session_resource *undo_find_part(const struct session_tx *tx, unsigned resource, uint16_t slot); /* NULL: none */
struct session_resource *undo_add_part(struct session_tx *tx, unsigned resource, uint16_t slot);
void undo_counted(struct session_resource *res, bool yes); /* a vote, an end or a partial undo came in */
void undo_vote(struct session_tx *tx);
void undo_end(struct session_tx *tx, bool commit);
void undo_free(struct session_tx *tx);
void undo_mark(const struct session_tx *tx, struct session_savepoint *sp);
/* Takes back what every part wrote behind its mark; then on_done(session, ok). False: nothing to do. */
bool undo_back_to(struct session_tx *tx, const struct session_savepoint *sp, void (*on_done)(struct session *s, bool ok));

/* --- actions.c --- */
void tx_has_actions(struct session_tx *tx);      /* its decision goes into the log, whatever it writes */
bool actions_hold(struct session *s, const struct config_redis *resource, const struct comp_argv *command); /* until the commit. False: answered */
void actions_tx_ended(struct session_tx *tx);    /* decided or not: before it is freed */
uint32_t actions_mark(const struct session_tx *tx); /* for a savepoint: the last action so far */
void actions_back_to(struct session_tx *tx, uint32_t mark); /* what was registered behind the mark is forgotten */

/* --- commit.c: the only place where a session performs what xa_step asks --- */
void tx_event(struct session_tx *tx, const struct xa_event *event);
void tx_branch_lost(struct session_branch *b);

/* --- ending.c --- */
/* The transaction has ended: the session is free for the next one, and goes on with `then` when it has one. */
void tx_answer(struct session_tx *tx, enum xa_answer what);
void tx_go_on(struct session *s);
void tx_ask_commit(struct session_tx *tx); /* of its machine */
void tx_remember_chain(struct session *s, const struct session_tx *tx);

/* --- worker.c --- */
void tx_wait_durable(struct session_tx *tx, wal_pos at, void (*on_durable)(struct session_tx *tx));

#endif
