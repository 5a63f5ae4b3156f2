/* The inside of a connection, for server.c and server_execute.c only. */
#ifndef PROXY_RESOLVER_SERVER_IMPL_H
#define PROXY_RESOLVER_SERVER_IMPL_H

#include <mysql.h>

#include "proxy/resolver/server.h"

struct server {
    MYSQL *mysql;
    int64_t opened_ms;
    bool lost;
    unsigned own_code;   /* of an error that was found on this side; 0 = the library's stands */
    char own_error[128];
};

/* Errors of the libraries themselves, never a server's: CR_MIN_ERROR .. CR_MAX_ERROR, and Connector/C's own above. */
#define IS_CLIENT_ERROR(code) (((code) >= 2000 && (code) < 3000) || (code) >= 5000)

#endif
