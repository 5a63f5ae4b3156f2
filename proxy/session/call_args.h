/* The arguments of a CALL that the proxy answers itself: literals and parameters at once, everything else after a server has
 * evaluated it in one SELECT. Leaves sending that SELECT to call_evaluate.c, and what the values mean to whoever is called. */
#ifndef PROXY_SESSION_CALL_ARGS_H
#define PROXY_SESSION_CALL_ARGS_H

#include "proxy/sql/classify.h"
#include "proxy/wire/params.h"

struct call_value {
    bool null;
    bool number;        /* written as one, or of a number's type */
    bool open;          /* the next column of `row` */
    size_t offset, len; /* in `row` where it was open, else in `bytes` */
};

/* Zeroed before. */
struct call_args {
    unsigned n, n_open;
    struct buf values; /* struct call_value, n of them */
    struct buf bytes;
    struct buf select; /* "SELECT a, b" of what a server must evaluate; empty: nothing */
    struct buf types;  /* of its columns, as they come: a byte each (enum wire_type) */
    struct buf row;    /* its one row */
    bool has_row;
};

/* 0, or a MySQL error code with `why` filled. */
uint16_t call_args_read(struct call_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                        char *why, size_t why_size);
void call_args_take_type(struct call_args *a, uint8_t type);
void call_args_take_row(struct call_args *a, struct slice row);
/* After the SELECT was answered without an error: fills the values in. 0, or an error code. */
uint16_t call_args_complete(struct call_args *a, char *why, size_t why_size);
const struct call_value *call_args_value(const struct call_args *a, unsigned i);
struct slice call_args_at(const struct call_args *a, unsigned i); /* at == NULL: NULL, or not known yet */
void call_args_fini(struct call_args *a);

struct session;
/* --- call_evaluate.c --- */
/* Has what is open evaluated where the session's statements run, then calls `then` with the arguments complete; errors are
 * answered. The arguments must live until then, or until call_evaluate_abandon. */
void call_evaluate(struct session *s, struct call_args *a, void (*then)(struct session *s));
void call_evaluate_abandon(struct session *s);

#endif
