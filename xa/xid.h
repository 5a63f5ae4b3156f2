/* Names of transactions and the texts of XA statements. formatID is always 1: MySQL >= 8.0.30 rolls acknowledged
 * PREPAREs back at crash recovery when formatIDs differ on a server. */
#ifndef XA_XID_H
#define XA_XID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define XA_GTRID_MAX 64
#define XA_BQUAL_MAX 64
#define XA_NODE_MAX 12

#define XA_GTRID_PREFIX "xap1:" /* of all proxies' */
#define XA_GTRID_PREFIX_HEX "786170313a"
/* xap1:<node>:<logid>:<epoch hex>:<counter hex>-<16 hex random>, printable ASCII, at most 64 bytes: an epoch has at most
 * 8 hex digits, a counter 11, without leading zeros. */
#define XA_EPOCH_LIMIT (UINT64_C(1) << 32)
#define XA_COUNTER_LIMIT (UINT64_C(1) << 44)
struct xa_gtrid {
    char text[XA_GTRID_MAX + 1];
};

struct xa_gtrid_parts {
    char node[XA_NODE_MAX + 1];
    char log_id[9];
    uint64_t epoch;
    uint64_t counter;
};

/* node: 1..12 of [a-z0-9_-]. */
bool xa_node_valid(const char *node);
/* epoch and counter below their limits (CHECK). */
void xa_gtrid_make(struct xa_gtrid *out, const char *node, const char *log_id, uint64_t epoch, uint64_t counter);
bool xa_gtrid_parse(struct slice text, struct xa_gtrid_parts *out); /* false: not one of ours */

/* <branch number>:<backend name>; the name is 1..32 of [A-Za-z0-9_-] (CHECK; config sees to that). */
bool xa_backend_name_valid(const char *name);
struct xa_bqual {
    char text[XA_BQUAL_MAX + 1];
};
void xa_bqual_make(struct xa_bqual *out, unsigned branch, const char *backend);

enum xa_text { XA_TEXT_START, XA_TEXT_END, XA_TEXT_PREPARE, XA_TEXT_COMMIT, XA_TEXT_ONE_PHASE, XA_TEXT_ROLLBACK };
/* Appends e.g.  XA START 'gtrid','bqual',1  */
void xa_text(struct buf *out, enum xa_text what, const char *gtrid, const char *bqual);
/* The same for foreign bytes read from XA RECOVER, written as X'..',X'..',1 . */
void xa_text_raw(struct buf *out, enum xa_text what, struct slice gtrid, struct slice bqual);

#endif
