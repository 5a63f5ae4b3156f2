/* Where does a server's reply end? Watches packet headers and first bytes of one response; rows are never decoded.
 * Leaves sockets and sequence numbers to backend/.
 *
 *   COUNT -> COLUMNS -> (EOF) -> ROWS -> end or next result          OK / ERR end at once
 */
#ifndef PROXY_WIRE_RESPONSE_H
#define PROXY_WIRE_RESPONSE_H

#include "proxy/wire/reply.h"

enum wire_response_kind {
    WIRE_RESPONSE_NONE,       /* COM_QUIT, COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA: nothing comes */
    WIRE_RESPONSE_QUERY,      /* COM_QUERY, COM_STMT_EXECUTE, BULK_EXECUTE: OK, ERR, result sets, LOCAL INFILE */
    WIRE_RESPONSE_CURSOR,     /* COM_STMT_EXECUTE asking for a cursor: rows may stay behind for COM_STMT_FETCH */
    WIRE_RESPONSE_PREPARE,    /* COM_STMT_PREPARE */
    WIRE_RESPONSE_FIELDS,     /* COM_FIELD_LIST: columns then EOF/OK */
    WIRE_RESPONSE_FETCH,      /* COM_STMT_FETCH: rows then EOF/OK */
    WIRE_RESPONSE_STATISTICS, /* one packet of text */
    WIRE_RESPONSE_SIMPLE,     /* OK, EOF or ERR: COM_PING, COM_INIT_DB, COM_RESET_CONNECTION, COM_SET_OPTION, ... */
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
    WIRE_PACKET_INFILE,       /* the server asks for a file: it gets that, then the answer goes on; else nonsense */
    WIRE_PACKET_PROGRESS,     /* how far the server is: with PROGRESS, anywhere in an answer */
    WIRE_PACKET_BAD,          /* not a MySQL answer */
};

struct wire_response {
    enum wire_response_kind kind;
    uint64_t caps;
    int state; /* of response.c */
    uint32_t columns_left, params_left;
    uint16_t status; /* of the last OK or EOF */
    bool continues;  /* the frame before was 0xFFFFFF long */
    bool file;       /* the server may ask for one: set it after wire_response_begin, good for one time */
    bool done;       /* the whole response is in */
};

/* kind NONE is done at once. */
void wire_response_begin(struct wire_response *r, enum wire_response_kind kind, uint64_t caps);
/* Two steps for each frame: when the header and one byte of the payload are there (or len is 0), ask
 * wire_response_need_whole; where it says so wait for the whole payload; then call wire_response_frame once with what
 * is there, at least one byte of a frame that is not empty. `len` = the frame's payload length. Sets r->done; after
 * WIRE_PACKET_BAD, and WIRE_PACKET_INFILE without r->file, the connection is of no more use. */
enum wire_packet_kind wire_response_frame(struct wire_response *r, struct slice head, uint32_t len);
/* True for everything but rows, columns, statistics and what continues a frame. The caller limits `len` (an OK or ERR
 * of more than some 64 KiB is no honest server's) and passes len = 0 with any first_byte. */
bool wire_response_need_whole(const struct wire_response *r, uint8_t first_byte, uint32_t len);

#endif
