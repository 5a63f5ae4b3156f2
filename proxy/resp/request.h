/* What a Redis client sends, cut into commands: arrays of bulk strings, or a line of words as a person types it. Bytes come in
 * any pieces; limits hold before anything is allocated for what was announced. Leaves what a command means to others. */
#ifndef PROXY_RESP_REQUEST_H
#define PROXY_RESP_REQUEST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/check.h"
#include "compensate/argv.h"

struct resp_limits {
    size_t args;  /* of one command */
    size_t bulk;  /* bytes of one argument */
    size_t line;  /* bytes of a line: an inline command, or what announces an array or an argument */
    size_t total; /* bytes of all arguments of one command */
    bool strange; /* nobody has logged in yet: said in the error, as Redis does */
};

struct resp_request { /* zeroed: nothing has come yet */
    struct comp_argv argv;
    size_t awaited; /* arguments of an array that have not come */
    size_t bulk;    /* bytes of the argument that is coming */
    bool in_bulk;
    char why[48];   /* an error that names a byte */
    bool complete;  /* argv was handed out; it goes with the next read */
};
void resp_request_fini(struct resp_request *r);

enum resp_parsed {
    RESP_PARTIAL, /* more bytes are needed */
    RESP_COMMAND, /* argv is a command of at least one argument, until the next read */
    RESP_BROKEN,  /* *why is the error to send before closing; nothing more may be read */
};
/* Consumes from `in` what it understood; what it leaves is needed again with more behind it. Empty lines and arrays are passed
 * over. */
enum resp_parsed resp_request_read(struct resp_request *r, struct buf *in, const struct resp_limits *limits,
                                   const char **why) MUST_USE;

#endif
