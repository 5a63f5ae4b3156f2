/* The arguments of a Redis CALL as a command: bytes, none of them NULL. Leaves reading them to call_args.c. */
#ifndef PROXY_SESSION_REDIS_ARGS_H
#define PROXY_SESSION_REDIS_ARGS_H

#include "compensate/argv.h"
#include "proxy/session/call_args.h"

struct redis_args {
    struct call_args args;
    char name[SQL_NAME_SIZE];
    struct comp_argv command; /* the command's name first; whole when nothing is open (any more) */
};

/* Zeroed before. 0, or a MySQL error code with `why` filled. CMD('X', ...) is X(...). */
uint16_t redis_args_read(struct redis_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                         char *why, size_t why_size);
/* Appends the arguments from the given one on to a command. 0, or 1048. */
uint16_t redis_args_append(const struct call_args *args, unsigned from, struct comp_argv *command, char *why, size_t why_size);
/* After what was open has been evaluated. 0, or an error code. */
uint16_t redis_args_complete(struct redis_args *a, char *why, size_t why_size);
void redis_args_fini(struct redis_args *a);

#endif
