/* The small packets of a server's answer, both directions: OK, ERR, EOF, columns, rows. Readers take a whole payload
 * and refuse what is cut short; slices point into it. Writers append a payload without its header. */
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
/* Payload with header 0x00 or 0xFE (DEPRECATE_EOF). caps = of the connection it came from or goes to: towards a
 * receiver without SESSION_TRACK the session block and its status bit are left out; towards one with it the bit follows
 * the block. */
bool wire_ok_read(struct slice payload, uint64_t caps, struct wire_ok *out);
void wire_ok_write(struct buf *payload, uint64_t caps, uint8_t header, const struct wire_ok *ok);
/* Whatever ends rows or answers simply, an OK or an EOF as caps and length say; an EOF leaves all but status and
 * warnings zero. */
bool wire_end_read(struct slice payload, uint64_t caps, struct wire_ok *out);
/* The packet that ends a result set's rows: an EOF, or with DEPRECATE_EOF an OK with header 0xFE. */
void wire_end_write(struct buf *payload, uint64_t caps, const struct wire_ok *ok);

/* What a session-state block says; absent parts stay empty. To be gathered over a whole response: MariaDB attaches it
 * to the first packet that fits, not to the last. Unknown types are skipped. Slices are lenenc contents. */
#define WIRE_TRACKED_MAX 32
struct wire_tracked {
    bool has_transaction;
    char transaction[9];        /* type 5: 8 characters, NUL */
    struct slice schema;        /* type 1; at == NULL: not said */
    struct slice gtids;         /* type 3 */
    struct slice characteristics; /* type 4: the statements that would start this transaction again; may be empty */
    bool state_changed;         /* type 2 says 1 */
    struct slice variables[WIRE_TRACKED_MAX]; /* type 0: name, value, name, value... */
    unsigned n_variables;       /* entries used, even */
    bool variables_lost;        /* there were more than fit: ask the server instead */
};
bool wire_tracked_read(struct slice session, struct wire_tracked *out);

struct wire_err {
    uint16_t code;
    char sqlstate[6];     /* "HY000" where the server sent none, as some do before log-in: give PROTOCOL_41 there too */
    struct slice message;
};
bool wire_err_read(struct slice payload, uint64_t caps, struct wire_err *out);
void wire_err_write(struct buf *payload, uint64_t caps, uint16_t code, const char *sqlstate, const char *message,
                    size_t len);

bool wire_eof_read(struct slice payload, uint16_t *warnings, uint16_t *status);
void wire_eof_write(struct buf *payload, uint16_t warnings, uint16_t status);

/* COM_STMT_PREPARE's first packet. */
struct wire_prepare_ok {
    uint32_t statement_id;
    uint16_t n_columns, n_params, warnings;
};
bool wire_prepare_ok_read(struct slice payload, struct wire_prepare_ok *out);
void wire_prepare_ok_write(struct buf *payload, const struct wire_prepare_ok *p);

/* The column count of a result set (MariaDB has no limit for those of no table): follows = the definitions come behind it, which
 * is always so without CACHE_METADATA. */
#define WIRE_COLUMNS_MAX 0xFFFFFFu
struct wire_count {
    uint32_t n; /* 1 .. WIRE_COLUMNS_MAX */
    bool follows;
};
bool wire_count_read(struct slice payload, uint64_t caps, struct wire_count *out);
void wire_count_write(struct buf *payload, uint64_t caps, const struct wire_count *count);

/* A column definition of our own result sets (Redis replies, admin). Catalog "def", no schema or table. */
struct wire_column {
    const char *name;
    enum wire_type type;
    uint16_t charset; /* collation id: 63 binary, 45 utf8mb4 */
    uint32_t length;
    uint16_t flags;
    uint8_t decimals;
};
void wire_column_write(struct buf *payload, uint64_t caps, const struct wire_column *column);
/* A server's column, but for its name; of NULL's type where the definition is malformed. */
struct wire_column wire_column_read(struct slice payload, uint64_t caps);
/* One row of our own result sets. Values come as text whatever the protocol; at == NULL is NULL. wire_row_binary turns
 * the text of a LONGLONG, LONG or DOUBLE column into its bytes (a text that is no number is our bug); all other types
 * travel as strings and must be declared so (VAR_STRING, STRING, BLOB, JSON, NEWDECIMAL). */
void wire_row_text(struct buf *payload, const struct slice *values, unsigned n);
void wire_row_binary(struct buf *payload, const struct wire_column *columns, const struct slice *values, unsigned n);

#endif
