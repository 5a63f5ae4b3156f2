/* Our own result sets, whole: packets with sequence numbers, text or binary rows, either way of ending. Used for Redis
 * replies and the admin listener. Leaves relayed results alone. */
#ifndef PROXY_WIRE_RESULTSET_H
#define PROXY_WIRE_RESULTSET_H

#include "proxy/wire/reply.h"

/* One result set being written; the caller keeps what is pointed at until wire_resultset_end. */
struct wire_resultset {
    struct buf *out;
    uint8_t *seq;                      /* next sequence number, moved on */
    uint64_t caps;                     /* the client's */
    bool binary;                       /* answer to COM_STMT_EXECUTE */
    const struct wire_column *columns;
    unsigned n_columns;                /* 1 .. 65535 */
};
/* Count and columns; status = server status for the EOF that may follow them. Then any number of rows, n_columns values
 * each, then the end. The final packet's status carries MORE_RESULTS where another result follows. */
void wire_resultset_begin(const struct wire_resultset *rs, uint16_t status);
void wire_resultset_row(const struct wire_resultset *rs, const struct slice *values);
void wire_resultset_end(const struct wire_resultset *rs, uint16_t status, uint16_t warnings);

/* The whole answer to a COM_STMT_PREPARE of ours: the ids, n_params definitions called "?", n_columns definitions. */
void wire_prepare_write(struct buf *out, uint8_t *seq, uint64_t caps, const struct wire_prepare_ok *prepared,
                        const struct wire_column *columns, uint16_t status);

/* A whole OK or ERR as one packet. */
void wire_ok_packet(struct buf *out, uint8_t *seq, uint64_t caps, const struct wire_ok *ok);
void wire_err_packet(struct buf *out, uint8_t *seq, uint64_t caps, uint16_t code, const char *sqlstate,
                     const char *fmt, ...)
    PRINTF_LIKE(6, 7);

#endif
