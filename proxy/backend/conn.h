/* One connection to a server on a worker's loop: log-in, pipelined commands, replies handed on as they come. Its state
 * is the list it is on (pool.h). Leaves meaning of replies to session/ and xa/. */
#ifndef PROXY_BACKEND_CONN_H
#define PROXY_BACKEND_CONN_H

#include "base/list.h"
#include "proxy/backend/backend.h"
#include "proxy/net/conn.h"
#include "proxy/wire/response.h"

struct backend_conn;

/* System variables whose change a server reports, whoever makes it: a SET, a procedure, a trigger. Both families know them.
 * X(name) */
#define BACKEND_TRACKED(X) \
    X(autocommit) X(character_set_client) X(character_set_connection) X(character_set_results) X(collation_connection) \
    X(time_zone) X(sql_mode) X(lc_time_names) X(foreign_key_checks) X(unique_checks) X(group_concat_max_len) \
    X(sql_safe_updates) X(sql_select_limit)
enum backend_tracked {
#define X(name) BACKEND_TRACKED_##name##_BIT,
    BACKEND_TRACKED(X)
#undef X
    BACKEND_N_TRACKED
};
const char *backend_tracked_name(enum backend_tracked which);

/* What a finished command came to: of the last OK / EOF / ERR; what trackers said is gathered over the whole response.
 * */
struct backend_outcome {
    uint16_t error;        /* 0 = OK */
    char sqlstate[6];
    char message[256];     /* of the error, cut */
    uint16_t status;       /* server status of the last OK */
    uint16_t warnings;
    uint64_t affected_rows, last_insert_id;
    bool had_rows;         /* a result set began (it may be empty) */
    bool has_tracker;      /* a type 5 tracker was seen anywhere in the response */
    char tracker[9];       /* the last one */
    bool saw_write;        /* a w or W in any of them */
    bool schema_changed;   /* the connection's `schema` is what the server said last */
    unsigned changed;      /* bits by enum backend_tracked: variables that were assigned */
    bool state_changed;    /* anything of the server-side session: also user variables, temporary tables, the schema */
};

/* One command's answer, as it comes. `frame`: a packet's payload or a part of it (`offset` counts, the last part has
 * offset + part.len == frame_len; a row up to BACKEND_WHOLE bytes and everything that is not a row or column comes
 * whole; an empty payload comes once with part.len 0). `done` comes once per command, after its last frame; the
 * connection may be given back or used again from inside any of them. `lost` comes instead of `done` when the
 * connection died before the answer was whole: for every command still in the queue, oldest first. From `lost` on the
 * connection serves nobody: letting go of it (release or close) is allowed and not needed, it is freed by itself. NULL
 * members are not called. */
struct backend_sink {
    void (*frame)(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len);
    void (*done)(void *arg, const struct backend_outcome *outcome);
    void (*lost)(void *arg, const char *why);
};
#define BACKEND_WHOLE 65536u

enum backend_xa { BACKEND_XA_NONE, BACKEND_XA_ACTIVE, BACKEND_XA_IDLE, BACKEND_XA_PREPARED };

struct backend_conn {
    struct list link;               /* pool's lists */
    struct backend *backend;
    const struct config_account *account;
    struct net_conn *net;           /* NULL once the connection is dead */
    uint64_t caps;                  /* negotiated */
    uint64_t connection_id;         /* the server's */
    int64_t opened_ms;              /* wall clock at its greeting; another connection may get that number later */
    char version[64];               /* the server's */
    bool touched; /* in the transaction or branch that is open there a table was read or written */
    bool mariadb;
    /* Tracked state of the server-side session. Whoever sends what changes it, writes it here. Set by us after log-in
     * and after each reset: autocommit as the server says, charset utf8mb4_general_ci; the schema outlives a reset. */
    bool autocommit;
    bool transaction_said;          /* a SET TRANSACTION may wait there for the next one: its statement failed */
    char schema[193];               /* "" = none; 64 characters of 3 bytes; what the server says of it is written by itself */
    unsigned schemas_seen;          /* the backend's schemas_changed when the schema was entered */
    unsigned globals_seen;          /* the backend's globals_changed when its session began or was reset */
    uint16_t charset;               /* collation id in force */
    bool ansi_quotes, no_backslash_escapes; /* of its sql_mode, as it reports itself */
    char client_charset[32];        /* character_set_client, likewise */
    enum backend_xa xa;
    bool dirty;                     /* holds session state: reset before another session uses it */
    bool role_changed;              /* which no reset takes back: closed instead of lent again */
    bool role_in_doubt;             /* a routine may have: after the next reset it is asked for */
    bool pinged;                    /* by its pool while it was parked, which leaves another ROW_COUNT() there */
    bool broken;                    /* protocol trouble or dead: close, never pool */
    uint64_t logged_at;             /* position in the log of the record of this connection; 0 = none */
    uint64_t statement_generation;  /* of prepared statements: grows at every reset */
    /* The borrower's: set them when the connection comes in on_ready; the pool clears them when it goes back. on_gone:
     * the connection died while lent, whether or not commands were under way; it comes once, after every `lost`, and
     * not when the borrower let go before. Fields may still be read inside; afterwards the connection is freed. */
    void *owner;
    void (*on_gone)(struct backend_conn *c, const char *why);
    void (*on_drained)(struct backend_conn *c); /* what was too much for the server is out; NULL: nobody asks */
    void (*on_taken)(struct backend_conn *c); /* while parked (pool.h): somebody else gets it */
    struct backend_conn_impl *impl;
};

/* Queues one command (payload without header) behind those under way and marks the socket for writing at the end of the
 * turn: all that is sent in a turn is one write. sink/arg stay valid until done or lost. kind tells how its answer is
 * shaped. COM_QUIT, COM_STMT_CLOSE and SEND_LONG_DATA have no answer: use backend_send_silent. On a connection that has
 * just died the command is `lost` before the turn ends. */
void backend_send(struct backend_conn *c, enum wire_response_kind kind, const void *payload, size_t len,
                  const struct backend_sink *sink, void *arg);
void backend_send_silent(struct backend_conn *c, const void *payload, size_t len);
void backend_send_query(struct backend_conn *c, const char *text, size_t len, const struct backend_sink *sink,
                        void *arg);
/* Enters a schema, as the server has it now. The answer is of one command. */
void backend_enter_schema(struct backend_conn *c, const char *schema, const struct backend_sink *sink, void *arg);
/* Was one of the server's schemas altered since? Then what the connection knows of its own may be old. */
bool backend_schema_old(const struct backend_conn *c);
/* LOAD DATA LOCAL. The command sent last may make the server ask for a file (a frame WIRE_PACKET_INFILE): then its frames go out
 * by backend_file_head and backend_file_bytes, the last one empty, and its answer goes on. From any other command that is a
 * death. */
void backend_allow_file(struct backend_conn *c);
void backend_file_head(struct backend_conn *c, uint32_t len);
void backend_file_bytes(struct backend_conn *c, const void *bytes, size_t n);
/* The server does not take it fast enough: go on at on_drained. */
bool backend_file_full(const struct backend_conn *c);

bool backend_conn_idle(const struct backend_conn *c); /* nothing under way */
bool backend_conn_in_trans(const struct backend_conn *c); /* as the server said last */

/* Stops and resumes handing on what comes from the server: the client's slowness becomes the server's. No frame comes
 * while paused, and none from inside backend_resume. Calls do not nest; a connection that goes back to the pool is
 * resumed. */
void backend_pause(struct backend_conn *c);
void backend_resume(struct backend_conn *c);

/* From now on all commands under way are somebody else's, who waits for no file and is not slow. */
void backend_conn_answer_to(struct backend_conn *c, const struct backend_sink *sink, void *arg);

/* Closes at once; commands under way are forgotten without a callback. `why` goes to the log and a counter. */
void backend_conn_close(struct backend_conn *c, const char *why);

#endif
