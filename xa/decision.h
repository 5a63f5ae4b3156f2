/* The payloads of xa's log records (wal/types.h: DECIDE, DONE, VERDICT, IDENTITY, CONNECTION): writer and reader side by
 * side. A version byte, then the fields in the order of the struct: integers little-endian, strings with a 16-bit length.
 * The writers CHECK what the readers refuse; a reader leaves no part of its struct unset. */
#ifndef XA_DECISION_H
#define XA_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "xa/transaction.h"

struct xa_decision_branch {
    char backend[33];
    struct xa_bqual bqual;
};
#define XA_MAX_SLOTS 64
struct xa_decision_slot {
    char resource[33];
    uint16_t slot;
};
struct xa_decision {
    struct xa_gtrid gtrid;
    int64_t decided_ms; /* wall clock, for people */
    char who[200];      /* user@address, whole: for people, and by it a user knows its own */
    char saga[XA_GTRID_MAX + 1]; /* this is its last step: it has committed too; "" = none */
    unsigned n_branches, n_slots;
    struct xa_decision_branch branch[XA_MAX_BRANCHES];
    struct xa_decision_slot slot[XA_MAX_SLOTS];
};
void xa_decision_write(struct buf *out, const struct xa_decision *d);
bool xa_decision_read(struct slice payload, struct xa_decision *d); /* false: not a well-formed record */

struct xa_done {
    struct xa_gtrid gtrid;
};
void xa_done_write(struct buf *out, const struct xa_done *d);
bool xa_done_read(struct slice payload, struct xa_done *d);

/* A person's verdict on a transaction. */
struct xa_person_verdict {
    struct xa_gtrid gtrid;
    bool commit;
    bool forced; /* it contradicts the log */
    int64_t at_ms;
    char who[96];
    char why[200];
};
void xa_person_verdict_write(struct buf *out, const struct xa_person_verdict *v);
bool xa_person_verdict_read(struct slice payload, struct xa_person_verdict *v);

struct xa_identity {
    char backend[33];
    char server[64]; /* server_uuid, or the identity row on MariaDB */
};
void xa_identity_write(struct buf *out, const struct xa_identity *i);
bool xa_identity_read(struct slice payload, struct xa_identity *i);

struct xa_connection {
    char backend[33];
    char account[97];       /* the server-side user, so that a reused id of somebody else is never killed */
    uint64_t connection_id; /* of the server */
    int64_t opened_ms;      /* wall clock: with the number it is who it is, which a server that has begun anew gives to another */
    bool closed;            /* known to be gone */
};
void xa_connection_write(struct buf *out, const struct xa_connection *c);
bool xa_connection_read(struct slice payload, struct xa_connection *c);

#endif
