/* XA statements of clients: what is asked, of which branch. Pure; leaves what is allowed to session/. */
#ifndef PROXY_SQL_XA_H
#define PROXY_SQL_XA_H

#include "proxy/sql/classify.h"

#define SQL_XID_PART_MAX 64 /* bytes of a gtrid, and of a bqual */
struct sql_xid {
    uint8_t gtrid[SQL_XID_PART_MAX], bqual[SQL_XID_PART_MAX];
    uint8_t gtrid_len, bqual_len;
    uint64_t format_id; /* 1 where none was written */
};

enum sql_xa_verb { SQL_XA_START, SQL_XA_END, SQL_XA_PREPARE, SQL_XA_COMMIT, SQL_XA_ROLLBACK, SQL_XA_RECOVER };
struct sql_xa {
    enum sql_xa_verb verb;
    struct sql_xid xid;  /* not of RECOVER */
    bool one_phase;      /* COMMIT */
    const char *option;  /* what else stands behind the xid, in one spelling: " RESUME", ...; "" = nothing */
};

/* False: not well-formed, as servers judge it too; NULL bytes, and names of other lengths than servers take, among that. */
bool sql_xa_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_xa *out) MUST_USE;

#endif
