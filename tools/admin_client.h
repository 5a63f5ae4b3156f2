/* A connection to the admin listener over libmysqlclient, MariaDB's or MySQL's own. Leaves statements to xactl.c. */
#ifndef TOOLS_ADMIN_CLIENT_H
#define TOOLS_ADMIN_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "tools/rows_text.h"

struct admin_client_options {
    const char *host, *socket; /* one of them; the other NULL */
    unsigned port;
    const char *user, *password;
    const char *tls_ca, *tls_cert, *tls_key; /* PEM files; NULL: the system's CAs, no certificate of ours */
    bool tls_skip_verify;                    /* encrypts, but to whom it does not know */
    unsigned timeout_s;
};

enum admin_client_status {
    ADMIN_CLIENT_OK,
    ADMIN_CLIENT_REFUSED, /* the server says no */
    ADMIN_CLIENT_LOST     /* no connection, or it broke */
};

struct admin_client;
/* Never NULL. `error` is filled unless OK; admin_client_close it in either case. */
struct admin_client *admin_client_open(const struct admin_client_options *options, enum admin_client_status *status,
                                       struct buf *error);
/* One statement; `rows` stays without columns when it has no result. */
enum admin_client_status admin_client_run(struct admin_client *client, const char *sql, struct rows *rows,
                                          struct buf *error);
unsigned admin_client_error(struct admin_client *client); /* number of the last error; 0: none */
void admin_client_close(struct admin_client *client);
const char *admin_client_library(void); /* its version, for people */

#endif
