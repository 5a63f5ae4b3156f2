/* One client, from accept to close, on one worker's loop. Phases are files; session_enter is the only door between them.
 *
 *   LOGIN -> IDLE <-> RUNNING (statement on a server: target.c, relay.c)
 *                 <-> ENDING  (COMMIT or ROLLBACK under way: commit.c)
 *                 <-> REDIS   (a CALL of a Redis resource: redis.c)
 *   any   -> CLOSING (the client is gone or sent away; what is open is being finished)
 */
#ifndef PROXY_SESSION_SESSION_H
#define PROXY_SESSION_SESSION_H

#include "proxy/session/worker.h"
#include "proxy/sql/classify.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/params.h"
#include "proxy/wire/resultset.h"
#include "xa/transaction.h"

/* X(name, text) */
#define SESSION_PHASES(X) \
    X(LOGIN, "logging in") \
    X(IDLE, "idle") \
    X(RUNNING, "running a statement") \
    X(ENDING, "ending a transaction") \
    X(REDIS, "waiting for Redis") \
    X(CLOSING, "closing")
enum session_phase {
#define X(name, text) SESSION_##name,
    SESSION_PHASES(X)
#undef X
};

struct call_args;
struct client_xa;
struct guest;
struct resp_client;
struct round;
struct session_tx;
struct session_login;
struct session_statement;
struct session_text;
struct session_redis;
struct session_saga;
struct session_xa_call;

/* Why a session keeps its connection to a server between statements: state that lives there and cannot follow to another
 * connection. Without any of these, and without a transaction there, the connection is PARKED (sharing.c): the session uses it
 * again as if nothing had been, unless the pool takes it for somebody else. What is there then, and how it survives:
 *   settings, user variables of SET   tracked here, replayed (variables.c); also schema and character set (target.c)
 *   prepared statements               prepared again where they are used next (prepared_server_gone)
 *   LAST_INSERT_ID()                  asked of the connection when it is taken, replayed by SET last_insert_id
 *   FOUND_ROWS(), SHOW WARNINGS       asked likewise, kept in session_server.memory until the next statement there
 *   ROW_COUNT(), @@warning_count, @@error_count
 *                                     known here from the last answer (diagnostics.c)
 * All else is a hold: who makes such state sets its bit, who ends it clears it. X(name, text) */
#define SESSION_HOLDS(X) \
    X(TABLE_LOCKS, "LOCK TABLES") \
    X(READ_LOCK, "FLUSH TABLES WITH READ LOCK") \
    X(TEMPORARY_TABLE, "a temporary table") \
    X(USER_LOCK, "GET_LOCK") \
    X(HANDLER, "HANDLER ... OPEN") \
    X(CURSOR, "an open cursor") \
    X(TEXT_PREPARED, "PREPARE as text") \
    X(SETTING, "a variable that only this server knows") \
    X(CLIENT_XA, "an XA transaction of the client's own") \
    X(ROUTINE, "a procedure, function or block that may have made such state")
enum session_hold {
#define X(name, text) SESSION_HOLD_##name##_BIT,
    SESSION_HOLDS(X)
#undef X
#define X(name, text) SESSION_HOLD_##name = 1u << SESSION_HOLD_##name##_BIT,
    SESSION_HOLDS(X)
#undef X
};

/* Variables of a session that no server has: X(NAME, name, words it takes, the first at the beginning; "" = a number of seconds,
 * 0 at the beginning). DEFAULT is the first. */
#define SESSION_OWN_VARIABLES(X) \
    X(REDIS_ISOLATION, "xa_redis_isolation", "resource|read_committed|read_uncommitted") \
    X(REDIS_WRITES, "xa_redis_writes", "direct|held") \
    X(XA_MODE, "xa_mode", "xa|saga") \
    X(XA_TIMEOUT, "xa_timeout", "")
enum session_own {
#define X(NAME, name, words) SESSION_OWN_##NAME,
    SESSION_OWN_VARIABLES(X)
#undef X
    SESSION_N_OWN
};

/* What a connection remembered of the session's last statement, when it was taken. */
struct session_memory {
    bool valid;               /* no statement of the session has run on that server since */
    uint64_t insert_id;       /* LAST_INSERT_ID(); counts also where `valid` is false */
    uint64_t found_rows;
    struct buf warnings;      /* rows of SHOW WARNINGS as its text protocol has them, each behind its length in 4 bytes */
};
struct session_farewell;

/* What a session has on one backend. */
struct session_server {
    struct session *session;
    struct backend_conn *conn;       /* NULL: none now */
    struct backend_request request;  /* for a connection, while acquiring */
    bool acquiring;
    uint64_t settings_seen;          /* generation of the session's settings in force there */
    int branch;                      /* of the open transaction, or -1 */
    char in_doubt[XA_GTRID_MAX + 1]; /* handed over with a decision: wait for it before the next statement; "" = none */
    struct xa_bqual in_doubt_bqual;
    unsigned holds;                  /* enum session_hold, of this connection */
    unsigned temporary, handlers;    /* temporary tables and HANDLERs there, at most */
    struct buf temporary_names;      /* of some of the tables, as temporary.c has them */
    unsigned locks;                  /* of GET_LOCK, at most; unless there are uncounted ones */
    bool locks_uncounted, lock_told; /* told: the statement under way has said whether it got one */
    bool untracked;                  /* a hold that lasts: a setting of this connection cannot be told */
    bool collation_refused;          /* it does not know the client's, but its character set */
    bool settings_one_by_one;        /* it has refused a setting: each is sent for itself */
    struct list prepared;            /* statements that are prepared on it, least recently used first */
    unsigned n_prepared;
    bool killing;                    /* a KILL QUERY of it is on its way */
    bool fresh;                      /* conn knows nothing of the session yet */
    bool parked;                     /* conn may be taken by the pool at any moment; target_prepare takes it back */
    struct session_farewell *farewell; /* answers of a taken connection that are still to come; NULL: none */
    struct session_memory memory;
};

/* A session variable that follows the session to every server. */
struct session_setting {
    char name[SQL_NAME_SIZE + 1]; /* with the @ of a user variable */
    char *text; /* "SET ..." without the SET */
    size_t len, plain_len; /* of all, and without the collation at its end */
    char *then; /* a statement behind it; NULL: none */
    uint64_t generation;
};

/* Whether the command under way was ended by somebody. */
enum session_killed { SESSION_NOT_KILLED, SESSION_KILLED, SESSION_KILLED_LATE /* by statement_timeout */ };

/* What a transaction is to be, as statements that precede its beginning on a server; "" = not said. */
struct session_characteristics {
    char isolation[96], access[96];
    bool read_only; /* what `access` says */
};

/* What is known of the last statement (diagnostics.c). */
struct session_diagnostics {
    /* errors and warnings */
    bool own;                  /* they are the proxy's: this error or warning, or none */
    bool is_error;
    uint16_t code;             /* 0: none */
    char sqlstate[6];
    char text[512];
    int server;                /* that has told others; -1: none */
    bool moved;                /* its connection is not the session's any more: see the memory of that server */
    bool asked_counts;         /* the statement under way asks for them, which leaves them as they are */
    bool told;                 /* such a one came since, or COM_STMT_RESET or _FETCH: MySQL does not repeat them any more */
    unsigned warnings, errors; /* of that server's answer */

    /* counts of rows */
    bool own_row_count;        /* the last statement was answered here */
    int64_t row_count;         /* as ROW_COUNT() */
    int last;                  /* server that answered the last one not answered here; -1: none */
    bool last_moved;
    uint64_t found_rows;       /* of the last result */
    int found_server;          /* that knows FOUND_ROWS() alone: it had no LIMIT for them, or came of a routine; -1: none */
    bool found_moved;
};

/* Of a routine that may have left errors and warnings of before as they were (conditions.c). */
struct session_conditions {
    bool unclear; /* the statement under way is one */
    bool marked;  /* they are still there, of those that the server tells: */
    unsigned rows, errors;
    struct backend_outcome *outcome; /* of the statement, while its server is asked; NULL: none is */
};

/* LAST_INSERT_ID() of a session that inserts on several servers (insert_id.c). What an OK packet tells may as well be a value
 * that the statement gave itself, which does not count: only the connection's own LAST_INSERT_ID() tells, when it is asked. */
#define SESSION_INSERTS 8
struct session_insert_id {
    int server; /* that gave the last id for certain, and can be asked for it; -1: none */
    uint64_t left; /* then it is this one, which a server had said before it was overwritten there; 0: none was given */
    bool known; /* its id was asked for: */
    uint64_t id;
    unsigned n; /* that may have given one since, oldest first */
    struct {
        int server;
        bool failed; /* it has given one if its id is another than before */
        uint64_t id; /* in its OK packet; or before */
    } maybe[SESSION_INSERTS];
    bool watched; /* the statement under way may give one though it fails */
    uint64_t before; /* its target's, before it */
    void (*then)(struct session *s);
};

/* What a session speaks with its client: MySQL's protocol (session.c), or Redis' (proxy/resp). All but the optional ones
 * are there. */
struct session_face {
    void (*begin)(struct session *s, bool counted); /* accepted; in phase LOGIN, as the next three */
    void (*on_tls)(struct session *s);
    void (*on_login_read)(struct session *s);
    void (*on_login_timeout)(struct session *s);
    void (*take_command)(struct session *s);        /* the next one, where it is there whole; else session_rests */
    void (*put_error)(struct session *s, uint16_t code, const char *sqlstate, const char *text); /* the client is there */
    void (*say_idle)(struct session *s);            /* it will be closed for having said nothing; optional */
    bool (*keeps)(const struct session *s);         /* it rests, but is in the middle of something; optional */
    const char *(*transaction)(const struct session *s); /* its gtrid, of another session's that this one is in; NULL: none; optional */
    void (*stop_waiting)(struct session *s);        /* KILL of a command of its own; optional */
    void (*closing)(struct session *s);             /* optional */
    void (*fini)(struct session *s);                /* optional */
};

/* What happens when a transaction has ended well. */
enum session_after {
    SESSION_AFTER_OK,        /* answer OK */
    SESSION_AFTER_CHAIN,     /* begin the next one with the same characteristics, answer OK */
    SESSION_AFTER_RELEASE,   /* answer OK, close */
    SESSION_AFTER_STATEMENT, /* it was an implicit commit: run the statement that caused it */
    SESSION_AFTER_CALL,      /* call session->after_rollback, which answers */
    SESSION_AFTER_NOTHING,   /* nobody waits, or the answer has been given already */
};

struct session {
    struct list link, id_link; /* of its worker */
    struct worker *worker;
    struct world *world;
    struct net_conn *net; /* NULL once the client is gone */
    const struct session_face *face;
    struct resp_client *resp; /* a client of Redis' protocol; NULL: it is none */
    uint64_t id;
    enum session_phase phase;
    unsigned listener;
    const struct config_user *user; /* after log-in */
    bool stays;    /* counted among the clients of its address */
    char peer[64];
    struct session_login *login; /* only while logging in */
    unsigned failed_changes;         /* of the user, that were let pass */
    uint8_t scramble[WIRE_SCRAMBLE]; /* of the greeting, for a change of user */
    uint64_t caps;
    uint16_t charset;
    char charset_name[32];  /* of the client's, as a server called it when SET changed it; "": that of the log-in */
    bool charset_of_server; /* after a COM_RESET_CONNECTION of MySQL's: its global ones instead */
    char schema[SQL_NAME_SIZE];
    struct net_timer timer; /* belongs to the phase */
    struct net_deferred closing, next;
    bool next_due; /* the answer is complete: the next statement or command may begin */
    struct net_timer retry; /* while a statement waits for a server to become fit */
    bool retrying;
    int64_t since_ms; /* in this phase */
    uint64_t written;  /* to the client, when it was last looked at whether it reads */
    bool vanished;    /* it has closed its side, and was not sent away */
    bool was_ending;  /* when it was closed: the machine decides about its connections */

    /* the command under way */
    struct buf attributes; /* what the client said of itself: pairs of length-encoded strings */
    struct wire_gatherer gatherer;
    struct buf command; /* its payload, ours until the answer is complete */
    uint8_t seq;        /* of the next packet of the answer */
    bool binary;        /* answers to EXECUTE have binary rows */
    struct slice rest;  /* statements of a multi-statement not yet begun */
    bool more;          /* there is at least one of them */
    struct sql_statement *statement; /* under way; between commands one of nothing, which nobody writes */
    int64_t statement_ms;     /* when the statement began */
    struct net_timer deadline; /* of the statement; once it is killed, of patience with its servers */
    enum session_killed killed;
    unsigned kills;           /* servers with `killing` */
    struct { uint64_t id; void (*then)(struct session *s, uint64_t id); } kill_asked; /* by an expression */
    bool answered;            /* the answer is complete, and a question of our own is under way behind it */
    bool held;                /* the answer is complete, but a KILL on its way could hit what comes next */
    struct round *round;      /* a question to all workers that it waits for; somebody else's memory */

    /* where the statement runs (target.c) */
    int target;               /* backend index, -1 none */
    bool target_in_tx;        /* as part of the transaction, if one is open */
    int64_t target_deadline_ms;
    void (*on_target)(struct session *s);
    unsigned setup_pending;   /* answers of set-up commands still to come */
    bool set_up_again;        /* its first connection died of it */
    bool awaits_memory;       /* what a taken connection is being asked */
    unsigned lost_holds;      /* enum session_hold: what went with a connection, and the client has not been told */
    int lost_server;
    bool target_lost;         /* a command of this statement died with its connection, whose end is about to be told */
    bool setup_failed, start_failed;
    char charset_there[32];   /* the client's character set, as the server called it before the statement */
    bool mode_sent;           /* the server was told to read statements as the session does */
    uint16_t setup_error;
    char setup_sqlstate[6], setup_message[256];

    /* the answer being passed on (relay.c) */
    struct {
        bool active, columns_open;
        bool prepare, fields;      /* of COM_STMT_PREPARE, of COM_FIELD_LIST: no rows follow the columns */
        unsigned sections_left[2]; /* parameter and column definitions of a PREPARE still to come */
        uint16_t prepare_warnings; /* of its OK, told again behind the definitions */
        uint32_t packet_left;      /* of the packet that is being passed on */
        uint64_t rows;             /* of the result under way */
        /* of columns.c: rows that wait for the EOF before them, which has this number */
        bool holding;
        uint8_t held_seq;
        struct buf held;
        struct net_deferred turn;
        /* True: it needs not be passed on any more. NULL: all are. Set behind relay_query, or by shown.c */
        bool (*takes_row)(struct session *s, struct slice row);
        void (*at_end)(struct session *s); /* of its rows: to add more; NULL: none. Set behind relay_query */
        void (*on_done)(struct session *s, const struct backend_outcome *outcome);
    } relay;

    /* what the client wants to be told of its session: its session_track_* settings (tracking.c); all zero is as servers begin */
    struct {
        bool no_schema, change;
        int transaction;         /* 0 off, 1 state, 2 characteristics too */
        char *variables;         /* names with commas, or *; NULL: those of a server's beginning */
        bool null;               /* they were set to NULL, which MySQL takes for none */
        struct buf pending;      /* for the next OK */
        char done[8];            /* by the open transaction: r, R, w, W, s, S, L from 1 on, as servers say it; 0: not */
        char told[9];            /* the last state */
        char *told_characteristics;
    } track;

    /* the file that a server has asked the client for (load.c) */
    struct {
        bool open;
        bool continues;      /* the frame before was a full one */
        uint32_t left;       /* of the frame under way */
        bool nowhere;        /* its server is gone, or shall not have it: read away */
        char lost_why[128];  /* "" = the server lives */
        uint64_t taken;      /* from the client, when it was last looked at whether it sends */
    } load;

    /* the statement that a server was asked to read (probe.c) */
    uint32_t probe_id;
    void (*probed)(struct session *s);

    /* a command sent to several servers (fanout.c) */
    struct {
        unsigned pending;
        uint16_t error;
        char sqlstate[6], message[256];
        bool lost;
        void (*on_done)(struct session *s);
    } fan;

    /* the transaction */
    bool autocommit;
    bool locks_began; /* LOCK TABLES with autocommit off: to the client a transaction has begun, on no server has one yet */
    struct session_tx *tx; /* NULL: none open */
    struct session_saga *saga; /* whose step that is; NULL: none's */
    struct client_xa *xa;  /* the client's own XA transaction; NULL: none */
    bool xa_lost;          /* with its server: the session ends, as it would have with the server itself */
    enum session_after after;
    void (*after_rollback)(struct session *s);
    enum xa_answer answer; /* to the COMMIT or ROLLBACK under way, once it is known */
    char answer_gtrid[XA_GTRID_MAX + 1];
    char warning[192];     /* of the last COMMIT, for SHOW WARNINGS; "" = none */
    bool local_commit;     /* of a local transaction: COMMIT was asked, not ROLLBACK */
    struct session_characteristics chain; /* of the transaction that has ended */
    struct session_characteristics one_shot; /* for the next transaction */
    struct session_characteristics one_shot_before; /* the SET under way, which may be refused */
    struct session_characteristics brought;  /* which the statement under way has taken there */
    struct list early_savepoints; /* set before any table, with autocommit off: of the next transaction, too */
    bool read_only;        /* SET SESSION TRANSACTION READ ONLY */

    struct session_server *servers; /* by backend index */
    struct session_diagnostics diag;
    struct session_conditions conditions;
    struct session_insert_id insert_id;
    int last_server;                /* where SHOW WARNINGS, LAST_INSERT_ID() look */
    struct session_setting *settings;
    unsigned n_settings;
    size_t settings_bytes; /* of their texts */
    uint64_t settings_generation;
    int own[SESSION_N_OWN]; /* the number of the word, or the seconds */
    int wait_timeout_s; /* as the client has set it for itself; 0 = not */
    struct sql_dialect dialect; /* how statements are read */
    char set_autocommit_value[24];
    int set_autocommit;                     /* what an expression in SET autocommit=... came to; -1: no truth value */

    /* variables whose value only a server knows yet (readback.c) */
    struct {
        int server;
        unsigned n, pending; /* names; answers still to come */
        bool taken;          /* their connection has been taken meanwhile: they come all the same */
        struct session_reading *at;
        void (*then)(struct session *s);
    } owed;

    struct session_statement **prepared; /* by id - 1; NULL = free */
    unsigned n_prepared;                 /* places in it */
    unsigned prepared_count;
    size_t prepared_bytes;               /* of texts and long data */
    uint32_t last_prepared;              /* by the last PREPARE; 0: it failed */
    struct session_statement *preparing, *executing;
    bool cursor_asked;                   /* by the EXECUTE under way */
    struct list texts;                   /* statements prepared as text (text_prepared.c) */
    struct session_text *text_unfinished; /* not prepared yet, or for once only */
    struct session_text *executing_text;
    struct slice text_using;             /* the expressions behind USING */
    struct buf text_value;               /* a text that is to be prepared */
    struct buf made;                     /* the text of a statement of our own with its values put in */
    struct buf made_of_list;             /* where those of a USING list are in it: pairs of 4 bytes, from and length */
    void (*execute_done)(struct session *s, const struct backend_outcome *outcome);
    struct session_redis *redis; /* CALL under way, or a guest's command */
    struct list guests;          /* commands of others in its transaction (guests.c), waiting */
    struct guest *guest;         /* the one under way */
    bool knocks;                 /* the client's next command is coming in; */
    unsigned guests_turn;        /* of those waiting, how many were there before */
    bool lost_to_guest;          /* a guest's deadlock has rolled back the transaction, which the client is to be told */
    struct session_xa_call *xa_call; /* CALL xa.... under way */
    char *action_options;        /* of the next action, as given; NULL: none */
    uint64_t action_id;          /* of the last action */
    struct call_args *evaluating; /* arguments of a CALL that a server is asked about; NULL: none */
    void (*evaluated)(struct session *s);
};

/* --- session.c: life --- */
struct session *session_new(struct worker *w, int fd, unsigned listener, const char *peer, bool counted); /* as worker_deal */
void session_enter(struct session *s, enum session_phase phase, const char *why);
/* Sends what is queued, closes the client's side, finishes what is open, frees itself at the end of a turn. */
void session_close(struct session *s, const char *why);
bool session_is_free(const struct session *s); /* it rests, and nothing of it is open */
/* For faces: a command has come whole, and nothing is under way; or none has, and the client rests. */
void session_begin_command(struct session *s);
void session_rests(struct session *s);
bool session_has_memory_for(size_t len); /* for running a command of so many bytes */
/* The answer is complete: next statement of the command, or next command. */
void session_next(struct session *s);
const char *session_phase_text(enum session_phase phase);
const struct config_listener *session_listener(const struct session *s);

/* --- reply.c: our own answers. Each completes the statement (session_next) unless it says otherwise. --- */
bool session_in_transaction(const struct session *s); /* to its client: IN_TRANS, 1568 */
uint16_t session_status(const struct session *s); /* the proxy's own truth, with MORE_RESULTS */
void session_answer_ok(struct session *s);
void session_answer_ok_with(struct session *s, uint64_t affected_rows, uint16_t warnings, const char *info);
void session_write_ok(struct session *s, struct wire_ok *ok); /* with what is to be told of the session; no more than that */
void session_put_ok(struct session *s, uint16_t warnings, const char *info); /* does not complete */
void session_put_error(struct session *s, uint16_t code, const char *sqlstate, const char *text); /* does not complete */
/* An error drops the rest of a multi-statement. */
void session_answer_error(struct session *s, uint16_t code, const char *sqlstate, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Begins a result set of ours; rows with wire_resultset_row; session_answer_rows_end completes. */
void session_answer_rows(struct session *s, struct wire_resultset *rs, const struct wire_column *columns, unsigned n);
void session_answer_rows_end(struct session *s, struct wire_resultset *rs);
void session_flush(struct session *s);

/* As the configuration calls it; lives as long as that. */
static inline const char *session_backend_name(const struct session *s, int backend)
{
    return s->world->config->backends[backend].name;
}

#endif
