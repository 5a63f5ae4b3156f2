/* A prepared statement of the client: shared by prepared.c, execute.c, long_data.c only. */
#ifndef PROXY_SESSION_PREPARED_H
#define PROXY_SESSION_PREPARED_H

#include "proxy/session/session.h"

#define PREPARED_LAST UINT32_MAX /* as an id: the one that was prepared last, for clients that do not wait for the answer */

/* One parameter's SEND_LONG_DATA. */
struct prepared_long {
    struct buf data;
    bool given; /* maybe of no bytes */
};

struct session_statement {
    uint32_t id; /* the client's */
    char *text;
    size_t len;
    struct sql_statement parsed; /* its slices point into text */
    int backend;                 /* -1: the proxy's own */
    bool anywhere;               /* names nothing of a server: it runs where the session was last */
    char prepared_in[SQL_NAME_SIZE]; /* the default schema of its PREPARE; "" = none */
    char schema[SQL_NAME_SIZE];  /* that of the connection it was prepared on, which its names are bound to */
    struct list use;             /* of its server's, least recently used first, while it is prepared there */
    struct backend_conn *conn;   /* where it is prepared; NULL: nowhere now */
    uint64_t generation;
    uint32_t backend_id;
    bool types_there;            /* the server has the types of the parameters */
    bool cursor_used;            /* it ran with one there */
    bool cursor_open;            /* an EXECUTE left a cursor with rows to fetch */
    unsigned n_params, n_columns;
    struct buf answers;          /* the session's own in its text, as it is prepared there */
    struct buf columns;          /* of a PREPARE on another connection, to be told to the client by this EXECUTE: packets
                                  * whose numbers are to be put in */
    unsigned params_left;        /* definitions of its parameters that come before them */
    struct buf types;            /* 2 bytes a parameter, of the last EXECUTE that sent them */
    struct prepared_long *long_data; /* by parameter; NULL: none since the last EXECUTE */
    size_t long_bytes;
    uint16_t long_error;         /* what the next EXECUTE is answered with; 0 = nothing wrong */
};

/* --- prepared.c --- */
/* Which statement the command under way names. */
struct session_statement *prepared_of_command(struct session *s, uint32_t *id);
void prepared_no_such(struct session *s, uint32_t id, const char *what); /* answers */
bool prepared_is_there(const struct session_statement *ps, const struct backend_conn *conn);
/* It was prepared on the target's connection just now, or is used there: the least recently used one is closed when there are
 * too many. */
void prepared_arrived(struct session *s, struct session_statement *ps, uint32_t backend_id);
void prepared_used(struct session *s, struct session_statement *ps);
void prepared_leave(struct session *s, struct session_statement *ps); /* closes it on its server */
/* Of COM_STMT_PREPARE; again: on the way to an EXECUTE. */
void prepared_payload(struct session *s, struct session_statement *ps, bool again, struct buf *payload);
/* What it asks of the session is the same still. */
bool prepared_is_current(struct session *s, const struct session_statement *ps);
void prepared_set_cursor(struct session *s, struct session_statement *ps, bool open);
bool prepared_refuses_more(struct session *s); /* the client has too many: answered */
bool prepared_has_bytes(const struct session *s, size_t more); /* within the limit of a client */

/* --- execute.c --- */
void prepared_executed(struct session *s, struct session_statement *ps); /* the command is over, however that went */
/* The command under way, with the server's id in the place of ours, to where the statement's cursor is. */
void prepared_relay(struct session *s, struct session_statement *ps, enum wire_response_kind kind,
                    void (*on_done)(struct session *s, const struct backend_outcome *outcome));

/* --- long_data.c: what SEND_LONG_DATA brought stays with the session until EXECUTE --- */
bool long_data_answer(struct session *s, struct session_statement *ps); /* true: it was bad, and the error is answered */
void long_data_send(const struct session_statement *ps); /* to its server, before the EXECUTE */
void long_data_given(const struct session_statement *ps, struct slice *given); /* n_params of them; at == NULL: not given */
void long_data_forget(struct session *s, struct session_statement *ps); /* RESET, or an EXECUTE has used it */

#endif
