/* A private redis-server for the tests of compensate/, reached over its socket, and the library's calls on it. */
#ifndef TESTS_UNIT_COMP_SERVER_H
#define TESTS_UNIT_COMP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "compensate/calls.h"

/* Starts $REDIS_SERVER (default redis-server) with a fresh data directory and loads the library; exits the test when it
 * cannot. */
void server_start(void);
/* The same with an append-only file that is complete before each reply; server_again starts it anew on what is left of it. */
void server_start_durable(void);
void server_crash(void);
void server_again(void);
const char *server_log_path(void); /* the file that commands are appended to */
void server_stop(void);
const char *server_socket(void); /* where it listens */

/* Replies are the caller's to free. A line is split at single spaces; "" stands for an empty argument. */
redisReply *server_call(const struct comp_argv *argv);
redisReply *server_line(const char *line);
void server_must(const char *line); /* an error reply ends the test */
long long server_integer(const char *line);
void argv_of_line(struct comp_argv *out, const char *line);

/* Calls in the name of a transaction of node "n", epoch 5. */
redisReply *tx_do(const char *gtrid, uint32_t seq, const char *line);
redisReply *tx_do_argv(const char *gtrid, uint32_t seq, const struct comp_argv *command);
redisReply *tx_end(const char *gtrid, enum comp_end_mode mode, uint32_t first, uint32_t last);
redisReply *tx_end_with(const char *gtrid, const struct comp_end *end);
redisReply *tx_vote(const char *gtrid, uint32_t acknowledged_to, uint32_t last, bool writing);

/* The class of a reply, which is freed. */
enum comp_reply reply_class(redisReply *r);

/* Everything a client can see of all keys but the library's own: type, content, TTL, one text. Caller frees. */
char *server_fingerprint(void);
/* How many keys of the library's own there are. */
long long server_leftovers(void);
/* Known data of every type, some of it with TTLs; everything else is removed. */
void server_seed(void);

#endif
