/* One connection to a server on a worker's loop: log-in, pipelined commands, replies handed on as they come. Its state is the list it
 * is on (pool.h). Leaves meaning of replies to session/ and xa/. */
#ifndef PROXY_BACKEND_CONN_H
#define PROXY_BACKEND_CONN_H

#include "proxy/backend/backend.h"
#include "proxy/net/conn.h"
#include "proxy/wire/response.h"

struct backend_conn;

/* What a finished command came to: of the last OK / EOF / ERR. */
struct backend_outcome {
    uint16_t error;        /* 0 = OK */
    char sqlstate[6];
    char message[256];     /* of the error, cut */
    uint16_t status;       /* server status of the last OK */
    uint16_t warnings;
    uint64_t affected_rows, last_insert_id;
    bool had_rows;
    bool has_tracker;      /* a type 5 tracker was seen anywhere in the response */
    char tracker[9];       /* the last one */
    bool saw_write;        /* a w or W in any of them */
};

/* One command's answer, as it comes. `frame`: a frame or a part of one (rows may come in parts: `offset` counts, the last part
 * has offset + part.len == frame_len). `done` comes once per command, after its last frame; the connection may be given back
 * or used again from inside. `lost` comes instead when the connection died before the answer was whole: for every command
 * still in the queue, oldest first; the connection must be let go (backend_conn_free happens by itself). */
struct backend_sink {
    void (*frame)(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len);
    void (*done)(void *arg, const struct backend_outcome *outcome);
    void (*lost)(void *arg, const char *why);
};

enum backend_xa { BACKEND_XA_NONE, BACKEND_XA_ACTIVE, BACKEND_XA_IDLE, BACKEND_XA_PREPARED };

struct backend_conn {
    struct list link;               /* pool's lists */
    struct backend *backend;
    const struct config_account *account;
    struct net_conn *net;
    uint32_t caps;                  /* negotiated */
    uint64_t connection_id;         /* the server's */
    bool mariadb;
    int64_t opened_ms;
    /* Tracked state of the server-side session. Whoever sends what changes it, writes it here. */
    bool autocommit;
    char schema[65];
    uint16_t charset;               /* collation id in force */
    enum backend_xa xa;
    bool dirty;                     /* holds session state: reset before another session uses it */
    bool broken;                    /* protocol trouble: close, never pool */
    bool connection_logged;         /* xa_connection record appended */
    uint64_t statement_generation;  /* of prepared statements: grows at every reset */
    void *owner;                    /* session, or NULL */
    struct backend_conn_impl *impl;
};

/* Queues one command (payload without header) behind those under way and marks the socket for writing at the end of the turn.
 * sink/arg stay valid until done or lost. kind tells how its answer is shaped. COM_QUIT and COM_STMT_CLOSE and
 * SEND_LONG_DATA have no answer: use backend_send_silent. */
void backend_send(struct backend_conn *c, enum wire_response_kind kind, const void *payload, size_t len,
                  const struct backend_sink *sink, void *arg);
void backend_send_silent(struct backend_conn *c, const void *payload, size_t len);
void backend_send_query(struct backend_conn *c, const char *text, size_t len, const struct backend_sink *sink, void *arg);
bool backend_conn_idle(const struct backend_conn *c); /* nothing under way */

/* Stops and resumes reading from the server: the client's slowness becomes the server's. */
void backend_pause(struct backend_conn *c);
void backend_resume(struct backend_conn *c);

/* Closes at once; commands under way are forgotten without a callback. `why` goes to the log and a counter. */
void backend_conn_close(struct backend_conn *c, const char *why);

#endif
