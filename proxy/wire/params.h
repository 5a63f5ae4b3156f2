/* COM_STMT_EXECUTE: its parameters as text for our own CALLs, and its rewriting for another connection. A driver sends
 * the types only at the first execute of a statement, so that whoever moves a statement must remember them. Leaves the
 * statement table to session/. Source: MySQL internals manual, "COM_STMT_EXECUTE". */
#ifndef PROXY_WIRE_PARAMS_H
#define PROXY_WIRE_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "proxy/wire/protocol.h"

/* The command taken apart; slices point into it. */
struct wire_execute {
    uint32_t statement_id;
    uint8_t flags;          /* 0, or the kind of cursor asked for */
    uint32_t iterations;    /* always 1 */
    struct slice nulls;     /* (n + 7) / 8 bytes, bit 0 = first parameter; at == NULL when n is 0 */
    bool types_sent;
    struct slice types;     /* 2 bytes a parameter: type, then 0x80 for unsigned; to be remembered when types_sent */
    struct slice values;    /* those that are neither NULL nor given as long data, one after another */
};
/* payload with its command byte; n = the statement's parameters. false: cut short. */
bool wire_execute_read(struct slice payload, unsigned n, struct wire_execute *out);
/* The same command for statement_id on any connection, types always included. types: the remembered ones, 2 * n bytes;
 * those of `e` itself where types_sent. */
void wire_execute_write(struct buf *payload, const struct wire_execute *e, uint32_t statement_id, struct slice types);

/* MariaDB's COM_STMT_BULK_EXECUTE, likewise: the rows are not looked into. */
struct wire_bulk {
    uint32_t statement_id;
    uint16_t flags;
    bool types_sent;        /* one of the flags says so */
    struct slice types, rows;
};
bool wire_bulk_read(struct slice payload, unsigned n, struct wire_bulk *out);
void wire_bulk_write(struct buf *payload, const struct wire_bulk *b, uint32_t statement_id, struct slice types);

/* COM_STMT_SEND_LONG_DATA, command byte included. */
struct wire_long_data {
    uint32_t statement_id;
    uint16_t param;
    struct slice data;
};
bool wire_long_data_read(struct slice payload, struct wire_long_data *out);

enum wire_param_class {
    WIRE_PARAM_NULL,
    WIRE_PARAM_NUMBER, /* an SQL literal as it stands: integers, floats, decimals */
    WIRE_PARAM_TEXT,   /* bytes; quoted by whoever builds SQL: strings, blobs, dates, times, JSON */
};
struct wire_param {
    enum wire_param_class class;
    struct slice text; /* at == NULL only for NULL */
};
/* Decodes all n parameters. long_data: NULL, or n slices of which those with at == NULL were not given. Text that had
 * to be made is appended to `scratch`; the results point there, into the payload, or into long_data, and are valid
 * while these stay. false: values do not match the types, an unknown type, or `types` is not of n parameters. */
bool wire_params_read(const struct wire_execute *e, struct slice types, const struct slice *long_data, unsigned n,
                      struct wire_param *out, struct buf *scratch);

#endif
