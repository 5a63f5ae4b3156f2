/* The inside of a connection, for the files of this folder only.
 *
 *   conn.c   opening -> (login.c: greeting, TLS, proof) -> (settings.c: our SETs) -> ready        death and burial
 *   replies.c   net->in -> frames -> sink of the oldest command
 */
#ifndef PROXY_BACKEND_IMPL_H
#define PROXY_BACKEND_IMPL_H

#include "proxy/backend/conn.h"
#include "proxy/wire/packet.h"

/* What the client is told when there is no connection. */
struct backend_error {
    uint16_t code;
    char sqlstate[6];
    char text[256];
};

/* The pool's ear. `died` comes at once and may only move things; the others come from the top of the loop or its end of
 * turn. */
struct backend_conn_events {
    void (*ready)(void *arg, struct backend_conn *c);  /* opened, or reset: settings are made */
    void (*died)(void *arg, struct backend_conn *c);   /* no more use, for whatever reason */
    void (*failed)(void *arg, struct backend_conn *c,
                   const struct backend_error *e);     /* it was never ready; then buried */
    void (*buried)(void *arg, struct backend_conn *c); /* last: its memory goes when this returns */
};

/* One command whose answer is awaited. */
struct backend_command {
    struct list link;
    enum wire_response_kind kind;
    const struct backend_sink *sink;
    void *arg;
    uint8_t reply_seq; /* sequence number that the answer's first packet carries */
    bool file;         /* its client may be asked for a file */
};

struct backend_login;

struct backend_conn_impl {
    struct backend_conn *conn;
    struct net_loop *loop;
    struct net_tls *tls;       /* borrowed from the pool; NULL = none configured */
    char *role, *role_said;    /* after log-in, as of now; NULL: none, or not asked */
    int autocommit_said;       /* in the session tracking of our settings; -1 = not */
    uint64_t client_caps;      /* the client's part of the capabilities: a key of the pool */
    const struct backend_conn_events *events;
    void *events_arg;
    struct backend_login *login; /* until log-in is done */
    struct net_timer deadline;   /* of opening, of resetting, of a ping */
    bool resetting, pinging, leaving;
    bool opened;               /* was ready once */
    bool dead;                 /* to be buried at the end of the turn */
    bool let_go;               /* its borrower wants no more callbacks */
    bool paused;
    char why[192];             /* of its death */
    struct backend_error error; /* of an opening that failed */
    struct net_deferred burial, reading;
    int64_t idle_since_ms;     /* pool's: idle or parked since */
    int64_t heard_ms;          /* pool's: of the last ping */
    bool announced;            /* pool's: on_open was called */
    bool served;               /* pool's: was lent once */
    uint16_t status;           /* server status of the last OK seen */

    struct list commands;      /* oldest first; the head's answer is coming in */
    unsigned n_commands;
    bool begun;                /* `response` belongs to the head */
    bool first;                /* of its packets none was seen yet */
    struct wire_response response;
    struct backend_outcome outcome;
    uint8_t next_seq;
    bool file_open, file_full; /* a file that it asked for is on its way; the last frame of that was a full one */
    struct {                   /* a frame of which more is to come */
        enum wire_packet_kind kind;
        uint32_t len, offset;
        bool open;
    } frame;
};

/* login.c: what a client says of itself, to be said of a connection that is opening; copied */
void backend_conn_say(struct backend_conn *c, struct slice attributes);
/* conn.c: starts opening; the answer comes as `ready` or `failed`, never from inside. */
struct backend_conn *backend_conn_open(struct net_loop *loop, struct backend *backend,
                                       const struct config_account *account, struct net_tls *tls, uint64_t client_caps,
                                       const struct backend_conn_events *events, void *arg);
/* Dead from now on: at the end of the turn sinks and owner hear of it or, where it never was ready, who waits for it
 * (1105). */
void backend_conn_died(struct backend_conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for one that is opening, with another code for the client; the text gets the backend's name in front. */
void backend_conn_failed(struct backend_conn *c, uint16_t code, const char *sqlstate, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* For backend_pools_free: closes and frees at once, without a callback but `buried`. */
void backend_conn_destroy(struct backend_conn *c);
void backend_conn_ready(struct backend_conn *c);
void backend_conn_start_deadline(struct backend_conn *c);
static inline bool backend_conn_alive(const struct backend_conn *c) { return !c->impl->dead; }

/* login.c */
struct backend_login *backend_login_new(void);
void backend_login_free(struct backend_login *l);
void backend_login_read(struct backend_conn *c); /* net->in grew */
void backend_login_tls(struct backend_conn *c);  /* TLS is up */

/* settings.c: sends our SETs, after a log-in or (with reset) after a COM_RESET_CONNECTION in the same write; then
 * ready. */
void backend_settings_send(struct backend_conn *c, bool reset);

/* replies.c */
void backend_replies_read(struct backend_conn *c); /* hands on what is in net->in, unless paused */

#endif
