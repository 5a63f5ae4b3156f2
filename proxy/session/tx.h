/* The open transaction of a session: its machine, its branches, its savepoints, its Redis part. Shared by the files that begin it
 * (transaction.c, savepoint.c, local.c), write to Redis in it (undo.c) and end it (ending.c, commit.c) only. */
#ifndef PROXY_SESSION_TX_H
#define PROXY_SESSION_TX_H

#include "compensate/undo.h"
#include "proxy/session/session.h"

struct session_savepoint {
    struct list link;
    char name[SQL_NAME_SIZE];
    uint32_t *redis_marks; /* by resource: comp_tx_mark when it was set */
};

struct session_branch {
    struct session_tx *tx;
    unsigned index;            /* in the machine */
    unsigned backend;
    struct xa_bqual bqual;
    struct backend_conn *conn; /* NULL once it is gone, or given up */
    uint64_t connection_id;    /* of the server, for KILL */
    struct net_timer deadline; /* of PREPARE and COMMIT */
};

/* The part of the transaction in one Redis resource. */
struct session_resource {
    struct session_tx *tx;
    unsigned index;
    bool used;                /* a write was asked for */
    struct comp_tx machine;
    struct redis_call call;
    bool calling;             /* `call` is under way */
    const struct redisReply *reply; /* during a callback */
    struct net_timer timer;   /* lock wait */
    int64_t lock_deadline_ms;
    int64_t lock_pause_ms;
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
    size_t reserved;          /* bytes of room in the log */
    struct session_branch *branch[XA_MAX_BRANCHES];
    struct list savepoints;
    struct session_resource *resources; /* by index; NULL until the first CALL */
    bool redis_used;
    struct list wait_link;    /* worker's waiting list */
    wal_pos durable_at;
    void (*on_durable)(struct session_tx *tx);
    struct list events;               /* raised while actions are performed */
    bool stepping;
    void (*then)(struct session *s);  /* the answer, after the step that brought it */
    unsigned redis_pending;           /* resources whose vote, end or partial undo is still to come */
    struct session_resource *touching; /* whose touch record is awaited */
    bool redis_yes;                   /* all that have answered said yes */
    void (*on_redis_partial)(struct session *s, bool ok);
};

/* --- transaction.c --- */
bool tx_visible(const struct session *s);      /* IN_TRANS, as a server would say */
bool tx_is_on(const struct session *s, int server); /* it has begun there */
bool tx_ends_on(const struct session *s, const struct session_server *server); /* its end is under way there */
bool tx_may_be_local(const struct session *s); /* it has begun nowhere */
struct session_tx *tx_open(struct session *s); /* makes one if there is none */
void tx_set_characteristics(struct session_tx *tx, const struct session_characteristics *c);
void tx_take_begin(struct session_tx *tx, const struct sql_statement *begin); /* what START TRANSACTION says of it */
void tx_free(struct session_tx *tx);           /* the session's only one */
void tx_enter(struct session *s);              /* queues what begins the transaction on the target */
void tx_start_failed(struct session *s);
void tx_fail(struct session *s);               /* only ROLLBACK is left */
void target_note_start_failed(struct session *s, const struct backend_outcome *outcome);

/* --- savepoint.c --- */
void tx_send_savepoints(struct session *s, struct session_tx *tx);
void tx_free_savepoints(struct session_tx *tx);

/* --- local.c --- */
void local_start(struct session *s, struct session_tx *tx);
void local_take_snapshot(struct session *s); /* for target_prepare: s->statement is the BEGIN */
void local_statement_done(struct session *s, const struct backend_outcome *outcome);
void local_end(struct session *s, bool commit);
void local_client_gone(struct session *s);

/* --- undo.c: one resource --- */
void undo_write(struct session *s); /* s->redis holds the CALL */
void undo_feed(struct session_resource *res, const struct comp_event *event);
void undo_cancel(struct session_resource *res); /* nobody waits for what is under way */
bool undo_waits_for_lock(const struct session *s); /* the write that s->redis holds */
void undo_stop_waiting(struct session *s);          /* where it does: as after a lock wait timeout */

/* --- participant.c: all of them --- */
struct session_resource *undo_resource(struct session_tx *tx, unsigned index);
unsigned undo_resources_used(const struct session_tx *tx);
void undo_counted(struct session_resource *res, bool yes); /* a vote, an end or a partial undo came in */
void undo_vote(struct session_tx *tx);
void undo_end(struct session_tx *tx, bool commit);
void undo_free(struct session_tx *tx);
void undo_marks(struct session_tx *tx, uint32_t *marks);
/* Takes back what every resource wrote behind the marks; then on_done(session, ok). False: nothing to do. */
bool undo_back_to(struct session_tx *tx, const uint32_t *marks, void (*on_done)(struct session *s, bool ok));

/* --- commit.c: the only place where a session performs what xa_step asks --- */
void tx_event(struct session_tx *tx, const struct xa_event *event);
void tx_branch_lost(struct session_branch *b);

/* --- ending.c --- */
/* The transaction has ended: the session is free for the next one, and goes on with `then` when it has one. */
void tx_answer(struct session_tx *tx, enum xa_answer what);
void tx_go_on(struct session *s);
void tx_remember_chain(struct session *s, const struct session_tx *tx);

/* --- worker.c --- */
void tx_wait_durable(struct session_tx *tx, wal_pos at, void (*on_durable)(struct session_tx *tx));

#endif
