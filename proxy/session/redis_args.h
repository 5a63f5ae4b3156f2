/* The arguments of a Redis CALL as bytes: literals and parameters at once, everything else after a server has evaluated it in one
 * SELECT. Leaves sending that SELECT to redis.c. */
#ifndef PROXY_SESSION_REDIS_ARGS_H
#define PROXY_SESSION_REDIS_ARGS_H

#include "compensate/argv.h"
#include "proxy/sql/classify.h"
#include "proxy/wire/params.h"

struct redis_args {
    struct comp_argv command; /* the command's name first; empty strings where a value is still to come */
    struct buf select;        /* "SELECT a, b" of what a server must evaluate; empty: nothing */
    unsigned n_open;
    struct buf row;           /* its answer: the one row as it came */
    bool has_row;
    uint16_t open[SQL_MAX_ARGUMENTS]; /* which arguments of `command` its columns are */
};

/* Zeroed before. 0, or a MySQL error code with `why` filled. CMD('X', ...) is X(...). */
uint16_t redis_args_read(struct redis_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                         char *why, size_t why_size);
void redis_args_take_row(struct redis_args *a, struct slice row);
/* After the SELECT was answered without an error: fills the values in. 0, or an error code. */
uint16_t redis_args_complete(struct redis_args *a, char *why, size_t why_size);
void redis_args_fini(struct redis_args *a);

#endif
