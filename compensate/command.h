/* What a Redis command is to a transaction: read, write that can be taken back, or refused, with its keys. The rows are in
 * commands.def; how a write is taken back is the business of library/, of which the row names a handler. */
#ifndef COMPENSATE_COMMAND_H
#define COMPENSATE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "compensate/argv.h"

enum comp_class {
    COMP_CLASS_READ,    /* changes nothing; plainly or through comp_call_get */
    COMP_CLASS_WRITE,   /* can be taken back: comp_call_do, outside a transaction comp_call_run */
    COMP_CLASS_OUTSIDE, /* refused in a transaction, sent as it is outside one */
    COMP_CLASS_REFUSED, /* never */
};

/* How the reply is shown as a result set. */
#define COMP_SHAPES(X) \
    X(INTEGER, "reply BIGINT; a bulk string is an integer beyond 2^53 as text") \
    X(STATUS, "reply: OK and the like, or nil") \
    X(BULK, "reply: one string or nil") \
    X(LIST, "i, value: a row for each element") \
    X(PAIRS, "field, value: two elements a row") \
    X(SCORES, "member, score: two elements a row") \
    X(CURSOR, "cursor, value: the first element and a row for each of the second") \
    X(NESTED, "reply JSON") \
    X(OPTION, "in the table only: SCORES, PAIRS, NESTED or ANY by WITHSCORES, WITHVALUES, WITHCOORD ...") \
    X(ANY, "by what comes: integer, bulk, or a flat list; nested arrays as JSON")
enum comp_shape {
#define X(name, text) COMP_SHAPE_##name,
    COMP_SHAPES(X)
#undef X
};

struct comp_command {
    const char *name;       /* upper case; "XGROUP CREATE" for the parts of a container */
    int arity;              /* as Redis counts, the name included (the container's second word too); negative: at least */
    enum comp_class class;
    const char *handler;    /* of library/, for writes; a read has one if Redis takes it for a write */
    const char *keys;       /* see commands.def */
    enum comp_shape shape;
    const char *reason;     /* for refusals: completes "... cannot be used in a transaction: " */
    int timeout;            /* of a write that waits: the argument that says how long, 0 = the last; negative: it does not wait */
};

#define COMP_MAX_KEYS 1024
#define COMP_MAX_ARGS 4000 /* Lua cannot unpack more than about 8000 values */

struct comp_command_use {
    const struct comp_command *row;
    enum comp_class class;
    enum comp_shape shape;  /* the row's, or what an option makes of it (WITHSCORES, WITHVALUES, INCR, COUNT) */
    bool waits;             /* a reply COMP_REPLY_EMPTY: to be asked again until `timeout_ms` is over, then the answer is nil */
    int64_t timeout_ms;     /* 0 = for ever */
    uint16_t slot;          /* of all keys: COMP_SLOT_ALONE, unless comp_command_slot has looked */
    unsigned n_written;     /* the first of `key` are written, the others only read; duplicates stay */
    unsigned n_keys;
    uint16_t key[COMP_MAX_KEYS]; /* index of the argument */
};

struct comp_refusal {
    unsigned code;          /* MySQL error number */
    char sqlstate[6];
    char text[320];
};

/* Finds the row by name without regard to case; the second word may be absent. NULL: no such command. */
const struct comp_command *comp_command_find(struct slice name, struct slice second);
/* It may write what it declares. One that declares nothing is looked at as closely: a write without keys. */
bool comp_command_is_script(const struct comp_command *row);
bool comp_command_reads_by_script(const struct comp_command *row); /* the _RO forms; NULL: no */
/* The command with its name as argument 0. False: `why` says it as an SQL error (1305 unknown, 1318 wrong count, 1235
 * refused). */
bool comp_command_check(const struct comp_argv *command, bool in_transaction, struct comp_command_use *use,
                        struct comp_refusal *why) MUST_USE;
/* It may be done after the transaction, by comp_call_act: not what only means something within it, nor scripts, nor what the
 * table does not know. */
bool comp_command_can_wait(const struct comp_command_use *use);
/* XAINCR: it locks nothing. */
bool comp_command_counts(const struct comp_command_use *use);
/* Where the server is a cluster: fills in the slot. False: the keys are in several, or it would be about all nodes. */
bool comp_command_slot(const struct comp_argv *command, struct comp_command_use *use, struct comp_refusal *why) MUST_USE;
/* Every row, in the table's order; NULL behind the last. For SHOW, information_schema and tests. */
const struct comp_command *comp_command_row(size_t i);

#endif
