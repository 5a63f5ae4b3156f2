/* Where does a server's reply end? Watches packet headers and first bytes of one response; rows are never decoded.
 *
 *   COUNT -> COLUMNS -> (EOF) -> ROWS -> end or next result          OK / ERR end at once
 */
#ifndef PROXY_WIRE_RESPONSE_H
#define PROXY_WIRE_RESPONSE_H

#include "proxy/wire/reply.h"

enum wire_response_kind {
    WIRE_RESPONSE_QUERY,      /* COM_QUERY, COM_STMT_EXECUTE, COM_PROCESS_KILL ... : OK, ERR, result sets, LOCAL INFILE */
    WIRE_RESPONSE_PREPARE,    /* COM_STMT_PREPARE */
    WIRE_RESPONSE_FIELDS,     /* COM_FIELD_LIST: columns then EOF/OK */
    WIRE_RESPONSE_FETCH,      /* COM_STMT_FETCH: rows then EOF/OK */
    WIRE_RESPONSE_STATISTICS, /* one packet of text */
    WIRE_RESPONSE_SIMPLE,     /* OK, EOF or ERR: COM_PING, COM_INIT_DB, COM_RESET_CONNECTION, COM_SET_OPTION, COM_STMT_RESET */
};

enum wire_packet_kind {
    WIRE_PACKET_COUNT,        /* column count of a result set */
    WIRE_PACKET_COLUMN,       /* column or parameter definition */
    WIRE_PACKET_COLUMNS_EOF,  /* EOF between columns and rows, or after parameters: only without DEPRECATE_EOF */
    WIRE_PACKET_ROW,
    WIRE_PACKET_CONTINUED,    /* a further frame of the packet before (16 MiB splits) */
    WIRE_PACKET_OK,           /* ends a result; the response goes on when MORE_RESULTS is set in it */
    WIRE_PACKET_ROWS_END,     /* EOF, or OK with 0xFE: ends a result set's rows; likewise */
    WIRE_PACKET_ERR,
    WIRE_PACKET_PREPARE_OK,
    WIRE_PACKET_TEXT,         /* statistics */
    WIRE_PACKET_INFILE,       /* the server asks for a file: we never offer it, so this is a protocol error to the caller */
    WIRE_PACKET_BAD,          /* not a MySQL answer */
};

struct wire_response {
    enum wire_response_kind kind;
    uint32_t caps;
    int state; /* of response.c */
    uint32_t columns_left, params_left;
    bool continues; /* the frame before was 0xFFFFFF long */
    bool done;      /* the whole response is in */
};

void wire_response_begin(struct wire_response *r, enum wire_response_kind kind, uint32_t caps);
/* One frame. `head` = as much of the payload as is there: all of it when it is shorter than WIRE_RESPONSE_HEAD, which the
 * small packets that must be understood always are taken to be (a longer OK or ERR is passed whole too: caller waits for
 * frames with need_whole). `len` = the frame's payload length. Sets r->done. */
#define WIRE_RESPONSE_HEAD 16
enum wire_packet_kind wire_response_frame(struct wire_response *r, struct slice head, uint32_t len);
/* True where this frame must be buffered whole before wire_response_frame (everything but rows and columns). */
bool wire_response_need_whole(const struct wire_response *r, uint8_t first_byte, uint32_t len);

#endif
