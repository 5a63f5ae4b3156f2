/* The door to libmysqlclient: one blocking connection to one server, and a statement with its answer at a time. Serves MariaDB's
 * Connector/C and MySQL's own library alike; leaves what is asked and what the answer means to its callers. */
#ifndef PROXY_RESOLVER_SERVER_H
#define PROXY_RESOLVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "actions/action.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/cursor.h"
#include "proxy/config/config.h"

struct server;

void server_library_init(void); /* once, before any thread */
void server_thread_end(void);   /* by each thread that used a server, at its end */

/* Whether the certificate's name will be compared with tls_name: not where that is neither the address nor resolves to it, since
 * both libraries compare it with what they connect to alone. Its issuer is checked all the same. */
bool server_name_checked(const struct config_backend *config);
/* As the account of the resolver; encrypted and verified as the row says. Statements may take commit_timeout. NULL with `why`
 * filled. */
struct server *server_open(const struct config_backend *config, char *why, size_t why_size) MUST_USE;
void server_close(struct server *s); /* NULL is allowed */
uint64_t server_connection_id(const struct server *s);
int64_t server_opened_ms(const struct server *s); /* wall clock */
uint8_t server_charset(const struct server *s); /* of its greeting: the low byte of its default collation */
int server_socket(const struct server *s);

/* One row; a value is NULL (at == NULL) or bytes. Valid during the call. */
typedef void server_row_fn(void *arg, const struct slice *value, unsigned n);

/* 0: done, each row was handed to `row` (NULL: dropped). Else the error's number, and server_error its text; where the
 * connection was lost (server_lost) nobody knows whether the statement was executed, and only server_close is left to do. */
uint16_t server_ask(struct server *s, const char *sql, server_row_fn *row, void *arg) MUST_USE;
uint16_t server_askf(struct server *s, server_row_fn *row, void *arg, const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_USE;
bool server_lost(const struct server *s);
const char *server_error(const struct server *s); /* of the last statement */

/* A statement of a user, with as many arguments as it has question marks (none: sent as a text); results are dropped. Answers as
 * server_ask does. */
uint16_t server_execute(struct server *s, struct slice text, const struct action_value *args, uint32_t n) MUST_USE;
uint64_t server_affected(const struct server *s);     /* rows, by the last text */
/* Variables, locks, temporary tables, an open transaction: as after the log-in. An error's number, or 0. */
uint16_t server_reset(struct server *s) MUST_USE;

/* The first value of the first row as text; "" where there is none. False: not answered. */
bool server_value(struct server *s, const char *sql, char *out, size_t out_size) MUST_USE;

#endif
