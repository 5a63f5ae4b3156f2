/* The open transaction of a session: its machine, its branches, its savepoints, its Redis part. Shared by transaction.c, commit.c
 * and redis.c only. */
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
    unsigned index;           /* in the machine */
    unsigned backend;
    struct xa_bqual bqual;
    struct backend_conn *conn; /* NULL once it is gone, or given up */
    uint64_t connection_id;   /* of the server, for KILL */
    struct net_timer deadline; /* of PREPARE and COMMIT */
    bool proof_of_reading;    /* the tracker came with XA START: from now on silence means "only read" */
};

/* The part of the transaction in one Redis resource. */
struct session_resource {
    struct session_tx *tx;
    unsigned index;
    bool used;                /* a write was sent */
    struct comp_tx machine;
    struct redis_call call;
    bool calling;             /* `call` is under way */
    const struct redisReply *reply; /* during a callback */
    struct net_timer timer;   /* lock wait */
    int64_t lock_deadline_ms;
    int64_t lock_pause_ms;
    char why[160];            /* the last trouble, for people */
#ifdef ENABLE_FAILPOINTS
    struct net_timer sent_timer;
    bool sent_is_undo;
#endif
    enum { RESOURCE_IDLE, RESOURCE_VOTING, RESOURCE_ENDING, RESOURCE_PARTIAL } doing;
};

struct session_tx {
    struct list link; /* session's `ending`, once it was answered */
    struct session *session;
    struct worker *worker;
    struct xa_gtrid gtrid;
    struct xa_tx machine;
    bool begun;       /* by BEGIN; else by autocommit=0 */
    bool local;       /* a plain transaction on one server: no XA there, or WITH CONSISTENT SNAPSHOT */
    bool snapshot;    /* WITH CONSISTENT SNAPSHOT */
    bool read_only, read_write;
    char characteristics[128]; /* SET TRANSACTION before the branches; "" = none */
    int local_server; /* where the local transaction is; -1 not begun */
    bool local_failed;
    bool reserved;    /* room in the log */
        struct session_branch *branch[XA_MAX_BRANCHES];
    struct list savepoints;
    struct session_resource *resources; /* by index; NULL until the first CALL */
    struct journal_live live;
    bool live_entered;
    struct list wait_link; /* worker's waiting list */
    wal_pos durable_at;
    void (*on_durable)(struct session_tx *tx);
    int64_t started_ms;
    struct list events;               /* raised while actions are performed */
    bool stepping;
    void (*then)(struct session *s);  /* the answer, after the step that brought it */
    unsigned redis_pending;           /* resources whose vote, end or partial undo is still to come */
    struct session_resource *touching; /* whose touch record is awaited */
    bool redis_yes;                   /* all that have answered said yes */
    void (*on_redis_partial)(struct session *s, bool ok);
};

bool tx_visible(const struct session *s); /* IN_TRANS, as a server would say */
void tx_enter(struct session *s);        /* queues what begins the transaction on the target */
void tx_start_failed(struct session *s);
bool tx_may_be_local(const struct session *s);
bool tx_uses(const struct session *s, const struct backend_conn *conn); /* an end is under way there */
void tx_detach(struct session *s, struct session_tx *tx);
void target_send_first(struct session *s, const char *text);
struct session_tx *tx_open(struct session *s); /* makes one if there is none */
void tx_free(struct session_tx *tx);
void tx_fail(struct session *s, enum xa_verdict verdict); /* only ROLLBACK is left */

/* redis.c, for commit.c and transaction.c */
bool tx_redis_used(const struct session_tx *tx);
void tx_redis_vote(struct session_tx *tx);
void tx_redis_end(struct session_tx *tx, bool commit);
void tx_redis_free(struct session_tx *tx);
void tx_redis_marks(struct session_tx *tx, uint32_t *marks);
/* Partial undo of every resource to the marks; then on_done(session, ok). False: nothing to do. */
bool tx_redis_rollback_to(struct session_tx *tx, const uint32_t *marks, void (*on_done)(struct session *s, bool ok));
/* commit.c, for redis.c */
void tx_redis_voted(struct session_tx *tx, bool yes);
void tx_redis_ended(struct session_tx *tx, bool settled);
void tx_wait_durable(struct session_tx *tx, wal_pos at, void (*on_durable)(struct session_tx *tx));

#endif
