/* What the programs about redis share: a private server, its resources under several names, a function library of the
 * test's own. */
#ifndef TESTS_UNIT_REDIS_SIDE_H
#define TESTS_UNIT_REDIS_SIDE_H

#include "tests/unit/unit.h"

#include <hiredis/hiredis.h>

#include "compensate/argv.h"
#include "proxy/redis/resource.h"

enum side_resource {
    SIDE_MAIN,
    SIDE_LOGIN,     /* user, password, another database */
    SIDE_WRONG,     /* a wrong password */
    SIDE_NARROW,    /* one connection */
    SIDE_NOWHERE,   /* nobody listens */
    SIDE_LIAR,      /* port set by the test */
    SIDE_RESOURCES
};
extern struct config side_config;
extern struct redis_resources side_resources;
extern struct redis_options side_options;

/* Starts the server. 0, or what main returns: 77 where this machine has none. */
int side_start(void);
void side_stop(void);
int side_server(const char *verb);
/* With a plain client of hiredis, outside of what is tested: one command of words, its reply as text. */
const char *side_cli(const char *command);

/* A list of words made from NUL-terminated ones; the last is NULL. Valid until the next call. */
const struct comp_argv *side_words(const char *first, ...) __attribute__((sentinel));

#endif
