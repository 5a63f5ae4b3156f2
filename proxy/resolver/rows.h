/* What a server lists as prepared: one answer to XA RECOVER. */
#ifndef PROXY_RESOLVER_ROWS_H
#define PROXY_RESOLVER_ROWS_H

#include "proxy/resolver/server.h"

struct row {
    uint64_t format_id;
    struct slice gtrid, bqual; /* heap copies with a NUL behind */
};
struct rows { /* all-zero is empty; sorted */
    struct row *at;
    size_t n, cap;
    bool odd; /* a row whose lengths do not fit: what is missing from such a list proves nothing */
};
bool rows_list(struct rows *out, struct server *server) MUST_USE; /* false: no answer, or an odd one */
bool rows_have(const struct rows *rows, struct slice gtrid, struct slice bqual);
void rows_fini(struct rows *rows);

#endif
