/* A prepared statement of the client: shared by prepared.c and execute.c only. */
#ifndef PROXY_SESSION_PREPARED_H
#define PROXY_SESSION_PREPARED_H

#include "proxy/session/session.h"

struct session_statement {
    uint32_t id; /* the client's */
    char *text;
    struct sql_statement parsed; /* its slices point into text */
    int backend;                 /* -1: the proxy's own */
    char schema[SQL_NAME_SIZE];  /* the default schema of its PREPARE, which its names are bound to */
    struct backend_conn *conn;   /* where it is prepared; NULL: nowhere now */
    uint64_t generation;
    uint32_t backend_id;
    bool types_there;            /* the server has the types of the parameters */
    bool cursor_there;           /* an EXECUTE left a cursor open */
    unsigned n_params, n_columns;
    struct buf types;            /* 2 bytes a parameter, of the last EXECUTE that sent them */
    bool long_sent;              /* SEND_LONG_DATA went to the server since the last EXECUTE */
    bool long_lost;              /* or to one that did not have the statement any more */
    struct buf *long_data;       /* the proxy's own statements: by parameter */
    bool *long_given;
};

struct session_statement *prepared_find(const struct session *s, uint32_t id); /* NULL: none */
void prepared_no_such(struct session *s, uint32_t id, const char *what); /* answers */
/* Which statement the command under way names; short_command: not even that. */
struct session_statement *prepared_of_command(struct session *s, uint32_t *id, bool *short_command);
void prepared_forget_long_data(struct session_statement *ps); /* RESET, or an EXECUTE has used it */
bool prepared_is_there(const struct session_statement *ps, const struct backend_conn *conn);
bool prepared_on_its_server(const struct session *s, const struct session_statement *ps);
void prepared_payload(const struct session_statement *ps, struct buf *payload); /* of COM_STMT_PREPARE */
/* The command as the client sent it, with the server's id in the place of ours. */
void prepared_patch(struct session *s, const struct session_statement *ps, struct buf *payload);
void prepared_relay(struct session *s, struct session_statement *ps, enum wire_response_kind kind); /* sends just that */

#endif
