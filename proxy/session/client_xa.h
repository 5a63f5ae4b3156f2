/* The XA transaction that a client has begun by itself, as far as the session must know of it: shared by client_xa.c and those
 * that tell it what became of its server. */
#ifndef PROXY_SESSION_CLIENT_XA_H
#define PROXY_SESSION_CLIENT_XA_H

#include "proxy/session/session.h"
#include "proxy/sql/xa.h"

/* One session's, from XA START to its end there, or to a PREPARE that detaches it. */
struct client_xa {
    int server;
    enum { CLIENT_XA_ACTIVE, CLIENT_XA_IDLE, CLIENT_XA_PREPARED } state;
    struct sql_xid xid;
    int64_t began_ms; /* on the loop's clock */
};

#endif
