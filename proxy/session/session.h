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

struct client_xa;
struct round;
struct session_tx;
struct session_login;
struct session_statement;
struct session_text;
struct session_redis;

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
    bool own;                  /* it was answered here: with this error or warning, or with none */
    bool is_error;
    uint16_t code;             /* 0: none */
    char text[512];
    bool own_row_count;        /* the last statement was answered here, whatever became of its warnings */
    int64_t row_count;         /* as ROW_COUNT() */
    int server;                /* that answered the last one not answered here; -1: none */
    bool moved;                /* its connection is not the session's any more: see the memory of that server */
    bool asked_counts;         /* the statement under way asks for counts, which leaves them as they are */
    unsigned warnings, errors; /* of that server's answer */
    int insert_server;         /* that gave the last id; -1: none did */
    bool insert_known;         /* that id was asked for */
    uint64_t insert_id;
    void (*then)(struct session *s);
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
    struct list link; /* of its worker */
    struct worker *worker;
    struct world *world;
    struct net_conn *net; /* NULL once the client is gone */
    uint64_t id;
    enum session_phase phase;
    char *why_closing; /* NULL until then */
    unsigned listener;
    const struct config_user *user; /* after log-in */
    bool stays;    /* counted among the clients of its address */
    char peer[64];
    struct session_login *login; /* only while logging in */
    unsigned failed_changes;         /* of the user, that were let pass */
    uint8_t scramble[WIRE_SCRAMBLE]; /* of the greeting, for a change of user */
    uint64_t caps;
    uint16_t charset;
    bool charset_of_server; /* after a COM_RESET_CONNECTION of MySQL's: its global ones instead */
    char schema[SQL_NAME_SIZE];
    struct net_timer timer; /* belongs to the phase */
    struct net_deferred closing, next;
    bool next_due; /* the answer is complete: the next statement or command may begin */
    struct net_timer retry; /* while a statement waits for a server to become fit */
    bool retrying;
    int64_t since_ms; /* in this phase */
    uint64_t written;  /* to the client, when it was last looked at whether it reads */
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
        uint32_t packet_left;      /* of the packet that is being passed on */
        /* of columns.c: rows that wait for the EOF before them, which has this number */
        bool holding;
        uint8_t held_seq;
        struct buf held;
        struct net_deferred turn;
        bool (*keeps_row)(struct slice row); /* of a text result; NULL: all are passed on. Set behind relay_query */
        void (*on_done)(struct session *s, const struct backend_outcome *outcome);
    } relay;

    /* what the client wants to be told of its session: its session_track_* settings (tracking.c); all zero is as servers begin */
    struct {
        bool no_schema, change;
        int transaction;         /* 0 off, 1 state, 2 characteristics too */
        char *variables;         /* names with commas, or *; NULL: those of a server's beginning */
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
    struct session_tx *tx; /* NULL: none open */
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
    bool read_only;        /* SET SESSION TRANSACTION READ ONLY */

    struct session_server *servers; /* by backend index */
    struct session_diagnostics diag;
    int last_server;                /* where SHOW WARNINGS, LAST_INSERT_ID() look */
    struct session_setting *settings;
    unsigned n_settings;
    size_t settings_bytes; /* of their texts */
    uint64_t settings_generation;
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
    void (*execute_done)(struct session *s, const struct backend_outcome *outcome);
    struct session_redis *redis; /* CALL under way */
};

/* --- session.c: life --- */
struct session *session_new(struct worker *w, int fd, unsigned listener, const char *peer, bool counted); /* as worker_deal */
void session_enter(struct session *s, enum session_phase phase, const char *why);
/* Sends what is queued, closes the client's side, finishes what is open, frees itself at the end of a turn. */
void session_close(struct session *s, const char *why);
/* The answer is complete: next statement of the command, or next command. */
void session_next(struct session *s);
const char *session_phase_text(enum session_phase phase);
const struct config_listener *session_listener(const struct session *s);

/* --- login.c --- */
void login_begin(struct session *s, bool counted);
void login_on_read(struct session *s);
void login_on_tls(struct session *s);
void login_on_timeout(struct session *s);
void login_free(struct session *s);
/* s->command is COM_CHANGE_USER, nothing of the old user's is left: from here on as a log-in, which ends as one does. */
void login_again(struct session *s);

/* --- rights.c: what a user may beyond its account on the server --- */
/* From this listener, address, with this certificate. */
bool rights_to_enter(const struct session *s, const struct config_user *u);
bool rights_by_certificate(const struct session *s, const struct config_user *u); /* it needs no password */
bool rights_to_schema(const struct session *s, const struct config_user *u, const char *schema);
/* True: 1044 has been answered. For whatever names schemas, before it is run or prepared. */
bool rights_refuse_schema(struct session *s, const char *schema);
bool rights_refuse_statement(struct session *s, const struct sql_statement *statement);

/* --- reply.c: our own answers. Each completes the statement (session_next) unless it says otherwise. --- */
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

/* --- command.c --- */
void command_run(struct session *s);
void command_use(struct session *s, struct slice schema); /* USE and COM_INIT_DB */

/* --- statement.c --- */
void statement_begin_text(struct session *s, struct slice text); /* one or more statements */
void statement_next(struct session *s);
void statement_start_refresh(struct session *s); /* COM_REFRESH, a FLUSH that is no text */
/* s->statement was set by prepared.c: runs it with all that precedes a statement. */
void statement_start_prepared(struct session *s);
bool statement_is_system_schema(const char *name);
bool statement_is_call(const struct session *s); /* of a procedure: it answers with any number of results */
/* Where it can be the default schema (the servers' own: on the default server), or -1. */
int statement_backend_of_schema(const struct session *s, const char *name);
int statement_home(const struct session *s); /* the default schema's server, else the default server */
/* Runs s->statement, whose implicit commit has been done where it needed one. */
void statement_run(struct session *s);
void statement_context(struct session *s, struct sql_context *ctx);
bool statement_is_anywhere(const struct session *s); /* it names nothing that lives on one server */
int statement_anywhere(const struct session *s);     /* where such a statement runs */
/* Where a statement runs: backend index, or -1 after an error was answered. */
int statement_route(struct session *s);

/* --- probe.c --- */
/* Has a server read s->statement without running it. What it cannot parse is answered; else `then` is called. */
void probe_statement(struct session *s, void (*then)(struct session *s));

/* --- target.c: a server made ready for the next command --- */
/* Gets a connection to `backend`, brings settings and schema there, then calls on_target with s->servers[backend].conn fit to
 * take it. Errors are answered here. In a transaction (in_tx) the branch is begun by target_begin_branch inside on_target. */
void target_prepare(struct session *s, int backend, bool in_tx, void (*on_target)(struct session *s));
/* Queues what must precede the statement in the same write: autocommit, SET TRANSACTION, XA START, savepoints. */
void target_begin(struct session *s);
/* The same for what is no transaction of its own (SET, the arguments of a CALL): it runs where it happens to be. */
void target_begin_aside(struct session *s);
struct backend_conn *target_conn(struct session *s);
void target_go_on(struct session *s); /* what target_prepare waited for is there */
/* What goes out before the statement, in one write with it; a failure is the statement's. */
void target_send_first(struct session *s, const char *text);
void target_send_schema(struct session *s, const char *schema);
void target_release_all(struct session *s);
void target_cancel(struct session *s);
void target_idle(struct session *s); /* the statement is over, whatever it waited for */
/* The statement waits for its server no more. False: it did not wait. */
bool target_stop_waiting(struct session *s);
/* What a KILL could not end: its connections are closed, the transaction there is lost. */
void target_give_up(struct session *s, const char *why);
/* The connection is not the session's any more: what was known of it is forgotten. Returns it. */
struct backend_conn *target_forget(struct session_server *server);
void target_drop(struct session_server *server, const char *why); /* likewise, and it is closed */
/* For sinks of commands that the statement under way waits for (arg: the session). */
void target_on_lost(void *arg, const char *why);
/* One of the commands counted in setup_pending was answered; before that: by an error that the statement shall get. */
void target_setup_answered(struct session *s);
void target_setup_failed(struct session *s, const struct backend_outcome *outcome);

/* --- sharing.c: connections that may serve other sessions meanwhile --- */
void sharing_park(struct session *s); /* the session rests: what holds nothing may be taken */
void sharing_released(struct session_server *server); /* the last of the commands under way there was answered */
void sharing_take_back(struct session_server *server); /* before its connection is used; no effect when it is not parked */
/* A statement was answered there: what keeps the connection from now on, or no longer. */
void sharing_note(struct session *s, struct session_server *server, const struct backend_outcome *outcome);
/* Queues what the new connection must be told for the session; counts in setup_pending through `send`. */
void sharing_replay(struct session *s, struct session_server *server,
                    void (*send)(struct session *s, struct backend_conn *conn, struct buf *text));
bool sharing_waits(const struct session *s); /* for answers of a taken connection: goes on by itself when they are there */
void sharing_answered(struct session *s); /* some of them are there */
/* Its connection is gone: the next statement is told what went with it. True: it has been told now, by an error. */
void sharing_note_lost(struct session_server *server, unsigned holds);
bool sharing_tells_lost(struct session *s);
void sharing_forget(struct session_server *server); /* the session is reset, or ends: what was remembered goes */

/* --- relay.c --- */
/* Sends one command to the target and passes its answer to the client; then on_done (after the last frame went to the
 * client's buffer), which completes the statement with relay_finish. */
void relay_send(struct session *s, enum wire_response_kind kind, const void *payload, size_t len,
                void (*on_done)(struct session *s, const struct backend_outcome *outcome));
void relay_query(struct session *s, struct slice text, void (*on_done)(struct session *, const struct backend_outcome *));
void relay_sent(struct session *s, bool first);
void relay_on_gone(struct session *s, const char *why); /* the target's connection died */

/* --- columns.c: the EOF between columns and rows --- */
void columns_first_row(struct session *s); /* before its header is written to columns_out */
struct buf *columns_out(struct session *s);
void columns_end(struct session *s, uint16_t status, uint16_t warnings); /* of the result, before its end is written */
void columns_break(struct session *s); /* the same before an error */
void columns_forget(struct session *s);
void columns_on_turn(struct net_deferred *d);

/* --- attributes.c --- */
void attributes_take(struct session *s, struct slice said);

/* --- tracking.c: what OK packets say of the session --- */
bool tracking_is_setting(const char *name); /* one of session_track_* that servers are not sent as it is */
/* False: no value for it. What servers must be set to for it is appended to for_server, without "SET ". */
bool tracking_plan(const struct session *s, const struct sql_set *set, struct buf *for_server);
void tracking_adopt(struct session *s, const struct sql_set *set); /* it was planned, and accepted */
void tracking_note(struct session *s, struct slice block); /* what a server says of the client's statement */
/* The same as a sink's frame, for statements whose answer is not passed on. */
void tracking_on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len);
void tracking_autocommit(struct session *s); /* it was assigned */
void tracking_tx_ended(struct session *s);
/* For an OK packet to the client, valid until tracking_told, which says that it was written. */
struct slice tracking_block(struct session *s);
void tracking_told(struct session *s);
void tracking_free(struct session *s); /* as at its beginning, too */

/* --- load.c --- */
bool load_allowed(const struct session *s); /* the client offered its files, and its user may */
bool load_expected(const struct session *s); /* and the statement under way asks for one */
void load_begin(struct session *s, struct slice request); /* relay.c: the server asks */
void load_on_read(struct session *s);
void load_on_drained(struct backend_conn *conn);
bool load_server_gone(struct session *s, const char *why); /* true: a file is under way, and it is told behind it */
bool load_is_stuck(struct session *s); /* nothing came since this was asked last, though we read */

/* --- fanout.c --- */
/* One text to every server with an open branch; on_done when all have answered, s->fan tells how. False: there was none. */
bool fan_out(struct session *s, const char *text, void (*on_done)(struct session *s));

/* --- transaction.c --- */
void tx_begin(struct session *s, const struct sql_statement *begin); /* begin may be NULL: implicit, by autocommit=0 */
void tx_savepoint(struct session *s);
void tx_rollback_to(struct session *s);
void tx_release_savepoint(struct session *s);
/* A command finished on the target: what did it do to the branch? `wrote`: it may have written, whatever its tracker says. False:
 * its error (which the client has) ended the transaction; the session goes on by itself when that is done everywhere. */
bool tx_note(struct session *s, const struct backend_outcome *outcome, bool wrote);
/* The same of a question of our own within a statement. False: the error was passed on and ended the statement. */
bool tx_note_question(struct session *s, const struct backend_outcome *outcome);
/* The same of a statement, whose answer is out; completes it. */
void tx_statement_done(struct session *s, const struct backend_outcome *outcome);
/* True where a statement may not run because the transaction has failed; the error has been answered. */
bool tx_refuses(struct session *s);
const char *tx_gtrid(const struct session *s); /* "" without a transaction */

/* --- ending.c --- */
void tx_commit(struct session *s, enum session_after after);
void tx_rollback(struct session *s, enum session_after after);
void tx_client_gone(struct session *s);
void tx_server_gone(struct session *s, struct session_server *server, const char *why);

/* --- client_xa.c --- */
void client_xa_run(struct session *s); /* runs s->statement, an XA statement */
/* True where s->statement ends or begins a transaction besides the client's own XA one; the error has been answered. */
bool client_xa_refuses(struct session *s);
bool client_xa_elsewhere(struct session *s); /* true: it is on another server than the target; answered */
/* A statement on the target is over: is the XA transaction still there? */
void client_xa_note(struct session *s, const struct backend_outcome *outcome);
void client_xa_server_gone(struct session *s, const struct session_server *server);
void client_xa_forget(struct session *s); /* its connection is about to be closed: the server does what becomes of it */
void client_xa_end_lost(struct session *s); /* closes a session whose XA transaction went with its server */

/* --- prepared.c --- */
void prepared_prepare(struct session *s, struct slice text);
void prepared_execute(struct session *s);
void prepared_long_data(struct session *s);
void prepared_close(struct session *s);
void prepared_reset(struct session *s);
void prepared_fetch(struct session *s);
void prepared_free_all(struct session *s);
void prepared_server_gone(struct session_server *server); /* its connection is not the session's any more */
void prepared_command_over(struct session *s);
/* relay.c: the first packet of an answer to PREPARE; returns the client's id for it. */
uint32_t prepared_answered(struct session *s, const struct wire_prepare_ok *ok);
/* Instead of a text: EXECUTE of s->executing on the target, which is prepared there first where it is not. */
void prepared_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome));
int prepared_backend(const struct session *s);
/* relay.c: the column count of a result. True where it was written in another way, with definitions that the client lacks. */
bool prepared_tells_columns(struct session *s, const struct wire_count *count);

/* --- text_prepared.c --- */
void text_run(struct session *s); /* s->statement is PREPARE, EXECUTE, DEALLOCATE */
int text_backend(struct session *s); /* where s->executing_text runs; -1: the error was answered */
void text_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome));
void text_server_gone(struct session_server *server);
void text_command_over(struct session *s);
void text_free_all(struct session *s);

/* --- characteristics.c --- */
void characteristics_set(struct session *s); /* runs s->statement, a SET TRANSACTION */
void characteristics_set_access(struct session_characteristics *c, bool read_only);
void characteristics_add(struct session_characteristics *to,
                         const struct session_characteristics *more); /* what `more` says counts */
void characteristics_send(struct session *s, const struct session_characteristics *c); /* ahead of the statement */

/* --- variables.c --- */
void variables_set(struct session *s); /* runs s->statement, a SET */
void variables_reset(struct session *s); /* as a new session has them */

/* --- autocommit.c --- */
bool autocommit_answer(struct session *s); /* false: s->statement does not ask for it alone */

/* --- locks.c --- */
void locks_lock(struct session *s);   /* runs s->statement, a LOCK TABLES or FLUSH TABLES WITH READ LOCK */
void locks_unlock(struct session *s); /* UNLOCK TABLES */
bool locks_held(const struct session *s, int server); /* tables, by LOCK TABLES; on any server: -1 */
void locks_give_up(struct session *s); /* as BEGIN does and the next LOCK TABLES: but for the lock of FLUSH */

/* --- redis.c --- */
void redis_abandon(struct session *s); /* nobody waits for the CALL any more */
void redis_call_begin(struct session *s, const struct wire_param *params, unsigned n_params);
bool redis_waits_for_lock(const struct session *s);
/* KILL: answers where it waits for a lock. A command under way has its own timeout, behind which it waits no more. */
void redis_stop_waiting(struct session *s);

/* --- kill.c --- */
void kill_statement(struct session *s); /* runs s->statement, a KILL */
void kill_process(struct session *s, struct slice argument); /* COM_PROCESS_KILL */
bool kill_may(const struct config_user *who, const struct session *whose); /* also: see it */
void kill_command_begins(struct session *s);
void kill_statement_begins(struct session *s); /* each of a multi-statement */
void kill_command_over(struct session *s);
/* True: session_next will be called again when the KILLs that are on their way have been answered. */
bool kill_holds(struct session *s);
void kill_resume(struct session *s); /* a server is gone: perhaps it was all that held the session */
void kill_answered(struct session_server *server);
void kill_answer(struct session *s); /* 1317, as whoever is killed is told */
/* A server's word for a killed statement, where its deadline killed it. */
void kill_translate(const struct session *s, uint16_t *code, const char **sqlstate, const char **text);

/* --- processlist.c --- */
void processlist_show(struct session *s, bool full);
void processlist_state(const struct session *s, char *out, size_t size); /* what it does or waits for; "" = nothing */

#endif
