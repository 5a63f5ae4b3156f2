/* Prefixes over the 16 bytes of an address. */
#include "base/network.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS 32
#define V6_BITS 128

/* Returns how many bits the family's prefixes may have, 0 where it is no address. */
static unsigned address_read(const char *text, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (inet_pton(AF_INET6, text, out) == 1)
        return V6_BITS;
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, out + sizeof mapped) == 1 ? V4_BITS : 0;
}

static bool bit_of(const uint8_t *bytes, unsigned n)
{
    return bytes[n / 8] >> (7 - n % 8) & 1;
}

static bool is_clean(const struct network *n)
{
    for (unsigned i = n->bits; i < V6_BITS; i++)
        if (bit_of(n->bytes, i))
            return false;
    return true;
}

static bool prefix_read(const char *text, unsigned most, unsigned *out)
{
    char *end;
    unsigned long bits = strtoul(text, &end, 10);
    *out = (unsigned)bits;
    return isdigit((unsigned char)*text) && !*end && bits <= most;
}

bool network_read(const char *text, struct network *out)
{
    char address[64];
    size_t n = strcspn(text, "/");
    *out = (struct network){.local = !strcmp(text, "unix")};
    if (out->local)
        return true;
    if (n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    unsigned most = address_read(address, out->bytes), bits = most;
    if (!most || (text[n] && !prefix_read(text + n + 1, most, &bits)))
        return false;
    out->bits = V6_BITS - most + bits;
    return is_clean(out);
}

static bool has(const struct network *n, const struct network *address)
{
    if (n->local || address->local)
        return n->local && address->local;
    for (unsigned i = 0; i < n->bits; i++)
        if (bit_of(n->bytes, i) != bit_of(address->bytes, i))
            return false;
    return true;
}

bool network_list_has(char *const *list, const char *address)
{
    char plain[64];
    struct network at, n;
    size_t len = strcspn(address, "%"); /* a scope id is no part of the address */
    if (len >= sizeof plain)
        return false;
    memcpy(plain, address, len);
    plain[len] = '\0';
    if (!network_read(plain, &at))
        return false;
    for (; list && *list; list++)
        if (network_read(*list, &n) && has(&n, &at))
            return true;
    return false;
}
