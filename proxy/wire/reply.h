/* The small packets of a server's answer, both directions: OK, ERR, EOF, columns, rows. */
#ifndef PROXY_WIRE_REPLY_H
#define PROXY_WIRE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "proxy/wire/protocol.h"

struct wire_ok {
    uint64_t affected_rows, last_insert_id;
    uint16_t status, warnings;
    struct slice info;           /* human text; may be empty */
    struct slice session;        /* session-state block, undecoded; empty where none */
};
/* Payload with header 0x00 or 0xFE (DEPRECATE_EOF). caps = of the connection it came from or goes to. */
bool wire_ok_read(struct slice payload, uint32_t caps, struct wire_ok *out);
void wire_ok_write(struct buf *payload, uint32_t caps, uint8_t header, const struct wire_ok *ok);

/* What a session-state block says; absent parts stay empty. Gathered over a whole response: call for each OK. */
struct wire_tracked {
    bool has_transaction;
    char transaction[9];        /* type 5: 8 characters, NUL */
    struct slice schema;        /* type 1; at == NULL: not said */
    struct slice variables[16]; /* type 0 pairs name, value, name, value... undecoded lenenc contents */
    unsigned n_variables;       /* entries used, even */
};
bool wire_tracked_read(struct slice session, struct wire_tracked *out);

struct wire_err {
    uint16_t code;
    char sqlstate[6];
    struct slice message;
};
bool wire_err_read(struct slice payload, uint32_t caps, struct wire_err *out);
void wire_err_write(struct buf *payload, uint32_t caps, uint16_t code, const char *sqlstate, const char *message, size_t len);

bool wire_eof_read(struct slice payload, uint16_t *warnings, uint16_t *status);
void wire_eof_write(struct buf *payload, uint16_t warnings, uint16_t status);

/* COM_STMT_PREPARE's first packet. */
struct wire_prepare_ok {
    uint32_t statement_id;
    uint16_t n_columns, n_params, warnings;
};
bool wire_prepare_ok_read(struct slice payload, struct wire_prepare_ok *out);
void wire_prepare_ok_write(struct buf *payload, const struct wire_prepare_ok *p);

/* A column definition of our own result sets (Redis replies, admin). Catalog "def", no schema or table. */
struct wire_column {
    const char *name;
    enum wire_type type;
    uint16_t charset; /* collation id: 63 binary, 45 utf8mb4 */
    uint32_t length;
    uint16_t flags;
    uint8_t decimals;
};
void wire_column_write(struct buf *payload, const struct wire_column *column);
/* A value of our own rows. at == NULL: NULL. Text rows take the text; binary rows take LONGLONG as 8 bytes little-endian text form
 * is converted by wire_row_binary for the column's type (LONGLONG, DOUBLE, VAR_STRING, BLOB). */
void wire_row_text(struct buf *payload, const struct slice *values, unsigned n);
void wire_row_binary(struct buf *payload, const struct wire_column *columns, const struct slice *values, unsigned n);

#endif
