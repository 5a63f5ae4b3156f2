/* Networks as people write them, and whether an address lies in one. Leaves sockets to proxy/net. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* IPv4 is kept as ::ffff:a.b.c.d, so that one comparison serves both. */
struct network {
    uint8_t bytes[16];
    unsigned bits; /* 0 to 128 */
    bool local;    /* the word "unix": local sockets */
};
/* "10.0.0.0/8", "2001:db8::/32", an address alone, or "unix". False: none of these, or bits are set behind the prefix. */
bool network_read(const char *text, struct network *out) MUST_USE;
/* Is the address (as struct net_conn has it: numeric, or "unix") in one of the networks, a NULL-terminated list of texts that
 * network_read takes? */
bool network_list_has(char *const *list, const char *address);

#endif
